/*
 * Folds that take turns in the samples of one class after the other: drawn, or by how hard they
 * are. Called by folds.c.
 */
#include <stdlib.h>
#include "client/lib/folds.h"

/* ---- stratified ---- */

int folds_stratified(struct folds *f)
{
    uint64_t before = 0, *need = folds_alloc(f, f->k + 1u, sizeof(*need));

    if (!need)
        return f->error.code;
    for (uint32_t i = 0; i < f->present; i++) {
        const uint32_t class = f->sequence[i];

        need[0] = f->members[class];
        folds_share(f->k, before, need[0], need + 1);
        before += need[0];
        for (uint64_t at = f->starts[class]; at < f->starts[class + 1]; at++)
            f->fold[f->order[at]] =
                (uint16_t)folds_pick(need, f->k, f->options->seed, f->order[at]);
    }
    free(need);
    return EVD_OK;
}

/* ---- hardness ---- */

struct hardness {
    double value; /* the smaller comes first */
    uint32_t row;
};

static int by_value(const void *a, const void *b)
{
    const struct hardness *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int check(struct folds *f)
{
    const double *p = f->options->probabilities;

    for (uint32_t row = 0; row < f->n; row++)
        if (folds_takes(f, row) && !(p[row] >= 0 && p[row] <= 1))
            return error_set(&f->error, EVD_E_BAD_VALUE, "probabilities",
                             "row %u has probability %g: give for each sample how probable a "
                             "model that was not trained on it finds its own class, from 0 to 1",
                             row, p[row]);
    return EVD_OK;
}

int folds_hardness(struct folds *f)
{
    struct hardness *sorted;
    uint64_t most = 0, dealt = 0;
    bool hardest_first = false;

    if (check(f) != EVD_OK)
        return f->error.code;
    for (uint32_t c = 0; c < f->classes; c++)
        most = f->members[c] > most ? f->members[c] : most;
    sorted = folds_alloc(f, most, sizeof(*sorted));
    if (!sorted)
        return f->error.code;
    for (uint32_t c = 0; c < f->classes; c++) {
        if (f->members[c] == 0)
            continue;
        for (uint64_t i = 0; i < f->members[c]; i++) {
            const uint32_t row = f->order[f->starts[c] + i];
            const double p = f->options->probabilities[row];
            sorted[i] = (struct hardness){hardest_first ? p : -p, row};
        }
        qsort(sorted, f->members[c], sizeof(*sorted), by_value);
        for (uint64_t i = 0; i < f->members[c]; i++)
            f->fold[sorted[i].row] = (uint16_t)(dealt++ % f->k);
        hardest_first = !hardest_first;
    }
    free(sorted);
    return EVD_OK;
}
