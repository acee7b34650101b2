/* stratified: every batch, every rank and every epoch in exact proportions. */
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { PROPORTIONS, WEIGHTS, MIN_PER_CLASS, NUM_SAMPLES };

static const char *const rules[] = {"natural", "equal", "explicit", NULL};
enum rule { NATURAL, EQUAL, EXPLICIT };

static int class_weights(const struct plan_input *in, double *out, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    int rule;
    if (strategy_word(s, PROPORTIONS, rules, &rule, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (rule == EXPLICIT)
        return strategy_class_numbers(s, WEIGHTS, in->index, out, err);
    if (strategy_only_with(s, WEIGHTS, false, "proportions \"explicit\"", err) != PLAN_OK)
        return PLAN_REFUSED;
    for (uint32_t c = 0; c < in->index->classes; c++) {
        uint64_t n = class_size(in->index, c);
        out[c] = rule == NATURAL ? (double)n : n > 0;
    }
    return PLAN_OK;
}

/* Every class with samples is to be in every batch: one whose share is 0 contradicts that. */
static int check_minimum(const struct plan_input *in, const double *weights, uint64_t least,
                         struct sampler_error *err)
{
    char called[CLASS_WORDS];
    for (uint32_t c = 0; least > 0 && !in->older_rules && c < in->index->classes; c++) {
        if (class_size(in->index, c) && weights[c] == 0)
            return plan_refuse(err, "min_per_class",
                               "min_per_class is for every class in every batch, also for %s, of "
                               "which weights wants none: give it a share above 0, or leave "
                               "min_per_class out",
                               class_words(in->index, c, called));
    }
    return PLAN_OK;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint64_t draws, min_per_class;
    if (strategy_whole(s, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws, err) !=
            PLAN_OK ||
        strategy_whole(s, MIN_PER_CLASS, 0, UINT32_MAX, 0, &min_per_class, err) != PLAN_OK)
        return PLAN_REFUSED;
    double *weights = calloc(in->index->classes, sizeof(*weights));
    if (!weights)
        return PLAN_NO_MEMORY;
    int rc = class_weights(in, weights, err);
    if (rc == PLAN_OK)
        rc = check_minimum(in, weights, min_per_class, err);
    if (rc == PLAN_OK) {
        const struct quota_spec spec = {
            .weights = weights, .draws = draws, .min_per_class = (uint32_t)min_per_class};
        rc = quota_engine(plan, &spec, err);
    }
    free(weights);
    return rc;
}

const struct strategy_kind kind_stratified = {
    .name = "stratified",
    .meaning = "exact class proportions in every batch, on every rank and in the epoch",
    .example = "{\"kind\": \"stratified\", \"proportions\": \"equal\"}",
    .params =
        {
            {"proportions", STRATEGY_TEXT, "natural",
             "natural: the dataset's own; equal: as many of each class; explicit: by weights"},
            {"weights", STRATEGY_CLASS_MAP, "",
             "with proportions explicit: the share of each class, any scale"},
            {"min_per_class", STRATEGY_NUMBER, "0",
             "at least so many of each class in every batch"},
            {"num_samples", STRATEGY_NUMBER, "",
             "draws in an epoch, full batches only; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
