/*
 * NearMiss: of each target as many samples as are wanted, by the sum of their distances to k
 * samples of the smallest class. Called by select.c.
 */
#include <stdlib.h>
#include <string.h>
#include "client/lib/select.h"

static int needs_smallest(struct select *s)
{
    if (s->members[s->smallest] >= s->options->k)
        return EVD_OK;
    return error_set(&s->rows.error, EVD_E_BAD_VALUE, "k",
                     "%s is the smallest and has %llu samples, fewer than k = %u to which "
                     "distances are summed: take k = %llu, or give it more samples",
                     select_class(s, s->smallest), (unsigned long long)s->members[s->smallest],
                     s->options->k, (unsigned long long)s->members[s->smallest]);
}

/* Ranks of all samples of targets, with value 0. */
static int rank_targets(struct select *s)
{
    if (select_ranks_new(s) != EVD_OK)
        return s->rows.error.code;
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->ranks[s->rank_count++] = (struct select_rank){0, s->options->labels[row], row};
    return EVD_OK;
}

/* The table of the nearest k of the smallest class, for the rows that are ranked. */
static int search_smallest(struct select *s)
{
    for (uint32_t row = 0; row < s->n; row++)
        s->labels[row] = s->options->labels[row] == s->smallest ? s->smallest : EVD_NO_LABEL;
    for (uint32_t i = 0; i < s->rank_count; i++)
        s->labels[s->ranks[i].row] = s->ranks[i].label;
    if (select_table_new(s, s->options->k) != EVD_OK)
        return s->rows.error.code;
    return select_search(s, EVD_SCOPE_OF_CLASS, s->smallest);
}

/* Ranks by these sums, from the nearest on. A sample of the smallest class that is a target itself
 * counts as the nearest to itself, so that one of the others is left out. */
static int sum_nearest(struct select *s, double sign)
{
    for (uint32_t i = 0; i < s->rank_count; i++) {
        struct select_rank *rank = &s->ranks[i];
        const uint32_t *near = s->table + (size_t)rank->row * s->width;
        const uint32_t count = s->options->k - (rank->label == s->smallest);
        double sum = 0;

        if (select_cancelled(s))
            return EVD_CANCELLED;
        for (uint32_t j = 0; j < count; j++)
            sum += select_distance(s, knn_distance(&s->rows, rank->row, near[j]));
        rank->value = sign * sum;
    }
    return EVD_OK;
}

int select_nearmiss_1(struct select *s)
{
    int code;

    if (needs_smallest(s) != EVD_OK || rank_targets(s) != EVD_OK)
        return s->rows.error.code;
    code = search_smallest(s);
    if (code == EVD_OK)
        code = sum_nearest(s, 1);
    if (code != EVD_OK)
        return code;
    select_sort(s);
    select_keep_first(s);
    return EVD_OK;
}

/* ---- 2: the farthest ---- */

static uint64_t units_of(uint64_t queries)
{
    return (queries + SELECT_LANES - 1) / SELECT_LANES;
}

static void sum_farthest(struct knn_worker *worker, uint64_t unit)
{
    struct select *s = (struct select *)worker->search;
    struct select_rank *ranks = s->ranks + unit * SELECT_LANES;
    const uint64_t rest = s->rank_count - unit * SELECT_LANES;
    const uint32_t count = rest < SELECT_LANES ? (uint32_t)rest : SELECT_LANES;
    struct select_near near[SELECT_LANES];
    uint32_t queries[SELECT_LANES] = {0};

    for (uint32_t i = 0; i < count; i++)
        queries[i] = ranks[i].row;
    select_extremes_of(worker, queries, count, s->order + s->starts[s->smallest],
                       s->members[s->smallest], s->options->k, true, near);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < near[i].count; j++)
            ranks[i].value += select_distance(s, near[i].squares[j]);
}

int select_nearmiss_2(struct select *s)
{
    int code;

    if (s->members[s->smallest] < s->options->k)
        select_warn(s,
                    "Distances to all %llu samples of %s, the smallest, were summed: it has fewer "
                    "than k = %u.",
                    (unsigned long long)s->members[s->smallest], select_class(s, s->smallest),
                    s->options->k);
    if (select_order(s) != EVD_OK || rank_targets(s) != EVD_OK)
        return s->rows.error.code;
    code = select_run(s, units_of(s->rank_count), SELECT_LANES * s->members[s->smallest],
                      sum_farthest);
    if (code != EVD_OK)
        return code;
    select_sort(s);
    select_keep_first(s);
    return EVD_OK;
}

/* ---- 3: the farthest of those that are near ---- */

/* Some samples of the smallest class find their nearest ones in the target, and mark them. Others
 * may mark the same. */
static void mark_nearest(struct knn_worker *worker, uint64_t unit)
{
    struct select *s = (struct select *)worker->search;
    const uint64_t first = unit * SELECT_LANES, rest = s->members[s->smallest] - first;
    const uint32_t count = rest < SELECT_LANES ? (uint32_t)rest : SELECT_LANES;
    struct select_near near[SELECT_LANES];

    select_extremes_of(worker, s->order + s->starts[s->smallest] + first, count,
                       s->order + s->starts[s->of_class], s->members[s->of_class],
                       s->options->candidates, false, near);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < near[i].count; j++)
            __atomic_store_n(&s->keep[near[i].rows[j]], 1, __ATOMIC_RELAXED);
}

static int mark_target(struct select *s, uint32_t target)
{
    if (s->members[target] < s->options->candidates)
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "candidates",
                         "%s has %llu samples, and each of %s is to have %u of them for "
                         "candidates: take fewer candidates, or leave the first as it is",
                         select_class(s, target), (unsigned long long)s->members[target],
                         select_class(s, s->smallest), s->options->candidates);
    s->of_class = target;
    return select_run(s, units_of(s->members[s->smallest]), SELECT_LANES * s->members[target],
                      mark_nearest);
}

static int mark_candidates(struct select *s)
{
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->keep[row] = 0;
    for (uint32_t c = 0; c < s->classes; c++) {
        const int code = s->target[c] ? mark_target(s, c) : EVD_OK;

        if (code != EVD_OK)
            return code;
    }
    return EVD_OK;
}

/* Says so where there are fewer candidates than wanted. */
static void warn_of_few(struct select *s)
{
    uint32_t classes = 0, first = 0;
    uint64_t there = 0;

    for (uint32_t from = 0, end; from < s->rank_count; from = end) {
        end = select_class_end(s, from);
        if (end - from >= s->wanted[s->ranks[from].label])
            continue;
        if (classes++ == 0) {
            first = s->ranks[from].label;
            there = end - from;
        }
    }
    if (classes > 0)
        select_warn(s,
                    "Of %s %llu samples are kept where %llu are wanted, since no more are among "
                    "the %u nearest of a sample of %s (so with %u classes in all): more "
                    "candidates would do.",
                    select_class(s, first), (unsigned long long)there,
                    (unsigned long long)s->wanted[first], s->options->candidates,
                    select_class(s, s->smallest), classes);
}

int select_nearmiss_3(struct select *s)
{
    int code;

    if (needs_smallest(s) != EVD_OK || select_order(s) != EVD_OK || select_ranks_new(s) != EVD_OK)
        return s->rows.error.code;
    code = mark_candidates(s);
    if (code != EVD_OK)
        return code;
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row) && s->keep[row])
            s->ranks[s->rank_count++] = (struct select_rank){0, s->options->labels[row], row};
    code = search_smallest(s);
    if (code == EVD_OK)
        code = sum_nearest(s, -1);
    if (code != EVD_OK)
        return code;
    select_sort(s);
    warn_of_few(s);
    select_keep_first(s);
    return EVD_OK;
}
