/*
 * Folds in which the samples of a group stay together: which groups there are. Called by folds.c;
 * folds_plan.c says which fold each goes to.
 */
#include <stdlib.h>
#include "client/lib/folds.h"

struct sample {
    uint64_t group;
    uint32_t class, row;
};

struct group {
    uint32_t first_row; /* where it is met first */
    uint32_t begin;     /* its first sample, in those that are sorted */
};

struct grouping {
    struct sample *samples; /* by group, then class, then row */
    uint32_t sample_count;
    struct group *groups; /* in the order in which they are met */
    uint32_t group_count, member_count;
};

static int by_group(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int by_first_row(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

static void sort_samples(struct folds *f, struct grouping *g)
{
    for (uint32_t row = 0; row < f->n; row++)
        if (folds_takes(f, row))
            g->samples[g->sample_count++] =
                (struct sample){f->options->groups[row], f->options->labels[row], row};
    qsort(g->samples, g->sample_count, sizeof(*g->samples), by_group);
    for (uint32_t i = 0; i < g->sample_count; i++) {
        const bool next = i == 0 || g->samples[i].group != g->samples[i - 1].group;
        g->group_count += next;
        g->member_count += next || g->samples[i].class != g->samples[i - 1].class;
    }
    f->result->groups = g->group_count;
}

static bool same_group(const struct grouping *g, uint32_t i, uint32_t begin)
{
    return i < g->sample_count && g->samples[i].group == g->samples[begin].group;
}

static void sort_groups(struct grouping *g)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < g->sample_count; count++) {
        struct group *group = &g->groups[count];

        *group = (struct group){g->samples[i].row, i};
        for (; same_group(g, i, group->begin); i++)
            if (g->samples[i].row < group->first_row)
                group->first_row = g->samples[i].row;
    }
    qsort(g->groups, count, sizeof(*g->groups), by_first_row);
}

/* Of each group how many samples of which class it has. */
static void fill_members(const struct grouping *g, uint32_t *first, struct folds_member *members)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < g->group_count; k++) {
        const uint32_t begin = g->groups[k].begin;

        first[k] = count;
        for (uint32_t i = begin; same_group(g, i, begin); i++) {
            if (i == begin || g->samples[i].class != g->samples[i - 1].class)
                members[count++] = (struct folds_member){g->samples[i].class, 0};
            members[count - 1].count++;
        }
    }
    first[g->group_count] = count;
}

static int plan_groups(struct folds *f, const struct grouping *g)
{
    uint32_t *first = folds_alloc(f, g->group_count + 1u, sizeof(*first));
    uint32_t *part = folds_alloc(f, g->group_count, sizeof(*part));
    struct folds_member *members = folds_alloc(f, g->member_count, sizeof(*members));
    double *whole = folds_alloc(f, f->k, sizeof(*whole));
    double *samples = folds_alloc(f, f->k, sizeof(*samples));
    struct folds_plan plan = {g->group_count, f->classes, f->k, first,
                              members,        whole,      part, samples};
    bool ok = first && part && members && whole && samples;

    if (ok) {
        fill_members(g, first, members);
        for (uint32_t k = 0; k < f->k; k++)
            whole[k] = f->k;
        ok = folds_plan(&plan);
        if (!ok)
            folds_no_memory(f);
    }
    for (uint32_t k = 0; ok && k < g->group_count; k++)
        for (uint32_t i = g->groups[k].begin; same_group(g, i, g->groups[k].begin); i++)
            f->fold[g->samples[i].row] = (uint16_t)part[k];
    free(first);
    free(part);
    free(members);
    free(whole);
    free(samples);
    return ok ? EVD_OK : f->error.code;
}

static int group(struct folds *f, struct grouping *g)
{
    g->samples = folds_alloc(f, f->result->samples, sizeof(*g->samples));
    if (!g->samples)
        return f->error.code;
    sort_samples(f, g);
    if (g->group_count < f->k)
        return error_set(
            &f->error, EVD_E_BAD_VALUE, "folds",
            "the samples are in %u %s, which cannot be in %u folds: make as many folds "
            "at most, or smaller groups",
            g->group_count, g->group_count == 1 ? "group" : "groups", f->k);
    g->groups = folds_alloc(f, g->group_count, sizeof(*g->groups));
    if (!g->groups)
        return f->error.code;
    sort_groups(g);
    return plan_groups(f, g);
}

int folds_grouped(struct folds *f)
{
    struct grouping g = {0};
    const int code = group(f, &g);

    free(g.samples);
    free(g.groups);
    return code;
}
