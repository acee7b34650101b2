/*
 * The end of what nobody uses any more (uses.h): ephemeral jobs after their time, then the datasets
 * that belong to them. Called by the ticks of calls.c.
 */
#ifndef JOBS_EXPIRY_H
#define JOBS_EXPIRY_H

#include "jobs/state.h"

/* Where there are as many jobs or datasets as there may be: the ephemeral job that would go next
 * goes before its time. True: somebody who asks again soon finds room. */
bool expiry_make_room(struct jobs *jobs) MUST_CHECK;
/* Drops what is due; returns when something will be. */
uint64_t expiry_tick(struct jobs *jobs, uint64_t now);

#endif
