/*
 * A dataset cut into parts at random: which sample goes to which part.
 *
 * How many. Of n samples, part p with share s gets floor(n * s), and what is then left goes, one by
 * one, to those with the largest remainders of n * s; the samples in no part (share 1 - sum) count
 * as a part that stands behind the others, and of equal remainders the first comes first. Shares
 * are taken to nine decimals and everything is whole numbers, so the counts are the same
 * everywhere. The n samples are a class (stratified) or all samples with a label.
 *
 * Folds are K equal parts, always stratified: the samples with a label, class after class, go to
 * the folds in turn. So a class' counts in two folds differ by one at most, and so do the folds'
 * sizes.
 *
 * Which. Of the samples of a class (or of all), in one pass, folds_pick of client/lib/folds.h draws
 * as many for each part, by the seed; every division with these counts is equally likely. (Where
 * samples belong together, groups.h says which part they go to.)
 *
 * Which datasets. Of a split one for each part; of folds two: the fold, and the rest without it.
 */
#ifndef CLI_SPLIT_H
#define CLI_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#define SPLIT_PARTS    32u
#define SPLIT_DATASETS (2 * SPLIT_PARTS) /* as many drafts as the daemon allows a connection */
#define SPLIT_WHOLE    UINT64_C(1000000000)

struct split_part {
    const char *name;
    uint64_t share; /* of split_whole() */
};

struct split {
    struct split_part parts[SPLIT_PARTS];
    uint32_t count; /* 0: no split */
    bool folds;     /* the parts are folds */
};

/* "train=0.8,val=0.2"; cuts up `text`, which must outlive the split. NULL, or what is wrong. */
const char *split_parse(struct split *split, char *text) __attribute__((warn_unused_result));
/* Folds called fold0, fold1, ...: 2 to SPLIT_PARTS. */
void split_folds(struct split *split, uint32_t folds);
/* What the shares of all samples would sum to. */
uint64_t split_whole(const struct split *split);

/* For folds_pick: how many of n samples are to come, and how many of them each part needs: 1 +
 * count numbers. `before`: samples of the classes before this one. */
void split_counts(const struct split *split, uint64_t before, uint64_t n, uint64_t *need);

uint32_t split_datasets(const struct split *split);
/* The name of dataset d of NAME, to be freed; NULL without memory. */
char *split_name(const struct split *split, const char *name, uint32_t d);
/* Does dataset d have the samples of that part (-1: of none)? */
bool split_has(const struct split *split, uint32_t d, int part);

#endif
