/*
 * What more than one method answers with.
 */
#ifndef CALLS_REPLIES_H
#define CALLS_REPLIES_H

#include "dataset/weights.h"
#include "jobs/entry.h"

/* A packed value as it is. */
void pack_key_raw(msgpack_packer *pk, const char *key, const void *bytes, size_t n);
void pack_key_hex(msgpack_packer *pk, const char *key, uint64_t value);
void pack_key_position(msgpack_packer *pk, const char *key, struct job_position at);
/* The entries of a dataset's or a job's info map. */
void reply_dataset(msgpack_packer *pk, const struct dataset *dataset);
void reply_job(msgpack_packer *pk, const struct job_entry *entry);
/* A whole map, of job.list. */
void reply_job_row(msgpack_packer *pk, const struct job_entry *entry);

/* A part of the classes: answers by class are given in pages. */
struct page {
    uint32_t first, count;
};
/* From optional `first` and `count`; LIMIT or BAD_VALUE. */
int page_of(bool has_first, uint32_t first, bool has_count, uint32_t count, uint32_t classes,
            struct page *out, struct evd_error *err);
void pack_class_names(msgpack_packer *pk, const struct dataset *dataset, const struct page *page);
void pack_class_counts(msgpack_packer *pk, const struct dataset *dataset, const struct page *page);

/* Class weights for losses, as dataset.stats and job.stats give them. */
struct weights_ask {
    bool wanted;
    enum weight_kind kind;
    double beta;
};
/* From optional `weights` and `beta`; BAD_VALUE. */
int weights_ask(bool has_kind, struct evd_str kind, bool has_beta, double beta,
                struct weights_ask *out, struct evd_error *err);
/* `values`: one for each class of the dataset. A log prior of minus infinity is sent as nil. */
void pack_weights(msgpack_packer *pk, const struct weights_ask *ask, const double *values,
                  const struct page *page);

#endif
