/*
 * Jobs, as they come back from the store: their rows, then their plans and progress. For load.c.
 *
 * Nothing that is read is trusted. A job of which anything is not as it was written is out of
 * service alone (JOB_STATUS_FAILED), with an error that speaks of damage: whoever asks for it has
 * made no mistake.
 */
#ifndef JOBS_RESTORE_H
#define JOBS_RESTORE_H

#include "jobs/state.h"

struct loaded_progress;

/* First in what the store's reader is given as `arg`. */
struct restoring {
    struct jobs *jobs;
    struct job_entry *entry;               /* whose rows are being told */
    struct loaded_progress *first, **last; /* told after its job, needed when that is restored */
};

/* Rows, for struct store_reader. */
int restore_job_row(void *arg, const struct store_job *job, struct evd_error *err) MUST_CHECK;
int restore_seek_row(void *arg, const struct store_seek *seek, struct evd_error *err) MUST_CHECK;
int restore_revision_row(void *arg, const struct store_revision *revision,
                         struct evd_error *err) MUST_CHECK;
int restore_world_row(void *arg, const struct store_world *world, struct evd_error *err) MUST_CHECK;
int restore_progress_row(void *arg, uint64_t job, const struct store_progress *progress,
                         struct evd_error *err) MUST_CHECK;
int restore_damaged_row(void *arg, uint64_t job, const struct evd_error *why,
                        struct evd_error *err) MUST_CHECK;

/* When all rows are there: jobs serve, or say why not. */
void restore_jobs(struct restoring *restoring);
/* Frees what rows have left. */
void restore_end(struct restoring *restoring);

#endif
