/*
 * What follows from the scores of two classes: the precision-recall and the ROC curve with their
 * areas (curve.c), calibration (calibration.c), the best threshold for an objective (objective.c).
 *
 * All walk once through the scores from the greatest to the least, where equal ones are one step,
 * and need no memory of their own. Definitions, order and signs are scikit-learn 1.2's. A sample
 * counts as class 1 if its score is at least the threshold. Where scores were counted in bins alone
 * each is taken to be its bin's threshold. Pure mathematics: called on pool threads by
 * job.threshold and job.curve.
 */
#ifndef FEEDBACK_CURVE_H
#define FEEDBACK_CURVE_H

#include "feedback/confusion.h"
#include "feedback/scores.h"

/* Where the scores are: in `keys` or, if that is NULL, in `bins`. */
struct curve {
    const uint64_t *keys; /* ascending (keys_sort) */
    size_t count;         /* of the keys */
    const uint64_t *bins; /* two rows of CONFUSION_THRESHOLDS, class 0 and class 1 */
    /* By curve_init: */
    uint64_t negatives, positives; /* samples of class 0 and of class 1 */
    uint64_t steps;                /* scores that differ */
};

/* Fills in the rest. */
void curve_init(struct curve *curve);

/* All samples of one score. */
struct curve_step {
    double score;
    uint64_t negatives, positives;            /* with that score */
    uint64_t false_positives, true_positives; /* with at least that score */
};

struct curve_walk {
    const struct curve *curve;
    size_t left; /* keys, or bins, that are still to come */
    uint64_t false_positives, true_positives;
};

struct curve_walk curve_begin(const struct curve *curve);
/* The next lower score; false: there is none. */
bool curve_next(struct curve_walk *walk, struct curve_step *out);

/* A sum that loses nothing worth mentioning, however many are added (Neumaier). */
struct exact_sum {
    double sum, lost;
};
void sum_add(struct exact_sum *sum, double value);
double sum_value(const struct exact_sum *sum);

/* Points `first` .. `first + count - 1` of a curve, into arrays of `count`. */
struct curve_page {
    uint64_t first, count;
    double *threshold; /* NAN: the point has none */
    double *x, *y;
};

/* x: recall, y: precision, by rising thresholds, one point for each score that occurs; the last is
 * (0, 1) without a threshold. Both classes must have samples, as for curve_roc. Returns the average
 * precision. */
uint64_t curve_precision_recall_points(const struct curve *curve);
double curve_precision_recall(const struct curve *curve, const struct curve_page *page);

/* x: false positive rate, y: true positive rate, by falling thresholds. The first is (0, 0), whose
 * threshold is the greatest score + 1; points on a straight line between their neighbours are left
 * out where both steps are alike. Returns the area. */
uint64_t curve_roc_points(const struct curve *curve);
double curve_roc(const struct curve *curve, const struct curve_page *page);

/* ---- calibration.c ---- */

#define CALIBRATION_MOST_BINS 1000u

/* What of a bin; those without samples are left out. */
struct calibration {
    uint32_t count;
    double predicted[CALIBRATION_MOST_BINS]; /* mean score */
    double observed[CALIBRATION_MOST_BINS];  /* share of class 1 */
    uint64_t samples[CALIBRATION_MOST_BINS];
    double error; /* expected calibration error: mean distance of the two, by samples */
    double brier; /* mean squared distance of score and class, bins or not */
};

/* 1 to CALIBRATION_MOST_BINS bins that are equally wide or, if `quantiles`, hold about as many
 * samples each. A score on the edge of two is in the lower one. Of at least one sample. */
void curve_calibrate(const struct curve *curve, uint32_t bins, bool quantiles,
                     struct calibration *out);

/* ---- objective.c ---- */

/* X(id, "name"): what a threshold may be best for. */
#define OBJECTIVES(X)                                                                              \
    X(F1, "f1")                                                                                    \
    X(F_BETA, "f-beta")                                                                            \
    X(BALANCED_ACCURACY, "balanced-accuracy")                                                      \
    X(COST, "cost")                                                                                \
    X(PRECISION_AT_RECALL, "precision-at-recall")                                                  \
    X(RECALL_AT_PRECISION, "recall-at-precision")

enum objective_kind {
#define OBJECTIVE_ENUM(id, name) OBJECTIVE_##id,
    OBJECTIVES(OBJECTIVE_ENUM)
#undef OBJECTIVE_ENUM
        OBJECTIVE_COUNT
};

const char *objective_name(enum objective_kind kind);
int objective_find(struct evd_str name); /* or -1 */

struct objective {
    enum objective_kind kind;
    double beta;       /* of F_BETA: over 0; how much more recall counts than precision */
    double least;      /* of the last two: of recall, or of precision, from 0 to 1 */
    double cost[2][2]; /* of COST, [true][predicted]: of one sample */
};

/* What a threshold gives. */
struct threshold {
    double threshold;
    double value; /* of the objective; of COST the mean cost of a sample, best where least */
    double balanced_accuracy;
    uint64_t true_positives, false_positives, true_negatives, false_negatives;
    struct confusion_scores scores; /* of class 1 */
};

/* The best of all scores that occur, and of the greatest + 1, by which no sample counts as class 1.
 * Of equal ones the lowest, but of PRECISION_AT_RECALL the one with the greatest recall and of
 * RECALL_AT_PRECISION the one with the greatest precision, and of those the lowest. False: none
 * keeps what RECALL_AT_PRECISION asks for. Both classes must have samples. */
bool objective_best(const struct curve *curve, const struct objective *objective,
                    struct threshold *out);

#endif
