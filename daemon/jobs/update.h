/*
 * Updates: another strategy for a job, from one step on.
 *
 *     update_new -> update_start
 *       -> built (build.h) -> JOB_UPDATE -> JOB_STORE_REVISION -> stored -> JOB_REVISION_STORED
 *       -> JOB_UPDATED -> the step `ended` of whoever asked
 *
 * A job has one at a time: entry->update.
 */
#ifndef JOBS_UPDATE_H
#define JOBS_UPDATE_H

#include "jobs/build.h"

/* When an update begins. */
struct moment {
    enum job_when when;
    struct job_position at; /* JOB_AT */
};

struct update {
    struct build build; /* first */
    struct moment moment;
    task_step *ended; /* answers; task->err says how it went */
    /* What came of it. */
    uint32_t revision;
    struct job_position at;
    uint32_t *cancelled; /* the revisions that it took the place of; owned */
    uint32_t cancelled_count;
    /* private */
    bool built; /* the plan is the loop thread's to look at */
    struct store_op op;
};

/* A task of `size` bytes that begins with a struct update; `fini` ends with update_fini. NULL and
 * call->err. */
void *update_new(struct call *call, size_t size, struct job_entry *entry,
                 const msgpack_object *strategy, struct moment moment, const char *author,
                 task_step *ended, void (*fini)(struct task *)) __attribute__((warn_unused_result));
void update_fini(struct task *task);
/* A handler's last act, as task_begin; the job must be neither updated nor moved. */
int update_start(struct update *update, struct call *call) __attribute__((warn_unused_result));
/* The plan of the update in progress, once that is built; NULL. */
const struct plan *update_plan(const struct job_entry *entry);

/* ---- for drive.c ---- */

/* JOB_STORE_REVISION; returns why the store refused it at once. */
int update_store(struct job_entry *entry, const struct job_effect *effect)
    __attribute__((warn_unused_result));
/* JOB_UPDATED. */
void update_ended(struct job_entry *entry, const struct job_effect *effect);

#endif
