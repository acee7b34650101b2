/* Strategies that draw from a part of the dataset (`from`): what statistics, previews and adaptive
 * weights say of it, how it is compared and listed, and what is refused. */
#include "parts.h"

#include <string.h>

static int64_t nth(const json_t *map, const char *key, size_t i)
{
    return json_integer_value(json_array_get(json_object_get(map, key), i));
}

static double nth_real(const json_t *map, const char *key, size_t i)
{
    return json_real_value(json_array_get(json_object_get(map, key), i));
}

/* Counts, shares, coverage and weights of losses are of what is drawn from. */
static void statistics(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *answer =
        peer_call(peer, "job.preview", "[{'dataset': 'd', 'batch_size': 2, " FROM(ONLY(1)) "}]");

    assert_int_equal(integer(answer, "samples"), 3);
    assert_int_equal(nth(answer, "count", 0), 2);
    assert_int_equal(nth(answer, "count", 1), 1);
    for (size_t c = 0; c < 2; c++) {
        assert_float_equal(nth_real(answer, "drawn", c), c ? 1 : 2, 1e-9);
        assert_float_equal(nth_real(answer, "repeats", c), 1, 1e-9);
        assert_float_equal(nth_real(answer, "coverage", c), 1, 1e-9);
    }
    json_decref(answer);
    answer = peer_call(peer, "job.preview",
                       "[{'dataset': 'd', 'batch_size': 2, 'strategy': {'kind': 'weighted', "
                       "'from': 'clean'}}]");
    assert_int_equal(integer(answer, "samples"), 3);
    assert_int_equal(nth(answer, "count", 1), 0);
    assert_float_equal(nth_real(answer, "drawn", 1), 0, 0);
    assert_float_equal(nth_real(answer, "coverage", 1), 0, 0);
    json_decref(answer);
    peer_do(peer, "job.create", JOB("j", FROM(ONLY(1))));
    an_epoch(peer, "j", 2);
    answer = peer_call(peer, "job.stats", "[{'job': 'j', 'weights': 'inverse'}]");
    assert_int_equal(nth(answer, "count", 0), 2);
    assert_int_equal(nth(answer, "count", 1), 1);
    assert_int_equal(nth(answer, "served", 0), 2);
    assert_int_equal(nth(answer, "served", 1), 1);
    assert_float_equal(nth_real(answer, "present", 0), 2.0 / 3, 1e-9);
    assert_float_equal(nth_real(answer, "weight", 1) / nth_real(answer, "weight", 0), 2, 1e-9);
    json_decref(answer);
    answer = peer_call(peer, "job.trace", "[{'job': 'j', 'sample': 0}]");
    assert_int_equal(json_array_size(json_object_get(answer, "steps")), 0);
    json_decref(answer);
    answer = peer_call(peer, "job.trace", "[{'job': 'j', 'sample': 5}]");
    assert_int_equal(json_array_size(json_object_get(answer, "steps")), 1);
    json_decref(answer);
}

/* A move of adaptive weights keeps the part, and gives classes that it lacks no weight. */
static void adaptive_weights(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *info;
    const json_t *strategy;

    peer_do(peer, "job.create", JOB("v", "'strategy': {'kind': 'uniform'}"));
    peer_do(peer, "job.create",
            JOB("j", "'strategy': {'kind': 'adaptive', 'feedback': 'v', 'every': 1, 'from': "
                     "'clean'}"));
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': 0, 'index': [0, 1], 'predicted': [1, 0]}]");
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(info, "revision"), 1);
    strategy = json_object_get(info, "strategy");
    assert_string_equal(text(json_object_get(strategy, "from"), "digest"), parts_clean);
    assert_int_equal(json_object_size(json_object_get(strategy, "weights")), 1);
    assert_true(real(json_object_get(strategy, "weights"), "a") > 0);
    json_decref(info);
}

static void if_exists(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *answer;

#define SAME(what)                                                                                 \
    "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'seed': 5, 'if_exists': 'same', " what "}]"
    peer_do(peer, "job.create", JOB("j", FROM("'clean'")));
    answer = peer_call(peer, "job.create", SAME(FROM("'clean'")));
    assert_true(json_is_true(json_object_get(answer, "joined")));
    json_decref(answer);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'seed': 5, 'if_exists': 'same', "
            "'strategy': {'kind': 'uniform', 'from': {'name': 'clean', 'digest': '%s'}}}]",
            parts_clean);
    peer_refused(peer, EVD_E_EXISTS, "job.create", SAME(FROM(ONLY(0))));
    peer_refused(peer, EVD_E_EXISTS, "job.create", SAME("'strategy': {'kind': 'uniform'}"));
    peer_refused(peer, EVD_E_NOT_FOUND, "job.create", SAME(FROM("'other'")));
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 SAME(FROM("{'name': 'clean', 'digest': '0123456789abcdef'}")));
}

/* ---- what is refused ---- */

#define N16 "nnnnnnnnnnnnnnnn"
#define N64 N16 N16 N16 N16

static void refusals(void **state)
{
    static const struct {
        int code;
        const char *strategy, *says;
    } bad[] = {
        {EVD_E_NOT_FOUND, "{'kind': 'uniform', 'from': 'none'}",
         "no attachment \"none\" of the kind \"selection\": it has \"clean\", \"tidy\"; "
         "\"evendraw select d FEATURES.npy\" makes one"},
        {EVD_E_NOT_FOUND, "{'kind': 'uniform', 'from': {'folds': 'none', 'only': 0}}",
         "of the kind \"folds\": it has \"cv\"; \"evendraw folds d\" makes them"},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': 'cv'}", "is of the kind \"folds\""},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': {'folds': 'clean', 'only': 0}}",
         "\"from.folds\" of strategy uniform must be of the kind \"folds\""},
        {EVD_E_BAD_TYPE, "{'kind': 'uniform', 'from': 3}", "name of a selection, or a map"},
        {EVD_E_BAD_TYPE, "{'kind': 'uniform', 'from': ['clean']}", "name of a selection, or a map"},
        {EVD_E_BAD_TYPE, "{'kind': 'uniform', 'from': {'folds': 3, 'only': 0}}", "name of folds"},
        {EVD_E_BAD_TYPE, "{'kind': 'uniform', 'from': {'folds': 'cv', 'only': 'all'}}",
         "\"from.only\" must be a number"},
        {EVD_E_BAD_TYPE, "{'kind': 'uniform', 'from': {'name': 'clean', 'digest': 'x'}}",
         "sixteen"},
        {EVD_E_STRATEGY,
         "{'kind': 'uniform', 'from': {'name': 'clean', 'digest': '0000000000000000'}}",
         "its digest differs"},
        {EVD_E_NOT_FOUND, "{'kind': 'uniform', 'from': '" N64 N64 "'}", "no attachment \"nnnn"},
        {EVD_E_BAD_VALUE, "{'kind': 'uniform', 'from': '" N64 N64 "n'}", "at most 128 bytes"},
        {EVD_E_MISSING_FIELD, "{'kind': 'uniform', 'from': {}}", "needs \"from.folds\""},
        {EVD_E_MISSING_FIELD, "{'kind': 'uniform', 'from': {'only': 0}}", "needs \"from.folds\""},
        {EVD_E_UNKNOWN_FIELD, "{'kind': 'uniform', 'from': {'folds': 'cv', 'onyl': 0}}",
         "did you mean \"from.only\"?"},
        {EVD_E_UNKNOWN_FIELD, "{'kind': 'uniform', 'from.folds': 'cv'}", "it takes repeats, num_"},
        {EVD_E_UNKNOWN_FIELD, "{'kind': 'uniform', 'form': 'clean'}", "from, pairs"},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': {'folds': 'cv'}}", "needs"},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': {'folds': 'cv', 'only': 0, 'without': 1}}",
         "one of the two"},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': {'folds': 'cv', 'only': 2}}", "from 0 to 1"},
        {EVD_E_STRATEGY, "{'kind': 'uniform', 'from': {'folds': 'cv', 'only': 0.5}}",
         "whole number"},
        {EVD_E_STRATEGY,
         "{'kind': 'weighted', 'weight': 'explicit', 'weights': {'a': 1, 'b': 1}, 'from': 'clean'}",
         "from selection \"clean\" (3 of 5 samples): weights of class \"b\" is 1, but the class "
         "has "
         "no samples"},
    };
    struct peer *peer = parts_begin(*state);

    json_decref(attached_make(peer, "tidy", AS_KEPT, KEPT, ""));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *said = peer_refused(
            peer, bad[i].code, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'strategy': %s}]", bad[i].strategy);

        if (!strstr(said, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", said, bad[i].says);
    }
    peer_do(peer, "job.create", JOB("nil", FROM("null")));
    attached_dataset(peer); /* version 2, which has none */
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_NOT_FOUND, "job.create", JOB("j", FROM("'tidy'"))),
               "it has none; version 1 has one"));
}

/* `from` of progressive is a number, beside which `alpha` says the same. */
static void progressive(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *info;

    peer_do(peer, "job.create", JOB("n", "'strategy': {'kind': 'progressive', 'from': 0.5}"));
    info = peer_call(peer, "job.info", "[{'job': 'n'}]");
    assert_float_equal(real(json_object_get(info, "strategy"), "from"), 0.5, 0);
    json_decref(info);
    assert_int_equal(uses_of(peer, "clean"), 0);
    peer_do(peer, "job.create",
            JOB("j", "'strategy': {'kind': 'progressive', 'from': 'clean', 'alpha': 0.5}"));
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_string_equal(text(json_object_get(json_object_get(info, "strategy"), "from"), "name"),
                        "clean");
    assert_float_equal(real(json_object_get(info, "strategy"), "alpha"), 0.5, 0);
    json_decref(info);
    harness_restart(*state);
    peer = peer_new(*state);
    assert_int_equal(uses_of(peer, "clean"), 1);
}

static void listed(void **state)
{
    static const char *const names[] = {"from", "from.folds", "from.without", "from.only"};
    static const char *const accepts[] = {"selection", "folds", "number", "number"};
    struct peer *peer = peer_new(*state);
    json_t *list = peer_call(peer, "strategy.list", "[]");

    for (size_t i = 0; i < 4; i++) {
        const json_t *param = json_array_get(json_object_get(list, "common"), i);

        assert_string_equal(text(param, "name"), names[i]);
        assert_string_equal(json_string_value(json_array_get(json_object_get(param, "accepts"), 0)),
                            accepts[i]);
        assert_int_equal(json_is_true(json_object_get(param, "required")), i == 1);
    }
    json_decref(list);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(statistics), TEST(adaptive_weights), TEST(if_exists),
        TEST(refusals),   TEST(progressive),      TEST(listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
