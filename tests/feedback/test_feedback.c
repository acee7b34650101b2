/* Counting: once each, all or nothing, within bounds; the adaptive controller. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "feedback/adapt.h"
#include "feedback/feedback.h"

static void test_counts(void **state)
{
    const uint32_t label[] = {0, 0, 1, 2}, predicted[] = {0, 1, 1, 0};
    const double loss[] = {1, 3, 0.5, 2};
    const struct confusion_batch batch = {
        .n = 4, .label = label, .predicted = predicted, .loss = loss};
    struct confusion counts, sum;
    struct evd_error err;

    (void)state;
    assert_true(confusion_init(&counts, 3));
    assert_true(confusion_init(&sum, 3));
    assert_int_equal(confusion_add(&counts, &batch, &err), EVD_OK);
    assert_int_equal(counts.cells[0 * 3 + 1], 1);
    assert_int_equal(counts.cells[2 * 3 + 0], 1);
    assert_true(confusion_class(&counts, 0).recall == 0.5);
    assert_true(confusion_class(&counts, 2).precision == 0);
    assert_true(confusion_class_loss(&counts, 0) == 2);
    assert_true(confusion_merge(&sum, &counts, 0, 3));
    assert_true(confusion_merge(&sum, &counts, 0, 3));
    assert_int_equal(sum.samples, 8);
    assert_int_equal(sum.support[0], 4);
    assert_true(confusion_class_loss(&sum, 2) == 2);
    confusion_fini(&counts);
    confusion_fini(&sum);
}

static void refused(struct confusion *counts, const struct confusion_batch *batch,
                    const char *detail)
{
    uint64_t before = counts->samples;
    struct evd_error err;

    assert_int_equal(confusion_add(counts, batch, &err), EVD_E_BAD_VALUE);
    assert_string_equal(err.detail, detail);
    assert_int_equal(counts->samples, before);
    assert_int_equal(counts->support[0], before);
}

static void test_all_or_nothing(void **state)
{
    uint32_t label[] = {0, 0}, predicted[] = {0, 1}, three[] = {0, 2}, none[] = {0, UINT32_MAX};
    double fine[] = {0, 1}, above[] = {0.5, 1.5}, not_a_number[] = {0, NAN};
    struct confusion_batch batch = {.n = 2, .label = label, .predicted = predicted};
    struct confusion counts, three_classes;
    struct evd_error err;

    (void)state;
    assert_true(confusion_init(&counts, 2));
    assert_true(confusion_init(&three_classes, 3));
    assert_int_equal(confusion_add(&counts, &batch, &err), EVD_OK);
    batch.predicted = three;
    refused(&counts, &batch, "predicted");
    batch.predicted = predicted;
    batch.label = none;
    refused(&counts, &batch, "index");
    batch.label = label;
    batch.loss = not_a_number;
    refused(&counts, &batch, "loss");
    batch.loss = NULL;
    batch.score = above;
    refused(&counts, &batch, "score");
    batch.score = not_a_number;
    refused(&counts, &batch, "score");
    batch.score = fine;
    refused(&three_classes, &batch, "score");
    assert_int_equal(confusion_add(&counts, &batch, &err), EVD_OK);
    confusion_fini(&counts);
    confusion_fini(&three_classes);
}

static void test_many_classes_have_no_matrix(void **state)
{
    const uint32_t label = 1u << 19, predicted = 5;
    const struct confusion_batch batch = {.n = 1, .label = &label, .predicted = &predicted};
    struct confusion counts;
    struct evd_error err;

    (void)state;
    assert_true(confusion_init(&counts, 1u << 20));
    assert_null(counts.cells);
    assert_int_equal(confusion_memory(&counts), 24u << 20);
    assert_int_equal(confusion_add(&counts, &batch, &err), EVD_OK);
    assert_int_equal(counts.predicted[5], 1);
    confusion_fini(&counts);
}

static void test_tally(void **state)
{
    struct tally tally = {0};
    struct evd_error err;

    (void)state;
    assert_int_equal(tally_reserve(&tally, 3, 1000, &err), EVD_OK);
    assert_false(tally_has(&tally, 3, 1000));
    tally_set(&tally, 3, 1000);
    tally_set(&tally, 3, 1000);
    assert_true(tally_has(&tally, 3, 1000));
    assert_false(tally_has(&tally, 3, 999));
    assert_int_equal(tally.count, 1);
    assert_int_equal(tally_reserve(&tally, 0, UINT64_MAX, &err), EVD_E_LIMIT);
    assert_int_equal(tally_reserve(&tally, 0, TALLY_MAX_BYTES * 8 - 1, &err), EVD_E_LIMIT);
    assert_int_equal(tally_reserve(&tally, 0, TALLY_MAX_BYTES * 4, &err), EVD_OK);
    assert_int_equal(tally_reserve(&tally, 1, TALLY_MAX_BYTES * 4, &err), EVD_E_LIMIT);
    assert_true(tally_memory(&tally) <= TALLY_MAX_BYTES);
    tally_fini(&tally);
}

/* Reports one sample; whether it counted. */
static bool report(struct feedback *feedback, uint32_t classes, struct feedback_at at)
{
    const uint32_t one = 1;
    const struct confusion_batch batch = {.n = 1, .label = &one, .predicted = &one};
    struct evd_error err;
    bool counted = false;

    assert_int_equal(feedback_report(feedback, classes, at, SIZE_MAX, &batch, &counted, &err),
                     EVD_OK);
    return counted;
}

static void test_once_each(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));

    (void)state;
    assert_true(report(feedback, 3, (struct feedback_at){.epoch = 1, .step = 7}));
    assert_false(report(feedback, 3, (struct feedback_at){.epoch = 1, .step = 7}));
    assert_true(report(feedback, 3, (struct feedback_at){.epoch = 1, .step = 7, .slice = 1}));
    assert_true(report(feedback, 3, (struct feedback_at){.epoch = 0, .step = 7}));
    assert_true(report(feedback, 3, (struct feedback_at){.generation = 1, .epoch = 0, .step = 7}));
    assert_int_equal(feedback->count, 3);
    assert_int_equal(feedback_find(feedback, 0)->generation, 1);
    assert_int_equal(feedback_find(feedback, 1)->confusion.samples, 2);
    assert_int_equal(feedback_newest(feedback)->generation, 1);
    assert_null(feedback_find(feedback, 2));
    feedback_free(feedback);
}

static void test_old_epochs_go(void **state)
{
    const uint32_t one = 1;
    const struct confusion_batch batch = {.n = 1, .label = &one, .predicted = &one};
    struct feedback *feedback = calloc(1, sizeof(*feedback));
    struct evd_error err;
    bool counted;

    (void)state;
    for (uint64_t epoch = 0; epoch < 100; epoch++)
        assert_true(report(feedback, 3, (struct feedback_at){.epoch = epoch}));
    assert_int_equal(feedback->count, FEEDBACK_EPOCHS);
    assert_null(feedback_find(feedback, 35));
    assert_non_null(feedback_find(feedback, 36));
    assert_int_equal(feedback_report(feedback, 3, (struct feedback_at){.epoch = 35}, SIZE_MAX,
                                     &batch, &counted, &err),
                     EVD_E_LIMIT);
    feedback_free(feedback);

    feedback = calloc(1, sizeof(*feedback));
    for (uint64_t epoch = 0; epoch < 4; epoch++)
        assert_true(
            report(feedback, CONFUSION_MATRIX_CLASSES, (struct feedback_at){.epoch = epoch}));
    assert_int_equal(feedback->count, 2);
    assert_int_equal(feedback_newest(feedback)->epoch, 3);
    feedback_free(feedback);
}

/* An error at the beginning of an epoch leaves none. */
static void test_refused_epoch(void **state)
{
    const uint32_t label = 0, predicted = 9;
    const struct confusion_batch batch = {.n = 1, .label = &label, .predicted = &predicted};
    struct feedback *feedback = calloc(1, sizeof(*feedback));
    struct evd_error err;
    bool counted;

    (void)state;
    assert_int_equal(feedback_report(feedback, 3, (struct feedback_at){.epoch = 4}, SIZE_MAX,
                                     &batch, &counted, &err),
                     EVD_E_BAD_VALUE);
    assert_int_equal(feedback->count, 0);
    assert_true(report(feedback, 3, (struct feedback_at){.epoch = 4}));
    feedback_free(feedback);
}

static void test_adapt(void **state)
{
    const struct adapt_rule rule = {.smoothing = 0.5, .max_ratio = 9};
    const double need[] = {0, 1, 0.25, NAN};
    double weights[] = {1, 1, 1, 1};

    (void)state;
    assert_true(adapt_weights(&rule, need, 4, weights));
    assert_true(weights[0] == 1 && weights[1] == 5 && weights[2] == 2 && weights[3] == 1);
    for (int i = 0; i < 3; i++)
        assert_true(adapt_weights(&rule, need, 4, weights));
    for (int i = 0; i < 60; i++)
        adapt_weights(&rule, need, 4, weights);
    assert_false(adapt_weights(&rule, need, 4, weights)); /* nothing left to do */
    assert_float_equal(weights[1], 9, 1e-9);
    assert_float_equal(weights[2], 3, 1e-9);
}

/* Whatever it is given, the result is within the bounds. */
static void test_adapt_bounds(void **state)
{
    const struct adapt_rule rule = {.smoothing = 0, .max_ratio = 4};
    const double need[] = {-3, 7, NAN, 0.5, NAN};
    double weights[] = {0, 1e300, 100, 0.001, 0};

    (void)state;
    assert_true(adapt_weights(&rule, need, 5, weights));
    for (int c = 0; c < 5; c++)
        assert_true(weights[c] >= 1 && weights[c] <= 4);
    assert_true(weights[2] == 4 && weights[3] == 2.5 && weights[4] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_many_classes_have_no_matrix),
        cmocka_unit_test(test_tally),
        cmocka_unit_test(test_once_each),
        cmocka_unit_test(test_old_epochs_go),
        cmocka_unit_test(test_refused_epoch),
        cmocka_unit_test(test_adapt),
        cmocka_unit_test(test_adapt_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
