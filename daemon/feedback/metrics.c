/* What follows from the counts of a confusion: scores of a class, averages, thresholds
 * (confusion.h). Called by job.confusion and the adaptive policy. */
#include <math.h>
#include "feedback/confusion.h"

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static struct confusion_scores scores_of(uint64_t hits, uint64_t support, uint64_t predicted)
{
    return (struct confusion_scores){
        .precision = ratio(hits, predicted),
        .recall = ratio(hits, support),
        .f1 = ratio(2 * hits, support + predicted),
    };
}

struct confusion_scores confusion_class(const struct confusion *confusion, uint32_t c)
{
    return scores_of(confusion->hits[c], confusion->support[c], confusion->predicted[c]);
}

double confusion_class_loss(const struct confusion *confusion, uint32_t c)
{
    if (!confusion->losses || confusion->losses[c] == 0)
        return NAN;
    return confusion->loss[c] / (double)confusion->losses[c];
}

static void add_scores(struct confusion_scores *sum, struct confusion_scores more, double weight)
{
    sum->precision += weight * more.precision;
    sum->recall += weight * more.recall;
    sum->f1 += weight * more.f1;
}

static struct confusion_scores divided(struct confusion_scores sum, double by)
{
    return (struct confusion_scores){sum.precision / by, sum.recall / by, sum.f1 / by};
}

void confusion_summarise(const struct confusion *confusion, struct confusion_summary *out)
{
    struct confusion_scores macro = {0}, weighted = {0};
    uint64_t met = 0, present = 0, hits = 0, losses = 0;
    double recalls = 0, loss = 0;

    for (uint32_t c = 0; c < confusion->classes; c++) {
        struct confusion_scores scores = confusion_class(confusion, c);

        if (confusion->support[c] == 0 && confusion->predicted[c] == 0)
            continue;
        met++;
        add_scores(&macro, scores, 1);
        add_scores(&weighted, scores, (double)confusion->support[c]);
        hits += confusion->hits[c];
        if (confusion->support[c] == 0)
            continue;
        present++;
        recalls += scores.recall;
        if (confusion->losses) {
            loss += confusion->loss[c];
            losses += confusion->losses[c];
        }
    }
    *out = (struct confusion_summary){
        .accuracy = ratio(hits, confusion->samples),
        .balanced_accuracy = recalls / (double)present,
        .macro = divided(macro, (double)met),
        .weighted = divided(weighted, (double)confusion->samples),
        .loss = losses ? loss / (double)losses : NAN,
    };
}

uint32_t confusion_thresholds(const struct confusion *confusion, struct confusion_threshold *out)
{
    const uint64_t *negative = confusion->scored, *positive = negative + CONFUSION_THRESHOLDS;
    uint64_t positives = 0, above = 0, above_negative = 0;
    uint32_t best = CONFUSION_THRESHOLDS - 1;

    for (uint32_t bin = 0; bin < CONFUSION_THRESHOLDS; bin++)
        positives += positive[bin];
    for (uint32_t k = CONFUSION_THRESHOLDS; k-- > 0;) {
        above += positive[k];
        above_negative += negative[k];
        out[k] = (struct confusion_threshold){
            .threshold = k / (double)(CONFUSION_THRESHOLDS - 1),
            .true_positive = above,
            .false_positive = above_negative,
            .false_negative = positives - above,
            .scores = scores_of(above, positives, above + above_negative),
        };
        if (out[k].scores.f1 >= out[best].scores.f1)
            best = k;
    }
    return best;
}
