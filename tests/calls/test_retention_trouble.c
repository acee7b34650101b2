/*
 * Jobs that retain the strategies of their last epochs, where that is harder: at the end of all
 * epochs, while the job is being changed, and when the store could not forget.
 */
#include "retaining.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A job that is through with the last epoch is so after a restart, and there is a way back. */
static void test_the_end(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, 1);
    json_t *info;

    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': %" PRIu32 ", 'step': 0}]", UINT32_MAX - 4);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index']}]");
    for (int64_t epoch = UINT32_MAX - 4; epoch <= UINT32_MAX; epoch++) {
        for (int step = 0; step < STEPS; step++) {
            json_decref(take_batch(peer, epoch, step));
            if (step == 0 && epoch < UINT32_MAX)
                peer_do(peer, "job.update",
                        "[{'job': 'j', 'when': 'epoch', 'strategy': " STRATEGY "}]",
                        (int)(UINT32_MAX - epoch));
            peer_do(peer, "stream.ack",
                    "[{'stream': 1, 'epoch': %" PRId64 ", 'step': %d, 'generation': 1}]", epoch,
                    step);
        }
    }
    settle(h);
    harness_restart(h);
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_null(json_object_get(info, "failure"));
    assert_int_equal(integer(info, "epoch"), UINT32_MAX + INT64_C(1));
    json_decref(info);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.seek",
                 "[{'job': 'j', 'epoch': %" PRIu32 ", 'step': 0}]", UINT32_MAX - 1);
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': %" PRIu32 ", 'step': 1}]", UINT32_MAX);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index']}]");
    json_decref(take_batch(peer, UINT32_MAX, 1));
}

/* What could not be forgotten is read again where the job goes on by it. */
static void test_a_seek_after_that(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, 1);
    json_t *batches[EPOCHS][STEPS] = {{0}}, *position;
    char token[256];

    retaining_query(h, "CREATE TRIGGER refuse BEFORE INSERT ON forgotten"
                       " BEGIN SELECT RAISE(ABORT, 'not now'); END");
    peer = peer_new(h);
    serve(peer, 0, 5, batches);
    position = peer_call(peer, "job.position", "[{'job': 'j'}]");
    snprintf(token, sizeof(token), "%s", text(position, "token"));
    json_decref(position);
    peer_close(peer);
    peer = peer_new(h);
    serve(peer, 5, 6, batches);
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 5, 'step': 0, 'mode': 'follow'}]");
    serve(peer, 5, 9, batches);
    settle(h);
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "job.seek", "[{'job': 'j', 'token': '%s'}]", token);
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 4, 'step': 0, 'mode': 'follow'}]");
    serve(peer, 4, 6, batches);
    drop_batches(batches);
}

/* The first so many of so many revisions are forgotten. */
static void check_forgotten(struct peer *peer, size_t forgotten, size_t count)
{
    json_t *history = peer_call(peer, "job.history", "[{'job': 'j'}]"), *revision;
    size_t i;

    json_array_foreach(json_object_get(history, "revisions"), i, revision)
        assert_true(json_is_true(json_object_get(revision, "forgotten")) == (i < forgotten));
    assert_int_equal(i, count);
    json_decref(history);
}

/* What was not forgotten while the job was being changed is when it has been. */
static void test_a_change_meanwhile(void **state)
{
    struct harness *h = *state;
    struct peer *peer = retaining_begin(h, RETAINED), *other = peer_new(h);
    json_t *batches[EPOCHS][STEPS] = {{0}};
    uint32_t id;

    serve(peer, 0, RETAINED, batches);
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index']}]");
    h->hold_work = true;
    id = peer_send(other, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    harness_pump(h);
    for (int epoch = RETAINED; epoch < 12; epoch++) {
        for (int step = 0; step < STEPS; step++) {
            json_decref(take_batch(peer, epoch, step));
            peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
        }
    }
    settle(h);
    check_forgotten(peer, 0, RETAINED + 1);
    h->hold_work = false;
    work_run(h);
    json_decref(peer_result(other, id));
    harness_quiet(h);
    check_forgotten(peer, RETAINED, RETAINED + 2);
    drop_batches(batches);
}

/* Strategies that are not kept in memory. */
static void begin_large(struct peer *peer)
{
    json_t *names = json_array();
    char name[64], *text;

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "class with a name of some length, which is number %d", i);
        json_array_append_new(names, json_string(name));
    }
    text = json_dumps(names, 0);
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': %s}]", text);
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1, 2, 3, 4, 5, 6, 7]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'seed': 5, 'retain_epochs': 2,"
            " 'strategy': {'kind': 'uniform'}}]");
    free(text);
    json_decref(names);
}

static void update_large(struct peer *peer, int weight)
{
    json_t *weights = json_object();
    char name[64], *text;

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "class with a name of some length, which is number %d", i);
        json_object_set_new(weights, name, json_integer(weight + i));
    }
    text = json_dumps(weights, 0);
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'epoch', 'strategy': {'kind': 'weighted', 'weight': 'explicit',"
            " 'weights': %s}}]",
            text);
    free(text);
    json_decref(weights);
}

static void pass_epoch(struct peer *peer, int epoch)
{
    for (int step = 0; step < STEPS; step++) {
        json_decref(take_batch(peer, epoch, step));
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
    }
}

/* Questions that wait for a thread while what they are about is forgotten: nothing is called
 * damaged that is not. */
static void test_questions_meanwhile(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h), *third = peer_new(h);
    uint32_t batch, stats, history;
    json_t *answer;

    begin_large(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index']}]");
    for (int epoch = 0; epoch < 5; epoch++) {
        json_decref(take_batch(peer, epoch, 0));
        update_large(peer, epoch + 1);
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': 0}]", epoch);
        json_decref(take_batch(peer, epoch, 1));
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': 1}]", epoch);
    }
    settle(h);
    h->hold_work = true;
    batch = peer_send(other, "job.batch", "[{'job': 'j', 'epoch': 3, 'step': 0}]");
    stats = peer_send(other, "job.stats", "[{'job': 'j'}]");
    history = peer_send(third, "job.history", "[{'job': 'j'}]");
    pass_epoch(peer, 5);
    pass_epoch(peer, 6);
    settle(h);
    h->hold_work = false;
    work_run(h);
    harness_quiet(h);
    peer_error(other, batch, EVD_E_NOT_FOUND);
    peer_error(other, stats, EVD_E_NOT_FOUND);
    answer = peer_result(third, history);
    assert_true(json_is_true(
        json_object_get(json_array_get(json_object_get(answer, "revisions"), 3), "forgotten")));
    json_decref(answer);
    peer_do(other, "job.stats", "[{'job': 'j'}]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_end),
        TEST(test_a_seek_after_that),
        TEST(test_a_change_meanwhile),
        TEST(test_questions_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
