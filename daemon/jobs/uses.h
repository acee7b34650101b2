/*
 * Who uses what, so that what was made for a run goes with it. A connection uses the ephemeral jobs
 * that it created, joined or draws from, and the owned datasets that it committed and has not yet
 * made a job of. An ephemeral job that nobody has used for its time is dropped; an owned dataset
 * goes when no job and no connection uses it (expiry.h). Called by calls/, jobs.c and load.c.
 */
#ifndef JOBS_USES_H
#define JOBS_USES_H

#include "jobs/state.h"

/* A connection's use of a job, or of a dataset. */
struct use {
    struct session *session;
    struct job_entry *entry; /* NULL: of `dataset` */
    struct dataset *dataset; /* NULL: of `entry` */
    TAILQ_ENTRY(use) in_session;
    TAILQ_ENTRY(use) in_entry; /* of `entry` only */
};

/* From now on the session uses it, if that matters to it. NO_MEMORY. */
int use_job(struct session *session, struct job_entry *entry, struct evd_error *err) MUST_CHECK;
int use_dataset(struct session *session, struct dataset *dataset, struct evd_error *err) MUST_CHECK;
/* A job of the session's has the dataset now. */
void use_dataset_end(struct session *session, struct dataset *dataset);
/* The session's connection is gone; and the job is. */
void uses_end(struct session *session);
void uses_end_of_job(struct job_entry *entry);

/* The job was loaded: those who use it may not know yet that their connections are gone, and hear
 * of it only when they ask for their next batch. They have an hour to come back. */
void uses_await(struct job_entry *entry);

#endif
