/*
 * The terms of a job, beside its name, dataset and strategy: words and numbers of the wire, and of
 * the store, as the job core has them. Called by whoever makes jobs or shows them.
 */
#ifndef CODEC_TERMS_H
#define CODEC_TERMS_H

#include "job/job.h"
#include "proto/text.h"
#include "sampler/plan.h"

/* As they are given; what is not given is zero. */
struct job_terms {
    struct evd_str mode, last_batch, guarantee;
    uint32_t batch_size, world_size, replicas;
    bool has_time_to_run, has_grace;
    uint32_t time_to_run, grace, ephemeral; /* ms */
    uint64_t seed;
};

/* Checks them and adds defaults: config (all but `reach`) and last_batch. BAD_VALUE or LIMIT.
 * (`ephemeral` is only checked: it is nothing to the job core.) */
int terms_decode(const struct job_terms *terms, struct job_config *config, enum last_batch *last,
                 struct evd_error *err) MUST_CHECK;

const char *mode_word(enum job_mode mode);
const char *last_batch_word(enum last_batch last);
const char *guarantee_word(enum job_guarantee guarantee);
/* The three words into config and *last; BAD_VALUE. */
int terms_parse_words(struct evd_str mode, struct evd_str last_batch, struct evd_str guarantee,
                      struct job_config *config, enum last_batch *last, struct evd_error *err);

#endif
