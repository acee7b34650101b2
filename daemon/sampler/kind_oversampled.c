/* oversampled: small classes filled up with repeated members. */
#include <stdlib.h>
#include "sampler/kinds.h"
#include "sampler/sampling_strategy.h"

enum { SAMPLING_STRATEGY, MEMBERS };

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    uint32_t classes = in->index->classes;
    int members;
    if (strategy_word(in->strategy, MEMBERS, member_rules, &members, err) != PLAN_OK)
        return PLAN_REFUSED;
    uint64_t *slots = calloc(classes, sizeof(*slots));
    if (!slots)
        return PLAN_NO_MEMORY;
    int rc = sampling_strategy_over(in, SAMPLING_STRATEGY, slots, err);
    for (uint32_t c = 0; c < classes; c++)
        slots[c] += class_size(in->index, c);
    if (rc == PLAN_OK)
        rc = filled_up(plan, slots, members, err);
    free(slots);
    return rc;
}

const struct strategy_kind kind_oversampled = {
    .name = "oversampled",
    .meaning = "small classes filled up with repeated samples",
    .example = "{\"kind\": \"oversampled\", \"sampling_strategy\": \"auto\"}",
    .params =
        {
            {"sampling_strategy", STRATEGY_TEXT | STRATEGY_NUMBER | STRATEGY_CLASS_MAP, "auto",
             "as imbalanced-learn: auto, minority, not minority, not majority, all; a ratio of "
             "minority to majority (two classes); or how many of each class to reach"},
            {"members", STRATEGY_TEXT, "keep-then-bootstrap", MEMBERS_HELP},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
