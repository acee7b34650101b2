/*
 * What the files of `evendraw neighbours` share:
 *
 *   neighbours.c        options, order of events, what is attached, what is reported
 *   neighbours_find.c   one search: how far it is, Ctrl-C, the file from which it goes on
 */
#ifndef CLI_NEIGHBOURS_H
#define CLI_NEIGHBOURS_H

#include <evendraw_features.h>
#include "features.h"

struct neighbours {
    struct cli *cli;
    const char *path; /* of the features */
    bool within_class, all, allow_short;
    uint64_t threads; /* 0: as many as there are processors */
    struct features features;
    uint64_t digest;  /* of the features */
    uint32_t version; /* of the dataset */
    uint64_t samples;
    uint32_t *labels;              /* of each sample */
    evd_neighbours_options search; /* but for the scope */
    uint32_t *index;               /* k of each sample */
    float *distance;               /* as many */
};

/* Fills index and distance. False after a message; does not return where it was stopped by a
 * signal. */
bool neighbours_find(struct neighbours *neighbours, int scope) __attribute__((warn_unused_result));

#endif
