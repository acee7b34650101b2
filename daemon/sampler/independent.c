/*
 * The independent engine: every draw by itself, with replacement. An alias table picks the class
 * for a number, and what the number is times the golden ratio the member.
 */
#include "sampler/coverage.h"
#include "sampler/internal.h"

struct stage {
    struct alias alias;
    const double *shares;
};

struct independent_tables {
    uint64_t first_epoch; /* of the first stage */
    uint64_t stages;      /* one an epoch; the last one stays */
    const struct stage *stage;
};

static const struct stage *stage_of(const struct plan *plan, uint64_t epoch)
{
    const struct independent_tables *tables = plan->tables;
    uint64_t i = epoch > tables->first_epoch ? epoch - tables->first_epoch : 0;
    return &tables->stage[i < tables->stages ? i : tables->stages - 1];
}

static void independent_resolve(const struct plan *plan, const struct draw_step *at,
                                struct draw_block *block)
{
    const struct alias alias = stage_of(plan, at->epoch)->alias;
    const uint64_t *start = plan->index->start;
    for (uint32_t from = 0, to; from < block->n; from = to) {
        const uint64_t *number = draw_numbers(block, at->epoch_key, from, &to);
        for (uint32_t k = from; k < to; k++) {
            uint64_t u = number[k - from];
            uint32_t c = (uint32_t)alias_draw(&alias, u);
            block->class[k] = c;
            block->member[k] = start[c] + key_below(u * GOLDEN, start[c + 1] - start[c]);
            member_prefetch(plan, block->member[k]);
        }
    }
}

static const double *independent_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)head;
    return stage_of(plan, epoch)->shares;
}

static void independent_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws,
                                 double *out)
{
    const double *shares = stage_of(plan, epoch)->shares;
    for (uint32_t c = 0; c < plan->index->classes; c++) {
        if (shares[c] == 0)
            continue;
        struct coverage coverage = coverage_begin(class_size(plan->index, c));
        coverage_uniform(&coverage, draws, shares[c]);
        out[c] = coverage_end(&coverage);
    }
}

static const struct engine engine = {
    .name = "independent",
    .resolve = independent_resolve,
    .shares = independent_shares,
    .coverage = independent_coverage,
};

static bool stage_init(struct plan *plan, struct stage *stage, const double *weights)
{
    uint32_t classes = plan->index->classes;
    double *shares = plan_alloc(plan, classes, sizeof(*shares)), sum = 0;
    if (!shares || !alias_init(&stage->alias, plan, weights, classes))
        return false;
    for (uint32_t c = 0; c < classes; c++)
        sum += weights[c];
    for (uint32_t c = 0; c < classes; c++)
        shares[c] = weights[c] / sum;
    stage->shares = shares;
    return true;
}

int independent_engine(struct plan *plan, const struct independent_spec *spec)
{
    struct independent_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    struct stage *stage = plan_alloc(plan, spec->stages, sizeof(*stage));
    if (!tables || !stage)
        return PLAN_NO_MEMORY;
    for (uint64_t i = 0; i < spec->stages; i++) {
        if (!stage_init(plan, &stage[i], spec->weights + i * plan->index->classes))
            return PLAN_NO_MEMORY;
    }
    *tables = (struct independent_tables){
        .first_epoch = spec->first_epoch, .stages = spec->stages, .stage = stage};
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = spec->draws;
    plan_hash(plan, &spec->first_epoch, sizeof(spec->first_epoch));
    return PLAN_OK;
}
