/*
 * From a class' ordinals to its members: ordinal J is the place J mod n in pass J div n over the
 * class, and each pass has an order of its own. So nobody in a class comes again before everybody
 * has come.
 */
#ifndef SAMPLER_MEMBERS_H
#define SAMPLER_MEMBERS_H

#include "sampler/internal.h"

/* Whole-number division by way of doubles, which processors do many times faster: the quotient is
 * off by at most one for values below 2^52, and put right. */
static inline uint64_t divide(uint64_t value, uint64_t by, uint64_t *rest)
{
    if (value < by) {
        *rest = value;
        return 0;
    }
    if (__builtin_expect((value | by) >> 52 != 0, 0)) {
        *rest = value % by;
        return value / by;
    }
    uint64_t quotient = (uint64_t)((double)value / (double)by);
    int64_t left = (int64_t)(value - quotient * by);
    if (left < 0) {
        quotient--;
        left += (int64_t)by;
    } else if (left >= (int64_t)by) {
        quotient++;
        left -= (int64_t)by;
    }
    *rest = (uint64_t)left;
    return quotient;
}

/* Numbers in their classes, permuted under first[], become members. */
static inline void members_finish(const struct plan *plan, struct draw_block *block)
{
    lanes_permute(block->member, block->size, block->first, block->n, &block->walk);
    for (uint32_t k = 0; k < block->n; k++) {
        block->member[k] += plan->index->start[block->class[k]];
        member_prefetch(plan, block->member[k]);
    }
}

/* On entry member[] holds ordinals J; on return members, and repeat[] the pass. */
static inline void members_permuted(const struct plan *plan, uint64_t key, struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++) {
        block->size[k] = class_size(plan->index, block->class[k]);
        block->draw[k] = divide(block->member[k], block->size[k], &block->member[k]);
        block->repeat[k] = (uint32_t)block->draw[k];
    }
    lanes_numbers(key, KEY_MEMBER, block->draw, block->class, block->first, block->second,
                  block->n);
    members_finish(plan, block);
}

#endif
