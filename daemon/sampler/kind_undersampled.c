/* undersampled: large classes cut down to a part of their members. */
#include <stdlib.h>
#include "sampler/kinds.h"
#include "sampler/sampling_strategy.h"

enum { SAMPLING_STRATEGY, SUBSET, REPLACEMENT };

static const char *const subsets[] = {"fresh", "fixed", NULL};

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint32_t classes = in->index->classes;
    int subset;
    if (strategy_word(s, SUBSET, subsets, &subset, err) != PLAN_OK)
        return PLAN_REFUSED;
    uint64_t *keep = calloc(classes, sizeof(*keep));
    uint64_t *permuted = calloc(classes, sizeof(*permuted));
    int rc = PLAN_NO_MEMORY;
    if (keep && permuted) {
        rc = sampling_strategy_under(in, SAMPLING_STRATEGY, keep, err);
        /* With replacement only the classes that are cut down are drawn that way. */
        for (uint32_t c = 0; c < classes; c++) {
            bool drawn = strategy_flag(s, REPLACEMENT) && keep[c] < class_size(in->index, c);
            permuted[c] = drawn ? 0 : keep[c];
        }
    }
    if (rc == PLAN_OK)
        rc = epoch_engine(
            plan, &(struct epoch_spec){.slots = keep, .kept = permuted, .fixed = subset == 1}, err);
    free(keep);
    free(permuted);
    return rc;
}

const struct strategy_kind kind_undersampled = {
    .name = "undersampled",
    .meaning = "large classes cut down to a random part, a new one each epoch",
    .example = "{\"kind\": \"undersampled\", \"sampling_strategy\": \"auto\"}",
    .params =
        {
            {"sampling_strategy", STRATEGY_TEXT | STRATEGY_NUMBER | STRATEGY_CLASS_MAP, "auto",
             "as imbalanced-learn: auto, majority, not minority, not majority, all; a ratio of "
             "minority to majority (two classes); or how many to keep of each class"},
            {"subset", STRATEGY_TEXT, "fresh",
             "fresh: other samples each epoch; fixed: the same in every epoch"},
            {"replacement", STRATEGY_BOOLEAN, "false", "draw the kept samples with replacement"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
