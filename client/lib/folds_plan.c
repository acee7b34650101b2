/*
 * Which group of samples goes to which part, so that classes are as even in the parts as groups
 * allow (folds.h). Called by folds_grouped.c, and by client/cli/groups.c.
 */
#include <math.h>
#include <stdlib.h>
#include "client/lib/folds.h"

struct ranked {
    double spread; /* of the group's counts: their variance times the square of the classes */
    uint32_t group;
};

/* Sums over the parts of a class, and how uneven they are. */
struct class_sums {
    double all;      /* samples of the class */
    double squares;  /* of a part's samples over its share */
    double placed;   /* samples so far */
    double deviance; /* standard deviation of the parts' shares, times their number */
};

struct planner {
    const struct folds_plan *plan;
    uint32_t present; /* classes with samples */
    struct class_sums *sums;
    double *placed;   /* classes x parts */
    double deviances; /* of all classes */
    struct ranked *order;
};

static bool planner_init(struct planner *planner, const struct folds_plan *plan)
{
    *planner = (struct planner){.plan = plan};
    planner->sums = calloc(plan->classes + 1u, sizeof(*planner->sums));
    planner->placed = calloc((size_t)plan->classes * plan->parts + 1, sizeof(double));
    planner->order = calloc(plan->groups + 1u, sizeof(*planner->order));
    if (!planner->sums || !planner->placed || !planner->order)
        return false;
    for (uint32_t p = 0; p < plan->parts; p++)
        plan->samples[p] = 0;
    for (uint32_t m = 0; m < plan->first[plan->groups]; m++) {
        double *all = &planner->sums[plan->members[m].class].all;
        planner->present += *all == 0;
        *all += plan->members[m].count;
    }
    return true;
}

static void planner_fini(struct planner *planner)
{
    free(planner->sums);
    free(planner->placed);
    free(planner->order);
}

static int by_spread(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->spread != y->spread)
        return x->spread < y->spread ? 1 : -1;
    return (x->group > y->group) - (x->group < y->group);
}

static void sort_groups(struct planner *planner)
{
    const struct folds_plan *plan = planner->plan;

    for (uint32_t g = 0; g < plan->groups; g++) {
        double sum = 0, squares = 0;
        for (uint32_t m = plan->first[g]; m < plan->first[g + 1]; m++) {
            sum += plan->members[m].count;
            squares += plan->members[m].count * plan->members[m].count;
        }
        planner->order[g] = (struct ranked){planner->present * squares - sum * sum, g};
    }
    qsort(planner->order, plan->groups, sizeof(*planner->order), by_spread);
}

static double *placed_of(const struct planner *planner, uint32_t class, uint32_t part)
{
    return &planner->placed[(size_t) class * planner->plan->parts + part];
}

/* The class' sums with so many more samples in a part, or (sign -1) fewer. */
static struct class_sums sums_with(const struct planner *planner, const struct folds_member *member,
                                   uint32_t part, int sign)
{
    struct class_sums sums = planner->sums[member->class];
    const double placed = *placed_of(planner, member->class, part), n = sign * member->count;
    double variance;

    sums.squares += planner->plan->whole[part] * n * (2 * placed + n);
    sums.placed += n;
    variance = sums.squares - sums.placed * sums.placed;
    sums.deviance = variance > 0 ? sqrt(variance) / sums.all : 0;
    return sums;
}

/* How uneven the classes are, on average, if the group goes to that part. */
static double unevenness(const struct planner *planner, uint32_t group, uint32_t part)
{
    const struct folds_plan *plan = planner->plan;
    double deviances = planner->deviances;

    for (uint32_t m = plan->first[group]; m < plan->first[group + 1]; m++) {
        const struct folds_member *member = &plan->members[m];
        deviances +=
            sums_with(planner, member, part, 1).deviance - planner->sums[member->class].deviance;
    }
    return deviances / planner->present / plan->parts;
}

static uint32_t best_part(const struct planner *planner, uint32_t group)
{
    const struct folds_plan *plan = planner->plan;
    double least = INFINITY, fewest = INFINITY;
    uint32_t best = 0;

    for (uint32_t p = 0; p < plan->parts; p++) {
        const double uneven = unevenness(planner, group, p);
        const double filled = plan->samples[p] * plan->whole[p];
        if (uneven < least || (uneven - least <= 1e-8 + 1e-5 * least && filled < fewest)) {
            least = uneven;
            fewest = filled;
            best = p;
        }
    }
    return best;
}

/* Puts the group into the part, or (sign -1) takes it out. */
static void place(struct planner *planner, uint32_t group, uint32_t part, int sign)
{
    const struct folds_plan *plan = planner->plan;

    for (uint32_t m = plan->first[group]; m < plan->first[group + 1]; m++) {
        const struct folds_member *member = &plan->members[m];
        struct class_sums *sums = &planner->sums[member->class];
        const struct class_sums after = sums_with(planner, member, part, sign);

        planner->deviances += after.deviance - sums->deviance;
        *sums = after;
        *placed_of(planner, member->class, part) += sign * member->count;
        plan->samples[part] += sign * member->count;
    }
}

/* Once all have a place, each may still find a better one. */
static void place_again(struct planner *planner, uint32_t group, uint32_t *part)
{
    double before, least;
    uint32_t best = *part;

    place(planner, group, *part, -1);
    before = least = unevenness(planner, group, *part);
    for (uint32_t p = 0; p < planner->plan->parts; p++) {
        const double uneven = unevenness(planner, group, p);
        if (uneven < least && before - uneven > 1e-8 + 1e-5 * before) {
            least = uneven;
            best = p;
        }
    }
    *part = best;
    place(planner, group, best, 1);
}

bool folds_plan(const struct folds_plan *plan)
{
    struct planner planner;
    const bool ok = planner_init(&planner, plan);

    if (ok)
        sort_groups(&planner);
    for (uint32_t i = 0; ok && i < plan->groups; i++) {
        const uint32_t group = planner.order[i].group;
        plan->part[group] = best_part(&planner, group);
        place(&planner, group, plan->part[group], 1);
    }
    for (uint32_t i = 0; ok && i < plan->groups; i++)
        place_again(&planner, planner.order[i].group, &plan->part[planner.order[i].group]);
    planner_fini(&planner);
    return ok;
}
