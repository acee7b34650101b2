/*
 * Which columns a batch is to have, as requests say it.
 */
#ifndef CALLS_COLUMNS_H
#define CALLS_COLUMNS_H

#include "proto/batch.h"
#include "proto/error.h"

/* Adds the columns that an optional array names to a format. */
int columns_decode(const msgpack_object *object, struct batch_format *format, struct evd_error *err)
    __attribute__((warn_unused_result));

#endif
