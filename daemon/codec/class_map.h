/*
 * Numbers by class on the wire <-> a parameter of a strategy: a map from class names, or in class
 * order an array, or bin of little-endian f64.
 */
#ifndef CODEC_CLASS_MAP_H
#define CODEC_CLASS_MAP_H

#include <msgpack.h>
#include "dataset/dataset.h"
#include "proto/buf.h"
#include "sampler/strategy.h"

/* `at` is the parameter's number. Errors: EVD_E_BAD_TYPE, BAD_VALUE, NOT_FOUND for a class,
 * NO_MEMORY. */
int class_map_decode(struct strategy *strategy, int at, const msgpack_object *value,
                     const struct dataset *dataset, struct evd_error *err);
/* One number for each class, NaN where none is given. */
void class_map_encode(msgpack_packer *pk, const double *by_class, const struct dataset *dataset,
                      struct evd_buf *out);
/* Whole numbers as integers, so that what a user gave as 3 is not shown as 3.0. */
void pack_key_number(msgpack_packer *pk, const char *key, double value);

#endif
