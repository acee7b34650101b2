/*
 * --group: groups are collected in the first pass and each is given a part (groups.h), by the rule
 * of client/lib/folds.h. Called by load_classes.c to collect and to plan, by load_send.c for each
 * sample.
 */
#include "groups.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "client/lib/folds.h"

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

struct planner {
    uint32_t parts; /* the samples in no part are a part */
    double whole[SPLIT_PARTS + 1], samples[SPLIT_PARTS + 1];
    uint32_t *first; /* groups + 1: where its members begin */
    uint32_t *part;  /* groups */
    struct folds_member *members;
};

static bool planner_init(struct planner *planner, const struct groups *groups,
                         const struct split *split)
{
    uint32_t n = groups->names.count;
    uint64_t rest = split_whole(split);

    *planner = (struct planner){0};
    for (; planner->parts < split->count; planner->parts++) {
        uint64_t share = split->parts[planner->parts].share;
        planner->whole[planner->parts] = (double)split_whole(split) / (double)(share ? share : 1);
        rest -= share;
    }
    if (rest > 0)
        planner->whole[planner->parts++] = (double)split_whole(split) / (double)rest;
    planner->first = calloc(n + 2u, sizeof(*planner->first));
    planner->part = calloc(n + 1u, sizeof(*planner->part));
    planner->members = calloc(groups->count + 1u, sizeof(*planner->members));
    return planner->first && planner->part && planner->members;
}

static void planner_fini(struct planner *planner)
{
    free(planner->first);
    free(planner->part);
    free(planner->members);
}

/* The pairs sorted by group, without those whose label is no class. */
static void sort_members(struct planner *planner, const struct groups *groups,
                         const struct labels *labels)
{
    uint32_t n = groups->names.count;

    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group_pair *pair = &groups->pairs[i];
        if (labels->items[pair->label].number != LABELS_EXCLUDED)
            planner->first[pair->group + 2]++;
    }
    for (uint32_t g = 0; g < n; g++)
        planner->first[g + 2] += planner->first[g + 1];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct group_pair *pair = &groups->pairs[i];
        uint32_t class = labels->items[pair->label].number;
        if (class != LABELS_EXCLUDED)
            planner->members[planner->first[pair->group + 1]++] =
                (struct folds_member){class, (double)pair->count};
    }
}

bool groups_plan(struct groups *groups, const struct labels *labels, const struct split *split,
                 uint64_t samples[SPLIT_PARTS + 1])
{
    struct planner planner;
    uint32_t n = groups->names.count;
    bool ok = planner_init(&planner, groups, split);

    if (ok) {
        const struct folds_plan plan = {n,
                                        labels->class_count,
                                        planner.parts,
                                        planner.first,
                                        planner.members,
                                        planner.whole,
                                        planner.part,
                                        planner.samples};
        sort_members(&planner, groups, labels);
        ok = folds_plan(&plan);
    }
    for (uint32_t g = 0; ok && g < n; g++)
        groups->names.items[g].number =
            planner.part[g] < split->count ? planner.part[g] : LABELS_EXCLUDED;
    for (uint32_t p = 0; ok && p <= SPLIT_PARTS; p++)
        samples[p] = (uint64_t)planner.samples[p];
    planner_fini(&planner);
    return ok;
}
