/*
 * Draws a second of every strategy, in one thread.
 *
 *     bench_draws [SECONDS [STRATEGY]]       for each measurement, 0.1 by default; all strategies
 *
 * Long-tailed datasets (the k-th class has 1/k of the first one's samples) of 10^5, 10^6 and 10^7
 * samples, with EVD_LONG=1 in the environment also 10^8, in 10, 1,000 and 10^5 classes, members in
 * mixed order, batches of 256. Those with `from` draw from a selection of all samples, so that all
 * else is as without. Those with pairs also draw the second samples and both shares;
 * smote, which needs classes of some samples, is left out where the smallest has fewer.
 * Prints one JSON object a line:
 *
 *     {"strategy": "weighted", "n": 1000000, "classes": 10, "draws_per_s": 1.2e8,
 *      "ns_per_draw": 8.3, "plan_bytes": 752, "build_ms": 0.1}
 *
 * Time is processor time of the thread, and the best of several runs: others on the machine only
 * make a run slower. Links evd_sampler only; measure the release preset.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "sampler/plan.h"
#include "sampler/tables.h"

#define BATCH 256u
#define RUNS  5
#define NEAR  5u

struct variant {
    const char *name, *kind, *param, *text;
    double number; /* of param, where text is NULL */
};

static const struct variant variants[] = {
    {"uniform", "uniform", NULL, NULL, 0},
    {"uniform, from", "uniform", "from", "every", 0},
    {"weighted", "weighted", NULL, NULL, 0},
    {"weighted, by sample", "weighted", "column", "hardness", 0},
    {"weighted, once", "weighted", "replacement", NULL, 0},
    {"stratified", "stratified", NULL, NULL, 0},
    {"stratified, equal", "stratified", "proportions", "equal", 0},
    {"undersampled", "undersampled", "sampling_strategy", "majority", 0},
    {"oversampled", "oversampled", NULL, NULL, 0},
    {"oversampled, from", "oversampled", "from", "every", 0},
    {"smote", "smote", NULL, NULL, 0},
    {"resampled", "resampled", NULL, NULL, 0},
    {"repeat-factor", "repeat-factor", "threshold", NULL, 0.01},
    {"p-by-k", "p-by-k", "k", NULL, 32},
    {"class-aware", "class-aware", NULL, NULL, 0},
    {"ensemble", "ensemble", "sampling_strategy", "majority", 0},
    {"progressive", "progressive", NULL, NULL, 0},
    {"uniform, mixup", "uniform", "pairs.how", "mixup", 0},
    {"uniform, remix", "uniform", "pairs.how", "remix", 0},
    {"uniform, balanced-mixup", "uniform", "pairs.how", "balanced-mixup", 0},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *grab(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) {
        fprintf(stderr, "bench_draws: no memory\n");
        exit(1);
    }
    return p;
}

/* Members are a fixed permutation of all samples: multiples of a number coprime to n. */
static void long_tail(struct class_index *index, uint64_t n, uint32_t classes)
{
    uint64_t *start = grab(classes + 1u, sizeof(*start));
    uint32_t *member = table_alloc(n * sizeof(*member)); /* as datasets do */
    double sum = 0;
    for (uint32_t c = 0; c < classes; c++)
        sum += 1.0 / (c + 1);
    for (uint32_t c = 0; c < classes; c++)
        start[c + 1] = start[c] + (uint64_t)((double)n / sum / (c + 1));
    start[classes] = n;
    if (!member)
        exit(1);
    for (uint64_t i = 0; i < n; i++)
        member[i] = (uint32_t)(i * 2654435761u % n);
    *index = (struct class_index){
        .samples = n, .labelled = n, .classes = classes, .start = start, .member32 = member};
}

static void set_param(struct strategy *s, const struct variant *variant)
{
    if (!variant->param)
        return;
    int param = strategy_param_find(s->kind, variant->param, strlen(variant->param));
    struct strategy_value *value = &s->values[param];
    value->tag = variant->text ? VALUE_TEXT : VALUE_NUMBER;
    value->number = variant->number;
    if (variant->text)
        snprintf(value->text, sizeof(value->text), "%s", variant->text);
}

/* Nanoseconds a draw, of the best run. */
static double draw_for(const struct plan *plan, double seconds)
{
    void *scratch = aligned_alloc(64, (plan_scratch_size(plan) + 63) / 64 * 64);
    uint32_t *index = grab(BATCH, sizeof(*index)), *second = grab(BATCH, sizeof(*second));
    float *share = grab(BATCH, sizeof(*share)), *label = grab(BATCH, sizeof(*label));
    uint64_t at = 0;
    bool pairs = plan_columns_known(plan) >> PLAN_MIX_INDEX & 1;
    const struct plan_columns columns = {
        .index32 = index,
        .mix_index32 = pairs ? second : NULL,
        .mix_lambda = pairs ? share : NULL,
        .mix_label_lambda = pairs ? label : NULL,
    };
    struct epoch_shape shape = plan_epoch(plan, 0);
    double best = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        double begin = now(), draws = 0, taken;
        do {
            for (int i = 0; i < 64; i++, at++) {
                const struct plan_slice slice = {.epoch = at / shape.steps,
                                                 .step = at % shape.steps,
                                                 .shape = shape,
                                                 .rank = 0,
                                                 .world = 1};
                draws += plan_draw(plan, &slice, &columns, scratch);
            }
            taken = now() - begin;
        } while (taken < seconds / RUNS);
        best = fmin(best, taken / draws * 1e9);
    }
    free(index);
    free(second);
    free(share);
    free(label);
    free(scratch);
    return best;
}

/* For each sample some of its class, in no order; NULL if a class has too few. */
static uint32_t *neighbours_of(const struct class_index *index)
{
    uint32_t *rows = grab(index->samples * NEAR, sizeof(*rows));
    for (uint32_t c = 0; c < index->classes; c++) {
        uint64_t first = index->start[c], n = index->start[c + 1] - first;
        if (n <= NEAR) {
            free(rows);
            return NULL;
        }
        for (uint64_t i = 0; i < n; i++) {
            for (uint64_t j = 0; j < NEAR; j++)
                rows[index->member32[first + i] * (uint64_t)NEAR + j] =
                    index->member32[first + (i * 40503 + j * 6700417 + 1) % n];
        }
    }
    return rows;
}

static void measure(const struct variant *variant, const struct class_index *index,
                    const double *weights, const uint64_t *kept, const uint32_t *rows,
                    double seconds)
{
    struct strategy s;
    struct plan *plan;
    struct sampler_error err = {.message = "no memory"};
    strategy_init(&s, strategy_find(variant->kind, strlen(variant->kind)), index->classes);
    set_param(&s, variant);
    const struct plan_input in = {.index = index,
                                  .strategy = &s,
                                  .seed = 1,
                                  .batch_size = BATCH,
                                  .last_batch = LAST_DROP,
                                  .weights = weights,
                                  .from.kept = kept,
                                  .tables = {{rows, NEAR, true}}};
    double begin = now();
    if (plan_build(&plan, &in, &err) != PLAN_OK ||
        plan_place(plan, 0, 0, plan_epoch(plan, 0), &err) != PLAN_OK) {
        fprintf(stderr, "bench_draws: %s: %s\n", variant->name, err.message);
        exit(1);
    }
    double built = now() - begin;
    double ns = draw_for(plan, seconds);
    printf("{\"strategy\": \"%s\", \"n\": %llu, \"classes\": %u, \"draws_per_s\": %.4g, "
           "\"ns_per_draw\": %.2f, \"plan_bytes\": %zu, \"build_ms\": %.3f}\n",
           variant->name, (unsigned long long)index->labelled, index->classes, 1e9 / ns, ns,
           plan_memory(plan), built * 1e3);
    fflush(stdout);
    plan_unref(plan);
    strategy_fini(&s);
}

static void measure_all(uint64_t n, uint32_t classes, double seconds, const char *only)
{
    double *weights = grab(n, sizeof(*weights));
    uint64_t *kept = grab(n / 64 + 1, sizeof(*kept));
    struct class_index index;
    memset(kept, 0xff, (n / 64 + 1) * sizeof(*kept));
    for (uint64_t k = 0; k < n; k++)
        weights[k] = 1 + (double)(k % 7);
    long_tail(&index, n, classes);
    for (size_t v = 0; v < sizeof(variants) / sizeof(*variants); v++) {
        bool smote = strcmp(variants[v].kind, "smote") == 0;
        if (only && strcmp(only, variants[v].name) != 0)
            continue;
        uint32_t *rows = smote ? neighbours_of(&index) : NULL;
        if (!smote || rows)
            measure(&variants[v], &index, weights, kept, rows, seconds);
        free(rows);
    }
    free((void *)index.start);
    free((void *)index.member32);
    free(weights);
    free(kept);
}

static void print_usage(FILE *out)
{
    fprintf(out, "Usage: bench_draws [SECONDS [STRATEGY]]\n\n"
                 "Prints what a draw costs, one JSON object a line. SECONDS: of each measurement, "
                 "0.1 by default.\nSTRATEGY: only this one (default: all):\n");
    for (size_t v = 0; v < sizeof(variants) / sizeof(*variants); v++)
        fprintf(out, "    %s\n", variants[v].name);
    fprintf(out, "EVD_LONG=1 in the environment: also 10^8 samples.\n");
}

static bool is_variant(const char *name)
{
    for (size_t v = 0; v < sizeof(variants) / sizeof(*variants); v++) {
        if (strcmp(name, variants[v].name) == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    const uint64_t sizes[] = {100000, 1000000, 10000000, 100000000};
    const uint32_t classes[] = {10, 1000, 100000};
    char *end = NULL;
    double seconds = argc > 1 ? strtod(argv[1], &end) : 0.1;
    const char *long_run = getenv("EVD_LONG");
    int count = long_run && strcmp(long_run, "1") == 0 ? 4 : 3;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if ((end && *end) || !(seconds > 0) || argc > 3 || (argc == 3 && !is_variant(argv[2]))) {
        print_usage(stderr);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < 3; j++)
            measure_all(sizes[i], classes[j], seconds, argc > 2 ? argv[2] : NULL);
    }
    return 0;
}
