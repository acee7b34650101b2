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

/* Neighbours of one query: by squared distance, then by point. */
struct best {
    double *squared;
    uint32_t *point;
    uint32_t count, limit;
};

static bool best_take(struct best *best, uint32_t point, double squared)
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
static void write_row(struct knn_search *s, uint32_t query, const struct best *best)
{
    const size_t at = (size_t)s->queries[query] * s->k;

    for (uint32_t i = 0; i < best->count && i < s->k; i++) {
        s->index[at + i] = s->points[best->point[i]];
        s->distance[at + i] = (float)(s->factor ? best->squared[i] / 2 : sqrt(best->squared[i]));
    }
}

/* ---- the candidates ---- */

/* Whether every point that is not among the candidates is farther than the k-th. */
static bool certain(const struct knn_search *s, uint32_t query, double squared, float least)
{
    const struct knn_pack *pack = s->self ? &s->packed_queries : &s->packed;
    const double near = squared * s->scale * s->scale;
    const double length = sqrt(2.0 * pack->half[query]) * INFLATE;
    const double reach = 2 * length + sqrt(near) * INFLATE;
    const double off = 1.01 * (s->d + 8.0) * SINGLE * reach * reach + (s->d + 8.0) * 0x1p-100;

    return near < -2.0 * least - off;
}

static void refine(struct knn_search *s, uint32_t query, struct best *best)
{
    const float *values = s->near_value + (size_t)query * s->kept;
    const uint32_t *points = s->near_index + (size_t)query * s->kept;
    const uint32_t last = s->kept - 1;

    best->count = 0;
    for (uint32_t i = 0; i < s->kept && points[i] != KNN_NONE; i++)
        best_take(best, points[i], knn_distance(s, s->queries[query], s->points[points[i]]));
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
    struct best best = {squared, point, 0, s->kept};

    s->doubtful_count = 0;
    for (uint32_t query = 0; query < s->query_count; query++) {
        if (query % KNN_BLOCK == 0 && knn_cancelled(&s->workers[0]))
            return false;
        refine(s, query, &best);
    }
    return true;
}

/* ---- all points once more ---- */

/* Up to a block of queries at once, against one panel of points after another. */
struct knn_batch {
    struct knn_search *search;
    double *rows, *panel; /* packed */
    double row_half[KNN_BLOCK], row_least[KNN_BLOCK], panel_half[KNN_PANEL];
    double bound[KNN_BLOCK]; /* of the k-th squared distance */
    struct best best[KNN_BLOCK];
    uint32_t query[KNN_BLOCK];
    uint32_t count, first_point;
    uint32_t open; /* rows that may still find something */
    double *squared;
    uint32_t *point;
};

size_t knn_batch_bytes(const struct knn_search *s)
{
    return sizeof(struct knn_batch) + (KNN_BLOCK + KNN_PANEL) * (size_t)s->d * sizeof(double) +
           KNN_BLOCK * (size_t)s->k * (sizeof(double) + sizeof(uint32_t));
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

        if (!batch || !batch->rows || !batch->panel || !batch->squared || !batch->point)
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

static void exact_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    struct knn_batch *batch = arg;
    struct knn_search *s = batch->search;
    const uint32_t query = batch->query[row], point = batch->first_point + column;
    struct best *best = &batch->best[row];

    (void)value;
    if (row >= batch->count || point >= s->point_count || knn_is_self(s, query, point))
        return;
    if (!best_take(best, point, knn_distance(s, s->queries[query], s->points[point])) ||
        best->count < s->k)
        return;
    if (best->squared[s->k - 1] < batch->bound[row])
        batch->bound[row] = best->squared[s->k - 1];
    /* Points come in ascending order: after k that are equal to the query none can be better. */
    if (best->squared[s->k - 1] == 0) {
        batch->row_least[row] = INFINITY;
        batch->open--;
    } else
        batch->row_least[row] = least_for(s, batch->row_half[row], batch->bound[row]);
}

static void no_hit(void *arg, uint32_t row, uint32_t column, double value)
{
    (void)arg, (void)row, (void)column, (void)value;
}

static void batch_begin(struct knn_batch *batch, uint64_t unit)
{
    struct knn_search *s = batch->search;
    const size_t first = (size_t)unit * KNN_BLOCK;
    uint32_t rows[KNN_PANEL];

    batch->count = 0;
    for (uint32_t panel = 0; panel < KNN_BLOCK; panel += KNN_PANEL) {
        uint32_t count = 0;

        for (uint32_t i = panel; i < panel + KNN_PANEL; i++) {
            batch->row_least[i] = INFINITY;
            if (first + i >= s->doubtful_count)
                continue;
            batch->query[i] = s->doubtful[first + i];
            batch->bound[i] = s->bound[first + i];
            batch->best[i] = (struct best){batch->squared + (size_t)i * s->k,
                                           batch->point + (size_t)i * s->k, 0, s->k};
            rows[count++] = s->queries[batch->query[i]];
        }
        if (count)
            knn_pack_panel(s, rows, count, batch->rows + (size_t)panel * s->d,
                           batch->row_half + panel);
        batch->count += count;
    }
    for (uint32_t i = 0; i < batch->count; i++)
        batch->row_least[i] = least_for(s, batch->row_half[i], batch->bound[i]);
    batch->open = batch->count;
}

uint64_t knn_exact_units(const struct knn_search *s)
{
    return (s->doubtful_count + (uint64_t)KNN_BLOCK - 1) / KNN_BLOCK;
}

void knn_exact_unit(struct knn_worker *worker, uint64_t unit)
{
    static const double never[KNN_PANEL] = {
#define NEVER_12                                                                                   \
    INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY,      \
        INFINITY, INFINITY, INFINITY
        NEVER_12, NEVER_12, NEVER_12, NEVER_12};
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
        .column_least = never,
        .hit = exact_hit,
        .column_hit = no_hit,
        .arg = batch,
    };

    batch_begin(batch, unit);
    tile.row_count = (batch->count + KNN_PANEL - 1) / KNN_PANEL * KNN_PANEL;
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
    for (uint32_t i = 0; i < batch->count; i++)
        write_row(s, batch->query[i], &batch->best[i]);
}
