/* The table of kinds and their parameters, and values that were given for them (strategy.h). Called
 * by codec/strategy.c and the kinds. */
#include "sampler/strategy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/internal.h"
#include "sampler/kinds.h"

const struct strategy_kind *const strategy_kinds[] = {
#define STRATEGY_ROW(kind) &kind,
    STRATEGY_KINDS(STRATEGY_ROW)
#undef STRATEGY_ROW
        NULL,
};

const struct strategy_param strategy_common[STRATEGY_VALUES - STRATEGY_MAX_PARAMS + 1] = {
#define COMMON(param) [(param)-STRATEGY_MAX_PARAMS]
    COMMON(FROM_SELECTION) = {"from", STRATEGY_SELECTION, "",
                              "a selection of the dataset: only samples that it keeps are drawn"},
    COMMON(FROM_FOLDS) = {"from.folds", STRATEGY_FOLDS, NULL,
                          "or folds of the dataset, of which one is left out or alone drawn from"},
    COMMON(FROM_WITHOUT) = {"from.without", STRATEGY_NUMBER, "",
                            "the number of the fold that is left out, from 0 on"},
    COMMON(FROM_ONLY) = {"from.only", STRATEGY_NUMBER, "",
                         "instead: the number of the fold that alone is drawn from"},
    COMMON(
        PAIRS_HOW) = {"pairs.how", STRATEGY_TEXT, NULL,
                      "each sample gets a second one to be mixed with, by: mixup, cutmix, remix, "
                      "balanced-mixup; none: no sample does"},
    COMMON(PAIRS_ALPHA) = {"pairs.alpha", STRATEGY_NUMBER, "",
                           "of the Beta distribution of the second one's share; 1 with cutmix and "
                           "remix, else 0.2"},
    COMMON(PAIRS_KAPPA) = {"pairs.kappa", STRATEGY_NUMBER, "3",
                           "with remix: one class is the majority if it has so many times the "
                           "samples of the other"},
    COMMON(PAIRS_TAU) = {"pairs.tau", STRATEGY_NUMBER, "0.5",
                         "with remix: the minority's label is all there is where the majority's "
                         "share of the mixture is below this"},
#undef COMMON
};

static bool same(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

const struct strategy_kind *strategy_find(const char *name, size_t len)
{
    for (size_t i = 0; strategy_kinds[i]; i++) {
        if (same(strategy_kinds[i]->name, name, len))
            return strategy_kinds[i];
    }
    return NULL;
}

int strategy_param_find(const struct strategy_kind *kind, const char *name, size_t len)
{
    for (int i = 0; i < STRATEGY_MAX_PARAMS && kind->params[i].name; i++) {
        if (same(kind->params[i].name, name, len))
            return i;
    }
    for (int i = STRATEGY_MAX_PARAMS; i < STRATEGY_VALUES; i++) {
        if (same(strategy_param(kind, i)->name, name, len))
            return i;
    }
    return -1;
}

const struct strategy_param *strategy_param(const struct strategy_kind *kind, int param)
{
    return param < STRATEGY_MAX_PARAMS ? &kind->params[param]
                                       : &strategy_common[param - STRATEGY_MAX_PARAMS];
}

void strategy_init(struct strategy *strategy, const struct strategy_kind *kind, uint32_t classes)
{
    memset(strategy, 0, sizeof(*strategy));
    strategy->kind = kind;
    strategy->classes = classes;
}

void strategy_fini(struct strategy *strategy)
{
    for (int i = 0; i < STRATEGY_VALUES; i++) {
        free(strategy->values[i].by_class);
        strategy->values[i].by_class = NULL;
    }
}

bool strategy_class_map(struct strategy *strategy, int param)
{
    struct strategy_value *value = &strategy->values[param];
    double *by_class = calloc(strategy->classes, sizeof(*by_class));
    if (!by_class)
        return false;
    for (uint32_t c = 0; c < strategy->classes; c++)
        by_class[c] = NAN;
    free(value->by_class);
    value->by_class = by_class;
    value->tag = VALUE_CLASS_MAP;
    return true;
}

int strategy_next_attached(const struct strategy *s, int param)
{
    for (int i = param + 1; i < STRATEGY_VALUES; i++) {
        if (!(strategy_param(s->kind, i)->accepts & STRATEGY_ATTACHED))
            continue;
        if (i < STRATEGY_MAX_PARAMS ? s->kind->needs(s, i) : strategy_given(s, i))
            return i;
    }
    return -1;
}

int strategy_table(const struct strategy_kind *kind, int param)
{
    int table = 0;
    for (int i = 0; i < param; i++)
        table += (kind->params[i].accepts & STRATEGY_NEIGHBOURS) != 0;
    return table;
}

bool strategy_has_from(const struct strategy *s)
{
    return strategy_given(s, FROM_SELECTION) || strategy_given(s, FROM_FOLDS);
}

/* ---- reading parameters ---- */

bool strategy_given(const struct strategy *s, int param)
{
    return s->values[param].tag != VALUE_UNSET;
}

double strategy_number(const struct strategy *s, int param)
{
    const struct strategy_value *value = &s->values[param];
    if (value->tag == VALUE_NUMBER || value->tag == VALUE_BOOLEAN)
        return value->number;
    const char *text = strategy_param(s->kind, param)->default_value;
    return text && *text ? strtod(text, NULL) : NAN;
}

bool strategy_flag(const struct strategy *s, int param)
{
    const struct strategy_value *value = &s->values[param];
    if (value->tag == VALUE_NUMBER || value->tag == VALUE_BOOLEAN)
        return value->number != 0;
    const char *text = strategy_param(s->kind, param)->default_value;
    return text && strcmp(text, "true") == 0;
}

const char *strategy_text(const struct strategy *s, int param)
{
    const struct strategy_value *value = &s->values[param];
    return value->tag == VALUE_TEXT || value->tag == VALUE_ATTACHED
               ? value->text
               : strategy_param(s->kind, param)->default_value;
}

int strategy_whole(const struct strategy *s, int param, uint64_t min, uint64_t max,
                   uint64_t not_set, uint64_t *out, struct sampler_error *err)
{
    double number = strategy_number(s, param);
    if (isnan(number) && !strategy_given(s, param)) {
        *out = not_set;
        return PLAN_OK;
    }
    const char *name = strategy_param(s->kind, param)->name;
    char given[NUMBER_WORDS];
    if (!(number >= (double)min && number <= (double)max) || number != floor(number))
        return plan_refuse(err, name, "%s is %s: give a whole number from %llu to %llu", name,
                           number_words(number, given), (unsigned long long)min,
                           (unsigned long long)max);
    *out = (uint64_t)number;
    return PLAN_OK;
}

int strategy_only_with(const struct strategy *s, int param, bool chosen, const char *with,
                       struct sampler_error *err)
{
    const char *name = strategy_param(s->kind, param)->name;
    if (chosen || !strategy_given(s, param))
        return PLAN_OK;
    return plan_refuse(err, name, "%s is only used with %s: give that too, or leave %s out", name,
                       with, name);
}

int strategy_word(const struct strategy *s, int param, const char *const *words, int *out,
                  struct sampler_error *err)
{
    const char *text = strategy_text(s, param);
    char list[160] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return PLAN_OK;
        }
        size_t len = strlen(list);
        snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i]);
    }
    const char *name = strategy_param(s->kind, param)->name;
    return plan_refuse(err, name, "%s \"%s\" is unknown: give one of %s", name, text, list);
}

const char *number_words(double number, char words[NUMBER_WORDS])
{
    if (fabs(number) < 1e20 && number == floor(number)) {
        snprintf(words, NUMBER_WORDS, "%.20g", number);
        return words;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(words, NUMBER_WORDS, "%.*g", digits, number);
        if (strtod(words, NULL) == number)
            break;
    }
    return words;
}

const char *class_words(const struct class_index *index, uint32_t c, char words[CLASS_WORDS])
{
    if (index->names)
        snprintf(words, CLASS_WORDS, "class \"%s\"", index->names + index->name_at[c]);
    else
        snprintf(words, CLASS_WORDS, "class number %u", c);
    return words;
}

int strategy_class_numbers(const struct strategy *s, int param, const struct class_index *index,
                           double *out, struct sampler_error *err)
{
    const char *name = strategy_param(s->kind, param)->name;
    const double *given = s->values[param].by_class;
    if (!given)
        return plan_refuse(err, name, "%s is missing: give a number for each class", name);
    char words[CLASS_WORDS], number[NUMBER_WORDS];
    double sum = 0;
    for (uint32_t c = 0; c < index->classes; c++) {
        bool empty = class_size(index, c) == 0;
        if (isnan(given[c]) && !empty)
            return plan_refuse(err, name,
                               "%s has no number for %s: give every class "
                               "one, 0 to leave it out",
                               name, class_words(index, c, words));
        if (given[c] < 0 || isinf(given[c]))
            return plan_refuse(err, name,
                               "%s of %s is %s: give a finite number of 0 "
                               "or more",
                               name, class_words(index, c, words), number_words(given[c], number));
        if (given[c] > 0 && empty)
            return plan_refuse(err, name,
                               "%s of %s is %s, but the class has no "
                               "samples: leave it out",
                               name, class_words(index, c, words), number_words(given[c], number));
        out[c] = empty ? 0 : given[c];
        sum += out[c];
    }
    if (!(sum > 0) || isinf(sum))
        return plan_refuse(err, name,
                           "%s sum to %g: at least one must be above 0, and the sum "
                           "finite",
                           name, sum);
    return PLAN_OK;
}
