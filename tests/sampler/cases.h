/*
 * One or more cases of every kind of strategy, so that properties which hold for all of them are
 * tested for each. A test fails when a kind has no case.
 */
#ifndef TESTS_SAMPLER_CASES_H
#define TESTS_SAMPLER_CASES_H

#include "fixture.h"

enum trait {
    DISTINCT = 1,  /* no sample twice in an epoch */
    EXACT = 2,     /* epoch counts are the expected ones, to the last sample */
    WHOLE = 4,     /* full batches only */
    WEIGHED = 8,   /* reads per-sample weights */
    BALANCED = 16, /* every batch and rank within one of its share */
    VARYING = 32,  /* shares differ from epoch to epoch */
    UNEVEN = 128,  /* samples of a class do not come equally often, or orders come again */
    POINTS = 256,  /* between two samples: draws have no probability */
    SUBSET = 64,   /* a fixed part of the samples: only classes are in proportion */
};

struct strategy_case {
    const char *name;
    unsigned traits;
    void (*make)(struct strategy *s, uint32_t classes);
};

extern const struct strategy_case strategy_cases[]; /* ended by a NULL name */

/* The dataset that cases are made for: long-tailed, one class empty. */
#define CASE_CLASSES 6
extern const uint64_t case_counts[CASE_CLASSES];
/* Per-sample weights for those that read them: some 0. Freed by the caller. */
double *case_weights(const struct data *data);
struct plan *case_plan(const struct strategy_case *c, const struct data *data, uint32_t batch_size,
                       enum last_batch last, uint64_t seed);

#endif
