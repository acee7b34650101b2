/*
 * The independent engine over samples: an alias table with a bucket for each. A sample's number
 * here is its place among all members, class after class.
 */
#include <math.h>
#include "sampler/internal.h"

struct samples_tables {
    struct alias alias;
    struct cuts classes; /* of [0, N) */
    const double *shares;
    const float *probability; /* by place */
};

static void samples_resolve(const struct plan *plan, const struct draw_step *at,
                            struct draw_block *block)
{
    const struct samples_tables *tables = plan->tables;
    const unsigned below = 63 - tables->alias.bits;
    for (uint32_t from = 0, to; from < block->n; from = to) {
        const uint64_t *number = draw_numbers(block, at->epoch_key, from, &to);
        for (uint32_t k = from; k < to; k++)
            __builtin_prefetch(&tables->alias.bucket[number[k - from] >> 1 >> below]);
        for (uint32_t k = from; k < to; k++) {
            block->member[k] = alias_draw(&tables->alias, number[k - from]);
            member_prefetch(plan, block->member[k]);
            block->class[k] = cuts_find(&tables->classes, block->member[k]);
        }
    }
}

static const double *samples_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)epoch, (void)head;
    return ((const struct samples_tables *)plan->tables)->shares;
}

static void samples_probability(const struct plan *plan, struct draw_block *block, float *out)
{
    const struct samples_tables *tables = plan->tables;
    for (uint32_t k = 0; k < block->n; k++)
        out[block->place[k]] = tables->probability[block->member[k]];
}

static void samples_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out)
{
    const struct samples_tables *tables = plan->tables;
    const struct class_index *index = plan->index;
    (void)epoch;
    for (uint32_t c = 0; c < index->classes; c++) {
        double seen = 0;
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++)
            seen -= expm1((double)draws * log1p(-(double)tables->probability[place]));
        if (class_size(index, c))
            out[c] = seen / (double)class_size(index, c);
    }
}

static const struct engine engine = {
    .name = "samples",
    .resolve = samples_resolve,
    .shares = samples_shares,
    .coverage = samples_coverage,
    .probability = samples_probability,
};

int samples_engine(struct plan *plan, const double *weights, uint64_t draws)
{
    const struct class_index *index = plan->index;
    struct samples_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    double *shares = plan_alloc(plan, index->classes, sizeof(*shares));
    float *probability = plan_alloc(plan, index->labelled, sizeof(*probability));
    double *by_place = plan_work_alloc(plan, index->labelled, sizeof(*by_place));
    if (!tables || !shares || !probability || !by_place) {
        plan_work_free(plan, by_place, index->labelled, sizeof(*by_place));
        return PLAN_NO_MEMORY;
    }
    double sum = 0;
    for (uint64_t place = 0; place < index->labelled; place++)
        sum += by_place[place] = weights[index_sample(index, place)];
    for (uint32_t c = 0; c < index->classes && !plan_cancelled(plan); c++) {
        for (uint64_t place = index->start[c]; place < index->start[c + 1]; place++) {
            shares[c] += by_place[place] / sum;
            probability[place] = (float)(by_place[place] / sum);
        }
    }
    tables->shares = shares;
    tables->probability = probability;
    bool ok = !plan_cancelled(plan) &&
              alias_init(&tables->alias, plan, by_place, index->labelled) &&
              cuts_init(&tables->classes, plan, index->start, index->classes);
    plan_work_free(plan, by_place, index->labelled, sizeof(*by_place));
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = draws;
    return ok ? PLAN_OK : PLAN_NO_MEMORY;
}
