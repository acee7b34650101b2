/* The walk through scores, and the precision-recall and the ROC curve (curve.h). Called by
 * job.curve, calibration.c and objective.c. */
#include "feedback/curve.h"

#include <math.h>

struct curve_walk curve_begin(const struct curve *curve)
{
    return (struct curve_walk){.curve = curve,
                               .left = curve->keys ? curve->count : CONFUSION_THRESHOLDS};
}

static bool next_of_keys(struct curve_walk *walk, struct curve_step *out)
{
    const uint64_t *keys = walk->curve->keys;
    uint64_t bits;

    if (walk->left == 0)
        return false;
    bits = keys[walk->left - 1] >> 1;
    out->score = score_of(keys[walk->left - 1]);
    for (; walk->left > 0 && keys[walk->left - 1] >> 1 == bits; walk->left--) {
        out->positives += score_label(keys[walk->left - 1]);
        out->negatives += !score_label(keys[walk->left - 1]);
    }
    return true;
}

static bool next_of_bins(struct curve_walk *walk, struct curve_step *out)
{
    while (walk->left > 0 && out->negatives + out->positives == 0) {
        walk->left--;
        out->negatives = walk->curve->bins[walk->left];
        out->positives = walk->curve->bins[CONFUSION_THRESHOLDS + walk->left];
    }
    out->score = (double)walk->left / (CONFUSION_THRESHOLDS - 1);
    return out->negatives + out->positives > 0;
}

bool curve_next(struct curve_walk *walk, struct curve_step *out)
{
    *out = (struct curve_step){0};
    if (!(walk->curve->keys ? next_of_keys(walk, out) : next_of_bins(walk, out)))
        return false;
    out->false_positives = walk->false_positives += out->negatives;
    out->true_positives = walk->true_positives += out->positives;
    return true;
}

void curve_init(struct curve *curve)
{
    struct curve_walk walk = curve_begin(curve);
    struct curve_step step;

    curve->steps = 0;
    while (curve_next(&walk, &step))
        curve->steps++;
    curve->negatives = walk.false_positives;
    curve->positives = walk.true_positives;
}

void sum_add(struct exact_sum *sum, double value)
{
    double total = sum->sum + value;

    sum->lost +=
        fabs(sum->sum) >= fabs(value) ? (sum->sum - total) + value : (value - total) + sum->sum;
    sum->sum = total;
}

double sum_value(const struct exact_sum *sum)
{
    return sum->sum + sum->lost;
}

static double share(uint64_t part, uint64_t whole)
{
    return (double)part / (double)whole;
}

static void put(const struct curve_page *page, uint64_t point, double threshold, double x, double y)
{
    if (point < page->first || point - page->first >= page->count)
        return;
    page->threshold[point - page->first] = threshold;
    page->x[point - page->first] = x;
    page->y[point - page->first] = y;
}

/* ---- precision and recall ---- */

uint64_t curve_precision_recall_points(const struct curve *curve)
{
    return curve->steps + 1;
}

double curve_precision_recall(const struct curve *curve, const struct curve_page *page)
{
    struct curve_walk walk = curve_begin(curve);
    struct exact_sum area = {0};
    struct curve_step step;
    uint64_t point = curve->steps;

    put(page, point, NAN, 0, 1);
    while (curve_next(&walk, &step)) {
        double precision = share(step.true_positives, step.true_positives + step.false_positives);

        put(page, --point, step.score, share(step.true_positives, curve->positives), precision);
        sum_add(&area, share(step.positives, curve->positives) * precision);
    }
    return sum_value(&area);
}

/* ---- ROC ---- */

/* The steps of an ROC curve that are points of it, in turn. */
struct roc_walk {
    struct curve_walk walk;
    struct curve_step next; /* behind the one that was given last */
    bool more, begun;
};

static struct roc_walk roc_begin(const struct curve *curve)
{
    struct roc_walk roc = {.walk = curve_begin(curve)};

    roc.more = curve_next(&roc.walk, &roc.next);
    return roc;
}

/* A step that is as the one before it and the one behind it lies on a line with both. The first and
 * the last always stay. */
static bool roc_next(struct roc_walk *roc, struct curve_step *out)
{
    bool corner = false;

    while (roc->more && !corner) {
        *out = roc->next;
        roc->more = curve_next(&roc->walk, &roc->next);
        corner = !roc->begun || !roc->more || roc->next.negatives != out->negatives ||
                 roc->next.positives != out->positives;
        roc->begun = true;
    }
    return corner;
}

uint64_t curve_roc_points(const struct curve *curve)
{
    struct roc_walk roc = roc_begin(curve);
    struct curve_step step;
    uint64_t points = 1;

    while (roc_next(&roc, &step))
        points++;
    return points;
}

double curve_roc(const struct curve *curve, const struct curve_page *page)
{
    struct roc_walk roc = roc_begin(curve);
    struct curve_step step, before = {0};
    struct exact_sum area = {0};
    uint64_t point = 0;

    put(page, point++, roc.next.score + 1, 0, 0);
    while (roc_next(&roc, &step)) {
        put(page, point++, step.score, share(step.false_positives, curve->negatives),
            share(step.true_positives, curve->positives));
        sum_add(&area, share(step.false_positives - before.false_positives, curve->negatives) *
                           share(step.true_positives + before.true_positives, curve->positives));
        before = step;
    }
    return sum_value(&area) / 2;
}
