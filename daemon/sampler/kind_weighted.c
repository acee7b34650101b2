/* weighted: independent draws, classes by weight. */
#include <math.h>
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { WEIGHT, ALPHA, BETA, WEIGHTS, NUM_SAMPLES };

static const char *const rules[] = {"inverse",   "sqrt-inverse", "power",
                                    "effective", "explicit",     NULL};
enum rule { INVERSE, SQRT_INVERSE, POWER, EFFECTIVE, EXPLICIT };

/* The weight of one sample of a class of n; a class' share is n times that. */
static double sample_weight(enum rule rule, double n, double alpha, double beta)
{
    switch (rule) {
    case SQRT_INVERSE:
        return 1 / sqrt(n);
    case POWER:
        return pow(n, alpha - 1);
    case EFFECTIVE:
        return (1 - beta) / (1 - pow(beta, n));
    default:
        return 1 / n;
    }
}

static int check_rule_params(const struct strategy *s, enum rule rule, struct sampler_error *err)
{
    double alpha = strategy_number(s, ALPHA), beta = strategy_number(s, BETA);
    if (rule == POWER && !(fabs(alpha) <= 100))
        return plan_refuse(err, "alpha",
                           "alpha is %g: give a number, 1 for the dataset's own "
                           "shares, 0 for balanced classes",
                           alpha);
    if (rule == EFFECTIVE && !(beta >= 0 && beta < 1))
        return plan_refuse(err, "beta",
                           "beta is %g: give a number from 0 to below 1, such as "
                           "0.999",
                           beta);
    if (rule != EXPLICIT && strategy_given(s, WEIGHTS))
        return plan_refuse(err, "weights", "weights are only used with weight \"explicit\"");
    return PLAN_OK;
}

/* How much of all draws each class gets: its size times the weight of one of its samples. */
static int class_weights(const struct plan_input *in, double *out, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    int rule;
    if (strategy_word(s, WEIGHT, rules, &rule, err) != PLAN_OK ||
        check_rule_params(s, (enum rule)rule, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (rule == EXPLICIT && strategy_class_numbers(s, WEIGHTS, in->index, out, err) != PLAN_OK)
        return PLAN_REFUSED;
    double alpha = strategy_number(s, ALPHA), beta = strategy_number(s, BETA), sum = 0;
    for (uint32_t c = 0; c < in->index->classes; c++) {
        double n = (double)class_size(in->index, c);
        if (rule != EXPLICIT)
            out[c] = n > 0 ? sample_weight((enum rule)rule, n, alpha, beta) : 0;
        out[c] *= n;
        sum += out[c];
    }
    if (!(sum > 0) || isinf(sum))
        return plan_refuse(err, "weight", "the classes' weights sum to %g: use less extreme ones",
                           sum);
    return PLAN_OK;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint64_t draws;
    if (strategy_whole(in->strategy, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws,
                       err) != PLAN_OK)
        return PLAN_REFUSED;
    double *weights = calloc(in->index->classes, sizeof *weights);
    if (!weights)
        return PLAN_NO_MEMORY;
    int rc = class_weights(in, weights, err);
    if (rc == PLAN_OK)
        rc = independent_engine(plan, weights, draws, err);
    free(weights);
    return rc;
}

const struct strategy_kind kind_weighted = {
    .name = "weighted",
    .meaning = "independent draws with replacement, samples weighted by class",
    .example = "{\"kind\": \"weighted\", \"weight\": \"inverse\"}",
    .params =
        {
            {"weight", STRATEGY_TEXT, "inverse",
             "of a sample in a class of n: inverse 1/n (balanced), sqrt-inverse 1/sqrt(n), power "
             "n^(alpha-1), effective (1-beta)/(1-beta^n), explicit"},
            {"alpha", STRATEGY_NUMBER, "0.5",
             "for power: a class gets n^alpha of the draws; 1 is natural, 0 balanced"},
            {"beta", STRATEGY_NUMBER, "0.999", "for effective: 0 is natural, towards 1 balanced"},
            {"weights", STRATEGY_CLASS_MAP, "", "for explicit: the weight of one sample, by class"},
            {"num_samples", STRATEGY_NUMBER, "", "draws in an epoch; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
