/*
 * Instance hardness: of each target the samples go whose own class somebody's model finds least
 * probable. Called by select.c.
 */
#include <math.h>
#include "client/lib/select.h"

static int check(struct select *s)
{
    const double *p = s->options->probabilities;

    for (uint32_t row = 0; row < s->n; row++)
        if (s->options->labels[row] != EVD_NO_LABEL && !(p[row] >= 0 && p[row] <= 1))
            return error_set(&s->rows.error, EVD_E_BAD_VALUE, "probabilities",
                             "row %u has probability %g: give for each sample how probable a "
                             "model that was not trained on it finds its own class, from 0 to 1",
                             row, p[row]);
    return EVD_OK;
}

/* The value below which the share 1 - wanted / count of the ascending ranks lies, between two of
 * them in proportion: the operations of numpy.percentile, so that it is the same to the last bit.
 */
static double threshold(const struct select_rank *ranks, uint64_t count, uint64_t wanted)
{
    const double percent = (1.0 - (double)wanted / (double)count) * 100.0;
    const double at = (double)(count - 1) * (percent / 100.0);
    const uint64_t low = (uint64_t)at, high = low + 1 < count ? low + 1 : count - 1;
    const double share = at - floor(at), a = ranks[low].value, b = ranks[high].value;

    return share >= 0.5 ? b - (b - a) * (1 - share) : a + (b - a) * share;
}

int select_hard(struct select *s)
{
    if (check(s) != EVD_OK || select_ranks_new(s) != EVD_OK)
        return s->rows.error.code;
    for (uint32_t row = 0; row < s->n; row++)
        if (select_is_target(s, row))
            s->ranks[s->rank_count++] =
                (struct select_rank){s->options->probabilities[row], s->options->labels[row], row};
    select_sort(s);
    for (uint32_t from = 0, end; from < s->rank_count; from = end) {
        double least;

        if (select_cancelled(s))
            return EVD_CANCELLED;
        end = select_class_end(s, from);
        least = threshold(s->ranks + from, end - from, s->wanted[s->ranks[from].label]);
        for (uint32_t i = from; i < end; i++)
            s->keep[s->ranks[i].row] = s->ranks[i].value >= least;
    }
    return EVD_OK;
}
