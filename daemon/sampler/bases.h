/*
 * Bases: the samples that new ones are made next to, each with its neighbours. Draws of the epoch
 * engine beyond a class' own members take a base instead of any member, and the base's neighbour is
 * the second sample of their pair. SAMPLING.md, "Neighbours". Made by kind_smote.c, read by epoch.c
 * and pairs.c.
 */
#ifndef SAMPLER_BASES_H
#define SAMPLER_BASES_H

#include "sampler/internal.h"

#define NO_BASE  UINT32_MAX /* in a block: the draw is a member as it is */
#define NO_PLACE UINT32_MAX

struct bases {
    uint32_t k;            /* neighbours of each */
    const uint64_t *first; /* C + 1: those of class c are numbered first[c] .. first[c + 1] - 1 */
    const uint32_t *place; /* of each: its place among all members; one more at the end, unused */
    const uint32_t *near;  /* k of each: places of its neighbours, which are of its class */
    const uint32_t *some;  /* of each: how many of these there are, above 0; NULL: all k */
    const uint32_t *other; /* of each: the place of its nearest of another class; NULL: only near */
    const uint64_t *turn;  /* of each, and the end: where its turns begin; NULL: any base, at
                            * random */
    struct cuts turns;     /* the same */
};

/* A table of neighbours as a plan's members see it. */
struct base_rows {
    const uint32_t *rows; /* `width` sample indices of each sample, the nearest first */
    uint32_t width;
    const uint32_t *place_of; /* S: a sample's place among all members; NO_PLACE: it is none */
};

/* The place of a sample's next neighbour that is a member, from *at = 0 on; NO_PLACE: there are no
 * more. */
static inline uint32_t base_rows_next(const struct base_rows *rows, uint64_t sample, uint32_t *at)
{
    const uint32_t *row = rows->rows + sample * rows->width;
    while (*at < rows->width && row[*at] != PLAN_NO_NEIGHBOUR) {
        uint32_t place = rows->place_of[row[(*at)++]];
        if (place != NO_PLACE)
            return place;
    }
    return NO_PLACE;
}

/* How often a base gives something; 0: it is none. */
struct base_rule {
    uint32_t k;
    const uint64_t *added; /* C: how many the class is given; 0: it has no bases */
    /* S, or NULL: each sample of those classes is a base. */
    const uint64_t *gives;
    bool in_turn;              /* exactly so often; otherwise at random, all equally likely */
    struct base_rows of_class; /* with k members of the class, for each base */
    bool part;                 /* or fewer, but for none */
    struct base_rows of_all;   /* with one of another class, for each; rows NULL: not needed */
};

/* In the plan's memory, and part of its digest; NULL without memory, or when cancelled. */
const struct bases *bases_build(struct plan *plan, const struct base_rule *rule);

/* Fills base[] and member[] of the draws for which `added` says so; `ordinal` is how many of its
 * class were added before it, first[] holds a number of each. */
void bases_members(const struct bases *bases, struct draw_block *block, const uint64_t *ordinal,
                   const uint8_t *added);

/* What share of a class' members is expected to come, in epochs that make each draw with that
 * chance. */
double bases_coverage(const struct plan *plan, const struct bases *bases, uint32_t c,
                      uint64_t added, double chance);

#endif
