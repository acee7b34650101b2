/*
 * Builds: a strategy from a request on its way to a plan and into the records of a job.
 *
 *     build_new -> task_work(build_run) -> build_check -> ...
 *
 * job.create, job.update and job.preview all go this way, so that they refuse the same things in
 * the same words.
 */
#ifndef RPC_BUILD_H
#define RPC_BUILD_H

#include "rpc/task.h"
#include "sampler/strategy.h"

struct report;

struct build {
    struct task task; /* first; of the job it is for */
    struct strategy strategy;
    struct plan_input input;
    struct plan *plan;      /* when built; until a job takes it */
    struct revision record; /* what will be recorded; author and strategy from the start */
};

/* A task of `size` bytes that begins with a struct build: the strategy is decoded, to be built as
 * that revision and recorded as the author's. NULL and call->err. `fini` ends with build_fini. */
void *build_new(struct call *call, size_t size, struct job_entry *entry,
                const msgpack_object *strategy, uint32_t revision, const char *author,
                void (*fini)(struct task *)) __attribute__((warn_unused_result));
void build_fini(struct task *task);
/* A task_run. */
void build_run(struct task *task);
/* After that: EVD_OK, or why the job cannot go on with this plan, or has none; in task.err, too. */
int build_check(struct build *build) __attribute__((warn_unused_result));

/* ---- job_calls.c: job.update ---- */

/* When an update begins. */
struct moment {
    enum job_when when;
    struct job_position at; /* JOB_AT */
};

/* Sends an update on its way; the job must not have one. `report`: what it follows from, which is
 * released when the update has ended; NULL: a request. Errors in call->err. */
int update_start(struct call *call, struct job_entry *entry, const msgpack_object *strategy,
                 struct moment moment, struct report *report) __attribute__((warn_unused_result));
/* The plan of the update in progress, once that is built; NULL. */
const struct plan *update_plan(const struct job_entry *entry);

/* The job core's part: JOB_STORE_REVISION (returns why the store refused it at once) and
 * JOB_UPDATED. */
int update_store(struct job_entry *entry, const struct job_effect *effect);
void update_answer(struct job_entry *entry, const struct job_effect *effect);

#endif
