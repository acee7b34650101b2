/*
 * Parameters that are text, or the name of what is attached to the dataset. Of an attachment a
 * recorded strategy has name and digest, {"name": ..., "digest": sixteen hexadecimal digits}; who
 * gives a strategy says the name, or both. Called by strategy.c.
 */
#ifndef CODEC_NAMED_H
#define CODEC_NAMED_H

#include <msgpack.h>
#include "proto/error.h"
#include "proto/text.h"
#include "sampler/strategy.h"

/* Into values[at]. BAD_VALUE. */
int text_decode(struct strategy *strategy, int at, struct evd_str text, struct evd_error *err);
/* Into values[at]: a text where there is no digest, until build_attached has found which it is.
 * BAD_TYPE, BAD_VALUE. */
int attached_decode(struct strategy *strategy, int at, const msgpack_object *object,
                    struct evd_error *err);
void attached_encode(msgpack_packer *pk, const char *key, const struct strategy_value *value);

#endif
