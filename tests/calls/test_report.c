/* job.report, job.confusion, and the adaptive strategy that follows them. */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twelve samples: six a, four b, one c, one without a label. */
static void load(struct peer *peer)
{
    json_t *draft = peer_call(peer, "dataset.create", "[{'name': 'd', 'classes': ['a','b','c']}]");
    int number = (int)integer(draft, "draft");

    json_decref(draft);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0,0,0,0,0,0,1,1,1,1,2,null]}]",
            number);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", number);
    peer_do(peer, "job.create", "[{'name': 'v', 'dataset': 'd', 'batch_size': 4}]");
}

/* Samples 0-3, 4-7, 8-10 in the three steps of an epoch: recall a 5/6, b 1/2, c 0. */
static const char *const step_reports[] = {
    "'step': 0, 'index': [0,1,2,3], 'predicted': [0,0,0,0]",
    "'step': 1, 'index': [4,5,6,7], 'predicted': [0,1,1,1]",
    "'step': 2, 'index': [8,9,10], 'predicted': [0,0,1]",
};

static bool counted(struct peer *peer, const char *fields)
{
    json_t *answer = peer_call(peer, "job.report", "[{'job': 'v', %s}]", fields);
    bool yes = json_is_true(json_object_get(answer, "counted"));

    json_decref(answer);
    return yes;
}

static double entry(const json_t *map, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(map, key), i));
}

static int64_t cell(const json_t *map, size_t label, size_t predicted)
{
    const json_t *row = json_array_get(json_object_get(map, "matrix"), label);

    return json_integer_value(json_array_get(row, predicted));
}

static void report_epoch(struct peer *peer, int epoch)
{
    char fields[256];

    for (int step = 0; step < 3; step++) {
        snprintf(fields, sizeof(fields), "'epoch': %d, %s", epoch, step_reports[step]);
        assert_true(counted(peer, fields));
    }
}

static void test_counted_once(void **state)
{
    struct peer *peer = peer_new(*state), *other = peer_new(*state);
    json_t *answer;

    load(peer);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'v'}]");
    report_epoch(peer, 0);
    assert_false(
        counted(other, "'epoch': 0, 'step': 1, 'index': [4,5,6,7], 'predicted': [0,0,0,0]"));
    answer = peer_call(peer, "job.confusion", "[{'job': 'v'}]");
    assert_int_equal(integer(answer, "samples"), 11);
    assert_int_equal(integer(answer, "epoch"), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "epochs")), 1);
    assert_int_equal(cell(answer, 0, 0), 5);
    assert_int_equal(cell(answer, 0, 1), 1);
    assert_int_equal(cell(answer, 1, 0), 2);
    assert_int_equal(cell(answer, 2, 1), 1);
    assert_float_equal(real(answer, "accuracy"), 7.0 / 11, 1e-12);
    assert_float_equal(real(answer, "balanced_accuracy"), (5.0 / 6 + 0.5) / 3, 1e-12);
    assert_float_equal(entry(answer, "recall", 0), 5.0 / 6, 1e-12);
    assert_float_equal(entry(answer, "precision", 1), 0.5, 1e-12);
    assert_float_equal(real(json_object_get(answer, "macro"), "recall"), (5.0 / 6 + 0.5) / 3,
                       1e-12);
    assert_true(json_is_null(json_object_get(answer, "mean_loss")));
    assert_null(json_object_get(answer, "loss"));
    assert_null(json_object_get(answer, "thresholds"));
    json_decref(answer);
    answer = peer_call(peer, "job.confusion", "[{'job': 'v', 'first': 1, 'count': 1}]");
    assert_int_equal(json_array_size(json_object_get(answer, "class")), 1);
    assert_int_equal(cell(answer, 0, 0), 2);
    json_decref(answer);
}

static void test_refused_whole(void **state)
{
    static const struct {
        int code;
        const char *fields, *says;
    } cases[] = {
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0,11], 'predicted': [0,0]", "no label"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0,12], 'predicted': [0,0]",
         "12 samples"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0,1], 'predicted': [0,3]", "no class"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0,1], 'predicted': [0]",
         "one for each"},
        {EVD_E_BAD_TYPE, "'epoch': 0, 'step': 0, 'index': [0,-1], 'predicted': [0,0]", "value 1"},
        {EVD_E_BAD_TYPE, "'epoch': 0, 'step': 0, 'index': 3, 'predicted': [0]", "array or bin"},
        {EVD_E_BAD_VALUE, "'epoch': 1, 'step': 0, 'index': [0], 'predicted': [0]", "handed out"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 3, 'index': [0], 'predicted': [0]", "handed out"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'rank': 1, 'index': [0], 'predicted': [0]",
         "no rank 1"},
        {EVD_E_CONFLICT, "'epoch': 0, 'step': 0, 'generation': 1, 'index': [0], 'predicted': [0]",
         "generation 1"},
        {EVD_E_LIMIT, "'epoch': 0, 'step': 0, 'index': [0,1,2,3,4], 'predicted': [0,0,0,0,0]",
         "has 4 at most"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0], 'predicted': [0], 'score': [0.5]",
         "two classes"},
        {EVD_E_BAD_VALUE, "'epoch': 0, 'step': 0, 'index': [0], 'predicted': [0], 'loss': [1,2]",
         "one for each"},
        {EVD_E_BAD_VALUE,
         "'epoch': 0, 'step': 0, 'index': [0], 'index_type': 'i64', 'predicted': [0]", "u64"},
        {EVD_E_BAD_VALUE,
         "'epoch': 0, 'step': 0, 'index': [0], 'predicted': {'$bin': '00000001ff'}", "multiple"},
    };
    struct peer *peer = peer_new(*state);

    load(peer);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *message =
            peer_refused(peer, cases[i].code, "job.report", "[{'job': 'v', %s}]", cases[i].fields);

        if (!strstr(message, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", message, cases[i].says);
    }
    peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'v'}]");
    report_epoch(peer, 0);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'v', 'epoch': 3}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.confusion", "[{'job': 'v', 'epoch': 0, 'all': true}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.report",
                 "[{'job': 'w', 'epoch': 0, 'step': 0, 'index': [0], 'predicted': [0]}]");
}

static void test_bin_and_loss(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;

    load(peer);
    assert_true(counted(peer, "'epoch': 0, 'step': 0, 'index': {'$bin': '0000000006000000'}, "
                              "'predicted': {'$bin': '0000000002000000'}, "
                              "'loss': {'$bin': '0000003f0000803f'}"));
    assert_true(counted(peer, "'epoch': 0, 'step': 1, 'index_type': 'u64', "
                              "'index': {'$bin': '0100000000000000'}, "
                              "'predicted': {'$bin': '01000000'}, "
                              "'loss': {'$bin': '000000000000f83f'}"));
    answer = peer_call(peer, "job.confusion", "[{'job': 'v', 'epoch': 0}]");
    assert_int_equal(cell(answer, 0, 0), 1);
    assert_int_equal(cell(answer, 1, 2), 1);
    assert_int_equal(cell(answer, 0, 1), 1);
    assert_float_equal(entry(answer, "loss", 0), 1.0, 0);
    assert_float_equal(entry(answer, "loss", 1), 1.0, 0);
    assert_true(json_is_null(json_array_get(json_object_get(answer, "loss"), 2)));
    assert_float_equal(real(answer, "mean_loss"), 1.0, 1e-15);
    json_decref(answer);
}

static void test_thresholds(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;
    const json_t *thresholds, *best;

    peer_do(peer, "dataset.create", "[{'name': 't', 'classes': ['no','yes']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0,0,0,1,1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'v', 'dataset': 't', 'batch_size': 5}]");
    assert_true(counted(peer, "'epoch': 0, 'step': 0, 'index': [0,1,2,3,4], "
                              "'predicted': [0,0,1,0,1], 'score': [0, 0.2, 0.6, 0.3, 1]"));
    answer = peer_call(peer, "job.confusion", "[{'job': 'v'}]");
    thresholds = json_object_get(answer, "thresholds");
    assert_int_equal(json_array_size(json_object_get(thresholds, "threshold")), 1001);
    assert_float_equal(entry(thresholds, "true_positive", 300), 2, 0);
    assert_float_equal(entry(thresholds, "false_positive", 300), 1, 0);
    assert_float_equal(entry(thresholds, "true_positive", 301), 1, 0);
    assert_float_equal(entry(thresholds, "true_positive", 1000), 1, 0);
    best = json_object_get(thresholds, "best");
    assert_float_equal(real(best, "threshold"), 0.201, 1e-12);
    assert_float_equal(real(best, "f1"), 0.8, 1e-12);
    json_decref(answer);
}

/* Draws the batches of an epoch of v and acknowledges them, so that the next can begin. */
static void draw_epoch(struct peer *peer, int epoch, int steps)
{
    for (int step = 0; step < steps; step++) {
        json_t *batch = peer_note(peer, "batch");

        assert_non_null(batch);
        assert_int_equal(integer(batch, "epoch"), epoch);
        json_decref(batch);
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
    }
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 3}]");
}

static void test_all_epochs_together(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer, *page;

    load(peer);
    peer_do(peer, "stream.open", "[{'job': 'v', 'window': 3}]");
    for (int epoch = 0; epoch < 2; epoch++) {
        report_epoch(peer, epoch);
        draw_epoch(peer, epoch, 3);
    }
    answer = peer_call(peer, "job.confusion", "[{'job': 'v', 'all': true}]");
    assert_int_equal(integer(answer, "samples"), 22);
    assert_int_equal(cell(answer, 0, 0), 10);
    assert_null(json_object_get(answer, "epoch"));
    page = peer_call(peer, "job.confusion", "[{'job': 'v', 'all': true, 'first': 1, 'count': 1}]");
    assert_int_equal(integer(page, "samples"), 22);
    assert_true(json_equal(json_array_get(json_object_get(page, "matrix"), 0),
                           json_array_get(json_object_get(answer, "matrix"), 1)));
    json_decref(page);
    json_decref(answer);
    peer_do(peer, "job.drop", "[{'job': 'v', 'force': true}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'v'}]");
}

static void test_ranks(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'r', 'dataset': 'd', 'batch_size': 4, 'mode': 'ranked', 'world_size': 2}]");
    for (int rank = 0; rank < 2; rank++)
        peer_do(
            peer, "job.report",
            "[{'job': 'r', 'epoch': 0, 'step': 0, 'rank': %d, 'index': [%d], 'predicted': [0]}]",
            rank, rank * 6);
    peer_refused(
        peer, EVD_E_BAD_VALUE, "job.report",
        "[{'job': 'r', 'epoch': 0, 'step': 0, 'rank': 2, 'index': [0], 'predicted': [0]}]");
    answer = peer_call(peer, "job.confusion", "[{'job': 'r'}]");
    assert_int_equal(integer(answer, "samples"), 2);
    json_decref(answer);
}

/* ---- adaptive ---- */

/* The newest revision of job t. */
static json_t *newest(struct peer *peer, const char *job, size_t *count)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': '%s'}]", job);
    json_t *revisions = json_object_get(info, "revisions"), *last;

    *count = json_array_size(revisions);
    last = json_incref(json_array_get(revisions, *count - 1));
    json_decref(info);
    return last;
}

static double weight(const json_t *revision, const char *class)
{
    const json_t *strategy = json_object_get(revision, "strategy");

    return real(json_object_get(strategy, "weights"), class);
}

static void test_adaptive_epochs(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *revision, *stats;
    size_t count;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 't', 'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'adaptive', "
            "'feedback': 'v', 'max_ratio': 7, 'smoothing': 0.5}}]");
    report_epoch(peer, 0);
    /* The report of the last step was answered when the move was recorded. */
    revision = newest(peer, "t", &count);
    assert_int_equal(count, 2);
    assert_string_equal(text(revision, "author"), "adaptive");
    assert_float_equal(weight(revision, "a"), 1.5, 1e-12);
    assert_float_equal(weight(revision, "b"), 2.5, 1e-12);
    assert_float_equal(weight(revision, "c"), 4, 1e-12);
    json_decref(revision);
    stats = peer_call(peer, "job.stats", "[{'job': 't'}]");
    assert_float_equal(entry(stats, "asked", 2), 4.0 / 8, 1e-9);
    json_decref(stats);
}

static void test_adaptive_survives(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *before, *after;
    size_t count;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 't', 'dataset': 'd', 'batch_size': 4, "
            "'strategy': {'kind': 'adaptive', 'feedback': 'v', 'every': 2}}]");
    report_epoch(peer, 0);
    before = newest(peer, "t", &count);
    assert_int_equal(count, 3); /* after two steps, and at the end */
    harness_restart(*state);
    peer = peer_new(*state);
    after = newest(peer, "t", &count);
    assert_int_equal(count, 3);
    assert_true(json_equal(before, after));
    peer_refused(peer, EVD_E_NOT_FOUND, "job.confusion", "[{'job': 'v'}]");
    json_decref(before);
    json_decref(after);
}

/* Where no more may be recorded of it, its weights stay, and it says so once. */
static void test_adaptive_is_full(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint64_t normal = h->limits.history;
    json_t *revision, *info;
    size_t count;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 't', 'dataset': 'd', 'batch_size': 4, "
            "'strategy': {'kind': 'adaptive', 'feedback': 'v', 'every': 1}}]");
    info = peer_call(peer, "job.info", "[{'job': 't'}]");
    /* With its weights a strategy is less than three times as long, and more than twice. */
    h->limits.history = 4 * (uint64_t)integer(info, "history");
    json_decref(info);
    harness_restart(h);
    peer = peer_new(h);
    report_epoch(peer, 0);
    revision = newest(peer, "t", &count);
    assert_int_equal(count, 2);
    json_decref(revision);
    assert_non_null(strstr(h->warning, "adaptive weights stay"));
    h->warning[0] = '\0';
    peer_do(peer, "stream.open", "[{'job': 'v', 'window': 3}]");
    draw_epoch(peer, 0, 3);
    report_epoch(peer, 1);
    assert_string_equal(h->warning, "");
    info = peer_call(peer, "job.info", "[{'job': 't'}]");
    assert_true(json_is_true(json_object_get(info, "history_full")));
    json_decref(info);
    h->limits.history = normal;
    harness_restart(h);
    peer = peer_new(h);
    report_epoch(peer, 0);
    revision = newest(peer, "t", &count);
    assert_true(count > 2);
    json_decref(revision);
}

/* A job that follows itself; every move begins at the next epoch, and one waits for the other. */
static void test_adaptive_itself(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *revision;
    size_t count;

    load(peer);
    peer_do(peer, "job.update", "[{'job': 'v', 'strategy': {'kind': 'adaptive'}}]");
    peer_do(peer, "stream.open", "[{'job': 'v', 'window': 3}]");
    report_epoch(peer, 0);
    revision = newest(peer, "v", &count);
    assert_int_equal(count, 3);
    assert_int_equal(integer(revision, "epoch"), 1);
    json_decref(revision);
    draw_epoch(peer, 0, 3);
    report_epoch(peer, 1);
    revision = newest(peer, "v", &count);
    assert_int_equal(count, 4);
    assert_int_equal(integer(revision, "epoch"), 2);
    json_decref(revision);
}

/* Classes are the same by name, whatever their numbers; those that nobody reports keep theirs. */
static void test_adaptive_by_name(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *revision;
    size_t count;

    load(peer);
    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['c','x','a','none']}]");
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': [0,1,2,0,1,2]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 2}]");
    peer_do(
        peer, "job.create",
        "[{'name': 't', 'dataset': 'e', 'batch_size': 2, 'strategy': {'kind': 'adaptive', "
        "'feedback': 'v', 'smoothing': 0, 'max_ratio': 7, 'weights': {'c': 2, 'x': 3, 'a': 1}}}]");
    report_epoch(peer, 0);
    revision = newest(peer, "t", &count);
    assert_float_equal(weight(revision, "a"), 2, 1e-12);
    assert_float_equal(weight(revision, "c"), 7, 1e-12);
    assert_float_equal(weight(revision, "x"), 3, 1e-12);
    json_decref(revision);
}

/* The peer that reported is gone while its report is at work. */
static void test_reporter_gone(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *reporter = peer_new(h);
    json_t *revision;
    size_t count;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 't', 'dataset': 'd', 'batch_size': 4, "
            "'strategy': {'kind': 'adaptive', 'feedback': 'v', 'every': 1}}]");
    h->hold_work = true;
    peer_send(reporter, "job.report", "[{'job': 'v', 'epoch': 0, %s}]", step_reports[1]);
    harness_pump(h);
    assert_int_equal(h->work_count, 1);
    peer_close(reporter);
    h->hold_work = false;
    work_run(h);
    revision = newest(peer, "t", &count);
    while (count < 2) {
        json_decref(revision);
        revision = newest(peer, "t", &count);
    }
    assert_string_equal(text(revision, "author"), "adaptive");
    json_decref(revision);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counted_once, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_refused_whole, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_bin_and_loss, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_thresholds, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_all_epochs_together, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_ranks, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_adaptive_epochs, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_adaptive_survives, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_adaptive_is_full, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_adaptive_itself, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_adaptive_by_name, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_reporter_gone, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
