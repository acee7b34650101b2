/*
 * How often each class of a job was served, counted on a pool thread by drawing again. Called by
 * job.stats.
 */
#ifndef REPLAY_COUNTS_H
#define REPLAY_COUNTS_H

#include "replay/line.h"

#define COUNTS_EPOCHS 64u

/* How often each class was drawn, and how often the strategies that drew asked for it. */
struct class_counts {
    uint32_t classes;
    uint64_t *served;
    double *asked; /* samples, but for those of `piece` */
    /* The newest samples in a row that one plan gave in one epoch. They are added to `asked` only
     * once the piece is whole, so that the sums do not depend on where an earlier count ended. */
    struct {
        uint64_t digest, epoch; /* of the plan */
        uint64_t samples;       /* 0: no piece */
        double *shares;         /* of each class */
    } piece;
    struct replay_totals totals;
};
struct epoch_totals {
    uint64_t epoch;
    struct replay_totals totals;
};

/* Counts of all steps before `upto`, kept so that the next count draws only what is new. */
struct counts_cache {
    uint32_t generation;       /* in whose line */
    struct job_position since; /* the first that is counted: it can be drawn again */
    struct job_position upto;
    struct class_counts counts;
    struct epoch_totals epochs[COUNTS_EPOCHS]; /* the newest, oldest first */
    uint32_t epoch_count;
};
struct counts_cache *counts_cache_new(uint32_t classes); /* NULL without memory */
uint64_t counts_cache_memory(uint32_t classes);          /* bytes that one takes */
void counts_cache_free(struct counts_cache *cache);      /* NULL is fine */

/* What is to be counted, and the counts. */
struct count {
    struct counts_cache *cache;  /* is brought up to `to` */
    struct line line;            /* of the present generation, from where the counting begins */
    struct job_position to;      /* before it, every slice of every step was handed out */
    struct job_position *slices; /* ranked: how far each slice is; owned */
    uint32_t slice_count;
    bool has_epoch; /* that epoch is wanted, else all */
    uint64_t epoch;
    bool unfinished;            /* count_run is to be called again */
    struct class_counts counts; /* what is wanted */
};

/* Takes of the job, as it is now, what the count needs; *count is zero but for cache, has_epoch and
 * epoch. Loop thread. EVD_E_NO_MEMORY; the count is to be finished in any case. */
int count_take(struct count *count, const struct plan_base *base, const struct records *records,
               const struct job *job, struct evd_error *err) MUST_CHECK;
/* What that costs, as line_cost counts it. */
uint64_t count_cost(const struct count *count);
/* Counts, for a while: see `unfinished`. On an error the cache has been emptied. Any thread. */
int count_run(struct count *count, struct evd_error *err) MUST_CHECK;
void count_fini(struct count *count);

#endif
