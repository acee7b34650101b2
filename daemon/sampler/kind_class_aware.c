/* class-aware: a cycle over the classes, and in each a cycle over its members. */
#include "sampler/internal.h"
#include "sampler/kinds.h"

enum { NUM_SAMPLES };

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint64_t draws;
    if (strategy_whole(in->strategy, NUM_SAMPLES, 1, PLAN_MAX_DRAWS, in->index->labelled, &draws,
                       err) != PLAN_OK)
        return PLAN_REFUSED;
    return cycle_engine(plan, &(struct cycle_spec){.classes = 1, .samples = 1, .draws = draws});
}

const struct strategy_kind kind_class_aware = {
    .name = "class-aware",
    .meaning = "classes take turns in random order, and so do the samples of each",
    .example = "{\"kind\": \"class-aware\"}",
    .params =
        {
            {"num_samples", STRATEGY_NUMBER, "", "draws in an epoch; as many as labelled samples"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
