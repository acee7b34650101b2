/*
 * --group: groups are collected in the first pass and each is given a part (groups.h). Called by
 * load_classes.c to collect and to plan, by load_send.c for each sample.
 */
#include "groups.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void groups_init(struct groups *groups)
{
    memset(groups, 0, sizeof(*groups));
    labels_init(&groups->names);
}

void groups_fini(struct groups *groups)
{
    labels_fini(&groups->names);
    free(groups->pairs);
    free(groups->slots);
    groups_init(groups);
}

/* ---- collecting ---- */

static bool is_pair(const struct group_pair *pair, uint32_t group, uint32_t label)
{
    return pair->group == group && pair->label == label;
}

/* The slot that holds the pair, or the free one where it belongs. */
static uint32_t *slot_of(const struct groups *groups, uint32_t group, uint32_t label)
{
    uint64_t key = (uint64_t)group << 32 | label;
    uint32_t mask = groups->slot_count - 1;
    uint32_t at = (uint32_t)XXH3_64bits(&key, sizeof(key)) & mask;

    while (groups->slots[at] && !is_pair(&groups->pairs[groups->slots[at] - 1], group, label))
        at = (at + 1) & mask;
    return &groups->slots[at];
}

/* Room for one more pair; the table stays at most half full. */
static bool grow(struct groups *groups)
{
    uint32_t capacity = groups->capacity ? groups->capacity * 2 : 64;
    struct group_pair *pairs;
    uint32_t *slots;

    if (groups->count < groups->capacity)
        return true;
    pairs = realloc(groups->pairs, capacity * sizeof(*pairs));
    if (!pairs)
        return false;
    groups->pairs = pairs;
    slots = calloc((size_t)capacity * 2, sizeof(*slots));
    if (!slots)
        return false;
    free(groups->slots);
    groups->slots = slots;
    groups->slot_count = capacity * 2;
    groups->capacity = capacity;
    for (uint32_t i = 0; i < groups->count; i++)
        *slot_of(groups, pairs[i].group, pairs[i].label) = i + 1;
    return true;
}

static const char *add_pair(struct groups *groups, uint32_t group, uint32_t label)
{
    uint32_t *slot;

    if (groups->count > 0 && is_pair(&groups->pairs[groups->recent], group, label)) {
        groups->pairs[groups->recent].count++;
        return NULL;
    }
    if (!grow(groups))
        return "no memory for its groups";
    slot = slot_of(groups, group, label);
    if (*slot == 0) {
        if (groups->count == GROUP_PAIRS_MOST)
            return "the groups hold more than 16,777,216 classes together: is this the column with "
                   "the groups?";
        groups->pairs[groups->count] = (struct group_pair){group, label, 0};
        *slot = ++groups->count;
    }
    groups->recent = *slot - 1;
    groups->pairs[groups->recent].count++;
    return NULL;
}

const char *groups_add(struct groups *groups, const char *name, size_t len, uint32_t label)
{
    struct label *group;

    if (len == 0)
        return "a sample with a label and no group: give it one, or leave its label empty";
    if (len > GROUP_NAME_MOST || memchr(name, '\0', len))
        return "a group's name of over 4,096 bytes, or with a zero byte: is this the column with "
               "the groups?";
    group = labels_find(&groups->names, name, len);
    if (!group && groups->names.count == GROUPS_MOST)
        return "more than 4,194,304 groups: is this the column with the groups?";
    if (!group)
        group = labels_add(&groups->names, name, len);
    if (!group)
        return "no memory for its groups";
    return add_pair(groups, (uint32_t)(group - groups->names.items), label);
}

bool groups_part(struct groups *groups, const char *name, size_t len, int *part)
{
    const struct label *group = labels_find(&groups->names, name, len);

    if (group)
        *part = group->number == LABELS_EXCLUDED ? -1 : (int)group->number;
    return group;
}

/* ---- the plan ---- */

/* Samples of a class in a group. */
struct member {
    uint32_t class;
    double count;
};

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
    uint32_t parts, classes, present; /* the samples in no part are a part; classes with samples */
    double whole[SPLIT_PARTS + 1];    /* 1 over the part's share */
    double samples[SPLIT_PARTS + 1];
    struct class_sums *sums;
    double *placed;   /* classes x parts */
    double deviances; /* of all classes */
    uint32_t *first;  /* groups + 1: where its members begin */
    struct member *members;
    struct ranked *order;
};

static bool planner_init(struct planner *planner, const struct groups *groups,
                         const struct labels *labels, const struct split *split)
{
    uint32_t n = groups->names.count;
    uint64_t rest = split_whole(split);

    *planner = (struct planner){.classes = labels->class_count};
    for (; planner->parts < split->count; planner->parts++) {
        uint64_t share = split->parts[planner->parts].share;
        planner->whole[planner->parts] = (double)split_whole(split) / (double)(share ? share : 1);
        rest -= share;
    }
    if (rest > 0)
        planner->whole[planner->parts++] = (double)split_whole(split) / (double)rest;
    planner->sums = calloc(planner->classes + 1u, sizeof(*planner->sums));
    planner->placed = calloc((size_t)planner->classes * planner->parts + 1, sizeof(double));
    planner->first = calloc(n + 2u, sizeof(*planner->first));
    planner->members = calloc(groups->count + 1u, sizeof(*planner->members));
    planner->order = calloc(n + 1u, sizeof(*planner->order));
    return planner->sums && planner->placed && planner->first && planner->members && planner->order;
}

static void planner_fini(struct planner *planner)
{
    free(planner->sums);
    free(planner->placed);
    free(planner->first);
    free(planner->members);
    free(planner->order);
}

/* The pairs sorted by group, without those whose label is no class. */
static void sort_members(struct planner *planner, const struct groups *groups,
                         const struct labels *labels)
{
    uint32_t n = groups->names.count;

    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group_pair *pair = &groups->pairs[i];
        uint32_t class = labels->items[pair->label].number;
        if (class == LABELS_EXCLUDED)
            continue;
        planner->first[pair->group + 2]++;
        planner->present += planner->sums[class].all == 0;
        planner->sums[class].all += (double)pair->count;
    }
    for (uint32_t g = 0; g < n; g++)
        planner->first[g + 2] += planner->first[g + 1];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group_pair *pair = &groups->pairs[i];
        uint32_t class = labels->items[pair->label].number;
        if (class != LABELS_EXCLUDED)
            planner->members[planner->first[pair->group + 1]++] =
                (struct member){class, (double)pair->count};
    }
}

static int by_spread(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->spread != y->spread)
        return x->spread < y->spread ? 1 : -1;
    return (x->group > y->group) - (x->group < y->group);
}

static void sort_groups(struct planner *planner, uint32_t groups)
{
    for (uint32_t g = 0; g < groups; g++) {
        double sum = 0, squares = 0;
        for (uint32_t m = planner->first[g]; m < planner->first[g + 1]; m++) {
            sum += planner->members[m].count;
            squares += planner->members[m].count * planner->members[m].count;
        }
        planner->order[g] = (struct ranked){planner->present * squares - sum * sum, g};
    }
    qsort(planner->order, groups, sizeof(*planner->order), by_spread);
}

/* The class' sums with so many more samples in a part, or (sign -1) fewer. */
static struct class_sums sums_with(const struct planner *planner, const struct member *member,
                                   uint32_t part, int sign)
{
    struct class_sums sums = planner->sums[member->class];
    double placed = planner->placed[(size_t)member->class * planner->parts + part];
    double n = sign * member->count, variance;

    sums.squares += planner->whole[part] * n * (2 * placed + n);
    sums.placed += n;
    variance = sums.squares - sums.placed * sums.placed;
    sums.deviance = variance > 0 ? sqrt(variance) / sums.all : 0;
    return sums;
}

/* How uneven the classes are, on average, if the group goes to that part. */
static double unevenness(const struct planner *planner, uint32_t group, uint32_t part)
{
    double deviances = planner->deviances;

    for (uint32_t m = planner->first[group]; m < planner->first[group + 1]; m++) {
        const struct member *member = &planner->members[m];
        deviances +=
            sums_with(planner, member, part, 1).deviance - planner->sums[member->class].deviance;
    }
    return deviances / planner->present / planner->parts;
}

static uint32_t best_part(const struct planner *planner, uint32_t group)
{
    double least = INFINITY, fewest = INFINITY;
    uint32_t best = 0;

    for (uint32_t p = 0; p < planner->parts; p++) {
        double uneven = unevenness(planner, group, p);
        double filled = planner->samples[p] * planner->whole[p];
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
    for (uint32_t m = planner->first[group]; m < planner->first[group + 1]; m++) {
        const struct member *member = &planner->members[m];
        struct class_sums *sums = &planner->sums[member->class];
        struct class_sums after = sums_with(planner, member, part, sign);

        planner->deviances += after.deviance - sums->deviance;
        *sums = after;
        planner->placed[(size_t)member->class * planner->parts + part] += sign * member->count;
        planner->samples[part] += sign * member->count;
    }
}

/* Once all have a place, each may still find a better one. */
static void place_again(struct planner *planner, uint32_t group, uint32_t *part)
{
    double before, least;
    uint32_t best = *part;

    place(planner, group, *part, -1);
    before = least = unevenness(planner, group, *part);
    for (uint32_t p = 0; p < planner->parts; p++) {
        double uneven = unevenness(planner, group, p);
        if (uneven < least && before - uneven > 1e-8 + 1e-5 * before) {
            least = uneven;
            best = p;
        }
    }
    *part = best;
    place(planner, group, best, 1);
}

bool groups_plan(struct groups *groups, const struct labels *labels, const struct split *split,
                 uint64_t samples[SPLIT_PARTS + 1])
{
    struct planner planner;
    uint32_t n = groups->names.count;
    bool ok = planner_init(&planner, groups, labels, split);

    if (ok) {
        sort_members(&planner, groups, labels);
        sort_groups(&planner, n);
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        struct label *group = &groups->names.items[planner.order[i].group];
        group->number = best_part(&planner, planner.order[i].group);
        place(&planner, planner.order[i].group, group->number, 1);
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        struct label *group = &groups->names.items[planner.order[i].group];
        place_again(&planner, planner.order[i].group, &group->number);
        group->number = group->number < split->count ? group->number : LABELS_EXCLUDED;
    }
    for (uint32_t p = 0; ok && p <= SPLIT_PARTS; p++)
        samples[p] = (uint64_t)planner.samples[p];
    planner_fini(&planner);
    return ok;
}
