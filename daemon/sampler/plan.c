/* The life of a plan, and what can be asked of it whatever its engine is: shapes, slices, columns,
 * digest, memory (plan.h). Called by jobs, replays and previews. */
#include "sampler/plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "sampler/columns.h"
#include "sampler/internal.h"
#include "sampler/pairs.h"
#include "sampler/view.h"

/* ---- memory and digest ---- */

struct plan_memory_block {
    struct plan_memory_block *next;
    _Alignas(LANES_ALIGN) unsigned char bytes[];
};

static bool budget_take(struct plan *plan, uint64_t bytes)
{
    struct plan_budget *budget = plan->budget;
    if (!budget)
        return true;
    uint64_t used = atomic_fetch_add(&budget->used, bytes);
    if (used + bytes <= atomic_load(&budget->limit))
        return true;
    atomic_fetch_sub(&budget->used, bytes);
    plan->short_of = bytes;
    return false;
}

static void budget_give(const struct plan *plan, uint64_t bytes)
{
    if (plan->budget)
        atomic_fetch_sub(&plan->budget->used, bytes);
}

void *plan_work_alloc(struct plan *plan, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !budget_take(plan, bytes))
        return NULL;
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        budget_give(plan, bytes);
    return memory;
}

void plan_work_free(struct plan *plan, void *memory, size_t count, size_t size)
{
    if (memory)
        budget_give(plan, count * size);
    free(memory);
}

void *plan_alloc(struct plan *plan, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        bytes > SIZE_MAX - sizeof(struct plan_memory_block) - LANES_ALIGN)
        return NULL;
    bytes =
        (sizeof(struct plan_memory_block) + bytes + LANES_ALIGN - 1) / LANES_ALIGN * LANES_ALIGN;
    if (!budget_take(plan, bytes))
        return NULL;
    struct plan_memory_block *block = table_alloc(bytes);
    if (!block) {
        budget_give(plan, bytes);
        return NULL;
    }
    memset(block, 0, bytes);
    block->next = plan->blocks;
    plan->blocks = block;
    plan->memory += bytes;
    return block->bytes;
}

void plan_hash(struct plan *plan, const void *data, size_t size)
{
    plan->digest = XXH3_64bits_withSeed(data, size, plan->digest);
}

static void hash_number(struct plan *plan, uint64_t number)
{
    plan_hash(plan, &number, sizeof(number));
}

int plan_refuse(struct sampler_error *err, const char *detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    snprintf(err->detail, sizeof(err->detail), "%s", detail);
    return PLAN_REFUSED;
}

/* ---- life ---- */

static void plan_free(struct plan *plan)
{
    while (plan->blocks) {
        struct plan_memory_block *next = plan->blocks->next;
        free(plan->blocks);
        plan->blocks = next;
    }
    budget_give(plan, plan->memory - sizeof(*plan));
    free(plan);
}

/* What a failed compilation comes to. */
static int build_failed(const struct plan *plan, int code, struct sampler_error *err)
{
    if (plan_cancelled(plan))
        return PLAN_CANCELLED;
    if (code != PLAN_NO_MEMORY || !plan->short_of)
        return code;
    plan_refuse(err, "memory",
                "the strategy's tables need at least %.1f MB, and of the memory there may be for "
                "plans %.1f of %.1f MB are taken: drop jobs or datasets, take a strategy with "
                "smaller tables (fewer orders), or start evendrawd with a larger --memory-limit",
                (double)(plan->memory + plan->short_of) / 1e6,
                (double)(atomic_load(&plan->budget->used) - plan->memory) / 1e6,
                (double)atomic_load(&plan->budget->limit) / 1e6);
    return PLAN_LIMIT;
}

/* A plan that draws from the index, by no strategy yet. */
static void plan_draw_from(struct plan *plan, const struct class_index *index)
{
    plan->index = index;
    if (index->member32) {
        plan->member_table = (const char *)index->member32;
        plan->member_width = sizeof(*index->member32);
    } else if (index->member64) {
        plan->member_table = (const char *)index->member64;
        plan->member_width = sizeof(*index->member64);
    } else {
        plan->member_table = (const char *)index->start; /* some address */
    }
    plan_hash(plan, index->start, (index->classes + 1ull) * sizeof(*index->start));
}

/* Its tables, for an index that is that of the input or a view of it. */
static int plan_compile(struct plan *plan, const struct plan_input *in,
                        const struct class_index *index, struct sampler_error *err)
{
    struct plan_input part = *in;
    part.index = index;
    plan_draw_from(plan, index);
    if (index != in->index)
        view_hash(plan, index);
    int rc = plan_cancelled(plan) ? PLAN_CANCELLED : in->strategy->kind->compile(plan, &part, err);
    if (rc == PLAN_OK)
        rc = pairs_build(plan, &part, err);
    if (rc == PLAN_REFUSED && index != in->index)
        view_name(in, index, err);
    return rc;
}

int plan_build(struct plan **out, const struct plan_input *in, struct sampler_error *err)
{
    const struct class_index *index;
    if (in->batch_size == 0)
        return plan_refuse(err, "batch_size", "a batch needs at least one sample");
    if (in->index->labelled == 0)
        return plan_refuse(err, "dataset", "no sample of the dataset has a label");
    struct plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return PLAN_NO_MEMORY;
    atomic_init(&plan->users, 1);
    plan->seed = in->seed;
    plan->revision = in->revision;
    plan->batch_size = in->batch_size;
    plan->last_batch = in->last_batch;
    plan->memory = sizeof(*plan);
    plan->budget = in->budget;
    plan->cancel = in->cancel;
    plan->columns =
        1u << PLAN_INDEX | 1u << PLAN_LABEL | 1u << PLAN_PROBABILITY | 1u << PLAN_AUGMENT_SEED;
    hash_number(plan, in->seed);
    hash_number(plan, in->revision);
    hash_number(plan, in->batch_size);
    hash_number(plan, in->last_batch);
    int rc = view_build(plan, in, &index, err);
    if (rc == PLAN_OK)
        rc = plan_compile(plan, in, index, err);
    if (rc != PLAN_OK) {
        rc = build_failed(plan, rc, err);
        plan_free(plan);
        return rc;
    }
    if (plan->columns & 1u << PLAN_REPEAT)
        plan->columns |= 1u << PLAN_AUGMENT_STRENGTH;
    plan_hash(plan, plan->engine->name, strlen(plan->engine->name));
    hash_number(plan, plan->draws);
    plan->cancel = NULL;
    *out = plan;
    return PLAN_OK;
}

uint64_t plan_cost(const struct plan_input *in)
{
    const struct strategy_kind *kind = in->strategy->kind;

    uint64_t cost = kind->cost ? kind->cost(in) : in->index->classes * COST_OF_CLASS;

    if (strategy_has_from(in->strategy))
        cost += in->index->labelled * COST_OF_VIEW;
    return pairs_given(in->strategy) ? cost + COST_OF_PAIRS : cost;
}

struct plan *plan_ref(struct plan *plan)
{
    atomic_fetch_add_explicit(&plan->users, 1, memory_order_relaxed);
    return plan;
}

void plan_unref(struct plan *plan)
{
    if (plan && atomic_fetch_sub_explicit(&plan->users, 1, memory_order_acq_rel) == 1)
        plan_free(plan);
}

/* ---- epochs and placement ---- */

struct epoch_shape plan_epoch(const struct plan *plan, uint64_t epoch)
{
    (void)epoch;
    uint32_t size = plan->batch_size;
    uint64_t steps = plan->draws / size;
    uint32_t rest = (uint32_t)(plan->draws % size);
    bool partial = rest && plan->last_batch != LAST_DROP && !plan->engine->whole_steps;
    struct epoch_shape shape = {.steps = steps + partial, .last_size = size};
    if (partial && plan->last_batch != LAST_PAD)
        shape.last_size = rest;
    return shape;
}

int plan_place(struct plan *plan, uint64_t epoch, uint64_t step, struct epoch_shape shape,
               struct sampler_error *err)
{
    plan->start_epoch = epoch;
    plan->start_step = step;
    if (step == 0 || !plan->engine->place_head)
        return PLAN_OK;
    if (step >= shape.steps)
        return plan_refuse(err, "step",
                           "the epoch has %llu steps, so none is left from step %llu on",
                           (unsigned long long)shape.steps, (unsigned long long)step);
    return plan->engine->place_head(plan, shape.steps - step);
}

/* ---- drawing ---- */

size_t plan_scratch_size(const struct plan *plan)
{
    (void)plan;
    return sizeof(struct draw_block);
}

uint32_t plan_columns_known(const struct plan *plan)
{
    return plan->columns;
}

/* The positions of a slice, in the order of slots: two runs with the same stride, because the step
 * is turned by `turn` before the ranks take their slots. */
struct slice_runs {
    uint32_t stride;
    uint32_t first[2], count[2];
};

static uint32_t run_length(uint32_t first, uint32_t end, uint32_t stride)
{
    return first < end ? (end - first - 1) / stride + 1 : 0;
}

static struct slice_runs slice_runs(uint32_t batch_size, uint32_t size, uint32_t turn,
                                    uint32_t rank, uint32_t world)
{
    /* Slot s holds position (s - turn) mod G; the slots of a rank are rank, rank + W, ... */
    uint32_t first = rank >= turn ? rank - turn : batch_size - (turn - rank);
    uint32_t before_wrap = run_length(first, batch_size, world);
    uint32_t wrapped = (uint32_t)(first + (uint64_t)before_wrap * world - batch_size);
    struct slice_runs runs = {.stride = world, .first = {first, wrapped}};
    runs.count[0] = run_length(first, size, world);
    /* The second run ends where the first one began. */
    runs.count[1] = run_length(wrapped, size < first ? size : first, world);
    return runs;
}

static void fill_run(struct draw_block *block, uint32_t from, uint32_t to, uint32_t first,
                     uint32_t stride)
{
    for (uint32_t k = from; k < to; k++)
        block->position[k] = first + (k - from) * stride;
}

static void fill_positions(struct draw_block *block, const struct slice_runs *runs, uint32_t from)
{
    uint32_t n = block->n, left = runs->count[0] > from ? runs->count[0] - from : 0;
    uint32_t turn = left < n ? left : n;
    block->turn = turn;
    fill_run(block, 0, turn, runs->first[0] + from * runs->stride, runs->stride);
    fill_run(block, turn, n, runs->first[1] + (from + turn - runs->count[0]) * runs->stride,
             runs->stride);
    for (uint32_t k = 0; k < n; k++)
        block->place[k] = from + k;
}

/* Batches whose positions are ordered by class are put in random order. */
static void shuffle_places(struct draw_block *block, uint64_t key, uint32_t count)
{
    for (uint32_t k = 0; k < block->n; k++)
        block->draw[k] = block->place[k];
    lanes_permute_one(block->draw, count, key, block->n, &block->walk);
    for (uint32_t k = 0; k < block->n; k++)
        block->place[k] = (uint32_t)block->draw[k];
}

static void fill_draws(const struct plan *plan, const struct draw_step *at,
                       struct draw_block *block)
{
    uint64_t first = at->step * plan->batch_size;
    for (uint32_t k = 0, n = block->n; k < n; k++)
        block->draw[k] = first + block->position[k];
    /* Padding repeats the epoch's start; a plan that took over in mid-epoch just draws on. */
    if (plan->last_batch == LAST_PAD && !at->head && !plan->engine->whole_steps &&
        first + plan->batch_size > plan->draws) {
        for (uint32_t k = 0; k < block->n; k++)
            block->draw[k] %= plan->draws;
    }
}

const uint64_t *draw_numbers(struct draw_block *block, uint64_t epoch_key, uint32_t from,
                             uint32_t *to)
{
    static const uint32_t no_class[LANES];
    *to = from < block->turn ? block->turn : block->n;
    const uint64_t *draw = block->draw + from;
    uint32_t n = *to - from, odd = draw[0] & 1;
    bool in_a_row = draw[n - 1] - draw[0] == n - 1;
    uint32_t pairs = in_a_row ? (n + odd + 1) / 2 : n;
    uint64_t *pair = block->size;
    for (uint32_t k = 0; k < pairs; k++)
        pair[k] = in_a_row ? draw[0] / 2 + k : draw[k] / 2;
    lanes_numbers(epoch_key, KEY_DRAW, pair, no_class, block->first, block->second, pairs);
    if (in_a_row) {
        for (uint32_t k = 0; k < pairs; k++) {
            block->number[2 * k] = block->first[k];
            block->number[2 * k + 1] = block->second[k];
        }
        return block->number + odd;
    }
    /* Others of a pair are other ranks'. */
    for (uint32_t k = 0; k < n; k++)
        block->number[k] = draw[k] & 1 ? block->second[k] : block->first[k];
    return block->number;
}

/* Which positions of a step a slice holds. */
static struct slice_runs place_slice(const struct plan *plan, const struct plan_slice *slice,
                                     uint32_t size, uint64_t step_key)
{
    uint32_t turn = (uint32_t)key_below(key_derive(step_key, KEY_TURN, 0, 0), plan->batch_size);

    return slice_runs(plan->batch_size, size, turn, slice->rank, slice->world);
}

static uint32_t step_size(const struct plan *plan, const struct plan_slice *slice)
{
    return slice->step + 1 == slice->shape.steps ? slice->shape.last_size : plan->batch_size;
}

uint32_t plan_slice_size(const struct plan *plan, const struct plan_slice *slice)
{
    uint32_t size = step_size(plan, slice);
    uint64_t epoch_key = key_derive(plan->seed, KEY_EPOCH, slice->epoch, plan->revision);
    struct slice_runs runs =
        place_slice(plan, slice, size, key_derive(epoch_key, KEY_STEP, slice->step, 0));

    return runs.count[0] + runs.count[1];
}

uint32_t plan_draw(const struct plan *plan, const struct plan_slice *slice,
                   const struct plan_columns *columns, void *scratch)
{
    struct draw_block *block = scratch;
    bool first_epoch = slice->epoch == plan->start_epoch;
    struct draw_step at = {
        .epoch = slice->epoch,
        .step = slice->step - (first_epoch ? plan->start_step : 0),
        .head = first_epoch && plan->start_step > 0,
        .size = step_size(plan, slice),
        .epoch_key = key_derive(plan->seed, KEY_EPOCH, slice->epoch, plan->revision),
    };
    at.step_key = key_derive(at.epoch_key, KEY_STEP, slice->step, 0);
    uint64_t rank_key = key_derive(at.step_key, KEY_RANK, slice->rank, slice->world);
    struct slice_runs runs = place_slice(plan, slice, at.size, at.step_key);
    uint32_t count = runs.count[0] + runs.count[1];
    for (uint32_t from = 0; from < count; from += LANES) {
        block->n = count - from < LANES ? count - from : LANES;
        fill_positions(block, &runs, from);
        if (plan->engine->ordered)
            shuffle_places(block, rank_key, count);
        fill_draws(plan, &at, block);
        plan->engine->resolve(plan, &at, block);
        columns_fill(plan, slice->step, &at, block, columns);
    }
    return count;
}

uint64_t index_sample(const struct class_index *index, uint64_t place)
{
    if (index->member32)
        return index->member32[place];
    if (index->member64)
        return index->member64[place];
    uint32_t c = 0, last = index->classes - 1;
    while (c < last) {
        uint32_t middle = c + (last - c) / 2;
        if (index->start[middle + 1] > place)
            last = middle;
        else
            c = middle + 1;
    }
    return index->first[c] + (place - index->start[c]);
}

/* ---- asking ---- */

const struct class_index *plan_index(const struct plan *plan)
{
    return plan->index;
}

void plan_expected(const struct plan *plan, uint64_t epoch, double *share)
{
    const double *table = plan->engine->shares(plan, epoch, false);
    memcpy(share, table, plan->index->classes * sizeof(*share));
}

uint64_t plan_digest(const struct plan *plan)
{
    return plan->digest;
}

size_t plan_memory(const struct plan *plan)
{
    return plan->memory;
}
