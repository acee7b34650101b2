/* evd_neighbours against its definition, bit for bit: hard features, scopes, metrics, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "near.h"
#include "proto/limits.h"

static void search_all(struct near *near)
{
    near_brute(near);
    near_same_everywhere(near);
    near_wide(near);
    near_same_everywhere(near);
}

/* Two blocks of rows, the last one not full. */
static void test_hard_features(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct near near = near_new((enum kind)kind, 500, kind == WHOLE ? 8 : 17, 5);

        print_message("%s\n", kind_names[kind]);
        search_all(&near);
        near_free(&near);
    }
}

/* No multiple of anything. */
static void test_odd_shapes(void **state)
{
    static const uint32_t shapes[][3] = {{1, 3, 2},   {2, 1, 5},   {5, 2, 5},    {6, 4, 5},
                                         {255, 3, 7}, {256, 1, 3}, {385, 5, 40}, {300, 2, 256}};

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct near near = near_new(GAUSSIAN, shapes[i][0], shapes[i][1], shapes[i][2]);

        search_all(&near);
        near_free(&near);
    }
}

static void test_cosine(void **state)
{
    static const enum kind kinds[] = {GAUSSIAN, SHIFTED, CLUSTERS, TWINS, NEAR_40, TINY, LARGE};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct near near = near_new(kinds[i], 500, 9, 5);

        near.options.metric = EVD_METRIC_COSINE;
        search_all(&near);
        near_free(&near);
    }
}

/* Rows without a label take no part, even where their features are no numbers; of the classes one
 * has a first pass, others do not, one has a single member and some have none. */
static void test_labels(void **state)
{
    static const enum kind kinds[] = {GAUSSIAN, CLUSTERS, WHOLE};

    (void)state;
    for (int i = 0; i < 9; i++) {
        struct near near = near_new(kinds[i / 3], 1000, 6, 5);

        near_labels(&near, 12);
        near.options.scope = i % 3;
        near.options.of_class = 0;
        near.narrow[3 * 6] = near.narrow[20 * 6 + 2] = NAN;
        near.wide[3 * 6] = near.wide[20 * 6 + 2] = INFINITY;
        assert_int_equal(near.labels[20], EVD_NO_LABEL);
        search_all(&near);
        near_free(&near);
    }
}

/* What is known before a search is what the search reports. */
static void check_before(const struct near *near, const evd_neighbours_result *after)
{
    evd_neighbours_result before;
    int code = evd_neighbours_check(&near->options, &before);

    assert_int_equal(code, after->short_classes > 0 ? EVD_E_BAD_VALUE : EVD_OK);
    assert_int_equal(before.message[0] != '\0', code != EVD_OK);
    assert_int_equal(before.samples, after->samples);
    assert_int_equal(before.short_classes, after->short_classes);
    assert_int_equal(before.short_class, after->short_class);
    assert_int_equal(before.short_members, after->short_members);
}

static void test_few_of_a_class(void **state)
{
    struct near near = near_new(GAUSSIAN, 300, 4, 5);
    evd_neighbours_result result;
    uint32_t members = 0;

    (void)state;
    near_labels(&near, 12);
    near.options.scope = EVD_SCOPE_CLASS;
    near_brute(&near);
    result = near_same(&near);
    check_before(&near, &result);
    assert_int_equal(result.samples, 300 - 18);
    assert_int_equal(result.short_classes, 1);
    assert_int_equal(result.short_class, 11);
    assert_int_equal(result.short_members, 1);
    assert_int_equal(near.index[150 * 5], EVD_NO_NEIGHBOUR);

    near.options.scope = EVD_SCOPE_OF_CLASS;
    near.options.of_class = 11; /* one member: for others it is the only neighbour */
    near_brute(&near);
    result = near_same(&near);
    check_before(&near, &result);
    assert_int_equal(result.short_class, 11);
    assert_int_equal(near.index[0], 150);
    assert_int_equal(near.index[1], EVD_NO_NEIGHBOUR);

    near.options.scope = EVD_SCOPE_ALL;
    near_brute(&near);
    result = near_same(&near);
    check_before(&near, &result);
    assert_int_equal(result.short_classes, 0);
    assert_int_equal(result.short_class, EVD_NO_LABEL);
    for (int i = 4; i < 300; i++) /* no more than k have a label */
        near.labels[i] = EVD_NO_LABEL;
    for (int i = 0; i < 300; i++)
        members += near.labels[i] != EVD_NO_LABEL;
    near_brute(&near);
    result = near_same(&near);
    check_before(&near, &result);
    assert_int_equal(result.short_classes, 1);
    assert_int_equal(result.short_class, EVD_NO_LABEL);
    assert_int_equal(result.short_members, members);
    near.labels[0] = EVD_MAX_CLASSES;
    assert_int_equal(evd_neighbours_check(&near.options, &result), EVD_E_LIMIT);
    assert_int_equal(evd_neighbours_check(NULL, &result), EVD_E_USAGE);
    near_free(&near);
}

/* Of several classes that are too small the smallest is named, of equally small ones the lowest. */
static void test_the_smallest_is_named(void **state)
{
    struct near near = near_new(GAUSSIAN, 100, 4, 5);
    evd_neighbours_result result;

    (void)state;
    near_labels(&near, 5);
    for (uint32_t i = 0; i < 100; i++)
        near.labels[i] = i < 4 ? 1 : i < 7 ? 2 : i < 10 ? 3 : i < 14 ? 4 : 0;
    near.options.scope = EVD_SCOPE_CLASS;
    near_brute(&near);
    result = near_same(&near);
    assert_int_equal(result.short_classes, 4);
    assert_int_equal(result.short_class, 2);
    assert_int_equal(result.short_members, 3);
    check_before(&near, &result);
    near_free(&near);
}

/* Where float32 is enough nothing is searched twice, and where it is not, what is. */
static void test_doubtful(void **state)
{
    struct near near = near_new(GAUSSIAN, 1000, 16, 5);

    (void)state;
    near_brute(&near);
    assert_int_equal(near_same(&near).doubtful, 0);
    near_free(&near);
    near = near_new(OUTLIER, 1000, 16, 5);
    near_brute(&near);
    assert_in_range(near_same(&near).doubtful, 0, 1);
    near_free(&near);
    near = near_new(NEAR_40, 1000, 16, 5);
    near_brute(&near);
    assert_in_range(near_same(&near).doubtful, 900, 1000);
    near_free(&near);
}

#if defined(__x86_64__)
/* A caller that has small numbers taken for 0 and rounds up gets the same, and keeps its ways. */
static void test_callers_rounding(void **state)
{
    const unsigned saved = _mm_getcsr(), odd = 0x1f80 | 0x8040 | 0x4000;
    struct near near = near_new(TINY, 500, 6, 5);
    uint32_t *index = malloc(500 * 5 * sizeof(*index));
    float *distance = malloc(500 * 5 * sizeof(*distance));
    unsigned after;
    int code;

    (void)state;
    near_brute(&near);
    near.options.threads = 2;
    _mm_setcsr(odd);
    code = evd_neighbours(&near.options, index, distance, NULL);
    after = _mm_getcsr();
    _mm_setcsr(saved);
    assert_int_equal(code, EVD_OK);
    assert_int_equal(after & ~0x3fu, odd & ~0x3fu);
    assert_memory_equal(index, near.index, 500 * 5 * sizeof(*index));
    assert_memory_equal(distance, near.distance, 500 * 5 * sizeof(*distance));
    free(index);
    free(distance);
    near_free(&near);
}
#endif

static void refused(const struct near *near, int code, const char *words)
{
    evd_neighbours_result result;

    assert_int_equal(evd_neighbours(&near->options, near->index, near->distance, &result), code);
    if (strstr(result.message, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, result.message);
    assert_int_equal(evd_neighbours(&near->options, near->index, near->distance, NULL), code);
}

static void test_bad_features(void **state)
{
    struct near near = near_new(GAUSSIAN, 300, 4, 5);

    (void)state;
    near.narrow[7 * 4 + 2] = NAN;
    refused(&near, EVD_E_BAD_VALUE, "row 7, column 2 is nan");
    near.narrow[7 * 4 + 2] = -INFINITY;
    refused(&near, EVD_E_BAD_VALUE, "row 7, column 2 is -inf");
    near.narrow[7 * 4 + 2] = 2e35f;
    refused(&near, EVD_E_BAD_VALUE, "row 7, column 2 is 2e+35: beyond 1e35");
    near_wide(&near);
    near.wide[1] = 1e150;
    refused(&near, EVD_E_BAD_VALUE, "row 0, column 1 is 1e+150: beyond 1e35");
    near.wide[1] = 1e35;
    near_brute(&near);
    near_same(&near);
    memset(near.wide + 9 * 4, 0, 4 * sizeof(double));
    near.options.metric = EVD_METRIC_COSINE;
    refused(&near, EVD_E_BAD_VALUE, "row 9 has length 0: the cosine");
    near.wide[9 * 4 + 3] = 1e-160;
    refused(&near, EVD_E_BAD_VALUE, "row 9 has length ");
    near_free(&near);
}

#define REFUSED_WITH(member, wrong, code, words)                                                   \
    do {                                                                                           \
        struct near with = near;                                                                   \
        with.options.member = wrong;                                                               \
        refused(&with, code, words);                                                               \
    } while (0)

static void test_bad_options(void **state)
{
    struct near near = near_new(GAUSSIAN, 30, 4, 5);
    evd_neighbours_result result;

    (void)state;
    near_labels(&near, 3);
    REFUSED_WITH(features, NULL, EVD_E_USAGE, "features");
    REFUSED_WITH(type, 2, EVD_E_USAGE, "type");
    REFUSED_WITH(metric, -1, EVD_E_USAGE, "metric");
    REFUSED_WITH(scope, 3, EVD_E_USAGE, "scope");
    REFUSED_WITH(partial, "", EVD_E_USAGE, "name a file");
    REFUSED_WITH(n, 0, EVD_E_LIMIT, "0 rows");
    REFUSED_WITH(n, UINT64_C(1) << 31, EVD_E_LIMIT, "2147483648 rows");
    REFUSED_WITH(d, 0, EVD_E_LIMIT, "0 columns");
    REFUSED_WITH(d, 65537, EVD_E_LIMIT, "65537 columns");
    REFUSED_WITH(k, 0, EVD_E_LIMIT, "k is 0");
    REFUSED_WITH(k, 257, EVD_E_LIMIT, "k is 257");
    REFUSED_WITH(threads, 1025, EVD_E_LIMIT, "1025 threads");
    near.options.scope = EVD_SCOPE_OF_CLASS;
    REFUSED_WITH(of_class, 1u << 20, EVD_E_LIMIT, "class 1048576");
    REFUSED_WITH(of_class, 3, EVD_E_NOT_FOUND, "no sample is of class 3");
    near.labels[4] = 1u << 20;
    refused(&near, EVD_E_LIMIT, "row 4 has label 1048576");
    for (int i = 0; i < 30; i++)
        near.labels[i] = EVD_NO_LABEL;
    near.options.scope = EVD_SCOPE_CLASS;
    refused(&near, EVD_E_NOT_FOUND, "no sample has a label");
    assert_int_equal(evd_neighbours(NULL, near.index, near.distance, &result), EVD_E_USAGE);
    assert_int_equal(evd_neighbours(&near.options, NULL, near.distance, &result), EVD_E_USAGE);
    assert_int_equal(evd_neighbours(&near.options, near.index, NULL, NULL), EVD_E_USAGE);
    near_free(&near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hard_features),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_few_of_a_class),
        cmocka_unit_test(test_the_smallest_is_named),
        cmocka_unit_test(test_doubtful),
#if defined(__x86_64__)
        cmocka_unit_test(test_callers_rounding),
#endif
        cmocka_unit_test(test_bad_features),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
