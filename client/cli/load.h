/*
 * What the files of `evendraw load` share:
 *
 *   load.c          arguments, order of events, what is reported
 *   load_classes.c  the pass over the source: which classes are there, which samples are kept and
 *                   where
 *   load_send.c     the labels, or a second pass over the source, to one dataset or to several
 *                   parts; weights; the commit
 */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "groups.h"
#include "labels.h"
#include "longtail.h"
#include "source.h"
#include "split.h"

#define LOAD_COLUMNS 4u /* weight columns: the daemon's limit */
/* Samples whose labels are kept, 128 MiB: of more, and where they have groups, the source is read a
 * second time. */
#define LOAD_KEPT    (1u << 25)
#define LOAD_NOTHING UINT32_MAX /* a sample without a label */

/* A weight column: numbers of a file of its own, or of a column of the labels' CSV. */
struct load_weights {
    const char *name;
    const char *path;   /* NULL: the file with the labels */
    const char *column; /* of that */
};

struct load_args {
    struct cli *cli;
    const char *name; /* of the dataset */
    struct source source;
    const char *class_names;
    const char *unlabelled; /* the label that means "none"; NULL: not said */
    double long_tail;       /* 0: none */
    struct split split;
    bool stratify;
    uint64_t seed;
    struct load_weights weights[LOAD_COLUMNS];
    uint32_t weights_count;
};

/* A dataset being made: without --split or --folds there is one, called as the user said. */
struct load_part {
    char *name;
    evd_upload *upload; /* NULL before and after */
    uint32_t *buffer;   /* labels not handed to the library yet */
    json_t *info;       /* once committed: the daemon's answer */
    uint64_t labelled;
    uint32_t classes; /* with a sample */
};

struct load {
    struct load_args *args;
    struct source *source;
    struct labels labels;
    char *names_text;   /* what names[] points into */
    const char **names; /* --class-names; NULL: none */
    uint32_t name_count;
    bool numeric;         /* the classes' order */
    uint64_t samples;     /* in the source */
    uint32_t *met_labels; /* of each sample, by place in labels; NULL: not kept */
    uint64_t met_capacity;
    bool met_given_up;               /* they are too many, or are not needed */
    uint64_t empty, marked;          /* without a label: nothing there; a label for "none" */
    const char *marked_as;           /* the first such label that was met; NULL: none */
    struct longtail_class *longtail; /* by class; NULL: keep everything */
    uint64_t *need;       /* of split_counts, by class or once; NULL: no split, or groups */
    struct groups groups; /* of --group */
    uint64_t kept;        /* samples with a label in a dataset */
    struct load_part parts[SPLIT_DATASETS];
    uint32_t part_count;
    uint32_t buffered; /* in each part's buffer */
    uint64_t *met;     /* by class: bit d is set once dataset d has a sample of it */
};

/* Are its classes divided each by itself? */
static inline bool split_by_class(const struct load_args *args)
{
    return args->stratify || args->split.folds;
}

/* Reads the source once: numbers its classes, plans long tail and split. False after a message. */
bool load_classes(struct load *load) __attribute__((warn_unused_result));
/* Makes the datasets: all of them, or none. False after a message. */
bool load_send(struct load *load) __attribute__((warn_unused_result));
/* Gives up what was begun and not committed. */
void load_abort(struct load *load);

#endif
