/*
 * The first pass: every query's list of the points that seem nearest in float32. A unit is a block
 * of queries against a block of points; where queries and points are the same rows, each pair of
 * blocks is looked at once, for the lists of both. Called by knn_run for neighbours.c.
 */
#include <math.h>
#include <string.h>
#include "client/lib/knn.h"

/* Two blocks, and what of the search their hits need. */
struct unit {
    struct knn_search *search;
    uint32_t first_query, first_point;
};

static const float never[KNN_BLOCK] = {
#define NEVER_4  INFINITY, INFINITY, INFINITY, INFINITY
#define NEVER_16 NEVER_4, NEVER_4, NEVER_4, NEVER_4
#define NEVER_96 NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16, NEVER_16
    NEVER_96, NEVER_96, NEVER_96, NEVER_96};

/* Lists are ordered by value and point, a total order: what they hold in the end does not depend on
 * the order in which points came. */
void knn_take(struct knn_search *s, uint32_t query, uint32_t point, float value)
{
    const uint32_t last = s->kept - 1;
    float *values;
    uint32_t *points, i = last;

    /* Rows that fill up the last block, and the query itself. */
    if (query >= s->query_count || point >= s->point_count || knn_is_self(s, query, point))
        return;
    values = s->near_value + (size_t)query * s->kept;
    points = s->near_index + (size_t)query * s->kept;
    if (value < values[last] || (value == values[last] && point > points[last]))
        return;
    while (i > 0 && (values[i - 1] < value || (values[i - 1] == value && points[i - 1] > point))) {
        values[i] = values[i - 1];
        points[i] = points[i - 1];
        i--;
    }
    values[i] = value;
    points[i] = point;
    s->least[query] = values[last];
}

static void row_hit(void *arg, uint32_t row, uint32_t column, float value)
{
    const struct unit *unit = arg;

    knn_take(unit->search, unit->first_query + row, unit->first_point + column, value);
}

static void column_hit(void *arg, uint32_t row, uint32_t column, float value)
{
    const struct unit *unit = arg;

    knn_take(unit->search, unit->first_point + column, unit->first_query + row, value);
}

uint64_t knn_tile_units(const struct knn_search *s)
{
    const uint64_t blocks = s->packed.blocks;

    return s->self ? blocks * s->packed_queries.blocks : blocks * (blocks + 1) / 2;
}

/* Neighbouring units have no block in common, so that threads seldom wait for each other: units go
 * down the diagonals of the upper triangle, and otherwise down the columns. */
static void blocks_of(const struct knn_search *s, uint64_t unit, uint32_t *query, uint32_t *point)
{
    uint64_t length = s->packed.blocks, distance = 0;

    if (s->self) {
        *query = (uint32_t)(unit % s->packed_queries.blocks);
        *point = (uint32_t)(unit / s->packed_queries.blocks);
        return;
    }
    for (; unit >= length; length--, distance++)
        unit -= length;
    *query = (uint32_t)unit;
    *point = (uint32_t)(unit + distance);
}

void knn_tile_unit(struct knn_worker *worker, uint64_t number)
{
    struct knn_search *s = worker->search;
    const struct knn_pack *queries = s->self ? &s->packed_queries : &s->packed;
    uint32_t query, point;
    bool both;

    blocks_of(s, number, &query, &point);
    both = !s->self && query != point;

    struct unit unit = {s, query * KNN_BLOCK, point * KNN_BLOCK};
    const struct knn_tile_f32 tile = {
        .rows = queries->values + (size_t)query * KNN_BLOCK * s->d,
        .columns = s->packed.values + (size_t)point * KNN_BLOCK * s->d,
        .row_count = KNN_BLOCK,
        .column_count = KNN_BLOCK,
        .d = s->d,
        .row_half = queries->half + unit.first_query,
        .column_half = s->packed.half + unit.first_point,
        .row_least = s->least + unit.first_query,
        .column_least = both ? s->least + unit.first_point : never,
        .hit = row_hit,
        .column_hit = column_hit,
        .arg = &unit,
    };
    /* The lower number first, always: no two threads wait for each other. */
    pthread_mutex_lock(&s->locks[query]);
    if (both)
        pthread_mutex_lock(&s->locks[point]);
    s->path->f32(&tile);
    if (both)
        pthread_mutex_unlock(&s->locks[point]);
    pthread_mutex_unlock(&s->locks[query]);
}

void knn_lists_begin(struct knn_search *s, bool read)
{
    const uint32_t rows = (s->self ? s->packed_queries : s->packed).blocks * KNN_BLOCK;

    if (!read)
        for (size_t i = 0; i < (size_t)s->query_count * s->kept; i++) {
            s->near_value[i] = -INFINITY;
            s->near_index[i] = KNN_NONE;
        }
    for (uint32_t i = 0; i < rows; i++)
        s->least[i] =
            i < s->query_count ? s->near_value[(size_t)i * s->kept + s->kept - 1] : INFINITY;
}
