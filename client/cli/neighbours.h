/*
 * What the files of `evendraw neighbours` share:
 *
 *   neighbours.c        options, order of events, what is attached, what is reported
 *   neighbours_find.c   one search: how far it is, Ctrl-C, the file from which it goes on
 */
#ifndef CLI_NEIGHBOURS_H
#define CLI_NEIGHBOURS_H

#include <evendraw_features.h>
#include "attach.h"
#include "features.h"

struct neighbours {
    struct cli *cli;
    const char *path; /* of the features */
    bool within_class, all, allow_short;
    uint64_t threads; /* 0: as many as there are processors */
    struct features features;
    struct attached to;
    evd_neighbours_options search; /* for one scope after the other */
    json_t *terms;                 /* of what comes of it, whichever scope */
    uint64_t digest;               /* of the features */
    uint32_t *index;               /* k of each sample */
    float *distance;               /* as many */
};

/* Fills index and distance by n->search. False after a message; does not return where it was
 * stopped by a signal. */
bool neighbours_find(struct neighbours *n) __attribute__((warn_unused_result));

#endif
