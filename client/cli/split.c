/*
 * --split and --folds: the parts, and the part of each sample (split.h). Called by load.c to parse,
 * by load_classes.c to plan, by load_send.c for each sample.
 */
#include "split.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/folds.h"

static const char *parse_part(struct split *split, char *text)
{
    char *equals = strchr(text, '='), *end;
    double share;

    if (!equals || equals == text)
        return "each part is NAME=SHARE, such as train=0.8,val=0.2";
    *equals = '\0';
    share = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0' || !(share > 0 && share <= 1))
        return "a share is a number above 0 and at most 1, such as 0.8";
    for (uint32_t i = 0; i < split->count; i++) {
        if (strcmp(split->parts[i].name, text) == 0)
            return "two parts have the same name";
    }
    if (split->count == SPLIT_PARTS)
        return "at most 32 parts are possible";
    split->parts[split->count++] =
        (struct split_part){text, (uint64_t)llround(share * (double)SPLIT_WHOLE)};
    return NULL;
}

const char *split_parse(struct split *split, char *text)
{
    uint64_t sum = 0;

    split->count = 0;
    for (char *rest, *part = strtok_r(text, ",", &rest); part; part = strtok_r(NULL, ",", &rest)) {
        const char *wrong = parse_part(split, part);
        if (wrong)
            return wrong;
        sum += split->parts[split->count - 1].share;
    }
    if (split->count == 0)
        return "name the parts and their shares, such as train=0.8,val=0.2";
    return sum > SPLIT_WHOLE ? "the shares sum to more than 1" : NULL;
}

void split_folds(struct split *split, uint32_t folds)
{
    static char names[SPLIT_PARTS][8];

    assert(folds >= 2 && folds <= SPLIT_PARTS);
    split->count = folds;
    split->folds = true;
    for (uint32_t p = 0; p < folds; p++) {
        snprintf(names[p], sizeof(names[p]), "fold%u", p);
        split->parts[p] = (struct split_part){names[p], 1};
    }
}

uint64_t split_whole(const struct split *split)
{
    return split->folds ? split->count : SPLIT_WHOLE;
}

static void share_counts(const struct split *split, uint64_t n, uint64_t *need)
{
    uint64_t share[SPLIT_PARTS + 1] = {0}, count[SPLIT_PARTS + 1], remainder[SPLIT_PARTS + 1];
    uint64_t rest = SPLIT_WHOLE, left = n;
    uint32_t parts = split->count;

    for (uint32_t p = 0; p < parts; p++) {
        share[p] = split->parts[p].share;
        rest -= share[p];
    }
    share[parts] = rest;
    for (uint32_t p = 0; p <= parts; p++) {
        unsigned __int128 product = (unsigned __int128)n * share[p];
        count[p] = (uint64_t)(product / SPLIT_WHOLE);
        remainder[p] = (uint64_t)(product % SPLIT_WHOLE);
        left -= count[p];
    }
    for (; left > 0; left--) {
        uint32_t most = 0;
        for (uint32_t p = 1; p <= parts; p++)
            most = remainder[p] > remainder[most] ? p : most;
        count[most]++;
        remainder[most] = 0;
    }
    memcpy(need, count, parts * sizeof(count[0]));
}

void split_counts(const struct split *split, uint64_t before, uint64_t n, uint64_t *need)
{
    need[0] = n;
    if (split->folds)
        folds_share(split->count, before, n, need + 1);
    else
        share_counts(split, n, need + 1);
}

/* ---- datasets ---- */

uint32_t split_datasets(const struct split *split)
{
    if (split->count == 0)
        return 1;
    return split->folds ? 2 * split->count : split->count;
}

char *split_name(const struct split *split, const char *name, uint32_t d)
{
    char *text;
    int len;

    if (split->count == 0)
        return strdup(name);
    if (split->folds)
        len = asprintf(&text, "%s-%s%u", name, d % 2 ? "rest" : "fold", d / 2);
    else
        len = asprintf(&text, "%s-%s", name, split->parts[d].name);
    return len < 0 ? NULL : text;
}

bool split_has(const struct split *split, uint32_t d, int part)
{
    if (!split->folds)
        return (int)d == part;
    return part >= 0 && ((int)(d / 2) == part) == (d % 2 == 0);
}
