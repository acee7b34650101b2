/* curve_print WHAT [BINS]: reads lines "label score", and prints what is made of them, as numbers
 * in full, a point a line. WHAT: precision-recall, roc, uniform, quantile (of BINS bins), or
 * thresholds; with a leading "bins-", of the scores as the bins of a confusion hold them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "feedback/curve.h"

#define MOST 100000u

static uint64_t keys[MOST], scratch[MOST];
static double threshold[MOST + 2], x[MOST + 2], y[MOST + 2];

/* Through the blocks, as the daemon keeps them. */
static size_t read_scores(struct confusion *bins)
{
    struct scores *scores = scores_new();
    struct evd_error err;
    uint32_t label;
    double score;
    size_t n;

    while (scores && scanf("%u %lf", &label, &score) == 2) {
        const struct confusion_batch one = {
            .n = 1, .label = &label, .predicted = &label, .score = &score};

        if (scores->count == MOST || !scores_add(scores, &score, &label, 1) ||
            confusion_add(bins, &one, &err) != EVD_OK)
            exit(2);
    }
    if (!scores)
        exit(2);
    n = scores->count;
    scores_copy(scores, (uint32_t)n, keys);
    scores_unref(scores);
    return n;
}

static void print_points(const struct curve *curve, bool roc)
{
    const struct curve_page page = {0, MOST + 2, threshold, x, y};
    uint64_t points = roc ? curve_roc_points(curve) : curve_precision_recall_points(curve);

    printf("%.17g\n", roc ? curve_roc(curve, &page) : curve_precision_recall(curve, &page));
    for (uint64_t i = 0; i < points; i++)
        printf("%.17g %.17g %.17g\n", threshold[i], x[i], y[i]);
}

static void print_calibration(const struct curve *curve, uint32_t count, bool quantiles)
{
    static struct calibration bins;

    curve_calibrate(curve, count, quantiles, &bins);
    printf("%.17g %.17g\n", bins.brier, bins.error);
    for (uint32_t b = 0; b < bins.count; b++)
        printf("%.17g %.17g %llu\n", bins.predicted[b], bins.observed[b],
               (unsigned long long)bins.samples[b]);
}

static void print_thresholds(const struct curve *curve)
{
    const struct objective asked[] = {
        {.kind = OBJECTIVE_F1},
        {.kind = OBJECTIVE_F_BETA, .beta = 2},
        {.kind = OBJECTIVE_BALANCED_ACCURACY},
        {.kind = OBJECTIVE_COST, .cost = {{-0.5, 1}, {10, 0.25}}},
        {.kind = OBJECTIVE_PRECISION_AT_RECALL, .least = 0.8},
        {.kind = OBJECTIVE_RECALL_AT_PRECISION, .least = 0.6},
    };

    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct threshold best;

        if (objective_best(curve, &asked[i], &best))
            printf(
                "%s %.17g %.17g %.17g %.17g %.17g %.17g %llu %llu %llu %llu\n",
                objective_name(asked[i].kind), best.threshold, best.value, best.scores.precision,
                best.scores.recall, best.scores.f1, best.balanced_accuracy,
                (unsigned long long)best.true_negatives, (unsigned long long)best.false_positives,
                (unsigned long long)best.false_negatives, (unsigned long long)best.true_positives);
        else
            printf("%s none\n", objective_name(asked[i].kind));
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool binned = strncmp(what, "bins-", 5) == 0;
    struct confusion bins;
    struct curve curve = {0};

    if (!confusion_init(&bins, 2))
        return 2;
    curve.count = read_scores(&bins);
    if (!keys_sort(keys, scratch, curve.count, NULL))
        return 2;
    curve.keys = binned ? NULL : keys;
    curve.bins = bins.scored;
    curve_init(&curve);
    what += binned ? 5 : 0;
    if (strcmp(what, "thresholds") == 0)
        print_thresholds(&curve);
    else if (strcmp(what, "roc") == 0 || strcmp(what, "precision-recall") == 0)
        print_points(&curve, what[0] == 'r');
    else
        print_calibration(&curve, argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 5,
                          what[0] == 'q');
    confusion_fini(&bins);
    return 0;
}
