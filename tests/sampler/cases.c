#include "cases.h"

#include <math.h>
#include <stdlib.h>

const uint64_t case_counts[CASE_CLASSES] = {400, 160, 0, 60, 25, 7};

static void uniform(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "uniform", classes);
}

static void uniform_repeated(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "uniform", classes);
    strategy_set(s, "repeats", 2);
}

static void uniform_repeated_all(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "uniform", classes);
    strategy_set(s, "repeats", 3);
    strategy_set(s, "num_samples", 3 * 652);
}

static void weighted(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
}

static void weighted_power(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
    strategy_say(s, "weight", "power");
    strategy_set(s, "num_samples", 1000);
}

static void weighted_explicit(struct strategy *s, uint32_t classes)
{
    static const double weights[CASE_CLASSES] = {0.5, 1, 0, 0, 3, 2};
    strategy_make(s, "weighted", classes);
    strategy_say(s, "weight", "explicit");
    strategy_map(s, "weights", weights);
}

static void stratified(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "stratified", classes);
}

static void stratified_equal(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "stratified", classes);
    strategy_say(s, "proportions", "equal");
}

static void stratified_least(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "stratified", classes);
    strategy_set(s, "min_per_class", 1);
}

static void undersampled(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "undersampled", classes);
    strategy_say(s, "sampling_strategy", "majority");
}

static void undersampled_fixed(struct strategy *s, uint32_t classes)
{
    static const double keep[CASE_CLASSES] = {100, 100, NAN, 50, 25, 0};
    strategy_make(s, "undersampled", classes);
    strategy_map(s, "sampling_strategy", keep);
    strategy_say(s, "subset", "fixed");
}

static void undersampled_replaced(struct strategy *s, uint32_t classes)
{
    static const double keep[CASE_CLASSES] = {200, 150, NAN, 50, 25, 7};
    strategy_make(s, "undersampled", classes);
    strategy_map(s, "sampling_strategy", keep);
    strategy_set(s, "replacement", 1);
}

static void weighted_samples(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
    strategy_say(s, "column", "hardness");
}

static void weighted_once(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
    strategy_set(s, "replacement", 0);
    strategy_set(s, "num_samples", 90);
}

static void weighted_samples_once(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
    strategy_say(s, "column", "hardness");
    strategy_set(s, "replacement", 0);
}

static void oversampled(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "oversampled", classes);
}

static void oversampled_evenly(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "oversampled", classes);
    strategy_say(s, "members", "balanced-repeat");
}

static void smote(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "smote", classes);
}

static void smote_borderline(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "smote", classes);
    strategy_say(s, "variant", "borderline-1");
    strategy_set(s, "k", 3);
    strategy_set(s, "m", 9);
}

static void smote_borderline_2(struct strategy *s, uint32_t classes)
{
    smote_borderline(s, classes);
    strategy_say(s, "variant", "borderline-2");
}

static void smote_adasyn(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "smote", classes);
    strategy_say(s, "variant", "adasyn");
}

static void resampled(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "resampled", classes);
}

static void resampled_evenly(struct strategy *s, uint32_t classes)
{
    static const double target[CASE_CLASSES] = {100, NAN, NAN, 90, 0, 70};
    strategy_make(s, "resampled", classes);
    strategy_map(s, "target", target);
    strategy_say(s, "members", "balanced-repeat");
}

static void repeat_factor(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "repeat-factor", classes);
    strategy_set(s, "threshold", 0.3);
}

static void p_by_k(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "p-by-k", classes);
    strategy_set(s, "p", 2);
    strategy_set(s, "num_samples", 700);
}

static void class_aware(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "class-aware", classes);
}

static void ensemble(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "ensemble", classes);
    strategy_set(s, "member", 3);
}

static void ensemble_bootstrap(struct strategy *s, uint32_t classes)
{
    static const double keep[CASE_CLASSES] = {100, 100, NAN, 50, 25, 7};
    strategy_make(s, "ensemble", classes);
    strategy_say(s, "parts", "bootstrap");
    strategy_map(s, "sampling_strategy", keep);
}

static void progressive(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "progressive", classes);
}

static void progressive_exponential(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "progressive", classes);
    strategy_say(s, "schedule", "exponential");
    strategy_set(s, "max_ratio", 20);
}

static void adaptive(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "adaptive", classes);
}

static void adaptive_moved(struct strategy *s, uint32_t classes)
{
    static const double weights[CASE_CLASSES] = {1, 1.5, NAN, 2, 4, 9.25};
    strategy_make(s, "adaptive", classes);
    strategy_map(s, "weights", weights);
    strategy_say(s, "measure", "loss");
    strategy_set(s, "every", 10);
}

static void uniform_mixup(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "uniform", classes);
    strategy_say(s, "pairs.how", "mixup");
}

static void stratified_balanced_mixup(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "stratified", classes);
    strategy_say(s, "pairs.how", "balanced-mixup");
    strategy_set(s, "pairs.alpha", 0.4);
}

static void weighted_remix(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "weighted", classes);
    strategy_say(s, "pairs.how", "remix");
    strategy_set(s, "pairs.kappa", 2);
    strategy_set(s, "pairs.tau", 0.3);
}

static void adaptive_unpaired(struct strategy *s, uint32_t classes)
{
    strategy_make(s, "adaptive", classes);
    strategy_say(s, "pairs.how", "none");
}

const struct strategy_case strategy_cases[] = {
    {"uniform", DISTINCT | EXACT, uniform},
    {"uniform, repeated", 0, uniform_repeated},
    {"uniform, all repeated", EXACT, uniform_repeated_all},
    {"weighted", 0, weighted},
    {"weighted, power", 0, weighted_power},
    {"weighted, explicit", 0, weighted_explicit},
    {"stratified", EXACT | WHOLE | BALANCED, stratified},
    {"stratified, equal", EXACT | WHOLE | BALANCED, stratified_equal},
    {"stratified, at least 1", EXACT | WHOLE | BALANCED, stratified_least},
    {"undersampled", DISTINCT | EXACT, undersampled},
    {"undersampled, fixed", DISTINCT | EXACT | SUBSET, undersampled_fixed},
    {"undersampled, replaced", EXACT, undersampled_replaced},
    {"weighted, samples", WEIGHED, weighted_samples},
    {"weighted, once", DISTINCT | EXACT | UNEVEN, weighted_once},
    {"weighted, samples, once", DISTINCT | EXACT | WEIGHED | UNEVEN, weighted_samples_once},
    {"oversampled", EXACT, oversampled},
    {"oversampled, evenly", EXACT, oversampled_evenly},
    {"smote", EXACT | POINTS, smote},
    {"smote, borderline", EXACT | POINTS | SUBSET, smote_borderline},
    {"smote, borderline-2", EXACT | POINTS | SUBSET, smote_borderline_2},
    {"smote, adasyn", EXACT | POINTS | SUBSET, smote_adasyn},
    {"resampled", EXACT, resampled},
    {"resampled, evenly", EXACT, resampled_evenly},
    {"repeat-factor", EXACT, repeat_factor},
    {"p-by-k", WHOLE, p_by_k},
    {"class-aware", 0, class_aware},
    {"ensemble", DISTINCT | EXACT | SUBSET, ensemble},
    {"ensemble, bootstrap", EXACT | SUBSET, ensemble_bootstrap},
    {"progressive", VARYING, progressive},
    {"progressive, exponential", VARYING, progressive_exponential},
    {"adaptive", 0, adaptive},
    {"adaptive, moved", 0, adaptive_moved},
    {"uniform, mixup", DISTINCT | EXACT, uniform_mixup},
    {"stratified, balanced-mixup", EXACT | WHOLE | BALANCED, stratified_balanced_mixup},
    {"weighted, remix", 0, weighted_remix},
    {"adaptive, unpaired", 0, adaptive_unpaired},
    {NULL, 0, NULL},
};

double *case_weights(const struct data *data)
{
    double *weights = calloc(data->index.samples, sizeof(*weights));
    assert_non_null(weights);
    for (uint64_t i = 0; i < data->index.samples; i++)
        weights[i] = i % 5 == 0 ? 0 : 1 + (double)(i % 3);
    return weights;
}

struct plan *case_plan(const struct strategy_case *c, const struct data *data, uint32_t batch_size,
                       enum last_batch last, uint64_t seed)
{
    struct strategy s;
    c->make(&s, data->index.classes);
    double *weights = c->traits & WEIGHED ? case_weights(data) : NULL;
    struct plan *plan = plan_make(data, &s, batch_size, last, seed, weights);
    strategy_fini(&s);
    free(weights); /* only read while the plan is built */
    return plan;
}
