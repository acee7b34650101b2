/*
 * What the files of `evendraw folds` share:
 *
 *   folds.c         options, order of events, what is attached, what is reported
 *   folds_ask.c     what the library is asked for: groups, labels and probabilities of files
 */
#ifndef CLI_FOLDS_H
#define CLI_FOLDS_H

#include <evendraw_folds.h>
#include "attach.h"
#include "source.h"

struct folding {
    struct cli *cli;
    uint64_t k, seed;
    /* One of them at most is given. */
    struct source groups_of; /* path NULL: not given */
    const char *labels_path, *probabilities_path;

    struct attached to;
    evd_folds_options options;
    evd_folds_result result;
    uint64_t *groups;     /* of each sample */
    uint64_t *set_starts; /* samples + 1 */
    uint32_t *set_labels;
    double *probabilities;
    uint16_t *fold;   /* of each sample */
    uint64_t *counts; /* classes x folds */
};

/* Fills f->options, once dataset and labels are there. False after a message. */
bool folds_ask(struct folding *f) __attribute__((warn_unused_result));
void folds_ask_fini(struct folding *f);

#endif
