/* Samples that new ones are made next to (bases.h). Called by kind_smote.c, which makes them, and
 * by the epoch engine for each block. */
#include "sampler/bases.h"

#include <assert.h>
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

/* Tables of bases, as struct bases has them, while they are filled. */
struct filling {
    uint32_t *place, *near, *some, *other;
    uint64_t *turn;
};

/* The nearest member of another class than c. */
static uint32_t nearest_other(const struct plan *plan, const struct base_rows *rows, uint32_t c,
                              uint64_t sample)
{
    const uint64_t *start = plan->index->start;
    uint32_t at = 0, place;
    do {
        place = base_rows_next(rows, sample, &at);
    } while (place != NO_PLACE && place >= start[c] && place < start[c + 1]);
    assert(place != NO_PLACE);
    return place;
}

/* Those of a class, from number `at` on. */
static void fill_class(const struct plan *plan, const struct base_rule *rule, uint32_t c,
                       uint64_t at, const struct filling *fill)
{
    for (uint64_t i = 0; i < class_size(plan->index, c) && !plan_cancelled(plan); i++) {
        uint64_t times = gives(plan, rule, c, i);
        uint64_t sample = index_sample(plan->index, plan->index->start[c] + i);
        uint32_t next = 0, n = 0, near;
        if (times == 0)
            continue;
        fill->place[at] = (uint32_t)(plan->index->start[c] + i);
        while (n < rule->k && (near = base_rows_next(&rule->of_class, sample, &next)) != NO_PLACE)
            fill->near[at * rule->k + n++] = near;
        if (fill->some)
            fill->some[at] = n;
        if (fill->other)
            fill->other[at] = nearest_other(plan, &rule->of_all, c, sample);
        if (fill->turn)
            fill->turn[at + 1] = fill->turn[at] + times;
        at++;
    }
}

static void hash_bases(struct plan *plan, const struct bases *bases)
{
    uint32_t classes = plan->index->classes;
    uint64_t count = bases->first[classes];
    plan_hash(plan, &bases->k, sizeof(bases->k));
    plan_hash(plan, bases->first, (classes + 1ull) * sizeof(*bases->first));
    plan_hash(plan, bases->place, count * sizeof(*bases->place));
    plan_hash(plan, bases->near, count * bases->k * sizeof(*bases->near));
    if (bases->some)
        plan_hash(plan, bases->some, count * sizeof(*bases->some));
    if (bases->other)
        plan_hash(plan, bases->other, count * sizeof(*bases->other));
    if (bases->turn)
        plan_hash(plan, bases->turn, (count + 1) * sizeof(*bases->turn));
}

const struct bases *bases_build(struct plan *plan, const struct base_rule *rule)
{
    uint32_t classes = plan->index->classes;
    struct bases *bases = plan_alloc(plan, 1, sizeof(*bases));
    uint64_t *first = plan_alloc(plan, classes + 1ull, sizeof(*first));
    if (!bases || !first)
        return NULL;
    uint64_t count = count_bases(plan, rule, first);
    bool others = rule->of_all.rows != NULL;
    struct filling fill = {
        .place = plan_alloc(plan, count + 1, sizeof(*fill.place)),
        .near = plan_alloc(plan, count, rule->k * sizeof(*fill.near)),
        .some = rule->part ? plan_alloc(plan, count + 1, sizeof(*fill.some)) : NULL,
        .other = others ? plan_alloc(plan, count, sizeof(*fill.other)) : NULL,
        .turn = rule->in_turn ? plan_alloc(plan, count + 1, sizeof(*fill.turn)) : NULL,
    };
    if (!fill.place || !fill.near || (rule->part && !fill.some) || (others && !fill.other) ||
        (rule->in_turn && !fill.turn))
        return NULL;
    for (uint32_t c = 0; c < classes; c++) {
        if (rule->added[c] > 0)
            fill_class(plan, rule, c, first[c], &fill);
    }
    *bases = (struct bases){.k = rule->k,
                            .first = first,
                            .place = fill.place,
                            .near = fill.near,
                            .some = fill.some,
                            .other = fill.other,
                            .turn = fill.turn};
    if (plan_cancelled(plan) ||
        (fill.turn && !cuts_init(&bases->turns, plan, fill.turn, (uint32_t)count)))
        return NULL;
    hash_bases(plan, bases);
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
