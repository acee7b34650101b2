/*
 * Integer tables that plans are reduced to: whole numbers in given proportions, intervals, alias
 * tables. The same on every machine that computes the same doubles.
 */
#ifndef SAMPLER_TABLES_H
#define SAMPLER_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan;

/* Memory for a table that is read in random places, not zeroed; free() it. Large ones are put on
 * huge pages where the system has them: a read of a small page would nearly always miss the
 * processor's table of pages as well as its caches. */
void *table_alloc(size_t bytes);

/* Whole numbers that sum to `total` and are in proportion to the weights, by largest remainder, the
 * lower class first among equals. Weights are finite, >= 0, with a positive sum. False: no memory.
 */
bool tables_apportion(const double *weights, uint32_t n, uint64_t total, uint64_t *out);

/* [0, cut[classes]) cut into one interval for each class, some perhaps empty. */
struct cuts {
    uint32_t classes;
    unsigned shift;
    const uint64_t *cut;   /* classes + 1 */
    const uint32_t *guide; /* the class that holds g << shift, for a start */
};
/* `cut` is kept, not copied. Memory comes from the plan; false without. */
bool cuts_init(struct cuts *cuts, struct plan *plan, const uint64_t *cut, uint32_t classes);

/* The class whose interval holds x, in a few steps however many classes there are. */
static inline uint32_t cuts_find(const struct cuts *cuts, uint64_t x)
{
    uint32_t low = cuts->guide[x >> cuts->shift];
    uint32_t high = cuts->guide[(x >> cuts->shift) + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cuts->cut[middle + 1] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Walker's alias method in integers: 2^bits buckets of 2^(63-bits) each. */
struct alias_bucket {
    uint64_t threshold; /* below it the bucket's own item, else the other */
    uint64_t other;
};
struct alias {
    unsigned bits;
    const struct alias_bucket *bucket;
};
/* Weights as for tables_apportion. An item of weight 0 is never drawn. */
bool alias_init(struct alias *alias, struct plan *plan, const double *weights, uint64_t n);

static inline uint64_t alias_draw(const struct alias *alias, uint64_t number)
{
    uint64_t x = number >> 1;
    unsigned below = 63 - alias->bits;
    uint64_t item = x >> below;
    const struct alias_bucket *bucket = &alias->bucket[item];
    /* Which of the two is as good as random, so no processor could guess a branch. */
    uint64_t other = -(uint64_t)((x & ((1ull << below) - 1)) >= bucket->threshold);
    return item ^ ((item ^ bucket->other) & other);
}

#endif
