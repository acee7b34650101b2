/*
 * How far a job's workers have come, on its way to the store.
 */
#ifndef JOBS_PROGRESS_H
#define JOBS_PROGRESS_H

#include "jobs/entry.h"

/* Sends the progress, as it is now, to the store, in a task whose step `stored` follows. Returns
 * why it could not even be queued. */
int progress_send(struct job_entry *entry, task_step *stored) MUST_CHECK;
/* In that step: notes what is in the store now. */
void progress_ended(struct task *task);

/* A world size as the store takes it. What it points to stays the record's. */
struct store_world store_world_of(const struct job_entry *entry, const struct world_record *world);

#endif
