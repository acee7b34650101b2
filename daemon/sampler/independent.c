/*
 * The independent engine: every draw by itself, with replacement. An alias table picks the class,
 * a second number the member.
 */
#include "sampler/internal.h"

struct independent_tables {
    struct alias alias;
    const double *shares;
};

static const uint32_t no_class[LANES];

static void independent_resolve(const struct plan *plan, const struct draw_step *at,
                                struct draw_block *block)
{
    const struct independent_tables *tables = plan->tables;
    const struct alias alias = tables->alias;
    const uint64_t *start = plan->index->start;
    lanes_numbers(at->epoch_key, KEY_DRAW, block->draw, no_class, block->first, block->second,
                  block->n);
    for (uint32_t k = 0; k < block->n; k++) {
        uint32_t c = (uint32_t)alias_draw(&alias, block->first[k]);
        block->class[k] = c;
        block->member[k] = key_below(block->second[k], start[c + 1] - start[c]);
    }
}

static const double *independent_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)epoch, (void)head;
    return ((const struct independent_tables *)plan->tables)->shares;
}

static const struct engine engine = {
    .name = "independent",
    .resolve = independent_resolve,
    .shares = independent_shares,
};

int independent_engine(struct plan *plan, const double *class_weights, uint64_t draws,
                       struct sampler_error *err)
{
    (void)err;
    uint32_t classes = plan->index->classes;
    struct independent_tables *tables = plan_alloc(plan, 1, sizeof *tables);
    double *shares = plan_alloc(plan, classes, sizeof *shares);
    if (!tables || !shares || !alias_init(&tables->alias, plan, class_weights, classes))
        return PLAN_NO_MEMORY;
    double sum = 0;
    for (uint32_t c = 0; c < classes; c++)
        sum += class_weights[c];
    for (uint32_t c = 0; c < classes; c++)
        shares[c] = class_weights[c] / sum;
    tables->shares = shares;
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = draws;
    return PLAN_OK;
}
