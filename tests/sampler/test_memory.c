/* Every allocation of a plan fails once: nothing leaks, nothing half-built is left. */
#include <stdlib.h>
#include <string.h>
#include "cases.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static long until_failure = -1; /* allocations that still succeed; -1: all */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(align, size);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    double *weights = case_weights(&data);
    uint64_t *bits = malloc(data.index.samples / 8 + 8);
    assert_non_null(bits);
    memset(bits, 0xff, data.index.samples / 8 + 8);
    for (int i = 0; strategy_cases[i / 2].name; i++) {
        const struct strategy_case *c = &strategy_cases[i / 2];
        struct strategy s;
        c->make(&s, CASE_CLASSES);
        struct plan_input in = input_of(&data, &s, 24);
        in.from.kept = bits;
        s.values[FROM_SELECTION].tag = i % 2 ? VALUE_ATTACHED : VALUE_UNSET;
        in.weights = c->traits & WEIGHED ? weights : NULL;
        const struct epoch_shape shape = {.steps = 50, .last_size = 24};
        struct sampler_error err;
        int built = PLAN_NO_MEMORY;
        for (long n = 0; built != PLAN_OK; n++) {
            struct plan *plan = NULL;
            until_failure = n;
            built = plan_build(&plan, &in, &err);
            if (built == PLAN_OK)
                built = plan_place(plan, 3, 20, shape, &err);
            bool all = until_failure >= 0;
            until_failure = -1;
            plan_unref(plan);
            assert_true(built == (all ? PLAN_OK : PLAN_NO_MEMORY));
            assert_true(n < 2000);
        }
        strategy_fini(&s);
    }
    struct strategy s;
    strategy_make(&s, "weighted", CASE_CLASSES);
    until_failure = 0;
    bool got = strategy_class_map(&s, strategy_param_find(s.kind, "weights", 7));
    until_failure = -1;
    assert_false(got);
    strategy_fini(&s);
    free(weights);
    free(bits);
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
