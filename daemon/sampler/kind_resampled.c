/* resampled: large classes cut down and small ones filled up at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/kinds.h"
#include "sampler/sampling_strategy.h"

enum { TARGET, MEMBERS };

static const char *const targets[] = {"mean", "median", NULL};

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Over classes with samples; the lower of two middles rounded down with the upper. */
static int median(const struct class_index *index, uint64_t *out)
{
    uint64_t *sizes = malloc(index->classes * sizeof(*sizes));
    if (!sizes)
        return PLAN_NO_MEMORY;
    uint32_t present = 0;
    for (uint32_t c = 0; c < index->classes; c++) {
        if (class_size(index, c))
            sizes[present++] = class_size(index, c);
    }
    qsort(sizes, present, sizeof(*sizes), ascending);
    *out = (sizes[(present - 1) / 2] + sizes[present / 2]) / 2;
    free(sizes);
    return PLAN_OK;
}

static uint64_t mean(const struct class_index *index)
{
    uint32_t present = 0;
    for (uint32_t c = 0; c < index->classes; c++)
        present += class_size(index, c) > 0;
    return present ? (index->labelled + present / 2) / present : 0;
}

/* One target for all classes. */
static int common_target(const struct plan_input *in, uint64_t *out, struct sampler_error *err)
{
    int word;
    if (in->strategy->values[TARGET].tag == VALUE_NUMBER)
        return strategy_whole(in->strategy, TARGET, 1, PLAN_MAX_DRAWS, 0, out, err);
    if (strategy_word(in->strategy, TARGET, targets, &word, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (word == 1)
        return median(in->index, out);
    *out = mean(in->index);
    return PLAN_OK;
}

static int read_targets(const struct plan_input *in, uint64_t *slots, struct sampler_error *err)
{
    const double *map = in->strategy->values[TARGET].by_class;
    uint64_t target = 0;
    char words[CLASS_WORDS], given[NUMBER_WORDS];
    int rc = map ? PLAN_OK : common_target(in, &target, err);
    for (uint32_t c = 0; rc == PLAN_OK && c < in->index->classes; c++) {
        uint64_t n = class_size(in->index, c);
        slots[c] = n ? target : 0;
        if (!map)
            continue;
        slots[c] = n;
        if (isnan(map[c]))
            continue;
        if (!(map[c] >= 0 && map[c] <= (double)PLAN_MAX_DRAWS) || map[c] != floor(map[c]))
            return plan_refuse(
                err, "target", "target of %s is %s: give a whole number from 0 to %llu",
                class_words(in->index, c, words), number_words(map[c], given), PLAN_MAX_DRAWS);
        if (n == 0)
            return plan_refuse(err, "target", "target names %s, which has no samples",
                               class_words(in->index, c, words));
        slots[c] = (uint64_t)map[c];
    }
    return rc;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    int members;
    if (strategy_word(in->strategy, MEMBERS, member_rules, &members, err) != PLAN_OK)
        return PLAN_REFUSED;
    uint64_t *slots = calloc(in->index->classes, sizeof(*slots));
    if (!slots)
        return PLAN_NO_MEMORY;
    int rc = read_targets(in, slots, err);
    if (rc == PLAN_OK)
        rc = filled_up(plan, slots, members, err);
    free(slots);
    return rc;
}

const struct strategy_kind kind_resampled = {
    .name = "resampled",
    .meaning = "large classes cut down and small ones filled up at once",
    .example = "{\"kind\": \"resampled\", \"target\": \"median\"}",
    .params =
        {
            {"target", STRATEGY_TEXT | STRATEGY_NUMBER | STRATEGY_CLASS_MAP, "mean",
             "samples of each class in an epoch: mean or median of the classes' sizes, a number, "
             "or one for each class (classes not named stay as they are)"},
            {"members", STRATEGY_TEXT, "keep-then-bootstrap", MEMBERS_HELP},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
};
