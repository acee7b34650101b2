/*
 * What workers received and finished, and the proof that it was exactly once.
 *
 * Every worker appends records to a file of its own, with one write each, so that they survive
 * whatever becomes of it. After the faults the test loads all files of a job and has them checked:
 * against each other, against what the job says of itself, and against a reference, the same
 * batches drawn by an undisturbed job.
 */
#ifndef FAULTS_HISTORY_H
#define FAULTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server.h"

enum log_kind {
    LOG_RECEIVED,  /* evd_next returned it */
    LOG_DONE,      /* it is used: the next thing is to acknowledge it */
    LOG_CONFIRMED, /* evd_ack with EVD_ACK_CONFIRM succeeded */
    LOG_END,       /* evd_next returned EVD_EPOCH_END, after the batch of that epoch and step */
    LOG_FAILED,    /* evd_next failed: n is the code */
    LOG_CHANGED,   /* job.update was answered: the revision, and from which step on it holds */
};

struct log_record {
    uint64_t time; /* monotonic, ns: comparable between processes */
    uint64_t epoch, step;
    uint64_t digest; /* of the indices, and of what else there is in HISTORY_PAIRS */
    uint32_t worker; /* a number of its own for each process */
    int32_t rank;
    uint32_t revision;
    uint32_t n;
    uint32_t kind;
    uint32_t redelivered;
};

uint64_t log_now(void); /* for log_record.time */

struct history {
    struct log_record *records;
    size_t count;
};

/* All records of the job's files in `folder`, in the order of time. */
void history_load(struct history *history, const char *folder, const char *job);
void history_free(struct history *history);

/* What a step is to be: of rank 0, 1, ... one after another. */
struct reference {
    uint64_t digest;
    uint32_t revision;
};

/* What job.history says: the revisions of one line, in order. */
struct change {
    uint64_t epoch, step;
    uint32_t revision;
};

/* What must be true of a job. */
struct history_rules {
    uint32_t world;  /* ranks; 0: a shared job */
    uint64_t epochs; /* from 0 on: all of them must be complete */
    uint64_t steps;  /* of each */
    /* excused[w]: worker w was killed, or stopped or cut off for too long; what it had may have
     * gone to another. */
    const bool *excused;
    uint32_t workers;
    uint32_t lease_ms;                 /* how long one lasts; 0: longer than anything here */
    const struct reference *reference; /* [epoch][step][rank] */
    const struct change *changes;
    uint32_t change_count;
};

/* Fails the test, saying where, unless every step of every epoch was
 *  - received at least once, always with the same content, that of the reference,
 *  - received once by all workers together that are not excused (again only when a lease can have
 * run out meanwhile: half its time, for it began before), and once in all if none is,
 *  - marked as redelivered, all times but one,
 *  - finished, and that before anybody was told that its epoch is over;
 * and, in a ranked job, received by each rank in order, without a gap, with an end after each
 * epoch; and drawn by the revision that the job's history has in force there, which has every
 * change that was confirmed, where it was confirmed to begin, unless a later one took its place
 * before it had begun. Prints what was counted. */
void history_check(const struct history *history, const struct history_rules *rules);

/* Columns of a job that makes pairs. */
#define HISTORY_PAIRS (EVD_COLUMN_MIX_INDEX | EVD_COLUMN_MIX_LAMBDA)
/* The batches of a job that nobody disturbs: to be freed. */
struct reference *history_reference(evd_client *client, const char *job, bool pairs, uint32_t world,
                                    uint64_t epochs, uint64_t steps);
/* The revisions that a job has now: to be freed. */
struct change *history_changes(evd_client *client, const char *job, uint32_t *count);
uint64_t history_digest(const evd_batch *batch);

#endif
