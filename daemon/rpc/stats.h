/*
 * Counts of what a job served: between stats.c, which answers job.stats, and stats_count.c, which
 * counts on a pool thread by drawing again.
 */
#ifndef RPC_STATS_H
#define RPC_STATS_H

#include "rpc/line.h"
#include "rpc/task.h"

#define EPOCHS_SHOWN 64u

/* How often each class was drawn, and how often the strategies that drew asked for it. */
struct class_counts {
    uint32_t classes;
    uint64_t *served;
    double *asked; /* samples */
    struct replay_totals totals;
};
bool class_counts_init(struct class_counts *counts, uint32_t classes); /* false without memory */
void class_counts_fini(struct class_counts *counts);                   /* all zero is fine */
void class_counts_clear(struct class_counts *counts);

struct epoch_totals {
    uint64_t epoch;
    struct replay_totals totals;
};

/* Counts of all steps before `upto`, kept by the job so that the next count draws only what is new.
 */
struct stats_cache {
    struct job_position upto;
    struct class_counts counts;
    struct epoch_totals epochs[EPOCHS_SHOWN]; /* the newest, oldest first */
    uint32_t epoch_count;
    bool busy;                /* one task has it on a pool thread; */
    struct task_list waiting; /* the others wait for their turn */
};

/* What is to be counted, and the counts. */
struct stats_count {
    struct stats_cache *cache;  /* brought up to `to` */
    struct line line;           /* of the present generation, from where the counting begins */
    struct job_position to;     /* the first step not handed out to everybody it goes to */
    struct job_position *ranks; /* ranked: how far each of them is */
    uint32_t world;
    bool has_epoch; /* that epoch is wanted, else all */
    uint64_t epoch;
    struct class_counts counts; /* what is wanted */
    double *shares;             /* working memory: of each class */
};

/* EVD_OK, or *err, and then the cache may have counted half a range. Any thread. */
int stats_count(struct stats_count *count, struct evd_error *err)
    __attribute__((warn_unused_result));

#endif
