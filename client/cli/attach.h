/*
 * What the commands share that compute something of a dataset's samples and attach it
 * (`evendraw neighbours`, `select`, `folds`): which version it is, its labels and classes, and that
 * nothing is computed that is there already.
 */
#ifndef CLI_ATTACH_H
#define CLI_ATTACH_H

#include "features.h"

/* A dataset version that gets an attachment. */
struct attached {
    struct cli *cli;
    uint32_t version;
    uint64_t samples;
    uint32_t classes;
    uint32_t *labels; /* of each sample */
    bool chosen;      /* the version was given, and need not be the newest */
};

/* Which version it is that the command's parameters name: from here on they name it by number.
 * False after a message, as all of these; attached_fini in any case. */
bool attached_find(struct attached *to, struct cli *cli) __attribute__((warn_unused_result));
/* Has the file at `path` a row for each sample? */
bool attached_fits(struct attached *to, const char *path, uint64_t rows)
    __attribute__((warn_unused_result));
bool attached_labels(struct attached *to) __attribute__((warn_unused_result));
void attached_fini(struct attached *to);

/* Of a file with a probability for each sample, or one for each class, that of the sample's own
 * class (0 without a label), to be freed; NULL after a message. The file fits. */
double *attached_own(struct attached *to, const struct features *file, const char *path)
    __attribute__((warn_unused_result));

/* What dataset.stats has of a class under "class", or of all of them. NULL after a message. */
json_t *attached_class(struct attached *to, uint32_t label) __attribute__((warn_unused_result));
json_t *attached_classes(struct attached *to) __attribute__((warn_unused_result));

/* A row for each sample. */
struct attached_rows {
    const void *rows;
    size_t bytes;           /* of a row */
    const float *distances; /* of neighbours; else NULL */
};

/* Computes them; may add to the terms in `params`. False after a message. */
typedef bool attached_compute(void *arg, json_t *params, struct attached_rows *rows);

/*
 * Attaches what `compute` gives, unless it is there already. `params`: the fields of
 * attachment.create; taken over. Returns the attachment info map; NULL after a message. *computed:
 * it was not there.
 */
json_t *attach(struct attached *to, json_t *params, attached_compute *compute, void *arg,
               bool *computed) __attribute__((warn_unused_result));

#endif
