/*
 * Class weights for losses: statistics, not sampling.
 *
 * They follow from how often each class comes to the model: its count in the dataset, or, where a
 * job's strategy has already changed the balance, the share that the strategy serves. Using the
 * first with a job that rebalances corrects twice.
 */
#ifndef DATASET_WEIGHTS_H
#define DATASET_WEIGHTS_H

#include <stdint.h>
#include "proto/error.h"
#include "proto/text.h"

/* X(id, "name", "meaning"): n_c is the class' count, N their sum, C the number of classes with
 * samples. */
#define WEIGHT_KINDS(X)                                                                            \
    X(BALANCED, "balanced", "N / (C n_c), as scikit-learn")                                        \
    X(INVERSE, "inverse", "1 / n_c")                                                               \
    X(SQRT_INVERSE, "sqrt-inverse", "1 / sqrt(n_c)")                                               \
    X(EFFECTIVE_NUMBER, "effective",                                                               \
      "(1 - beta) / (1 - beta^n_c), scaled to sum C (Cui et al. 2019)")                            \
    X(POS_WEIGHT, "pos-weight", "(N - n_c) / n_c, one class against the rest")                     \
    X(LOG_PRIOR, "log-prior", "log(n_c / N), natural logarithm")                                   \
    X(LOGIT_ADJUSTMENT, "logit-adjustment", "tau log(n_c / N) (Menon et al. 2021)")

enum weight_kind {
#define WEIGHT_KIND_ENUM(id, name, meaning) WEIGHT_##id,
    WEIGHT_KINDS(WEIGHT_KIND_ENUM)
#undef WEIGHT_KIND_ENUM
        WEIGHT_KIND_COUNT
};

#define WEIGHT_DEFAULT_BETA 0.999
#define WEIGHT_DEFAULT_TAU  1.0
#define WEIGHT_MOST_TAU     1e6 /* so that only a class without samples gets -infinity */

const char *weight_kind_name(enum weight_kind kind);
const char *weight_kind_meaning(enum weight_kind kind);
int weight_kind_find(struct evd_str name); /* or -1 */

/* Writes one weight per class. Classes without samples count nowhere (as in scikit-learn, C and the
 * scaled sum are of the others) and get 0, since a loss never meets them; their log prior, and what
 * it is adjusted by, is -infinity. `term` is beta of effective, from 0 to below 1, and tau of
 * logit-adjustment, over 0 and at most WEIGHT_MOST_TAU. EVD_E_BAD_VALUE for another term of these,
 * or when no class has samples. */
int weights_from_counts(enum weight_kind kind, const uint64_t *counts, uint32_t classes,
                        double term, double *out, struct evd_error *err);
/* The same from shares: non-negative, in any scale. They stand for counts that sum to `total`,
 * which is what inverse, sqrt-inverse and effective need beside the shares: the dataset's
 * number of labelled samples makes the results comparable with weights_from_counts. EVD_E_BAD_VALUE
 * for a share that is negative or not finite, or a total that is not positive. `out` may be
 * `shares`. */
int weights_from_shares(enum weight_kind kind, const double *shares, uint32_t classes, double total,
                        double term, double *out, struct evd_error *err);

#endif
