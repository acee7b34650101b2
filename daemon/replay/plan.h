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

/* Attachments that recorded strategies name, each in use. Whoever has a list reads it on any
 * thread: it only ever grows in front of what there is. */
struct plan_held {
    struct attachment *attachment;
    struct plan_held *next;
};

/* What all plans of a job have in common; may be read by any thread. */
struct plan_base {
    const struct dataset *dataset;
    const struct plan_held *held;
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
