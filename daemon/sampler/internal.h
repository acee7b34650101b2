/*
 * Inside the sampler: what a plan is, and what an engine does for it. Strategies (kind_*.c) reduce
 * themselves to one engine's parameters; engines resolve positions to (class, member) in blocks.
 */
#ifndef SAMPLER_INTERNAL_H
#define SAMPLER_INTERNAL_H

#include <stdatomic.h>
#include "sampler/lanes.h"
#include "sampler/plan.h"
#include "sampler/tables.h"

#define PLAN_MAX_DRAWS (1ull << 48) /* of one epoch */

/* One block of draws on its way from positions to samples. */
struct draw_block {
    uint32_t n;
    uint32_t turn; /* lanes below it hold positions of one run, the others of the next */
    _Alignas(LANES_ALIGN) uint64_t draw[LANES]; /* draw number t */
    uint64_t member[LANES];                     /* its place among all members, class after class */
    uint64_t first[LANES], second[LANES];       /* random numbers, keys */
    uint64_t number[LANES + 2];                 /* see draw_numbers */
    uint64_t size[LANES];
    uint32_t position[LANES]; /* i, in the step */
    uint32_t place[LANES];    /* where in the output it goes */
    uint32_t class[LANES];
    uint32_t repeat[LANES];        /* how often the member came before */
    uint64_t partner[LANES];       /* the second sample of a pair: its place among all members */
    uint32_t partner_class[LANES]; /* its class */
    uint32_t share[LANES];         /* its share, of BETA_ONE; 0: it is the first one once more */
    uint32_t base[LANES]; /* by bases.h: next to which base it is made; only where there are any */
    struct lanes_walk walk;
};

/* What is the same for all draws of a slice. */
struct draw_step {
    uint64_t epoch_key, step_key;
    uint64_t epoch;
    uint64_t step; /* counted from the first step of this plan in the epoch */
    bool head;     /* the epoch in which the plan took over, after its first step */
    uint32_t size; /* draws in the step: G, or fewer in a short last step */
};

/* Numbers of the draws from..*to-1 of a block, whose draw[] is filled; *to is beyond from. To be
 * used before the next call. Overwrites first[], second[] and size[]. */
const uint64_t *draw_numbers(struct draw_block *block, uint64_t epoch_key, uint32_t from,
                             uint32_t *to);

struct engine {
    const char *name;
    /* Fills class, member and repeat of the block. */
    void (*resolve)(const struct plan *plan, const struct draw_step *at, struct draw_block *block);
    /* The share of each class under the epoch's tables: C values each. */
    const double *(*shares)(const struct plan *plan, uint64_t epoch, bool head);
    /* plan_coverage, of an epoch whose draws 0 .. draws-1 are made. See coverage.h. */
    void (*coverage)(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out);
    /* Probabilities of the block's draws, where they do not follow from the class; may be NULL. */
    void (*probability)(const struct plan *plan, struct draw_block *block, float *out);
    /* The plan takes over before `step` > 0 of an epoch of `steps`; may be NULL. */
    int (*place_head)(struct plan *plan, uint64_t steps);
    /* Positions of a step are ordered by class, so ranks' batches are put in random order. */
    bool ordered;
    /* Only whole steps can be drawn. */
    bool whole_steps;
};

struct plan_memory_block;
struct pairs;
struct bases;

struct plan {
    atomic_uint users;
    const struct engine *engine;
    void *tables;              /* the engine's */
    const struct pairs *pairs; /* or NULL: its samples come alone */
    const struct class_index *index;
    const char *member_table; /* the index' table of members, if it has one */
    uint32_t member_width;    /* bytes of an entry; 0 without a table */
    uint32_t batch_size;
    uint64_t seed;
    uint32_t revision;
    enum last_batch last_batch;
    uint64_t draws; /* of a whole epoch */
    uint32_t columns;
    /* Placement. */
    uint64_t start_epoch, start_step;
    uint64_t digest;
    size_t memory;
    struct plan_memory_block *blocks;
    struct plan_budget *budget; /* or NULL */
    uint64_t short_of;          /* bytes that were asked for and the budget did not have */
    const atomic_bool *cancel;  /* while it is being built; or NULL */
};

/* Starts fetching the sample index of a member that a block will need. */
static inline void member_prefetch(const struct plan *plan, uint64_t member)
{
    __builtin_prefetch(plan->member_table + member * plan->member_width);
}

/* Zeroed memory that lives as long as the plan; NULL without memory, or beyond the budget. */
void *plan_alloc(struct plan *plan, size_t count, size_t size);
/* Memory for the time of building, not zeroed, on the same conditions; plan_work_free takes the
 * same numbers, and NULL is fine. */
void *plan_work_alloc(struct plan *plan, size_t count, size_t size);
void plan_work_free(struct plan *plan, void *memory, size_t count, size_t size);
/* Engines look at this every now and then while they build, and then give up with any error: what
 * plan_build returns is PLAN_CANCELLED. */
static inline bool plan_cancelled(const struct plan *plan)
{
    return plan->cancel && atomic_load_explicit(plan->cancel, memory_order_relaxed);
}
/* Adds to the plan's digest. */
void plan_hash(struct plan *plan, const void *data, size_t size);
/* Writes the error and returns PLAN_REFUSED. `detail` is the parameter's name. */
int plan_refuse(struct sampler_error *err, const char *detail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How a message names a class: `class "dog"`, or `class number 3`. */
#define CLASS_WORDS 160
const char *class_words(const struct class_index *index, uint32_t c, char words[CLASS_WORDS]);

/* How a message writes a number: a whole one with all its digits, others as short as is exact. */
#define NUMBER_WORDS 40
const char *number_words(double number, char words[NUMBER_WORDS]);

/* The sample index of a place among all members, class after class. Not for draw loops. */
uint64_t index_sample(const struct class_index *index, uint64_t place);

/* Parameters as a strategy's compile function reads them: given values, or defaults. */
double strategy_number(const struct strategy *s, int param);
bool strategy_flag(const struct strategy *s, int param);
/* A parameter that must be a whole number from min to max, and not_set where it has no value. */
int strategy_whole(const struct strategy *s, int param, uint64_t min, uint64_t max,
                   uint64_t not_set, uint64_t *out, struct sampler_error *err);
/* Refuses a parameter that is given although what it goes with, such as `weight "power"`, is not.
 */
int strategy_only_with(const struct strategy *s, int param, bool chosen, const char *with,
                       struct sampler_error *err);
/* Which of `words` (NULL-terminated) the text is, or refuses with the list of them. */
int strategy_word(const struct strategy *s, int param, const char *const *words, int *out,
                  struct sampler_error *err);
/* One number >= 0 for every class from a class map: refuses missing, negative, infinite, all zero.
 * Classes without samples need not be named and come out as 0. */
int strategy_class_numbers(const struct strategy *s, int param, const struct class_index *index,
                           double *out, struct sampler_error *err);

/* How many numbers of 4 ns one class costs in most tables (in those of stratified five times as
 * many), one sample in tables of samples, and one in each order that is sorted; by job.preview's
 * build_ms for 10^5 classes and 2 * 10^6 samples. */
#define COST_OF_CLASS   16u
#define COST_OF_SAMPLE  16u
#define COST_OF_SORTING 32u

/* ---- engines ---- */

/* How ordinals of a class become members (SAMPLING.md). */
struct epoch_spec {
    const uint64_t *slots;  /* C: how many slots each class contributes to a pass */
    const uint64_t *kept;   /* C: slots below it take members in permuted order, those from it on
                             * are drawn uniformly; NULL: all permuted */
    const uint64_t *offset; /* C: where in the fixed order a class' ordinals begin; NULL: at 0 */
    bool fixed;             /* the same members in every epoch and revision */
    uint64_t draws;         /* of an epoch; 0: one for each slot */
    uint32_t repeats; /* draws in a row that are one slot's; 0 and 1: one. More only where every
                       * slot is a member of its own (as for uniform) */
    const struct bases *bases; /* slots from kept on take these; NULL: members, uniformly */
};
int epoch_engine(struct plan *plan, const struct epoch_spec *spec, struct sampler_error *err);

struct quota_spec {
    const double *weights;  /* C, >= 0, not all 0: proportions asked for */
    uint64_t draws;         /* of an epoch; rounded down to whole steps */
    uint32_t min_per_class; /* in each batch */
};
int quota_engine(struct plan *plan, const struct quota_spec *spec, struct sampler_error *err);

/* i.i.d. draws: classes by weight, then uniformly in the class. */
struct independent_spec {
    const double *weights; /* stages x C, >= 0, none of a stage all 0 */
    uint64_t stages;       /* one an epoch from first_epoch on; the last one stays. Usually 1 */
    uint64_t first_epoch;
    uint64_t draws; /* of an epoch */
};
int independent_engine(struct plan *plan, const struct independent_spec *spec);

/* i.i.d. draws of samples by a weight of each; S weights as in plan_input. */
int samples_engine(struct plan *plan, const double *weights, uint64_t draws);

/* Draws without replacement by weight: orders made in advance, a different one each epoch. */
struct ordered_spec {
    const double *class_weights;  /* of one sample, by class; or NULL */
    const double *sample_weights; /* S, as in plan_input */
    uint64_t draws;               /* at most the samples of weight above 0 */
    uint32_t orders;              /* epoch e has order e mod orders */
};
int ordered_engine(struct plan *plan, const struct ordered_spec *spec, struct sampler_error *err);

/* A cycle over the classes with samples, in groups of so many, and in each a cycle over members. */
struct cycle_spec {
    uint32_t classes; /* in a group; no class twice in it */
    uint32_t samples; /* of each */
    uint64_t draws;   /* of an epoch */
    bool whole_steps; /* a group is a batch */
};
int cycle_engine(struct plan *plan, const struct cycle_spec *spec);

#endif
