/*
 * Features that are hard to search, and the search by its definition: a loop over all pairs. Shared
 * by the tests of evd_neighbours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"
#include "near.h"

const char *const kind_names[KINDS] = {"gaussian",     "shifted", "clusters",      "groups of 4",
                                       "groups of 40", "twins",   "whole numbers", "outlier",
                                       "far row",      "zeros",   "large",         "tiny"};

static double uniform(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

/* Close enough to gaussian. */
static double normal(uint64_t *state)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

/* The same value for all rows of a group. */
static double of_group(uint32_t group, uint32_t column)
{
    uint64_t state = ((uint64_t)group << 32 | column) * 7919;

    return normal(&state);
}

static double value(enum kind kind, uint32_t row, uint32_t column, uint32_t n, uint64_t *state)
{
    const double x = normal(state);

    switch (kind) {
    case SHIFTED:
        return x + 1000;
    case CLUSTERS:
        return x + (row % 2 ? 1000 : -1000);
    case NEAR_4:
        return of_group(row / 4, column) + 1e-4 * x;
    case NEAR_40:
        return of_group(row / 40, column) + 1e-4 * x;
    case TWINS:
        return of_group(row / 20, column);
    case WHOLE:
        return floor(4 * uniform(state));
    case OUTLIER:
        return row == n / 3 ? 1e4 : x;
    case FAR_ROW:
        return row == n / 3 ? 1e30 : x;
    case ZEROS:
        return 0;
    case LARGE:
        return x * 1e19;
    case TINY:
        return x * 1e-42;
    default:
        return x;
    }
}

struct near near_new(enum kind kind, uint32_t n, uint32_t d, uint32_t k)
{
    struct near near = {.options = EVD_NEIGHBOURS_OPTIONS_INIT};
    uint64_t state = kind + 1000 * d;

    near.narrow = calloc((size_t)n * d, sizeof(float));
    near.wide = calloc((size_t)n * d, sizeof(double));
    near.index = calloc((size_t)n * k, sizeof(uint32_t));
    near.distance = calloc((size_t)n * k, sizeof(float));
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t u = 0; u < d; u++) {
            near.narrow[(size_t)i * d + u] = (float)value(kind, i, u, n, &state);
            near.wide[(size_t)i * d + u] = near.narrow[(size_t)i * d + u];
        }
    near.options.features = near.narrow;
    near.options.n = n;
    near.options.d = d;
    near.options.k = k;
    near.options.threads = 1;
    return near;
}

void near_wide(struct near *near)
{
    near->options.features = near->wide;
    near->options.type = EVD_FEATURES_F64;
}

void near_labels(struct near *near, uint32_t classes)
{
    const uint32_t n = (uint32_t)near->options.n;
    uint64_t state = 5;

    near->labels = calloc(n, sizeof(uint32_t));
    for (uint32_t i = 0; i < n; i++) {
        const double x = uniform(&state);

        near->labels[i] = i % 17 == 3 ? EVD_NO_LABEL : (uint32_t)(x * x * x * (classes - 1));
    }
    near->labels[n / 2] = classes - 1;
    near->options.labels = near->labels;
}

void near_free(struct near *near)
{
    free(near->narrow);
    free(near->wide);
    free(near->labels);
    free(near->index);
    free(near->distance);
}

static double length(const struct near *near, const double *x)
{
    double sum = 0;

    if (near->options.metric == EVD_METRIC_EUCLIDEAN)
        return 1;
    for (uint32_t u = 0; u < near->options.d; u++)
        sum += x[u] * x[u];
    return sqrt(sum);
}

static double squared(const struct near *near, uint32_t a, uint32_t b)
{
    const uint32_t d = near->options.d;
    const double *x = near->wide + (size_t)a * d, *y = near->wide + (size_t)b * d;
    const double fx = 1 / length(near, x), fy = 1 / length(near, y);
    double sum = 0;

    for (uint32_t u = 0; u < d; u++)
        sum += (x[u] * fx - y[u] * fy) * (x[u] * fx - y[u] * fy);
    return sum;
}

static bool counts(const struct near *near, uint32_t row, uint32_t other)
{
    const uint32_t *labels = near->labels;

    if (row == other || (labels && (labels[row] == EVD_NO_LABEL || labels[other] == EVD_NO_LABEL)))
        return false;
    if (near->options.scope == EVD_SCOPE_CLASS)
        return !labels || labels[row] == labels[other];
    if (near->options.scope == EVD_SCOPE_OF_CLASS)
        return (labels ? labels[other] : 0) == near->options.of_class;
    return true;
}

static void brute_row(struct near *near, uint32_t row)
{
    const uint32_t k = near->options.k;
    uint32_t *index = near->index + (size_t)row * k, count = 0;
    double best[EVD_NEIGHBOURS_MAX_K + 1];

    for (uint32_t other = 0; other < near->options.n; other++) {
        double sum;
        uint32_t at;

        if (!counts(near, row, other))
            continue;
        sum = squared(near, row, other);
        for (at = count; at > 0 && best[at - 1] > sum; at--) {
            best[at] = best[at - 1];
            if (at < k)
                index[at] = index[at - 1];
        }
        best[at] = sum;
        if (at < k)
            index[at] = other;
        count += count < k;
    }
    for (uint32_t i = 0; i < k; i++) {
        if (i >= count)
            index[i] = EVD_NO_NEIGHBOUR;
        near->distance[(size_t)row * k + i] = i >= count ? INFINITY
                                              : near->options.metric == EVD_METRIC_EUCLIDEAN
                                                  ? (float)sqrt(best[i])
                                                  : (float)(best[i] / 2);
    }
}

void near_brute(struct near *near)
{
    for (uint32_t row = 0; row < near->options.n; row++)
        brute_row(near, row);
}

evd_neighbours_result near_same(const struct near *near)
{
    const size_t count = (size_t)near->options.n * near->options.k;
    uint32_t *index = malloc(count * sizeof(*index));
    float *distance = malloc(count * sizeof(*distance));
    evd_neighbours_result result;
    const int code = evd_neighbours(&near->options, index, distance, &result);

    assert_string_equal(result.message, "");
    assert_int_equal(code, EVD_OK);
    assert_memory_equal(index, near->index, count * sizeof(*index));
    assert_memory_equal(distance, near->distance, count * sizeof(*distance));
    free(index);
    free(distance);
    return result;
}

void near_same_everywhere(struct near *near)
{
    const struct knn_path *paths;
    const unsigned count = knn_paths(&paths);

    for (unsigned i = 0; i < count; i++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            knn_use(&paths[i]);
            near->options.threads = threads;
            near_same(near);
        }
    knn_use(NULL);
}
