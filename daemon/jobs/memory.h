/*
 * What datasets, drafts, jobs with what is recorded of them, plans and reports take together, and
 * the limit there may be.
 */
#ifndef JOBS_MEMORY_H
#define JOBS_MEMORY_H

#include "jobs/state.h"
#include "server/counters.h"

uint64_t memory_used(const struct jobs *jobs); /* bytes */
uint64_t
memory_spare(const struct jobs *jobs); /* bytes that there is room for; UINT64_MAX: no limit */
/* The same as memory_used, by what it is for; and with reports, those that are given up and wait
 * for a thread to free them (server/scrap.h), which take no room from what comes. */
void memory_count(const struct jobs *jobs, struct holds *out);
/* Lets plans take what datasets, drafts, jobs and reports leave, as it is now. */
void memory_update(struct jobs *jobs);
/* EVD_E_LIMIT if so many bytes more do not fit. 0 always do, also where more is taken than the
 * limit by what needs no leave (what was loaded, progress of jobs): who has room for it already,
 * which is counted, would only hold that for longer. */
int memory_room(struct jobs *jobs, uint64_t more, const char *what,
                struct evd_error *err) MUST_CHECK;

#endif
