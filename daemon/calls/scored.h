/*
 * Requests about what was reported to a job: which epochs they mean, and for job.threshold and
 * job.curve, the scores of those in order.
 */
#ifndef CALLS_SCORED_H
#define CALLS_SCORED_H

#include <msgpack.h>
#include "feedback/curve.h"
#include "feedback/feedback.h"
#include "jobs/entry.h"
#include "server/task.h"

/* Which epochs: one by its number, all, or else the newest. */
struct epochs_ask {
    const char *method; /* for messages */
    bool has_epoch, all;
    uint64_t epoch;
};
/* The epoch, or NULL for all. BAD_VALUE for both, NOT_FOUND if nothing of it is known. */
int epochs_find(const struct job_entry *entry, const struct epochs_ask *ask,
                const struct feedback_epoch **row, struct evd_error *err) MUST_CHECK;

/* A request about scores: first in a struct of the handler's own, which its fini ends by
 * scored_fini. On the loop scored_take; in `run` scored_order, after which `curve` is filled in; on
 * the loop again scored_keep, and in the answer pack_scored. */
struct scored {
    struct task task; /* first */
    struct curve curve;
    /* private */
    bool all, exact;
    uint32_t generation;
    uint64_t epoch, reports; /* reports: counted when it was taken */
    uint64_t bins[2 * CONFUSION_THRESHOLDS];
    struct feedback_order *order; /* NULL: only the bins are known */
    bool ordered;                 /* `order` was made for another request */
    uint64_t *scratch, reserved;  /* reserved: bytes, counted as memory */
    uint32_t parts;
    struct {
        struct scores *scores;
        uint32_t count;
    } part[FEEDBACK_EPOCHS]; /* what `order` is made of */
};

/* Takes what the pool thread needs. Beside the errors of epochs_find: BAD_VALUE if the job has not
 * two classes, NOT_FOUND without scores, or, if `both`, without some of each class; LIMIT,
 * NO_MEMORY. */
int scored_take(struct scored *scored, const struct epochs_ask *ask, bool both) MUST_CHECK;
uint64_t scored_cost(const struct scored *scored);
/* An error only if nobody wants it any more. */
int scored_order(struct scored *scored) MUST_CHECK;
void scored_keep(struct scored *scored);
void scored_fini(struct task *task);
void pack_scored(msgpack_packer *pk, const struct scored *scored);

#endif
