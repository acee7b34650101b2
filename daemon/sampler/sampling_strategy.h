/*
 * The parameter `sampling_strategy` of imbalanced-learn: a word, a ratio or a map of class to
 * count, resolved to counts as version 0.10 does, errors included. The one difference: a ratio is
 * taken as the decimal number that was written (SAMPLING.md, "Ratios").
 */
#ifndef SAMPLER_SAMPLING_STRATEGY_H
#define SAMPLER_SAMPLING_STRATEGY_H

#include "sampler/internal.h"

/* keep[c]: how many of each class an under-sampler keeps; untouched classes whole. C values. */
int sampling_strategy_under(const struct plan_input *in, int param, uint64_t *keep,
                            struct sampler_error *err);
/* add[c]: how many an over-sampler adds to each class. */
int sampling_strategy_over(const struct plan_input *in, int param, uint64_t *add,
                           struct sampler_error *err);

/* How classes are filled up beyond their size: what the parameter `members` says. */
extern const char *const member_rules[];
#define MEMBERS_HELP                                                                               \
    "how a class is filled up: keep-then-bootstrap: every sample once, the rest drawn at random; " \
    "balanced-repeat: every sample equally often, give or take one"
/* An epoch of so many slots of each class, which may be more or fewer than its samples. */
int filled_up(struct plan *plan, const uint64_t *slots, int member_rule, struct sampler_error *err);

#endif
