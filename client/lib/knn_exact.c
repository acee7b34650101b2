/*
 * The second pass, after which nothing is in doubt. knn_refine computes the distances of each
 * query's candidates in double, and asks whether a point that is not among them could be nearer,
 * given how far float32 may have been off. For queries where that is possible knn_exact_unit goes
 * through all points once more, in double, and looks at the distance of every pair that could
 * count. Called by neighbours.c, the units by knn_run.
 *
 * How far off. With x and y the centred rows, S = (|x| + |y|)^2 and e the rounding of one operation
 * (2^-24 or 2^-53), the squared distance that follows from a kernel's value is off by at most
 * (d + 5) e S in the first pass: d e S from d additions to sums of at most S / 2, half of that
 * weight for each product (none where it is fused), the rest from rounding halves and rows. In the
 * second pass the halves are sums in the same precision and the distance compared with is one, too:
 * (3 d + 10) e S. Terms of e^2 and what underflows are covered by the factors below. Of y it is
 * known that only |y| <= |x| + distance matters: by the triangle inequality no other point is as
 * near. Without that a single row far from all others would leave every row in doubt.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"

#define SINGLE 0x1p-24
#define DOUBLE 0x1p-53
/* More than the relative rounding of a length or a distance. */
#define INFLATE (1 + 1e-6)

bool knn_best_take(struct knn_best *best, uint32_t point, double squared)
{
    uint32_t i = best->count;

    if (i == best->limit) {
        if (squared > best->squared[i - 1] ||
            (squared == best->squared[i - 1] && point > best->point[i - 1]))
            return false;
        i--;
    } else
        best->count++;
    while (i > 0 && (best->squared[i - 1] > squared ||
                     (best->squared[i - 1] == squared && best->point[i - 1] > point))) {
        best->squared[i] = best->squared[i - 1];
        best->point[i] = best->point[i - 1];
        i--;
    }
    best->squared[i] = squared;
    best->point[i] = point;
    return true;
}

/* Into the caller's table. Places that do not exist were filled before. */
static void write_row(struct knn_search *s, uint32_t query, const struct knn_best *best)
{
    const size_t at = (size_t)s->queries[query] * s->k;

    for (uint32_t i = 0; i < best->count && i < s->k; i++) {
        s->index[at + i] = s->points[best->point[i]];
        s->distance[at + i] = (float)(s->factor ? best->squared[i] / 2 : sqrt(best->squared[i]));
    }
}

/* ---- the candidates ---- */

/* Whether every point that is not among the candidates is farther than the k-th, of those that the
 * query was compared with. */
static bool certain(const struct knn_search *s, uint32_t query, double squared, float least)
{
    const float half = s->lists.count ? s->lists.query_half[query]
                                      : (s->self ? &s->packed_queries : &s->packed)->half[query];
    const double near = squared * s->scale * s->scale;
    const double length = sqrt(2.0 * half) * INFLATE;
    const double reach = 2 * length + sqrt(near) * INFLATE;
    const double off = 1.01 * (s->d + 8.0) * SINGLE * reach * reach + (s->d + 8.0) * 0x1p-100;

    return near < -2.0 * least - off;
}

static void refine(struct knn_search *s, uint32_t query, struct knn_best *best)
{
    const float *values = s->near_value + (size_t)query * s->kept;
    const uint32_t *points = s->near_index + (size_t)query * s->kept;
    const uint32_t last = s->kept - 1;

    best->count = 0;
    for (uint32_t i = 0; i < s->kept && points[i] != KNN_NONE; i++)
        knn_best_take(best, points[i], knn_distance(s, s->queries[query], s->points[points[i]]));
    /* A list that is not full holds all there is. */
    if (points[last] == KNN_NONE || certain(s, query, best->squared[s->k - 1], values[last])) {
        write_row(s, query, best);
        return;
    }
    s->doubtful[s->doubtful_count] = query;
    s->bound[s->doubtful_count++] = best->squared[s->k - 1];
}

bool knn_refine(struct knn_search *s)
{
    double squared[EVD_NEIGHBOURS_MAX_K + KNN_SPARE];
    uint32_t point[EVD_NEIGHBOURS_MAX_K + KNN_SPARE];
    struct knn_best best = {squared, point, 0, s->kept};

    /* Doubtful queries of one list side by side: they are compared with much the same points. */
    const uint32_t *order = s->lists.count && !s->self ? s->lists.slots : NULL;
    const uint32_t count = order ? s->lists.starts[s->lists.count] : s->query_count;

    s->doubtful_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i % KNN_BLOCK == 0 && knn_cancelled(&s->workers[0]))
            return false;
        if (!order || order[i] != KNN_NONE)
            refine(s, order ? order[i] : i, &best);
    }
    return true;
}

/* ---- all points once more ---- */

const double knn_never[KNN_BLOCK] = {
#define NEVER_4  INFINITY, INFINITY, INFINITY, INFINITY
#define NEVER_16 NEVER_4, NEVER_4, NEVER_4, NEVER_4
#define NEVER_96 NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16
    NEVER_96, NEVER_96, NEVER_96, NEVER_96};

size_t knn_batch_bytes(const struct knn_search *s)
{
    return sizeof(struct knn_batch) + (KNN_BLOCK + KNN_PANEL) * (size_t)s->d * sizeof(double) +
           KNN_BLOCK * (size_t)s->k * (sizeof(double) + sizeof(uint32_t)) +
           (s->lists.most ? knn_probing_bytes(s) : 0);
}

static struct knn_batch *batch_new(struct knn_search *s)
{
    struct knn_batch *batch = knn_alloc(s, 1, sizeof(*batch));

    if (batch == NULL)
        return NULL;
    memset(batch, 0, sizeof(*batch));
    batch->search = s;
    batch->rows = knn_alloc(s, KNN_BLOCK * (size_t)s->d, sizeof(double));
    batch->panel = knn_alloc(s, KNN_PANEL * (size_t)s->d, sizeof(double));
    batch->squared = knn_alloc(s, KNN_BLOCK * (size_t)s->k, sizeof(double));
    batch->point = knn_alloc(s, KNN_BLOCK * (size_t)s->k, sizeof(uint32_t));
    return batch;
}

int knn_batches_new(struct knn_search *s)
{
    for (uint32_t i = 0; i < s->threads; i++) {
        struct knn_batch *batch = s->workers[i].batch = batch_new(s);

        if (!batch || !batch->rows || !batch->panel || !batch->squared || !batch->point ||
            (s->lists.most && knn_probing_new(batch) != EVD_OK))
            return s->error.code;
    }
    return EVD_OK;
}

void knn_batches_free(struct knn_search *s)
{
    for (uint32_t i = 0; s->workers && i < s->threads; i++) {
        struct knn_batch *batch = s->workers[i].batch;

        if (batch == NULL)
            continue;
        free(batch->rows);
        free(batch->panel);
        free(batch->squared);
        free(batch->point);
        knn_probing_free(batch);
        free(batch);
    }
}

/* The smallest value of a kernel behind which there may be a squared distance of at most `bound`.
 */
static double least_for(const struct knn_search *s, double half, double bound)
{
    const double reach = 2 * sqrt(2 * half) * INFLATE + sqrt(bound) * INFLATE;
    const double off = 1.01 * (4.0 * s->d + 32) * DOUBLE * reach * reach + (s->d + 8.0) * 0x1p-1000;

    return -(bound * INFLATE + off) / 2;
}

double knn_batch_least(const struct knn_batch *batch, uint32_t row)
{
    return least_for(batch->search, batch->row_half[row], batch->bound[row]);
}

bool knn_batch_take(struct knn_batch *batch, uint32_t row, uint32_t point)
{
    struct knn_search *s = batch->search;
    const uint32_t query = batch->query[row];
    struct knn_best *best = &batch->best[row];

    if (knn_is_self(s, query, point) ||
        !knn_best_take(best, point, knn_distance(s, s->queries[query], s->points[point])) ||
        best->count < s->k)
        return false;
    if (best->squared[s->k - 1] < batch->bound[row])
        batch->bound[row] = best->squared[s->k - 1];
    return true;
}

static void exact_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    struct knn_batch *batch = arg;
    const uint32_t point = batch->first_point + column;

    (void)value;
    if (row >= batch->count || point >= batch->search->point_count ||
        !knn_batch_take(batch, row, point))
        return;
    /* Points come in ascending order: after k that are equal to the query none can be better. */
    if (batch->best[row].squared[batch->best[row].limit - 1] == 0) {
        batch->row_least[row] = INFINITY;
        batch->open--;
    } else
        batch->row_least[row] = knn_batch_least(batch, row);
}

static void no_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    (void)arg, (void)row, (void)column, (void)value;
}

void knn_batch_pack(struct knn_batch *batch, const uint32_t *rows, uint32_t count)
{
    const struct knn_search *s = batch->search;

    for (uint32_t first = 0; first < count; first += KNN_PANEL)
        knn_pack_panel(s, rows + first, count - first < KNN_PANEL ? count - first : KNN_PANEL,
                       batch->rows + (size_t)first * s->d, batch->row_half + first);
    batch->count = count;
}

void knn_batch_begin(struct knn_batch *batch, uint64_t unit)
{
    struct knn_search *s = batch->search;
    const size_t first = (size_t)unit * KNN_BLOCK, left = s->doubtful_count - first;
    const uint32_t count = left < KNN_BLOCK ? (uint32_t)left : KNN_BLOCK;
    uint32_t rows[KNN_BLOCK];

    for (uint32_t i = 0; i < count; i++) {
        batch->query[i] = s->doubtful[first + i];
        batch->bound[i] = s->bound[first + i];
        batch->best[i] = (struct knn_best){batch->squared + (size_t)i * s->k,
                                           batch->point + (size_t)i * s->k, 0, s->k};
        rows[i] = s->queries[batch->query[i]];
    }
    knn_batch_pack(batch, rows, count);
    for (uint32_t i = 0; i < KNN_BLOCK; i++)
        batch->row_least[i] = i < count ? knn_batch_least(batch, i) : INFINITY;
    batch->open = count;
}

/* There are fewer than k only if features become NaN while they are searched. */
static void write_truth(struct knn_search *s, size_t at, const struct knn_best *best)
{
    for (uint32_t i = 0; i < s->k; i++)
        s->lists.truth[at * s->k + i] = i < best->count ? best->point[i] : KNN_NONE;
}

void knn_batch_end(struct knn_batch *batch, uint64_t unit)
{
    struct knn_search *s = batch->search;

    for (uint32_t i = 0; i < batch->count; i++) {
        if (s->lists.sampling)
            write_truth(s, (size_t)unit * KNN_BLOCK + i, &batch->best[i]);
        else
            write_row(s, batch->query[i], &batch->best[i]);
    }
}

uint64_t knn_exact_units(const struct knn_search *s)
{
    return (s->doubtful_count + (uint64_t)KNN_BLOCK - 1) / KNN_BLOCK;
}

void knn_exact_unit(struct knn_worker *worker, uint64_t unit)
{
    struct knn_batch *batch = worker->batch;
    struct knn_search *s = worker->search;
    struct knn_tile_f64 tile = {
        .rows = batch->rows,
        .columns = batch->panel,
        .column_count = KNN_PANEL,
        .d = s->d,
        .row_half = batch->row_half,
        .column_half = batch->panel_half,
        .row_least = batch->row_least,
        .column_least = knn_never,
        .hit = exact_hit,
        .column_hit = no_hit,
        .arg = batch,
    };

    knn_batch_begin(batch, unit);
    tile.row_count = (uint32_t)knn_padded(batch->count, KNN_PANEL);
    for (uint32_t p = 0; p < s->point_count && batch->open; p += KNN_PANEL) {
        const uint32_t left = s->point_count - p;

        if (knn_cancelled(worker)) {
            worker->unfinished = unit;
            return;
        }
        batch->first_point = p;
        knn_pack_panel(s, s->points + p, left < KNN_PANEL ? left : KNN_PANEL, batch->panel,
                       batch->panel_half);
        s->path->f64(&tile);
    }
    knn_batch_end(batch, unit);
}
