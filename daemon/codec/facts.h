/*
 * What is said of an attachment by whoever made it (`terms` on the wire): a flat map of text to
 * text, numbers and booleans, kept as it is and given back. As bytes: MessagePack in one form.
 */
#ifndef CODEC_FACTS_H
#define CODEC_FACTS_H

#include <stddef.h>
#include <msgpack.h>
#include "proto/check.h"
#include "proto/error.h"

/* NULL: nothing is said. *bytes is the caller's to free. BAD_TYPE, BAD_VALUE, LIMIT, NO_MEMORY. */
int facts_encode(const msgpack_object *terms, void **bytes, size_t *n,
                 struct evd_error *err) MUST_CHECK;
/* Are stored bytes what facts_encode makes? They go to clients as they are. EVD_OK, STORE or
 * NO_MEMORY. */
int facts_check(const void *bytes, size_t n, struct evd_error *err) MUST_CHECK;

#endif
