/*
 * An approximate search: each query against the points of the lists that are nearest to it. A unit
 * is a block of queries; list by list those of them that probe it are put side by side and
 * multiplied with its points. The first pass is in float32 and the second in double, as in an exact
 * search (knn_tiles.c, knn_exact.c). Units by knn_run for neighbours.c; ranks for knn_lists.c and
 * knn_recall.c, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"

struct knn_probing {
    struct knn_best
        rank[KNN_BLOCK]; /* lists of each row, by the squared distance of the centroid */
    double *rank_squared;
    uint32_t *rank_list;
    uint16_t *wanted; /* list by list the rows of the block that probe it */
    uint32_t *starts; /* of each list in `wanted` */
    /* Of the list that is compared. */
    const uint16_t *rows; /* whose values are in: */
    uint32_t row_count, first_slot;
    union {
        double *f64;
        float *f32;
    } values;
    union {
        double f64[KNN_BLOCK];
        float f32[KNN_BLOCK];
    } half, least;
    /* Of the block: where the packed rows of its queries are, and their places there. */
    const float *block, *block_half;
    uint16_t place[KNN_BLOCK];
};

static const float never_f32[KNN_BLOCK] = {
#define NEVER_4  INFINITY, INFINITY, INFINITY, INFINITY
#define NEVER_16 NEVER_4, NEVER_4, NEVER_4, NEVER_4
#define NEVER_96 NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16
    NEVER_96, NEVER_96, NEVER_96, NEVER_96};

static size_t most_ranks(const struct knn_search *s)
{
    return s->lists.most > 1 ? s->lists.most / 2 : 1;
}

size_t knn_probing_bytes(const struct knn_search *s)
{
    return sizeof(struct knn_probing) +
           KNN_BLOCK * most_ranks(s) * (sizeof(double) + sizeof(uint32_t) + sizeof(uint16_t)) +
           ((size_t)s->lists.most + 1) * sizeof(uint32_t) +
           KNN_BLOCK * (size_t)s->d * sizeof(double);
}

int knn_probing_new(struct knn_batch *batch)
{
    struct knn_search *s = batch->search;
    struct knn_probing *p = batch->probing = knn_alloc(s, 1, sizeof(*p));

    if (p == NULL)
        return s->error.code;
    memset(p, 0, sizeof(*p));
    p->rank_squared = knn_alloc(s, KNN_BLOCK * most_ranks(s), sizeof(double));
    p->rank_list = knn_alloc(s, KNN_BLOCK * most_ranks(s), sizeof(uint32_t));
    p->wanted = knn_alloc(s, KNN_BLOCK * most_ranks(s), sizeof(uint16_t));
    p->starts = knn_alloc(s, (size_t)s->lists.most + 1, sizeof(uint32_t));
    p->values.f64 = knn_alloc(s, KNN_BLOCK * (size_t)s->d, sizeof(double));
    if (!p->rank_squared || !p->rank_list || !p->wanted || !p->starts || !p->values.f64)
        return s->error.code;
    /* Rows that fill up what a kernel takes at once are multiplied, too. */
    memset(p->values.f64, 0, KNN_BLOCK * (size_t)s->d * sizeof(double));
    return EVD_OK;
}

void knn_probing_free(struct knn_batch *batch)
{
    struct knn_probing *p = batch->probing;

    if (p == NULL)
        return;
    free(p->rank_squared);
    free(p->rank_list);
    free(p->wanted);
    free(p->starts);
    free(p->values.f64);
    free(p);
}

/* ---- ranks ---- */

struct ranking {
    struct knn_batch *batch;
    uint32_t first; /* list */
};

static void rank_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    const struct ranking *ranking = arg;
    struct knn_batch *batch = ranking->batch;
    struct knn_best *rank = &batch->probing->rank[row];
    const uint32_t list = ranking->first + column;

    if (list >= batch->search->lists.count || !knn_best_take(rank, list, -2 * value))
        return;
    if (rank->count == rank->limit)
        batch->row_least[row] = rank->squared[rank->limit - 1] / -2;
}

static void no_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    (void)arg, (void)row, (void)column, (void)value;
}

void knn_rank(struct knn_batch *batch, uint32_t count)
{
    const struct knn_search *s = batch->search;
    const uint32_t columns = (uint32_t)knn_padded(s->lists.count, KNN_PANEL);
    struct knn_probing *p = batch->probing;
    struct ranking ranking = {batch, 0};
    struct knn_tile_f64 tile = {
        .rows = batch->rows,
        .row_count = (uint32_t)knn_padded(batch->count, KNN_PANEL),
        .d = s->d,
        .row_half = batch->row_half,
        .row_least = batch->row_least,
        .column_least = knn_never,
        .hit = rank_hit,
        .column_hit = no_hit,
        .arg = &ranking,
    };

    for (uint32_t i = 0; i < KNN_BLOCK; i++) {
        p->rank[i] = (struct knn_best){p->rank_squared + (size_t)i * count,
                                       p->rank_list + (size_t)i * count, 0, count};
        batch->row_least[i] = i < batch->count ? -INFINITY : INFINITY;
    }
    for (; ranking.first < columns; ranking.first += KNN_BLOCK) {
        const uint32_t left = columns - ranking.first;

        tile.columns = s->lists.values + (size_t)ranking.first * s->d;
        tile.column_half = s->lists.half + ranking.first;
        tile.column_count = left < KNN_BLOCK ? left : KNN_BLOCK;
        s->path->plain(&tile);
    }
}

const struct knn_best *knn_ranked(const struct knn_batch *batch, uint32_t row)
{
    return &batch->probing->rank[row];
}

/* ---- the lists of a block ---- */

/* Fills `wanted` for the rows of the batch. */
static void choose_lists(struct knn_batch *batch)
{
    const struct knn_lists *lists = &batch->search->lists;
    struct knn_probing *p = batch->probing;
    uint32_t all; /* fewer than rows times probes if features become NaN while they are searched */

    knn_rank(batch, lists->probes);
    memset(p->starts, 0, ((size_t)lists->count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < batch->count; i++)
        for (uint32_t j = 0; j < p->rank[i].count; j++)
            p->starts[p->rank[i].point[j] + 1]++;
    for (uint32_t l = 0; l < lists->count; l++)
        p->starts[l + 1] += p->starts[l];
    all = p->starts[lists->count];
    /* From the last row on, so that in the end each start is one. */
    for (uint32_t i = batch->count; i-- > 0;)
        for (uint32_t j = 0; j < p->rank[i].count; j++)
            p->wanted[--p->starts[p->rank[i].point[j] + 1]] = (uint16_t)i;
    memmove(p->starts, p->starts + 1, lists->count * sizeof(uint32_t));
    p->starts[lists->count] = all;
}

/* Puts the values of some packed rows side by side. */
#define GATHER(type)                                                                               \
    static void gather_##type(type *to, const type *from, const uint16_t *rows, uint32_t count,    \
                              uint32_t d)                                                          \
    {                                                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            const type *x =                                                                        \
                from + rows[i] / KNN_PANEL * KNN_PANEL * (size_t)d + rows[i] % KNN_PANEL;          \
            type *y = to + i / KNN_PANEL * KNN_PANEL * (size_t)d + i % KNN_PANEL;                  \
            for (size_t u = 0; u < (size_t)d * KNN_PANEL; u += KNN_PANEL)                          \
                y[u] = x[u];                                                                       \
        }                                                                                          \
    }
GATHER(float)
GATHER(double)

/* The next list that a row of the batch probes, from *list on. */
static bool next_list(struct knn_probing *p, const struct knn_lists *lists, uint32_t *list)
{
    while (*list < lists->count && p->starts[*list] == p->starts[*list + 1])
        ++*list;
    if (*list == lists->count)
        return false;
    p->rows = p->wanted + p->starts[*list];
    p->row_count = p->starts[*list + 1] - p->starts[*list];
    return true;
}

/* ---- first pass ---- */

static void near_hit(void *arg, uint32_t row, uint32_t column, float value)
{
    struct knn_batch *batch = arg;
    struct knn_probing *p = batch->probing;
    struct knn_search *s = batch->search;
    const uint32_t query = batch->query[p->rows[row]];

    knn_take(s, query, s->lists.slots[p->first_slot + column], value);
    p->least.f32[row] = s->least[query];
}

static void near_no_hit(void *arg, uint32_t row, uint32_t column, float value)
{
    (void)arg, (void)row, (void)column, (void)value;
}

static void near_list(struct knn_batch *batch, uint32_t list)
{
    struct knn_search *s = batch->search;
    struct knn_probing *p = batch->probing;
    struct knn_tile_f32 tile = {
        .rows = p->values.f32,
        .row_count = (uint32_t)knn_padded(p->row_count, KNN_HEIGHT),
        .d = s->d,
        .row_half = p->half.f32,
        .row_least = p->least.f32,
        .column_least = never_f32,
        .hit = near_hit,
        .column_hit = near_no_hit,
        .arg = batch,
    };
    uint16_t places[KNN_BLOCK] = {0}; /* also of rows that are none */

    for (uint32_t i = 0; i < tile.row_count; i++) {
        const bool one = i < p->row_count;

        if (one)
            places[i] = p->place[p->rows[i]];
        p->half.f32[i] = one ? p->block_half[places[i]] : INFINITY;
        p->least.f32[i] = one ? s->least[batch->query[p->rows[i]]] : INFINITY;
    }
    gather_float(p->values.f32, p->block, places, p->row_count, s->d);
    for (p->first_slot = s->lists.starts[list]; p->first_slot < s->lists.starts[list + 1];
         p->first_slot += KNN_BLOCK) {
        const uint32_t left = s->lists.starts[list + 1] - p->first_slot;

        tile.columns = s->packed.values + (size_t)p->first_slot * s->d;
        tile.column_half = s->packed.half + p->first_slot;
        tile.column_count = left < KNN_BLOCK ? left : KNN_BLOCK;
        s->path->f32(&tile);
    }
}

/* Where queries and points are the same rows, a block is one of slots; else one of queries. */
static uint32_t slots_of_queries(const struct knn_search *s)
{
    return s->self ? s->query_count : s->lists.starts[s->lists.count];
}

uint64_t knn_probe_units(const struct knn_search *s)
{
    return knn_padded(slots_of_queries(s), KNN_BLOCK) / KNN_BLOCK;
}

static void load_block(struct knn_batch *batch, uint64_t unit)
{
    struct knn_search *s = batch->search;
    const struct knn_pack *pack = s->self ? &s->packed_queries : &s->packed;
    const uint32_t first = (uint32_t)unit * KNN_BLOCK, all = slots_of_queries(s);
    struct knn_probing *p = batch->probing;
    uint32_t rows[KNN_BLOCK], count = 0;

    for (uint32_t i = 0; i < KNN_BLOCK && first + i < all; i++) {
        const uint32_t query = s->self ? first + i : s->lists.slots[first + i];

        if (query == KNN_NONE)
            continue;
        batch->query[count] = query;
        p->place[count] = (uint16_t)i;
        rows[count++] = s->queries[query];
    }
    p->block = pack->values + (size_t)first * s->d;
    p->block_half = pack->half + first;
    knn_batch_pack(batch, rows, count);
}

/* A unit that was given up half way is done again: its lists of candidates begin empty. */
static void empty_lists(struct knn_batch *batch)
{
    struct knn_search *s = batch->search;

    for (uint32_t i = 0; i < batch->count; i++) {
        const size_t at = (size_t)batch->query[i] * s->kept;

        for (uint32_t j = 0; j < s->kept; j++) {
            s->near_value[at + j] = -INFINITY;
            s->near_index[at + j] = KNN_NONE;
        }
        s->least[batch->query[i]] = -INFINITY;
    }
}

void knn_probe_unit(struct knn_worker *worker, uint64_t unit)
{
    struct knn_batch *batch = worker->batch;
    struct knn_search *s = worker->search;

    load_block(batch, unit);
    choose_lists(batch);
    empty_lists(batch);
    for (uint32_t list = 0; next_list(batch->probing, &s->lists, &list); list++) {
        if (knn_cancelled(worker)) {
            worker->unfinished = unit;
            return;
        }
        near_list(batch, list);
    }
}

/* ---- second pass ---- */

static void exact_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    struct knn_batch *batch = arg;
    struct knn_probing *p = batch->probing;
    const uint32_t in_batch = p->rows[row];
    const uint32_t point = batch->search->lists.slots[p->first_slot + column];
    const struct knn_best *best = &batch->best[in_batch];

    (void)value;
    if (point == KNN_NONE)
        return;
    if (knn_batch_take(batch, in_batch, point))
        p->least.f64[row] = knn_batch_least(batch, in_batch);
    /* Points of a list come in ascending order: none that follows can be better. */
    if (best->count == best->limit && best->squared[best->limit - 1] == 0 &&
        best->point[best->limit - 1] < point)
        p->least.f64[row] = INFINITY;
}

static void exact_list(struct knn_batch *batch, uint32_t list)
{
    struct knn_search *s = batch->search;
    struct knn_probing *p = batch->probing;
    const uint32_t end = s->lists.starts[list + 1];
    struct knn_tile_f64 tile = {
        .rows = p->values.f64,
        .row_count = (uint32_t)knn_padded(p->row_count, KNN_HEIGHT),
        .columns = batch->panel,
        .column_count = KNN_PANEL,
        .d = s->d,
        .row_half = p->half.f64,
        .column_half = batch->panel_half,
        .row_least = p->least.f64,
        .column_least = knn_never,
        .hit = exact_hit,
        .column_hit = no_hit,
        .arg = batch,
    };
    uint32_t rows[KNN_PANEL];

    for (uint32_t i = 0; i < tile.row_count; i++) {
        const bool one = i < p->row_count;

        p->half.f64[i] = one ? batch->row_half[p->rows[i]] : INFINITY;
        p->least.f64[i] = one ? knn_batch_least(batch, p->rows[i]) : INFINITY;
    }
    gather_double(p->values.f64, batch->rows, p->rows, p->row_count, s->d);
    for (p->first_slot = s->lists.starts[list]; p->first_slot < end; p->first_slot += KNN_PANEL) {
        const uint32_t *slots = s->lists.slots + p->first_slot;
        uint32_t count = 0;

        for (; count < KNN_PANEL && slots[count] != KNN_NONE; count++)
            rows[count] = s->points[slots[count]];
        knn_pack_panel(s, rows, count, batch->panel, batch->panel_half);
        s->path->f64(&tile);
    }
}

void knn_probe_exact_unit(struct knn_worker *worker, uint64_t unit)
{
    struct knn_batch *batch = worker->batch;
    struct knn_search *s = worker->search;

    knn_batch_begin(batch, unit);
    choose_lists(batch);
    for (uint32_t list = 0; next_list(batch->probing, &s->lists, &list); list++) {
        if (knn_cancelled(worker)) {
            worker->unfinished = unit;
            return;
        }
        exact_list(batch, list);
    }
    knn_batch_end(batch, unit);
}
