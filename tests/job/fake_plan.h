/*
 * A stand-in for the sampler's plans, so that the job core is tested by itself: every epoch has the
 * same number of steps, and every sample drawn has the plan's revision as its label.
 */
#ifndef TESTS_JOB_FAKE_PLAN_H
#define TESTS_JOB_FAKE_PLAN_H

#include "sampler/plan.h"

struct fake_plan {
    uint32_t revision;
    uint64_t steps; /* of every epoch that begins under it */
    uint32_t batch; /* of every step but the last, */
    uint32_t last;  /* which has this many */
    int place;      /* what plan_place returns */
};

/* One reference, or NULL without memory. */
struct plan *fake_plan_new(struct fake_plan what);
/* How many plans there are: 0 at the end of a test. */
unsigned fake_plans(void);
/* Where it was placed. */
uint64_t fake_plan_epoch(const struct plan *plan);
uint64_t fake_plan_step(const struct plan *plan);
uint32_t fake_plan_revision(const struct plan *plan);

#endif
