/*
 * All that the daemon holds of datasets and jobs. For the files of jobs/, and calls/.
 */
#ifndef JOBS_STATE_H
#define JOBS_STATE_H

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

/* In how many ms what the store did not take or write is tried again. */
#define RETRY_MS 100u

struct jobs {
    struct server *server;
    const struct jobs_ops *ops;
    uint64_t next_id;               /* of datasets and jobs in the store */
    struct dataset_entry *datasets; /* by name, then version */
    uint32_t dataset_count, dataset_cap;
    struct job_entry **jobs; /* by name */
    uint32_t job_count, job_cap;
    uint64_t unused_at; /* when owned datasets are looked through for unused ones; UINT64_MAX */
    struct draft_list orphans; /* drafts of sessions that are gone, and those that failed */
    uint32_t stream_count;
    uint64_t last_worker; /* the last number given to a worker */
    uint64_t streamed;    /* bytes of streams */
    struct plan_budget budget;
    /* Bytes, kept up as things come and go: whoever asks for memory asks for their sum. */
    uint64_t dataset_bytes; /* of datasets */
    uint64_t attached;      /* of attachments */
    uint64_t drafted;       /* of drafts */
    uint64_t reported;      /* of what was reported of all jobs */
    uint64_t counted;       /* of what jobs keep for job.stats */
    uint64_t used;          /* of who uses what (uses.h) */
    /* Drawing: working memory and columns, enough for every plan and batch. */
    void *scratch;
    size_t scratch_size;
    void *columns[COLUMN_COUNT];
};

#endif
