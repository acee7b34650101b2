/* What single kinds of strategy promise beyond what holds for all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

static const uint64_t tail_counts[10] = {300, 150, 90, 60, 41, 22, 9, 5, 2, 1};

/* The slots of a step, from the slices of its ranks. */
static void draw_slots(const struct plan *plan, uint64_t step, uint32_t world, struct drawn *one,
                       uint64_t *slots)
{
    struct epoch_shape shape = plan_epoch(plan, 2);
    for (uint32_t rank = 0; rank < world; rank++) {
        draw_slice(plan, 2, step, shape, rank, world, one);
        for (uint32_t k = 0; k < one->n; k++)
            slots[k * world + rank] = one->index[k];
    }
}

/* In slots, which go to the ranks in turn, a sample's draws stand one behind the other (the last
 * one's successor is the first): as many consecutive ranks get it. A third of the samples come,
 * each three times. */
static void repeats_go_to_consecutive_ranks(void **state)
{
    (void)state;
    enum { G = 24, K = 3 };
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init(&data, case_counts, CASE_CLASSES);
    uint32_t *times = calloc(data.index.samples, sizeof(*times)), met = 0;
    drawn_init(&one, G);
    strategy_make(&s, "uniform", CASE_CLASSES);
    strategy_set(&s, "repeats", K);
    struct plan *plan = plan_make(&data, &s, G, LAST_DROP, 3, NULL);
    struct epoch_shape shape = plan_epoch(plan, 2);
    assert_int_equal(shape.steps, data.index.labelled / G);
    for (uint64_t step = 0; step < shape.steps; step++) {
        for (uint32_t world = 3; world <= 12; world *= 2) {
            uint64_t slots[G];
            uint32_t changes = 0;
            draw_slots(plan, step, world, &one, slots);
            for (uint32_t i = 0; i < G; i++) {
                changes += slots[i] != slots[(i + 1) % G];
                times[slots[i]] += world == 3;
            }
            assert_int_equal(changes, G / K);
        }
    }
    for (uint64_t i = 0; i < data.index.samples; i++) {
        assert_true(times[i] == 0 || times[i] == K);
        met += times[i] > 0;
    }
    assert_int_equal(met, shape.steps * G / K);
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
    free(times);
}

/* Said or not, one draw of each sample is the same plan. */
static void one_repeat_is_none(void **state)
{
    (void)state;
    struct data data;
    struct strategy plain, said;
    data_init(&data, case_counts, CASE_CLASSES);
    strategy_make(&plain, "uniform", CASE_CLASSES);
    strategy_make(&said, "uniform", CASE_CLASSES);
    strategy_set(&said, "repeats", 1);
    strategy_set(&said, "num_samples", (double)data.index.labelled);
    struct plan *one = plan_make(&data, &plain, 8, LAST_DROP, 42, NULL);
    struct plan *two = plan_make(&data, &said, 8, LAST_DROP, 42, NULL);
    assert_true(plan_digest(one) == plan_digest(two));
    assert_true(plan_digest(one) == UINT64_C(0x618869e4cd15ccf9)); /* as databases have it */
    plan_unref(one);
    plan_unref(two);
    strategy_fini(&plain);
    strategy_fini(&said);
    data_fini(&data);
}

/* p-by-k: exactly P classes and K samples of each, no sample twice where the class has K; all of a
 * class on one rank where the ranks divide P. */
static void check_p_by_k(const struct data *data, uint32_t p, uint32_t k)
{
    struct strategy s;
    struct drawn one;
    strategy_make(&s, "p-by-k", 10);
    strategy_set(&s, "p", p);
    strategy_set(&s, "k", k);
    strategy_set(&s, "num_samples", 2000);
    drawn_init(&one, p * k);
    struct plan *plan = plan_make(data, &s, p * k, LAST_DROP, 8, NULL);
    struct epoch_shape shape = plan_epoch(plan, 0);
    assert_true(shape.steps == 2000 / (p * k));
    for (uint32_t i = 0; i < shape.steps * p; i++) {
        uint32_t world = i % p + 1, count[10] = {0}, present = 0;
        if (p % world)
            continue;
        for (uint32_t rank = 0; rank < world; rank++) {
            uint32_t here[10] = {0};
            draw_slice(plan, 1, i / p, shape, rank, world, &one);
            for (uint32_t j = 0; j < one.n; j++)
                here[one.label[j]]++;
            for (uint32_t c = 0; c < 10; c++) {
                assert_true(here[c] == 0 || here[c] == k);
                count[c] += here[c];
            }
        }
        for (uint32_t c = 0; c < 10; c++)
            present += count[c] == k;
        assert_int_equal(present, p);
    }
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
}

static void batches_are_p_by_k(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, tail_counts, 10);
    for (uint32_t p = 1; p <= 10; p++) {
        for (uint32_t k = 1; k <= 8; k += p)
            check_p_by_k(&data, p, k);
    }
    data_fini(&data);
}

/* class-aware: between two turns of a class every other class has had one or two. */
static void classes_take_turns(void **state)
{
    (void)state;
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init(&data, tail_counts, 10);
    drawn_init(&one, 20);
    strategy_make(&s, "class-aware", 10);
    struct plan *plan = plan_make(&data, &s, 20, LAST_DROP, 8, NULL);
    for (uint64_t step = 0; step < plan_epoch(plan, 0).steps; step++) {
        uint32_t count[10] = {0};
        draw_step(plan, 0, step, &one); /* two rounds of ten */
        for (uint32_t k = 0; k < one.n; k++)
            count[one.label[k]]++;
        for (uint32_t c = 0; c < 10; c++)
            assert_int_equal(count[c], 2);
    }
    plan_unref(plan);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

/* ensemble: members' parts of a large class do not overlap while it lasts, and cover it. */
static void parts_are_disjoint(void **state)
{
    (void)state;
    const uint64_t counts[3] = {100, 20, 45};
    struct data data;
    struct drawn one;
    uint8_t times[400] = {0};
    data_init(&data, counts, 3);
    drawn_init(&one, 60);
    for (uint32_t member = 0; member < 5; member++) {
        struct strategy s;
        strategy_make(&s, "ensemble", 3);
        strategy_set(&s, "members", 5);
        strategy_set(&s, "member", member);
        struct plan *plan = plan_make(&data, &s, 60, LAST_DROP, 8, NULL);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            draw_step(plan, epoch, 0, &one); /* the whole of it: 20 of each */
            for (uint32_t k = 0; epoch == member % 3 && k < one.n; k++)
                times[one.index[k]]++;
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    for (uint64_t i = 0; i < data.index.samples; i++) {
        uint32_t c = data.label[i];
        if (c == 0)
            assert_int_equal(times[i], 1); /* 5 x 20 of 100 */
        else if (c == 1)
            assert_int_equal(times[i], 5); /* not cut */
        else if (c == 2)
            assert_true(times[i] == 2 || times[i] == 3); /* 100 of 45 */
    }
    drawn_fini(&one);
    data_fini(&data);
}

/* balanced-repeat: within an epoch samples of a class come equally often, give or take one. */
static void repeats_are_even(void **state)
{
    (void)state;
    const char *kinds[] = {"oversampled", "resampled", "repeat-factor"};
    struct data data;
    struct drawn one;
    data_init(&data, tail_counts, 10);
    drawn_init(&one, 50);
    uint32_t *times = calloc(data.index.samples, sizeof(*times));
    for (int i = 0; i < 3; i++) {
        struct strategy s;
        double share[10];
        strategy_make(&s, kinds[i], 10);
        if (i < 2)
            strategy_say(&s, "members", "balanced-repeat");
        else
            strategy_set(&s, "threshold", 0.2);
        struct plan *plan = plan_make(&data, &s, 50, LAST_SHORT, 8, NULL);
        struct epoch_shape shape = plan_epoch(plan, 0);
        memset(times, 0, data.index.samples * sizeof(*times));
        uint64_t draws = 0;
        for (uint64_t step = 0; step < shape.steps; step++) {
            draw_step(plan, 1, step, &one);
            draws += one.n;
            for (uint32_t k = 0; k < one.n; k++)
                times[one.index[k]]++;
        }
        plan_expected(plan, 1, share);
        for (uint64_t at = 0; at < data.index.samples; at++) {
            uint32_t c = data.label[at];
            if (c != UINT32_MAX)
                assert_true(fabs(times[at] - share[c] * (double)draws / (double)tail_counts[c]) <
                            1);
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    free(times);
    drawn_fini(&one);
    data_fini(&data);
}

/* Weights of samples, with replacement: chi-square against the weights, and their probabilities. */
static void samples_follow_their_weights(void **state)
{
    (void)state;
    enum { G = 64 };
    struct data data;
    struct strategy s;
    struct drawn one;
    data_init(&data, case_counts, CASE_CLASSES);
    drawn_init(&one, G);
    double *weights = case_weights(&data), sum = 0, draws = 0, chi = 0, freedom = -1;
    double *times = calloc(data.index.samples, sizeof(*times));
    strategy_make(&s, "weighted", CASE_CLASSES);
    strategy_say(&s, "column", "hardness");
    struct plan *plan = plan_make(&data, &s, G, LAST_DROP, 8, weights);
    for (uint64_t i = 0; i < data.index.samples; i++)
        sum += data.label[i] == UINT32_MAX ? 0 : weights[i];
    for (uint64_t at = 0; at < 1500; at++) {
        draw_step(plan, at / 10, at % 10, &one);
        draws += one.n;
        for (uint32_t k = 0; k < one.n; k++) {
            times[one.index[k]]++;
            assert_true(fabs(one.probability[k] - weights[one.index[k]] / sum) < 1e-8);
        }
    }
    for (uint64_t i = 0; i < data.index.samples; i++) {
        double want = data.label[i] == UINT32_MAX ? 0 : weights[i] / sum * draws;
        if (want == 0) {
            assert_true(times[i] == 0);
            continue;
        }
        chi += (times[i] - want) * (times[i] - want) / want;
        freedom++;
    }
    assert_true(chi_square_tail(chi, freedom) > 1e-4);
    plan_unref(plan);
    strategy_fini(&s);
    free(weights);
    free(times);
    drawn_fini(&one);
    data_fini(&data);
}

/* Without replacement the first draw is each sample by its weight, and the second by weight among
 * those left: exact probabilities of ordered pairs, over many seeds. */
static void heavy_ones_arrive_first(void **state)
{
    (void)state;
    enum { SEEDS = 20000 };
    const uint64_t counts[2] = {3, 2};
    const double weights[5] = {1, 2, 0, 3, 4}, sum = 10;
    struct data data;
    struct strategy s;
    struct drawn one;
    uint32_t pairs[5][5] = {{0}};
    data_init_grouped(&data, counts, 2);
    drawn_init(&one, 4);
    strategy_make(&s, "weighted", 2);
    strategy_say(&s, "column", "hardness");
    strategy_set(&s, "replacement", 0);
    strategy_set(&s, "orders", 1);
    strategy_set(&s, "num_samples", 2);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct plan *plan = plan_make(&data, &s, 1, LAST_DROP, seed, weights);
        uint64_t first, second;
        draw_step(plan, 0, 0, &one);
        first = one.index[0];
        draw_step(plan, 0, 1, &one);
        second = one.index[0];
        pairs[first][second]++;
        plan_unref(plan);
    }
    double chi = 0, freedom = -1;
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            double want = i == j ? 0 : SEEDS * weights[i] / sum * weights[j] / (sum - weights[i]);
            if (want == 0) {
                assert_int_equal(pairs[i][j], 0);
                continue;
            }
            chi += (pairs[i][j] - want) * (pairs[i][j] - want) / want;
            freedom++;
        }
    }
    assert_true(chi_square_tail(chi, freedom) > 1e-4);
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

/* stratified: a class goes on in each step where it was left in the step before, wherever in an
 * epoch that is and however long it is. With one sample a class, `repeat` is its ordinal. */
static void ordinals_go_on(void **state)
{
    (void)state;
    const uint64_t counts[] = {1, 1, 1, 1, 1};
    const double shares[] = {10, 5, 2, 1, 0.01};
    const double epochs[] = {64, 5000, 1e6, 1.2e8, 3e8, 6e8}; /* the last ones beyond 2^24 steps */
    struct data data;
    struct strategy s;
    struct drawn one;
    uint64_t random = 9;
    data_init_grouped(&data, counts, 5);
    drawn_init(&one, 16);
    strategy_make(&s, "stratified", 5);
    strategy_say(&s, "proportions", "explicit");
    strategy_map(&s, "weights", shares);
    for (int e = 0; e < 6; e++) {
        strategy_set(&s, "num_samples", epochs[e]);
        struct plan *plan = plan_make(&data, &s, 16, LAST_DROP, (uint64_t)e, NULL);
        uint64_t steps = plan_epoch(plan, 0).steps;
        for (int i = 0; i < 200; i++) {
            uint64_t step = i == 0 ? 0 : test_random(&random) % (steps - 1);
            uint32_t next[5] = {0}, least[5], n[5] = {0};
            bool met[5] = {false};
            draw_step(plan, 0, step, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                uint32_t c = one.label[k];
                next[c] = one.repeat[k] >= next[c] ? one.repeat[k] + 1 : next[c];
                met[c] = true;
            }
            memset(least, 0xff, sizeof(least));
            draw_step(plan, 0, step + 1, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                uint32_t c = one.label[k];
                least[c] = one.repeat[k] < least[c] ? one.repeat[k] : least[c];
                n[c]++;
            }
            for (uint32_t c = 0; c < 5; c++)
                assert_true(!met[c] || !n[c] || least[c] == next[c]);
        }
        plan_unref(plan);
    }
    strategy_fini(&s);
    drawn_fini(&one);
    data_fini(&data);
}

/* progressive: the shares of each epoch are the formula's. */
static void shares_move(void **state)
{
    (void)state;
    struct data data;
    const double pi = acos(-1);
    const char *schedules[] = {"linear", "cosine", "step", "exponential"};
    data_init(&data, tail_counts, 10);
    for (int i = 0; i < 4; i++) {
        struct strategy s;
        strategy_make(&s, "progressive", 10);
        strategy_say(&s, "schedule", schedules[i]);
        strategy_set(&s, "start", 3);
        if (i != 3)
            strategy_set(&s, "epochs", 8);
        if (i == 2)
            strategy_set(&s, "stages", 4);
        strategy_set(&s, "max_ratio", 50);
        struct plan *plan = plan_make(&data, &s, 10, LAST_DROP, 8, NULL);
        for (uint64_t epoch = 0; epoch < 400; epoch++) {
            double x = epoch < 3 ? 0 : fmin(((double)epoch - 3) / 8, 1), share[10], want[10];
            double left[4] = {1 - x, (1 + cos(pi * x)) / 2, 1 - floor(x * 4) / 4,
                              epoch < 3 ? 1 : pow(0.9, (double)epoch - 3)};
            double sum = 0;
            for (int c = 0; c < 10; c++)
                sum += want[c] = fmin(pow((double)tail_counts[c], left[i]), 50);
            plan_expected(plan, epoch, share);
            for (int c = 0; c < 10; c++)
                assert_true(fabs(share[c] - want[c] / sum) < 1e-5);
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_go_to_consecutive_ranks),
        cmocka_unit_test(one_repeat_is_none),
        cmocka_unit_test(batches_are_p_by_k),
        cmocka_unit_test(classes_take_turns),
        cmocka_unit_test(parts_are_disjoint),
        cmocka_unit_test(repeats_are_even),
        cmocka_unit_test(samples_follow_their_weights),
        cmocka_unit_test(heavy_ones_arrive_first),
        cmocka_unit_test(ordinals_go_on),
        cmocka_unit_test(shares_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
