/*
 * Which columns a batch is to have, as requests say it.
 */
#ifndef CALLS_COLUMNS_H
#define CALLS_COLUMNS_H

#include "proto/batch.h"
#include "proto/error.h"

/* Adds the columns that an optional array names to a format. */
int columns_decode(const msgpack_object *object, struct batch_format *format,
                   struct evd_error *err) MUST_CHECK;

/* The names of such columns, a bit for each, as an array under the key. */
void pack_key_columns(msgpack_packer *pk, const char *key, uint32_t columns);

#endif
