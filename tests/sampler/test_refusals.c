/* What does not fit a dataset is refused, with a message that names the parameter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

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
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_map(&s, "weights", (const double[]){1, 1, 1, 1, 1, 1});
    refused(&s, 8, "weights", "explicit");
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
        {"progressive", "decay", 1, 8, "decay", "between 0 and 1"},
        {"progressive", "from", 11, 8, "from", "-10 to 10"},
        {"progressive", "to", -11, 8, "to", "-10 to 10"},
        {"progressive", "max_ratio", 0.5, 8, "max_ratio", "1 or more"},
        {"progressive", "epochs", 0, 8, "epochs", "whole number"},
        {"weighted", "orders", 0, 8, "orders", "whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strategy s;
        strategy_make(&s, cases[i].kind, CASE_CLASSES);
        strategy_set(&s, cases[i].param, cases[i].number);
        refused(&s, cases[i].batch_size, cases[i].detail, cases[i].says);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(weighted_parameters_are_checked),
        cmocka_unit_test(adaptive_parameters_are_checked),
        cmocka_unit_test(stratified_parameters_are_checked),
        cmocka_unit_test(undersampled_parameters_are_checked),
        cmocka_unit_test(other_parameters_are_checked),
        cmocka_unit_test(sample_weights_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
