/*
 * What was reported to the job of test_fresh.c, counted by the test on its own, and what
 * job.confusion and an adaptive strategy must make of it.
 */
#ifndef TESTS_CALLS_REPORTED_H
#define TESTS_CALLS_REPORTED_H

#include "harness.h"

#define REPORTED_CLASSES 3
#define REPORTED_STEPS   64 /* of an epoch, at most */
#define REPORTED_RANKS   2
#define REPORTED_EPOCHS  64 /* so many the daemon keeps */

/* Where a report belongs. */
struct reported_at {
    uint32_t generation, rank;
    uint64_t epoch, step;
};

struct reported_epoch {
    uint32_t generation;
    uint64_t epoch, reports;
    uint64_t cell[REPORTED_CLASSES][REPORTED_CLASSES]; /* true, predicted */
    double loss[REPORTED_CLASSES];                     /* sums of multiples of 1/4: exact */
    uint64_t losses[REPORTED_CLASSES];
    bool seen[REPORTED_STEPS][REPORTED_RANKS];
};

struct reported {
    struct reported_epoch epochs[REPORTED_EPOCHS]; /* the oldest generation and epoch first */
    uint32_t count;
};

struct reported_sample {
    uint32_t label, predicted;
    double loss; /* below 0: not reported */
};

/* A report that the daemon took. Returns whether it is counted: nothing was reported there before.
 */
bool reported_add(struct reported *reported, struct reported_at at,
                  const struct reported_sample *samples, size_t n);
/* job.confusion of job j: of the newest epoch, of `epoch`, and of all. */
void reported_compare(const struct reported *reported, struct peer *peer, uint64_t epoch);
/* The newest revision of j before a report and after it, if the report moved it: its weights follow
 * from what was counted of the report's epoch, or, if that begins with it, of the one before. */
void reported_moved(const struct reported *reported, struct reported_at at, const json_t *before,
                    const json_t *after);

/* The strategy that moves so. */
#define REPORTED_ADAPTIVE "{'kind': 'adaptive', 'every': 3, 'max_ratio': 7, 'smoothing': 0.5}"

#endif
