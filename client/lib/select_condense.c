/*
 * Condensed nearest neighbours and one-sided selection: what of a target the smallest class and a
 * few samples of the target itself, its seeds, already tell apart is left out. Called by select.c.
 *
 * By the nearest neighbour among the smallest class and what is kept of the target, a sample is
 * taken for one of the target as soon as one kept sample is nearer to it than all of the smallest
 * class; and stays so, whatever else is kept. So each kept sample is compared once with those that
 * are still taken for the smallest class, and only these are remembered. Equally near: the lower
 * row.
 */
#include <stdlib.h>
#include <string.h>
#include <Random123/philox.h>
#include "client/lib/select.h"

/* A sample that is still taken for one of the smallest class. */
struct open {
    uint32_t row, near; /* near: the nearest of the smallest class */
    double square;      /* and how far it is */
};

struct condense {
    struct select *s;
    struct open *open; /* of one target, ascending by row */
    uint64_t count;
    uint64_t done, total; /* samples that need no more comparisons, of those of all targets */
};

/* ---- seeds ---- */

static int seed_given(struct select *s, uint64_t i)
{
    const uint32_t row = s->options->first[i];

    if (row >= s->n || !select_is_target(s, row))
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "first",
                         "row %u is given to begin with, and is no sample of a class that is to "
                         "lose samples",
                         row);
    if (s->keep[row])
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "first",
                         "row %u is given twice to begin with", row);
    s->keep[row] = 1;
    s->wanted[s->options->labels[row]] = 1;
    return EVD_OK;
}

/* s->wanted says of each class whether a seed was given. */
static int seeds_given(struct select *s)
{
    memset(s->wanted, 0, s->classes * sizeof(*s->wanted));
    for (uint64_t i = 0; i < s->options->first_count; i++)
        if (seed_given(s, i) != EVD_OK)
            return s->rows.error.code;
    for (uint32_t c = 0; c < s->classes; c++)
        if (s->target[c] && !s->wanted[c])
            return error_set(&s->rows.error, EVD_E_BAD_VALUE, "first",
                             "no sample of %s is given to begin with: give one of each "
                             "class that is to lose samples, or none and a seed",
                             select_class(s, c));
    return EVD_OK;
}

/* The number of a sample: the same for a seed on every machine. */
static double keyed(uint64_t seed, uint32_t row)
{
    const philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    const philox4x32_ctr_t counter = {{row, 0, 2, 0}};
    const philox4x32_ctr_t random = philox4x32(counter, key);

    return (double)(((uint64_t)random.v[1] << 32 | random.v[0]) >> 11);
}

/* Of each target those with the smallest numbers. */
static int seeds_drawn(struct select *s)
{
    const uint32_t wanted = s->options->seeds;

    for (uint32_t c = 0; c < s->classes; c++) {
        if (s->target[c] && s->members[c] < wanted)
            return error_set(&s->rows.error, EVD_E_BAD_VALUE, "seeds",
                             "%s has %llu samples, fewer than the %u to begin with: take "
                             "fewer seeds",
                             select_class(s, c), (unsigned long long)s->members[c], wanted);
        s->wanted[c] = wanted;
    }
    if (select_ranks_new(s) != EVD_OK)
        return s->rows.error.code;
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->ranks[s->rank_count++] =
                (struct select_rank){keyed(s->options->seed, row), s->options->labels[row], row};
    select_sort(s);
    select_keep_first(s);
    return EVD_OK;
}

/* Leaves of each target its seeds alone. */
static int seeds(struct select *s)
{
    if (s->target[s->smallest])
        return error_set(&s->rows.error, EVD_E_BAD_VALUE, "targets",
                         "%s is the smallest: cnn and oss keep all of it and compare the "
                         "others with it, so it cannot lose samples; name other classes",
                         select_class(s, s->smallest));
    if (s->options->first == NULL)
        return seeds_drawn(s);
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->keep[row] = 0;
    return seeds_given(s);
}

/* ---- what is told apart ---- */

/* The nearest of the smallest class, for the samples of targets. */
static int search_smallest(struct select *s)
{
    for (uint32_t row = 0; row < s->n; row++) {
        const uint32_t label = s->options->labels[row];

        s->labels[row] = label == s->smallest || select_is_target(s, row) ? label : EVD_NO_LABEL;
    }
    if (select_table_new(s, 1) != EVD_OK)
        return s->rows.error.code;
    return select_search(s, EVD_SCOPE_OF_CLASS, s->smallest);
}

/* Opens all samples of the class but its seeds. */
static int open_class(struct condense *c, uint32_t label)
{
    struct select *s = c->s;

    c->count = 0;
    for (uint64_t i = s->starts[label]; i < s->starts[label + 1]; i++) {
        const uint32_t row = s->order[i], near = s->table[row];

        if (select_cancelled(s))
            return EVD_CANCELLED;
        if (!s->keep[row])
            c->open[c->count++] = (struct open){row, near, knn_distance(&s->rows, row, near)};
    }
    return EVD_OK;
}

/* Closes what a sample that is kept tells apart, of the open ones from number `from` on; those
 * before are done with. */
static int close_near(struct condense *c, uint32_t kept, uint64_t from)
{
    struct select *s = c->s;
    uint64_t count = 0;

    for (uint64_t i = from; i < c->count; i += SELECT_LANES) {
        const uint64_t end = c->count - i < SELECT_LANES ? c->count - i : SELECT_LANES;
        uint32_t rows[SELECT_LANES];
        double squares[SELECT_LANES];

        for (uint64_t lane = 0; lane < SELECT_LANES; lane++)
            rows[lane] = c->open[lane < end ? i + lane : i].row;
        select_distances(s, kept, rows, squares);
        for (uint64_t lane = 0; lane < end; lane++) {
            const struct open *o = &c->open[i + lane];

            if (squares[lane] > o->square || (squares[lane] == o->square && kept > o->near))
                c->open[count++] = *o;
        }
        if (select_cancelled(s))
            return EVD_CANCELLED;
    }
    c->done += c->count - count;
    c->count = count;
    /* In pairs, as the searches. */
    select_tell(s, c->done * s->members[s->smallest], c->total * s->members[s->smallest]);
    return EVD_OK;
}

/* The seeds of a class lie among its rows: keep tells which. */
static int close_seeds(struct condense *c, uint32_t label)
{
    struct select *s = c->s;
    int code = EVD_OK;

    for (uint64_t i = s->starts[label]; code == EVD_OK && i < s->starts[label + 1]; i++)
        if (s->keep[s->order[i]])
            code = close_near(c, s->order[i], 0);
    return code;
}

/* One pass: the first that is still open is kept. */
static int keep_open_in_turn(struct condense *c)
{
    int code = EVD_OK;

    while (code == EVD_OK && c->count > 0) {
        const uint32_t row = c->open[0].row;

        c->s->keep[row] = 1;
        code = close_near(c, row, 1);
    }
    return code;
}

static int keep_open(struct condense *c)
{
    for (uint64_t i = 0; i < c->count; i++)
        c->s->keep[c->open[i].row] = 1;
    return EVD_OK;
}

static int condense_class(struct condense *c, uint32_t label, int (*keep)(struct condense *c))
{
    int code = open_class(c, label);

    if (code == EVD_OK)
        code = close_seeds(c, label);
    return code == EVD_OK ? keep(c) : code;
}

static int condense(struct select *s, int (*keep)(struct condense *c))
{
    struct condense c = {.s = s};
    uint64_t most = 0;
    int code;

    if (seeds(s) != EVD_OK || select_order(s) != EVD_OK)
        return s->rows.error.code;
    for (uint32_t label = 0; label < s->classes; label++) {
        if (!s->target[label])
            continue;
        c.total += s->members[label];
        most = s->members[label] > most ? s->members[label] : most;
    }
    code = search_smallest(s);
    if (code != EVD_OK)
        return code;
    c.open = knn_alloc(&s->rows, most, sizeof(*c.open));
    if (c.open == NULL)
        return s->rows.error.code;
    for (uint32_t label = 0; code == EVD_OK && label < s->classes; label++)
        if (s->target[label])
            code = condense_class(&c, label, keep);
    if (code == EVD_OK)
        select_stage_end(s, c.total * s->members[s->smallest]);
    free(c.open);
    return code;
}

int select_cnn(struct select *s)
{
    return condense(s, keep_open_in_turn);
}

int select_oss(struct select *s)
{
    const int code = condense(s, keep_open);

    return code == EVD_OK ? select_links(s) : code;
}
