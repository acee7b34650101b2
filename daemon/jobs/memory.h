/*
 * What datasets, drafts, plans, reports and records take together, and the limit there may be.
 */
#ifndef JOBS_MEMORY_H
#define JOBS_MEMORY_H

#include "jobs/state.h"

uint64_t memory_used(const struct jobs *jobs); /* bytes */
/* Lets plans take what datasets, drafts, reports and records leave, as it is now. */
void memory_update(struct jobs *jobs);
/* EVD_E_LIMIT if so many bytes more do not fit. */
int memory_room(struct jobs *jobs, uint64_t more, const char *what,
                struct evd_error *err) MUST_CHECK;

#endif
