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
};

struct log_record {
    uint64_t time; /* monotonic, ns: comparable between processes */
    uint64_t epoch, step;
    uint64_t digest; /* of the indices */
    uint32_t worker; /* a number of its own for each process */
    int32_t rank;
    uint32_t revision;
    uint32_t n;
    uint32_t kind;
    uint32_t redelivered;
};

struct history {
    struct log_record *records;
    size_t count;
};

/* All records of the job's files in `folder`, in the order of time. */
void history_load(struct history *history, const char *folder, const char *job);
void history_free(struct history *history);

/* What must be true of a job. */
struct history_rules {
    uint32_t world;  /* ranks; 0: a shared job */
    uint64_t epochs; /* from 0 on: all of them must be complete */
    uint64_t steps;  /* of each */
    /* excused[w]: worker w was killed, stopped or cut off; what it had may have gone to another. */
    const bool *excused;
    uint32_t workers;
    const uint64_t
        *reference; /* digests, [epoch][step][rank]; NULL: only compared with each other */
};

/* Fails the test, saying where, unless every step of every epoch was
 *  - received at least once, always with the same content, that of the reference,
 *  - received once by all workers together that are not excused, and once in all if none is,
 *  - marked as redelivered, all times but one,
 *  - finished, and that before anybody was told that its epoch is over;
 * and, in a ranked job, received by each rank in order, without a gap, with an end after each
 * epoch. Prints what was counted. */
void history_check(const struct history *history, const struct history_rules *rules);

/* The digests of a job that nobody disturbs: to be freed. */
uint64_t *history_reference(evd_client *client, const char *job, uint32_t world, uint64_t epochs,
                            uint64_t steps);
uint64_t history_digest(const evd_batch *batch);

#endif
