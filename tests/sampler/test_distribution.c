/* What is drawn against what is promised: chi-square with fixed seeds, quotas, no sample of weight
 * zero, placement in mid-epoch, padding, very large datasets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

static int setup(void **state)
{
    static struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    *state = &data;
    return 0;
}

static int teardown(void **state)
{
    data_fini(*state);
    return 0;
}

/* Fails where observed counts differ from expected ones more than chance or rounding allows. */
static void check_counts(const char *name, const char *what, const double *observed,
                         const double *expected, uint32_t n)
{
    double chi = 0, freedom = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (expected[i] == 0) {
            if (observed[i] != 0)
                fail_msg("%s: %s %u was drawn %g times, must never be", name, what, i, observed[i]);
            continue;
        }
        chi += (observed[i] - expected[i]) * (observed[i] - expected[i]) / expected[i];
        freedom++;
    }
    if (freedom > 0 && chi_square_tail(chi, freedom) < 1e-4)
        fail_msg("%s: chi-square of %ss is %g with %g degrees of freedom", name, what, chi,
                 freedom);
}

/* Over many epochs, classes and samples come as often as shares and probabilities say. */
static void counts_follow_expectation(void **state)
{
    const struct data *data = *state;
    enum { G = 26 };
    uint64_t samples = data->index.samples;
    double *by_sample = calloc(samples, sizeof(*by_sample));
    double *sample_share = calloc(samples, sizeof(*sample_share));
    struct drawn one;
    drawn_init(&one, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 2026);
        double by_class[CASE_CLASSES] = {0}, want[CASE_CLASSES] = {0}, share[CASE_CLASSES];
        memset(by_sample, 0, samples * sizeof(*by_sample));
        memset(sample_share, 0, samples * sizeof(*sample_share));
        for (uint64_t epoch = 0; epoch < 40; epoch++) {
            struct epoch_shape shape = plan_epoch(plan, epoch);
            plan_expected(plan, epoch, share);
            for (uint64_t step = 0; step < shape.steps; step++) {
                draw_step(plan, epoch, step, &one);
                for (uint32_t k = 0; k < one.n; k++) {
                    uint32_t label = one.label[k];
                    uint64_t size = data->start[label + 1] - data->start[label];
                    by_class[label]++;
                    by_sample[one.index[k]]++;
                    if (!(c->traits & (WEIGHED | UNEVEN | POINTS)) &&
                        fabs(one.probability[k] * (double)size - share[label]) > 1e-6)
                        fail_msg("%s: probability %g of a class of %lu with %g", c->name,
                                 one.probability[k], (unsigned long)size, share[label]);
                }
                for (uint32_t k = 0; k < CASE_CLASSES; k++)
                    want[k] += share[k] * one.n;
            }
        }
        check_counts(c->name, "class", by_class, want, CASE_CLASSES);
        for (uint64_t i = 0; i < samples; i++) {
            uint32_t label = data->label[i];
            if (label != UINT32_MAX)
                sample_share[i] =
                    want[label] / (double)(data->start[label + 1] - data->start[label]);
        }
        if (!(c->traits & (SUBSET | WEIGHED)))
            check_counts(c->name, "sample", by_sample, sample_share, (uint32_t)samples);
        plan_unref(plan);
    }
    drawn_fini(&one);
    free(by_sample);
    free(sample_share);
}

/* Balanced strategies: every batch and every rank within one of its exact share. */
static void batches_are_within_one(void **state)
{
    const struct data *data = *state;
    enum { G = 24 };
    struct drawn one;
    drawn_init(&one, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        if (!(c->traits & BALANCED))
            continue;
        struct plan *plan = case_plan(c, data, G, LAST_DROP, 3);
        struct epoch_shape shape = plan_epoch(plan, 0);
        double share[CASE_CLASSES];
        plan_expected(plan, 0, share);
        for (uint32_t world = 1; world <= G; world++) {
            if (G % world)
                continue;
            for (uint64_t i = 0; i < shape.steps * world; i++) {
                double count[CASE_CLASSES] = {0};
                draw_slice(plan, 2, i / world, shape, (uint32_t)(i % world), world, &one);
                for (uint32_t k = 0; k < one.n; k++)
                    count[one.label[k]]++;
                for (uint32_t k = 0; k < CASE_CLASSES; k++) {
                    if (fabs(count[k] - share[k] * one.n) >= 1 - 1e-9)
                        fail_msg("%s: %g of class %u in a part of %u, share %g", c->name, count[k],
                                 k, one.n, share[k]);
                }
            }
        }
        plan_unref(plan);
    }
    drawn_fini(&one);
}

/* One random division of classes, batch and ranks. */
static void check_quota(uint64_t *random)
{
    uint32_t classes = 1 + (uint32_t)(test_random(random) % 40), counted = 0;
    uint32_t world = 1 + (uint32_t)(test_random(random) % 6);
    uint32_t size = world * (1 + (uint32_t)(test_random(random) % 20));
    uint64_t counts[40], steps = 1 + test_random(random) % 60;
    double weights[40], share[40];
    /* Where some have no share, there is no minimum of each. */
    bool all = test_random(random) % 2, least;
    for (uint32_t c = 0; c < classes; c++) {
        counts[c] = 1 + test_random(random) % 50;
        weights[c] = c && !all && test_random(random) % 5 == 0
                         ? 0
                         : 1 + (double)(test_random(random) % 1000);
        counted += weights[c] > 0;
    }
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init(&data, counts, classes);
    drawn_init(&one, size);
    strategy_make(&s, "stratified", classes);
    strategy_say(&s, "proportions", "explicit");
    strategy_map(&s, "weights", weights);
    strategy_set(&s, "num_samples", (double)(steps * size));
    least = counted == classes && counted <= size;
    if (least)
        strategy_set(&s, "min_per_class", size / counted);
    struct plan *plan = plan_make(&data, &s, size, LAST_DROP, test_random(random), NULL);
    struct epoch_shape shape = plan_epoch(plan, 0);
    assert_true(shape.steps == steps);
    plan_expected(plan, 0, share);
    double total[40] = {0};
    for (uint64_t step = 0; step < steps; step++) {
        double batch[40] = {0};
        for (uint32_t rank = 0; rank < world; rank++) {
            double part[40] = {0};
            draw_slice(plan, 1, step, shape, rank, world, &one);
            assert_int_equal(one.n, size / world);
            for (uint32_t k = 0; k < one.n; k++) {
                part[one.label[k]]++;
                batch[one.label[k]]++;
                total[one.label[k]]++;
            }
            for (uint32_t c = 0; c < classes; c++)
                assert_true(fabs(part[c] - share[c] * size / world) < 1 - 1e-9);
        }
        for (uint32_t c = 0; c < classes; c++) {
            assert_true(fabs(batch[c] - share[c] * size) < 1 - 1e-9);
            if (least)
                assert_true(batch[c] >= size / counted);
        }
    }
    for (uint32_t c = 0; c < classes; c++)
        assert_true(fabs(total[c] - share[c] * (double)(steps * size)) < 1e-6);
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

static void quotas_are_floor_or_ceiling(void **state)
{
    (void)state;
    uint64_t random = 77;
    for (int i = 0; i < 150; i++)
        check_quota(&random);
}

/* The quota engine's promise across epochs, also after taking over in mid-epoch: nobody in a class
 * comes again before everybody in it has come. */
static void everybody_comes_first(void **state)
{
    const struct data *data = *state;
    enum { G = 30 };
    const char *proportions[] = {"natural", "equal"};
    uint32_t *times = calloc(data->index.samples, sizeof(*times));
    struct drawn one;
    drawn_init(&one, G);
    for (int i = 0; i < 4; i++) {
        struct strategy s;
        struct sampler_error err;
        strategy_make(&s, "stratified", CASE_CLASSES);
        strategy_say(&s, "proportions", proportions[i % 2]);
        struct plan *plan = plan_make(data, &s, G, LAST_DROP, 5, NULL);
        struct epoch_shape shape = plan_epoch(plan, 0);
        uint64_t from = i < 2 ? 0 : 8, seen[CASE_CLASSES] = {0};
        assert_int_equal(plan_place(plan, 0, from, shape, &err), PLAN_OK);
        memset(times, 0, data->index.samples * sizeof(*times));
        for (uint64_t at = from; at < 5 * shape.steps; at++) {
            /* Within a batch the order is random. */
            uint64_t before[CASE_CLASSES];
            memcpy(before, seen, sizeof(before));
            draw_step(plan, at / shape.steps, at % shape.steps, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                uint32_t c = one.label[k];
                uint64_t size = data->start[c + 1] - data->start[c];
                times[one.index[k]]++;
                assert_true(one.repeat[k] >= before[c] / size);
                seen[c]++;
            }
            for (uint32_t k = 0; k < one.n; k++) {
                uint32_t c = one.label[k];
                uint64_t size = data->start[c + 1] - data->start[c];
                assert_true(one.repeat[k] < times[one.index[k]]);
                assert_true(times[one.index[k]] <= (seen[c] + size - 1) / size);
                assert_true(times[one.index[k]] >= before[c] / size);
            }
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    drawn_fini(&one);
    free(times);
}

/* Taking over at a step of an epoch whose shape an earlier plan fixed. */
static void takes_over_in_mid_epoch(void **state)
{
    const struct data *data = *state;
    enum { G = 24 };
    struct drawn one, two;
    drawn_init(&one, G);
    drawn_init(&two, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct sampler_error err;
        struct epoch_shape shape = {.steps = 60, .last_size = 13}, own;
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 9);
        struct plan *fresh = case_plan(c, data, G, LAST_SHORT, 9);
        assert_int_equal(plan_place(plan, 4, 17, shape, &err), PLAN_OK);
        for (uint64_t step = 17; step < shape.steps; step++) {
            draw_slice(plan, 4, step, shape, 0, 1, &one);
            assert_int_equal(one.n, step == 59 ? 13 : G);
            uint32_t n = 0;
            for (uint32_t rank = 0; rank < 4; rank++) {
                draw_slice(plan, 4, step, shape, rank, 4, &two);
                n += two.n;
            }
            assert_int_equal(n, one.n);
        }
        /* Epochs after that are the plan's own. */
        own = plan_epoch(plan, 5);
        assert_true(own.steps == plan_epoch(fresh, 5).steps);
        for (uint64_t step = 0; step < own.steps; step++) {
            draw_step(plan, 5, step, &one);
            draw_step(fresh, 5, step, &two);
            assert_int_equal(one.n, two.n);
        }
        plan_unref(plan);
        plan_unref(fresh);
    }
    drawn_fini(&one);
    drawn_fini(&two);
}

static void last_batches(void **state)
{
    const struct data *data = *state;
    enum { G = 50 };
    struct drawn first, last;
    drawn_init(&first, G);
    drawn_init(&last, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *shorter = case_plan(c, data, G, LAST_SHORT, 1);
        struct plan *drop = case_plan(c, data, G, LAST_DROP, 1);
        struct plan *pad = case_plan(c, data, G, LAST_PAD, 1);
        struct epoch_shape a = plan_epoch(shorter, 0), b = plan_epoch(drop, 0),
                           p = plan_epoch(pad, 0);
        uint64_t rest = a.last_size % G;
        assert_true(b.steps == a.steps - (rest != 0) && b.last_size == G);
        assert_true(p.steps == a.steps && p.last_size == G);
        if (c->traits & WHOLE)
            assert_int_equal(rest, 0);
        draw_step(pad, 0, 0, &first);
        draw_step(pad, 0, p.steps - 1, &last);
        assert_int_equal(last.n, G);
        /* What pads is what the epoch began with: position by position, so look for members. */
        for (uint32_t k = 0, found = 0; rest && k < G; k++) {
            for (uint32_t i = 0; i < G; i++)
                found += last.index[k] == first.index[i] && last.label[k] == first.label[i];
            if (k == G - 1)
                assert_true(found >= G - rest);
        }
        plan_unref(shorter);
        plan_unref(drop);
        plan_unref(pad);
    }
    drawn_fini(&first);
    drawn_fini(&last);
}

/* 2^40 samples in runs by class: no table of members is needed, and no draw is out of place. */
static void very_large(void **state)
{
    (void)state;
    const uint64_t counts[3] = {(1ull << 40) - 70000 - (1u << 20), 70000, 1u << 20};
    const char *kinds[] = {"uniform", "weighted", "stratified", "undersampled"};
    struct data data;
    struct drawn one;
    data_init_grouped(&data, counts, 3);
    drawn_init(&one, 512);
    for (int i = 0; i < 4; i++) {
        struct strategy s;
        strategy_make(&s, kinds[i], 3);
        struct plan *plan = plan_make(&data, &s, 512, LAST_DROP, 1, NULL);
        struct epoch_shape shape = plan_epoch(plan, 0);
        assert_true(plan_memory(plan) < 10000);
        for (uint64_t step = 0; step < shape.steps; step += shape.steps / 7) {
            draw_step(plan, 3, step, &one);
            assert_int_equal(one.n, 512);
            for (uint32_t k = 0; k < one.n; k++) {
                uint32_t c = one.label[k];
                assert_true(one.index[k] >= data.start[c] && one.index[k] < data.start[c + 1]);
            }
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    drawn_fini(&one);
    data_fini(&data);
}

/* 10^5 classes, the largest 10^6 times the smallest: draws of classes against their shares, those
 * that are drawn rarely taken together. */
static void many_classes(void **state)
{
    (void)state;
    enum { CLASSES = 100000, G = 4096, STEPS = 500 };
    const char *kinds[] = {"weighted",    "uniform",   "repeat-factor", "stratified",
                           "oversampled", "resampled", "class-aware",   "progressive"};
    uint64_t *counts = calloc(CLASSES, sizeof(*counts));
    double *share = calloc(CLASSES, sizeof(*share)), *drawn = calloc(CLASSES, sizeof(*drawn));
    struct data data;
    struct drawn one;
    for (uint32_t c = 0; c < CLASSES; c++)
        counts[c] = (uint64_t)ceil(1e6 / pow(c + 1, 1.2));
    data_init_grouped(&data, counts, CLASSES);
    drawn_init(&one, G);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        struct strategy s;
        strategy_make(&s, kinds[i], CLASSES);
        if (i == 0)
            strategy_say(&s, "weight", "sqrt-inverse");
        struct plan *plan = plan_make(&data, &s, G, LAST_DROP, 12, NULL);
        struct epoch_shape shape = plan_epoch(plan, 0);
        double chi = 0, freedom = -1, rare = 0, rare_want = 0;
        memset(drawn, 0, CLASSES * sizeof(*drawn));
        for (uint64_t at = 0; at < STEPS; at++) {
            draw_step(plan, at / shape.steps, at % shape.steps, &one);
            for (uint32_t k = 0; k < one.n; k++)
                drawn[one.label[k]]++;
        }
        plan_expected(plan, 0, share);
        for (uint32_t c = 0; c < CLASSES; c++) {
            double want = share[c] * STEPS * G;
            if (want < 10) {
                rare += drawn[c];
                rare_want += want;
                continue;
            }
            chi += (drawn[c] - want) * (drawn[c] - want) / want;
            freedom++;
        }
        chi += rare_want > 0 ? (rare - rare_want) * (rare - rare_want) / rare_want : 0;
        if (chi_square_tail(chi, freedom) < 1e-4)
            fail_msg("%s: chi-square %g with %g degrees of freedom", kinds[i], chi, freedom);
        plan_unref(plan);
        strategy_fini(&s);
    }
    drawn_fini(&one);
    data_fini(&data);
    free(counts);
    free(share);
    free(drawn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_follow_expectation),
        cmocka_unit_test(batches_are_within_one),
        cmocka_unit_test(quotas_are_floor_or_ceiling),
        cmocka_unit_test(everybody_comes_first),
        cmocka_unit_test(takes_over_in_mid_epoch),
        cmocka_unit_test(last_batches),
        cmocka_unit_test(very_large),
        cmocka_unit_test(many_classes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
