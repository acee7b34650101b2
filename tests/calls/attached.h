/*
 * A dataset of six samples, and what can be attached to it, for tests of attachments.
 */
#ifndef TESTS_CALLS_ATTACHED_H
#define TESTS_CALLS_ATTACHED_H

#include "harness.h"

/* Two neighbours of each sample among all, a selection, and two folds: as they are sent, in hex. */
#define NEAR                                                                                       \
    "0200000005000000"                                                                             \
    "04000000ffffffff"                                                                             \
    "0000000001000000"                                                                             \
    "ffffffffffffffff"                                                                             \
    "0100000002000000"                                                                             \
    "0000000002000000"
#define AWAY                                                                                       \
    "0000803f0000803f"                                                                             \
    "0000003f0000807f"                                                                             \
    "0000803f00001041"                                                                             \
    "0000807f0000807f"                                                                             \
    "0000000000004040"                                                                             \
    "0000803f0000c03f"
#define KEPT  "010001000001"
#define FOLDS "000001000100ffff00000100"

/* The fields of attachment.create for each of those. */
#define AS_NEAR  "'kind': 'neighbours', 'k': 2, 'scope': 'all', 'metric': 'euclidean'"
#define AS_KEPT  "'kind': 'selection'"
#define AS_FOLDS "'kind': 'folds', 'folds': 2"

/* The next version of "d": classes a b a - b a. */
void attached_dataset(struct peer *peer);
/* The same, all of one class; 66,000 samples at most. */
void attached_large(struct peer *peer, int samples);
/* Begins one of the newest version of "d"; its draft. */
int attached_begin(struct peer *peer, const char *name, const char *as);
/* `distances`: in hex; or "". */
void attached_append(struct peer *peer, int draft, const char *rows, const char *distances);
/* All of it. The result. */
json_t *attached_make(struct peer *peer, const char *name, const char *as, const char *rows,
                      const char *distances);
/* It holds these rows, and distances if they are not "". */
void attached_check(struct peer *peer, const char *name, const char *rows, const char *distances);
/* How many there are. */
size_t attached_count(struct peer *peer);

#endif
