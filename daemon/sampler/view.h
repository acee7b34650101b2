/*
 * Views: the part of a class index that a strategy draws from (`from` beside `kind`): what a
 * selection keeps, or what folds leave. Samples keep their indices, and what is left out is as if
 * it had no label; kinds, engines and pairs see an index like any other. A view is the plan's: it
 * counts as its memory, and goes with it. Called by plan.c.
 */
#ifndef SAMPLER_VIEW_H
#define SAMPLER_VIEW_H

#include "sampler/internal.h"

/* About how many numbers of 4 ns a labelled sample costs, which is looked at twice. */
#define COST_OF_VIEW 3u

/* The index to draw from: the input's own, or a view of it in the plan's memory. PLAN_OK,
 * PLAN_REFUSED, PLAN_NO_MEMORY or PLAN_CANCELLED. */
int view_build(struct plan *plan, const struct plan_input *in, const struct class_index **out,
               struct sampler_error *err);
/* Adds to the plan's digest which samples are in the view. */
void view_hash(struct plan *plan, const struct class_index *view);
/* Puts before a message of what was refused that it is about the view. */
void view_name(const struct plan_input *in, const struct class_index *view,
               struct sampler_error *err);

#endif
