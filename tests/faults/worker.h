/*
 * Workers of a faults test: processes that attach to a job through libevendraw, take batches, and
 * log every one. They share one page with the test.
 */
#ifndef FAULTS_WORKER_H
#define FAULTS_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "evendraw.h"

#define MAX_WORKERS 4096u

/* Shared by all processes. */
struct board {
    atomic_ullong last_epoch; /* workers end when they have come to the end of it */
    atomic_ullong batches;    /* received by all */
    atomic_ullong reached;    /* the highest epoch that any of them saw */
    /* evd_counters of all that ended by themselves. */
    atomic_ullong reconnects, repeated, late_acks;
    bool excused[MAX_WORKERS]; /* for the history's check */
    bool pairs;                /* second samples and their shares are part of what comes */
};

struct worker {
    const char *address, *job, *folder; /* of the logs */
    int rank;                           /* -1: a shared job */
    uint32_t world, window;
    uint32_t pause_us;      /* a step takes up to that long */
    uint32_t confirm_every; /* 0: never */
    uint32_t number;        /* of the process: set by worker_start */
    pid_t pid;
};

struct board *board_new(void);
/* Starts a process, with the next number. */
void worker_start(struct worker *worker, struct board *board);
/* Kills it, and starts another in its place. */
void worker_replace(struct worker *worker, struct board *board);
/* Has all of them go on to the end of an epoch that none has begun, and waits for that: 0 if each
 * ended well, within the time. Returns how many epochs are complete then. */
uint64_t workers_finish(struct worker *workers, uint32_t n, struct board *board, unsigned seconds);
uint32_t workers_started(void);

/* For a process of a test: a client that reconnects for ever. evd_connect tries only once, and the
 * daemon may be away just then, so it is tried for some seconds here; NULL if in vain. */
evd_client *worker_connect(const char *address, const char *name);

/* A generator of random numbers for tests, seeded and the same everywhere. */
struct dice {
    uint64_t state;
};
uint32_t dice_below(struct dice *dice, uint32_t n);

#endif
