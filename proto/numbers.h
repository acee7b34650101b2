/*
 * Numbers from MessagePack: single ones, and many of one kind, which a peer gives as an array or as
 * bin (one behind the other, of fixed size, little-endian).
 */
#ifndef PROTO_NUMBERS_H
#define PROTO_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/error.h"

/* An integer from 0 to `most`. */
bool number_u64(const msgpack_object *object, uint64_t most, uint64_t *out) MUST_CHECK;
/* Any number; it may be infinite or NaN. */
bool number_f64(const msgpack_object *object, double *out) MUST_CHECK;

struct numbers {
    const char *prefix; /* begins what is said of them: "job.report: " */
    const char *field;
    const msgpack_object *object;
    size_t width; /* bytes of each in a bin: 4 or 8 */
    size_t count; /* set by numbers_open */
};

/* Counts them. BAD_TYPE, saying that the field must be `form`, or BAD_VALUE. */
int numbers_open(struct numbers *numbers, const char *form, struct evd_error *err) MUST_CHECK;
/* The number at i < count; false if the array has something else there. An integer in a bin is
 * unsigned, another number a float of that width. */
bool numbers_u64(const struct numbers *numbers, size_t i, uint64_t most, uint64_t *out) MUST_CHECK;
bool numbers_f64(const struct numbers *numbers, size_t i, double *out) MUST_CHECK;

#endif
