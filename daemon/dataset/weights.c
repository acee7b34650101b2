/* Class weights for losses, from counts or shares (weights.h). Called by dataset.stats and
 * job.stats. */
#include "dataset/weights.h"

#include <inttypes.h>
#include <math.h>

static const struct {
    const char *name, *meaning;
} kinds[] = {
#define WEIGHT_KIND_ROW(id, name, meaning) {name, meaning},
    WEIGHT_KINDS(WEIGHT_KIND_ROW)
#undef WEIGHT_KIND_ROW
};

const char *weight_kind_name(enum weight_kind kind)
{
    return kinds[kind].name;
}

const char *weight_kind_meaning(enum weight_kind kind)
{
    return kinds[kind].meaning;
}

int weight_kind_find(struct evd_str name)
{
    for (int i = 0; i < WEIGHT_KIND_COUNT; i++) {
        if (str_is(name, kinds[i].name))
            return i;
    }
    return -1;
}

static double log_prior(double n, double sum)
{
    /* Near 1 the logarithm of the quotient would lose what sets it apart from 1. */
    return n > sum / 2 ? log1p(-(sum - n) / sum) : log(n / sum);
}

static double weight(enum weight_kind kind, double n, double sum, uint32_t present, double term)
{
    if (n == 0)
        return kind == WEIGHT_LOG_PRIOR || kind == WEIGHT_LOGIT_ADJUSTMENT ? -INFINITY : 0.0;
    switch (kind) {
    case WEIGHT_BALANCED:
        return sum / (present * n);
    case WEIGHT_INVERSE:
        return 1.0 / n;
    case WEIGHT_SQRT_INVERSE:
        return 1.0 / sqrt(n);
    case WEIGHT_EFFECTIVE_NUMBER:
        /* 1 - beta^n without cancellation; the factor 1 - beta goes out with the scaling. */
        return -1.0 / expm1(n * log(term));
    case WEIGHT_POS_WEIGHT:
        return (sum - n) / n;
    case WEIGHT_LOGIT_ADJUSTMENT:
        return term * log_prior(n, sum);
    default:
        return log_prior(n, sum);
    }
}

/* In place: counts become weights. */
static int convert(enum weight_kind kind, uint32_t classes, double term, double *values,
                   struct evd_error *err)
{
    double sum = 0, total = 0;
    uint32_t present = 0;

    if (kind == WEIGHT_EFFECTIVE_NUMBER && !(term >= 0 && term < 1))
        return error_set(err, EVD_E_BAD_VALUE, "beta",
                         "beta must be at least 0 and below 1 (usual: 0.9 to 0.9999), not %g",
                         term);
    if (kind == WEIGHT_LOGIT_ADJUSTMENT && !(term > 0 && term <= WEIGHT_MOST_TAU))
        return error_set(err, EVD_E_BAD_VALUE, "tau",
                         "tau must be over 0 and at most %g (usual: 0.5 to 2), not %g",
                         WEIGHT_MOST_TAU, term);
    for (uint32_t c = 0; c < classes; c++) {
        sum += values[c];
        present += values[c] > 0;
    }
    if (present == 0)
        return error_set(err, EVD_E_BAD_VALUE, "classes",
                         "no class has samples, so there are no class weights");
    for (uint32_t c = 0; c < classes; c++) {
        values[c] = weight(kind, values[c], sum, present, term);
        total += values[c];
    }
    for (uint32_t c = 0; kind == WEIGHT_EFFECTIVE_NUMBER && c < classes; c++)
        values[c] *= present / total;
    return EVD_OK;
}

int weights_from_counts(enum weight_kind kind, const uint64_t *counts, uint32_t classes,
                        double term, double *out, struct evd_error *err)
{
    for (uint32_t c = 0; c < classes; c++)
        out[c] = (double)counts[c];
    return convert(kind, classes, term, out, err);
}

int weights_from_shares(enum weight_kind kind, const double *shares, uint32_t classes, double total,
                        double term, double *out, struct evd_error *err)
{
    double sum = 0;

    if (!(total > 0 && isfinite(total)))
        return error_set(err, EVD_E_BAD_VALUE, "total",
                         "the number of samples that shares stand for must be positive, not %g",
                         total);
    for (uint32_t c = 0; c < classes; c++) {
        if (!(shares[c] >= 0 && isfinite(shares[c])))
            return error_set(err, EVD_E_BAD_VALUE, "share",
                             "class %" PRIu32 " has share %g: shares are finite and not negative",
                             c, shares[c]);
        sum += shares[c];
    }
    for (uint32_t c = 0; c < classes; c++)
        out[c] = shares[c] == 0 ? 0.0 : shares[c] / sum * total;
    return convert(kind, classes, term, out, err);
}
