/* From a block's classes and members to the columns that were asked for (columns.h). Called by
 * plan_draw. */
#include "sampler/columns.h"

#include "sampler/pairs.h"

/* Writes the sample indices of a block's members, or of their partners, as numbers of some type. */
#define GATHER_INDEX(name, type)                                                                   \
    static void name(const struct class_index *index, const struct draw_block *block,              \
                     const uint64_t *member, const uint32_t *class, type *out)                     \
    {                                                                                              \
        const uint32_t n = block->n;                                                               \
        if (index->member32) {                                                                     \
            for (uint32_t k = 0; k < n; k++)                                                       \
                out[block->place[k]] = (type)index->member32[member[k]];                           \
        } else if (index->member64) {                                                              \
            for (uint32_t k = 0; k < n; k++)                                                       \
                out[block->place[k]] = (type)index->member64[member[k]];                           \
        } else {                                                                                   \
            for (uint32_t k = 0; k < n; k++) {                                                     \
                uint32_t c = class[k];                                                             \
                out[block->place[k]] = (type)(index->first[c] + (member[k] - index->start[c]));    \
            }                                                                                      \
        }                                                                                          \
    }

GATHER_INDEX(gather_index, uint64_t)
GATHER_INDEX(gather_index32, uint32_t)

static void fill_pairs(const struct plan *plan, uint64_t epoch_key, uint64_t step,
                       struct draw_block *block, const struct plan_columns *columns)
{
    pairs_draw(plan, epoch_key, step, block);
    if (columns->mix_index)
        gather_index(plan->index, block, block->partner, block->partner_class, columns->mix_index);
    if (columns->mix_index32)
        gather_index32(plan->index, block, block->partner, block->partner_class,
                       columns->mix_index32);
    if (columns->mix_label) {
        for (uint32_t k = 0; k < block->n; k++)
            columns->mix_label[block->place[k]] = block->partner_class[k];
    }
    if (columns->mix_lambda)
        pairs_shares(block, columns->mix_lambda);
    if (columns->mix_label_lambda)
        pairs_label_shares(plan, block, columns->mix_label_lambda);
}

static bool pairs_wanted(const struct plan_columns *columns)
{
    return columns->mix_index || columns->mix_index32 || columns->mix_label ||
           columns->mix_lambda || columns->mix_label_lambda;
}

void columns_fill(const struct plan *plan, uint64_t step, const struct draw_step *at,
                  struct draw_block *block, const struct plan_columns *columns)
{
    if (columns->index)
        gather_index(plan->index, block, block->member, block->class, columns->index);
    if (columns->index32)
        gather_index32(plan->index, block, block->member, block->class, columns->index32);
    if (columns->label) {
        for (uint32_t k = 0; k < block->n; k++)
            columns->label[block->place[k]] = block->class[k];
    }
    if (columns->repeat) {
        for (uint32_t k = 0; k < block->n; k++)
            columns->repeat[block->place[k]] = block->repeat[k];
    }
    if (columns->augment_strength) {
        for (uint32_t k = 0; k < block->n; k++)
            columns->augment_strength[block->place[k]] =
                (float)(1 - 1 / (1 + (double)block->repeat[k]));
    }
    if (columns->probability && plan->engine->probability)
        plan->engine->probability(plan, block, columns->probability);
    else if (columns->probability) {
        const double *share = plan->engine->shares(plan, at->epoch, at->head);
        for (uint32_t k = 0; k < block->n; k++) {
            uint32_t c = block->class[k];
            columns->probability[block->place[k]] =
                (float)(share[c] / (double)class_size(plan->index, c));
        }
    }
    if (columns->augment_seed) {
        for (uint32_t k = 0; k < block->n; k++)
            block->draw[k] = step;
        lanes_numbers(at->epoch_key, KEY_AUGMENT, block->draw, block->position, block->first,
                      block->second, block->n);
        for (uint32_t k = 0; k < block->n; k++)
            columns->augment_seed[block->place[k]] = block->first[k];
    }
    if (pairs_wanted(columns))
        fill_pairs(plan, at->epoch_key, step, block, columns);
}
