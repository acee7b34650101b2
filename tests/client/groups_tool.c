/*
 * For the oracle test: which part of a split each group gets.
 *
 *     groups_tool folds=5         lines of standard input: GROUP LABEL, one a sample; prints the
 *     groups_tool a=0.8,b=0.1     number of the group's part, or -1 for none, one a sample
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/cli/groups.h"

struct samples {
    char (*group)[32];
    size_t count;
};

static void fail(const char *what)
{
    fprintf(stderr, "groups_tool: %s\n", what);
    exit(2);
}

static void read_samples(struct samples *samples, struct labels *labels, struct groups *groups)
{
    char group[32], name[32];

    while (scanf("%31s %31s", group, name) == 2) {
        struct label *label = labels_find(labels, name, strlen(name));
        const char *wrong;

        label = label ? label : labels_add(labels, name, strlen(name));
        samples->group = realloc(samples->group, (samples->count + 1) * sizeof(group));
        if (!label || !samples->group)
            fail("no memory");
        memcpy(samples->group[samples->count++], group, sizeof(group));
        wrong = groups_add(groups, group, strlen(group), (uint32_t)(label - labels->items));
        if (wrong)
            fail(wrong);
    }
}

int main(int argc, char **argv)
{
    struct split split = {.count = 0};
    struct samples samples = {.count = 0};
    struct labels labels;
    struct groups groups;
    uint64_t sums[SPLIT_PARTS + 1];
    unsigned folds;
    bool numeric;

    if (argc == 2 && sscanf(argv[1], "folds=%u", &folds) == 1)
        split_folds(&split, folds);
    else if (argc != 2 || split_parse(&split, argv[1]))
        fail("say folds=5, or a=0.8,b=0.1");
    labels_init(&labels);
    groups_init(&groups);
    read_samples(&samples, &labels, &groups);
    if (!labels_order(&labels, false, &numeric) || !groups_plan(&groups, &labels, &split, sums))
        fail("no memory");
    for (size_t i = 0; i < samples.count; i++) {
        int part;
        if (!groups_part(&groups, samples.group[i], strlen(samples.group[i]), &part))
            fail("a group is not there");
        printf("%d\n", part);
    }
    free(samples.group);
    groups_fini(&groups);
    labels_fini(&labels);
    return 0;
}
