/*
 * What the files of `evendraw select` share:
 *
 *   select.c        options, order of events, what is attached, what is reported
 *   select_ask.c    what the library is asked for: classes by their names, probabilities
 *   select_keep.c   --keep: a file of rows instead of a method
 */
#ifndef CLI_SELECT_H
#define CLI_SELECT_H

#include <evendraw_features.h>
#include "attach.h"
#include "features.h"

#define NOT_GIVEN UINT64_MAX

struct select {
    struct cli *cli;
    /* As given: NULL, NOT_GIVEN, false or 0 is not given. */
    const char *path; /* of the features */
    const char *method, *targets, *metric, *vote, *probabilities_path, *keep_path;
    uint64_t k, max_iterations, candidates, seeds, seed, threads;
    double threshold;
    bool allow_minority;
    json_t *listed; /* texts, CLASS or CLASS=N */

    struct features features; /* or probabilities */
    bool opened;
    struct attached to;
    json_t *classes;    /* of dataset.stats: class, count */
    const char **names; /* of these */
    uint32_t *target_list;
    uint64_t *target_counts;
    double *probabilities;
    evd_select_options options;
    evd_select_result result;
    uint8_t *keep; /* of each sample */
};

/* What the method's word, and those of metric, vote and targets, are to the library; checked by
 * select.c. -1: there is no such. */
int select_word(const char *member, const char *word);

/* Fills s->options from what was given, once features and dataset are there. False after a message,
 * as all of these. */
bool select_ask(struct select *s) __attribute__((warn_unused_result));
void select_ask_fini(struct select *s);

/* Fills s->keep from the file of --keep. */
bool select_keep(struct select *s) __attribute__((warn_unused_result));

#endif
