/*
 * What happens to a job: an event is handed to the job core, and what comes of it is carried out.
 *
 *     entry_step(event) -> job_step -> effects, one after the other:
 *         for a stream      jobs_ops.stream_effect draws a batch or tells the worker something
 *         for the store     a task is sent there; its answer is the next event
 *         for who asked     the task of an update, a seek or an acknowledgement goes on
 */
#ifndef JOBS_DRIVE_H
#define JOBS_DRIVE_H

#include "jobs/entry.h"

/* job_step with the clock; carries out what is to be done. Returns what job_step did. */
int entry_step(struct job_entry *entry, struct job_event *event, struct job_update *update,
               struct evd_error *err);
/* The same for events of which nothing is to be learned: all but JOB_OPEN, JOB_LOST, JOB_RELEASE.
 */
int entry_drive(struct job_entry *entry, struct job_event *event, struct evd_error *err);
/* Stores the progress that is not yet stored. */
void entry_flush(struct job_entry *entry);
/* What is due; returns when something will be. */
uint64_t entry_tick(struct job_entry *entry, uint64_t now);

#endif
