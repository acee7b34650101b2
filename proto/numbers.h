/*
 * Numbers from MessagePack: single ones, and many of one kind, which a peer gives as an array or as
 * bin (one behind the other, of fixed size, little-endian). And text.
 *
 * Encoders differ. Those of languages whose numbers are all floats write integers from 2^32 on as
 * floats (msgpack-lite, msgpackr); those that know bytes only, or are older than str 8 and bin,
 * write text as bin (Perl, the first message of pynvim). Both are taken for what they mean.
 */
#ifndef PROTO_NUMBERS_H
#define PROTO_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/error.h"
#include "proto/text.h"

/* 2^53: beyond it a float does not say which integer was meant. */
#define NUMBER_FLOAT_MOST 0x1p53

/* The bytes of a str or bin; whether they are UTF-8 is for the caller to look at. */
bool text_from(const msgpack_object *object, struct evd_str *out) MUST_CHECK;
bool number_is_float(const msgpack_object *object);
/* An integer from 0 to `most`; a float that is whole will do, up to NUMBER_FLOAT_MOST. */
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
