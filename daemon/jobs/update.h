/*
 * Updates: another strategy for a job, from one step on.
 *
 *     update_new -> update_start
 *       -> built (build.h) -> JOB_UPDATE -> JOB_STORE_REVISION -> stored -> JOB_REVISION_STORED
 *       -> JOB_UPDATED -> the step `ended` of whoever asked
 *
 * A job has one change at a time: entry->change.
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
    struct change change;
    struct store_op op;
};

/* A task of `size` bytes that begins with a struct update; `fini` ends with update_fini. NULL and
 * call->err. */
void *update_new(struct call *call, size_t size, struct job_entry *entry,
                 const msgpack_object *strategy, struct moment moment, const char *author,
                 task_step *ended, void (*fini)(struct task *)) MUST_CHECK;
void update_fini(struct task *task);
/* A handler's last act, as task_begin; the job must be neither updated nor moved. */
int update_start(struct update *update, struct call *call) MUST_CHECK;

#endif
