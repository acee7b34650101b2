/* adaptive: draws by class weights that the daemon moves after what was reported. To the sampler
 * they are given numbers: each move is a revision of its own, with its weights in it. */
#include <math.h>
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { FEEDBACK, MEASURE, SMOOTHING, MAX_RATIO, EVERY, WEIGHTS, NUM_SAMPLES };

#define MOST_RATIO 1e6

static const char *const measures[] = {"recall", "loss", NULL};

static int check_rule(const struct strategy *s, struct sampler_error *err)
{
    double smoothing = strategy_number(s, SMOOTHING), ratio = strategy_number(s, MAX_RATIO);
    char given[NUMBER_WORDS], most[NUMBER_WORDS];
    uint64_t every;
    int measure;
    if (!(smoothing >= 0 && smoothing < 1))
        return plan_refuse(err, "smoothing",
                           "smoothing is %s: give a number from 0 (follow at once) to below 1",
                           number_words(smoothing, given));
    if (!(ratio >= 1 && ratio <= MOST_RATIO))
        return plan_refuse(err, "max_ratio", "max_ratio is %s: give a number from 1 to %s",
                           number_words(ratio, given), number_words(MOST_RATIO, most));
    if (strategy_word(s, MEASURE, measures, &measure, err) != PLAN_OK)
        return PLAN_REFUSED;
    return strategy_whole(s, EVERY, 1, PLAN_MAX_DRAWS, 0, &every, err);
}

/* Of whole classes; those without samples come out as 0. */
static int class_weights(const struct plan_input *in, double *out, struct sampler_error *err)
{
    bool given = strategy_given(in->strategy, WEIGHTS);
    double sum = 0;
    if (given && strategy_class_numbers(in->strategy, WEIGHTS, in->index, out, err) != PLAN_OK)
        return PLAN_REFUSED;
    for (uint32_t c = 0; c < in->index->classes; c++) {
        if (class_size(in->index, c) == 0)
            out[c] = 0;
        else if (!given)
            out[c] = 1;
        sum += out[c];
    }
    if (!(sum > 0) || isinf(sum))
        return plan_refuse(err, "weights", "the classes' weights sum to %g: use less extreme ones",
                           sum);
    return PLAN_OK;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint64_t draws;
    if (check_rule(in->strategy, err) != PLAN_OK ||
        strategy_whole(in->strategy, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws,
                       err) != PLAN_OK)
        return PLAN_REFUSED;
    double *weights = calloc(in->index->classes, sizeof(*weights));
    if (!weights)
        return PLAN_NO_MEMORY;
    int rc = class_weights(in, weights, err);
    if (rc == PLAN_OK) {
        const struct independent_spec spec = {.weights = weights, .stages = 1, .draws = draws};
        rc = independent_engine(plan, &spec);
    }
    free(weights);
    return rc;
}

const struct strategy_kind kind_adaptive = {
    .name = "adaptive",
    .meaning = "draws classes by weights that follow the recall or loss reported to a job",
    .example = "{\"kind\": \"adaptive\", \"feedback\": \"validation\"}",
    .params =
        {
            {"feedback", STRATEGY_TEXT, "",
             "the job whose reports are followed, such as a validation job; the job itself if not "
             "given"},
            {"measure", STRATEGY_TEXT, "recall",
             "what a class needs: recall (1 - recall) or loss (relative to the greatest)"},
            {"smoothing", STRATEGY_NUMBER, "0.5", "the part of a weight that a move leaves as is"},
            {"max_ratio", STRATEGY_NUMBER, "10",
             "weights stay between 1 (all is well) and this (nothing is)"},
            {"every", STRATEGY_NUMBER, "",
             "also move after every so many reported steps, at once; else when an epoch of "
             "reports is whole, for the next epoch"},
            {"weights", STRATEGY_CLASS_MAP, "",
             "how often a class is drawn, relative to the others: to begin with, 1 each"},
            {"num_samples", STRATEGY_NUMBER, "", "draws in an epoch; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
