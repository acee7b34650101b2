/*
 * Reports, and what they set in motion.
 */
#ifndef RPC_REPORT_H
#define RPC_REPORT_H

#include "feedback/feedback.h"
#include "rpc/task.h"

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
