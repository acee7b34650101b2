/*
 * The adaptive strategy's controller: what the classes should weigh next. A pure function of the
 * weights before and of what was reported.
 *
 * A weight says how often a class is drawn, relative to the others. The goal of a class is
 * 1 + (R - 1) need, where R is the greatest ratio allowed and need goes from 0 (all is well) to 1:
 * 1 - recall, or the mean loss relative to the class with the greatest one. A weight goes from
 * where it was to its goal, by exponential smoothing; so all stay between 1 and R.
 */
#ifndef FEEDBACK_ADAPT_H
#define FEEDBACK_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

/* A move is worth a revision if some weight changes by more than this share of itself. */
#define ADAPT_LEAST_MOVE 0.01

struct adapt_rule {
    double smoothing; /* 0 to below 1: the part of the old weight that stays */
    double max_ratio; /* R, at least 1 */
};

/* need: of each class, 0 to 1, NAN where nothing is known (the weight stays). Writes into weights,
 * which are first brought between 1 and R; returns whether the move is worth a revision. */
bool adapt_weights(const struct adapt_rule *rule, const double *need, uint32_t classes,
                   double *weights);

#endif
