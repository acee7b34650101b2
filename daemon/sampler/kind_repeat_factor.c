/* repeat-factor: rare classes repeated, as for LVIS (Gupta, Dollar and Girshick 2019). */
#include <math.h>
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { THRESHOLD, SQRT };

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct class_index *index = in->index;
    char given[NUMBER_WORDS];
    double threshold = strategy_number(in->strategy, THRESHOLD);
    if (!(threshold > 0 && threshold <= 1))
        return plan_refuse(
            err, "threshold",
            "threshold is %s: give the share of samples below which a class is rare, "
            "above 0 and at most 1",
            number_words(threshold, given));
    uint64_t *slots = calloc(index->classes, sizeof(*slots));
    if (!slots)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < index->classes; c++) {
        double n = (double)class_size(index, c);
        if (n == 0)
            continue;
        double ratio = threshold / (n / (double)index->labelled);
        double factor = strategy_flag(in->strategy, SQRT) ? sqrt(ratio) : ratio;
        slots[c] = (uint64_t)(n * (factor > 1 ? factor : 1) + 0.5);
    }
    int rc = epoch_engine(plan, &(struct epoch_spec){.slots = slots}, err);
    free(slots);
    return rc;
}

const struct strategy_kind kind_repeat_factor = {
    .name = "repeat-factor",
    .meaning =
        "samples of rare classes repeated max(1, sqrt(threshold / share)) times, as for LVIS",
    .example = "{\"kind\": \"repeat-factor\", \"threshold\": 0.01}",
    .params =
        {
            {"threshold", STRATEGY_NUMBER, "0.001",
             "classes with a smaller share of the samples are repeated"},
            {"sqrt", STRATEGY_BOOLEAN, "true", "false: threshold / share without the square root"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
