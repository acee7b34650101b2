/*
 * The end of a job, by job.drop, or by job.create in its place.
 */
#ifndef CALLS_JOB_DROP_H
#define CALLS_JOB_DROP_H

#include "jobs/entry.h"

/* CONFLICT while workers are attached to it or it is being changed. */
int job_droppable(const struct job_entry *entry, struct evd_error *err) MUST_CHECK;
/* It is not in the store any more: its workers are told, and it leaves the table. */
void job_discard(struct job_entry *entry);

#endif
