/*
 * Answers by class or by sample are given in pages, and so are lists of rows: of datasets, jobs and
 * workers.
 */
#ifndef CALLS_PAGE_H
#define CALLS_PAGE_H

#include <msgpack.h>
#include "dataset/dataset.h"

/* Some of the classes. */
struct page {
    uint32_t first, count;
};
/* LIMIT or BAD_VALUE. */
int page_of(uint32_t first, uint32_t count, uint32_t classes, struct page *out,
            struct evd_error *err);
void pack_class_names(msgpack_packer *pk, const struct dataset *dataset, const struct page *page);
void pack_class_counts(msgpack_packer *pk, const struct class_index *index,
                       const struct page *page);

/* Some of the samples. */
struct span {
    uint64_t first;
    uint32_t count;
};
/* LIMIT or BAD_VALUE. */
int span_of(uint64_t first, uint32_t count, uint64_t samples, struct span *out,
            struct evd_error *err);

/* How many rows an answer may have, of those asked for; LIMIT. */
int rows_of(bool has_count, uint32_t count, uint32_t *out, struct evd_error *err);

#endif
