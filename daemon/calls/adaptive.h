/*
 * The adaptive strategy at work: reports to one job move the class weights of others.
 */
#ifndef CALLS_ADAPTIVE_H
#define CALLS_ADAPTIVE_H

#include "calls/reported.h"

/* A report was counted in the job's `row`, an epoch of which `units` slices of steps have samples
 * (0: not known), each step in so many slices: moves the strategies that follow the job, if it is
 * time. */
void adaptive_follow(struct call *call, struct report *report, struct feedback_epoch *row,
                     uint64_t units, uint32_t slices);
void adaptive_free(struct adaptive *adaptive); /* NULL is fine */

#endif
