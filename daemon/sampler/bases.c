/* Samples that new ones are made next to (bases.h). Called by kind_smote.c, which makes them, and
 * by the epoch engine for each block. */
#include "sampler/bases.h"

#include <math.h>

/* ---- drawing ---- */

void bases_members(const struct bases *bases, struct draw_block *block, const uint64_t *ordinal,
                   const uint8_t *added)
{
    for (uint32_t k = 0; k < block->n; k++) {
        const uint64_t *first = bases->first + block->class[k];
        block->base[k] = (uint32_t)(first[0] + key_below(block->first[k], first[1] - first[0]));
    }
    for (uint32_t k = 0; bases->turn && k < block->n; k++) {
        uint64_t turn = bases->turn[bases->first[block->class[k]]] + ordinal[k];
        block->base[k] = cuts_find(&bases->turns, added[k] ? turn : 0);
    }
    for (uint32_t k = 0; k < block->n; k++) {
        uint64_t member = bases->place[block->base[k]];
        block->member[k] = added[k] ? member : block->member[k];
        block->base[k] = added[k] ? block->base[k] : NO_BASE;
    }
}

/* ---- building ---- */

uint32_t bases_near(const struct base_rule *rule, uint64_t sample, uint32_t *out)
{
    const uint32_t *row = rule->rows + sample * rule->width;
    uint32_t n = 0;
    for (uint32_t j = 0; j < rule->width && n < rule->k && row[j] != PLAN_NO_NEIGHBOUR; j++) {
        uint32_t place = rule->place_of[row[j]];
        if (place != NO_PLACE)
            out[n++] = place;
    }
    return n;
}

static uint64_t gives(const struct plan *plan, const struct base_rule *rule, uint32_t c, uint64_t i)
{
    if (rule->added[c] == 0)
        return 0;
    return rule->gives ? rule->gives[index_sample(plan->index, plan->index->start[c] + i)] : 1;
}

static uint64_t count_bases(const struct plan *plan, const struct base_rule *rule, uint64_t *first)
{
    for (uint32_t c = 0; c < plan->index->classes; c++) {
        first[c + 1] = first[c];
        for (uint64_t i = 0; rule->added[c] && i < class_size(plan->index, c); i++)
            first[c + 1] += gives(plan, rule, c, i) > 0;
    }
    return first[plan->index->classes];
}

/* The tables of a class' bases, from number `at` on. */
static void fill_class(const struct plan *plan, const struct base_rule *rule, uint32_t c,
                       uint64_t at, uint32_t *place, uint32_t *near, uint32_t *some, uint64_t *turn)
{
    for (uint64_t i = 0; i < class_size(plan->index, c) && !plan_cancelled(plan); i++) {
        uint64_t times = gives(plan, rule, c, i);
        uint64_t sample = index_sample(plan->index, plan->index->start[c] + i);
        if (times == 0)
            continue;
        place[at] = (uint32_t)(plan->index->start[c] + i);
        uint32_t n = bases_near(rule, sample, near + at * rule->k);
        if (some)
            some[at] = n;
        if (turn)
            turn[at + 1] = turn[at] + times;
        at++;
    }
}

const struct bases *bases_build(struct plan *plan, const struct base_rule *rule)
{
    uint32_t classes = plan->index->classes;
    struct bases *bases = plan_alloc(plan, 1, sizeof(*bases));
    uint64_t *first = plan_alloc(plan, classes + 1ull, sizeof(*first));
    if (!bases || !first)
        return NULL;
    uint64_t count = count_bases(plan, rule, first);
    uint32_t *place = plan_alloc(plan, count + 1, sizeof(*place));
    uint32_t *near = plan_alloc(plan, count, rule->k * sizeof(*near));
    uint64_t *turn = rule->in_turn ? plan_alloc(plan, count + 1, sizeof(*turn)) : NULL;
    uint32_t *some = rule->part ? plan_alloc(plan, count + 1, sizeof(*some)) : NULL;
    if (!place || !near || (rule->in_turn && !turn) || (rule->part && !some))
        return NULL;
    for (uint32_t c = 0; c < classes; c++) {
        if (rule->added[c] > 0)
            fill_class(plan, rule, c, first[c], place, near, some, turn);
    }
    *bases = (struct bases){
        .k = rule->k, .first = first, .place = place, .near = near, .some = some, .turn = turn};
    if (plan_cancelled(plan) || (turn && !cuts_init(&bases->turns, plan, turn, (uint32_t)count)))
        return NULL;
    plan_hash(plan, &rule->k, sizeof(rule->k));
    plan_hash(plan, first, (classes + 1ull) * sizeof(*first));
    plan_hash(plan, place, count * sizeof(*place));
    plan_hash(plan, near, count * rule->k * sizeof(*near));
    if (some)
        plan_hash(plan, some, count * sizeof(*some));
    if (turn)
        plan_hash(plan, turn, (count + 1) * sizeof(*turn));
    return bases;
}

/* ---- asking ---- */

double bases_coverage(const struct plan *plan, const struct bases *bases, uint32_t c,
                      uint64_t added, double chance)
{
    double size = (double)class_size(plan->index, c), unseen = 0;
    double count = (double)(bases->first[c + 1] - bases->first[c]);
    if (chance >= 1)
        return 1;
    for (uint64_t b = bases->first[c]; bases->turn && b < bases->first[c + 1]; b++)
        unseen += pow(1 - chance, (double)(bases->turn[b + 1] - bases->turn[b]));
    if (!bases->turn && count > 0)
        unseen = count * exp((double)added * log1p(-chance / count));
    return 1 - (1 - chance) * (unseen + size - count) / size;
}
