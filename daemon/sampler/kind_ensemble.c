/* ensemble: the balanced dataset of one member of an ensemble, another one for each member. */
#include <stdlib.h>
#include "sampler/kinds.h"
#include "sampler/sampling_strategy.h"

enum { MEMBER, MEMBERS, PARTS, SAMPLING_STRATEGY };

static const char *const parts[] = {"disjoint", "bootstrap", NULL};
enum part { DISJOINT, BOOTSTRAP };

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    uint32_t classes = in->index->classes;
    uint64_t member, members;
    int part;
    if (strategy_whole(s, MEMBERS, 1, UINT32_MAX, 0, &members, err) != PLAN_OK ||
        strategy_whole(s, MEMBER, 0, members - 1, 0, &member, err) != PLAN_OK ||
        strategy_word(s, PARTS, parts, &part, err) != PLAN_OK)
        return PLAN_REFUSED;
    uint64_t *keep = calloc(classes, sizeof(*keep));
    uint64_t *offset = calloc(classes, sizeof(*offset));
    uint64_t *kept = calloc(classes, sizeof(*kept));
    int rc = PLAN_NO_MEMORY;
    if (keep && offset && kept)
        rc = sampling_strategy_under(in, SAMPLING_STRATEGY, keep, err);
    if (rc == PLAN_OK) {
        /* Where all parts together are more than the class, they begin again at its start. */
        for (uint32_t c = 0; c < classes; c++) {
            offset[c] = member * keep[c];
            kept[c] = part == DISJOINT ? keep[c] : 0;
        }
        rc = epoch_engine(
            plan,
            &(struct epoch_spec){.slots = keep, .kept = kept, .offset = offset, .fixed = true},
            err);
    }
    free(keep);
    free(offset);
    free(kept);
    return rc;
}

const struct strategy_kind kind_ensemble = {
    .name = "ensemble",
    .meaning = "large classes cut into a part for each member of an ensemble; one job, one member",
    .example = "{\"kind\": \"ensemble\", \"member\": 0, \"members\": 5}",
    .params =
        {
            {"member", STRATEGY_NUMBER, "0", "which one this job trains, 0 to members - 1"},
            {"members", STRATEGY_NUMBER, "10", "how many there are; give their jobs the same seed"},
            {"parts", STRATEGY_TEXT, "disjoint",
             "disjoint: no sample of a cut class in two parts while it lasts (EasyEnsemble); "
             "bootstrap: each class drawn with replacement (BalancedBagging)"},
            {"sampling_strategy", STRATEGY_TEXT | STRATEGY_NUMBER | STRATEGY_CLASS_MAP, "auto",
             "size of the parts, as for undersampled"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
