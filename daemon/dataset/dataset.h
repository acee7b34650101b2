/*
 * Datasets: validated labels of one version, their class index and statistics. Immutable once
 * built, but for what is attached to them.
 *
 * Labels arrive in chunks into a builder; the finished dataset holds labels in the narrowest
 * integer (1, 2 or 4 bytes) and, unless every class is one run of indices, a member table (4 bytes
 * a sample, 8 beyond 2^32 samples). A sample without a label keeps its index and is never drawn.
 *
 * Memory for S samples, N of them labelled, beside the name and 25 to 50 bytes for each class:
 *   at rest   S * width, and 4 N where a member table is needed: 5, 6 or 8 bytes a sample, 12 at
 *             most (u64 members with 4-byte labels); 8 more for each weight column
 *   building  never more than at rest plus half of S * width: the builder keeps labels narrow from
 *             the start and hands them over, and its growth steps are of one half
 */
#ifndef DATASET_DATASET_H
#define DATASET_DATASET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dataset/names.h"
#include "proto/error.h"
#include "proto/limits.h"
#include "proto/text.h"
#include "sampler/plan.h"

#define DATASET_MAX_COLUMNS 4u

/* A number for every sample, by name: weights that a strategy refers to. */
struct weight_column {
    char name[EVD_MAX_NAME + 1];
    double *values; /* finite, not negative; owned */
    uint64_t n, cap;
};

/* Statistics of the class counts. */
struct dataset_summary {
    uint64_t samples, labelled;
    uint32_t classes;
    uint32_t empty_classes;
    uint32_t largest, smallest; /* classes; of those with samples; the first on a tie */
    uint64_t largest_count, smallest_count;
    double imbalance_ratio; /* largest_count / smallest_count */
    double entropy;         /* of the class shares, in bits */
    double balance; /* entropy / log2(classes with samples): 1 is balanced; 1 for one class */
};

struct attachment;

struct dataset {
    uint64_t id; /* key in the store; 0 until known */
    char name[EVD_MAX_NAME + 1];
    uint32_t version;  /* 1, 2, ... of that name */
    uint64_t created;  /* seconds since 1970 */
    uint64_t checksum; /* XXH3-64 over class names, labels and columns; exactly: dataset.c */
    struct class_index index;
    struct dataset_summary summary;
    /* Why nothing can be drawn from it: then it has no labels, and of the index numbers only;
     * owned. NULL: it is sound. */
    char *damage;
    bool owned;     /* it goes with its last user; set once, by whoever gives it a name */
    uint32_t users; /* jobs on it, and connections that will make one: not dropped while > 0; loop
                       thread only */
    /* Tables over its samples, by name (attachment.h); loop thread only. */
    struct attachment **attachments;
    uint32_t attachment_count;
    /* private */
    void *labels;        /* samples values of label_width bytes; all ones: unlabelled */
    uint8_t label_width; /* 1, 2 or 4 */
    struct names class_names;
    struct weight_column columns[DATASET_MAX_COLUMNS]; /* by name */
    uint32_t column_count;
    uint64_t *start, *first, *member64; /* what index points to; owned */
    uint32_t *member32;
};

/* ---- building ---- */

struct dataset_builder;

struct dataset_builder *dataset_builder_new(void); /* NULL: no memory */
void dataset_builder_free(struct dataset_builder *builder);
/* Adds one class; its number is the number of classes before. Errors: a bad name, a name met before
 * (EVD_E_EXISTS), too many classes, no memory. */
int dataset_builder_class(struct dataset_builder *builder, struct evd_str name,
                          struct evd_error *err);
/* Appends n labels, each below the number of classes so far or EVD_UNLABELLED. All or none: an
 * error names the first bad sample and leaves the builder as it was. */
int dataset_builder_labels(struct dataset_builder *builder, const uint32_t *labels, size_t n,
                           struct evd_error *err);
/* Appends n values to a weight column, whose first piece creates it. All or none. Errors: a bad
 * name, more than DATASET_MAX_COLUMNS, a value that is negative, NaN or infinite (the message names
 * the sample). */
int dataset_builder_weights(struct dataset_builder *builder, struct evd_str column,
                            const double *values, size_t n, struct evd_error *err);
/* How many values the column has so far; 0 for one nobody has met. */
uint64_t dataset_builder_column(const struct dataset_builder *builder, struct evd_str column);
uint64_t dataset_builder_samples(const struct dataset_builder *builder);
uint32_t dataset_builder_classes(const struct dataset_builder *builder);
size_t dataset_builder_memory(const struct dataset_builder *builder); /* bytes */
/* What is to be added. */
struct dataset_piece {
    uint32_t classes;
    size_t text; /* bytes of their names, each with its end */
    uint64_t labels, weights;
};
/* How many bytes more it holds with that. */
uint64_t dataset_builder_more(const struct dataset_builder *builder,
                              const struct dataset_piece *piece);
/* And then while it is made a dataset. */
uint64_t dataset_builder_index(const struct dataset_builder *builder);
/* Class names from number `first` on, each ended by NUL; *bytes is their total length. For the
 * store. */
const char *dataset_builder_names(const struct dataset_builder *builder, uint32_t first,
                                  size_t *bytes);
/* Builds class index and checksum: O(samples), for a worker thread; gives up (EVD_E_SHUTTING_DOWN)
 * soon after *cancel is set (NULL: never is). The builder is used up (freed) on success only.
 * Errors: no sample with a label, a column that has not one value for each sample
 * (EVD_E_BAD_VALUE), no memory. */
int dataset_build(struct dataset_builder *builder, const atomic_bool *cancel, struct dataset **out,
                  struct evd_error *err) MUST_CHECK;
void dataset_free(struct dataset *dataset);

/* ---- asking ---- */

const char *dataset_class_name(const struct dataset *dataset, uint32_t c);      /* terminated */
int64_t dataset_class_find(const struct dataset *dataset, struct evd_str name); /* or -1 */
uint64_t dataset_class_count(const struct dataset *dataset, uint32_t c);
uint32_t dataset_label(const struct dataset *dataset, uint64_t sample); /* or EVD_UNLABELLED */
/* One value per sample, or NULL: no such column. */
const double *dataset_weights(const struct dataset *dataset, struct evd_str column);
size_t dataset_memory(const struct dataset *dataset); /* bytes */
/* The same classes, labels and columns, whatever their names and versions: O(samples), for a worker
 * thread; says no soon after *cancel is set. */
bool dataset_equal(const struct dataset *a, const struct dataset *b, const atomic_bool *cancel);

#endif
