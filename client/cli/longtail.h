/*
 * A long-tailed part of a balanced dataset (Cui et al. 2019): of the c-th largest class, c = 0, 1,
 * ..., n_max * ratio^(-c / (C - 1)) samples are kept, rounded, at least one and at most all; C is
 * the number of classes with samples, and equally large classes stand in class order.
 *
 * Which ones is a function of the seed alone: sample i is kept if u(i) * left < need, u(i) being
 * the first 64 bits of Philox4x32-10 with key = seed and counter = i, as a fraction of 2^64, `left`
 * the samples of its class from i on and `need` those still to be kept (Knuth's algorithm S). Every
 * choice of that many samples is equally likely, one pass is enough, and the counts come out
 * exactly.
 */
#ifndef CLI_LONGTAIL_H
#define CLI_LONGTAIL_H

#include <stdbool.h>
#include <stdint.h>

struct longtail_class {
    uint64_t need, left;
};

/* counts[c]: samples of class c. NULL without memory; to be freed with free(). */
struct longtail_class *longtail_plan(const uint64_t *counts, uint32_t classes, double ratio)
    __attribute__((warn_unused_result));
/* Is the sample kept? To be asked for every labelled sample, in order. */
bool longtail_keep(struct longtail_class *class, uint64_t seed, uint64_t sample);

#endif
