/*
 * The caller's rows: looked at once, then centred and packed for the kernels. Called by
 * neighbours.c and by both passes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"
/* Compiled into this file, so that programs need no library for it. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Rows shorter than this have no direction that doubles could hold. */
#define SHORTEST 1e-150
/* The scale of packed floats is within 2^-200 and 2^200. */
#define SCALE_BITS 200
/* Rows from which the centre is found. */
#define CENTRE_ROWS 501
/* Columns of a panel that are packed at once: what is written stays in the nearest cache. */
#define PACK_COLUMNS 64u

static inline double value_at(const struct knn_search *s, uint32_t row, uint32_t column)
{
    const size_t at = (size_t)row * s->d + column;

    return s->wide ? ((const double *)s->features)[at] : ((const float *)s->features)[at];
}

static int check_row(struct knn_search *s, uint32_t row)
{
    double squares = 0;
    bool fits = true;

    for (uint32_t u = 0; u < s->d; u++) {
        const double value = value_at(s, row, u);

        fits &= fabs(value) <= EVD_NEIGHBOURS_MAX_VALUE; /* not so for NaN */
        squares += value * value;
    }
    if (!fits) {
        uint32_t u = 0;

        while (fabs(value_at(s, row, u)) <= EVD_NEIGHBOURS_MAX_VALUE)
            u++;
        return error_set(&s->error, EVD_E_BAD_VALUE, "features",
                         isfinite(value_at(s, row, u))
                             ? "row %u, column %u is %g: beyond 1e35 distances do not fit in "
                               "float32; scale the features"
                             : "row %u, column %u is %g: distances need finite numbers; repair "
                               "the row, or take its label away",
                         row, u, value_at(s, row, u));
    }
    if (s->factor) {
        if (!(sqrt(squares) >= SHORTEST))
            return error_set(&s->error, EVD_E_BAD_VALUE, "features",
                             "row %u has length %g: the cosine needs a direction; repair the row, "
                             "take its label away, or use the euclidean metric",
                             row, sqrt(squares));
        s->factor[row] = 1 / sqrt(squares);
    }
    return EVD_OK;
}

/* Of all rows, also those that take no part: what is in the caller's array. */
static bool hash_features(struct knn_search *s)
{
    const size_t row = s->d * (s->wide ? sizeof(double) : sizeof(float));
    XXH3_state_t sum;

    XXH3_64bits_reset(&sum);
    for (uint32_t first = 0; first < s->n; first += KNN_BLOCK) {
        const uint32_t rows = s->n - first < KNN_BLOCK ? s->n - first : KNN_BLOCK;

        if (knn_cancelled(&s->workers[0]))
            return false;
        XXH3_64bits_update(&sum, (const char *)s->features + first * row, rows * row);
    }
    s->features_hash = XXH3_64bits_digest(&sum);
    return true;
}

int knn_check(struct knn_search *s)
{
    const uint32_t *labels = s->options->labels;

    for (uint32_t row = 0; row < s->n; row++) {
        if (row % KNN_BLOCK == 0 && knn_cancelled(&s->workers[0]))
            return EVD_CANCELLED;
        if ((!labels || labels[row] != EVD_NO_LABEL) && check_row(s, row) != EVD_OK)
            return s->error.code;
    }
    return hash_features(s) ? EVD_OK : EVD_CANCELLED;
}

/* The sum in the order in which anybody would write it: see knn.h. */
#define DISTANCE(type)                                                                             \
    static double distance_##type(const struct knn_search *s, uint32_t a, uint32_t b)              \
    {                                                                                              \
        const type *x = (const type *)s->features + (size_t)a * s->d;                              \
        const type *y = (const type *)s->features + (size_t)b * s->d;                              \
        double sum = 0;                                                                            \
        if (s->factor) {                                                                           \
            for (uint32_t u = 0; u < s->d; u++) {                                                  \
                const double diff = x[u] * s->factor[a] - y[u] * s->factor[b];                     \
                sum += diff * diff;                                                                \
            }                                                                                      \
            return sum;                                                                            \
        }                                                                                          \
        for (uint32_t u = 0; u < s->d; u++) {                                                      \
            const double diff = (double)x[u] - y[u];                                               \
            sum += diff * diff;                                                                    \
        }                                                                                          \
        return sum;                                                                                \
    }
DISTANCE(float)
DISTANCE(double)

double knn_distance(const struct knn_search *s, uint32_t a, uint32_t b)
{
    return s->wide ? distance_double(s, a, b) : distance_float(s, a, b);
}

static inline double scaled(const struct knn_search *s, uint32_t row, uint32_t column)
{
    return value_at(s, row, column) * (s->factor ? s->factor[row] : 1);
}

/* Raises *most to the largest distance from the centre in one column. */
static bool widest(const struct knn_search *s, const uint32_t *rows, uint32_t count, double *most)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i % KNN_PANEL == 0 && knn_cancelled(&s->workers[0]))
            return false;
        for (uint32_t u = 0; u < s->d; u++)
            *most = fmax(*most, fabs(scaled(s, rows[i], u) - s->centre[u]));
    }
    return true;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of each column, of a few hundred points: as good as the mean where there is one
 * cluster, and no row far from all others, such as a wrong one, pulls it away. */
static bool find_centre(struct knn_search *s)
{
    const uint32_t count = s->point_count < CENTRE_ROWS ? s->point_count : CENTRE_ROWS;
    double value[CENTRE_ROWS];

    for (uint32_t u = 0; u < s->d; u++) {
        if (knn_cancelled(&s->workers[0]))
            return false;
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t point = (uint32_t)((uint64_t)i * s->point_count / count);

            value[i] = scaled(s, s->points[point], u);
        }
        qsort(value, count, sizeof(*value), ascending);
        s->centre[u] = value[count / 2];
    }
    return true;
}

bool knn_centre(struct knn_search *s)
{
    double most = 0;
    int bits;

    if (!find_centre(s) || !widest(s, s->points, s->point_count, &most) ||
        (s->queries != s->points && !widest(s, s->queries, s->query_count, &most)))
        return false;
    frexp(most, &bits);
    bits = bits > SCALE_BITS ? SCALE_BITS : bits < -SCALE_BITS ? -SCALE_BITS : bits;
    s->scale = ldexp(1, -bits);
    return true;
}

#define PACK(type)                                                                                 \
    static void pack_##type(const struct knn_search *s, const uint32_t *rows, uint32_t count,      \
                            double scale, type *values, type *half)                                \
    {                                                                                              \
        double squares[KNN_PANEL] = {0};                                                           \
        for (uint32_t first = 0; first < s->d; first += PACK_COLUMNS) {                            \
            const uint32_t end = s->d - first < PACK_COLUMNS ? s->d : first + PACK_COLUMNS;        \
            for (uint32_t lane = 0; lane < KNN_PANEL; lane++)                                      \
                for (uint32_t u = first; u < end; u++) {                                           \
                    type value = 0;                                                                \
                    if (lane < count)                                                              \
                        value = (type)((scaled(s, rows[lane], u) - s->centre[u]) * scale);         \
                    values[(size_t)u * KNN_PANEL + lane] = value;                                  \
                    squares[lane] += (double)value * value;                                        \
                }                                                                                  \
        }                                                                                          \
        for (uint32_t lane = 0; lane < KNN_PANEL; lane++)                                          \
            half[lane] = lane < count ? (type)(squares[lane] / 2) : (type)INFINITY;                \
    }
PACK(float)
PACK(double)

bool knn_pack(const struct knn_search *s, const uint32_t *rows, uint32_t count,
              struct knn_pack *pack)
{
    for (uint32_t first = 0; first < pack->blocks * KNN_BLOCK; first += KNN_PANEL) {
        const uint32_t left = first < count ? count - first : 0;

        if (knn_cancelled(&s->workers[0]))
            return false;
        knn_pack_floats(s, rows + (left ? first : 0), left, pack->values + (size_t)first * s->d,
                        pack->half + first);
    }
    return true;
}

void knn_pack_panel(const struct knn_search *s, const uint32_t *rows, uint32_t count,
                    double *values, double *half)
{
    pack_double(s, rows, count, 1, values, half);
}

void knn_pack_floats(const struct knn_search *s, const uint32_t *rows, uint32_t count,
                     float *values, float *half)
{
    pack_float(s, rows, count, s->scale, values, half);
}

void knn_row_add(const struct knn_search *s, uint32_t row, double *sums)
{
    for (uint32_t u = 0; u < s->d; u++)
        sums[u] += scaled(s, row, u) - s->centre[u];
}
