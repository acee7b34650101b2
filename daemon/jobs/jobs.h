/*
 * Which datasets and jobs there are, in memory and in the store, and what they may take of memory.
 *
 *     datasets.h  datasets by name and version     draft.h   datasets that are being sent
 *     entry.h     one job                          drive.h   what happens to it
 *     build.h     a strategy becomes a plan        update.h  another strategy for a job
 *     seek.h      a job moves to another position  progress.h  how far its workers have come
 *     memory.h    the limit of memory              load.h    all of it, back from the store
 *
 * Called by calls/. Everything belongs to the loop thread.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "dataset/dataset.h"
#include "job/job.h"
#include "proto/batch.h"
#include "server/session.h"

struct job_entry;
struct stream;

/* What calls/ does for jobs. */
struct jobs_ops {
    /* Carries out what the job core wants done for a stream: draws a batch and sends it, tells its
     * worker something, or ends it. */
    void (*stream_effect)(struct job *job, const struct job_effect *effect);
    /* Nobody holds the entry any more: frees what calls/ keeps in it. */
    void (*entry_free)(struct job_entry *entry);
};

struct dataset_entry;

struct jobs {
    struct server *server;
    const struct jobs_ops *ops;
    uint64_t next_id;               /* of datasets and jobs in the store */
    struct dataset_entry *datasets; /* by name, then version */
    uint32_t dataset_count, dataset_cap;
    struct job_entry **jobs; /* by name */
    uint32_t job_count, job_cap;
    struct draft_list orphans; /* drafts of sessions that are gone, and those that failed */
    uint32_t stream_count;
    struct plan_budget budget;
    uint64_t reported; /* bytes of what was reported of all jobs */
    /* Drawing: working memory and columns, enough for every plan and batch. */
    void *scratch;
    size_t scratch_size;
    void *columns[COLUMN_COUNT];
};

/* NULL without memory. */
struct jobs *jobs_new(struct server *server, const struct jobs_ops *ops)
    __attribute__((warn_unused_result));
/* No session and no stream is left. */
void jobs_free(struct jobs *jobs);
/* What is due; returns when something will be. */
uint64_t jobs_tick(struct jobs *jobs, uint64_t now);
/* Nothing more is handed out. */
void jobs_drain(struct jobs *jobs);
/* Stores all progress. */
void jobs_flush(struct jobs *jobs);
/* Working memory for draws of this plan; false without memory. */
bool jobs_prepare(struct jobs *jobs, const struct plan *plan) __attribute__((warn_unused_result));

struct job_entry *jobs_find(struct jobs *jobs, struct evd_str name); /* NULL: none */
/* A job that serves: NULL and NOT_FOUND, CONFLICT or why it failed. */
struct job_entry *jobs_find_live(struct jobs *jobs, struct evd_str name, struct evd_error *err);
/* A new entry in the table, its name reserved; NULL without memory. */
struct job_entry *jobs_insert(struct jobs *jobs, struct evd_str name, struct dataset *dataset)
    __attribute__((warn_unused_result));
/* Out of the table; freed when nobody holds it. */
void jobs_remove(struct job_entry *entry);

#endif
