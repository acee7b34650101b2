/* Counts samples, true class against predicted, and merges such counts (confusion.h). Called by
 * feedback.c and job.confusion. */
#include "feedback/confusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool has_matrix(uint32_t classes)
{
    return classes <= CONFUSION_MATRIX_CLASSES;
}

bool confusion_init(struct confusion *confusion, uint32_t classes)
{
    *confusion = (struct confusion){.classes = classes};
    confusion->support = calloc(classes, sizeof(uint64_t));
    confusion->predicted = calloc(classes, sizeof(uint64_t));
    confusion->hits = calloc(classes, sizeof(uint64_t));
    if (has_matrix(classes))
        confusion->cells = calloc((size_t)classes * classes, sizeof(uint64_t));
    if (confusion->support && confusion->predicted && confusion->hits &&
        (confusion->cells || !has_matrix(classes)))
        return true;
    confusion_fini(confusion);
    return false;
}

void confusion_fini(struct confusion *confusion)
{
    free(confusion->support);
    free(confusion->predicted);
    free(confusion->hits);
    free(confusion->cells);
    free(confusion->loss);
    free(confusion->losses);
    free(confusion->scored);
    *confusion = (struct confusion){0};
}

size_t confusion_needs(uint32_t classes)
{
    return ((size_t)3 * classes + (has_matrix(classes) ? (size_t)classes * classes : 0)) *
           sizeof(uint64_t);
}

size_t confusion_memory(const struct confusion *confusion)
{
    size_t more = 0;

    if (confusion->losses)
        more += (size_t)2 * confusion->classes;
    if (confusion->scored)
        more += (size_t)2 * CONFUSION_THRESHOLDS;
    return confusion_needs(confusion->classes) + more * sizeof(uint64_t);
}

static bool want_losses(struct confusion *confusion)
{
    if (!confusion->loss)
        confusion->loss = calloc(confusion->classes, sizeof(double));
    if (!confusion->losses)
        confusion->losses = calloc(confusion->classes, sizeof(uint64_t));
    return confusion->loss && confusion->losses;
}

static bool want_scores(struct confusion *confusion)
{
    if (!confusion->scored)
        confusion->scored = calloc((size_t)2 * CONFUSION_THRESHOLDS, sizeof(uint64_t));
    return confusion->scored;
}

static int check(const struct confusion *confusion, const struct confusion_batch *batch,
                 struct evd_error *err)
{
    if (batch->score && confusion->classes != 2)
        return error_set(err, EVD_E_BAD_VALUE, "score",
                         "\"score\" goes only with two classes, and there are %u",
                         confusion->classes);
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->label[i] >= confusion->classes)
            return error_set(err, EVD_E_BAD_VALUE, "index", "sample %zu has no label", i);
        if (batch->predicted[i] >= confusion->classes)
            return error_set(err, EVD_E_BAD_VALUE, "predicted",
                             "\"predicted\": value %zu is %u, which is no class: they go from 0 "
                             "to %u",
                             i, batch->predicted[i], confusion->classes - 1);
        if (batch->loss && !isfinite(batch->loss[i]))
            return error_set(err, EVD_E_BAD_VALUE, "loss",
                             "\"loss\": value %zu is not a finite number: leave the loss out of "
                             "this report, or find out why training diverged",
                             i);
        if (batch->score && !(batch->score[i] >= 0 && batch->score[i] <= 1))
            return error_set(err, EVD_E_BAD_VALUE, "score",
                             "\"score\": value %zu is %g: scores are probabilities of class 1, "
                             "from 0 to 1 (apply the sigmoid or softmax first)",
                             i, batch->score[i]);
    }
    return EVD_OK;
}

/* The highest k with k / 1000 <= score, exactly as a comparison with that double says. */
static uint32_t bin_of(double score)
{
    const double last = CONFUSION_THRESHOLDS - 1;
    uint32_t k = (uint32_t)(score * last);

    while (k / last > score)
        k--;
    while (k + 1 < CONFUSION_THRESHOLDS && (k + 1) / last <= score)
        k++;
    return k;
}

int confusion_add(struct confusion *confusion, const struct confusion_batch *batch,
                  struct evd_error *err)
{
    if (check(confusion, batch, err) != EVD_OK)
        return err->code;
    if ((batch->loss && !want_losses(confusion)) || (batch->score && !want_scores(confusion)))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to count a report");
    for (size_t i = 0; i < batch->n; i++) {
        uint32_t label = batch->label[i], predicted = batch->predicted[i];

        confusion->support[label]++;
        confusion->predicted[predicted]++;
        confusion->hits[label] += label == predicted;
        if (confusion->cells)
            confusion->cells[(size_t)label * confusion->classes + predicted]++;
        if (batch->loss) {
            confusion->loss[label] += batch->loss[i];
            confusion->losses[label]++;
        }
        if (batch->score)
            confusion->scored[label * CONFUSION_THRESHOLDS + bin_of(batch->score[i])]++;
    }
    confusion->samples += batch->n;
    return EVD_OK;
}

static void add_all(uint64_t *into, const uint64_t *from, size_t n)
{
    for (size_t i = 0; from && i < n; i++)
        into[i] += from[i];
}

bool confusion_merge(struct confusion *into, const struct confusion *from, uint32_t first,
                     uint32_t rows)
{
    size_t classes = into->classes;

    if ((from->losses && !want_losses(into)) || (from->scored && !want_scores(into)))
        return false;
    add_all(into->support, from->support, classes);
    add_all(into->predicted, from->predicted, classes);
    add_all(into->hits, from->hits, classes);
    if (into->cells && from->cells)
        add_all(into->cells + first * classes, from->cells + first * classes, rows * classes);
    add_all(into->losses, from->losses, classes);
    for (size_t c = 0; from->loss && c < classes; c++)
        into->loss[c] += from->loss[c];
    add_all(into->scored, from->scored, (size_t)2 * CONFUSION_THRESHOLDS);
    into->samples += from->samples;
    return true;
}
