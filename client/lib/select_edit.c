/*
 * Cleaning by neighbours among all samples: Tomek links, edited nearest neighbours in three forms,
 * and the neighbourhood cleaning rule. Called by select.c, and select_links by select_condense.c.
 */
#include <assert.h>
#include <string.h>
#include "client/lib/select.h"

static int needs(struct select *s, uint64_t living, uint32_t k)
{
    if (living > k)
        return EVD_OK;
    return error_set(&s->rows.error, EVD_E_BAD_VALUE, "k",
                     "each sample needs k = %u others, so %u samples with a label in all, and "
                     "%llu are %s: take a smaller k",
                     k, k + 1, (unsigned long long)living,
                     s->result->iterations ? "left" : "there");
}

/* ---- Tomek links ---- */

int select_links(struct select *s)
{
    int code;

    for (uint32_t row = 0; row < s->n; row++)
        s->labels[row] = s->keep[row] ? s->options->labels[row] : EVD_NO_LABEL;
    if (s->table == NULL && select_table_new(s, 1) != EVD_OK)
        return s->rows.error.code;
    code = select_search(s, EVD_SCOPE_ALL, 0);
    if (code != EVD_OK)
        return code;
    for (uint32_t row = 0; row < s->n; row++) {
        const uint32_t other = s->labels[row] == EVD_NO_LABEL ? EVD_NO_NEIGHBOUR : s->table[row];

        if (other != EVD_NO_NEIGHBOUR && s->table[other] == row &&
            s->labels[other] != s->labels[row] && s->target[s->labels[row]])
            s->keep[row] = 0;
    }
    return EVD_OK;
}

int select_tomek(struct select *s)
{
    return select_links(s);
}

/* ---- edited nearest neighbours ---- */

/* The first k of a row's neighbours that still have a label; fewer if the table has no more. */
static uint32_t living_neighbours(const struct select *s, uint32_t row, uint32_t k, uint32_t *out)
{
    const uint32_t *all = s->table + (size_t)row * s->width;
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->width && count < k && all[i] != EVD_NO_NEIGHBOUR; i++)
        if (s->labels[all[i]] != EVD_NO_LABEL)
            out[count++] = all[i];
    return count;
}

/* Whether all neighbours are of the class, or most of them; of several classes with as many votes
 * the lowest wins. */
static bool agree(const struct select *s, int vote, const uint32_t *near, uint32_t k,
                  uint32_t label)
{
    uint32_t winner = label, most = 0;

    for (uint32_t i = 0; i < k; i++) {
        const uint32_t of = s->labels[near[i]];
        uint32_t votes = 0;

        if (vote == EVD_VOTE_ALL && of != label)
            return false;
        for (uint32_t j = 0; vote == EVD_VOTE_MODE && j < k; j++)
            votes += s->labels[near[j]] == of;
        if (votes > most || (votes == most && of < winner)) {
            most = votes;
            winner = of;
        }
    }
    return vote == EVD_VOTE_ALL || winner == label;
}

/* Fills near with the k nearest of those that are left. A row of the table from which too many were
 * removed is no guide: then all rows are searched for again among those that are left. */
static int neighbours_left(struct select *s, uint32_t row, uint32_t k, uint32_t *near)
{
    uint32_t count = living_neighbours(s, row, k, near);

    if (count < k) {
        const int code = select_search(s, EVD_SCOPE_ALL, 0);

        if (code != EVD_OK)
            return code;
        count = living_neighbours(s, row, k, near);
    }
    assert(count == k); /* since more than k are left */
    return EVD_OK;
}

/* Marks in s->keep what the vote of k neighbours removes of targets. */
static int mark(struct select *s, uint32_t k, int vote)
{
    uint32_t near[EVD_NEIGHBOURS_MAX_K] = {0};

    for (uint32_t row = 0; row < s->n; row++) {
        const uint32_t label = s->labels[row];
        int code;

        if (label == EVD_NO_LABEL || !s->target[label])
            continue;
        if (select_cancelled(s))
            return EVD_CANCELLED;
        code = neighbours_left(s, row, k, near);
        if (code != EVD_OK)
            return code;
        if (!agree(s, vote, near, k, label))
            s->keep[row] = 0;
    }
    return EVD_OK;
}

/* Takes what is marked away from s->labels, and from s->living. */
static void apply(struct select *s)
{
    for (uint32_t row = 0; row < s->n; row++)
        if (!s->keep[row] && s->labels[row] != EVD_NO_LABEL) {
            s->living[s->labels[row]]--;
            s->labels[row] = EVD_NO_LABEL;
        }
}

static uint64_t left(const struct select *s)
{
    uint64_t sum = 0;

    for (uint32_t c = 0; c < s->classes; c++)
        sum += s->living[c];
    return sum;
}

/* One round of edited nearest neighbours on what is left. */
static int edit(struct select *s, uint32_t k)
{
    int code;

    if (needs(s, left(s), k) != EVD_OK || select_targets(s, s->living) != EVD_OK)
        return s->rows.error.code;
    code = mark(s, k, s->options->vote);
    if (code != EVD_OK)
        return code;
    apply(s);
    s->result->iterations++;
    return EVD_OK;
}

static int edit_begin(struct select *s, uint32_t width)
{
    if (needs(s, s->result->samples, s->options->k) != EVD_OK ||
        select_table_new(s, width) != EVD_OK)
        return s->rows.error.code;
    memcpy(s->living, s->members, s->classes * sizeof(*s->living));
    return select_search(s, EVD_SCOPE_ALL, 0);
}

/* Whether a class is gone, or smaller than the smallest one was in the beginning. */
static bool too_few(const struct select *s, bool allow_fewer)
{
    for (uint32_t c = 0; c < s->classes; c++)
        if (s->members[c] > 0 && (s->living[c] == 0 || (!allow_fewer && c != s->smallest &&
                                                        s->living[c] < s->members[s->smallest])))
            return true;
    return false;
}

int select_enn(struct select *s)
{
    int code = edit_begin(s, s->options->k);

    return code == EVD_OK ? edit(s, s->options->k) : code;
}

int select_renn(struct select *s)
{
    int code = edit_begin(s, s->options->k + SELECT_SPARE);

    for (uint32_t i = 0; code == EVD_OK && i < s->options->max_iterations; i++) {
        const uint64_t before = left(s);

        code = edit(s, s->options->k);
        if (code != EVD_OK || left(s) == before || too_few(s, false))
            return code;
    }
    if (code == EVD_OK)
        select_warn(s, "Ended after %u iterations, the last of which still removed samples.",
                    s->result->iterations);
    return code;
}

int select_allknn(struct select *s)
{
    int code = edit_begin(s, s->options->k + SELECT_SPARE);

    for (uint32_t k = 1; code == EVD_OK && k <= s->options->k; k++) {
        code = edit(s, k);
        if (code == EVD_OK && too_few(s, s->options->allow_minority != 0))
            break;
    }
    return code;
}

/* ---- neighbourhood cleaning rule ---- */

/* The neighbours of a sample of the smallest class that it is not recognised by: those of large
 * targets go. */
static void clean_around(struct select *s, const uint32_t *near)
{
    const double least = (double)s->result->samples * s->options->threshold;

    if (agree(s, s->options->vote, near, s->options->k, s->smallest))
        return;
    for (uint32_t i = 0; i < s->options->k; i++) {
        const uint32_t label = s->labels[near[i]];

        if (s->target[label] && (double)s->members[label] > least)
            s->keep[near[i]] = 0;
    }
}

int select_ncr(struct select *s)
{
    int code = edit_begin(s, s->options->k);

    if (code == EVD_OK)
        code = mark(s, s->options->k, EVD_VOTE_MODE);
    for (uint32_t row = 0; code == EVD_OK && row < s->n; row++)
        if (s->labels[row] == s->smallest)
            clean_around(s, s->table + (size_t)row * s->width);
    return code;
}
