/* uniform: every labelled sample once an epoch, in random order. */
#include <stdlib.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint64_t *slots = calloc(in->index->classes, sizeof(*slots));
    if (!slots)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < in->index->classes; c++)
        slots[c] = class_size(in->index, c);
    int rc = epoch_engine(plan, &(struct epoch_spec){.slots = slots}, err);
    free(slots);
    return rc;
}

const struct strategy_kind kind_uniform = {
    .name = "uniform",
    .meaning = "every labelled sample once an epoch, in random order",
    .example = "{\"kind\": \"uniform\"}",
    .params = {{NULL, 0, NULL, NULL}},
    .compile = compile,
};
