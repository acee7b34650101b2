/*
 * What is stored, as values: the operations that change it, and the reader that is told of it after
 * a restart. The daemon speaks to the store in these, and the store to its engines.
 */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "proto/error.h"

enum store_kind {
    STORE_DRAFT_CREATE, /* a dataset that is not visible yet */
    STORE_DRAFT_APPEND, /* class names, labels, weights at its end */
    STORE_DRAFT_COMMIT, /* becomes visible, with version, totals and checksum */
    STORE_DATASET_DROP, /* a draft or a committed version, with all its chunks and attachments */
    STORE_ATTACHMENT_CREATE, /* a table over a dataset's samples that is not visible yet */
    STORE_ATTACHMENT_APPEND, /* rows at its end */
    STORE_ATTACHMENT_COMMIT, /* becomes visible, with its digest; EXISTS: another has the name */
    STORE_ATTACHMENT_DROP,   /* whether visible or not, with all its rows */
    STORE_JOB_CREATE,        /* a job and its revision 0, perhaps in place of another job */
    /* and removes the revisions of its generation numbered above `keep_revision`, to which it also
     * lowers the one of the generation's store_seek, if there is one and it is higher */
    STORE_REVISION_ADD,
    STORE_SEEK_ADD, /* a new generation, perhaps with a revision; replaces the progress */
    STORE_JOB_DROP,
    STORE_PROGRESS_PUT, /* replaces one job's progress (all its ranks) */
    STORE_FORGET,       /* of some of a job's revisions, the strategies */
    STORE_BACKUP,       /* copies the database, piece by piece, while other operations go on */
};

struct store_dataset {
    uint64_t id; /* chosen by the daemon: greater than every id seen at start */
    const char *name;
    uint32_t version;
    uint64_t created; /* seconds since 1970 */
    uint64_t samples, labelled;
    uint32_t classes;
    uint64_t checksum;
    bool owned; /* goes with the last job that uses it; written by DRAFT_COMMIT */
};

struct store_chunk {
    uint64_t dataset;
    uint64_t first_sample;
    const uint32_t *labels; /* n labels from first_sample on */
    size_t n;
    uint32_t first_class;
    const char *class_names; /* NUL-ended names from class first_class on; bytes in all */
    size_t class_names_bytes;
    const char *column; /* a piece of a weight column of that name, or NULL */
    uint64_t first_weight;
    const double *weights; /* weights_n values from sample first_weight on */
    size_t weights_n;
};

struct store_attachment {
    uint64_t id; /* chosen by the daemon, as for datasets */
    uint64_t dataset;
    const char *name, *kind;
    uint32_t width;
    const char *scope, *metric;
    const void *facts; /* MessagePack */
    size_t facts_bytes;
    uint64_t created, samples, digest; /* written by ATTACHMENT_COMMIT */
};

/* A piece of one. */
struct store_rows {
    uint64_t attachment;
    uint64_t first_sample, n;
    const void *rows, *distances; /* as they are, little-endian */
    size_t rows_bytes, distances_bytes;
};

/* The distances of some of its samples, `bytes` each. */
struct store_span {
    uint64_t attachment;
    uint64_t first_sample, n;
    uint32_t bytes;
};

struct store_job {
    uint64_t id; /* chosen by the daemon, as for datasets */
    const char *name;
    uint64_t dataset;
    uint32_t batch_size, world_size; /* world_size 0: shared, or ranked and not yet known */
    uint64_t seed, created;
    const char *mode, *last_batch, *guarantee; /* as on the wire */
    uint32_t time_to_run, grace;               /* ms; 0: no limit, none */
    uint32_t replicas;
    /* Nothing at or after it has been handed out; written by JOB_CREATE, PROGRESS_PUT, SEEK_ADD. */
    uint64_t mark_epoch, mark_step;
    bool attended; /* workers may hold batches; written with the mark */
    /* It goes when nobody has used it for so many ms; 0: it stays. */
    uint32_t ephemeral;
    uint32_t retain_epochs; /* strategies of so many epochs are kept; 0: of all */
    uint64_t replaces; /* JOB_CREATE: the id of a job that goes in the same transaction; 0: none */
};

struct store_revision {
    uint64_t job;
    uint32_t generation, revision;
    uint32_t keep_revision; /* REVISION_ADD only: later ones had not begun and are cancelled */
    uint64_t epoch, step;   /* its first step */
    uint64_t shape_steps;   /* that epoch's number of steps and the size of the last, */
    uint32_t shape_last;    /* fixed when the epoch began */
    const void *strategy;   /* canonical MessagePack map; when loaded, NULL: it is damaged */
    size_t strategy_bytes;
    size_t stored_bytes; /* what it takes in the database: set when it is written or loaded */
    uint64_t digest;     /* plan_digest */
    uint64_t created;
    const char *author; /* `client` of the session that asked */
    /* When loaded: the strategy was forgotten, and that is what is known of it; NULL. */
    const struct store_forgotten *forgotten;
};

/* What stays of a revision's strategy when that is forgotten. */
struct store_forgotten {
    uint32_t generation, revision;
    uint64_t bytes, hash;
    const char *kind;
};

/* Which revision. */
struct store_place {
    uint64_t job;
    uint32_t generation, revision;
};

/* A job was moved to another position, which opens a generation (the first, 0, has no record). Its
 * history is that of its parent up to revision `keep_revision`, then the revisions recorded with
 * its own number. */
struct store_seek {
    uint64_t job;
    uint32_t generation, parent;
    uint32_t keep_revision;
    uint64_t epoch, step;           /* where it begins */
    uint64_t left_epoch, left_step; /* the first step not handed out when it happened */
    const char *mode;               /* as on the wire */
    uint64_t created;
    const char *author;
};

/* From a step on, a ranked job has had so many ranks. */
struct store_world {
    uint64_t job;
    uint32_t generation;
    uint64_t epoch, step;
    uint32_t world_size;
    uint64_t created;
    const char *author;
};

/* How far a job's workers have come: one row per rank (shared jobs: rank 0 only). */
struct store_progress {
    uint32_t rank;
    uint32_t generation;
    uint64_t epoch, step; /* the lowest step not acknowledged */
    const uint8_t *acked; /* bit i: step + i is acknowledged; bounded */
    size_t acked_bytes;
};

/* Something to be written, and the outcome. Every pointer in it must stay valid until `done`; what
 * a kind does not use is zero. */
struct store_op {
    enum store_kind kind;
    union {
        struct store_dataset dataset; /* DRAFT_CREATE, DRAFT_COMMIT, DATASET_DROP (id only) */
        struct store_chunk chunk;
        struct store_attachment attachment; /* ATTACHMENT_CREATE, _COMMIT, _DROP (id only) */
        struct store_rows rows;             /* ATTACHMENT_APPEND */
        struct {
            /* JOB_CREATE, JOB_DROP (id only), PROGRESS_PUT (id, world_size, mark), SEEK_ADD (id,
             * world_size, mark), FORGET (id only) */
            struct store_job job;
            /* JOB_CREATE, REVISION_ADD, SEEK_ADD (author NULL: none) */
            struct store_revision revision;
            const struct store_forgotten *forgotten; /* FORGET */
            size_t forgotten_count;
            const struct store_progress *progress; /* PROGRESS_PUT, SEEK_ADD */
            size_t progress_count;
            struct store_seek seek; /* SEEK_ADD */
            /* PROGRESS_PUT, SEEK_ADD (author NULL: none): put in place of one of the same job,
             * generation and position, if there is one. */
            struct store_world world;
            struct store_world left_world; /* SEEK_ADD: the same, of the generation that is left */
        };
        struct {
            const char *path; /* of a file that does not exist */
            uint64_t bytes;   /* its size, when done */
        } backup;
    };
    struct evd_error error;            /* the result: code EVD_OK, or why it was not written */
    void (*done)(struct store_op *op); /* loop thread, after the commit; may free the op */
    void *owner;                       /* for done */
    /* private */
    STAILQ_ENTRY(store_op) link;
    size_t bytes;
};
STAILQ_HEAD(store_ops, store_op);

/* What was committed, read back once after opening and before store_start: datasets (class names
 * and label chunks in order, weight columns one after the other, then dataset_end), then
 * attachments (rows in order, then attachment_end; a reader without `attachment_begin` is told of
 * none, one with it has all four), then each job with its seeks by generation, revisions by
 * generation and number, world sizes by generation and position, and progress (a reader without
 * `seek` or `world` is not told of those). Drafts are deleted, not reported. A dataset whose row or
 * pieces are not whole, or that the reader does not take (with another code than EVD_E_NO_MEMORY),
 * ends by dataset_damaged in place of dataset_end, if the reader has it, and the load goes on;
 * likewise an attachment. A row of a job that holds what cannot have been written is told by
 * job_damaged, if the reader has it: a job's own after `job`, any other in its place. A callback
 * that returns non-zero stops the load with that code and its error. Pointers are valid during the
 * callback only. The store checks that chunks are whole and without gaps; that they give the
 * dataset's checksum, and that a job's rows fit together, is for the caller to check.
 */
struct store_reader {
    void *arg;
    int (*dataset_begin)(void *arg, const struct store_dataset *dataset, struct evd_error *err);
    int (*dataset_chunk)(void *arg, const struct store_chunk *chunk, struct evd_error *err);
    int (*dataset_end)(void *arg, struct evd_error *err);
    int (*dataset_damaged)(void *arg, const struct evd_error *why, struct evd_error *err);
    int (*attachment_begin)(void *arg, const struct store_attachment *attachment,
                            struct evd_error *err);
    int (*attachment_rows)(void *arg, const struct store_rows *rows, struct evd_error *err);
    int (*attachment_end)(void *arg, struct evd_error *err);
    int (*attachment_damaged)(void *arg, const struct evd_error *why, struct evd_error *err);
    int (*job)(void *arg, const struct store_job *job, struct evd_error *err);
    int (*job_damaged)(void *arg, uint64_t job, const struct evd_error *why, struct evd_error *err);
    int (*seek)(void *arg, const struct store_seek *seek, struct evd_error *err);
    int (*revision)(void *arg, const struct store_revision *revision, struct evd_error *err);
    int (*world)(void *arg, const struct store_world *world, struct evd_error *err);
    int (*progress)(void *arg, uint64_t job, const struct store_progress *progress,
                    struct evd_error *err);
};

/* What is told of a database that is looked at without a daemon. */
struct store_look {
    void *arg;
    void (*stage)(void *arg, const char *what);  /* what begins now, and may take its time */
    void (*damage)(void *arg, const char *what); /* a finding: one sentence */
};

#endif
