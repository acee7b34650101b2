/*
 * What workers report, from MessagePack to numbers; and what reports set in motion.
 */
#ifndef RPC_REPORT_H
#define RPC_REPORT_H

#include "feedback/feedback.h"
#include "rpc/task.h"

/* The samples of one report, all owned. */
struct report_samples {
    struct confusion_batch batch;
    uint32_t *label, *predicted; /* the batch's */
    double *loss, *score;        /* the batch's; NULL: not given */
};

/* Decodes them and looks up the labels. BAD_TYPE, BAD_VALUE, LIMIT (more than the job's batch) or
 * NO_MEMORY; whatever it returns, *out is to be finished. */
int report_decode(const struct params_job_report *p, const struct job_entry *entry,
                  struct report_samples *out, struct evd_error *err);
void report_fini(struct report_samples *samples);

/* A report that is answered when the moves it set off are recorded. */
struct report {
    struct task task; /* first; of the job it was made to */
    struct feedback_at at;
    uint32_t rank;
    bool counted;
    uint32_t pending; /* moves under way, and one for whoever made it */
};
void report_hold(struct report *report);
/* Answers when nothing is pending any more; the report is gone then. */
void report_release(struct report *report);

/* ---- adaptive.c ---- */

#define ADAPTIVE_AUTHOR "adaptive" /* of the revisions that follow a report */

/* A report was counted in the job's `row`, an epoch of which `units` slices of steps have samples
 * (0: not known), each step in so many slices: moves the strategies that follow the job, if it is
 * time. */
void adaptive_follow(struct call *call, struct report *report, struct feedback_epoch *row,
                     uint64_t units, uint32_t slices);

#endif
