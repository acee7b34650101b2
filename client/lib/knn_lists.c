/*
 * The lists of an approximate search: k-means on a sample of a group's points, then each point goes
 * to the list of the nearest centroid. Called by neighbours.c.
 *
 * Nothing here depends on the machine or the number of threads. Which centroid is nearest is
 * decided by `plain` kernels, of equally near ones it is the first; centroids are sums in the order
 * of the rows, by one thread; what is drawn for the sample depends on the number of points alone.
 */
#include <math.h>
#include <string.h>
#include "client/lib/knn.h"

#define MOST_LISTS 4096
/* Points of the sample, by list, and rounds of k-means: more of either makes no better lists. */
#define SAMPLED 40
#define ROUNDS  8
/* A list of fewer points would be mostly padding. It has at least k + 1, too, so that a query finds
 * k others in whatever list it looks. */
#define LEAST_MEMBERS 24

uint32_t knn_approximate_from = 20000;

bool knn_group_approximate(const struct knn_search *s, uint64_t group)
{
    const uint32_t points = knn_group_points(s, group);

    return s->options->recall > 0 && knn_group_size(s, group) > 0 && !knn_group_small(s, group) &&
           points >= knn_approximate_from && points / 4 > s->k;
}

static uint32_t least_members(const struct knn_search *s)
{
    return s->k + 1 > LEAST_MEMBERS ? s->k + 1 : LEAST_MEMBERS;
}

uint32_t knn_lists_for(const struct knn_search *s, uint32_t points)
{
    const uint32_t root = (uint32_t)sqrt(points), full = points / (2 * least_members(s));
    const uint32_t count = root < full ? root : full;

    return count < MOST_LISTS ? count : MOST_LISTS;
}

uint32_t knn_sampled(uint32_t i, uint32_t sample, uint32_t of)
{
    const uint64_t first = (uint64_t)i * of / sample, end = ((uint64_t)i + 1) * of / sample;
    uint64_t x = (i + (uint64_t)sample) * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(first + (x ^ (x >> 31)) % (end - first));
}

static uint32_t sample_size(const struct knn_search *s)
{
    const uint64_t most = (uint64_t)SAMPLED * knn_lists_for(s, s->point_count);

    return most < s->point_count ? (uint32_t)most : s->point_count;
}

uint64_t knn_lists_pairs(const struct knn_search *s)
{
    const uint64_t sample = knn_padded(sample_size(s), KNN_BLOCK);

    return (sample * ROUNDS + knn_padded(s->point_count, KNN_BLOCK)) *
           knn_lists_for(s, s->point_count);
}

/* ---- the nearest centroid ---- */

static void assign_unit(struct knn_worker *worker, uint64_t unit)
{
    const struct knn_lists *lists = &worker->search->lists;
    const uint32_t first = (uint32_t)unit * KNN_BLOCK, left = lists->row_count - first;
    struct knn_batch *batch = worker->batch;

    knn_batch_pack(batch, lists->rows + first, left < KNN_BLOCK ? left : KNN_BLOCK);
    knn_rank(batch, 1);
    /* None is nearest if features become NaN while they are searched. */
    for (uint32_t i = 0; i < batch->count; i++)
        lists->nearest[first + i] =
            knn_ranked(batch, i)->count > 0 ? knn_ranked(batch, i)->point[0] : 0;
}

/* nearest[i]: the list of rows[i]. */
static int assign(struct knn_search *s, const uint32_t *rows, uint32_t count, uint32_t *nearest)
{
    s->lists.rows = rows;
    s->lists.row_count = count;
    s->lists.nearest = nearest;
    return knn_run_aside(s, knn_padded(count, KNN_BLOCK) / KNN_BLOCK,
                         (uint64_t)KNN_BLOCK * s->lists.count, assign_unit);
}

/* ---- k-means ---- */

static double *centroid_of(const struct knn_search *s, uint32_t list)
{
    return s->lists.values + (size_t)(list / KNN_PANEL) * KNN_PANEL * s->d + list % KNN_PANEL;
}

static void centroid_set(struct knn_search *s, uint32_t list, const double *sums, double members)
{
    double *to = centroid_of(s, list), squares = 0;

    for (uint32_t u = 0; u < s->d; u++) {
        const double value = sums[u] / members;

        to[(size_t)u * KNN_PANEL] = value;
        squares += value * value;
    }
    s->lists.half[list] = squares / 2;
}

/* One member each to begin with, from all over the sample. */
static void centroids_begin(struct knn_search *s, const uint32_t *rows, uint32_t count)
{
    const size_t room = knn_padded(s->lists.count, KNN_PANEL);

    memset(s->lists.values, 0, room * s->d * sizeof(double));
    for (size_t l = 0; l < room; l++)
        s->lists.half[l] = INFINITY;
    for (uint32_t l = 0; l < s->lists.count; l++) {
        memset(s->lists.sums, 0, s->d * sizeof(double));
        knn_row_add(s, rows[knn_sampled(l, s->lists.count, count)], s->lists.sums);
        centroid_set(s, l, s->lists.sums, 1);
    }
}

/* Each to the middle of its members; where it has none it stays. */
static bool centroids_move(struct knn_search *s, const uint32_t *rows, uint32_t count,
                           const uint32_t *nearest)
{
    struct knn_lists *lists = &s->lists;

    memset(lists->sums, 0, (size_t)lists->count * s->d * sizeof(double));
    memset(lists->members, 0, lists->count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        if (i % KNN_BLOCK == 0 && knn_cancelled(&s->workers[0]))
            return false;
        lists->members[nearest[i]]++;
        knn_row_add(s, rows[i], lists->sums + (size_t)nearest[i] * s->d);
    }
    for (uint32_t l = 0; l < lists->count; l++)
        if (lists->members[l] > 0)
            centroid_set(s, l, lists->sums + (size_t)l * s->d, lists->members[l]);
    return true;
}

/* slots and doubtful are not in use yet. */
static int find_centroids(struct knn_search *s)
{
    const uint32_t count = sample_size(s);
    uint32_t *rows = s->lists.slots, *nearest = s->doubtful;

    for (uint32_t i = 0; i < count; i++)
        rows[i] = s->points[knn_sampled(i, count, s->point_count)];
    centroids_begin(s, rows, count);
    for (int round = 0; round < ROUNDS; round++) {
        const int code = assign(s, rows, count, nearest);

        if (code != EVD_OK)
            return code;
        if (!centroids_move(s, rows, count, nearest))
            return knn_end_cancelled(s);
    }
    return EVD_OK;
}

/* ---- lists ---- */

static void count_members(struct knn_search *s)
{
    memset(s->lists.members, 0, s->lists.count * sizeof(uint32_t));
    for (uint32_t p = 0; p < s->point_count; p++)
        s->lists.members[s->lists.list_of[p]]++;
}

/* Takes away lists with too few points, but never all; list_of their points becomes KNN_NONE. */
static void drop_small(struct knn_search *s)
{
    struct knn_lists *lists = &s->lists;
    const uint32_t least = least_members(s);
    uint32_t *now = lists->starts, largest = 0, kept = 0;

    for (uint32_t l = 1; l < lists->count; l++)
        largest = lists->members[l] > lists->members[largest] ? l : largest;
    for (uint32_t l = 0; l < lists->count; l++) {
        now[l] = KNN_NONE;
        if (lists->members[l] < least && l != largest)
            continue;
        for (uint32_t u = 0; kept < l && u < s->d; u++)
            centroid_of(s, kept)[(size_t)u * KNN_PANEL] = centroid_of(s, l)[(size_t)u * KNN_PANEL];
        lists->half[kept] = lists->half[l];
        now[l] = kept++;
    }
    for (size_t l = kept; l < knn_padded(lists->count, KNN_PANEL); l++)
        lists->half[l] = INFINITY;
    lists->count = kept;
    for (uint32_t p = 0; p < s->point_count; p++)
        lists->list_of[p] = now[lists->list_of[p]];
}

/* Points without a list go to the nearest of those that are left. */
static int assign_dropped(struct knn_search *s)
{
    uint32_t *rows = s->lists.slots, *nearest = s->doubtful, count = 0;
    int code;

    for (uint32_t p = 0; p < s->point_count; p++)
        if (s->lists.list_of[p] == KNN_NONE)
            rows[count++] = s->points[p];
    code = assign(s, rows, count, nearest);
    for (uint32_t p = s->point_count; code == EVD_OK && p-- > 0;)
        if (s->lists.list_of[p] == KNN_NONE)
            s->lists.list_of[p] = nearest[--count];
    return code;
}

/* Each list begins with a panel. */
static void fill_slots(struct knn_search *s)
{
    struct knn_lists *lists = &s->lists;

    count_members(s);
    lists->starts[0] = 0;
    for (uint32_t l = 0; l < lists->count; l++)
        lists->starts[l + 1] =
            lists->starts[l] + (uint32_t)knn_padded(lists->members[l], KNN_PANEL);
    for (uint32_t i = 0; i < lists->starts[lists->count]; i++)
        lists->slots[i] = KNN_NONE;
    memset(lists->members, 0, lists->count * sizeof(uint32_t));
    for (uint32_t p = 0; p < s->point_count; p++) {
        const uint32_t list = lists->list_of[p];

        lists->slots[lists->starts[list] + lists->members[list]++] = p;
    }
}

int knn_lists_make(struct knn_search *s)
{
    int code;

    s->lists.count = knn_lists_for(s, s->point_count);
    code = find_centroids(s);
    if (code == EVD_OK)
        code = assign(s, s->points, s->point_count, s->lists.list_of);
    if (code != EVD_OK)
        return code;
    count_members(s);
    drop_small(s);
    code = assign_dropped(s);
    if (code == EVD_OK)
        fill_slots(s);
    return code;
}

bool knn_lists_pack(struct knn_search *s)
{
    const struct knn_lists *lists = &s->lists;
    uint32_t rows[KNN_PANEL];

    for (uint32_t first = 0; first < lists->starts[lists->count]; first += KNN_PANEL) {
        const uint32_t *slots = lists->slots + first;
        uint32_t count = 0;

        if (knn_cancelled(&s->workers[0]))
            return false;
        for (; count < KNN_PANEL && slots[count] != KNN_NONE; count++)
            rows[count] = s->points[slots[count]];
        knn_pack_floats(s, rows, count, s->packed.values + (size_t)first * s->d,
                        s->packed.half + first);
        for (uint32_t i = 0; !s->self && i < count; i++)
            lists->query_half[slots[i]] = s->packed.half[first + i];
    }
    if (!s->self)
        return true;
    if (!knn_pack(s, s->queries, s->query_count, &s->packed_queries))
        return false;
    memcpy(lists->query_half, s->packed_queries.half, s->query_count * sizeof(float));
    return true;
}
