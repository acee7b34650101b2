/*
 * The adaptive strategy's policy: what it says about itself, and which class weights it wants next,
 * from what was reported.
 */
#ifndef FEEDBACK_POLICY_H
#define FEEDBACK_POLICY_H

#include "dataset/dataset.h"
#include "feedback/adapt.h"
#include "feedback/confusion.h"
#include "sampler/strategy.h"

struct policy {
    char feedback[sizeof(((struct strategy_value *)NULL)->text)]; /* the job whose reports it
                                                                     follows; empty: its own */
    bool by_loss;   /* the need of a class is its loss, else what its recall lacks */
    uint64_t every; /* so many steps, else (0) every epoch */
    struct adapt_rule rule;
};

/* Of a strategy of the kind "adaptive". */
void policy_read(struct policy *policy, const struct strategy *strategy);
/* The strategy's next weights, in it, for a job on `to` that draws from `index` of it; the counts
 * are of a job on `from`, whose classes are the same by name. False if there is no reason to move,
 * or no memory. */
bool policy_next(const struct policy *policy, const struct confusion *counts,
                 const struct dataset *from, const struct dataset *to,
                 const struct class_index *index, struct strategy *strategy);

#endif
