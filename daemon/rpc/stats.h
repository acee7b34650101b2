/*
 * Between stats.c, which answers job.stats, and stats_count.c, which counts on a pool thread.
 */
#ifndef RPC_STATS_H
#define RPC_STATS_H

#include "rpc/line.h"
#include "rpc/replies.h"

#define EPOCHS_SHOWN 64u

struct epoch_count {
    uint64_t epoch;
    struct replay_totals totals;
};

/* Counts of all steps before `upto`. */
struct stats_cache {
    struct job_position upto;
    struct replay_totals totals;
    struct epoch_count epochs[EPOCHS_SHOWN]; /* the newest, oldest first */
    uint32_t epoch_count;
    bool busy;               /* a request has it on a pool thread */
    struct request *waiting; /* in order of arrival */
    uint64_t *served;        /* of each class */
    double *asked;           /* of each class: samples that the strategies asked for */
};

/* A recorded revision, as far as the replay needs it. */
struct replayed {
    struct plan *plan; /* held by a reference, or built again during the replay */
    uint64_t digest;
    void *strategy; /* a copy, only where the plan has to be built again */
    size_t strategy_bytes;
};

struct request {
    struct rpc_work work; /* first */
    struct ticket ticket;
    struct job_entry *entry; /* held */
    struct page page;
    struct weights_ask ask;
    bool has_epoch;
    uint64_t epoch;
    struct request *next;
    /* for the pool thread */
    struct stats_cache *cache;
    struct plan_base base;
    struct job_position to;     /* the first step not handed out to everybody it goes to */
    struct job_position *ranks; /* ranked: how far each of them is */
    uint32_t world;
    uint32_t count;
    struct replay_revision *revisions;
    struct replayed *replayed;
    struct plan *current; /* a reference: whose shares are "present" */
    uint64_t current_epoch;
    double *present;  /* shares that the present strategy asks for */
    double *asked;    /* of the samples in `served`: how many of each class were asked for */
    double *shares;   /* working memory: the shares of one plan */
    double *weights;  /* class weights that go with it, if they are wanted */
    uint64_t *served; /* the answer: in all, or in the epoch that was asked for */
    struct replay_totals totals;
    struct evd_error err;
};

/* Brings the cache up to request->to and fills in the answer, or err. */
void stats_run(struct rpc_work *work);

#endif
