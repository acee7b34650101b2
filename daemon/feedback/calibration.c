/* Whether scores are probabilities (curve.h). Called by job.curve. */
#include <assert.h>
#include <math.h>
#include "feedback/curve.h"

/* The score with so many others below it, in order. */
static double ranked(const struct curve *curve, uint64_t rank)
{
    struct curve_walk walk = curve_begin(curve);
    uint64_t above = curve->negatives + curve->positives - 1 - rank;
    struct curve_step step;

    if (curve->keys)
        return score_of(curve->keys[rank]);
    do {
        if (!curve_next(&walk, &step))
            break;
    } while (step.false_positives + step.true_positives <= above);
    return step.score;
}

/* As numpy.percentile computes it, to the last bit. */
static double quantile(const struct curve *curve, double q)
{
    uint64_t n = curve->negatives + curve->positives, rank;
    double place = (double)(n - 1) * (q * 100 / 100), share, low, high;

    if (place >= (double)(n - 1))
        return ranked(curve, n - 1);
    rank = (uint64_t)place;
    share = place - (double)rank;
    low = ranked(curve, rank);
    high = ranked(curve, rank + 1);
    return share >= 0.5 ? high - (high - low) * (1 - share) : low + (high - low) * share;
}

/* Where bin b ends and bin b + 1 begins, for all but the last; as numpy.linspace has them. */
static void edges_of(const struct curve *curve, uint32_t bins, bool quantiles, double *edges)
{
    double step = 1.0 / bins;

    for (uint32_t b = 0; b + 1 < bins; b++) {
        edges[b] = (b + 1) * step;
        if (quantiles)
            edges[b] = quantile(curve, edges[b]);
    }
}

/* Of one bin, as the walk goes through it. */
struct bin {
    struct exact_sum scores;
    uint64_t samples, positives;
};

/* The walk comes from above, so the bins are put in from the last place on. */
static void put_bin(struct calibration *out, uint32_t place, const struct bin *bin)
{
    out->samples[place] = bin->samples;
    out->predicted[place] = sum_value(&bin->scores) / (double)bin->samples;
    out->observed[place] = (double)bin->positives / (double)bin->samples;
}

static void move_to_front(struct calibration *out, uint32_t from)
{
    out->count = CALIBRATION_MOST_BINS - from;
    for (uint32_t i = 0; i < out->count; i++) {
        out->samples[i] = out->samples[from + i];
        out->predicted[i] = out->predicted[from + i];
        out->observed[i] = out->observed[from + i];
    }
}

static double error_of(const struct calibration *bins, uint64_t samples)
{
    struct exact_sum error = {0};

    for (uint32_t b = 0; b < bins->count; b++)
        sum_add(&error, (double)bins->samples[b] / (double)samples *
                            fabs(bins->observed[b] - bins->predicted[b]));
    return sum_value(&error);
}

void curve_calibrate(const struct curve *curve, uint32_t bins, bool quantiles,
                     struct calibration *out)
{
    double edges[CALIBRATION_MOST_BINS], samples = (double)(curve->negatives + curve->positives);
    struct curve_walk walk = curve_begin(curve);
    struct exact_sum squares = {0};
    struct curve_step step;
    uint32_t place = CALIBRATION_MOST_BINS, b = bins - 1;
    struct bin bin = {0};

    assert(bins >= 1 && bins <= CALIBRATION_MOST_BINS);
    edges_of(curve, bins, quantiles, edges);
    while (curve_next(&walk, &step)) {
        double above = 1 - step.score;
        uint64_t n = step.negatives + step.positives;

        if (b > 0 && edges[b - 1] >= step.score && bin.samples > 0) {
            put_bin(out, --place, &bin);
            bin = (struct bin){0};
        }
        while (b > 0 && edges[b - 1] >= step.score)
            b--;
        sum_add(&bin.scores, (double)n * step.score);
        bin.samples += n;
        bin.positives += step.positives;
        sum_add(&squares, (double)step.positives * (above * above));
        sum_add(&squares, (double)step.negatives * (step.score * step.score));
    }
    put_bin(out, --place, &bin);
    move_to_front(out, place);
    out->error = error_of(out, curve->negatives + curve->positives);
    out->brier = sum_value(&squares) / samples;
}
