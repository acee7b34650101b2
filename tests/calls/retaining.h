/*
 * A job j that retains the strategies of its last epochs, and a worker that goes through epochs
 * with it, each by a strategy of its own. For test_retention.c and test_retention_trouble.c.
 */
#ifndef TESTS_CALLS_RETAINING_H
#define TESTS_CALLS_RETAINING_H

#include "harness.h"

enum { EPOCHS = 40, STEPS = 2, RETAINED = 3 };

#define STRATEGY "{'kind': 'weighted', 'weight': 'explicit', 'weights': {'a': 1, 'b': %d}}"

void retaining_create(struct peer *peer, int retained);
struct peer *retaining_begin(struct harness *h, int retained); /* with its dataset */
/* Progress is stored, and what follows from that. */
void settle(struct harness *h);
/* The next batch, which must be that one. */
json_t *take_batch(struct peer *peer, int64_t epoch, int step);
/* Epochs from..to-1, each by a strategy of its own; their batches. */
void serve(struct peer *peer, int from, int to, json_t *(*batches)[STEPS]);
void drop_batches(json_t *(*batches)[STEPS]);
/* Changes the database between two runs of the daemon. */
void retaining_query(struct harness *h, const char *sql);

#endif
