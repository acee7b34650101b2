/*
 * evd_folds of evendraw_folds.h: what is asked for is checked, the method puts samples into folds,
 * and what came of it is reported.
 */
#include <fenv.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/folds.h"
#include "proto/limits.h"

static int (*const methods[])(struct folds *f) = {
    [EVD_FOLDS_STRATIFIED] = folds_stratified,
    [EVD_FOLDS_GROUPED] = folds_grouped,
    [EVD_FOLDS_MULTILABEL] = folds_multilabel,
    [EVD_FOLDS_HARDNESS] = folds_hardness,
};
#define METHODS ((int)(sizeof(methods) / sizeof(methods[0])))

int folds_no_memory(struct folds *f)
{
    return error_set(&f->error, EVD_E_NO_MEMORY, "",
                     "no memory for folds of %u samples: a machine with more is needed", f->n);
}

void *folds_alloc(struct folds *f, size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (!memory)
        folds_no_memory(f);
    return memory;
}

/* ---- what is asked for ---- */

static int check_limits(struct folds *f, const evd_folds_options *o)
{
    const bool sets = o->method == EVD_FOLDS_MULTILABEL;
    const uint32_t most = sets ? EVD_FOLDS_MAX_LABELS : EVD_MAX_CLASSES;

    if (o->n == 0 || o->n > EVD_FOLDS_MAX_ROWS)
        return error_set(&f->error, EVD_E_LIMIT, "n",
                         "%llu samples: from 1 to %u can be put into folds",
                         (unsigned long long)o->n, EVD_FOLDS_MAX_ROWS);
    if (o->classes == 0 || o->classes > most)
        return error_set(&f->error, EVD_E_LIMIT, "classes", "%u %s: there can be from 1 to %u",
                         o->classes, sets ? "labels" : "classes", most);
    if (o->folds < 2 || o->folds > EVD_FOLDS_MAX)
        return error_set(&f->error, EVD_E_LIMIT, "folds", "%u folds: there can be from 2 to %u",
                         o->folds, EVD_FOLDS_MAX);
    if (o->seed > INT64_MAX)
        return error_set(&f->error, EVD_E_LIMIT, "seed", "the seed is up to 2^63 - 1");
    return EVD_OK;
}

static int check_options(struct folds *f, const evd_folds_options *o)
{
    static const char *const needed[] = {
        [EVD_FOLDS_STRATIFIED] = "labels, a class for each sample",
        [EVD_FOLDS_GROUPED] = "labels and groups, a class and a group for each sample",
        [EVD_FOLDS_MULTILABEL] = "set_starts and set_labels, which labels each sample has",
        [EVD_FOLDS_HARDNESS] = "labels and probabilities: a class, and how probable that is",
    };
    bool given;

    if (!o || !f->fold)
        return error_set(&f->error, EVD_E_USAGE, "", "options and fold must be given");
    if (o->method < 0 || o->method >= METHODS)
        return error_set(&f->error, EVD_E_USAGE, "method", "method is not one of EVD_FOLDS_*");
    given = o->method == EVD_FOLDS_MULTILABEL ? o->set_starts && o->set_labels : o->labels != NULL;
    if (o->method == EVD_FOLDS_GROUPED)
        given = given && o->groups;
    if (o->method == EVD_FOLDS_HARDNESS)
        given = given && o->probabilities;
    if (!given)
        return error_set(&f->error, EVD_E_USAGE, "", "this method needs %s", needed[o->method]);
    return check_limits(f, o);
}

/* ---- samples by class ---- */

int folds_order(struct folds *f, uint64_t total)
{
    f->order = folds_alloc(f, total, sizeof(*f->order));
    if (!f->order)
        return f->error.code;
    for (uint32_t c = 0; c + 1 < f->classes; c++)
        f->starts[c + 2] = f->starts[c + 1] + f->members[c];
    return EVD_OK;
}

static int read_labels(struct folds *f)
{
    const uint32_t *labels = f->options->labels;

    for (uint32_t row = 0; row < f->n; row++) {
        if (labels[row] == EVD_NO_LABEL)
            continue;
        if (labels[row] >= f->classes)
            return error_set(&f->error, EVD_E_LIMIT, "labels",
                             "row %u has label %u, and there are %u classes: labels are below "
                             "that, or EVD_NO_LABEL",
                             row, labels[row], f->classes);
        if (f->members[labels[row]]++ == 0)
            f->sequence[f->present++] = labels[row];
        f->result->samples++;
    }
    if (folds_order(f, f->result->samples) != EVD_OK)
        return f->error.code;
    for (uint32_t row = 0; row < f->n; row++)
        if (labels[row] != EVD_NO_LABEL)
            f->order[f->starts[labels[row] + 1]++] = row;
    return EVD_OK;
}

static int read_samples(struct folds *f)
{
    f->members = folds_alloc(f, f->classes, sizeof(*f->members));
    f->sequence = folds_alloc(f, f->classes, sizeof(*f->sequence));
    f->starts = folds_alloc(f, f->classes + 1u, sizeof(*f->starts));
    if (!f->members || !f->sequence || !f->starts)
        return f->error.code;
    for (uint32_t row = 0; row < f->n; row++)
        f->fold[row] = EVD_NO_FOLD;
    return f->options->method == EVD_FOLDS_MULTILABEL ? folds_read_sets(f) : read_labels(f);
}

static int check_counts(struct folds *f)
{
    uint64_t most = 0;

    if (f->result->samples == 0)
        return error_set(&f->error, EVD_E_NOT_FOUND, "labels",
                         "no sample has a label, so none is in a fold");
    if (f->result->samples < f->k)
        return error_set(&f->error, EVD_E_BAD_VALUE, "folds",
                         "%llu samples cannot be in %u folds: make as many folds at most",
                         (unsigned long long)f->result->samples, f->k);
    for (uint32_t c = 0; c < f->classes; c++)
        most = f->members[c] > most ? f->members[c] : most;
    if (f->options->method != EVD_FOLDS_MULTILABEL && most < f->k)
        return error_set(&f->error, EVD_E_BAD_VALUE, "folds",
                         "every class has fewer samples than there are folds, %llu at most for %u: "
                         "make fewer folds",
                         (unsigned long long)most, f->k);
    return EVD_OK;
}

/* ---- what came of it ---- */

/* Of how many folds has the class no sample? `seen`: by fold, the class that was met last, + 1. */
static uint32_t absent_from(const struct folds *f, uint32_t class, uint32_t *seen)
{
    uint32_t found = 0;

    for (uint64_t i = f->starts[class]; i < f->starts[class + 1]; i++) {
        const uint16_t fold = f->fold[f->order[i]];
        found += seen[fold] != class + 1;
        seen[fold] = class + 1;
    }
    return f->k - found;
}

static void note_absent(struct folds *f, uint32_t class, uint32_t folds)
{
    evd_folds_result *r = f->result;

    if (folds > 0 && (r->absent++ == 0 || f->members[class] < r->absent_members)) {
        r->absent_class = class;
        r->absent_folds = folds;
        r->absent_members = f->members[class];
    }
}

/* Fails if a fold is empty. */
static int report(struct folds *f, uint64_t *counts)
{
    uint32_t *seen = folds_alloc(f, f->k, sizeof(*seen)), empty = 0;

    if (!seen)
        return f->error.code;
    for (uint32_t c = 0; c < f->classes; c++) {
        if (f->members[c] > 0)
            note_absent(f, c, absent_from(f, c, seen));
    }
    memset(seen, 0, f->k * sizeof(*seen));
    for (uint32_t row = 0; row < f->n; row++)
        if (f->fold[row] != EVD_NO_FOLD)
            seen[f->fold[row]] = 1;
    while (empty < f->k && seen[empty])
        empty++;
    free(seen);
    if (empty < f->k)
        return error_set(&f->error, EVD_E_BAD_VALUE, "folds",
                         "fold %u would have no group: make fewer folds", empty);
    for (uint32_t c = 0; counts && c < f->classes; c++) {
        memset(counts + (size_t)c * f->k, 0, f->k * sizeof(*counts));
        for (uint64_t i = f->starts[c]; i < f->starts[c + 1]; i++)
            counts[(size_t)c * f->k + f->fold[f->order[i]]]++;
    }
    return EVD_OK;
}

static int run(struct folds *f, uint64_t *counts)
{
    const evd_folds_options *o = f->options;

    if (check_options(f, o) != EVD_OK)
        return f->error.code;
    f->n = (uint32_t)o->n;
    f->classes = o->classes;
    f->k = o->folds;
    if (read_samples(f) != EVD_OK || check_counts(f) != EVD_OK || methods[o->method](f) != EVD_OK)
        return f->error.code;
    return report(f, counts);
}

int evd_folds(const evd_folds_options *options, uint16_t *fold, uint64_t *counts,
              evd_folds_result *result)
{
    evd_folds_result unwanted;
    struct folds f = {.options = options, .result = result ? result : &unwanted, .fold = fold};
    fenv_t environment;
    int code;

    memset(f.result, 0, sizeof(*f.result));
    f.result->absent_class = EVD_NO_LABEL;
    /* As in evd_neighbours: doubles are rounded as everywhere. */
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    code = run(&f, counts);
    fesetenv(&environment);
    free(f.members);
    free(f.sequence);
    free(f.starts);
    free(f.order);
    if (code != EVD_OK)
        memcpy(f.result->message, f.error.message, sizeof(f.result->message));
    return code;
}
