/* smote: small classes filled up with samples between two neighbours of a class (Chawla et al.
 * 2002, SMOTE: Synthetic Minority Over-sampling Technique), as imbalanced-learn 0.10 makes them.
 * The plan says which two, and how far between them; whoever has the features makes the sample. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "sampler/bases.h"
#include "sampler/kinds.h"
#include "sampler/pairs.h"
#include "sampler/sampling_strategy.h"

enum { SAMPLING_STRATEGY, VARIANT, K, M, NEIGHBOURS, ALL_NEIGHBOURS };
enum { OF_CLASS, OF_ALL };   /* plan_input.tables */
#define COST_OF_NEIGHBOUR 6u /* numbers of 4 ns, as those of internal.h */
/* smotenc and smoten differ from regular in what the client makes of the pairs. */
enum variant { REGULAR, SMOTENC, SMOTEN, BORDERLINE_1, BORDERLINE_2, ADASYN, SVM };

static const char *const variants[] = {"regular",      "smotenc", "smoten", "borderline-1",
                                       "borderline-2", "adasyn",  "svm",    NULL};

/* A plan in the making. */
struct smote {
    int variant;
    uint64_t k, m;
    uint64_t *added;    /* C: by how many each class grows */
    uint64_t *gives;    /* S: how often each sample is a base; NULL: any of the class may be */
    uint32_t *place_of; /* S: place among all members */
    struct base_rows of_class, of_all;
    bool part; /* not all samples are drawn from, and a base may have fewer than k neighbours */
};

static bool is_borderline(int variant)
{
    return variant == BORDERLINE_1 || variant == BORDERLINE_2;
}

static bool uses_all(int variant)
{
    return is_borderline(variant) || variant == ADASYN;
}

/* ---- parameters ---- */

static int read_variant(const struct strategy *s, int *variant, struct sampler_error *err)
{
    if (strategy_word(s, VARIANT, variants, variant, err) != PLAN_OK)
        return PLAN_REFUSED;
    if (*variant == SVM)
        return plan_refuse(err, "variant",
                           "variant svm needs the support vectors of a classifier, and so the "
                           "features, which evendrawd does not have: take borderline-1, which "
                           "also works along the border between classes");
    return PLAN_OK;
}

static int check_table(const struct plan_input *in, int table, uint64_t wanted, const char *param,
                       struct sampler_error *err)
{
    const struct plan_table *given = &in->tables[table];
    const char *name = table == OF_CLASS ? "neighbours" : "all_neighbours";
    if (!given->rows)
        return plan_refuse(err, name, "%s are missing: run evendraw neighbours", name);
    if (given->by_class != (table == OF_CLASS))
        return plan_refuse(err, name,
                           "%s must be neighbours %s, and these are %s: run evendraw neighbours "
                           "with %s, and give the name of what it makes",
                           name, table == OF_CLASS ? "of a sample's own class" : "of any class",
                           table == OF_CLASS ? "of any" : "of a sample's own",
                           table == OF_CLASS ? "--within-class" : "--all");
    if (wanted > given->width)
        return plan_refuse(err, param,
                           "%s is %llu, and %s has only %u of each sample: run evendraw "
                           "neighbours with --k %llu, or give a smaller %s",
                           param, (unsigned long long)wanted, name, given->width,
                           (unsigned long long)wanted, param);
    return PLAN_OK;
}

static int read_parameters(const struct plan_input *in, struct smote *smote,
                           struct sampler_error *err)
{
    const struct strategy *s = in->strategy;
    if (read_variant(s, &smote->variant, err) != PLAN_OK ||
        strategy_whole(s, K, 1, UINT32_MAX, 0, &smote->k, err) != PLAN_OK ||
        strategy_whole(s, M, 1, UINT32_MAX, 0, &smote->m, err) != PLAN_OK ||
        strategy_only_with(s, M, is_borderline(smote->variant), "variant borderline-1 or -2",
                           err) != PLAN_OK ||
        strategy_only_with(s, ALL_NEIGHBOURS, uses_all(smote->variant),
                           "variant borderline-1, -2 or adasyn", err) != PLAN_OK ||
        check_table(in, OF_CLASS, smote->k, "k", err) != PLAN_OK)
        return PLAN_REFUSED;
    if (smote->variant == ADASYN)
        smote->m = smote->k;
    return uses_all(smote->variant)
               ? check_table(in, OF_ALL, smote->m, smote->variant == ADASYN ? "k" : "m", err)
               : PLAN_OK;
}

/* ---- neighbours ---- */

/* As many neighbours as there are samples, or more. */
static int too_few(const char *param, const char *whose, uint64_t n, uint64_t wanted,
                   const char *advice, struct sampler_error *err)
{
    return plan_refuse(
        err, param,
        "%.60s has %llu sample%s, and %s = %llu needs more (\"Expected n_neighbors <= "
        "n_samples,  but n_samples = %llu, n_neighbors = %llu\"): %s",
        whose, (unsigned long long)n, n == 1 ? "" : "s", param, (unsigned long long)wanted,
        (unsigned long long)n, (unsigned long long)wanted + 1, advice);
}

/* How many of a sample's neighbours in its class there are, k at most. */
static uint64_t count_near(const struct smote *smote, uint64_t sample)
{
    uint32_t next = 0;
    uint64_t n = 0;
    while (n < smote->k && base_rows_next(&smote->of_class, sample, &next) != NO_PLACE)
        n++;
    return n;
}

/* Refuses a class whose samples have fewer than k neighbours in it. */
static int check_rows(const struct plan_input *in, const struct smote *smote, uint32_t c,
                      struct sampler_error *err)
{
    const struct class_index *index = in->index;
    uint64_t n = class_size(index, c);
    char words[CLASS_WORDS];
    if (n <= smote->k)
        return too_few("k", class_words(index, c, words), n, smote->k,
                       n > 1 ? "give a smaller k, or leave the class out of sampling_strategy"
                             : "leave the class out of sampling_strategy",
                       err);
    for (uint64_t i = 0; !smote->part && i < n; i++) {
        uint64_t sample = index_sample(index, index->start[c] + i);
        uint64_t j = count_near(smote, sample);
        if (j < smote->k)
            return plan_refuse(err, "neighbours",
                               "sample %llu of %.60s has only %llu neighbours that are drawn from, "
                               "and k is %llu: run evendraw neighbours with a larger --k",
                               (unsigned long long)sample, class_words(index, c, words),
                               (unsigned long long)j, (unsigned long long)smote->k);
    }
    return PLAN_OK;
}

/* How many of a sample's m nearest are of other classes than c, its own; -1: there are fewer than m
 * of them. */
static int64_t count_others(const struct plan_input *in, const struct smote *smote, uint32_t c,
                            uint64_t sample)
{
    int64_t others = 0;
    uint32_t next = 0;
    for (uint64_t j = 0; j < smote->m; j++) {
        uint32_t place = base_rows_next(&smote->of_all, sample, &next);
        if (place == NO_PLACE)
            return -1;
        others += place < in->index->start[c] || place >= in->index->start[c + 1];
    }
    return others;
}

/* The whole number next to a / b, of two equally near ones the even one. */
static uint64_t round_half_even(unsigned __int128 a, uint64_t b)
{
    assert(b > 0);
    uint64_t whole = (uint64_t)(a / b), rest = (uint64_t)(a % b);
    return whole + (rest > b - rest || (rest == b - rest && (whole & 1)));
}

/* adasyn: what is added to a class is divided in proportion to how many neighbours of other classes
 * its samples have, each part to the nearest whole number. */
static int divide_added(const struct class_index *index, struct smote *smote, uint32_t c,
                        uint64_t all, struct sampler_error *err)
{
    char words[CLASS_WORDS];
    uint64_t sum = 0;
    if (all == 0)
        return plan_refuse(err, "variant",
                           "%.60s: adasyn divides by neighbours of other classes (\"Not any "
                           "neigbours belong to the majority class\"): take variant regular, or "
                           "leave the class out of sampling_strategy",
                           class_words(index, c, words));
    for (uint64_t i = 0; i < class_size(index, c); i++) {
        uint64_t *gives = &smote->gives[index_sample(index, index->start[c] + i)];
        *gives = round_half_even((unsigned __int128)*gives * smote->added[c], all);
        sum += *gives;
    }
    if (sum == 0)
        return plan_refuse(err, "variant",
                           "adasyn would add nothing to %.60s: no sample's part comes to one (\"No "
                           "samples will be generated with the provided ratio settings.\"): ask "
                           "for more in sampling_strategy, or take variant regular",
                           class_words(index, c, words));
    smote->added[c] = sum;
    return PLAN_OK;
}

/* gives[] of a class, and added[] as it follows from that. */
static int choose_bases(const struct plan *plan, const struct plan_input *in, struct smote *smote,
                        uint32_t c, struct sampler_error *err)
{
    char words[CLASS_WORDS];
    uint64_t sum = 0, m = smote->m;
    if (in->index->labelled <= m)
        return too_few(smote->variant == ADASYN ? "k" : "m", "the dataset", in->index->labelled, m,
                       smote->variant == ADASYN ? "give a smaller k" : "give a smaller m", err);
    for (uint64_t i = 0; i < class_size(in->index, c) && !plan_cancelled(plan); i++) {
        uint64_t sample = index_sample(in->index, in->index->start[c] + i);
        int64_t others = count_others(in, smote, c, sample);
        if (others < 0)
            return plan_refuse(err, "all_neighbours",
                               "sample %llu has fewer than %s = %llu neighbours of any class that "
                               "are drawn from: run evendraw neighbours with a larger --k",
                               (unsigned long long)sample, smote->variant == ADASYN ? "k" : "m",
                               (unsigned long long)m);
        bool danger = 2 * (uint64_t)others >= m && (uint64_t)others < m;
        smote->gives[sample] = smote->variant == ADASYN ? (uint64_t)others : danger;
        if (smote->part && count_near(smote, sample) == 0)
            smote->gives[sample] = 0;
        sum += smote->gives[sample];
    }
    if (plan_cancelled(plan))
        return PLAN_CANCELLED;
    if (smote->variant == ADASYN)
        return divide_added(in->index, smote, c, sum, err);
    if (sum == 0)
        return plan_refuse(err, "variant",
                           "%.60s has no sample in danger (m/2 or more of its m neighbours of "
                           "other classes, but not all), so %s would add nothing to it: take "
                           "variant regular, or leave the class out of sampling_strategy",
                           class_words(in->index, c, words), variants[smote->variant]);
    return PLAN_OK;
}

/* Of a part of the dataset: whoever has a neighbour in it is a base. */
static int choose_any(const struct plan *plan, const struct class_index *index, struct smote *smote,
                      uint32_t c, struct sampler_error *err)
{
    char words[CLASS_WORDS];
    uint64_t sum = 0;
    for (uint64_t i = 0; i < class_size(index, c) && !plan_cancelled(plan); i++) {
        uint64_t sample = index_sample(index, index->start[c] + i);
        smote->gives[sample] = count_near(smote, sample) > 0;
        sum += smote->gives[sample];
    }
    if (sum > 0 || plan_cancelled(plan))
        return PLAN_OK;
    return plan_refuse(err, "neighbours",
                       "no sample of %.60s has a neighbour that is drawn from: run evendraw "
                       "neighbours with a larger --k, or leave the class out of sampling_strategy",
                       class_words(index, c, words));
}

/* ---- plans ---- */

static void list_places(const struct class_index *index, uint32_t *place_of)
{
    memset(place_of, 0xff, index->samples * sizeof(*place_of)); /* NO_PLACE */
    for (uint64_t i = 0; i < index->labelled; i++)
        place_of[index_sample(index, i)] = (uint32_t)i;
}

static struct base_rows rows_of(const struct plan_table *table, const uint32_t *place_of)
{
    return (struct base_rows){.rows = table->rows, .width = table->width, .place_of = place_of};
}

static int build_bases(struct plan *plan, const struct plan_input *in, struct smote *smote,
                       const struct bases **out, struct sampler_error *err)
{
    const struct class_index *index = in->index;
    bool any = false;
    list_places(index, smote->place_of);
    smote->of_class = rows_of(&in->tables[OF_CLASS], smote->place_of);
    smote->of_all = rows_of(&in->tables[OF_ALL], smote->place_of);
    for (uint32_t c = 0; c < index->classes; c++) {
        int rc = PLAN_OK;
        if (smote->added[c] == 0)
            continue;
        any = true;
        if (uses_all(smote->variant))
            rc = choose_bases(plan, in, smote, c, err);
        if (rc == PLAN_OK)
            rc = check_rows(in, smote, c, err);
        if (rc == PLAN_OK && smote->part && !uses_all(smote->variant))
            rc = choose_any(plan, index, smote, c, err);
        if (rc != PLAN_OK)
            return rc;
    }
    if (!any)
        return PLAN_OK;
    *out = bases_build(
        plan, &(struct base_rule){
                  .k = (uint32_t)smote->k,
                  .added = smote->added,
                  .gives = smote->gives,
                  .in_turn = smote->variant == ADASYN,
                  .of_class = smote->of_class,
                  .part = smote->part,
                  .of_all = smote->variant == BORDERLINE_2 ? smote->of_all : (struct base_rows){0},
              });
    return *out ? PLAN_OK : PLAN_NO_MEMORY;
}

static int build_epoch(struct plan *plan, const struct smote *smote, const struct bases *bases,
                       struct sampler_error *err)
{
    uint32_t classes = plan->index->classes;
    uint64_t *slots = calloc(classes, sizeof(*slots)), *kept = calloc(classes, sizeof(*kept));
    int rc = slots && kept ? PLAN_OK : PLAN_NO_MEMORY;
    for (uint32_t c = 0; rc == PLAN_OK && c < classes; c++) {
        kept[c] = class_size(plan->index, c);
        slots[c] = kept[c] + smote->added[c];
    }
    if (rc == PLAN_OK)
        rc = epoch_engine(plan, &(struct epoch_spec){.slots = slots, .kept = kept, .bases = bases},
                          err);
    free(slots);
    free(kept);
    if (rc == PLAN_OK && !pairs_of_bases(plan, bases))
        rc = PLAN_NO_MEMORY;
    plan->columns &= ~(1u << PLAN_PROBABILITY); /* most samples are not any that there is */
    return rc;
}

static int compile(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    struct smote smote = {0};
    const struct bases *bases = NULL;
    uint64_t samples = in->index->samples;
    if (read_parameters(in, &smote, err) != PLAN_OK)
        return PLAN_REFUSED;
    smote.part = strategy_has_from(in->strategy);
    bool gives = uses_all(smote.variant) || smote.part;
    smote.added = calloc(in->index->classes, sizeof(*smote.added));
    smote.place_of = plan_work_alloc(plan, samples, sizeof(*smote.place_of));
    smote.gives = gives ? plan_work_alloc(plan, samples, sizeof(*smote.gives)) : NULL;
    int rc = smote.added && smote.place_of && (smote.gives || !gives) ? PLAN_OK : PLAN_NO_MEMORY;
    if (rc == PLAN_OK)
        rc = sampling_strategy_over(in, SAMPLING_STRATEGY, smote.added, err);
    if (rc == PLAN_OK)
        rc = build_bases(plan, in, &smote, &bases, err);
    if (rc == PLAN_OK)
        rc = build_epoch(plan, &smote, bases, err);
    plan_work_free(plan, smote.gives, samples, sizeof(*smote.gives));
    plan_work_free(plan, smote.place_of, samples, sizeof(*smote.place_of));
    free(smote.added);
    return rc;
}

static uint64_t cost(const struct plan_input *in)
{
    uint64_t width = (uint64_t)in->tables[OF_CLASS].width + in->tables[OF_ALL].width;
    return in->index->classes * COST_OF_CLASS +
           in->index->samples * (COST_OF_SAMPLE + width * COST_OF_NEIGHBOUR);
}

static bool needs(const struct strategy *s, int param)
{
    struct sampler_error ignored;
    int variant = REGULAR;
    if (strategy_word(s, VARIANT, variants, &variant, &ignored) != PLAN_OK)
        return false; /* which compile refuses */
    return param == NEIGHBOURS ? variant != SVM : param == ALL_NEIGHBOURS && uses_all(variant);
}

const struct strategy_kind kind_smote = {
    .name = "smote",
    .meaning = "small classes filled up with points between neighbours, as pairs of samples",
    .example = "{\"kind\": \"smote\", \"k\": 5}",
    .params =
        {
            {"sampling_strategy", STRATEGY_TEXT | STRATEGY_NUMBER | STRATEGY_CLASS_MAP, "auto",
             "as imbalanced-learn: auto, minority, not minority, not majority, all; a ratio of "
             "minority to majority (two classes); or how many of each class to reach"},
            {"variant", STRATEGY_TEXT, "regular",
             "regular: any sample of the class; smotenc, smoten: the same, for categorical "
             "features; borderline-1: only those in danger, with half or more of their neighbours "
             "of other classes but not all; borderline-2: the same, half of them towards the "
             "nearest of another class; adasyn: each as often as it has neighbours of other "
             "classes"},
            {"k", STRATEGY_NUMBER, "5", "so many nearest of the same class, one of which is taken"},
            {"m", STRATEGY_NUMBER, "10",
             "with borderline-1 and -2: so many nearest of any class say who is in danger"},
            {"neighbours", STRATEGY_NEIGHBOURS, "class",
             "name of the neighbours within the class, which evendraw neighbours makes"},
            {"all_neighbours", STRATEGY_NEIGHBOURS, "all",
             "with borderline-1, -2 and adasyn: name of the neighbours of any class"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
    .cost = cost,
    .needs = needs,
};
