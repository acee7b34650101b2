/* Building is given up when asked, and within a budget of memory. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cases.h"

#define MANY 300000u

static struct plan_input orders_of(const struct data *data, struct strategy *s, double orders)
{
    strategy_make(s, "weighted", 1);
    strategy_say(s, "weight", "inverse");
    strategy_set(s, "orders", orders);
    int replacement = strategy_param_find(s->kind, "replacement", 11);
    s->values[replacement] = (struct strategy_value){.tag = VALUE_BOOLEAN};
    return (struct plan_input){.index = &data->index, .strategy = s, .batch_size = 32};
}

static void *cancel_soon(void *cancel)
{
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    atomic_store((atomic_bool *)cancel, true);
    return NULL;
}

static void a_long_build_is_given_up(void **state)
{
    (void)state;
    const uint64_t counts[] = {MANY};
    struct data data;
    data_init_grouped(&data, counts, 1);
    struct strategy s;
    struct plan_input in = orders_of(&data, &s, 64); /* seconds of work */
    atomic_bool cancel;
    struct plan_budget budget = {0};
    atomic_init(&cancel, false);
    atomic_store(&budget.limit, UINT64_MAX / 2);
    in.cancel = &cancel;
    in.budget = &budget;
    struct plan *plan = NULL;
    struct sampler_error err;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    int code = plan_build(&plan, &in, &err);
    pthread_join(thread, NULL);
    assert_int_equal(code, PLAN_CANCELLED);
    assert_null(plan);
    assert_int_equal(atomic_load(&budget.used), 0);
    strategy_fini(&s);
    data_fini(&data);
}

static void what_is_cancelled_is_not_begun(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    double *weights = case_weights(&data);
    atomic_bool cancel;
    atomic_init(&cancel, true);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct strategy s;
        c->make(&s, CASE_CLASSES);
        struct plan_input in = input_of(&data, &s, 24);
        in.weights = c->traits & WEIGHED ? weights : NULL;
        in.cancel = &cancel;
        struct plan *plan;
        struct sampler_error err;
        assert_int_equal(plan_build(&plan, &in, &err), PLAN_CANCELLED);
        strategy_fini(&s);
    }
    free(weights);
    data_fini(&data);
}

/* With more and more memory each plan is built at last; until then nothing of it stays. */
static void a_budget_is_kept(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    double *weights = case_weights(&data);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct strategy s;
        c->make(&s, CASE_CLASSES);
        struct plan_budget budget = {0};
        struct plan_input in = input_of(&data, &s, 24);
        in.weights = c->traits & WEIGHED ? weights : NULL;
        in.budget = &budget;
        struct plan *plan = NULL;
        struct sampler_error err;
        int code = plan_build(&plan, &in, &err);
        assert_int_equal(code, PLAN_LIMIT);
        assert_string_equal(err.detail, "memory");
        assert_non_null(strstr(err.message, "--memory-limit"));
        for (uint64_t limit = 256; code != PLAN_OK; limit *= 2) {
            assert_true(code == PLAN_LIMIT);
            assert_int_equal(atomic_load(&budget.used), 0);
            atomic_store(&budget.limit, limit);
            code = plan_build(&plan, &in, &err);
        }
        uint64_t used = atomic_load(&budget.used);
        assert_true(used > 0 && used <= plan_memory(plan));
        plan_unref(plan);
        assert_int_equal(atomic_load(&budget.used), 0);
        strategy_fini(&s);
    }
    free(weights);
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_build_is_given_up),
        cmocka_unit_test(what_is_cancelled_is_not_begun),
        cmocka_unit_test(a_budget_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
