/*
 * evd_select: each method on a few points on a line, and what is refused. Larger sets, and
 * imbalanced-learn, are in oracle_select.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <evendraw_features.h>

#define ROWS 12
#define NO   EVD_NO_LABEL

/* Points on a line, and their classes. */
struct line {
    uint32_t n;
    float at[ROWS];
    uint32_t labels[ROWS];
};

static const struct line
    /* 5 and 5.4 are a link */
    links = {5, {0, 1, 5, 5.4f, 9}, {0, 0, 0, 1, 1}},
    /* the sample at 2 has two equally near ones, the first of class 1 */
    between = {4, {0, 2, 4, 7}, {1, 0, 0, 0}},
    /* each is nearer to 0 than to the next, as soon as the one before is gone */
    chain = {6, {0, 1, 2.1f, 4.3f, 8.7f, 8.8f}, {1, 0, 0, 0, 0, 0}},
    /* 1 is the nearest of 0, but has a nearer one of its own class */
    edge = {5, {0, 1, 1.5f, 10, 11}, {1, 0, 0, 0, 0}},
    ends = {5, {0, 10, 1, 4, 9.5f}, {1, 1, 0, 0, 0}},
    condense = {6, {0, 10, 9, 0.4f, 0.9f, 4}, {1, 0, 0, 0, 0, 0}},
    /* three classes; the second row has no label, and would be nearest to all */
    three = {9, {0, 5, 1, 2, 6, 7, 10, 11, 5.5f}, {0, NO, 0, 0, 0, 1, 1, 1, 2}};

static evd_select_options options_of(const struct line *line, int method)
{
    evd_select_options o = EVD_SELECT_OPTIONS_INIT;

    o.features = line->at;
    o.labels = line->labels;
    o.n = line->n;
    o.d = 1;
    o.classes = 3;
    o.k = 1;
    o.method = method;
    o.threads = 1;
    return o;
}

/* expected: a digit for each row. */
static evd_select_result selects(const evd_select_options *o, const char *expected)
{
    uint8_t keep[ROWS];
    uint64_t counts[3], sum = 0;
    char got[ROWS + 1] = "";
    evd_select_result result;
    const int code = evd_select(o, keep, counts, &result);

    assert_string_equal(result.message, "");
    assert_int_equal(code, EVD_OK);
    for (uint64_t i = 0; i < o->n; i++)
        got[i] = (char)('0' + keep[i]);
    assert_string_equal(got, expected);
    for (uint32_t c = 0; c < 3; c++) {
        uint64_t members = 0;

        for (uint64_t i = 0; i < o->n; i++)
            members += keep[i] && o->labels[i] == c;
        assert_int_equal(counts[c], members);
        sum += members;
    }
    assert_int_equal(result.kept, sum);
    return result;
}

static void test_tomek(void **state)
{
    evd_select_options o = options_of(&links, EVD_SELECT_TOMEK);
    const uint32_t list[] = {1};
    evd_select_result result;

    (void)state;
    result = selects(&o, "11011");
    assert_int_equal(result.samples, 5);
    assert_int_equal(result.smallest, 1);
    assert_string_equal(result.warning, "");
    o.targets = EVD_TARGETS_ALL;
    selects(&o, "11001");
    o.targets = EVD_TARGETS_NOT_MAJORITY;
    selects(&o, "11101");
    o.targets = EVD_TARGETS_MAJORITY;
    selects(&o, "11011");
    o.targets = EVD_TARGETS_LIST;
    o.target_list = list;
    o.target_count = 1;
    selects(&o, "11101");
}

static void test_edited(void **state)
{
    evd_select_options o = options_of(&links, EVD_SELECT_ENN);
    evd_select_result result;

    (void)state;
    selects(&o, "11011");
    o = options_of(&between, EVD_SELECT_ENN);
    selects(&o, "1011");
    o.vote = EVD_VOTE_MODE;
    o.k = 2; /* one vote for each class: the lower wins */
    selects(&o, "1111");
    o.targets = EVD_TARGETS_ALL;
    result = selects(&o, "0111");
    assert_string_equal(result.warning, "No sample of class 1 is kept.");

    o = options_of(&chain, EVD_SELECT_ENN);
    selects(&o, "101111");
    o.method = EVD_SELECT_RENN;
    result = selects(&o, "100011");
    assert_int_equal(result.iterations, 4);
    assert_string_equal(result.warning, "");
    o.max_iterations = 2;
    result = selects(&o, "100111");
    assert_string_equal(result.warning,
                        "Ended after 2 iterations, the last of which still removed samples.");
    o.method = EVD_SELECT_ALLKNN;
    o.k = 2;
    result = selects(&o, "100011");
    assert_int_equal(result.iterations, 2);
}

/* A class that would become smaller than the smallest was ends it. */
static void test_ends(void **state)
{
    static const struct line both = {6, {0, 10, 1, 2.1f, 11, 12.1f}, {0, 0, 1, 1, 1, 1}};
    evd_select_options o = options_of(&both, EVD_SELECT_RENN);
    evd_select_result result;

    (void)state;
    /* First 1 and 11 go, which leaves two; then 2.1 and 12.1, each nearer to class 0. */
    result = selects(&o, "110000");
    assert_int_equal(result.iterations, 2);
    assert_string_equal(result.warning, "No sample of class 1 is kept.");
    o.method = EVD_SELECT_ALLKNN;
    selects(&o, "110101");
}

static void test_cleaning_rule(void **state)
{
    evd_select_options o = options_of(&edge, EVD_SELECT_NCR);

    (void)state;
    selects(&o, "10111");
    o.threshold = 0.9; /* class 0 has 0.8 of all */
    selects(&o, "11111");
}

static void test_nearmiss(void **state)
{
    evd_select_options o = options_of(&ends, EVD_SELECT_NEARMISS_1);
    const uint32_t list[] = {0};
    uint64_t wanted[] = {1};
    evd_select_result result;

    (void)state;
    selects(&o, "11101");
    o.method = EVD_SELECT_NEARMISS_2;
    selects(&o, "11110");
    o.k = 3; /* the smallest has two */
    result = selects(&o, "11110");
    assert_non_null(strstr(result.warning, "Distances to all 2 samples of class 1, the smallest"));
    o.k = 1;
    o.method = EVD_SELECT_NEARMISS_3;
    o.candidates = 1;
    selects(&o, "11101");
    o.targets = EVD_TARGETS_LIST;
    o.target_list = list;
    o.target_counts = wanted;
    o.target_count = 1;
    selects(&o, "11100");
    wanted[0] = 3;
    result = selects(&o, "11101");
    assert_non_null(strstr(result.warning, "Of class 0 2 samples are kept where 3 are wanted"));
    wanted[0] = 0;
    result = selects(&o, "11000");
    assert_string_equal(result.warning, "No sample of class 0 is kept.");
}

static void test_condensed(void **state)
{
    evd_select_options o = options_of(&condense, EVD_SELECT_CNN);
    const uint32_t first[] = {1};
    uint8_t keep[ROWS], again[ROWS];
    int differ = 0;

    (void)state;
    o.first = first;
    o.first_count = 1;
    selects(&o, "110100");
    o.method = EVD_SELECT_OSS;
    selects(&o, "110011"); /* 0.4 is in a link */
    o.first = NULL;
    o.method = EVD_SELECT_CNN;
    for (o.seed = 0; o.seed < 20; o.seed++) {
        assert_int_equal(evd_select(&o, keep, NULL, NULL), EVD_OK);
        o.threads = 2;
        assert_int_equal(evd_select(&o, again, NULL, NULL), EVD_OK);
        assert_memory_equal(keep, again, condense.n);
        differ += keep[5]; /* only ever kept if it is drawn */
    }
    assert_in_range(differ, 1, 19);
    o.seeds = 5;
    selects(&o, "111111");
}

static void test_hardness(void **state)
{
    const double p[] = {1, 0.9, 0.1, 0.5, 0.5};
    evd_select_options o = options_of(&ends, EVD_SELECT_INSTANCE_HARDNESS);

    (void)state;
    o.features = NULL;
    o.probabilities = p;
    selects(&o, "11011"); /* two of 0.1, 0.5, 0.5 stay */
    o.targets = EVD_TARGETS_ALL;
    selects(&o, "11011");
}

static void test_no_label(void **state)
{
    evd_select_options o = options_of(&three, EVD_SELECT_TOMEK);

    (void)state;
    /* 6 and 5.5 are a link */
    assert_int_equal(selects(&o, "101101111").samples, 8);
    o.method = EVD_SELECT_NEARMISS_1;
    assert_int_equal(selects(&o, "000011001").smallest, 2);
}

/* ---- what is refused ---- */

static void refused(const evd_select_options *o, int code, const char *words)
{
    uint8_t keep[ROWS];
    evd_select_result result;

    assert_int_equal(evd_select(o, keep, NULL, &result), code);
    if (strstr(result.message, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, result.message);
    assert_int_equal(evd_select(o, keep, NULL, NULL), code);
}

#define REFUSED_WITH(member, wrong, code, words)                                                   \
    do {                                                                                           \
        evd_select_options with = o;                                                               \
        with.member = wrong;                                                                       \
        refused(&with, code, words);                                                               \
    } while (0)

static void test_bad_options(void **state)
{
    evd_select_options o = options_of(&three, EVD_SELECT_ENN);
    uint8_t keep[ROWS];

    (void)state;
    REFUSED_WITH(features, NULL, EVD_E_USAGE, "this method needs features");
    REFUSED_WITH(labels, NULL, EVD_E_USAGE, "labels");
    REFUSED_WITH(method, -1, EVD_E_USAGE, "EVD_SELECT_*");
    REFUSED_WITH(method, EVD_SELECT_INSTANCE_HARDNESS + 1, EVD_E_USAGE, "EVD_SELECT_*");
    REFUSED_WITH(method, EVD_SELECT_INSTANCE_HARDNESS, EVD_E_USAGE, "needs probabilities");
    REFUSED_WITH(targets, EVD_TARGETS_LIST + 1, EVD_E_USAGE, "EVD_TARGETS_*");
    REFUSED_WITH(vote, 2, EVD_E_USAGE, "EVD_VOTE_*");
    REFUSED_WITH(type, 2, EVD_E_USAGE, "EVD_FEATURES_*");
    REFUSED_WITH(metric, 2, EVD_E_USAGE, "EVD_METRIC_*");
    REFUSED_WITH(n, 0, EVD_E_LIMIT, "0 rows");
    REFUSED_WITH(n, UINT64_C(1) << 31, EVD_E_LIMIT, "2147483648 rows");
    REFUSED_WITH(d, 0, EVD_E_LIMIT, "0 columns");
    REFUSED_WITH(d, 65537, EVD_E_LIMIT, "65537 columns");
    REFUSED_WITH(classes, 0, EVD_E_LIMIT, "0 classes");
    REFUSED_WITH(classes, (1u << 20) + 1, EVD_E_LIMIT, "1048577 classes");
    REFUSED_WITH(classes, 2, EVD_E_LIMIT, "row 8 has label 2, and there are 2 classes");
    REFUSED_WITH(k, 0, EVD_E_LIMIT, "k is 0");
    REFUSED_WITH(k, 257, EVD_E_LIMIT, "k is 257");
    REFUSED_WITH(candidates, 0, EVD_E_LIMIT, "candidates is 0");
    REFUSED_WITH(candidates, 257, EVD_E_LIMIT, "candidates is 257");
    REFUSED_WITH(max_iterations, 0, EVD_E_LIMIT, "max_iterations and seeds");
    REFUSED_WITH(seeds, 0, EVD_E_LIMIT, "max_iterations and seeds");
    REFUSED_WITH(threshold, 0, EVD_E_LIMIT, "threshold is 0");
    REFUSED_WITH(threshold, 1, EVD_E_LIMIT, "threshold is 1");
    REFUSED_WITH(threshold, NAN, EVD_E_LIMIT, "threshold is nan");
    REFUSED_WITH(threads, 1025, EVD_E_LIMIT, "1025 threads");
    assert_int_equal(evd_select(NULL, keep, NULL, NULL), EVD_E_USAGE);
    assert_int_equal(evd_select(&o, NULL, NULL, NULL), EVD_E_USAGE);
}

static void test_bad_targets(void **state)
{
    evd_select_options o = options_of(&three, EVD_SELECT_NEARMISS_1);
    uint32_t list[] = {0, 1};
    uint64_t counts[] = {4, 3};

    (void)state;
    o.target_counts = counts;
    refused(&o, EVD_E_USAGE, "EVD_TARGETS_LIST");
    o.targets = EVD_TARGETS_LIST;
    refused(&o, EVD_E_USAGE, "a list of one class at least");
    o.target_list = list;
    refused(&o, EVD_E_USAGE, "a list of one class at least");
    o.target_count = 2;
    REFUSED_WITH(method, EVD_SELECT_ENN, EVD_E_USAGE, "other methods find that themselves");
    counts[1] = 4;
    refused(&o, EVD_E_BAD_VALUE, "4 samples of class 1 are to be kept, and it has 3");
    list[1] = 0;
    refused(&o, EVD_E_BAD_VALUE, "class 0 is in the list twice");
    list[1] = 3;
    refused(&o, EVD_E_NOT_FOUND, "class 3 is to lose samples, and has none");
    o.classes = 5; /* in range, without samples */
    refused(&o, EVD_E_NOT_FOUND, "class 3 is to lose samples, and has none");
}

static void test_bad_classes(void **state)
{
    static const struct line one = {3, {0, 1, 2}, {2, 2, 2}}, none = {2, {0, 1}, {NO, NO}};
    evd_select_options o = options_of(&one, EVD_SELECT_TOMEK);

    (void)state;
    refused(&o, EVD_E_BAD_VALUE, "all 3 samples are of class 2");
    o = options_of(&none, EVD_SELECT_TOMEK);
    refused(&o, EVD_E_NOT_FOUND, "no sample has a label");
    o = options_of(&three, EVD_SELECT_ENN);
    o.k = 8;
    refused(&o, EVD_E_BAD_VALUE, "9 samples with a label in all, and 8 are there");
    o.method = EVD_SELECT_NCR;
    refused(&o, EVD_E_BAD_VALUE, "9 samples with a label in all, and 8 are there");
    o.method = EVD_SELECT_NEARMISS_1;
    o.k = 2;
    refused(&o, EVD_E_BAD_VALUE, "class 2 is the smallest and has 1 samples, fewer than k = 2");
    o.method = EVD_SELECT_NEARMISS_3;
    refused(&o, EVD_E_BAD_VALUE, "class 2 is the smallest and has 1 samples, fewer than k = 2");
    o.k = 1;
    o.candidates = 4;
    refused(&o, EVD_E_BAD_VALUE, "class 1 has 3 samples");
}

/* With the rounds fewer and fewer are left. */
static void test_too_few_left(void **state)
{
    evd_select_options o = options_of(&chain, EVD_SELECT_ALLKNN);

    (void)state;
    o.k = 5;
    refused(&o, EVD_E_BAD_VALUE, "and 3 are left: take a smaller k");
}

static void test_bad_beginnings(void **state)
{
    evd_select_options o = options_of(&three, EVD_SELECT_CNN);
    uint32_t first[] = {0, 5, 9};

    (void)state;
    o.first = first;
    o.first_count = 3;
    refused(&o, EVD_E_BAD_VALUE, "row 9 is given to begin with, and is no sample");
    first[2] = 1;
    refused(&o, EVD_E_BAD_VALUE, "row 1 is given to begin with, and is no sample");
    first[2] = 8;
    refused(&o, EVD_E_BAD_VALUE, "row 8 is given to begin with, and is no sample");
    first[2] = 5;
    refused(&o, EVD_E_BAD_VALUE, "row 5 is given twice");
    o.first_count = 1;
    refused(&o, EVD_E_BAD_VALUE, "no sample of class 1 is given");
    o.first = NULL;
    o.seeds = 4;
    refused(&o, EVD_E_BAD_VALUE, "class 1 has 3 samples, fewer than the 4 to begin with");
    o.targets = EVD_TARGETS_ALL;
    refused(&o, EVD_E_BAD_VALUE, "class 2 is the smallest: cnn and oss keep all of it");
    o.method = EVD_SELECT_OSS;
    refused(&o, EVD_E_BAD_VALUE, "class 2 is the smallest: cnn and oss keep all of it");
}

static void test_bad_numbers(void **state)
{
    struct line line = links;
    double p[] = {0.5, 0.5, 1.5, 0.5, 0.5};
    evd_select_options o = options_of(&line, EVD_SELECT_INSTANCE_HARDNESS);

    (void)state;
    o.probabilities = p;
    refused(&o, EVD_E_BAD_VALUE, "row 2 has probability 1.5");
    p[2] = -0.1;
    refused(&o, EVD_E_BAD_VALUE, "row 2 has probability -0.1");
    p[2] = NAN;
    refused(&o, EVD_E_BAD_VALUE, "row 2 has probability nan");
    line.labels[2] = NO;
    selects(&o, "11011");
    line.labels[2] = 0;
    line.at[2] = INFINITY;
    o.candidates = 1;
    for (int method = EVD_SELECT_TOMEK; method <= EVD_SELECT_OSS; method++) {
        o.method = method;
        refused(&o, EVD_E_BAD_VALUE, "row 2, column 0 is inf");
    }
    line.at[2] = 0;
    o.metric = EVD_METRIC_COSINE;
    refused(&o, EVD_E_BAD_VALUE, "row 0 has length 0: the cosine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tomek),          cmocka_unit_test(test_edited),
        cmocka_unit_test(test_ends),           cmocka_unit_test(test_cleaning_rule),
        cmocka_unit_test(test_nearmiss),       cmocka_unit_test(test_condensed),
        cmocka_unit_test(test_hardness),       cmocka_unit_test(test_no_label),
        cmocka_unit_test(test_bad_options),    cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_bad_classes),    cmocka_unit_test(test_too_few_left),
        cmocka_unit_test(test_bad_beginnings), cmocka_unit_test(test_bad_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
