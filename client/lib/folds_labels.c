/*
 * Iterative stratification, for samples with several labels each. Called by folds.c.
 */
#include <stdlib.h>
#include "client/lib/folds.h"

/* ---- the labels of each sample ---- */

static int check_set(struct folds *f, uint32_t row)
{
    const uint64_t *starts = f->options->set_starts;
    const uint32_t *labels = f->options->set_labels;

    if (starts[row + 1] < starts[row] || starts[row + 1] - starts[row] > f->classes)
        return error_set(&f->error, EVD_E_BAD_VALUE, "set_starts",
                         "row %u has labels from place %llu to %llu: places ascend, and a sample "
                         "has each of the %u labels once at most",
                         row, (unsigned long long)starts[row], (unsigned long long)starts[row + 1],
                         f->classes);
    for (uint64_t i = starts[row]; i < starts[row + 1]; i++) {
        if (labels[i] >= f->classes)
            return error_set(&f->error, EVD_E_LIMIT, "set_labels",
                             "row %u has label %u, and there are %u: they are counted from 0", row,
                             labels[i], f->classes);
        if (i > starts[row] && labels[i] <= labels[i - 1])
            return error_set(&f->error, EVD_E_BAD_VALUE, "set_labels",
                             "row %u has label %u behind label %u: they ascend, each once", row,
                             labels[i], labels[i - 1]);
    }
    return EVD_OK;
}

int folds_read_sets(struct folds *f)
{
    const uint64_t *sets = f->options->set_starts;
    const uint32_t *labels = f->options->set_labels;
    uint64_t total = 0;

    for (uint32_t row = 0; row < f->n; row++) {
        if (check_set(f, row) != EVD_OK)
            return f->error.code;
        if (!folds_takes(f, row))
            continue;
        f->result->samples++;
        total += sets[row + 1] - sets[row];
        for (uint64_t i = sets[row]; i < sets[row + 1]; i++)
            f->members[labels[i]]++;
    }
    if (folds_order(f, total) != EVD_OK)
        return f->error.code;
    for (uint32_t row = 0; row < f->n; row++)
        for (uint64_t i = sets[row]; folds_takes(f, row) && i < sets[row + 1]; i++)
            f->order[f->starts[labels[i] + 1]++] = row;
    return EVD_OK;
}

/* ---- the folds ---- */

struct state {
    struct folds *f;
    uint64_t *left;  /* by label: samples with it that are to be placed */
    uint32_t *count; /* labels x folds: samples with the label in the fold */
    uint64_t *size;  /* by fold: its samples */
};

/* Below 0 if fold a lacks more than b, above 0 if less. Every fold is to have the same share of a
 * label, so the one that lacks most of it is the one that has the fewest; and likewise of samples.
 * `count`: by fold, of the label; NULL: samples alone matter. */
static int compare(const struct state *s, const uint32_t *count, uint32_t a, uint32_t b)
{
    if (count && count[a] != count[b])
        return count[a] < count[b] ? -1 : 1;
    return (s->size[a] > s->size[b]) - (s->size[a] < s->size[b]);
}

/* The fold that lacks most; one of several is drawn. */
static uint32_t best_fold(const struct state *s, uint32_t row, const uint32_t *count)
{
    uint32_t fold = 0, equal = 1;
    uint64_t chosen;

    for (uint32_t other = 1; other < s->f->k; other++) {
        const int order = compare(s, count, other, fold);
        equal = order < 0 ? 1 : equal + (order == 0);
        fold = order < 0 ? other : fold;
    }
    if (equal == 1)
        return fold;
    chosen = (uint64_t)((unsigned __int128)folds_random(s->f->options->seed, row, 4) * equal >> 64);
    for (uint32_t first = fold;; fold++)
        if (compare(s, count, fold, first) == 0 && chosen-- == 0)
            return fold;
}

static void place(struct state *s, uint32_t row, const uint32_t *count)
{
    const uint64_t *sets = s->f->options->set_starts;
    const uint32_t fold = best_fold(s, row, count);

    s->f->fold[row] = (uint16_t)fold;
    s->size[fold]++;
    for (uint64_t i = sets[row]; i < sets[row + 1]; i++) {
        const uint32_t label = s->f->options->set_labels[i];
        s->left[label]--;
        s->count[(size_t)label * s->f->k + fold]++;
    }
}

/* The label that the fewest samples have, of those that any has; EVD_NO_LABEL: none has any. */
static uint32_t rarest(const struct state *s)
{
    const uint64_t seed = s->f->options->seed;
    uint32_t label = EVD_NO_LABEL;

    for (uint32_t c = 0; c < s->f->classes; c++) {
        if (s->left[c] == 0 || (label != EVD_NO_LABEL && s->left[c] > s->left[label]))
            continue;
        if (label == EVD_NO_LABEL || s->left[c] < s->left[label] ||
            folds_random(seed, c, 3) < folds_random(seed, label, 3))
            label = c;
    }
    return label;
}

static void distribute(struct state *s)
{
    struct folds *f = s->f;

    for (uint32_t c = 0; c < f->classes; c++)
        s->left[c] = f->members[c];
    for (uint32_t label; (label = rarest(s)) != EVD_NO_LABEL;)
        for (uint64_t i = f->starts[label]; i < f->starts[label + 1]; i++)
            if (f->fold[f->order[i]] == EVD_NO_FOLD)
                place(s, f->order[i], s->count + (size_t)label * f->k);
    for (uint32_t row = 0; row < f->n; row++)
        if (folds_takes(f, row) && f->fold[row] == EVD_NO_FOLD)
            place(s, row, NULL);
}

int folds_multilabel(struct folds *f)
{
    struct state s = {f, folds_alloc(f, f->classes, sizeof(*s.left)),
                      folds_alloc(f, (size_t)f->classes * f->k, sizeof(*s.count)),
                      folds_alloc(f, f->k, sizeof(*s.size))};
    const bool ok = s.left && s.count && s.size;

    if (ok)
        distribute(&s);
    free(s.left);
    free(s.count);
    free(s.size);
    return ok ? EVD_OK : f->error.code;
}
