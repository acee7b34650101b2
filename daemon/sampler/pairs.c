/* Mixup and its kin, and neighbours of bases (pairs.h). What differs between them is chosen when
 * the plan is built: which law picks the second sample and its share, and the rule for the label.
 */
#include "sampler/pairs.h"

#include <string.h>
#include "sampler/beta.h"

struct pairs {
    /* Fills partner, partner_class and share from first[] and second[]. NULL: no sample gets a
     * second one. */
    void (*pick)(const struct plan *plan, struct draw_block *block);
    /* Writes the labels' shares of the block's draws; NULL: they are those of the features. */
    void (*label)(const struct plan *plan, const struct draw_block *block, float *out);
    const struct bases *bases;
    uint32_t quantile[BETA_CELLS + 1]; /* of the share */
    struct cuts members;               /* which class has a place among all members */
    const uint32_t *some;              /* classes with samples, */
    uint32_t count;                    /* so many */
    double kappa, tau;                 /* of remix */
};

/* ---- drawing ---- */

static void shares_by_quantile(const struct plan *plan, struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++)
        block->share[k] = beta_draw(plan->pairs->quantile, block->second[k]);
}

/* Any sample with a label. */
static void pick_any(const struct plan *plan, struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++) {
        block->partner[k] = key_below(block->first[k], plan->index->labelled);
        block->partner_class[k] = cuts_find(&plan->pairs->members, block->partner[k]);
    }
    shares_by_quantile(plan, block);
}

/* Any class with samples, then any of its own. That one number gives both is as good as two, as in
 * the independent engine. */
static void pick_balanced(const struct plan *plan, struct draw_block *block)
{
    const struct pairs *pairs = plan->pairs;
    for (uint32_t k = 0; k < block->n; k++) {
        uint32_t c = pairs->some[key_below(block->first[k], pairs->count)];
        block->partner_class[k] = c;
        block->partner[k] =
            plan->index->start[c] + key_below(block->first[k] * GOLDEN, class_size(plan->index, c));
    }
    shares_by_quantile(plan, block);
}

/* One of the neighbours of a draw's base, which are of its class; a share from 0 to below 1. */
static void pick_neighbour(const struct plan *plan, struct draw_block *block)
{
    const struct bases *bases = plan->pairs->bases;
    for (uint32_t k = 0; k < block->n; k++) {
        bool made = block->base[k] != NO_BASE;
        uint64_t base = made ? block->base[k] : 0;
        uint32_t near = bases->some ? bases->some[base] : bases->k;
        block->partner[k] = bases->near[base * bases->k + key_below(block->first[k], near)];
        block->partner_class[k] = block->class[k];
        block->share[k] = made ? (uint32_t)(block->second[k] >> 40) : 0;
    }
}

/* Half of them have the nearest of another class instead, and less than half of its features. */
static void pick_either(const struct plan *plan, struct draw_block *block)
{
    const struct pairs *pairs = plan->pairs;
    pick_neighbour(plan, block);
    for (uint32_t k = 0; k < block->n; k++) {
        if (block->base[k] == NO_BASE || !(block->second[k] & 1))
            continue;
        block->partner[k] = pairs->bases->other[block->base[k]];
        block->partner_class[k] = cuts_find(&pairs->members, block->partner[k]);
        block->share[k] >>= 1;
    }
}

void pairs_draw(const struct plan *plan, uint64_t epoch_key, uint64_t step,
                struct draw_block *block)
{
    const struct pairs *pairs = plan->pairs;
    const uint32_t n = block->n;
    if (pairs && pairs->pick) {
        for (uint32_t k = 0; k < n; k++)
            block->draw[k] = step;
        lanes_numbers(epoch_key, KEY_PAIR, block->draw, block->position, block->first,
                      block->second, n);
        pairs->pick(plan, block);
    } else {
        memset(block->share, 0, n * sizeof(block->share[0]));
    }
    for (uint32_t k = 0; k < n; k++) {
        bool alone = block->share[k] == 0;
        block->partner[k] = alone ? block->member[k] : block->partner[k];
        block->partner_class[k] = alone ? block->class[k] : block->partner_class[k];
        member_prefetch(plan, block->partner[k]);
    }
}

/* The share as a number from 0 to 1, which a float has room for to the bit. */
static inline float share_number(uint32_t share)
{
    return (float)share * (1.0f / BETA_ONE);
}

void pairs_shares(const struct draw_block *block, float *out)
{
    for (uint32_t k = 0; k < block->n; k++)
        out[block->place[k]] = share_number(block->share[k]);
}

/* Chou and others: the label is the minority's alone where the majority's share is below tau. */
static void label_remix(const struct plan *plan, const struct draw_block *block, float *out)
{
    const double kappa = plan->pairs->kappa, tau = plan->pairs->tau;
    for (uint32_t k = 0; k < block->n; k++) {
        double n1 = (double)class_size(plan->index, block->class[k]);
        double n2 = (double)class_size(plan->index, block->partner_class[k]);
        float of_second = share_number(block->share[k]), label = of_second;
        if (of_second == 0) /* both are the first sample */
            label = 0;
        else if (n1 >= kappa * n2 && 1 - (double)of_second < tau)
            label = 1;
        else if (n2 >= kappa * n1 && of_second < tau)
            label = 0;
        out[block->place[k]] = label;
    }
}

/* What is made next to a sample is of its class. */
static void label_of_first(const struct plan *plan, const struct draw_block *block, float *out)
{
    (void)plan;
    for (uint32_t k = 0; k < block->n; k++)
        out[block->place[k]] = 0;
}

void pairs_label_shares(const struct plan *plan, const struct draw_block *block, float *out)
{
    if (plan->pairs && plan->pairs->label)
        plan->pairs->label(plan, block, out);
    else
        pairs_shares(block, out);
}

/* ---- building ---- */

static bool list_some_classes(struct plan *plan, struct pairs *pairs)
{
    uint32_t classes = plan->index->classes;
    uint32_t *some = plan_alloc(plan, classes, sizeof(*some));
    for (uint32_t c = 0; some && c < classes; c++) {
        if (class_size(plan->index, c) > 0)
            some[pairs->count++] = c;
    }
    pairs->some = some;
    return some != NULL;
}

/* A parameter from least to most. */
static int read_number(const struct strategy *s, int param, double least, double most, double *out,
                       struct sampler_error *err)
{
    char given[NUMBER_WORDS], from[NUMBER_WORDS], to[NUMBER_WORDS];
    const char *name = strategy_param(s->kind, param)->name;
    *out = strategy_number(s, param);
    if (*out >= least && *out <= most)
        return PLAN_OK;
    return plan_refuse(err, name, "%s is %s: give a number from %s to %s", name,
                       number_words(*out, given), number_words(least, from),
                       number_words(most, to));
}

enum { MIXUP, CUTMIX, REMIX, BALANCED_MIXUP, NONE }; /* these numbers are in digests */

static int read_parameters(const struct strategy *s, struct pairs *pairs, int *how, double *alpha,
                           struct sampler_error *err)
{
    static const char *const words[] = {"mixup", "cutmix", "remix", "balanced-mixup", "none", NULL};
    if (strategy_word(s, PAIRS_HOW, words, how, err) != PLAN_OK ||
        strategy_only_with(s, PAIRS_ALPHA, *how != NONE,
                           "pairs.how mixup, cutmix, remix or "
                           "balanced-mixup",
                           err) != PLAN_OK ||
        strategy_only_with(s, PAIRS_KAPPA, *how == REMIX, "pairs.how remix", err) != PLAN_OK ||
        strategy_only_with(s, PAIRS_TAU, *how == REMIX, "pairs.how remix", err) != PLAN_OK ||
        read_number(s, PAIRS_KAPPA, 1, 0x1p53, &pairs->kappa, err) != PLAN_OK ||
        read_number(s, PAIRS_TAU, 0, 1, &pairs->tau, err) != PLAN_OK)
        return PLAN_REFUSED;
    *alpha = *how == CUTMIX || *how == REMIX ? 1 : 0.2;
    return strategy_given(s, PAIRS_ALPHA)
               ? read_number(s, PAIRS_ALPHA, BETA_LEAST, BETA_MOST, alpha, err)
               : PLAN_OK;
}

static void pairs_take(struct plan *plan, const struct pairs *pairs)
{
    plan->pairs = pairs;
    plan->columns |= 1u << PLAN_MIX_INDEX | 1u << PLAN_MIX_LABEL | 1u << PLAN_MIX_LAMBDA |
                     1u << PLAN_MIX_LABEL_LAMBDA;
}

bool pairs_of_bases(struct plan *plan, const struct bases *bases)
{
    struct pairs *pairs = plan_alloc(plan, 1, sizeof(*pairs));
    if (!pairs)
        return false;
    if (bases)
        pairs->pick = bases->other ? pick_either : pick_neighbour;
    pairs->label = label_of_first;
    pairs->bases = bases;
    pairs_take(plan, pairs);
    return !bases || !bases->other ||
           cuts_init(&pairs->members, plan, plan->index->start, plan->index->classes);
}

int pairs_build(struct plan *plan, const struct plan_input *in, struct sampler_error *err)
{
    if (!pairs_given(in->strategy))
        return PLAN_OK;
    if (plan->pairs)
        return plan_refuse(err, "pairs",
                           "%s gives second samples of its own, so there can be no pairs beside "
                           "it: leave \"pairs\" out, or take \"oversampled\" with them",
                           in->strategy->kind->name);
    struct pairs *pairs = plan_alloc(plan, 1, sizeof(*pairs));
    int how;
    double alpha;
    if (!pairs)
        return PLAN_NO_MEMORY;
    if (read_parameters(in->strategy, pairs, &how, &alpha, err) != PLAN_OK)
        return PLAN_REFUSED;
    pairs->label = how == REMIX ? label_remix : NULL;
    if (how == BALANCED_MIXUP) {
        pairs->pick = pick_balanced;
        if (!list_some_classes(plan, pairs))
            return PLAN_NO_MEMORY;
    } else if (how != NONE) {
        pairs->pick = pick_any;
        if (!cuts_init(&pairs->members, plan, plan->index->start, plan->index->classes))
            return PLAN_NO_MEMORY;
    }
    if (pairs->pick)
        beta_quantiles(alpha, how == BALANCED_MIXUP ? 1 : alpha, pairs->quantile);
    pairs_take(plan, pairs);
    plan_hash(plan, &how, sizeof(how));
    plan_hash(plan, pairs->quantile, sizeof(pairs->quantile));
    if (how == REMIX) {
        plan_hash(plan, &pairs->kappa, sizeof(pairs->kappa));
        plan_hash(plan, &pairs->tau, sizeof(pairs->tau));
    }
    return PLAN_OK;
}
