/*
 * Plans: a strategy compiled for one dataset version, from which any batch can be drawn.
 *
 * A batch is a pure function of its position. A plan holds tables of integers and never changes
 * once it is placed, so any thread may draw from it; drawing allocates nothing and does no I/O.
 *
 *     plan_build   heavy, any thread: tables that do not depend on where the plan starts
 *     plan_place   light: from which epoch and step it holds
 *     plan_draw    any batch, in any order, as often as wanted
 *
 * The algorithms, with test vectors, are in SAMPLING.md.
 */
#ifndef SAMPLER_PLAN_H
#define SAMPLER_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sampler/strategy.h"

/* The labelled samples of a dataset version, grouped by class. Borrowed: the tables must outlive
 * every plan built on them. */
struct class_index {
    uint64_t samples;      /* S: indices are 0 .. S-1 */
    uint64_t labelled;     /* N, the number of samples with a label */
    uint32_t classes;      /* C; some may be empty */
    const uint64_t *start; /* C + 1: class c has start[c+1] - start[c] members */
    /* Exactly one of the three tables is given. Members of a class are in ascending order. */
    const uint32_t *member32; /* N sample indices, class after class */
    const uint64_t *member64; /* the same, where an index needs more than 32 bits */
    const uint64_t *first;    /* C: every class is a run of consecutive indices from first[c] */
    /* For messages: class c is called names + name_at[c]. NULL: it has a number only. */
    const char *names;
    const uint64_t *name_at;
};

static inline uint64_t class_size(const struct class_index *index, uint32_t c)
{
    return index->start[c + 1] - index->start[c];
}

enum last_batch {
    LAST_SHORT, /* the epoch's last batch may be smaller */
    LAST_DROP,  /* what does not fill a batch is left out of the epoch */
    LAST_PAD,   /* the last batch is filled from the epoch's start */
    LAST_EXACT, /* as short; slices of the last batch may be smaller than others, or empty */
};

/* Memory that plans share: what they hold, their tables while these are built included, stays at or
 * below the limit. Must outlive every plan that was built with it. */
struct plan_budget {
    atomic_uint_least64_t used;  /* bytes, of all plans there are */
    atomic_uint_least64_t limit; /* may be changed at any time, also to less than is used */
};

/* A row of numbers for each sample: its nearest others, as they were found by whoever has features.
 * Borrowed, and only read during plan_build. */
struct plan_table {
    const uint32_t *rows; /* S x width sample indices, the nearest first; NULL: not needed */
    uint32_t width;
    bool by_class; /* they are of the sample's own class */
};
#define PLAN_NO_NEIGHBOUR UINT32_MAX /* where there are not so many, or no label */

/* What the strategy's `from` names: one of both, or none. Borrowed, and only read during
 * plan_build. */
struct plan_from {
    const uint64_t *kept;  /* S bits: the samples of a selection */
    const uint16_t *folds; /* S: the fold of each sample; any number where it has no label */
    uint32_t count;        /* so many folds */
};

struct plan_input {
    const struct class_index *index;
    const struct strategy *strategy; /* only read during plan_build */
    uint64_t seed;
    uint32_t revision;
    uint32_t batch_size; /* G: of the global batch */
    enum last_batch last_batch;
    const double *weights; /* S per-sample weights where the strategy names a column, else NULL */
    /* Of the strategy's parameters that take STRATEGY_NEIGHBOURS, in their order. */
    struct plan_table tables[STRATEGY_MAX_TABLES];
    struct plan_from from;
    bool older_rules;          /* as plans were made that some databases have recorded: SAMPLING.md,
                                * "Recorded plans" */
    const atomic_bool *cancel; /* plan_build gives up soon after it becomes true; NULL: never */
    struct plan_budget *budget; /* NULL: no limit */
};

struct sampler_error {
    char message[384]; /* what is wrong and what to do */
    char detail[64];   /* the parameter it is about */
};

enum {
    PLAN_OK = 0,
    PLAN_REFUSED = -1, /* the strategy does not fit the dataset or batch; see the message */
    PLAN_NO_MEMORY = -2,
    PLAN_LIMIT = -3,     /* it would take more than the budget has left; see the message */
    PLAN_CANCELLED = -4, /* without a message */
};

int plan_build(struct plan **out, const struct plan_input *in, struct sampler_error *err);
/* About how many numbers plan_build looks at, some 4 ns each: for those who give out threads. */
uint64_t plan_cost(const struct plan_input *in);
/* Plans are shared by reference (atomic count): plan_build gives one, the last plan_unref frees. */
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan); /* NULL is fine */

/* How long an epoch is. */
struct epoch_shape {
    uint64_t steps;
    uint32_t last_size; /* samples in the last step, 1 .. G */
};
/* Of an epoch that begins under this plan. steps is 0 if not even one batch can be drawn. */
struct epoch_shape plan_epoch(const struct plan *plan, uint64_t epoch);

/* The plan holds from (epoch, step) on, in an epoch of that shape (plan_epoch's own when step is 0;
 * when it takes over in mid-epoch, the one fixed when the epoch began). O(C) at most. PLAN_REFUSED
 * when a strategy cannot fill the steps that remain. Called once, before the first draw. */
int plan_place(struct plan *plan, uint64_t epoch, uint64_t step, struct epoch_shape shape,
               struct sampler_error *err);

/* Which part of which step. world must divide G; rank < world; 0 of 1 is the global batch. */
struct plan_slice {
    uint64_t epoch, step;
    struct epoch_shape shape; /* of that epoch */
    uint32_t rank, world;
};

/* Where to put what is drawn: room for G / world values (rounded up) each, or NULL. */
struct plan_columns {
    uint64_t *index;         /* sample indices */
    uint32_t *index32;       /* the same, where the dataset has at most 2^32 samples */
    uint32_t *label;         /* class numbers */
    float *probability;      /* of drawing this sample in this place */
    uint32_t *repeat;        /* how often the sample came before in its class' order */
    uint64_t *augment_seed;  /* a function of position: the same sample drawn twice differs */
    float *augment_strength; /* 1 - 1 / (1 + repeat) */
    /* Of pairs: sample index and class of the second, and its shares of features and label. */
    uint64_t *mix_index;
    uint32_t *mix_index32;
    uint32_t *mix_label;
    float *mix_lambda;
    float *mix_label_lambda;
};

/* Draws one slice, which must be at or after the plan's start; returns the number of samples.
 * `scratch` is working memory of plan_scratch_size(plan) bytes, 64-byte aligned, not shared between
 * threads. Contents of scratch never change the result. */
size_t plan_scratch_size(const struct plan *plan);
uint32_t plan_draw(const struct plan *plan, const struct plan_slice *slice,
                   const struct plan_columns *columns, void *scratch);

/* How many samples plan_draw returns for a slice, without drawing them. */
uint32_t plan_slice_size(const struct plan *plan, const struct plan_slice *slice);

/* Bits (1 << enum plan_column) of the columns this plan can answer; index, label and augment_seed
 * always. In the order of EVD_COLUMNS. */
enum plan_column {
    PLAN_INDEX,
    PLAN_LABEL,
    PLAN_PROBABILITY,
    PLAN_REPEAT,
    PLAN_AUGMENT_SEED,
    PLAN_AUGMENT_STRENGTH,
    PLAN_MIX_INDEX,
    PLAN_MIX_LABEL,
    PLAN_MIX_LAMBDA,
    PLAN_MIX_LABEL_LAMBDA,
};
uint32_t plan_columns_known(const struct plan *plan);

/* The exact share of draws that go to each class in an epoch that begins under this plan: C values
 * that sum to 1. What job.stats calls "asked for". */
void plan_expected(const struct plan *plan, uint64_t epoch, double *share);
/* What share of each class' members is expected to come at least once in that epoch, if the plan
 * takes over at its beginning: C values from 0 to 1, 0 for a class without samples. Takes time in
 * proportion to the number of classes, and to that of samples where they have weights of their own
 * or are drawn by weight without replacement. */
void plan_coverage(const struct plan *plan, uint64_t epoch, double *share);

/* The samples that it draws from: those of its dataset, or of them what the strategy's `from`
 * keeps. As long as the plan. */
const struct class_index *plan_index(const struct plan *plan);

/* A digest of every integer that draws depend on: two plans with the same digest draw the same. */
uint64_t plan_digest(const struct plan *plan);
/* Bytes held by the plan itself, without the class index. */
size_t plan_memory(const struct plan *plan);

#endif
