/* weighted: draws by a weight, of classes or of samples, with or without replacement. */
#include <math.h>
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { WEIGHT, ALPHA, BETA, WEIGHTS, COLUMN, REPLACEMENT, ORDERS, NUM_SAMPLES };

static const char *const rules[] = {"inverse",   "sqrt-inverse", "power",
                                    "effective", "explicit",     NULL};
enum rule { INVERSE, SQRT_INVERSE, POWER, EFFECTIVE, EXPLICIT };

/* The weight of one sample of a class of n. */
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
    char given[NUMBER_WORDS];
    if (rule == POWER && !(fabs(alpha) <= 100))
        return plan_refuse(err, "alpha",
                           "alpha is %s: give a number from -100 to 100, 1 for the dataset's own "
                           "shares, 0 for balanced classes",
                           number_words(alpha, given));
    if (rule == EFFECTIVE && !(beta >= 0 && beta < 1))
        return plan_refuse(err, "beta",
                           "beta is %s: give a number from 0 to below 1, such as "
                           "0.999",
                           number_words(beta, given));
    return PLAN_OK;
}

/* The weight of one sample of each class. */
static int class_weights(const struct plan_input *in, enum rule rule, double *out,
                         struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    if (check_rule_params(s, rule, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (rule == EXPLICIT && strategy_class_numbers(s, WEIGHTS, in->index, out, err) != PLAN_OK)
        return PLAN_REFUSED;
    double alpha = strategy_number(s, ALPHA), beta = strategy_number(s, BETA), sum = 0;
    for (uint32_t c = 0; c < in->index->classes; c++) {
        double n = (double)class_size(in->index, c);
        if (rule != EXPLICIT)
            out[c] = n > 0 ? sample_weight(rule, n, alpha, beta) : 0;
        sum += out[c] * n;
    }
    if (!(sum > 0) || isinf(sum))
        return plan_refuse(err, "weight", "the samples' weights sum to %g: use less extreme ones",
                           sum);
    return PLAN_OK;
}

static int check_sample_weights(const struct plan_input *in, struct sampler_error *err)
{
    double sum = 0;
    char given[NUMBER_WORDS];
    if (!in->weights)
        return plan_refuse(err, "column", "the dataset has no column of weights named \"%s\"",
                           strategy_text(in->strategy, COLUMN));
    for (uint64_t place = 0; place < in->index->labelled; place++) {
        uint64_t sample = index_sample(in->index, place);
        double weight = in->weights[sample];
        if (!(weight >= 0) || isinf(weight))
            return plan_refuse(err, "column",
                               "the weight of sample %llu is %s: give finite numbers "
                               "of 0 or more",
                               (unsigned long long)sample, number_words(weight, given));
        sum += weight;
    }
    if (!(sum > 0) || isinf(sum))
        return plan_refuse(err, "column",
                           "the weights of all samples sum to %g: at least one must "
                           "be above 0, and the sum finite",
                           sum);
    return PLAN_OK;
}

static int compile_samples(struct plan *plan, const struct plan_input *in, uint64_t draws,
                           uint32_t orders, struct sampler_error *err)
{
    if (check_sample_weights(in, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (strategy_flag(in->strategy, REPLACEMENT))
        return samples_engine(plan, in->weights, draws ? draws : in->index->labelled);
    const struct ordered_spec spec = {
        .sample_weights = in->weights, .draws = draws, .orders = orders};
    return ordered_engine(plan, &spec, err);
}

static int compile_classes(struct plan *plan, const struct plan_input *in, enum rule rule,
                           uint64_t draws, uint32_t orders, struct sampler_error *err)
{
    double *weights = calloc(in->index->classes, sizeof(*weights));
    if (!weights)
        return PLAN_NO_MEMORY;
    int rc = class_weights(in, rule, weights, err);
    if (rc == PLAN_OK && strategy_flag(in->strategy, REPLACEMENT)) {
        for (uint32_t c = 0; c < in->index->classes; c++)
            weights[c] *= (double)class_size(in->index, c);
        const struct independent_spec spec = {
            .weights = weights, .stages = 1, .draws = draws ? draws : in->index->labelled};
        rc = independent_engine(plan, &spec);
    } else if (rc == PLAN_OK) {
        const struct ordered_spec spec = {
            .class_weights = weights, .draws = draws, .orders = orders};
        rc = ordered_engine(plan, &spec, err);
    }
    free(weights);
    return rc;
}

/* Nothing is given that the other parameters leave without effect. */
static int check_combination(const struct strategy *s, enum rule rule, struct sampler_error *err)
{
    if (*strategy_text(s, COLUMN) && (strategy_given(s, WEIGHT) || strategy_given(s, WEIGHTS)))
        return plan_refuse(err, "column",
                           "give weights of samples (column) or of classes (weight, "
                           "weights), not both");
    if (strategy_only_with(s, ALPHA, rule == POWER, "weight \"power\"", err) != PLAN_OK ||
        strategy_only_with(s, BETA, rule == EFFECTIVE, "weight \"effective\"", err) != PLAN_OK ||
        strategy_only_with(s, WEIGHTS, rule == EXPLICIT, "weight \"explicit\"", err) != PLAN_OK)
        return PLAN_REFUSED;
    return strategy_only_with(s, ORDERS, !strategy_flag(s, REPLACEMENT), "replacement false", err);
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint64_t draws, orders;
    int rule;
    if (strategy_word(s, WEIGHT, rules, &rule, err) != PLAN_OK ||
        check_combination(s, (enum rule)rule, err) != PLAN_OK ||
        strategy_whole(s, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, 0, &draws, err) != PLAN_OK ||
        strategy_whole(s, ORDERS, 1, 1024, 1, &orders, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (*strategy_text(s, COLUMN))
        return compile_samples(plan, in, draws, (uint32_t)orders, err);
    return compile_classes(plan, in, (enum rule)rule, draws, (uint32_t)orders, err);
}

static uint64_t cost(const struct plan_input *in)
{
    const struct strategy *s = in->strategy;
    uint64_t orders = 0;
    struct sampler_error ignored; /* what compile refuses costs little */

    if (!strategy_flag(s, REPLACEMENT))
        (void)strategy_whole(s, ORDERS, 1, 1024, 1, &orders, &ignored);
    else if (!*strategy_text(s, COLUMN))
        return in->index->classes * COST_OF_CLASS;
    /* A table of all samples; or orders of them, each sorted byte by byte. */
    return in->index->labelled * (COST_OF_SAMPLE + orders * COST_OF_SORTING);
}

const struct strategy_kind kind_weighted = {
    .name = "weighted",
    .meaning = "draws by weight of class or sample, with replacement or without",
    .example = "{\"kind\": \"weighted\", \"weight\": \"inverse\"}",
    .params =
        {
            {"weight", STRATEGY_TEXT, "inverse",
             "of a sample in a class of n: inverse 1/n (balanced), sqrt-inverse 1/sqrt(n), power "
             "n^(alpha-1), effective (1-beta)/(1-beta^n), explicit"},
            {"alpha", STRATEGY_NUMBER, "0.5",
             "with weight power: a class gets n^alpha of the draws; 1 is natural, 0 balanced"},
            {"beta", STRATEGY_NUMBER, "0.999",
             "with weight effective: 0 is natural, towards 1 balanced"},
            {"weights", STRATEGY_CLASS_MAP, "",
             "with weight explicit: the weight of one sample, by class"},
            {"column", STRATEGY_COLUMN, "",
             "a column of the dataset with a weight for each sample, instead of weight"},
            {"replacement", STRATEGY_BOOLEAN, "true",
             "false: no sample twice in an epoch, heavy ones first"},
            {"orders", STRATEGY_NUMBER, "4",
             "with replacement false: how many different orders epochs go through"},
            {"num_samples", STRATEGY_NUMBER, "",
             "draws in an epoch; as many as labelled samples (without replacement: as there are of "
             "weight above 0)"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
    .cost = cost,
};
