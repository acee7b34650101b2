/*
 * Confusion counts: of samples of each true class, how many were predicted as which, and what
 * follows from that.
 *
 * Pure counting: no labels, no jobs, no clock. The averages are scikit-learn's with zero_division =
 * 0: a class that is neither true nor predicted anywhere counts in no macro average, and balanced
 * accuracy is the mean recall of the classes that have samples.
 *
 * Memory for C classes: 24 C bytes, and 8 C^2 for the matrix, which is kept up to
 * CONFUSION_MATRIX_CLASSES; 16 C more once a loss came, 16,016 once a score came.
 */
#ifndef FEEDBACK_CONFUSION_H
#define FEEDBACK_CONFUSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/answers.h"
#include "proto/error.h"

#define CONFUSION_MATRIX_CLASSES 2048u
/* Thresholds are k / 1000 for k = 0 .. 1000. Bin k counts the scores from threshold k up to, and
 * without, the next one; only a score of 1 is in the last. */
#define CONFUSION_THRESHOLDS 1001u

struct confusion {
    uint32_t classes;
    uint64_t samples;
    /* private */
    uint64_t *support;   /* by class: samples of it */
    uint64_t *predicted; /* by class: samples predicted as it */
    uint64_t *hits;      /* by class: samples of it predicted as it */
    uint64_t *cells;     /* cells[true * classes + predicted]; NULL: too many classes */
    double *loss;        /* by class: sum; NULL: none was given */
    uint64_t *losses;    /* by class: how many */
    uint64_t *scored;    /* two rows of bins, class 0 and class 1; NULL: none was given */
};

/* False without memory; then there is nothing to fini. */
bool confusion_init(struct confusion *confusion, uint32_t classes);
void confusion_fini(struct confusion *confusion);
size_t confusion_memory(const struct confusion *confusion); /* bytes */
size_t confusion_needs(uint32_t classes);                   /* of one just made */

/* n samples: arrays of n each. */
struct confusion_batch {
    size_t n;
    const uint32_t *label, *predicted;
    const double *loss;  /* or NULL */
    const double *score; /* of class 1, from 0 to 1; or NULL */
};
/* All or none. EVD_E_BAD_VALUE for a number that is no class, a loss that is not finite, a score
 * that is not from 0 to 1 or not of two classes (the message names the sample by its place);
 * EVD_E_NO_MEMORY. */
int confusion_add(struct confusion *confusion, const struct confusion_batch *batch,
                  struct evd_error *err);
/* Adds the counts of another with as many classes, but of the matrix only the `rows` rows from
 * `first` on; false without memory, then *into may hold part of them. */
bool confusion_merge(struct confusion *into, const struct confusion *from, uint32_t first,
                     uint32_t rows);

/* ---- what follows (metrics.c) ---- */

struct confusion_scores {
    double precision, recall, f1;
};

struct confusion_scores confusion_class(const struct confusion *confusion, uint32_t c);
/* NAN: no loss of that class was reported. */
double confusion_class_loss(const struct confusion *confusion, uint32_t c);

#define CONFUSION_METRIC(type, name) double name;
struct confusion_summary {
    EVD_METRICS(CONFUSION_METRIC)
    struct confusion_scores macro, weighted; /* weighted by the classes' samples */
    double loss;                             /* mean of all that were reported; NAN: none */
};
/* Of at least one sample. */
void confusion_summarise(const struct confusion *confusion, struct confusion_summary *out);

/* Two classes with scores: a sample counts as class 1 if its score is at least the threshold. */
struct confusion_threshold {
    double threshold;
    uint64_t true_positive, false_positive, false_negative;
    struct confusion_scores scores; /* of class 1 */
};
/* All CONFUSION_THRESHOLDS of them, from 0 to 1. Returns which has the best F1, the lowest one on a
 * tie. Only where `scored` is not NULL. */
uint32_t confusion_thresholds(const struct confusion *confusion, struct confusion_threshold *out);

#endif
