/*
 * A dataset cut into parts at random: which sample goes to which part.
 *
 * How many. A group is a class (stratified) or all samples with a label. Of a group of n samples,
 * part p with share s gets floor(n * s), and what is then left of the group goes, one by one, to
 * those with the largest remainders of n * s; the samples in no part (share 1 - sum) count as a
 * part that stands behind the others, and of equal remainders the first comes first. Shares are
 * taken to nine decimals and everything is whole numbers, so the counts are the same everywhere.
 *
 * Which. Sample i, of whose group `left` samples are still to come (itself among them), takes place
 * number floor(u(i) * left) of the places that are free: first those of part 0, then of part 1, ...
 * u(i) is the first 64 bits of Philox4x32-10 with key = seed and counter = (i, 1), as a fraction of
 * 2^64. Every division with these counts is equally likely, and one pass is enough.
 */
#ifndef CLI_SPLIT_H
#define CLI_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#define SPLIT_PARTS 4u /* as many drafts as the daemon allows a connection */
#define SPLIT_WHOLE UINT64_C(1000000000)

struct split_part {
    const char *name;
    uint64_t share; /* of SPLIT_WHOLE */
};

struct split {
    struct split_part parts[SPLIT_PARTS];
    uint32_t count; /* 0: no split */
};

struct split_group {
    uint64_t left, need[SPLIT_PARTS];
};

/* "train=0.8,val=0.2"; cuts up `text`, which must outlive the split. NULL, or what is wrong. */
const char *split_parse(struct split *split, char *text) __attribute__((warn_unused_result));
/* How many of a group of n samples each part gets. */
void split_counts(const struct split *split, uint64_t n, struct split_group *group);
/* The part of a sample, or -1 for none. To be asked for every sample of the group, in order. */
int split_pick(struct split_group *group, uint32_t parts, uint64_t seed, uint64_t sample);

#endif
