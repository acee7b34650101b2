/*
 * What a resolved block of draws is to whoever asked for it: columns of values, each draw's in its
 * place. Called by plan.c.
 */
#ifndef SAMPLER_COLUMNS_H
#define SAMPLER_COLUMNS_H

#include "sampler/internal.h"

/* `step` is the epoch's; at->step is counted from where the plan took over. Overwrites the block's
 * draw, first and second. */
void columns_fill(const struct plan *plan, uint64_t step, const struct draw_step *at,
                  struct draw_block *block, const struct plan_columns *columns);

#endif
