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
enum { OF_CLASS, OF_ALL }; /* plan_input.tables */
enum variant { REGULAR, BORDERLINE_1, ADASYN, BORDERLINE_2, SVM };

static const char *const variants[] = {"regular",      "borderline-1", "adasyn",
                                       "borderline-2", "svm",          NULL};

/* A plan in the making. */
struct smote {
    int variant;
    uint64_t k, m;
    uint64_t *added;    /* C: by how many each class grows */
    uint64_t *gives;    /* S: how often each sample is a base; NULL: each is one */
    uint32_t *place_of; /* S: place among all members, or NO_PLACE */
    uint32_t *near;     /* k: room for places of neighbours */
    struct base_rule rule;
};

static bool uses_all(int variant)
{
    return variant == BORDERLINE_1 || variant == ADASYN;
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
    if (*variant == BORDERLINE_2)
        return plan_refuse(err, "variant",
                           "variant borderline-2 is not offered: imbalanced-learn's second sample "
                           "is not a neighbour but one with the neighbour's number among the other "
                           "classes: take borderline-1");
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
        strategy_only_with(s, M, smote->variant == BORDERLINE_1, "variant borderline-1", err) !=
            PLAN_OK ||
        strategy_only_with(s, ALL_NEIGHBOURS, uses_all(smote->variant),
                           "variant borderline-1 or adasyn", err) != PLAN_OK ||
        check_table(in, OF_CLASS, smote->k, "k", err) != PLAN_OK)
        return PLAN_REFUSED;
    if (smote->variant == ADASYN)
        smote->m = smote->k;
    return uses_all(smote->variant)
               ? check_table(in, OF_ALL, smote->m, smote->variant == ADASYN ? "k" : "m", err)
               : PLAN_OK;
}

/* ---- neighbours ---- */

/* Refuses a class whose samples have fewer than k neighbours in it. */
static int check_rows(const struct plan_input *in, const struct smote *smote, uint32_t c,
                      struct sampler_error *err)
{
    const struct class_index *index = in->index;
    uint64_t n = class_size(index, c);
    char words[CLASS_WORDS];
    if (n <= smote->k)
        return plan_refuse(err, "k",
                           "%.60s has %llu samples, k = %llu needs %llu (\"Expected n_neighbors <= "
                           "n_samples\"): %s, or leave the class out of sampling_strategy",
                           class_words(index, c, words), (unsigned long long)n,
                           (unsigned long long)smote->k, (unsigned long long)smote->k + 1,
                           n > 1 ? "give a smaller k" : "one sample has no neighbour");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t sample = index_sample(index, index->start[c] + i);
        if (!smote->rule.part && bases_near(&smote->rule, sample, smote->near) < smote->k)
            return plan_refuse(err, "neighbours",
                               "sample %llu of %.60s has fewer than k = %llu neighbours in "
                               "the table: run evendraw neighbours again",
                               (unsigned long long)sample, class_words(index, c, words),
                               (unsigned long long)smote->k);
    }
    return PLAN_OK;
}

/* How many of a sample's m nearest are of other classes than c, its own; -1: there are fewer than m
 * of them. */
static int64_t count_others(const struct plan_input *in, const struct smote *smote, uint32_t c,
                            uint64_t sample)
{
    const struct plan_table *table = &in->tables[OF_ALL];
    const uint32_t *row = table->rows + sample * table->width;
    int64_t others = 0;
    uint64_t found = 0;
    for (uint32_t j = 0; j < table->width && found < smote->m && row[j] != PLAN_NO_NEIGHBOUR; j++) {
        uint64_t place = smote->place_of[row[j]];
        if (place == NO_PLACE)
            continue;
        others += place < in->index->start[c] || place >= in->index->start[c + 1];
        found++;
    }
    return found < smote->m ? -1 : others;
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
                           "%.60s has no neighbours of other classes, by which adasyn would divide "
                           "what is added (imbalanced-learn refuses it, too): take variant "
                           "regular, or leave the class out of sampling_strategy",
                           class_words(index, c, words));
    for (uint64_t i = 0; i < class_size(index, c); i++) {
        uint64_t *gives = &smote->gives[index_sample(index, index->start[c] + i)];
        *gives = round_half_even((unsigned __int128)*gives * smote->added[c], all);
        sum += *gives;
    }
    if (sum == 0)
        return plan_refuse(err, "variant",
                           "adasyn would add nothing to %.60s: none of its samples' parts comes to "
                           "one (imbalanced-learn: \"No samples will be generated\"): ask for more "
                           "in sampling_strategy, or take variant regular",
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
    for (uint64_t i = 0; i < class_size(in->index, c) && !plan_cancelled(plan); i++) {
        uint64_t sample = index_sample(in->index, in->index->start[c] + i);
        int64_t others = count_others(in, smote, c, sample);
        if (others < 0)
            return plan_refuse(err, "all_neighbours",
                               "sample %llu has fewer than %llu neighbours (\"Expected n_neighbors "
                               "<= n_samples\"): give a smaller %s%s",
                               (unsigned long long)sample, (unsigned long long)m,
                               smote->variant == ADASYN ? "k" : "m",
                               smote->rule.part ? ", or run evendraw neighbours with a larger --k"
                                                : "");
        bool danger = 2 * (uint64_t)others >= m && (uint64_t)others < m;
        smote->gives[sample] = smote->variant == ADASYN ? (uint64_t)others : danger;
        if (smote->rule.part && bases_near(&smote->rule, sample, smote->near) == 0)
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
                           "other classes, but not all): borderline-1 would add nothing to it. "
                           "Take variant regular, or leave the class out of sampling_strategy",
                           class_words(in->index, c, words));
    return PLAN_OK;
}

/* Whoever has a neighbour that is drawn from is a base. */
static int choose_any(const struct plan *plan, const struct plan_input *in, struct smote *smote,
                      uint32_t c, struct sampler_error *err)
{
    const struct class_index *index = in->index;
    char words[CLASS_WORDS];
    uint64_t sum = 0;
    for (uint64_t i = 0; i < class_size(index, c) && !plan_cancelled(plan); i++) {
        uint64_t sample = index_sample(index, index->start[c] + i);
        smote->gives[sample] = bases_near(&smote->rule, sample, smote->near) > 0;
        sum += smote->gives[sample];
    }
    if (sum > 0 || plan_cancelled(plan))
        return PLAN_OK;
    return plan_refuse(err, "neighbours",
                       "no sample of %.60s has a neighbour there: run evendraw neighbours with a "
                       "larger --k, or leave the class out of sampling_strategy",
                       class_words(index, c, words));
}

/* ---- plans ---- */

static int build_bases(struct plan *plan, const struct plan_input *in, struct smote *smote,
                       const struct bases **out, struct sampler_error *err)
{
    const struct class_index *index = in->index;
    bool any = false;
    memset(smote->place_of, 0xff, index->samples * sizeof(*smote->place_of)); /* NO_PLACE */
    for (uint64_t i = 0; i < index->labelled; i++)
        smote->place_of[index_sample(index, i)] = (uint32_t)i;
    for (uint32_t c = 0; c < index->classes; c++) {
        int rc = PLAN_OK;
        if (smote->added[c] == 0)
            continue;
        any = true;
        if (uses_all(smote->variant))
            rc = choose_bases(plan, in, smote, c, err);
        if (rc == PLAN_OK)
            rc = check_rows(in, smote, c, err);
        if (rc == PLAN_OK && smote->gives && !uses_all(smote->variant))
            rc = choose_any(plan, in, smote, c, err);
        if (rc != PLAN_OK)
            return rc;
    }
    if (!any)
        return PLAN_OK;
    *out = bases_build(plan, &smote->rule);
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
    bool part = strategy_has_from(in->strategy), gives = uses_all(smote.variant) || part;
    smote.added = calloc(in->index->classes, sizeof(*smote.added));
    smote.place_of = plan_work_alloc(plan, samples, sizeof(*smote.place_of));
    smote.gives = gives ? plan_work_alloc(plan, samples, sizeof(*smote.gives)) : NULL;
    smote.near = calloc(smote.k, sizeof(*smote.near));
    smote.rule = (struct base_rule){
        .k = (uint32_t)smote.k,
        .added = smote.added,
        .gives = smote.gives,
        .in_turn = smote.variant == ADASYN,
        .rows = in->tables[OF_CLASS].rows,
        .width = in->tables[OF_CLASS].width,
        .place_of = smote.place_of,
        .part = part,
    };
    int rc = smote.added && smote.place_of && smote.near && (smote.gives || !gives)
                 ? PLAN_OK
                 : PLAN_NO_MEMORY;
    if (rc == PLAN_OK)
        rc = sampling_strategy_over(in, SAMPLING_STRATEGY, smote.added, err);
    if (rc == PLAN_OK)
        rc = build_bases(plan, in, &smote, &bases, err);
    if (rc == PLAN_OK)
        rc = build_epoch(plan, &smote, bases, err);
    plan_work_free(plan, smote.gives, samples, sizeof(*smote.gives));
    plan_work_free(plan, smote.place_of, samples, sizeof(*smote.place_of));
    free(smote.added);
    free(smote.near);
    return rc;
}

static uint64_t cost(const struct plan_input *in)
{
    return in->index->classes * COST_OF_CLASS + in->index->samples * COST_OF_SAMPLE;
}

static bool needs(const struct strategy *s, int param)
{
    struct sampler_error ignored;
    int variant = REGULAR;
    if (strategy_word(s, VARIANT, variants, &variant, &ignored) != PLAN_OK)
        return false; /* which compile refuses */
    return param == NEIGHBOURS ? variant < BORDERLINE_2
                               : param == ALL_NEIGHBOURS && uses_all(variant);
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
             "regular: any sample of the class; borderline-1: only those in danger, with half or "
             "more of their neighbours of other classes but not all; adasyn: each as often as it "
             "has neighbours of other classes"},
            {"k", STRATEGY_NUMBER, "5", "so many nearest of the same class, one of which is taken"},
            {"m", STRATEGY_NUMBER, "10",
             "with borderline-1: so many nearest of any class say who is in danger"},
            {"neighbours", STRATEGY_NEIGHBOURS, "class",
             "name of the neighbours within the class, which evendraw neighbours makes"},
            {"all_neighbours", STRATEGY_NEIGHBOURS, "all",
             "with borderline-1 and adasyn: name of the neighbours of any class"},
            {NULL, 0, NULL, NULL},
        },
    .compile = compile,
    .cost = cost,
    .needs = needs,
};
