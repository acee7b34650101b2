/*
 * Samples that belong together (of one patient, of one scene): a group goes to one part of a split
 * only, and classes are as even in the parts as groups allow.
 *
 * As scikit-learn's StratifiedGroupKFold without shuffling: groups stand in the order of the
 * standard deviation of their classes' counts, the largest first, equal ones as they are first met.
 * One after the other goes where it leaves the classes most even: of the shares that the parts have
 * of a class so far, each over the part's own share, the standard deviation, and of that the mean
 * over all classes. Where two parts come to the same (to 1e-5 of it, or 1e-8) the one with fewer
 * samples for its share is taken. Then, in the same order, each may move where classes become more
 * even by more than that. Samples in no part count as a part that stands behind the others. No
 * chance is in it.
 *
 * Memory: some 100 bytes and the name for each group, some 30 for each class that is met in a
 * group, and 8 for each class in each part. Time: three square roots for each class that is met in
 * a group, in each part: seconds for 10^6 groups.
 */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "labels.h"
#include "split.h"

#define GROUPS_MOST      (1u << 22)
#define GROUP_PAIRS_MOST (1u << 24) /* classes met in a group, over all groups */
#define GROUP_NAME_MOST  4096u      /* bytes */

/* Samples of a label in a group. */
struct group_pair {
    uint32_t group, label; /* places in groups->names and in the labels */
    uint64_t count;
};

struct groups {
    struct labels names; /* `number` is the part, once there is a plan */
    struct group_pair *pairs;
    uint32_t count, capacity;
    uint32_t *slots; /* open addressing: place in pairs + 1, or 0 */
    uint32_t slot_count;
    uint32_t recent; /* the pair met last: files often hold runs */
};

void groups_init(struct groups *groups);
void groups_fini(struct groups *groups);
/* A sample with the label at that place. NULL, or what is wrong. */
const char *groups_add(struct groups *groups, const char *name, size_t len, uint32_t label)
    __attribute__((warn_unused_result));
/* Once the labels have their numbers: gives each group its part, and counts the samples of each.
 * False without memory. */
bool groups_plan(struct groups *groups, const struct labels *labels, const struct split *split,
                 uint64_t samples[SPLIT_PARTS + 1]) __attribute__((warn_unused_result));
/* The part of a group, or -1 for none; false: there was no such group. */
bool groups_part(struct groups *groups, const char *name, size_t len, int *part)
    __attribute__((warn_unused_result));

#endif
