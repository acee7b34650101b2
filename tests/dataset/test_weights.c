/* Class weights: rules and refusals. The numbers are compared with scikit-learn in oracle_weights.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "dataset/weights.h"

static void names_and_kinds(void **state)
{
    (void)state;
    for (int kind = 0; kind < WEIGHT_KIND_COUNT; kind++) {
        const char *name = weight_kind_name(kind);
        assert_int_equal(weight_kind_find((struct evd_str){name, (uint32_t)strlen(name)}), kind);
        assert_true(strlen(weight_kind_meaning(kind)) > 0);
    }
    assert_int_equal(weight_kind_find((struct evd_str){"balance", 7}), -1);
}

static void empty_classes_count_nowhere(void **state)
{
    const uint64_t with[] = {0, 30, 10, 0}, without[] = {30, 10};
    double a[4], b[2];
    struct evd_error err;

    (void)state;
    for (int kind = 0; kind < WEIGHT_KIND_COUNT; kind++) {
        assert_int_equal(weights_from_counts(kind, with, 4, 0.9, a, &err), EVD_OK);
        assert_int_equal(weights_from_counts(kind, without, 2, 0.9, b, &err), EVD_OK);
        assert_true(a[1] == b[0] && a[2] == b[1]);
        assert_true(a[0] == (kind == WEIGHT_LOG_PRIOR || kind == WEIGHT_LOGIT_ADJUSTMENT ? -INFINITY
                                                                                         : 0.0) &&
                    a[3] == a[0]);
    }
}

static void shares_stand_for_counts(void **state)
{
    const uint64_t counts[] = {30, 0, 10};
    double from_counts[3], from_shares[3];
    struct evd_error err;

    (void)state;
    for (int kind = 0; kind < WEIGHT_KIND_COUNT; kind++) {
        from_shares[0] = 0.75, from_shares[1] = 0, from_shares[2] = 0.25;
        assert_int_equal(weights_from_counts(kind, counts, 3, 0.9, from_counts, &err), EVD_OK);
        assert_int_equal(weights_from_shares(kind, from_shares, 3, 40, 0.9, from_shares, &err),
                         EVD_OK);
        assert_memory_equal(from_counts, from_shares, sizeof(from_counts));
    }
}

static void what_is_refused(void **state)
{
    const uint64_t none[] = {0, 0}, some[] = {1, 2};
    const double bad[] = {-1, NAN, INFINITY}, fine[] = {0.5, 0.5};
    double out[2];
    struct evd_error err;

    (void)state;
    assert_int_equal(weights_from_counts(WEIGHT_BALANCED, none, 2, 0, out, &err), EVD_E_BAD_VALUE);
    for (size_t i = 0; i < 3; i++) {
        const double shares[] = {0.5, bad[i]};
        assert_int_equal(weights_from_shares(WEIGHT_INVERSE, shares, 2, 1, 0, out, &err),
                         EVD_E_BAD_VALUE);
        assert_non_null(strstr(err.message, "class 1"));
        assert_int_equal(weights_from_shares(WEIGHT_INVERSE, fine, 2, bad[i], 0, out, &err),
                         EVD_E_BAD_VALUE);
        assert_int_equal(weights_from_counts(WEIGHT_EFFECTIVE_NUMBER, some, 2, bad[i], out, &err),
                         EVD_E_BAD_VALUE);
    }
    assert_int_equal(weights_from_counts(WEIGHT_LOGIT_ADJUSTMENT, some, 2, 0, out, &err),
                     EVD_E_BAD_VALUE);
    assert_string_equal(err.detail, "tau");
    assert_int_equal(weights_from_counts(WEIGHT_LOGIT_ADJUSTMENT, some, 2, INFINITY, out, &err),
                     EVD_E_BAD_VALUE);
    assert_int_equal(weights_from_counts(WEIGHT_EFFECTIVE_NUMBER, some, 2, 1, out, &err),
                     EVD_E_BAD_VALUE);
    assert_string_equal(err.detail, "beta");
    assert_int_equal(weights_from_counts(WEIGHT_EFFECTIVE_NUMBER, some, 2, 0, out, &err), EVD_OK);
    assert_true(out[0] == 1 && out[1] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_kinds),
        cmocka_unit_test(empty_classes_count_nowhere),
        cmocka_unit_test(shares_stand_for_counts),
        cmocka_unit_test(what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
