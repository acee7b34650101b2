/*
 * Builds: a strategy from a request on its way to a plan and into the records of a job.
 *
 *     build_new, build_send -> run (pool thread) -> built (loop thread) -> stored -> answered
 *
 * job.create, job.update and job.preview all go this way as far as build_check, so that they refuse
 * the same things in the same words.
 */
#ifndef RPC_BUILD_H
#define RPC_BUILD_H

#include "rpc/core.h"
#include "sampler/strategy.h"

/* What a job is created with, beside its name, dataset and strategy; what is not given is zero. */
struct job_terms {
    struct evd_str mode, last_batch, guarantee;
    uint32_t batch_size, world_size, replicas;
    bool has_time_to_run, has_grace;
    uint32_t time_to_run, grace;
    uint64_t seed;
};
/* Into the entry's config, last_batch and seed, with defaults; BAD_VALUE or LIMIT. */
int job_terms_take(struct job_entry *entry, const struct job_terms *terms, struct evd_error *err);

/* When an update begins. */
struct moment {
    enum job_when when;
    struct job_position at; /* JOB_AT */
};

struct build {
    struct rpc_work work; /* first */
    struct ticket ticket;
    struct job_entry *entry; /* held */
    struct strategy strategy;
    struct plan_input input;
    struct plan *plan; /* when built; until a job takes it */
    int code;          /* of plan_build */
    struct sampler_error refused;
    struct revision
        record; /* what will be recorded; author and strategy are there from the start */
    struct store_op op;
    struct moment moment; /* job.update */
    uint32_t *cancelled;  /* job.update: the revisions that it takes the place of */
    uint32_t cancelled_count;
    bool built; /* job.update: the plan is the loop thread's to look at */
    /* job.preview: called on the pool thread when there is a plan. */
    void (*study)(struct build *build);
    struct preview *preview;
    struct report_wait *wait; /* a report that waits for this; released with the build */
};

/* Decodes the strategy, to be built as that revision. NULL with call->err, which is then the
 * caller's to answer. */
struct build *build_new(struct call *call, struct job_entry *entry, const msgpack_object *strategy,
                        uint32_t revision);
/* Has the plan built; then `built` is called with the work. On an error the build is gone and the
 * caller still owes the answer. */
int build_send(struct build *build, void (*built)(struct rpc_work *), struct evd_error *err);
/* EVD_OK, or why the job cannot go on with this plan, or has none. */
int build_check(const struct build *build, struct evd_error *err);
/* Answers with the error; ends the build. */
void build_fail(struct build *build, const struct evd_error *err);
/* Ends it when the ticket was answered. */
void build_free(struct build *build);

/* The job core's part in job.update: JOB_STORE_REVISION (returns why the store refused it at once)
 * and JOB_UPDATED. */
int update_store(struct job_entry *entry, const struct job_effect *effect);
void update_answer(struct job_entry *entry, const struct job_effect *effect);

/* What all plans of a job have in common; may be read by any thread. */
struct plan_base {
    const struct dataset *dataset;
    uint64_t seed;
    uint32_t batch_size;
    enum last_batch last_batch;
    struct plan_budget *budget;
    const atomic_bool *cancel; /* NULL at first: never */
};
struct plan_base plan_base_of(const struct job_entry *entry);
/* Builds a canonical strategy as a revision. Any thread. */
int revision_build(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                   uint32_t number, struct plan **out, struct evd_error *err);
/* Builds a recorded revision's plan again; EVD_E_STORE if it is not what it was. Any thread. */
int revision_plan(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                  uint32_t number, uint64_t digest, struct plan **out, struct evd_error *err);

/* Sends an update on its way; the job must not have one. Errors as build_send. */
int update_send(struct build *build, struct evd_error *err);

void preview_free(struct preview *preview);    /* NULL is fine */
void report_release(struct report_wait *wait); /* NULL is fine */

/* What plan_build and plan_place return, other than PLAN_OK, as an error of the protocol. */
int plan_error(int code, const struct sampler_error *refused, struct evd_error *err);

#endif
