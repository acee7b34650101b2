/* plan_coverage against counting: who came in an epoch, over many seeds, for every case. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

#define SEEDS 200

static void count_epoch(const struct plan *plan, const struct data *data, uint64_t epoch,
                        uint32_t batch_size, double *share)
{
    struct epoch_shape shape = plan_epoch(plan, epoch);
    bool *came = calloc(data->index.samples, sizeof(*came));
    struct drawn drawn;
    assert_non_null(came);
    drawn_init(&drawn, batch_size);
    memset(share, 0, CASE_CLASSES * sizeof(*share));
    for (uint64_t step = 0; step < shape.steps; step++) {
        draw_slice(plan, epoch, step, shape, 0, 1, &drawn);
        for (uint32_t i = 0; i < drawn.n; i++) {
            share[drawn.label[i]] += !came[drawn.index[i]];
            came[drawn.index[i]] = true;
        }
    }
    for (uint32_t c = 0; c < CASE_CLASSES; c++)
        share[c] /= case_counts[c] ? (double)case_counts[c] : 1;
    drawn_fini(&drawn);
    free(came);
}

/* Means of both over the seeds agree within 5 standard deviations of what was counted, and 3
 * members in all, for what is too rare to have been met. */
static void check(const struct strategy_case *c, const struct data *data, uint32_t batch_size,
                  enum last_batch last, uint64_t epoch)
{
    double said[CASE_CLASSES] = {0}, sum[CASE_CLASSES] = {0}, squares[CASE_CLASSES] = {0};
    double coverage[CASE_CLASSES], counted[CASE_CLASSES];
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct plan *plan = case_plan(c, data, batch_size, last, seed);
        struct sampler_error err;
        assert_int_equal(plan_place(plan, epoch, 0, plan_epoch(plan, epoch), &err), PLAN_OK);
        plan_coverage(plan, epoch, coverage);
        count_epoch(plan, data, epoch, batch_size, counted);
        for (uint32_t k = 0; k < CASE_CLASSES; k++) {
            said[k] += coverage[k] / SEEDS;
            sum[k] += counted[k] / SEEDS;
            squares[k] += counted[k] * counted[k] / SEEDS;
        }
        plan_unref(plan);
    }
    for (uint32_t k = 0; k < CASE_CLASSES; k++) {
        double variance = squares[k] - sum[k] * sum[k];
        double error = sqrt((variance > 0 ? variance : 0) / SEEDS);
        double rare = case_counts[k] ? 3.0 / (SEEDS * (double)case_counts[k]) : 0;
        if (fabs(said[k] - sum[k]) > 5 * error + rare)
            fail_msg("%s, batch %u, last %d, epoch %d, class %u: %.6f said, %.6f counted (%.6f)",
                     c->name, batch_size, last, (int)epoch, k, said[k], sum[k], error);
    }
}

static void test_coverage(void **state)
{
    static const struct {
        uint32_t batch_size;
        enum last_batch last;
        uint64_t epoch;
    } ways[] = {{32, LAST_SHORT, 0}, {48, LAST_DROP, 3}, {48, LAST_PAD, 0}};
    struct data data;
    (void)state;
    data_init(&data, case_counts, CASE_CLASSES);
    for (size_t i = 0; strategy_cases[i].name; i++) {
        for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++)
            check(&strategy_cases[i], &data, ways[w].batch_size, ways[w].last, ways[w].epoch);
    }
    data_fini(&data);
}

/* The limits: everybody, nobody, one of many. */
static void test_known(void **state)
{
    const uint64_t counts[] = {3, 0, 1000000};
    struct strategy s;
    struct plan *plan;
    struct data data;
    double share[3];
    (void)state;
    data_init_grouped(&data, counts, 3);
    strategy_make(&s, "uniform", 3);
    plan = plan_make(&data, &s, 7, LAST_SHORT, 1, NULL);
    plan_coverage(plan, 0, share);
    assert_true(share[0] == 1 && share[1] == 0 && share[2] == 1);
    plan_unref(plan);
    strategy_make(&s, "undersampled", 3);
    plan = plan_make(&data, &s, 2, LAST_SHORT, 1, NULL);
    plan_coverage(plan, 0, share);
    assert_true(share[0] == 1 && share[1] == 0);
    assert_float_equal(share[2], 3e-6, 1e-15);
    plan_unref(plan);
    /* Half of the draws go to three samples, half to a million. */
    strategy_make(&s, "weighted", 3);
    plan = plan_make(&data, &s, 50, LAST_DROP, 1, NULL);
    plan_coverage(plan, 0, share);
    assert_float_equal(share[0], 1, 1e-12);
    assert_float_equal(share[2], -expm1(-0.5), 1e-6);
    plan_unref(plan);
    /* Every batch has all of the three. */
    strategy_make(&s, "stratified", 3);
    strategy_say(&s, "proportions", "equal");
    plan = plan_make(&data, &s, 10, LAST_DROP, 1, NULL);
    plan_coverage(plan, 0, share);
    assert_true(share[0] == 1 && share[1] == 0);
    assert_float_equal(share[2], 0.5, 1e-5);
    plan_unref(plan);
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
