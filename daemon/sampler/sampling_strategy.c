/* imbalanced-learn's parameter of that name, resolved to counts (sampling_strategy.h). Called by
 * the kinds undersampled, oversampled and resampled. */
#include "sampler/sampling_strategy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum direction { UNDER, OVER };

/* The classes with samples; the first of equals is the majority or minority. */
struct extremes {
    uint32_t present, majority, minority;
    uint64_t most, fewest;
};

static struct extremes find_extremes(const struct class_index *index)
{
    struct extremes e = {.fewest = UINT64_MAX};
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t n = class_size(index, c);
        if (n == 0)
            continue;
        e.present++;
        if (n > e.most) {
            e.most = n;
            e.majority = c;
        }
        if (n < e.fewest) {
            e.fewest = n;
            e.minority = c;
        }
    }
    return e;
}

static const char *const words[] = {"auto",         "minority", "majority", "not minority",
                                    "not majority", "all",      NULL};
enum word { AUTO, MINORITY, MAJORITY, NOT_MINORITY, NOT_MAJORITY, ALL };

static bool word_names(enum word word, uint32_t c, const struct extremes *e)
{
    switch (word) {
    case MINORITY:
        return c == e->minority;
    case MAJORITY:
        return c == e->majority;
    case NOT_MINORITY:
        return c != e->minority;
    case NOT_MAJORITY:
        return c != e->majority;
    default:
        return true;
    }
}

/* Which word the text is. The one that means nothing in this direction is neither taken nor
 * offered. */
static int find_word(const struct strategy *s, int param, enum direction direction, int *out,
                     struct sampler_error *err)
{
    int void_word = direction == UNDER ? MINORITY : MAJORITY, chosen;
    const char *offered[ALL + 1], *name = s->kind->params[param].name;
    uint32_t n = 0;
    if (strcmp(strategy_text(s, param), words[void_word]) == 0)
        return plan_refuse(err, name, "%s \"%s\" means nothing when classes are made %s", name,
                           words[void_word], direction == UNDER ? "smaller" : "larger");
    for (int w = 0; words[w]; w++) {
        if (w != void_word)
            offered[n++] = words[w];
    }
    offered[n] = NULL;
    if (strategy_word(s, param, offered, &chosen, err) != PLAN_OK)
        return PLAN_REFUSED;
    *out = chosen < void_word ? chosen : chosen + 1;
    return PLAN_OK;
}

/* target[c]: the count that the class shall have afterwards. */
static int from_word(const struct strategy *s, int param, enum direction direction,
                     const struct class_index *index, const struct extremes *e, uint64_t *target,
                     struct sampler_error *err)
{
    int word = AUTO;
    if (find_word(s, param, direction, &word, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (word == AUTO)
        word = direction == UNDER ? NOT_MINORITY : NOT_MAJORITY;
    for (uint32_t c = 0; c < index->classes; c++) {
        if (class_size(index, c) && word_names((enum word)word, c, e))
            target[c] = direction == UNDER ? e->fewest : e->most;
    }
    return PLAN_OK;
}

/* The whole number that a product or quotient of a count with a ratio comes to. A ratio such as
 * 0.29 is not exact in binary, and 0.29 of 100 comes out just below 29: a neighbour of a whole
 * number among the doubles is that number, and of others the fraction is cut off. */
static double whole_of(double number, bool binary)
{
    double nearest = round(number);
    if (!binary && nextafter(number, nearest) == nearest)
        return nearest;
    return trunc(number);
}

/* What the ratio makes of class c, or refuses. */
static int from_ratio(const struct plan_input *in, int param, enum direction direction,
                      const struct extremes *e, uint64_t *target, struct sampler_error *err)
{
    const char *name = in->strategy->kind->params[param].name;
    double ratio = in->strategy->values[param].number, wanted;
    char called[CLASS_WORDS], given[NUMBER_WORDS];
    if (!(ratio > 0 && ratio <= 1))
        return plan_refuse(err, name,
                           "%s is %s: a ratio of minority to majority is above 0 and at "
                           "most 1",
                           name, number_words(ratio, given));
    if (e->present != 2)
        return plan_refuse(err, name,
                           "%s as a ratio is for two classes, the dataset has %u with "
                           "samples: give a count for each class or a word",
                           name, e->present);
    uint32_t c = direction == UNDER ? e->majority : e->minority;
    if (e->majority == e->minority) /* of two equals: the one that is not the first */
        for (c = e->majority + 1; class_size(in->index, c) == 0;)
            c++;
    uint64_t n = class_size(in->index, c);
    if (direction == UNDER)
        wanted = whole_of((double)e->fewest / ratio, in->older_rules);
    else
        wanted = whole_of((double)e->most * ratio, in->older_rules);
    if (direction == UNDER ? wanted > (double)n : wanted <= (double)n)
        return plan_refuse(err, name,
                           "%s %s asks for %s samples of %s than its %llu: "
                           "the classes are %s balanced than that already",
                           name, number_words(ratio, given),
                           direction == UNDER ? "more" : "no more",
                           class_words(in->index, c, called), (unsigned long long)n,
                           direction == UNDER ? "better" : "as well or better");
    target[c] = (uint64_t)wanted;
    return PLAN_OK;
}

static int from_map(const struct strategy *s, int param, enum direction direction,
                    const struct class_index *index, uint64_t *target, struct sampler_error *err)
{
    const char *name = s->kind->params[param].name;
    const double *map = s->values[param].by_class;
    char called[CLASS_WORDS], given[NUMBER_WORDS];
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t n = class_size(index, c);
        if (isnan(map[c]))
            continue;
        if (n == 0)
            return plan_refuse(err, name, "%s names %s, which has no samples", name,
                               class_words(index, c, called));
        if (!(map[c] >= 0 && map[c] <= (double)PLAN_MAX_DRAWS) || map[c] != floor(map[c]))
            return plan_refuse(err, name, "%s of %s is %s: give a whole number from 0 to %llu",
                               name, class_words(index, c, called), number_words(map[c], given),
                               PLAN_MAX_DRAWS);
        target[c] = (uint64_t)map[c];
        if (direction == UNDER ? target[c] > n : target[c] < n)
            return plan_refuse(err, name,
                               "%s of %s is %s, but the class has %llu: it "
                               "can only be made %s",
                               name, class_words(index, c, called), number_words(map[c], given),
                               (unsigned long long)n, direction == UNDER ? "smaller" : "larger");
    }
    return PLAN_OK;
}

static int resolve(const struct plan_input *in, int param, enum direction direction,
                   uint64_t *target, struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    const struct class_index *index = in->index;
    const char *name = s->kind->params[param].name;
    struct extremes e = find_extremes(index);
    if (e.present < 2)
        return plan_refuse(err, name,
                           "resampling needs two classes with samples, the dataset has "
                           "%u",
                           e.present);
    for (uint32_t c = 0; c < index->classes; c++)
        target[c] = class_size(index, c);
    switch (s->values[param].tag) {
    case VALUE_NUMBER:
        return from_ratio(in, param, direction, &e, target, err);
    case VALUE_CLASS_MAP:
        return from_map(s, param, direction, index, target, err);
    default:
        return from_word(s, param, direction, index, &e, target, err);
    }
}

int sampling_strategy_under(const struct plan_input *in, int param, uint64_t *keep,
                            struct sampler_error *err)
{
    return resolve(in, param, UNDER, keep, err);
}

int sampling_strategy_over(const struct plan_input *in, int param, uint64_t *add,
                           struct sampler_error *err)
{
    int rc = resolve(in, param, OVER, add, err);
    for (uint32_t c = 0; rc == PLAN_OK && c < in->index->classes; c++)
        add[c] -= class_size(in->index, c);
    return rc;
}

const char *const member_rules[] = {"keep-then-bootstrap", "balanced-repeat", NULL};

int filled_up(struct plan *plan, const uint64_t *slots, int member_rule, struct sampler_error *err)
{
    uint32_t classes = plan->index->classes;
    uint64_t *kept = calloc(classes, sizeof(*kept));
    if (!kept)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < classes; c++)
        kept[c] = member_rule == 0 ? class_size(plan->index, c) : slots[c];
    int rc = epoch_engine(plan, &(struct epoch_spec){.slots = slots, .kept = kept}, err);
    free(kept);
    return rc;
}
