/*
 * How many members of a class are expected to come at all.
 *
 * Members come in random orders of the whole class, one order after the other. Draws of such an
 * order are added in the sequence of their ordinals; the orders are independent of one another.
 */
#ifndef SAMPLER_COVERAGE_H
#define SAMPLER_COVERAGE_H

#include <stdint.h>

struct coverage {
    uint64_t size;   /* members of the class, above 0 */
    uint64_t filled; /* ordinals of the present order so far */
    double taken;    /* how many of those are expected to be drawn */
    double unseen;   /* the chance of a member not to come in the orders before */
};

static inline struct coverage coverage_begin(uint64_t size)
{
    return (struct coverage){.size = size, .unseen = 1};
}
/* The next `count` ordinals, each drawn with that chance. */
void coverage_permuted(struct coverage *coverage, uint64_t count, double chance);
/* `count` draws from the whole class, each really made with that chance. */
void coverage_uniform(struct coverage *coverage, uint64_t count, double chance);
/* The share of members that come at least once. */
double coverage_end(const struct coverage *coverage);

#endif
