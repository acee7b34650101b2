/*
 * Jobs that retain the strategies of their last epochs: what is forgotten and when, what is
 * answered of it, and that all of it is the same after a restart between any two steps of
 * forgetting.
 */
#include "retaining.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is there ---- */

static void check_history(struct peer *peer, int first, int newest)
{
    json_t *history = peer_call(peer, "job.history", "[{'job': 'j'}]"), *revision;
    const json_t *revisions = json_object_get(history, "revisions");
    size_t i;

    assert_int_equal(json_array_size(revisions), newest + 1);
    json_array_foreach(revisions, i, revision)
    {
        bool forgotten = (int)i < first;

        assert_int_equal(integer(revision, "revision"), i);
        assert_int_equal(integer(revision, "epoch"), i);
        assert_true(json_is_true(json_object_get(revision, "forgotten")) == forgotten);
        assert_true(json_is_null(json_object_get(revision, "strategy")) == forgotten);
        assert_string_equal(text(revision, "author"), "test");
    }
    json_decref(history);
}

static void check_batches(struct peer *peer, json_t *(*batches)[STEPS], int first, int upto)
{
    for (int i = 0; i < upto * STEPS; i++) {
        int epoch = i / STEPS, step = i % STEPS;
        json_t *again;

        if (epoch < first) {
            assert_non_null(
                strstr(peer_refused(peer, EVD_E_NOT_FOUND, "job.batch",
                                    "[{'job': 'j', 'epoch': %d, 'step': %d}]", epoch, step),
                       "is forgotten, by \"retain_epochs\": what can be drawn again begins with"));
            continue;
        }
        again =
            peer_call(peer, "job.batch", "[{'job': 'j', 'epoch': %d, 'step': %d}]", epoch, step);
        assert_true(json_equal(json_object_get(again, "index"),
                               json_object_get(batches[epoch][step], "index")));
        json_decref(again);
    }
}

static void check_since(const json_t *answer, int epoch)
{
    const json_t *since = json_object_get(answer, "since");

    assert_int_equal(integer(since, "epoch"), epoch);
    assert_int_equal(integer(since, "step"), 0);
}

static int labels_of(const json_t *batch, int class)
{
    json_t *label;
    size_t i;
    int count = 0;

    json_array_foreach(json_object_get(batch, "label"), i, label) count +=
        json_integer_value(label) == class;
    return count;
}

static void check_counts(const json_t *stats, json_t *(*batches)[STEPS], int from, int upto)
{
    int64_t served[2] = {0};

    for (int i = from * STEPS; i < upto * STEPS; i++) {
        for (int class = 0; class < 2; class ++)
            served[class] += labels_of(batches[i / STEPS][i % STEPS], class);
    }
    assert_int_equal(integer(stats, "steps"), (upto - from) * STEPS);
    for (size_t class = 0; class < 2; class ++)
        assert_int_equal(
            json_integer_value(json_array_get(json_object_get(stats, "served"), class)),
            served[class]);
}

static void check_stats(struct peer *peer, json_t *(*batches)[STEPS], int first, int upto)
{
    json_t *stats = peer_call(peer, "job.stats", "[{'job': 'j'}]");

    check_since(stats, first);
    check_counts(stats, batches, first, upto);
    json_decref(stats);
    stats = peer_call(peer, "job.stats", "[{'job': 'j', 'epoch': %d}]", first);
    check_counts(stats, batches, first, first + 1);
    json_decref(stats);
    if (first > 0)
        peer_refused(peer, EVD_E_NOT_FOUND, "job.stats", "[{'job': 'j', 'epoch': %d}]", first - 1);
}

static void check_trace(struct peer *peer, json_t *(*batches)[STEPS], int first, int upto)
{
    json_t *trace = peer_call(peer, "job.trace", "[{'job': 'j', 'sample': 3}]"), *index;
    size_t found = 0, k;

    check_since(trace, first);
    for (int i = first * STEPS; i < upto * STEPS; i++) {
        bool there = false;

        json_array_foreach(json_object_get(batches[i / STEPS][i % STEPS], "index"), k, index)
            there |= json_integer_value(index) == 3;
        found += there;
    }
    assert_int_equal(json_array_size(json_object_get(trace, "steps")), found);
    json_decref(trace);
}

static void check_all(struct peer *peer, json_t *(*batches)[STEPS], int first, int upto)
{
    check_history(peer, first, upto);
    check_batches(peer, batches, first, upto);
    check_stats(peer, batches, first, upto);
    check_trace(peer, batches, first, upto);
}

/* ---- tests ---- */

static void test_last_epochs_are_retained(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, RETAINED);
    json_t *batches[EPOCHS][STEPS] = {{0}};
    int64_t history;
    json_t *info;

    serve(peer, 0, RETAINED, batches);
    settle(h);
    check_all(peer, batches, 0, RETAINED);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    history = integer(info, "history");
    assert_int_equal(integer(info, "retain_epochs"), RETAINED);
    json_decref(info);
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_close(peer);
    peer = peer_new(h);
    serve(peer, RETAINED, EPOCHS, batches);
    settle(h);
    check_all(peer, batches, EPOCHS - RETAINED, EPOCHS);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_true(integer(info, "history") < 2 * history);
    json_decref(info);
    for (int i = 0; i < 2; i++) {
        harness_restart(h);
        peer = peer_new(h);
        check_all(peer, batches, EPOCHS - RETAINED, EPOCHS);
    }
    drop_batches(batches);
}

/* Without it, or where one strategy holds for ever, nothing goes. */
static void test_others_retain_everything(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, 0);
    json_t *batches[EPOCHS][STEPS] = {{0}};

    serve(peer, 0, 8, batches);
    settle(h);
    check_all(peer, batches, 0, 8);
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    retaining_create(peer, 1);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index', 'label']}]");
    for (int i = 0; i < 8 * STEPS; i++) {
        json_decref(take_batch(peer, i / STEPS, i % STEPS));
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", i / STEPS,
                i % STEPS);
    }
    settle(h);
    check_history(peer, 0, 0);
    peer_do(peer, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 0}]");
    drop_batches(batches);
}

/* What a worker has not acknowledged can be handed out again, however far others are. */
static void test_the_slowest_counts(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, 1);
    json_t *history, *revision, *batch;
    size_t i;

    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 40, 'columns': ['index']}]");
    for (int epoch = 0; epoch < 6; epoch++) {
        peer_do(peer, "job.update", "[{'job': 'j', 'when': 'now', 'strategy': " STRATEGY "}]",
                epoch + 2);
        for (int step = 0; step < STEPS; step++) {
            if (epoch + step > 0)
                peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch,
                            step);
        }
    }
    settle(h);
    history = peer_call(peer, "job.history", "[{'job': 'j'}]");
    json_array_foreach(json_object_get(history, "revisions"), i, revision)
        assert_true(json_is_false(json_object_get(revision, "forgotten")));
    json_decref(history);
    peer_close(peer);
    harness_restart(h);
    peer = peer_new(h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index']}]");
    harness_pass(h, 3000); /* until those that were out come back */
    batch = take_batch(peer, 0, 0);
    json_decref(batch);
}

/* Of all that was ever recorded, what begins before that epoch is forgotten. */
static void check_left(struct peer *peer, int first)
{
    json_t *history = peer_call(peer, "job.history", "[{'job': 'j'}]"), *revision;
    size_t i, forgotten = 0;

    json_array_foreach(json_object_get(history, "revisions"), i, revision)
    {
        bool early = integer(revision, "epoch") < first;

        assert_true(json_is_true(json_object_get(revision, "forgotten")) == early);
        forgotten += early;
    }
    assert_true(forgotten > (size_t)first); /* of both generations */
    json_decref(history);
}

/* Positions stay, also as tokens, but nothing goes back to where nothing can be drawn. */
static void test_seeks(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, RETAINED);
    json_t *batches[EPOCHS][STEPS] = {{0}}, *position, *batch;
    char token[256];

    serve(peer, 0, 2, batches);
    position = peer_call(peer, "job.position", "[{'job': 'j'}]");
    snprintf(token, sizeof(token), "%s", text(position, "token"));
    json_decref(position);
    peer_close(peer);
    peer = peer_new(h);
    serve(peer, 2, 12, batches);
    settle(h);
    peer_close(peer);
    peer = peer_new(h);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.seek", "[{'job': 'j', 'token': '%s'}]", token);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.seek", "[{'job': 'j', 'epoch': 8, 'step': 1}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.seek",
                 "[{'job': 'j', 'epoch': 8, 'step': 1, 'mode': 'follow'}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 9, 'step': 1}]");
    for (int restart = 0; restart < 2; restart++) {
        peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index', 'label']}]");
        harness_pass(h, 3000); /* until what was out before has come back */
        for (int i = 9 * STEPS + 1; i < (restart ? 11 * STEPS : 9 * STEPS + 2); i++) {
            batch = take_batch(peer, i / STEPS, i % STEPS);
            assert_true(json_equal(json_object_get(batch, "index"),
                                   json_object_get(batches[i / STEPS][i % STEPS], "index")));
            json_decref(batch);
            if (restart > 0)
                peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", i / STEPS,
                        i % STEPS);
        }
        harness_restart(h);
        peer = peer_new(h);
    }
    /* Past where it was before, what was left behind goes too. */
    serve(peer, 11, 20, batches);
    settle(h);
    for (int i = 0; i < 2; i++) {
        check_left(peer, 20 - RETAINED);
        harness_restart(h);
        peer = peer_new(h);
    }
    drop_batches(batches);
}

/* One that is forgotten counts as one that the job has had, also after a restart. */
static void test_joins(void **state)
{
    static const char same[] =
        "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'if_exists': 'same',"
        " 'retain_epochs': %d, 'strategy': " STRATEGY "}]";
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, RETAINED);
    json_t *batches[EPOCHS][STEPS] = {{0}};

    serve(peer, 0, 12, batches);
    settle(h);
    for (int i = 0; i < 2; i++) {
        peer_do(peer, "job.create", same, RETAINED, 2);
        assert_non_null(strstr(peer_refused(peer, EVD_E_EXISTS, "job.create", same, 4, 2),
                               "retain_epochs is 3 and not 4"));
        assert_non_null(strstr(peer_refused(peer, EVD_E_EXISTS, "job.create", same, 3, 77),
                               "it has never drawn by that strategy"));
        peer_close(peer);
        harness_restart(h);
        peer = peer_new(h);
    }
    drop_batches(batches);
}

/* The store cannot forget: nothing is lost, and a later time does it. */
static void test_a_store_that_fails(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, RETAINED);
    json_t *batches[EPOCHS][STEPS] = {{0}};

    retaining_query(h, "CREATE TRIGGER refuse BEFORE INSERT ON forgotten"
                       " BEGIN SELECT RAISE(ABORT, 'not now'); END");
    peer = peer_new(h);
    serve(peer, 0, 14, batches);
    settle(h);
    check_all(peer, batches, 0, 14);
    retaining_query(h, "DROP TRIGGER refuse");
    peer = peer_new(h);
    serve(peer, 14, 15, batches);
    settle(h);
    check_all(peer, batches, 15 - RETAINED, 15);
    drop_batches(batches);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_last_epochs_are_retained),
        TEST(test_others_retain_everything),
        TEST(test_the_slowest_counts),
        TEST(test_seeks),
        TEST(test_joins),
        TEST(test_a_store_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
