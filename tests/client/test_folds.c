/*
 * evd_folds: each method on a few samples, what is refused, and a machine without memory (the
 * program is linked with --wrap for that). Larger sets, scikit-learn and second implementations are
 * in oracle_folds.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/folds.h"

#define NO EVD_NO_LABEL
#define N  12

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static unsigned countdown; /* allocations until one fails; 0: none fails */

void *__wrap_calloc(size_t count, size_t size)
{
    if (countdown && --countdown == 0)
        return NULL;
    return __real_calloc(count, size);
}

static const uint32_t labels[N] = {1, 1, NO, 0, 1, 0, 1, 0, 1, 2, 1, 0};
static const uint64_t groups[N] = {
    7, 7, 7, UINT64_MAX, 3, 3, 7, UINT64_MAX, 0, 0, 0, UINT64_MAX,
};
static const double hard[N] = {.5, .4, NAN, .9, 1, 0, .4, .8, .1, .3, .2, .7};
/* Label 0: samples 0 and 2; label 1: samples 0 to 5; label 2: nobody. */
static const uint64_t starts[N + 1] = {0, 2, 3, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8};
static const uint32_t sets[] = {0, 1, 1, 0, 1, 1, 1, 1};

static evd_folds_options options_of(int method)
{
    evd_folds_options o = EVD_FOLDS_OPTIONS_INIT;

    o.labels = labels;
    o.n = N;
    o.classes = 3;
    o.folds = 3;
    o.method = method;
    o.groups = groups;
    o.set_starts = starts;
    o.set_labels = sets;
    o.probabilities = hard;
    return o;
}

/* What `counts` says is so, and no fold is empty. */
static evd_folds_result makes(const evd_folds_options *o, uint16_t *fold)
{
    uint64_t counts[3 * 4], sizes[4] = {0}, sum = 0;
    evd_folds_result result;

    memset(counts, 0xff, sizeof(counts));
    assert_int_equal(evd_folds(o, fold, counts, &result), EVD_OK);
    assert_string_equal(result.message, "");
    for (uint64_t i = 0; i < o->n; i++) {
        if (o->labels && o->labels[i] == NO) {
            assert_int_equal(fold[i], EVD_NO_FOLD);
            continue;
        }
        assert_true(fold[i] < o->folds);
        sizes[fold[i]]++;
        sum++;
        if (o->method != EVD_FOLDS_MULTILABEL)
            counts[o->labels[i] * o->folds + fold[i]]--;
        for (uint64_t s = starts[i]; o->method == EVD_FOLDS_MULTILABEL && s < starts[i + 1]; s++)
            counts[sets[s] * o->folds + fold[i]]--;
    }
    assert_int_equal(result.samples, sum);
    for (uint32_t i = 0; i < 3 * o->folds; i++)
        assert_int_equal(counts[i], 0);
    for (uint32_t f = 0; f < o->folds; f++)
        assert_true(sizes[f] > 0);
    return result;
}

static void expect(const uint16_t *fold, const char *expected)
{
    char got[N + 1] = "";

    for (int i = 0; i < N; i++)
        got[i] = (char)(fold[i] == EVD_NO_FOLD ? '-' : '0' + fold[i]);
    assert_string_equal(got, expected);
}

static void stratified(void **state)
{
    evd_folds_options o = options_of(EVD_FOLDS_STRATIFIED);
    evd_folds_result result;
    uint16_t fold[N], other[N];

    (void)state;
    result = makes(&o, fold);
    assert_int_equal(result.absent, 1);
    assert_int_equal(result.absent_class, 2);
    assert_int_equal(result.absent_folds, 2);
    assert_int_equal(result.absent_members, 1);
    /* What a seed draws stays: class 1 comes first with 2, 2, 2, then class 0 with 2, 1, 1, then
     * class 2. */
    expect(fold, "22-100001112");
    o.seed = 1;
    makes(&o, other);
    assert_memory_not_equal(fold, other, sizeof(fold));
    o.seed = 0;
    makes(&o, other);
    assert_memory_equal(fold, other, sizeof(fold));
    assert_int_equal(evd_folds(&o, other, NULL, NULL), EVD_OK);
    assert_memory_equal(fold, other, sizeof(fold));
}

static void grouped(void **state)
{
    evd_folds_options o = options_of(EVD_FOLDS_GROUPED);
    uint16_t fold[N];
    evd_folds_result result;

    (void)state;
    /* Group 7 has three of class 1 and goes to fold 0, the one with the largest number has three of
     * class 0: fold 1. Group 0 has two of class 1 and one of class 2 and goes to fold 2, and so
     * does group 3, with one of class 0 and 1; then group 0 moves to fold 1. */
    result = makes(&o, fold);
    assert_int_equal(result.groups, 4);
    expect(fold, "00-122011111");
    assert_int_equal(result.absent, 2);
    assert_int_equal(result.absent_class, 2);
    o.folds = 2;
    makes(&o, fold);
    o.folds = 4;
    makes(&o, fold);
}

static void multilabel(void **state)
{
    evd_folds_options o = options_of(EVD_FOLDS_MULTILABEL);
    uint16_t fold[N];
    evd_folds_result result;

    (void)state;
    result = makes(&o, fold);
    /* Both of label 0 are in folds of their own, sample 2 without a class in none. */
    assert_int_equal(result.absent, 1);
    assert_int_equal(result.absent_class, 0);
    assert_int_equal(result.absent_folds, 2);
    assert_int_equal(result.absent_members, 1);
    o.labels = NULL;
    result = makes(&o, fold);
    assert_int_equal(result.samples, N);
    assert_int_not_equal(fold[0], fold[2]);
    assert_int_equal(result.absent_class, 0);
    assert_int_equal(result.absent_folds, 1);
    o.folds = 2;
    result = makes(&o, fold);
    assert_int_equal(result.absent, 0);
    assert_int_equal(result.absent_class, EVD_NO_LABEL);
}

static void hardness(void **state)
{
    evd_folds_options o = options_of(EVD_FOLDS_HARDNESS);
    uint16_t fold[N];

    (void)state;
    /* Class 0, the easiest first: rows 3, 7, 11, 5. Class 1, the hardest first: 8, 10, 1, 6, 0, 4.
     * Then class 2. */
    makes(&o, fold);
    expect(fold, "20-000111122");
}

static void refuses(const evd_folds_options *o, int code, const char *words)
{
    evd_folds_result result;
    uint16_t fold[N];

    assert_int_equal(evd_folds(o, fold, NULL, &result), code);
    if (!strstr(result.message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, result.message);
}

static void refused(void **state)
{
    static const double wrong[N] = {.5, .5, .5, 1.5};
    static const uint32_t nobody[N] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO};
    static const uint32_t small[N] = {0, 0, 1, 1, 2, 2, NO, NO, NO, NO, NO, NO};
    evd_folds_options o;
    uint16_t fold[N];

    (void)state;
    for (int method = EVD_FOLDS_STRATIFIED; method <= EVD_FOLDS_HARDNESS; method++) {
        o = options_of(method);
        o.folds = 1;
        refuses(&o, EVD_E_LIMIT, "1 folds: there can be from 2 to 1024");
        o.folds = 1025;
        refuses(&o, EVD_E_LIMIT, "1025 folds");
        o = options_of(method);
        o.labels = nobody;
        refuses(&o, EVD_E_NOT_FOUND, "no sample has a label");
        o = options_of(method);
        o.folds = 12;
        refuses(&o, EVD_E_BAD_VALUE, "11 samples cannot be in 12 folds");
        o = options_of(method);
        o.classes = 2;
        o.set_labels = (const uint32_t[]){0, 2};
        refuses(&o, EVD_E_LIMIT, "there are 2");
        o.n = 0;
        refuses(&o, EVD_E_LIMIT, "0 samples");
        o = options_of(method);
        o.classes = 0;
        refuses(&o, EVD_E_LIMIT, "there can be from 1 to");
        o = options_of(method);
        o.seed = UINT64_C(1) << 63;
        refuses(&o, EVD_E_LIMIT, "seed");
        o = options_of(method);
        o.labels = o.set_labels = NULL;
        o.groups = o.set_starts = NULL;
        o.probabilities = NULL;
        refuses(&o, EVD_E_USAGE, "this method needs ");
        assert_int_equal(evd_folds(&o, NULL, NULL, NULL), EVD_E_USAGE);
        assert_int_equal(evd_folds(NULL, fold, NULL, NULL), EVD_E_USAGE);
    }
    o.method = 4;
    refuses(&o, EVD_E_USAGE, "EVD_FOLDS_");
    o = options_of(EVD_FOLDS_STRATIFIED);
    o.labels = small;
    refuses(&o, EVD_E_BAD_VALUE, "every class has fewer samples than there are folds, 2 at most");
    o = options_of(EVD_FOLDS_GROUPED);
    o.folds = 5;
    refuses(&o, EVD_E_BAD_VALUE, "4 groups, which cannot be in 5 folds");
    o = options_of(EVD_FOLDS_HARDNESS);
    o.probabilities = wrong;
    refuses(&o, EVD_E_BAD_VALUE, "row 3 has probability 1.5");
}

static void wrong_sets(void **state)
{
    static const uint32_t twice[] = {0, 1, 1, 1, 1, 1, 1, 1}, large[] = {0, 1, 3, 0, 1, 1, 1, 1};
    static const uint64_t back[N + 1] = {0, 2, 1}, far[N + 1] = {0, 2, UINT64_MAX};
    evd_folds_options o = options_of(EVD_FOLDS_MULTILABEL);

    (void)state;
    o.set_labels = twice;
    refuses(&o, EVD_E_BAD_VALUE, "row 2 has label 1 behind label 1");
    o.set_labels = large;
    refuses(&o, EVD_E_LIMIT, "row 1 has label 3, and there are 3");
    o = options_of(EVD_FOLDS_MULTILABEL);
    o.set_starts = back;
    refuses(&o, EVD_E_BAD_VALUE, "row 1 has labels from place 2 to 1");
    o.set_starts = far;
    refuses(&o, EVD_E_BAD_VALUE, "row 1 has labels from place 2 to 18446744073709551615");
    o.classes = EVD_FOLDS_MAX_LABELS + 1;
    refuses(&o, EVD_E_LIMIT, "65537 labels");
}

/* Whichever allocation fails, it is said, and nothing leaks. */
static void without_memory(void **state)
{
    (void)state;
    for (int method = EVD_FOLDS_STRATIFIED; method <= EVD_FOLDS_HARDNESS; method++) {
        evd_folds_options o = options_of(method);
        evd_folds_result result;
        uint16_t fold[N];
        unsigned failed = 0;
        int code;

        do {
            countdown = ++failed;
            code = evd_folds(&o, fold, NULL, &result);
            assert_true(code == EVD_E_NO_MEMORY || countdown > 0);
            if (code == EVD_E_NO_MEMORY)
                assert_non_null(strstr(result.message, "no memory for folds"));
        } while (code == EVD_E_NO_MEMORY);
        countdown = 0;
        assert_int_equal(code, EVD_OK);
        assert_in_range(failed, 6, 20);
    }
}

static void terms(void **state)
{
    evd_folds_options o = options_of(EVD_FOLDS_STRATIFIED);
    uint16_t fold[N];
    char *text;

    (void)state;
    o.seed = 7;
    makes(&o, fold);
    text = evd_folds_terms(&o, fold);
    assert_non_null(strstr(text, "\"how\":\"stratified\""));
    assert_non_null(strstr(text, "\"seed\":7"));
    evd_free(text);
    o.method = EVD_FOLDS_GROUPED;
    text = evd_folds_terms(&o, fold);
    assert_non_null(strstr(text, "\"how\":\"grouped\""));
    assert_null(strstr(text, "seed"));
    evd_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stratified),     cmocka_unit_test(grouped), cmocka_unit_test(multilabel),
        cmocka_unit_test(hardness),       cmocka_unit_test(refused), cmocka_unit_test(wrong_sets),
        cmocka_unit_test(without_memory), cmocka_unit_test(terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
