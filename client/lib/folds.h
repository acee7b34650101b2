/*
 * What the parts of making folds share.
 *
 *   folds.c            evd_folds: checks, samples by class, which method, what is reported
 *   folds_deal.c       shares of a class, and which samples are drawn for them
 *   folds_stratified.c stratified, and by hardness
 *   folds_grouped.c    groups of rows, for folds_plan.c
 *   folds_plan.c       which group goes to which part
 *   folds_labels.c     samples with several labels
 *   folds_terms.c      evd_folds_terms
 *
 * folds_deal.c and folds_plan.c know nothing of the others: client/cli divides datasets while they
 * are loaded by the same rules.
 */
#ifndef CLIENT_FOLDS_H
#define CLIENT_FOLDS_H

#include <evendraw_folds.h>
#include <stdbool.h>
#include <stddef.h>
#include "proto/error.h"

struct folds {
    const evd_folds_options *options;
    evd_folds_result *result;
    struct evd_error error;
    uint16_t *fold; /* the caller's, n */
    uint32_t n, classes, k;
    uint64_t *members;  /* by class */
    uint32_t *sequence; /* classes with members, in the order in which they are met */
    uint32_t present;   /* how many these are */
    /* Samples by class, ascending; one with several labels comes with each. Class c: from
     * order[starts[c]] to order[starts[c + 1]]. */
    uint64_t *starts;
    uint32_t *order;
};

/* Does the sample take part? */
static inline bool folds_takes(const struct folds *f, uint32_t row)
{
    return !f->options->labels || f->options->labels[row] != EVD_NO_LABEL;
}

/* ---- folds.c ---- */

int folds_no_memory(struct folds *f);
/* Zeroed; NULL with f->error set. */
void *folds_alloc(struct folds *f, size_t count, size_t size);
/* Once members are known: room for an order of so many. The place where the samples of class c go
 * is starts[c + 1], to be moved on with each: in the end it is where the class ends. */
int folds_order(struct folds *f, uint64_t total) EVD_MUST_CHECK;

/* ---- one function a method: fills f->fold of all samples that take part ---- */

int folds_stratified(struct folds *f) EVD_MUST_CHECK;
int folds_grouped(struct folds *f) EVD_MUST_CHECK;
int folds_multilabel(struct folds *f) EVD_MUST_CHECK;
int folds_hardness(struct folds *f) EVD_MUST_CHECK;

/* ---- folds_labels.c ---- */

/* Looks at the labels of all samples, fills members, starts and order. */
int folds_read_sets(struct folds *f) EVD_MUST_CHECK;

/* ---- folds_deal.c ---- */

/* Of the places before .. before + n - 1, how many each fold has if they take turns. */
void folds_share(uint32_t folds, uint64_t before, uint64_t n, uint64_t *need);
/*
 * The part of a sample, or -1 for none. need[0]: how many samples are still to be asked for, itself
 * among them; need[1 + p]: how many of them part p still needs, in sum at most as many. Every
 * division with these counts is equally likely if all are asked for, one after the other.
 *
 * The sample takes place number floor(u * need[0]) of those that are free: first those of part 0,
 * then of part 1, ... u is the first 64 bits of Philox4x32-10 with key = seed and counter =
 * (sample, 1), as a fraction of 2^64.
 */
int folds_pick(uint64_t *need, uint32_t parts, uint64_t seed, uint64_t sample);
/* The first 64 bits of Philox4x32-10 with key = seed and counter = (number, purpose). Purposes: 1
 * folds_pick, 3 and 4 folds_labels.c (2 is in select_condense.c). */
uint64_t folds_random(uint64_t seed, uint64_t number, uint32_t purpose);

/* ---- folds_plan.c ---- */

/* Samples of a class in a group. */
struct folds_member {
    uint32_t class;
    double count;
};

/* Groups, and parts for them. */
struct folds_plan {
    uint32_t groups, classes, parts;
    const uint32_t *first; /* groups + 1: where its members begin */
    const struct folds_member *members;
    const double *whole; /* parts: 1 over the part's share of all samples */
    uint32_t *part;      /* groups: filled */
    double *samples;     /* parts: filled with how many each has */
};

/* As EVD_FOLDS_GROUPED says, for parts of any shares: what a part has of a class counts for its
 * share. False without memory. */
bool folds_plan(const struct folds_plan *plan) EVD_MUST_CHECK;

#endif
