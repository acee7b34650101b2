/*
 * A dataset of six samples, with a selection and two folds of it, and epochs of jobs on it: for
 * tests of strategies that draw from a part.
 */
#ifndef TESTS_CALLS_PARTS_H
#define TESTS_CALLS_PARTS_H

#include "attached.h"

/* Of classes a b a - b a: a is 0, 2 and 5, b is 1 and 4; KEPT keeps the three a. Fold 0 of FOLDS
 * has 0 and 4, fold 1 has 1, 2 and 5. */
#define FROM(what)    "'strategy': {'kind': 'uniform', 'from': " what "}"
#define WITHOUT(fold) "{'folds': 'cv', 'without': " #fold "}"
#define ONLY(fold)    "{'folds': 'cv', 'only': " #fold "}"
#define JOB(name, what)                                                                            \
    "[{'name': '" name "', 'dataset': 'd', 'batch_size': 2, 'seed': 5, " what "}]"

/* Sets of samples as bits. */
enum { ALL = 0x37, A = 0x25, FOLD_0 = 0x11, FOLD_1 = 0x26, MOST = 0x17 };

extern char parts_clean[17], parts_cv[17]; /* digests */

/* A peer, and version 1 of "d" with the selection "clean" and the folds "cv". */
struct peer *parts_begin(struct harness *h);
int64_t uses_of(struct peer *peer, const char *name); /* of an attachment */
/* The samples of a batch, each once. */
unsigned set_of(const json_t *batch);
/* The next batch; whatever else came before it is dropped. */
json_t *take(struct peer *peer);
/* An epoch of the job by a stream of its own, which has so many steps: its samples, each once. */
unsigned an_epoch(struct peer *peer, const char *job, int steps);

#endif
