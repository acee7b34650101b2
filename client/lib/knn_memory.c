/*
 * Memory of a search for neighbours: how much it needs, taken once for the largest group, given
 * back in the end. Called by neighbours.c; knn_alloc by whoever takes memory.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/lib/knn.h"

#define ALIGN 64

void *knn_alloc(struct knn_search *s, size_t count, size_t size)
{
    const size_t bytes = (count * size + ALIGN) / ALIGN * ALIGN;
    void *memory = count < SIZE_MAX / 2 / size ? aligned_alloc(ALIGN, bytes) : NULL;

    if (memory == NULL)
        error_set(&s->error, EVD_E_NO_MEMORY, "",
                  "no memory for %llu bytes of the search: give it fewer rows at once (class by "
                  "class), or a machine with more memory",
                  (unsigned long long)count * size);
    return memory;
}

/* The largest group, and the largest that has a first pass. */
static void largest(const struct knn_search *s, uint32_t *any, uint32_t *listed)
{
    *any = *listed = 0;
    for (uint64_t g = 0; g < s->groups; g++) {
        const uint32_t size = knn_group_size(s, g);

        *any = size > *any ? size : *any;
        if (!knn_group_small(s, g))
            *listed = size > *listed ? size : *listed;
    }
}

/* Rows that are packed of the points of the largest group: each list begins with a panel. */
static uint32_t point_rows(const struct knn_search *s, uint32_t listed)
{
    const uint32_t points = s->self ? s->points_of_count : listed;

    return (uint32_t)knn_padded(points + (KNN_PANEL - 1) * s->lists.most, KNN_PANEL);
}

static uint64_t lists_needed(const struct knn_search *s, uint32_t listed)
{
    const uint64_t most = s->lists.most, points = s->self ? s->points_of_count : listed;

    if (most == 0)
        return 0;
    return knn_padded((uint32_t)most, KNN_PANEL) * (s->d + 1) * sizeof(double) +
           most * s->d * sizeof(double) + (2 * most + 1) * sizeof(uint32_t) +
           (points + point_rows(s, listed)) * sizeof(uint32_t) + listed * sizeof(float) +
           KNN_SAMPLE * (uint64_t)s->k * sizeof(uint32_t) + 2 * most * sizeof(uint64_t);
}

/* Lists of the largest group, which all groups use. */
static int lists_new(struct knn_search *s, uint32_t listed)
{
    struct knn_lists *lists = &s->lists;
    const size_t most = lists->most, points = s->self ? s->points_of_count : listed;

    if (most == 0)
        return EVD_OK;
    lists->values = knn_alloc(s, knn_padded(lists->most, KNN_PANEL) * s->d, sizeof(double));
    lists->half = knn_alloc(s, knn_padded(lists->most, KNN_PANEL), sizeof(double));
    lists->sums = knn_alloc(s, most * s->d, sizeof(double));
    lists->members = knn_alloc(s, most, sizeof(uint32_t));
    lists->starts = knn_alloc(s, most + 1, sizeof(uint32_t));
    lists->list_of = knn_alloc(s, points, sizeof(uint32_t));
    lists->slots = knn_alloc(s, point_rows(s, listed), sizeof(uint32_t));
    lists->query_half = knn_alloc(s, listed, sizeof(float));
    lists->truth = knn_alloc(s, KNN_SAMPLE * (size_t)s->k, sizeof(uint32_t));
    lists->found_at = knn_alloc(s, most, sizeof(uint64_t));
    lists->points_at = knn_alloc(s, most, sizeof(uint64_t));
    return lists->values && lists->half && lists->sums && lists->members && lists->starts &&
                   lists->list_of && lists->slots && lists->query_half && lists->truth &&
                   lists->found_at && lists->points_at
               ? EVD_OK
               : s->error.code;
}

static uint64_t memory_needed(const struct knn_search *s)
{
    const uint64_t row = s->d * sizeof(float) + sizeof(float); /* packed, with its half */
    uint64_t bytes = (uint64_t)s->n * sizeof(*s->order) + (s->groups + 2) * sizeof(*s->starts) +
                     s->d * sizeof(double) +
                     s->threads * (knn_batch_bytes(s) + sizeof(struct knn_worker));
    uint32_t any, listed;

    largest(s, &any, &listed);
    if (s->options->metric == EVD_METRIC_COSINE)
        bytes += (uint64_t)s->n * sizeof(double);
    bytes += any * (uint64_t)(sizeof(*s->doubtful) + sizeof(*s->bound));
    bytes += lists_needed(s, listed);
    bytes += knn_padded(listed, KNN_BLOCK) * sizeof(float) +
             listed * (uint64_t)s->kept * (sizeof(float) + sizeof(uint32_t)) +
             knn_padded(listed, KNN_BLOCK) / KNN_BLOCK * sizeof(pthread_mutex_t);
    if (listed)
        bytes += knn_padded(point_rows(s, listed), KNN_BLOCK) * row;
    if (s->points_of)
        bytes += s->starts[1] * 2 * sizeof(uint32_t) + knn_padded(listed, KNN_BLOCK) * row;
    return bytes;
}

static int pack_new(struct knn_search *s, struct knn_pack *pack, uint32_t rows)
{
    pack->values = knn_alloc(s, knn_padded(rows, KNN_BLOCK) * s->d, sizeof(float));
    pack->half = knn_alloc(s, knn_padded(rows, KNN_BLOCK), sizeof(float));
    return pack->values && pack->half ? EVD_OK : s->error.code;
}

/* Tables of the largest group, which all groups use. */
static int tables_new(struct knn_search *s)
{
    uint32_t any, listed;

    largest(s, &any, &listed);
    s->workers = knn_alloc(s, s->threads, sizeof(*s->workers));
    if (s->workers == NULL)
        return s->error.code;
    for (uint32_t i = 0; i < s->threads; i++)
        s->workers[i] = (struct knn_worker){.search = s, .callers = i == 0};
    s->centre = knn_alloc(s, s->d, sizeof(double));
    s->doubtful = knn_alloc(s, any, sizeof(uint32_t));
    s->bound = knn_alloc(s, any, sizeof(double));
    if (!s->centre || !s->doubtful || !s->bound || knn_batches_new(s) != EVD_OK)
        return s->error.code;
    if (listed == 0)
        return EVD_OK;
    s->least = knn_alloc(s, knn_padded(listed, KNN_BLOCK), sizeof(float));
    s->near_value = knn_alloc(s, (size_t)listed * s->kept, sizeof(float));
    s->near_index = knn_alloc(s, (size_t)listed * s->kept, sizeof(uint32_t));
    s->locks = knn_alloc(s, knn_padded(listed, KNN_BLOCK) / KNN_BLOCK, sizeof(*s->locks));
    if (!s->least || !s->near_value || !s->near_index || !s->locks)
        return s->error.code;
    while (s->lock_count < knn_padded(listed, KNN_BLOCK) / KNN_BLOCK)
        pthread_mutex_init(&s->locks[s->lock_count++], NULL);
    if (s->self && pack_new(s, &s->packed_queries, listed) != EVD_OK)
        return s->error.code;
    if (pack_new(s, &s->packed, point_rows(s, listed)) != EVD_OK)
        return s->error.code;
    return lists_new(s, listed);
}

/* No more than there are units in any group: each thread has memory of its own. */
static void limit_threads(struct knn_search *s)
{
    uint32_t any, listed;
    uint64_t blocks, units;

    largest(s, &any, &listed);
    blocks = knn_padded(any, KNN_BLOCK) / KNN_BLOCK;
    units = s->points_of ? blocks * (knn_padded(s->points_of_count, KNN_BLOCK) / KNN_BLOCK)
                         : blocks * (blocks + 1) / 2;
    if (s->threads > units)
        s->threads = (uint32_t)units;
}

int knn_reserve(struct knn_search *s, evd_neighbours_result *result)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    limit_threads(s);
    for (uint64_t g = 0; g < s->groups; g++)
        if (knn_group_approximate(s, g) && knn_lists_for(s, knn_group_points(s, g)) > s->lists.most)
            s->lists.most = knn_lists_for(s, knn_group_points(s, g));
    result->memory = memory_needed(s);
    if (pages > 0 && page > 0 && result->memory > (uint64_t)pages * (uint64_t)page)
        return error_set(&s->error, EVD_E_NO_MEMORY, "",
                         "the search needs %llu bytes beside the features, and this machine has "
                         "%llu: search class by class, or reduce the columns",
                         (unsigned long long)result->memory,
                         (unsigned long long)pages * (unsigned long long)page);
    if (s->options->metric == EVD_METRIC_COSINE) {
        s->factor = knn_alloc(s, s->n, sizeof(double));
        if (s->factor == NULL)
            return s->error.code;
    }
    return tables_new(s);
}

void knn_release(struct knn_search *s)
{
    void *const memory[] = {
        s->order,
        s->starts,
        s->points_of,
        s->self,
        s->factor,
        s->centre,
        s->least,
        s->near_value,
        s->near_index,
        s->doubtful,
        s->bound,
        s->packed.values,
        s->packed.half,
        s->packed_queries.values,
        s->packed_queries.half,
        s->lists.values,
        s->lists.half,
        s->lists.sums,
        s->lists.members,
        s->lists.starts,
        s->lists.list_of,
        s->lists.slots,
        s->lists.query_half,
        s->lists.truth,
        s->lists.found_at,
        s->lists.points_at,
    };

    knn_batches_free(s);
    free(s->workers);
    for (uint32_t i = 0; i < s->lock_count; i++)
        pthread_mutex_destroy(&s->locks[i]);
    free(s->locks);
    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        free(memory[i]);
    if (s->resumed >= 0)
        close(s->resumed);
}
