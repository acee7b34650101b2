/*
 * Which slices of which steps of an epoch were counted: a bitmap for each slice, as long as the
 * highest step needs. At most TALLY_MAX_BYTES, which is 134 million of them.
 */
#ifndef FEEDBACK_TALLY_H
#define FEEDBACK_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

#define TALLY_MAX_BYTES ((size_t)16 << 20)

struct tally {
    uint64_t count; /* how many were set */
    /* private */
    struct tally_row {
        uint64_t *words;
        size_t length;
    } * rows;
    uint32_t row_count;
    size_t bytes;
};

/* Zeroed memory is an empty tally. */
void tally_fini(struct tally *tally);
size_t tally_memory(const struct tally *tally); /* bytes */
/* Makes room for the slice of the step. EVD_E_LIMIT, EVD_E_NO_MEMORY. */
int tally_reserve(struct tally *tally, uint32_t slice, uint64_t step, struct evd_error *err);
/* Of what was reserved. */
bool tally_has(const struct tally *tally, uint32_t slice, uint64_t step);
void tally_set(struct tally *tally, uint32_t slice, uint64_t step);

#endif
