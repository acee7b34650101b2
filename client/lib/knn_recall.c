/*
 * How many lists an approximate search has to look at. Some queries are searched for exactly; the
 * ranks that their lists have in the order of the queries say what share of their neighbours would
 * be found in any number of lists. Called by neighbours.c.
 *
 * The interval is Wilson's of a share, at 95 %, of as many trials as there are queries in the
 * sample. A query is k trials, of a share each; that makes the interval wider than it need be, and
 * never too narrow. The number of lists is the smallest for which the whole interval is above what
 * was asked for: so it is not by luck of the sample that it seems enough.
 */
#include <math.h>
#include <string.h>
#include "client/lib/knn.h"

#define QUANTILE 1.959963984540054 /* of the normal distribution, for 95 % */

static void interval(double share, double trials, double *low, double *high)
{
    const double z2 = QUANTILE * QUANTILE / trials;
    const double middle = (share + z2 / 2) / (1 + z2);
    const double half =
        QUANTILE * sqrt(share * (1 - share) / trials + z2 / (4 * trials)) / (1 + z2);

    *low = fmax(0, middle - half);
    *high = fmin(1, middle + half);
}

static uint32_t sample_size(const struct knn_search *s)
{
    return s->query_count < KNN_SAMPLE ? s->query_count : KNN_SAMPLE;
}

uint64_t knn_recall_pairs(const struct knn_search *s)
{
    return knn_padded(sample_size(s), KNN_BLOCK) * s->point_count;
}

static int search_sample(struct knn_search *s)
{
    int code;

    s->doubtful_count = sample_size(s);
    for (uint32_t i = 0; i < s->doubtful_count; i++) {
        s->doubtful[i] = knn_sampled(i, s->doubtful_count, s->query_count);
        s->bound[i] = INFINITY;
    }
    s->lists.sampling = true;
    code =
        knn_run_aside(s, knn_exact_units(s), (uint64_t)KNN_BLOCK * s->point_count, knn_exact_unit);
    s->lists.sampling = false;
    return code;
}

static void count_ranks(struct knn_search *s, const struct knn_best *rank, const uint32_t *truth)
{
    struct knn_lists *lists = &s->lists;

    for (uint32_t r = 0; r < rank->count; r++) {
        lists->points_at[r] += lists->members[rank->point[r]];
        for (uint32_t i = 0; i < s->k && truth[i] != KNN_NONE; i++)
            lists->found_at[r] += lists->list_of[truth[i]] == rank->point[r];
    }
}

/* Fills found_at and points_at for the first `ranks` lists. */
static bool rank_sample(struct knn_search *s, uint32_t ranks)
{
    struct knn_batch *batch = s->workers[0].batch;

    memset(s->lists.found_at, 0, ranks * sizeof(*s->lists.found_at));
    memset(s->lists.points_at, 0, ranks * sizeof(*s->lists.points_at));
    for (uint64_t unit = 0; unit < knn_exact_units(s); unit++) {
        if (knn_cancelled(&s->workers[0]))
            return false;
        knn_batch_begin(batch, unit);
        knn_rank(batch, ranks);
        for (uint32_t i = 0; i < batch->count; i++)
            count_ranks(s, knn_ranked(batch, i),
                        s->lists.truth + ((size_t)unit * KNN_BLOCK + i) * s->k);
    }
    return true;
}

/* The exact search looks at each pair once for both rows, where queries are points. Here a pair
 * costs up to twice as much, as rows must be put side by side first; and a list as much as a few
 * points, as its centroid is compared with in double. */
static bool worth_it(const struct knn_search *s, uint64_t points)
{
    const uint64_t exact = s->self ? s->point_count : s->point_count / 2;

    return 2 * points + 4 * (uint64_t)s->lists.count < exact;
}

/* False: not within so many lists. */
static bool choose_probes(struct knn_search *s, uint32_t ranks, uint64_t *points)
{
    const double sample = s->doubtful_count;
    uint64_t found = 0, sum = 0;

    for (uint32_t r = 0; r < ranks; r++) {
        double share, low, high;

        found += s->lists.found_at[r];
        sum += s->lists.points_at[r];
        share = (double)found / (sample * s->k);
        interval(share, sample, &low, &high);
        if (low < s->options->recall)
            continue;
        s->lists.probes = r + 1;
        *points = sum / s->doubtful_count + 1;
        if (!worth_it(s, *points))
            return false;
        s->group_tally = (struct knn_tally){s->query_count, s->query_count * (1 - share),
                                            (double)s->query_count * s->query_count / sample};
        return true;
    }
    return false;
}

int knn_recall_measure(struct knn_search *s, uint64_t *points)
{
    const uint32_t ranks = s->lists.count / 2; /* of one list there is nothing to leave out */
    int code = ranks > 0 ? search_sample(s) : EVD_OK;

    if (code != EVD_OK)
        return code;
    if (ranks > 0 && !rank_sample(s, ranks))
        return knn_end_cancelled(s);
    if (!choose_probes(s, ranks, points))
        s->lists.count = 0;
    s->doubtful_count = 0;
    return EVD_OK;
}

void knn_recall_report(const struct knn_search *s, evd_neighbours_result *result)
{
    const struct knn_tally *tally = &s->tally;
    double low, high, part;

    result->recall = result->recall_low = result->recall_high = 1;
    result->approximate = (uint64_t)tally->queries;
    if (tally->queries == 0)
        return;
    part = tally->queries / (double)result->samples;
    interval(1 - tally->missed / tally->queries, tally->queries * tally->queries / tally->spread,
             &low, &high);
    result->recall = 1 - part * tally->missed / tally->queries;
    result->recall_low = 1 - part * (1 - low);
    result->recall_high = 1 - part * (1 - high);
}
