/*
 * What is said of selections: words for constants, which options a method looks at, names of
 * classes in messages, terms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <evendraw_features.h>

static evd_select_options options_of(int method)
{
    static const float rows[] = {0, 1, 2, 6, 7, 10, 11, 5.5f};
    static const uint32_t labels[] = {0, 0, 0, 0, 1, 1, 1, 2};
    evd_select_options o = EVD_SELECT_OPTIONS_INIT;

    o.features = rows;
    o.labels = labels;
    o.n = 8;
    o.d = 1;
    o.classes = 3;
    o.method = method;
    o.threads = 1;
    return o;
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(evd_select_word("method", EVD_SELECT_TOMEK), "tomek");
    assert_string_equal(evd_select_word("method", EVD_SELECT_NEARMISS_3), "nearmiss-3");
    assert_string_equal(evd_select_word("method", EVD_SELECT_INSTANCE_HARDNESS),
                        "instance-hardness");
    assert_null(evd_select_word("method", EVD_SELECT_INSTANCE_HARDNESS + 1));
    assert_null(evd_select_word("method", -1));
    assert_string_equal(evd_select_word("targets", EVD_TARGETS_NOT_MINORITY), "not minority");
    assert_string_equal(evd_select_word("targets", EVD_TARGETS_ALL), "all");
    assert_null(evd_select_word("targets", EVD_TARGETS_LIST));
    assert_string_equal(evd_select_word("vote", EVD_VOTE_MODE), "mode");
    assert_null(evd_select_word("vote", 2));
    assert_string_equal(evd_select_word("metric", EVD_METRIC_COSINE), "cosine");
    assert_null(evd_select_word("metric", -1));
    assert_null(evd_select_word("k", 0));
}

static void takes(void **state)
{
    (void)state;
    assert_true(evd_select_takes(EVD_SELECT_ENN, "features"));
    assert_true(evd_select_takes(EVD_SELECT_ENN, "k"));
    assert_true(evd_select_takes(EVD_SELECT_RENN, "max_iterations"));
    assert_true(evd_select_takes(EVD_SELECT_CNN, "seed"));
    assert_false(evd_select_takes(EVD_SELECT_ENN, "seed"));
    assert_false(evd_select_takes(EVD_SELECT_CNN, "see"));
    assert_false(evd_select_takes(EVD_SELECT_ENN, ""));
    assert_false(evd_select_takes(EVD_SELECT_INSTANCE_HARDNESS, "features"));
    assert_false(evd_select_takes(-1, "features"));
    assert_false(evd_select_takes(EVD_SELECT_INSTANCE_HARDNESS + 1, "features"));
}

static void refused(const evd_select_options *o, const char *expected)
{
    uint8_t keep[8];
    evd_select_result result;

    assert_int_not_equal(evd_select(o, keep, NULL, &result), EVD_OK);
    if (!strstr(result.message, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, result.message);
}

/* Long ones are cut, but no character of them. */
static void names_of_classes(void **state)
{
    const char *names[] = {"dog", "cat", "bee"};
    evd_select_options o = options_of(EVD_SELECT_NEARMISS_1);
    uint32_t list[] = {0, 0};
    char name[201] = "x", expected[160] = "class \"x";

    (void)state;
    for (int i = 0; i < 50; i++)
        strcat(name, "\xc3\xa9");
    for (int i = 0; i < 39; i++)
        strcat(expected, "\xc3\xa9");
    strcat(expected, "...\" is in the list twice");
    o.class_names = names;
    o.targets = EVD_TARGETS_LIST;
    o.target_list = list;
    o.target_count = 2;
    refused(&o, "class \"dog\" is in the list twice");
    names[0] = name;
    refused(&o, expected);
    list[0] = 3; /* there is no name of it */
    refused(&o, "class 3 is to lose samples");
    o.k = 2;
    o.targets = EVD_TARGETS_ALL;
    refused(&o, "class \"bee\" is the smallest and has 1 samples");
}

static void assert_terms(const evd_select_options *o, const char *expected)
{
    char *terms = evd_select_terms(o);

    assert_non_null(terms);
    if (!strstr(terms, expected))
        fail_msg("%s is not in %s", expected, terms);
    evd_free(terms);
}

/* Once more, after something was changed. */
static void assert_other_terms(const evd_select_options *o, char *terms)
{
    char *again = evd_select_terms(o);

    assert_string_not_equal(terms, again);
    evd_free(terms);
    evd_free(again);
}

/* What the method looks at, and nothing else. */
static void terms(void **state)
{
    evd_select_options o = options_of(EVD_SELECT_ENN);
    uint32_t list[100] = {0, 1}, first[] = {0, 5};
    uint64_t counts[100] = {2, 1};
    double p[] = {1, 1, 1, 1, 1, 1, 1, 1};
    char *before;

    (void)state;
    assert_terms(&o, "\"type\":\"float32\",\"d\":1,\"n\":8,");
    assert_terms(&o, "\"method\":\"enn\",\"targets\":\"not minority\",\"metric\":\"euclidean\","
                     "\"k\":3,\"vote\":\"all\"}");
    o.targets = EVD_TARGETS_LIST;
    o.target_list = list;
    o.target_count = 2;
    assert_terms(&o, "\"targets\":\"0 1\"");
    o.method = EVD_SELECT_NEARMISS_1;
    o.target_counts = counts;
    assert_terms(&o, "\"targets\":\"0:2 1:1\",\"metric\":\"euclidean\",\"k\":3}");
    o.target_count = 100;
    assert_terms(&o, "\"targets\":\"100 classes, ");
    before = evd_select_terms(&o);
    counts[99]++;
    assert_other_terms(&o, before);
    o = options_of(EVD_SELECT_CNN);
    assert_terms(&o, "\"metric\":\"euclidean\",\"seeds\":1,\"seed\":0}");
    o.first = first;
    o.first_count = 2;
    assert_terms(&o, "\"metric\":\"euclidean\",\"first\":\"");
    before = evd_select_terms(&o);
    first[1] = 6;
    assert_other_terms(&o, before);
    o = options_of(EVD_SELECT_INSTANCE_HARDNESS);
    o.probabilities = p;
    assert_terms(&o, "{\"n\":8,");
    assert_terms(&o, "\"targets\":\"not minority\",\"probabilities\":\"");
    before = evd_select_terms(&o);
    p[7] = 0.5;
    assert_other_terms(&o, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(takes),
        cmocka_unit_test(names_of_classes),
        cmocka_unit_test(terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
