/*
 * Pairs: a second sample for each draw, and how much of it there is in the mixture. They go with
 * every kind of strategy (`pairs` beside `kind`), are a function of the position alone, and leave
 * what the kind draws as it is. SAMPLING.md, "Pairs". Called by plan.c.
 */
#ifndef SAMPLER_PAIRS_H
#define SAMPLER_PAIRS_H

#include "sampler/bases.h"

/* About how many numbers of 4 ns the quantiles cost. */
#define COST_OF_PAIRS (1u << 20)

static inline bool pairs_given(const struct strategy *strategy)
{
    return strategy_given(strategy, PAIRS_HOW);
}

/* Makes plan->pairs, if the strategy has any, and adds to the digest. PLAN_OK, PLAN_REFUSED or
 * PLAN_NO_MEMORY. */
int pairs_build(struct plan *plan, const struct plan_input *in, struct sampler_error *err);

/* Makes plan->pairs of what its bases (bases.h) have for neighbours; NULL: none, so that nobody has
 * a second one. False without memory. */
bool pairs_of_bases(struct plan *plan, const struct bases *bases);

/* Fills partner, partner_class and share of a block whose members, classes and positions are known,
 * of a plan without pairs as if none had a second one. Overwrites draw, first and second. */
void pairs_draw(const struct plan *plan, uint64_t epoch_key, uint64_t step,
                struct draw_block *block);

/* The second sample's share of the mixture, of such a block, each where the draw goes; */
void pairs_shares(const struct draw_block *block, float *out);
/* and the second label's. */
void pairs_label_shares(const struct plan *plan, const struct draw_block *block, float *out);

#endif
