/* confusion_print CLASSES: reads lines "label predicted loss score" (score -1: none) and prints
 * what is made of them, a name and its numbers in each line. */
#include <stdio.h>
#include <stdlib.h>
#include "feedback/confusion.h"

static void print_scores(const char *name, struct confusion_scores scores)
{
    printf("%s %.17g %.17g %.17g\n", name, scores.precision, scores.recall, scores.f1);
}

static void print_all(const struct confusion *confusion)
{
    struct confusion_summary summary;
    struct confusion_threshold at[CONFUSION_THRESHOLDS];
    uint32_t best;

    confusion_summarise(confusion, &summary);
    printf("accuracy %.17g\nbalanced %.17g\n", summary.accuracy, summary.balanced_accuracy);
    printf("mean_loss %.17g\n", summary.loss);
    print_scores("macro", summary.macro);
    print_scores("weighted", summary.weighted);
    for (uint32_t c = 0; c < confusion->classes; c++) {
        print_scores("class", confusion_class(confusion, c));
        printf("loss %.17g\nrow", confusion_class_loss(confusion, c));
        for (uint32_t i = 0; i < confusion->classes; i++)
            printf(" %llu",
                   (unsigned long long)confusion->cells[(size_t)c * confusion->classes + i]);
        printf("\n");
    }
    if (!confusion->scored)
        return;
    best = confusion_thresholds(confusion, at);
    for (uint32_t k = 0; k < CONFUSION_THRESHOLDS; k++)
        printf("threshold %.17g %llu %llu %.17g\n", at[k].threshold,
               (unsigned long long)at[k].true_positive, (unsigned long long)at[k].false_positive,
               at[k].scores.f1);
    printf("best %u\n", best);
}

int main(int argc, char **argv)
{
    struct confusion confusion;
    struct evd_error err;
    uint32_t label, predicted;
    double loss, score;

    if (argc != 2 || !confusion_init(&confusion, (uint32_t)strtoul(argv[1], NULL, 10)))
        return 2;
    while (scanf("%u %u %lf %lf", &label, &predicted, &loss, &score) == 4) {
        const struct confusion_batch one = {
            .n = 1,
            .label = &label,
            .predicted = &predicted,
            .loss = &loss,
            .score = score < 0 ? NULL : &score,
        };

        if (confusion_add(&confusion, &one, &err) != EVD_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    print_all(&confusion);
    confusion_fini(&confusion);
    return 0;
}
