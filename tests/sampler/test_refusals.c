/* What does not fit a dataset is refused, with a message that names the parameter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"
#include "sampler/internal.h"

static struct data data;

static int setup(void **state)
{
    (void)state;
    data_init(&data, case_counts, CASE_CLASSES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    data_fini(&data);
    return 0;
}

static void refused(struct strategy *s, uint32_t batch_size, const char *detail, const char *says)
{
    struct plan *plan = NULL;
    struct sampler_error err = {.message = ""};
    const struct plan_input in = {.index = &data.index, .strategy = s, .batch_size = batch_size};
    if (plan_build(&plan, &in, &err) != PLAN_REFUSED)
        fail_msg("%s was not refused: %s", s->kind->name, says);
    assert_null(plan);
    if (strcmp(err.detail, detail) != 0 || !strstr(err.message, says))
        fail_msg("refused with \"%s\" about \"%s\", not \"%s\" about \"%s\"", err.message,
                 err.detail, says, detail);
    strategy_fini(s);
}

static void explicit_weights(struct strategy *s, const double *weights)
{
    strategy_make(s, "weighted", CASE_CLASSES);
    strategy_say(s, "weight", "explicit");
    if (weights)
        strategy_map(s, "weights", weights);
}

static void weights_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    explicit_weights(&s, NULL);
    refused(&s, 8, "weights", "is missing");
    explicit_weights(&s, (const double[]){1, 1, 0, -2, 1, 1});
    refused(&s, 8, "weights", "-2");
    explicit_weights(&s, (const double[]){1, 1, 0, NAN, 1, 1});
    refused(&s, 8, "weights", "class number 3");
    explicit_weights(&s, (const double[]){1, 1, 0, INFINITY, 1, 1});
    refused(&s, 8, "weights", "finite");
    explicit_weights(&s, (const double[]){0, 0, 0, 0, 0, 0});
    refused(&s, 8, "weights", "at least one");
    explicit_weights(&s, (const double[]){1, 1, 1, 1, 1, 1});
    refused(&s, 8, "weights", "no samples");
    explicit_weights(&s, (const double[]){1, 1, 0, 5e-324, 1, 1});
    strategy_set(&s, "replacement", 0);
    refused(&s, 8, "replacement", "4.94066e-324");
}

static void adaptive_parameters_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "adaptive", CASE_CLASSES);
    strategy_say(&s, "measure", "precision");
    refused(&s, 8, "measure", "recall, loss");
    strategy_make(&s, "adaptive", CASE_CLASSES);
    strategy_set(&s, "smoothing", 1);
    refused(&s, 8, "smoothing", "below 1");
    strategy_make(&s, "adaptive", CASE_CLASSES);
    strategy_set(&s, "max_ratio", 0.5);
    refused(&s, 8, "max_ratio", "from 1");
    strategy_make(&s, "adaptive", CASE_CLASSES);
    strategy_set(&s, "every", 0);
    refused(&s, 8, "every", "whole number");
    strategy_make(&s, "adaptive", CASE_CLASSES);
    strategy_map(&s, "weights", (const double[]){1, 1, 0, NAN, 1, 1});
    refused(&s, 8, "weights", "class number 3");
}

static void weighted_parameters_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "weight", "inverted");
    refused(&s, 8, "weight", "sqrt-inverse");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_set(&s, "num_samples", 0);
    refused(&s, 8, "num_samples", "whole number");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_set(&s, "num_samples", 2.5);
    refused(&s, 8, "num_samples", "2.5");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "weight", "effective");
    strategy_set(&s, "beta", 1);
    refused(&s, 8, "beta", "below 1");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "weight", "power");
    strategy_set(&s, "alpha", NAN);
    refused(&s, 8, "alpha", "nan");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_set(&s, "replacement", 0);
    strategy_set(&s, "orders", 0);
    refused(&s, 8, "orders", "whole number");
    strategy_make(&s, "progressive", CASE_CLASSES);
    strategy_say(&s, "schedule", "exponential");
    strategy_set(&s, "decay", 1);
    refused(&s, 8, "decay", "between 0 and 1");
}

static void stratified_parameters_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "stratified", CASE_CLASSES);
    strategy_set(&s, "min_per_class", 3);
    refused(&s, 14, "min_per_class", "larger batch");
    strategy_make(&s, "stratified", CASE_CLASSES);
    refused(&s, 5000, "batch_size", "does not fill one batch");
    strategy_make(&s, "stratified", CASE_CLASSES);
    strategy_say(&s, "proportions", "explicit");
    refused(&s, 8, "weights", "is missing");
    strategy_make(&s, "uniform", CASE_CLASSES);
    refused(&s, 0, "batch_size", "at least one");
    strategy_make(&s, "uniform", CASE_CLASSES);
    strategy_set(&s, "repeats", 0);
    refused(&s, 8, "repeats", "whole number from 1 to 65536");
}

static void undersampled_parameters_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_map(&s, "sampling_strategy", (const double[]){401, NAN, NAN, NAN, NAN, NAN});
    refused(&s, 8, "sampling_strategy", "smaller");
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_map(&s, "sampling_strategy", (const double[]){1.5, NAN, NAN, NAN, NAN, NAN});
    refused(&s, 8, "sampling_strategy", "1.5");
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_map(&s, "sampling_strategy", (const double[]){0, 0, NAN, 0, 0, 0});
    refused(&s, 8, "strategy", "no sample is left");
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_set(&s, "sampling_strategy", 0.5);
    refused(&s, 8, "sampling_strategy", "two classes");
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_say(&s, "subset", "new");
    refused(&s, 8, "subset", "fresh, fixed");
}

/* The words that are offered are those that are taken. */
static void offered_words_are_taken(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "undersampled", CASE_CLASSES);
    strategy_say(&s, "sampling_strategy", "fewest");
    refused(&s, 8, "sampling_strategy",
            "give one of auto, majority, not minority, not majority, all");
    strategy_say(&s, "sampling_strategy", "minority");
    refused(&s, 8, "sampling_strategy", "means nothing when classes are made smaller");
    strategy_make(&s, "oversampled", CASE_CLASSES);
    strategy_say(&s, "sampling_strategy", "fewest");
    refused(&s, 8, "sampling_strategy",
            "give one of auto, minority, not minority, not majority, all");
    strategy_say(&s, "sampling_strategy", "majority");
    refused(&s, 8, "sampling_strategy", "means nothing when classes are made larger");
}

/* An explicit share of 0 leaves a class out, a minimum of it in every batch does not. */
static void a_minimum_of_a_class_left_out(void **state)
{
    (void)state;
    struct strategy s;
    strategy_make(&s, "stratified", CASE_CLASSES);
    strategy_say(&s, "proportions", "explicit");
    strategy_map(&s, "weights", (const double[]){5, 0, NAN, 2, 1, 1});
    strategy_set(&s, "min_per_class", 1);
    refused(&s, 8, "min_per_class", "class number 1, of which weights wants none");
}

static void other_parameters_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *param;
        double number;
        uint32_t batch_size;
        const char *detail, *says;
    } cases[] = {
        {"oversampled", "sampling_strategy", 0.5, 8, "sampling_strategy", "two classes"},
        {"resampled", "target", 0, 8, "target", "whole number"},
        {"repeat-factor", "threshold", 0, 8, "threshold", "above 0"},
        {"p-by-k", "p", 3, 8, "p", "equal to the batch size"},
        {"p-by-k", "k", 1, 8, "p", "there are 5"},
        {"p-by-k", "k", 9, 8, "p", "equal to the batch size"},
        {"class-aware", "num_samples", -1, 8, "num_samples", "whole number"},
        {"ensemble", "member", 10, 8, "member", "from 0 to 9"},
        {"ensemble", "members", 0, 8, "members", "whole number"},
        {"progressive", "from", 11, 8, "from", "-10 to 10"},
        {"progressive", "to", -11, 8, "to", "-10 to 10"},
        {"progressive", "max_ratio", 0.5, 8, "max_ratio", "1 or more"},
        {"progressive", "epochs", 0, 8, "epochs", "whole number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct strategy s;
        strategy_make(&s, cases[i].kind, CASE_CLASSES);
        strategy_set(&s, cases[i].param, cases[i].number);
        refused(&s, cases[i].batch_size, cases[i].detail, cases[i].says);
    }
}

static void set_value(struct strategy *s, const char *param, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    if (*end == 0)
        strategy_set(s, param, number);
    else
        strategy_say(s, param, value);
}

/* The strategy that a parameter without effect would describe is not the one that would be drawn.
 */
static void parameters_without_effect_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *param, *value, *with, *choice;
        const char *others[4]; /* the other choices, as they are given */
    } cases[] = {
        {"weighted", "alpha", "0.1", "weight", "power", {"inverse", "effective"}},
        {"weighted", "beta", "0.9", "weight", "effective", {"sqrt-inverse", "power"}},
        {"weighted", "orders", "2", "replacement", "0", {"1"}},
        {"progressive", "stages", "3", "schedule", "step", {"linear", "cosine", "exponential"}},
        {"progressive", "decay", "0.5", "schedule", "exponential", {"linear", "cosine", "step"}},
        {"progressive", "epochs", "20", "schedule", "linear", {"exponential"}},
        {"progressive", "epochs", "20", "schedule", "cosine", {"exponential"}},
        {"progressive", "epochs", "20", "schedule", "step", {"exponential"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct strategy_kind *kind = strategy_find(cases[i].kind, strlen(cases[i].kind));
        int param = strategy_param_find(kind, cases[i].param, strlen(cases[i].param));
        struct strategy s;
        char listed[64];
        snprintf(listed, sizeof(listed), "with %s", cases[i].with);
        assert_int_equal(strncmp(kind->params[param].help, listed, strlen(listed)), 0);
        snprintf(listed, sizeof(listed), "%s is only used with %s", cases[i].param, cases[i].with);
        for (const char *const *other = cases[i].others; *other; other++) {
            strategy_make(&s, cases[i].kind, CASE_CLASSES);
            strategy_set(&s, cases[i].param, strtod(cases[i].value, NULL));
            set_value(&s, cases[i].with, *other);
            refused(&s, 8, cases[i].param, listed);
        }
        strategy_make(&s, cases[i].kind, CASE_CLASSES);
        strategy_set(&s, cases[i].param, strtod(cases[i].value, NULL));
        set_value(&s, cases[i].with, cases[i].choice);
        plan_unref(plan_make(&data, &s, 8, LAST_DROP, 1, NULL));
        strategy_fini(&s);
    }
}

static void class_weights_without_effect_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"weighted", "weight", "inverse"},      {"weighted", "weight", "sqrt-inverse"},
        {"weighted", "weight", "power"},        {"weighted", "weight", "effective"},
        {"stratified", "proportions", "equal"}, {"stratified", "proportions", "natural"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct strategy s;
        char says[64];
        strategy_make(&s, cases[i][0], CASE_CLASSES);
        strategy_map(&s, "weights", (const double[]){1, 1, 0, 1, 1, 1});
        strategy_say(&s, cases[i][1], cases[i][2]);
        snprintf(says, sizeof(says), "weights is only used with %s \"explicit\"", cases[i][1]);
        refused(&s, 8, "weights", says);
    }
}

static void numbers_are_written_out(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *words;
    } cases[] = {
        {9223372036854775807.0, "9223372036854775808"},
        {1234567, "1234567"},
        {-2, "-2"},
        {0.1, "0.1"},
        {1234567.125, "1234567.125"},
        {1.0 / 3, "0.3333333333333333"},
        {1e300, "1e+300"},
        {INFINITY, "inf"},
    };
    char words[NUMBER_WORDS];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(number_words(cases[i].number, words), cases[i].words);
    struct strategy s;
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_set(&s, "num_samples", 9223372036854775807.0);
    refused(&s, 8, "num_samples",
            "num_samples is 9223372036854775808: give a whole number from 1 to 281474976710656");
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "weight", "power");
    strategy_set(&s, "alpha", 101);
    refused(&s, 8, "alpha", "alpha is 101: give a number from -100 to 100");
}

static void sample_weights_are_checked(void **state)
{
    (void)state;
    struct strategy s;
    double *weights = case_weights(&data);
    uint64_t labelled = data.member32[0], unlabelled = 0;
    while (data.label[unlabelled] != UINT32_MAX)
        unlabelled++;
    const double bad[] = {-1, NAN, INFINITY};
    for (int i = 0; i < 3; i++) {
        struct plan *plan = NULL;
        struct sampler_error err;
        strategy_make(&s, "weighted", CASE_CLASSES);
        strategy_say(&s, "column", "hardness");
        const struct plan_input in = {
            .index = &data.index, .strategy = &s, .batch_size = 8, .weights = weights};
        weights[unlabelled] = bad[i]; /* never looked at */
        weights[labelled] = 1;
        assert_int_equal(plan_build(&plan, &in, &err), PLAN_OK);
        plan_unref(plan);
        weights[labelled] = bad[i];
        assert_int_equal(plan_build(&plan, &in, &err), PLAN_REFUSED);
        assert_string_equal(err.detail, "column");
        strategy_set(&s, "replacement", 0);
        strategy_set(&s, "num_samples", 600);
        weights[labelled] = 1;
        assert_int_equal(plan_build(&plan, &in, &err), PLAN_REFUSED);
        assert_non_null(strstr(err.message, "weight above 0"));
        strategy_fini(&s);
    }
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "column", "hardness");
    refused(&s, 8, "column", "no column"); /* it is the caller who finds it */
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "column", "hardness");
    strategy_say(&s, "weight", "inverse");
    refused(&s, 8, "column", "not both");
    free(weights);
}

static void pairs(struct strategy *s, const char *how)
{
    strategy_make(s, "uniform", CASE_CLASSES);
    if (how)
        strategy_say(s, "pairs.how", how);
}

static void pairs_are_checked(void **state)
{
    static const double alphas[] = {0, 0.009, -1, 100.5, INFINITY, NAN};
    (void)state;
    struct strategy s;
    pairs(&s, "manifold");
    refused(&s, 8, "pairs.how", "mixup, cutmix, remix, balanced-mixup, none");
    for (size_t i = 0; i < sizeof(alphas) / sizeof(*alphas); i++) {
        pairs(&s, "mixup");
        strategy_set(&s, "pairs.alpha", alphas[i]);
        refused(&s, 8, "pairs.alpha", "from 0.01 to 100");
    }
    pairs(&s, "none");
    strategy_set(&s, "pairs.alpha", 1);
    refused(&s, 8, "pairs.alpha", "only used with");
    pairs(&s, "mixup");
    strategy_set(&s, "pairs.kappa", 3);
    refused(&s, 8, "pairs.kappa", "only used with pairs.how remix");
    pairs(&s, "balanced-mixup");
    strategy_set(&s, "pairs.tau", 0.5);
    refused(&s, 8, "pairs.tau", "only used with pairs.how remix");
    pairs(&s, "remix");
    strategy_set(&s, "pairs.kappa", 0.5);
    refused(&s, 8, "pairs.kappa", "is 0.5: give a number from 1");
    pairs(&s, "remix");
    strategy_set(&s, "pairs.tau", 1.5);
    refused(&s, 8, "pairs.tau", "from 0 to 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(weighted_parameters_are_checked),
        cmocka_unit_test(adaptive_parameters_are_checked),
        cmocka_unit_test(stratified_parameters_are_checked),
        cmocka_unit_test(undersampled_parameters_are_checked),
        cmocka_unit_test(offered_words_are_taken),
        cmocka_unit_test(a_minimum_of_a_class_left_out),
        cmocka_unit_test(other_parameters_are_checked),
        cmocka_unit_test(parameters_without_effect_are_refused),
        cmocka_unit_test(class_weights_without_effect_are_refused),
        cmocka_unit_test(numbers_are_written_out),
        cmocka_unit_test(sample_weights_are_checked),
        cmocka_unit_test(pairs_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
