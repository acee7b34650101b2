/* Properties that hold for every strategy. */
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

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void sort(uint64_t *values, uint32_t n)
{
    qsort(values, n, sizeof(*values), compare);
}

static void each_kind_has_a_case(void **state)
{
    (void)state;
    for (size_t i = 0; strategy_kinds[i]; i++) {
        bool found = false;
        for (const struct strategy_case *c = strategy_cases; c->name; c++) {
            struct strategy s;
            c->make(&s, CASE_CLASSES);
            found |= s.kind == strategy_kinds[i];
            strategy_fini(&s);
        }
        if (!found)
            fail_msg("no case of %s", strategy_kinds[i]->name);
    }
}

/* Whole epochs in order, then the same steps in any order, some of them by ranks. */
static void random_access_equals_sequence(void **state)
{
    const struct data *data = *state;
    enum { G = 24, EPOCHS = 3 };
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 42);
        struct epoch_shape shape = plan_epoch(plan, 0);
        uint64_t total = shape.steps * EPOCHS, random = 5;
        struct drawn *sequence = calloc(total, sizeof(*sequence)), one;
        assert_non_null(sequence);
        for (uint64_t i = 0; i < total; i++) {
            drawn_init(&sequence[i], G);
            draw_step(plan, i / shape.steps, i % shape.steps, &sequence[i]);
        }
        drawn_init(&one, G);
        struct plan *again = case_plan(c, data, G, LAST_SHORT, 42);
        assert_true(plan_digest(plan) == plan_digest(again));
        for (int i = 0; i < 200; i++) {
            uint64_t at = test_random(&random) % total;
            draw_step(again, at / shape.steps, at % shape.steps, &one);
            assert_int_equal(one.n, sequence[at].n);
            assert_memory_equal(one.index, sequence[at].index, one.n * sizeof(*one.index));
            assert_memory_equal(one.label, sequence[at].label, one.n * sizeof(*one.label));
            assert_memory_equal(one.seed, sequence[at].seed, one.n * sizeof(*one.seed));
            assert_memory_equal(one.mix_index, sequence[at].mix_index,
                                one.n * sizeof(*one.mix_index));
            assert_memory_equal(one.mix_lambda, sequence[at].mix_lambda,
                                one.n * sizeof(*one.mix_lambda));
            for (uint32_t k = 0; k < one.n; k++)
                assert_int_equal(one.label[k], data->label[one.index[k]]);
        }
        for (uint64_t i = 0; i < total; i++)
            drawn_fini(&sequence[i]);
        free(sequence);
        drawn_fini(&one);
        plan_unref(plan);
        plan_unref(again);
    }
}

static void every_world_size_gives_the_same_batch(void **state)
{
    const struct data *data = *state;
    enum { G = 24 };
    struct drawn whole, part;
    drawn_init(&whole, G);
    drawn_init(&part, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 7);
        struct epoch_shape shape = plan_epoch(plan, 0);
        for (uint64_t step = 0; step < shape.steps; step++) {
            draw_step(plan, 1, step, &whole);
            sort(whole.index, whole.n);
            for (uint32_t world = 1; world <= G; world++) {
                uint64_t all[G];
                uint32_t n = 0;
                if (G % world)
                    continue;
                for (uint32_t rank = 0; rank < world; rank++) {
                    draw_slice(plan, 1, step, shape, rank, world, &part);
                    assert_true(n + part.n <= whole.n);
                    assert_true(part.n <= G / world);
                    memcpy(all + n, part.index, part.n * sizeof(*all));
                    n += part.n;
                }
                assert_int_equal(n, whole.n);
                sort(all, n);
                assert_memory_equal(all, whole.index, n * sizeof(*all));
            }
        }
        plan_unref(plan);
    }
    drawn_fini(&whole);
    drawn_fini(&part);
}

static void epochs_are_as_promised(void **state)
{
    const struct data *data = *state;
    enum { G = 24 };
    uint32_t *seen = calloc(data->index.samples, sizeof(*seen));
    struct drawn one;
    drawn_init(&one, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 11);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            struct epoch_shape shape = plan_epoch(plan, epoch);
            double share[CASE_CLASSES], sum = 0;
            uint64_t count[CASE_CLASSES] = {0}, draws = 0;
            memset(seen, 0, data->index.samples * sizeof(*seen));
            for (uint64_t step = 0; step < shape.steps; step++) {
                draw_step(plan, epoch, step, &one);
                assert_int_equal(one.n, step + 1 < shape.steps ? G : shape.last_size);
                draws += one.n;
                for (uint32_t k = 0; k < one.n; k++) {
                    count[one.label[k]]++;
                    if (seen[one.index[k]]++ && (c->traits & DISTINCT))
                        fail_msg("%s: sample %lu twice", c->name, (unsigned long)one.index[k]);
                }
            }
            if (c->traits & WHOLE)
                assert_int_equal(shape.last_size, G);
            plan_expected(plan, epoch, share);
            for (uint32_t k = 0; k < CASE_CLASSES; k++) {
                sum += share[k];
                if ((c->traits & EXACT) && fabs(share[k] * (double)draws - (double)count[k]) > 1e-6)
                    fail_msg("%s: class %u has %lu of %lu, not %g", c->name, k,
                             (unsigned long)count[k], (unsigned long)draws,
                             share[k] * (double)draws);
                if (share[k] == 0)
                    assert_int_equal(count[k], 0);
            }
            assert_true(fabs(sum - 1) < 1e-9);
        }
        plan_unref(plan);
    }
    drawn_fini(&one);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_a_case),
        cmocka_unit_test(random_access_equals_sequence),
        cmocka_unit_test(every_world_size_gives_the_same_batch),
        cmocka_unit_test(epochs_are_as_promised),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
