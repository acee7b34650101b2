/*
 * Plans from recorded strategies. A recorded strategy is a canonical MessagePack map
 * (codec/strategy.h); with the digest of its plan it says whether that would still draw the same.
 */
#ifndef REPLAY_PLAN_H
#define REPLAY_PLAN_H

#include <stdatomic.h>
#include "dataset/attachment.h"
#include "sampler/plan.h"

/* Where the strategies are that are recorded and not in memory. */
struct strategy_source {
    /* Checked bytes, for the caller to free. Any thread; may block. */
    int (*read)(const void *arg, uint32_t generation, uint32_t number, void **strategy,
                size_t *bytes, struct evd_error *err);
    const void *arg;
};

/* Attachments that a strategy names, each in use once for every list that it is in. Lists are made
 * and released on the loop thread, and read on any. */
struct plan_held {
    struct attachment *attachment;
    struct plan_held *next;
};

/* Is it the one that a recorded strategy names? A damaged one is by its name: what was damaged may
 * be its digest. */
bool plan_means(const struct strategy_value *value, const struct attachment *attachment);
/* One more in front; false without memory. */
bool plan_hold(struct plan_held **held, struct attachment *attachment) MUST_CHECK;
/* The same ones, in use once more; false without memory, and then *out is NULL. */
bool plan_hold_same(const struct plan_held *held, struct plan_held **out) MUST_CHECK;
void plan_release(struct plan_held **held);            /* NULL afterwards */
size_t plan_held_memory(const struct plan_held *held); /* bytes of the list */

/* What all plans of a job have in common; may be read by any thread. */
struct plan_base {
    const struct dataset *dataset;
    const struct plan_held
        *held; /* not in common: what the strategy at hand names; NULL at first */
    uint64_t seed;
    uint32_t batch_size;
    enum last_batch last_batch;
    struct plan_budget *budget;
    const atomic_bool *cancel; /* NULL at first: never */
    struct strategy_source recorded;
};
/* Builds a canonical strategy as a revision. Any thread. */
int revision_build(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                   uint32_t number, struct plan **out, struct evd_error *err);
/* Builds a recorded revision's plan again; EVD_E_STORE if it is not what it was. Any thread. */
int revision_plan(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                  uint32_t number, uint64_t digest, struct plan **out, struct evd_error *err);

/* The attachment that a parameter of the input's strategy names. */
void plan_input_attach(struct plan_input *input, int param, const struct attachment *attachment);

/* What plan_build and plan_place return, other than PLAN_OK, as an error of the protocol. */
int plan_error(int code, const struct sampler_error *refused, struct evd_error *err);

#endif
