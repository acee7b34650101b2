/* What an adaptive strategy wants next (policy.h). Called by calls/adaptive.c. */
#include "feedback/policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct strategy_value *value_of(const struct strategy *strategy, const char *name)
{
    return &strategy->values[strategy_param_find(strategy->kind, name, strlen(name))];
}

static double number_of(const struct strategy *strategy, const char *name)
{
    const struct strategy_value *value = value_of(strategy, name);

    if (value->tag == VALUE_UNSET)
        return strtod(strategy->kind->params[value - strategy->values].default_value, NULL);
    return value->number;
}

void policy_read(struct policy *policy, const struct strategy *strategy)
{
    memcpy(policy->feedback, value_of(strategy, "feedback")->text, sizeof(policy->feedback));
    policy->by_loss = strcmp(value_of(strategy, "measure")->text, "loss") == 0;
    policy->every = (uint64_t)number_of(strategy, "every");
    policy->rule = (struct adapt_rule){
        .smoothing = number_of(strategy, "smoothing"),
        .max_ratio = number_of(strategy, "max_ratio"),
    };
}

static double greatest_loss(const struct confusion *counts)
{
    double greatest = 0;

    for (uint32_t c = 0; c < counts->classes; c++)
        greatest = fmax(greatest, confusion_class_loss(counts, c)); /* ignores NAN */
    return greatest;
}

/* By class of `to`, from the counts of a job on `from`: classes are the same by name. */
static void needs(const struct policy *policy, const struct confusion *counts,
                  const struct dataset *from, const struct dataset *to, double *out)
{
    double greatest = policy->by_loss ? greatest_loss(counts) : 0;

    for (uint32_t c = 0; c < to->index.classes; c++) {
        const char *name = dataset_class_name(to, c);
        int64_t at = dataset_class_find(from, (struct evd_str){name, (uint32_t)strlen(name)});

        out[c] = NAN;
        if (at < 0 || counts->support[at] == 0)
            continue;
        if (!policy->by_loss)
            out[c] = 1 - confusion_class(counts, (uint32_t)at).recall;
        else if (greatest > 0)
            out[c] = confusion_class_loss(counts, (uint32_t)at) / greatest;
    }
}

bool policy_next(const struct policy *policy, const struct confusion *counts,
                 const struct dataset *from, const struct dataset *to,
                 const struct class_index *index, struct strategy *strategy)
{
    struct strategy_value *value = (struct strategy_value *)value_of(strategy, "weights");
    double *need = malloc(index->classes * sizeof(*need));
    bool worth;

    if (!need || (value->tag == VALUE_UNSET &&
                  !strategy_class_map(strategy, (int)(value - strategy->values)))) {
        free(need);
        return false;
    }
    needs(policy, counts, from, to, need);
    for (uint32_t c = 0; c < index->classes; c++) {
        if (isnan(value->by_class[c]))
            value->by_class[c] = 1;
        if (class_size(index, c) == 0)
            need[c] = NAN;
    }
    worth = adapt_weights(&policy->rule, need, index->classes, value->by_class);
    for (uint32_t c = 0; c < index->classes; c++) {
        if (class_size(index, c) == 0)
            value->by_class[c] = NAN; /* not named: nothing can be drawn of it */
    }
    free(need);
    return worth;
}
