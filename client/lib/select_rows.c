/*
 * Searches for neighbours as a selection needs them, exact distances of pairs that no table has,
 * and ranks. Called by the methods.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/select.h"

int select_table_new(struct select *s, uint32_t k)
{
    s->width = k < EVD_NEIGHBOURS_MAX_K ? k : EVD_NEIGHBOURS_MAX_K;
    if (s->width >= s->result->samples)
        s->width = (uint32_t)s->result->samples - 1;
    s->table = knn_alloc(&s->rows, (size_t)s->n * s->width, sizeof(*s->table));
    s->distance = knn_alloc(&s->rows, (size_t)s->n * s->width, sizeof(*s->distance));
    return s->table && s->distance ? EVD_OK : s->rows.error.code;
}

int select_search(struct select *s, int scope, uint32_t of_class)
{
    evd_neighbours_options ask = s->ask;
    evd_neighbours_result found;
    int code;

    ask.labels = s->labels;
    ask.k = s->width;
    ask.scope = scope;
    ask.of_class = of_class;
    code = evd_neighbours(&ask, s->table, s->distance, &found);
    if (code > 0)
        return error_set(&s->rows.error, code, "", "%s", found.message);
    s->result->searches++;
    select_stage_end(s, s->stage);
    return code;
}

int select_workers_new(struct select *s)
{
    struct knn_search *rows = &s->rows;

    rows->workers = knn_alloc(rows, rows->threads, sizeof(*rows->workers));
    if (rows->workers == NULL)
        return rows->error.code;
    for (uint32_t i = 0; i < rows->threads; i++)
        rows->workers[i] = (struct knn_worker){.search = rows, .callers = i == 0};
    return EVD_OK;
}

int select_run(struct select *s, uint64_t units, uint64_t unit_cost,
               void (*unit)(struct knn_worker *worker, uint64_t unit))
{
    int code;

    if (s->packed == NULL)
        s->packed = knn_alloc(&s->rows, (size_t)s->rows.threads * s->rows.d * SELECT_LANES,
                              sizeof(*s->packed));
    if (s->packed == NULL)
        return s->rows.error.code;
    s->rows.place.unit = 0;
    s->rows.done = s->rows.told = 0;
    s->rows.total = units * unit_cost;
    code = knn_run(&s->rows, units, unit_cost, unit);
    if (code == EVD_OK)
        select_stage_end(s, s->rows.total);
    return code;
}

/* One sum for each of the other rows, side by side: a processor adds to them in turn, where it
 * would wait for each addition to a single one. Without the cosine factors are 1, which changes no
 * bit. */
#define DISTANCES(type)                                                                            \
    static void distances_##type(const struct knn_search *rows, uint32_t row,                      \
                                 const uint32_t *others, double *out)                              \
    {                                                                                              \
        const type *x = (const type *)rows->features + (size_t)row * rows->d;                      \
        const double factor = rows->factor ? rows->factor[row] : 1;                                \
        const type *y[SELECT_LANES];                                                               \
        double factors[SELECT_LANES], sum[SELECT_LANES] = {0};                                     \
        for (int lane = 0; lane < SELECT_LANES; lane++) {                                          \
            y[lane] = (const type *)rows->features + (size_t)others[lane] * rows->d;               \
            factors[lane] = rows->factor ? rows->factor[others[lane]] : 1;                         \
        }                                                                                          \
        for (uint32_t u = 0; u < rows->d; u++)                                                     \
            for (int lane = 0; lane < SELECT_LANES; lane++) {                                      \
                const double diff = x[u] * factor - y[lane][u] * factors[lane];                    \
                sum[lane] += diff * diff;                                                          \
            }                                                                                      \
        memcpy(out, sum, sizeof(sum));                                                             \
    }
DISTANCES(float)
DISTANCES(double)

void select_distances(const struct select *s, uint32_t row, const uint32_t *others, double *out)
{
    if (s->rows.wide)
        distances_double(&s->rows, row, others, out);
    else
        distances_float(&s->rows, row, others, out);
}

/* Whether (a, row_a) stays before (b, row_b) in an ascending list of what is nearest or farthest.
 */
static bool before(double a, uint32_t row_a, double b, uint32_t row_b)
{
    return a < b || (a == b && row_a < row_b);
}

/* Of a list of the nearest the last one goes, of one of the farthest the first. */
static void insert(struct select_near *near, uint32_t k, bool farthest, uint32_t row, double square)
{
    uint32_t *rows = near->rows, at = near->count;
    double *squares = near->squares;

    if (at == k && farthest) {
        if (before(square, row, squares[0], rows[0]))
            return;
        memmove(squares, squares + 1, (k - 1) * sizeof(*squares));
        memmove(rows, rows + 1, (k - 1) * sizeof(*rows));
        at = --near->count;
    } else if (at == k) {
        if (before(squares[k - 1], rows[k - 1], square, row))
            return;
        at = --near->count;
    }
    for (; at > 0 && before(square, row, squares[at - 1], rows[at - 1]); at--) {
        squares[at] = squares[at - 1];
        rows[at] = rows[at - 1];
    }
    squares[at] = square;
    rows[at] = row;
    near->count++;
}

/* Values of some rows side by side: the first value of each, then the second of each, and so on. */
static void pack(const struct knn_search *rows, const uint32_t *queries, uint32_t count,
                 double *packed)
{
    for (uint32_t lane = 0; lane < SELECT_LANES; lane++) {
        const uint32_t row = queries[lane < count ? lane : 0];
        const double factor = rows->factor ? rows->factor[row] : 1;

        for (uint32_t u = 0; u < rows->d; u++) {
            const size_t at = (size_t)row * rows->d + u;

            packed[u * (size_t)SELECT_LANES + lane] =
                factor * (rows->wide ? ((const double *)rows->features)[at]
                                     : ((const float *)rows->features)[at]);
        }
    }
}

/* One sum for each of the packed rows, in vectors. */
#define PACKED_DISTANCES(type)                                                                     \
    static void packed_##type(const struct knn_search *rows, const double *packed, uint32_t row,   \
                              double *out)                                                         \
    {                                                                                              \
        const type *x = (const type *)rows->features + (size_t)row * rows->d;                      \
        const double factor = rows->factor ? rows->factor[row] : 1;                                \
        double sum[SELECT_LANES] = {0};                                                            \
        for (uint32_t u = 0; u < rows->d; u++, packed += SELECT_LANES) {                           \
            const double value = x[u] * factor;                                                    \
            for (int lane = 0; lane < SELECT_LANES; lane++) {                                      \
                const double diff = value - packed[lane];                                          \
                sum[lane] += diff * diff;                                                          \
            }                                                                                      \
        }                                                                                          \
        memcpy(out, sum, sizeof(sum));                                                             \
    }
PACKED_DISTANCES(float)
PACKED_DISTANCES(double)

void select_extremes_of(const struct knn_worker *worker, const uint32_t *queries, uint32_t count,
                        const uint32_t *points, uint64_t point_count, uint32_t k, bool farthest,
                        struct select_near *near)
{
    const struct knn_search *rows = worker->search;
    const struct select *s = (const struct select *)rows;
    double *packed = s->packed + (size_t)(worker - rows->workers) * rows->d * (size_t)SELECT_LANES;

    pack(rows, queries, count, packed);
    for (uint32_t lane = 0; lane < count; lane++)
        near[lane].count = 0;
    for (uint64_t i = 0; i < point_count; i++) {
        double out[SELECT_LANES];

        if (rows->wide)
            packed_double(rows, packed, points[i], out);
        else
            packed_float(rows, packed, points[i], out);
        for (uint32_t lane = 0; lane < count; lane++)
            insert(&near[lane], k, farthest, points[i], out[lane]);
    }
}

double select_distance(const struct select *s, double squared)
{
    return s->rows.factor ? squared / 2 : sqrt(squared);
}

int select_order(struct select *s)
{
    const uint32_t *labels = s->options->labels;

    s->order = knn_alloc(&s->rows, s->n, sizeof(*s->order));
    s->starts = knn_alloc(&s->rows, (size_t)s->classes + 2, sizeof(*s->starts));
    if (!s->order || !s->starts)
        return s->rows.error.code;
    s->starts[0] = s->starts[1] = 0;
    for (uint32_t c = 0; c < s->classes; c++)
        s->starts[c + 2] = s->starts[c + 1] + s->members[c];
    /* One place ahead: each start has gone on to the next one in the end. */
    for (uint32_t row = 0; row < s->n; row++)
        if (labels[row] != EVD_NO_LABEL)
            s->order[s->starts[labels[row] + 1]++] = row;
    return EVD_OK;
}

int select_ranks_new(struct select *s)
{
    uint64_t count = 0;

    for (uint32_t c = 0; c < s->classes; c++)
        count += s->target[c] ? s->members[c] : 0;
    s->ranks = knn_alloc(&s->rows, count, sizeof(*s->ranks));
    return s->ranks ? EVD_OK : s->rows.error.code;
}

static int compare(const void *a, const void *b)
{
    const struct select_rank *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void select_sort(struct select *s)
{
    qsort(s->ranks, s->rank_count, sizeof(*s->ranks), compare);
}

uint32_t select_class_end(const struct select *s, uint32_t from)
{
    const uint32_t label = s->ranks[from].label;

    while (from < s->rank_count && s->ranks[from].label == label)
        from++;
    return from;
}

void select_keep_first(struct select *s)
{
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->keep[row] = 0;
    for (uint32_t from = 0; from < s->rank_count;) {
        const uint32_t end = select_class_end(s, from);
        const uint64_t wanted = s->wanted[s->ranks[from].label];

        for (uint32_t i = from; i < end && i - from < wanted; i++)
            s->keep[s->ranks[i].row] = 1;
        from = end;
    }
}
