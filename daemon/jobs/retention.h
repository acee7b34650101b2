/*
 * Forgets the strategies that a job with `retain_epochs` does not retain. Called by progress.c,
 * when that of the job is stored, and by update.c and seek.c when a change is over.
 */
#ifndef JOBS_RETENTION_H
#define JOBS_RETENTION_H

#include "jobs/entry.h"

/* What is not needed any more, since a restart would find all ranks in entry->stored_epoch or
 * later, goes slice by slice. Takes no time where nothing is new since it was called last. */
void retention_follow(struct job_entry *entry);
/* The same when the job was changed. */
void retention_changed(struct job_entry *entry);

#endif
