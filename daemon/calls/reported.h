/*
 * A report that workers made, while it sets things in motion.
 */
#ifndef CALLS_REPORTED_H
#define CALLS_REPORTED_H

#include "feedback/feedback.h"
#include "jobs/entry.h"

/* It is answered when the changes that it set off are recorded. */
struct report {
    struct task task; /* first; of the job it was made to */
    struct feedback_at at;
    uint32_t rank;
    bool counted;
    uint32_t pending; /* changes under way, and one for whoever made it */
};

void report_hold(struct report *report);
/* Answers when nothing is pending any more; the report is gone then. */
void report_release(struct report *report);

#endif
