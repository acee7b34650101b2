/* uniform: every labelled sample once an epoch, in random order, or several times in a row. */
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { REPEATS, NUM_SAMPLES };

#define MOST_REPEATS 65536

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint64_t repeats, draws;
    if (strategy_whole(s, REPEATS, 1, MOST_REPEATS, 1, &repeats, err) != PLAN_OK ||
        strategy_whole(s, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws, err) !=
            PLAN_OK)
        return PLAN_REFUSED;
    uint64_t *slots = calloc(in->index->classes, sizeof(*slots));
    if (!slots)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < in->index->classes; c++)
        slots[c] = class_size(in->index, c);
    const struct epoch_spec spec = {.slots = slots, .draws = draws, .repeats = (uint32_t)repeats};
    int rc = epoch_engine(plan, &spec, err);
    free(slots);
    return rc;
}

const struct strategy_kind kind_uniform = {
    .name = "uniform",
    .meaning = "every labelled sample once an epoch, in random order",
    .example = "{\"kind\": \"uniform\"}",
    .params =
        {
            {"repeats", STRATEGY_NUMBER, "1",
             "draws in a row that are the same sample, so that consecutive ranks get it (repeated "
             "augmentation)"},
            {"num_samples", STRATEGY_NUMBER, "",
             "draws in an epoch; as many as labelled samples, whatever repeats is"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
