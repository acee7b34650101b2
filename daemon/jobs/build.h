/*
 * Builds: a strategy from a request on its way to a plan and into the records of a job.
 *
 *     build_new -> task_work(build_cost, build_run) -> build_check -> ...
 *
 * job.create, job.update and job.preview all go this way, so that they refuse the same things in
 * the same words.
 */
#ifndef JOBS_BUILD_H
#define JOBS_BUILD_H

#include "jobs/entry.h"
#include "sampler/strategy.h"

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
                void (*fini)(struct task *)) MUST_CHECK;
/* Finds what a strategy needs that is attached to the dataset, as strategy_next_attached has it,
 * and notes the digests in the strategy; NULLs behind. Loop thread only. */
int build_attached(struct jobs *jobs, const struct dataset *dataset, struct strategy *strategy,
                   struct attachment *attached[STRATEGY_MAX_ATTACHED],
                   struct evd_error *err) MUST_CHECK;
/* The end of every such task. */
void build_fini(struct task *task);
/* What it costs, as task_work wants it; and the task_run. */
uint64_t build_cost(const struct build *build);
void build_run(struct task *task);
/* After that: EVD_OK, or why the job cannot go on with this plan, or has none; in task.err, too. */
int build_check(struct build *build) MUST_CHECK;

/* A revision as the store takes it; later ones than `keep` go. What it points to stays the
 * record's. */
struct store_revision store_revision_of(const struct job_entry *entry,
                                        const struct revision *record, uint32_t keep);

#endif
