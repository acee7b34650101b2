/*
 * The quota engine: every batch, every rank's part and the whole epoch hold exactly the proportions
 * asked for. Step b of B takes the points i * B + (s + a b) mod B of the grid [0, G B), cut into
 * one interval a class; SAMPLING.md says why that is exact.
 */
#include <stdlib.h>
#include "sampler/coverage.h"
#include "sampler/internal.h"
#include "sampler/members.h"

/* Enough for Euclid's algorithm on numbers of 48 bits. */
#define QUOTA_LEVELS 76

/* A denominator q of the continued fraction of a/B, a being the stride. The points of q steps in a
 * row fall so evenly on the residues modulo B that their number in an interval has a closed form.
 */
struct quota_level {
    uint64_t length; /* q */
    uint64_t turn;   /* with p/q the fraction, +-1/p modulo q */
    int64_t drift;   /* a q - p B: how far q steps move a point */
};

/* One epoch's worth of steps: a whole epoch, or what was left of one. */
struct quota_grid {
    struct quota_level level[QUOTA_LEVELS]; /* lengths from 1 up */
    uint32_t levels;
    uint64_t steps;   /* B */
    uint64_t stride;  /* a */
    struct cuts cuts; /* of [0, G * B): the draws of each class */
    const double *shares;
};

struct quota_tables {
    const double *weights;
    uint32_t min_per_class;
    struct quota_grid whole, head;
};

/* ---- the grid ---- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The largest quotient of the continued fraction of b/a, then their sum: how uneven multiples of a
 * fall modulo b. */
static uint64_t unevenness(uint64_t a, uint64_t b)
{
    uint64_t largest = 0, sum = 0;
    while (a) {
        uint64_t quotient = b / a, rest = b % a;
        largest = quotient > largest ? quotient : largest;
        sum += quotient;
        b = a;
        a = rest;
    }
    return largest << 32 | (sum & UINT32_MAX);
}

/* A stride near the golden ratio of `steps`, coprime to it, as even as any nearby. */
static uint64_t grid_stride(uint64_t steps)
{
    uint64_t centre = key_below(GOLDEN, steps);
    uint64_t best = 1, best_unevenness = UINT64_MAX;
    for (uint64_t i = 0; i < 128; i++) {
        uint64_t offset = i / 2 + (i & 1); /* 0, +1, -1, +2, -2, ... */
        uint64_t a = i & 1 ? centre + offset : centre - offset;
        if (a == 0 || a >= steps || gcd(a, steps) != 1)
            continue;
        uint64_t uneven = unevenness(a, steps);
        if (uneven < best_unevenness) {
            best = a;
            best_unevenness = uneven;
        }
    }
    return best;
}

/* Every level follows from the two before it, and 1/p from p q' - p' q = +-1. */
static void grid_levels(struct quota_grid *grid)
{
    uint64_t before = 0, length = 1;
    int64_t drift_before = -(int64_t)grid->steps, drift = (int64_t)(grid->stride % grid->steps);
    grid->levels = 0;
    for (;;) {
        uint64_t turn = drift > 0 ? before : length - before;
        grid->level[grid->levels++] =
            (struct quota_level){.length = length, .turn = turn, .drift = drift};
        if (drift == 0)
            return;
        int64_t quotient = -(drift_before / drift), drift_next = drift_before + quotient * drift;
        uint64_t next = before + (uint64_t)quotient * length;
        before = length;
        length = next;
        drift_before = drift;
        drift = drift_next;
    }
}

/* ---- counting ---- */

/* The ends of the classes that a block meets. */
struct ends {
    uint32_t n;
    uint64_t whole[2 * LANES];                    /* div B */
    _Alignas(LANES_ALIGN) double rest[2 * LANES]; /* mod B */
    double floors[2 * LANES];                     /* see count_run */
};

static void ends_add(struct ends *ends, const struct quota_grid *grid, uint64_t cut)
{
    uint64_t rest;
    ends->whole[ends->n] = divide(cut, grid->steps, &rest);
    ends->rest[ends->n] = (double)rest;
    ends->floors[ends->n++] = 0;
}

/* What lanes_floors does, for numbers of any size. */
static void floors_wide(struct ends *ends, const struct quota_grid *grid,
                        const struct quota_level *level, uint64_t point)
{
    for (uint32_t k = 0; k < ends->n; k++) {
        uint64_t value = grid->steps + point - (uint64_t)ends->rest[k];
        unsigned __int128 product = (unsigned __int128)value * level->length;
        uint64_t t = (uint64_t)(product / grid->steps);
        int64_t rest = (int64_t)(product % grid->steps);
        uint64_t ahead = level->drift > 0;
        product = (unsigned __int128)(t + ahead) * level->turn;
        rest += level->drift * (int64_t)(product % level->length);
        int carry = (rest >= (int64_t)grid->steps) - (rest < 0);
        ends->floors[k] += (double)(t + (uint64_t)(int64_t)carry);
    }
}

/* Adds to floors, for an end with rest r, the sum over j < q of floor((B + point + a j - r) / B),
 * less a number that is the same for all ends. Since a/B is nearly p/q, and p j runs through all
 * residues modulo q, that is floor(q (B + point - r) / B), but for the one j at which the
 * difference between a/B and p/q may carry. */
static void count_run(struct ends *ends, const struct quota_grid *grid,
                      const struct quota_level *level, uint64_t point)
{
    if (grid->steps > LANES_MAX_STEPS) {
        floors_wide(ends, grid, level, point);
        return;
    }
    const struct lanes_floors floors = {
        .steps = (double)grid->steps,
        .start = (double)(grid->steps + point),
        .length = (double)level->length,
        .ahead = level->drift > 0,
        .turn = (double)level->turn,
        .drift = (double)level->drift,
        .per_step = 1 / (double)grid->steps,
        .per_length = 1 / (double)level->length,
    };
    lanes_floors(ends->floors, ends->rest, &floors, ends->n);
}

/* The first `steps` steps, of which the very first has that point, as runs of the levels' lengths.
 */
static void count_steps(struct ends *ends, const struct quota_grid *grid, uint64_t steps,
                        uint64_t point)
{
    for (uint32_t i = grid->levels; i-- > 0;) {
        const struct quota_level *level = &grid->level[i];
        for (; steps >= level->length; steps -= level->length) {
            count_run(ends, grid, level, point);
            point += level->drift < 0 ? grid->steps : 0;
            point += (uint64_t)level->drift;
            point -= point >= grid->steps ? grid->steps : 0;
        }
    }
}

/* ---- drawing ---- */

/* A short last step holds a random part of what a whole one would. */
static void choose_tail(const struct plan *plan, const struct draw_step *at,
                        struct draw_block *block)
{
    for (uint32_t k = 0; k < block->n; k++)
        block->draw[k] = block->position[k];
    lanes_permute_one(block->draw, plan->batch_size, key_derive(at->step_key, KEY_TAIL, 0, 0),
                      block->n, &block->walk);
}

/* The ordinals of a class go on from epoch to epoch of a revision. */
static uint64_t ordinals_before(const struct plan *plan, const struct quota_tables *tables,
                                const struct draw_step *at, uint32_t c)
{
    if (at->head)
        return 0;
    const uint64_t *cut = tables->whole.cuts.cut;
    uint64_t epochs = at->epoch - plan->start_epoch, before = 0;
    if (tables->head.steps) {
        before = tables->head.cuts.cut[c + 1] - tables->head.cuts.cut[c];
        epochs--;
    }
    return before + epochs * (cut[c + 1] - cut[c]);
}

/* The class of each draw, and which of `ends` is its class' end; the one before is its start.
 * Positions come in order, so classes do: what is the same for a class is found once. */
static void find_classes(const struct quota_grid *grid, uint64_t point0, struct draw_block *block,
                         struct ends *ends, uint32_t *end)
{
    const uint64_t *cut = grid->cuts.cut;
    uint64_t low = 1, high = 0;
    uint32_t c = 0;
    for (uint32_t k = 0; k < block->n; k++) {
        uint64_t point = block->draw[k] * grid->steps + point0;
        if (point < low || point >= high) {
            c = cuts_find(&grid->cuts, point);
            if (ends->n == 0 || cut[c] != high)
                ends_add(ends, grid, cut[c]);
            low = cut[c];
            high = cut[c + 1];
            ends_add(ends, grid, high);
        }
        block->class[k] = c;
        end[k] = ends->n - 1;
    }
}

static void quota_resolve(const struct plan *plan, const struct draw_step *at,
                          struct draw_block *block)
{
    const struct quota_tables *tables = plan->tables;
    const struct quota_grid *grid = at->head ? &tables->head : &tables->whole;
    uint64_t steps = grid->steps;
    uint64_t start = key_below(key_derive(at->epoch_key, KEY_GRID, 0, 0), steps);
    uint64_t point0 = (uint64_t)((start + (unsigned __int128)grid->stride * at->step) % steps);
    if (at->size < plan->batch_size)
        choose_tail(plan, at, block);
    else {
        for (uint32_t k = 0; k < block->n; k++)
            block->draw[k] = block->position[k];
    }
    struct ends ends;
    uint32_t end[LANES];
    ends.n = 0;
    find_classes(grid, point0, block, &ends, end);
    count_steps(&ends, grid, at->step, start);
    for (uint32_t k = 0; k < block->n; k++) {
        uint32_t c = block->class[k], high = end[k], low = high - 1;
        /* Points of the class in earlier steps, and the class' first position in this one. */
        uint64_t earlier = at->step * (ends.whole[high] - ends.whole[low]) +
                           (uint64_t)(int64_t)(ends.floors[low] - ends.floors[high]);
        uint64_t first = ends.whole[low] + (ends.rest[low] > (double)point0);
        block->member[k] = ordinals_before(plan, tables, at, c) + earlier + block->draw[k] - first;
    }
    members_permuted(plan, key_derive(plan->seed, KEY_REVISION, 0, plan->revision), block);
}

/* ---- building ---- */

/* Draws of each class in so many steps. Classes below the minimum are fixed at it and the others
 * share the rest, until none is below. */
static bool apportion(const struct quota_tables *tables, uint32_t classes, uint64_t batch_size,
                      uint64_t steps, uint64_t *count)
{
    double *weights = malloc(classes * sizeof(*weights));
    uint64_t *share = malloc(classes * sizeof(*share));
    bool ok = weights && share, again = ok;
    uint64_t least = tables->min_per_class * steps, left = batch_size * steps;
    for (uint32_t c = 0; ok && c < classes; c++) {
        weights[c] = tables->weights[c];
        count[c] = 0;
    }
    while (again) {
        again = false;
        ok = tables_apportion(weights, classes, left, share);
        for (uint32_t c = 0; ok && c < classes; c++) {
            if (weights[c] > 0 && share[c] < least) {
                weights[c] = 0;
                count[c] = least;
                left -= least;
                again = true;
            }
        }
    }
    for (uint32_t c = 0; ok && c < classes; c++) {
        if (weights[c] > 0)
            count[c] = share[c];
    }
    free(weights);
    free(share);
    return ok;
}

static bool grid_build(struct plan *plan, const struct quota_tables *tables,
                       struct quota_grid *grid, uint64_t steps)
{
    uint32_t classes = plan->index->classes;
    uint64_t *cut = plan_alloc(plan, classes + 1ull, sizeof(*cut));
    double *shares = plan_alloc(plan, classes, sizeof(*shares));
    if (!cut || !shares || !apportion(tables, classes, plan->batch_size, steps, cut + 1))
        return false;
    for (uint32_t c = 0; c < classes; c++) {
        shares[c] = (double)cut[c + 1] / ((double)steps * plan->batch_size);
        cut[c + 1] += cut[c];
    }
    grid->steps = steps;
    grid->stride = grid_stride(steps);
    grid_levels(grid);
    grid->shares = shares;
    return cuts_init(&grid->cuts, plan, cut, classes);
}

static const double *quota_shares(const struct plan *plan, uint64_t epoch, bool head)
{
    (void)epoch;
    const struct quota_tables *tables = plan->tables;
    return head ? tables->head.shares : tables->whole.shares;
}

/* The epoch's draws are all made, and the first that the plan makes: ordinals begin at 0. */
static void quota_coverage(const struct plan *plan, uint64_t epoch, uint64_t draws, double *out)
{
    const struct quota_tables *tables = plan->tables;
    const uint64_t *cut = tables->whole.cuts.cut;
    (void)epoch, (void)draws;
    for (uint32_t c = 0; c < plan->index->classes; c++) {
        if (cut[c + 1] == cut[c])
            continue;
        struct coverage coverage = coverage_begin(class_size(plan->index, c));
        coverage_permuted(&coverage, cut[c + 1] - cut[c], 1);
        out[c] = coverage_end(&coverage);
    }
}

static int quota_place_head(struct plan *plan, uint64_t steps)
{
    struct quota_tables *tables = plan->tables;
    return grid_build(plan, tables, &tables->head, steps) ? PLAN_OK : PLAN_NO_MEMORY;
}

static const struct engine engine = {
    .name = "quota",
    .resolve = quota_resolve,
    .shares = quota_shares,
    .coverage = quota_coverage,
    .place_head = quota_place_head,
    .ordered = true,
    .whole_steps = true,
};

int quota_engine(struct plan *plan, const struct quota_spec *spec, struct sampler_error *err)
{
    uint32_t classes = plan->index->classes, drawn = 0;
    uint64_t steps = spec->draws / plan->batch_size;
    if (steps == 0)
        return plan_refuse(
            err, "batch_size",
            "an epoch of %llu draws does not fill one batch of %u, and this strategy "
            "has full batches only: take a smaller batch or a larger num_samples",
            (unsigned long long)spec->draws, plan->batch_size);
    for (uint32_t c = 0; c < classes; c++)
        drawn += spec->weights[c] > 0;
    if ((uint64_t)drawn * spec->min_per_class > plan->batch_size)
        return plan_refuse(err, "min_per_class",
                           "%u of each of %u classes do not fit in a batch of %u: take a larger "
                           "batch or a smaller min_per_class",
                           spec->min_per_class, drawn, plan->batch_size);
    struct quota_tables *tables = plan_alloc(plan, 1, sizeof(*tables));
    double *weights = plan_alloc(plan, classes, sizeof(*weights));
    if (!tables || !weights)
        return PLAN_NO_MEMORY;
    for (uint32_t c = 0; c < classes; c++)
        weights[c] = spec->weights[c];
    tables->weights = weights;
    tables->min_per_class = spec->min_per_class;
    if (!grid_build(plan, tables, &tables->whole, steps))
        return PLAN_NO_MEMORY;
    plan->engine = &engine;
    plan->tables = tables;
    plan->draws = steps * plan->batch_size;
    plan->columns |= 1u << PLAN_REPEAT;
    plan_hash(plan, tables->whole.cuts.cut, (classes + 1ull) * sizeof(uint64_t));
    plan_hash(plan, &tables->whole.stride, sizeof(tables->whole.stride));
    return PLAN_OK;
}
