/* job.threshold and job.curve: what is asked for, of which epochs, and what is refused. That the
 * numbers are right is for tests/feedback. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "feedback/scores.h"

/* Twelve samples, of which the last four are "yes"; job v takes four a step. */
static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['no', 'yes']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0,0,0,0,0,0,0,0,1,1,1,1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'v', 'dataset': 'd', 'batch_size': 4}]");
}

static void report(struct peer *peer, int step, const char *indices, const char *scores)
{
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': %d, 'index': %s, 'predicted': [0,0,0,0], "
            "'score': %s}]",
            step, indices, scores);
}

/* By falling score: yes, no, yes, no, yes, (no, no), no. */
static void report_two(struct peer *peer)
{
    report(peer, 0, "[0, 1, 8, 9]", "[0.75, 0.25, 0.875, 0.625]");
    report(peer, 1, "[2, 3, 4, 10]", "[0.5, 0.125, 0.125, 0.375]");
}

static double at(const json_t *map, const char *key, size_t i)
{
    const json_t *value = json_array_get(json_object_get(map, key), i);

    return json_is_null(value) ? NAN : json_number_value(value);
}

static size_t length(const json_t *map, const char *key)
{
    return json_array_size(json_object_get(map, key));
}

static void test_objectives(void **state)
{
    struct peer *peer = peer_new(*state);
    const json_t *list, *row;
    json_t *answer;

    load(peer);
    report_two(peer);
    answer = peer_call(peer, "job.threshold",
                       "[{'job': 'v', 'beta': 2, 'precision': 0.75, 'cost': [[0, 1], [3, 0]]}]");
    assert_true(json_is_true(json_object_get(answer, "exact")));
    assert_int_equal(integer(answer, "samples"), 8);
    assert_int_equal(integer(answer, "positives"), 3);
    assert_int_equal(integer(answer, "epoch"), 0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "class"), 1)),
                        "yes");
    list = json_object_get(answer, "objectives");
    assert_int_equal(json_array_size(list), 5);
    row = json_array_get(list, 0);
    assert_string_equal(text(row, "objective"), "f1");
    assert_float_equal(real(row, "threshold"), 0.375, 0);
    assert_float_equal(real(row, "value"), 0.75, 1e-15);
    assert_float_equal(real(row, "precision"), 0.6, 1e-15);
    assert_int_equal(integer(row, "true_positive"), 3);
    assert_int_equal(integer(row, "false_positive"), 2);
    assert_int_equal(integer(row, "true_negative"), 3);
    assert_int_equal(integer(row, "false_negative"), 0);
    row = json_array_get(list, 1);
    assert_string_equal(text(row, "objective"), "f-beta");
    assert_float_equal(real(row, "beta"), 2, 0);
    assert_float_equal(real(row, "value"), 15.0 / 17, 1e-15);
    row = json_array_get(list, 3);
    assert_string_equal(text(row, "objective"), "cost");
    assert_float_equal(at(json_array_get(json_object_get(row, "cost"), 1), "", 0), 0, 0);
    assert_float_equal(real(row, "value"), 0.25, 1e-15);
    row = json_array_get(list, 4);
    assert_string_equal(text(row, "objective"), "recall-at-precision");
    assert_float_equal(real(row, "least"), 0.75, 0);
    assert_float_equal(real(row, "threshold"), 0.875, 0);
    json_decref(answer);
    answer = peer_call(peer, "job.threshold",
                       "[{'job': 'v', 'objective': 'precision-at-recall', 'recall': 0.5}]");
    list = json_object_get(answer, "objectives");
    assert_int_equal(json_array_size(list), 1);
    assert_float_equal(real(json_array_get(list, 0), "threshold"), 0.625, 0);
    json_decref(answer);
}

/* No threshold keeps a precision that the highest score spoils. */
static void test_none_does(void **state)
{
    struct peer *peer = peer_new(*state);
    const json_t *row;
    json_t *answer;

    load(peer);
    report(peer, 0, "[0, 1, 8, 9]", "[1, 0, 0.5, 0.5]");
    answer = peer_call(peer, "job.threshold",
                       "[{'job': 'v', 'objective': 'recall-at-precision', 'precision': 0.9}]");
    row = json_array_get(json_object_get(answer, "objectives"), 0);
    assert_true(json_is_null(json_object_get(row, "threshold")));
    assert_true(json_is_null(json_object_get(row, "true_positive")));
    json_decref(answer);
}

static void test_curves(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *whole, *page;

    load(peer);
    report_two(peer);
    whole = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'precision-recall'}]");
    assert_int_equal(integer(whole, "points"), 8);
    assert_int_equal(length(whole, "threshold"), 8);
    assert_float_equal(at(whole, "threshold", 0), 0.125, 0);
    assert_float_equal(at(whole, "precision", 0), 3.0 / 8, 0);
    assert_true(isnan(at(whole, "threshold", 7)));
    assert_float_equal(at(whole, "recall", 7), 0, 0);
    assert_float_equal(real(whole, "area"), (1 + 2.0 / 3 + 3.0 / 5) / 3, 1e-15);
    for (int first = 0; first <= 8; first += 3) {
        page =
            peer_call(peer, "job.curve",
                      "[{'job': 'v', 'kind': 'precision-recall', 'first': %d, 'count': 3}]", first);
        assert_int_equal(length(page, "recall"), first == 6 ? 2 : 3);
        assert_float_equal(real(page, "area"), real(whole, "area"), 0);
        for (size_t i = 0; i < length(page, "recall"); i++)
            assert_float_equal(at(page, "recall", i), at(whole, "recall", (size_t)first + i), 0);
        json_decref(page);
    }
    json_decref(whole);
    whole = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'roc'}]");
    assert_float_equal(at(whole, "threshold", 0), 1.875, 0);
    assert_float_equal(at(whole, "false_positive_rate", 2), 0.2, 0);
    assert_float_equal(at(whole, "true_positive_rate", 2), 1.0 / 3, 0);
    assert_float_equal(real(whole, "area"), 12.0 / 15, 1e-15);
    json_decref(whole);
    whole = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'calibration', 'bins': 2}]");
    assert_int_equal(integer(whole, "points"), 2);
    assert_float_equal(at(whole, "predicted", 0), (0.125 + 0.125 + 0.25 + 0.375 + 0.5) / 5, 1e-15);
    assert_float_equal(at(whole, "observed", 1), 2.0 / 3, 1e-15);
    assert_float_equal(at(whole, "count", 0), 5, 0);
    json_decref(whole);
}

static void test_refused(void **state)
{
    static const struct {
        int code;
        const char *method, *fields, *says;
    } cases[] = {
        {EVD_E_BAD_VALUE, "job.threshold", "'objective': 'accuracy'", "f1, f-beta"},
        {EVD_E_MISSING_FIELD, "job.threshold", "'objective': 'f-beta'", "needs \"beta\""},
        {EVD_E_BAD_VALUE, "job.threshold", "'objective': 'f1', 'beta': 2", "goes only with"},
        {EVD_E_BAD_VALUE, "job.threshold", "'beta': 0", "over 0"},
        {EVD_E_BAD_VALUE, "job.threshold", "'recall': 1.5", "from 0 to 1"},
        {EVD_E_BAD_VALUE, "job.threshold", "'precision': -1", "from 0 to 1"},
        {EVD_E_BAD_TYPE, "job.threshold", "'cost': [0, 1, 10, 0]", "[[0, 1], [10, 0]]"},
        {EVD_E_BAD_TYPE, "job.threshold", "'cost': [[0, 1], [10, 'x']]", "two arrays"},
        {EVD_E_BAD_TYPE, "job.threshold", "'cost': [[0, 1], [10]]", "two arrays"},
        {EVD_E_BAD_TYPE, "job.threshold", "'cost': {}", "two arrays"},
        {EVD_E_BAD_VALUE, "job.threshold", "'cost': [[0, 1], [{'$f64': 'inf'}, 0]]", "finite"},
        {EVD_E_BAD_VALUE, "job.threshold", "'cost': [[0, 1e308], [-1e308, 0]]", "1e+100"},
        {EVD_E_BAD_VALUE, "job.threshold", "'epoch': 0, 'all': true", "not both"},
        {EVD_E_NOT_FOUND, "job.threshold", "'epoch': 7", "kept from epoch 0 on"},
        {EVD_E_MISSING_FIELD, "job.curve", "'bins': 3", "kind"},
        {EVD_E_BAD_VALUE, "job.curve", "'kind': 'lift'", "precision-recall, roc"},
        {EVD_E_BAD_VALUE, "job.curve", "'kind': 'roc', 'bins': 3", "only with the kind"},
        {EVD_E_BAD_VALUE, "job.curve", "'kind': 'calibration', 'bins': 0", "from 1 to 1000"},
        {EVD_E_BAD_VALUE, "job.curve", "'kind': 'calibration', 'binning': 'x'", "quantile"},
        {EVD_E_BAD_VALUE, "job.curve", "'kind': 'roc', 'first': 100", "points"},
        {EVD_E_LIMIT, "job.curve", "'kind': 'roc', 'count': 16385", "at most 16384"},
    };
    struct peer *peer = peer_new(*state);

    load(peer);
    report_two(peer);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *message = peer_refused(peer, cases[i].code, cases[i].method,
                                           "[{'job': 'v', %s}]", cases[i].fields);

        if (!strstr(message, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", message, cases[i].says);
    }
}

static void says(const char *message, const char *what)
{
    if (!strstr(message, what))
        fail_msg("\"%s\" does not say \"%s\"", message, what);
}

/* Nothing there; no scores; one class only, which calibration does with; three classes. */
static void test_not_enough(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;

    load(peer);
    says(peer_refused(peer, EVD_E_NOT_FOUND, "job.threshold", "[{'job': 'w'}]"), "w");
    says(peer_refused(peer, EVD_E_NOT_FOUND, "job.threshold", "[{'job': 'v'}]"),
         "nothing was reported");
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': 0, 'index': [0], 'predicted': [0]}]");
    says(peer_refused(peer, EVD_E_NOT_FOUND, "job.curve", "[{'job': 'v', 'kind': 'roc'}]"),
         "the probability of class \"yes\"");
    report(peer, 1, "[0, 1, 2, 3]", "[0, 0.5, 1, 0.5]");
    says(peer_refused(peer, EVD_E_NOT_FOUND, "job.threshold", "[{'job': 'v'}]"),
         "no sample of class \"yes\"");
    answer = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'calibration'}]");
    assert_float_equal(real(answer, "brier"), 0.375, 1e-15);
    json_decref(answer);
    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a', 'b', 'c']}]");
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': [0,1,2]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 2}]");
    peer_do(peer, "job.create", "[{'name': 't', 'dataset': 'e', 'batch_size': 3}]");
    says(peer_refused(peer, EVD_E_BAD_VALUE, "job.threshold", "[{'job': 't'}]"),
         "evendraw.thresholds");
}

/* What was ordered before is the same once more; what comes meanwhile is not in it. */
static void test_order_is_kept(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *first, *again, *later;
    uint32_t asked, reported;

    load(peer);
    report_two(peer);
    first = peer_call(peer, "job.threshold", "[{'job': 'v'}]");
    again = peer_call(peer, "job.threshold", "[{'job': 'v', 'epoch': 0}]");
    assert_true(json_equal(first, again));
    json_decref(again);
    again = peer_call(peer, "job.threshold", "[{'job': 'v', 'all': true}]");
    assert_null(json_object_get(again, "epoch"));
    assert_true(
        json_equal(json_object_get(first, "objectives"), json_object_get(again, "objectives")));
    json_decref(again);
    h->hold_work = true;
    asked = peer_send(peer, "job.threshold", "[{'job': 'v'}]");
    harness_pump(h);
    assert_int_equal(h->work_count, 1);
    reported = peer_send(peer, "job.report",
                         "[{'job': 'v', 'epoch': 0, 'step': 2, 'index': [7], "
                         "'predicted': [0], 'score': [0.5]}]");
    harness_pump(h);
    assert_true(peer_answered(peer, reported));
    h->hold_work = false;
    harness_pump(h);
    again = peer_result(peer, asked);
    assert_true(json_equal(first, again));
    later = peer_call(peer, "job.threshold", "[{'job': 'v'}]");
    assert_int_equal(integer(later, "samples"), 9);
    json_decref(first);
    json_decref(again);
    json_decref(later);
}

/* Who asked, or the job, is gone while the scores are brought into order. */
static void test_gone_meanwhile(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *asker = peer_new(h);
    json_t *answer;
    uint32_t asked;

    load(peer);
    report_two(peer);
    h->hold_work = true;
    peer_send(asker, "job.curve", "[{'job': 'v', 'kind': 'roc'}]");
    harness_pump(h);
    assert_int_equal(h->work_count, 1);
    peer_close(asker);
    assert_true(h->work[0]->cancelled);
    h->hold_work = false;
    harness_pump(h);
    answer = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'roc'}]"); /* in order */
    assert_float_equal(real(answer, "area"), 12.0 / 15, 1e-15);
    json_decref(answer);
    h->hold_work = true;
    asked = peer_send(peer, "job.curve", "[{'job': 'v', 'kind': 'roc'}]");
    harness_pump(h);
    peer_send(peer, "job.drop", "[{'job': 'v'}]");
    harness_pump(h);
    h->hold_work = false;
    harness_pump(h);
    assert_true(peer_succeeded(peer, asked));
    harness_quiet(h);
    answer = peer_call(peer, "server.info", "[]");
    assert_int_equal(integer(json_object_get(answer, "holds"), "reports"), 0);
    json_decref(answer);
}

/* Bytes that are counted as reports. */
static int64_t reports_take(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(json_object_get(info, "holds"), "reports");

    json_decref(info);
    return bytes;
}

/* Where memory does not do, scores are in bins and answers say so; nothing is refused. */
static void test_memory(void **state)
{
    struct harness *h = *state;
    struct peer *peer;
    json_t *answer;
    int64_t used, take;

    harness_down(h);
    h->limits.memory = 0;
    harness_up(h);
    peer = peer_new(h);
    load(peer);
    harness_restart(h);
    peer = peer_new(h);
    report_two(peer);
    take = reports_take(peer);
    assert_true(take >= (int64_t)(sizeof(struct scores) + SCORES_FIRST_BLOCK * sizeof(uint64_t)));
    answer = peer_call(peer, "server.info", "[]");
    used = integer(answer, "memory");
    json_decref(answer);
    peer_do(peer, "job.threshold", "[{'job': 'v'}]");
    assert_true(reports_take(peer) > take); /* the order is kept */
    harness_down(h);
    h->limits.memory = (uint64_t)used - 200; /* the scores do not fit */
    harness_up(h);
    peer = peer_new(h);
    report_two(peer);
    assert_true(reports_take(peer) < take);
    answer = peer_call(peer, "job.threshold", "[{'job': 'v'}]");
    assert_true(json_is_false(json_object_get(answer, "exact")));
    assert_int_equal(integer(answer, "samples"), 8);
    assert_float_equal(real(json_array_get(json_object_get(answer, "objectives"), 0), "threshold"),
                       0.375, 0);
    json_decref(answer);
    answer = peer_call(peer, "job.curve", "[{'job': 'v', 'kind': 'calibration', 'all': true}]");
    assert_true(json_is_false(json_object_get(answer, "exact")));
    json_decref(answer);
    harness_down(h);
    h->limits.memory = (uint64_t)used + 8; /* room for the scores, and none for their order */
    harness_up(h);
    peer = peer_new(h);
    report_two(peer);
    says(peer_refused(peer, EVD_E_LIMIT, "job.threshold", "[{'job': 'v'}]"), "--memory-limit");
}

/* Where memory does for one order, an older one makes room for that of other scores. */
static void test_order_makes_room(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer;
    int64_t used, sorting = 16 * 12 + 64; /* keys and scratch of twelve, and what is beside them */

    load(peer);
    report_two(peer);
    answer = peer_call(peer, "server.info", "[]");
    used = integer(answer, "memory");
    json_decref(answer);
    h->limits.memory = (uint64_t)(used + sorting);
    harness_restart(h);
    peer = peer_new(h);
    report_two(peer);
    peer_do(peer, "job.threshold", "[{'job': 'v'}]");
    report(peer, 2, "[5, 6, 7, 11]", "[0.5, 0.25, 0.125, 0.75]");
    answer = peer_call(peer, "job.threshold", "[{'job': 'v'}]");
    assert_true(json_is_true(json_object_get(answer, "exact")));
    assert_int_equal(integer(answer, "samples"), 12);
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_objectives, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_none_does, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_curves, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_refused, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_not_enough, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_order_is_kept, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_gone_meanwhile, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_memory, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_order_makes_room, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
