/* What a worker holds: leases that end, streams that are resumed, restarts, worlds that change. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many samples of two classes. */
static void load_data(struct peer *peer, int samples)
{
    json_t *labels = json_array();
    char *chunk;

    for (int i = 0; i < samples; i++)
        json_array_append_new(labels, json_integer(i % 3 == 0));
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", chunk);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    free(chunk);
    json_decref(labels);
}

/* The next batch must be this step. */
static void expect_step(struct peer *peer, int step, bool redelivered)
{
    json_t *batch = peer_note(peer, "batch");

    assert_non_null(batch);
    assert_int_equal(integer(batch, "step"), step);
    assert_int_equal(json_is_true(json_object_get(batch, "redelivered")), redelivered);
    json_decref(batch);
}

/* The answer to stream.open says: so many steps are handed out, and that one comes first. */
static void expect_begin(const json_t *answer, int step, int first)
{
    const json_t *at = json_object_get(answer, "first");

    assert_int_equal(integer(answer, "step"), step);
    assert_int_equal(integer(at, "epoch"), 0);
    assert_int_equal(integer(at, "step"), first);
}

static void expect_none(struct peer *peer)
{
    assert_null(peer_note(peer, "batch"));
}

static int64_t worker_field(struct peer *peer, const char *field)
{
    json_t *answer = peer_call(peer, "job.workers", "[{'job': 'j'}]");
    const json_t *workers = json_object_get(answer, "workers");
    int64_t value = integer(json_array_get(workers, json_array_size(workers) - 1), field);

    json_decref(answer);
    return value;
}

static void test_time_runs_out(void **state)
{
    struct harness *h = *state;
    struct peer *slow = peer_new(h), *quick = peer_new(h);
    json_t *answer;

    load_data(slow, 100);
    peer_do(slow, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 10, 'time_to_run': 1000}]");
    peer_do(slow, "stream.open", "[{'job': 'j', 'window': 2}]");
    expect_step(slow, 0, false);
    expect_step(slow, 1, false);
    harness_pass(h, 900);
    answer = peer_call(slow, "stream.touch", "[{'stream': 1}]");
    assert_int_equal(integer(answer, "held"), 2);
    json_decref(answer);
    harness_pass(h, 900);
    peer_do(slow, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    expect_step(slow, 2, false);
    peer_do(quick, "stream.open", "[{'job': 'j', 'window': 1}]");
    expect_step(quick, 3, false);
    harness_pass(h, 200);
    peer_do(quick, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 3}]");
    expect_step(quick, 1, true);
    assert_non_null(strstr(h->warning, "job \"j\": 1 batches were not acknowledged"));
    expect_none(slow); /* until it says something; late as it is, it is too late for that step */
    peer_refused(slow, EVD_E_CONFLICT, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    expect_step(slow, 4, false);
    answer = peer_call(slow, "stream.release", "[{'stream': 1, 'epoch': 0, 'step': 2}]");
    assert_int_equal(integer(answer, "released"), 1);
    json_decref(answer);
    expect_step(slow, 2, true);
    answer = peer_call(slow, "job.workers", "[{'job': 'j'}]");
    assert_int_equal(integer(answer, "redelivered"), 2);
    assert_int_equal(integer(answer, "expired"), 1);
    assert_int_equal(json_array_size(json_object_get(answer, "workers")), 2);
    json_decref(answer);
}

static void test_resumed(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_connect(h), *other, *back;
    json_t *hello = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'a'}]"), *answer;
    int64_t session = integer(hello, "session"), key = integer(hello, "resume_key");

    assert_false(json_is_true(json_object_get(hello, "resumed")));
    json_decref(hello);
    load_data(peer, 100);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 3}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    peer_close(peer);
    other = peer_new(h);
    peer_do(other, "stream.open", "[{'job': 'j', 'window': 1}]");
    expect_step(other, 4, false); /* 0, 2 and 3 wait for the lost one */
    assert_int_equal(worker_field(other, "held"), 1);
    harness_pass(h, 1900);
    /* Who does not know the key gets nothing. */
    back = peer_connect(h);
    answer =
        peer_call(back, "hello", "[{'protocol': 1, 'client': 'a', 'resume': %d, 'resume_key': 1}]",
                  (int)session);
    assert_false(json_is_true(json_object_get(answer, "resumed")));
    json_decref(answer);
    peer_refused(back, EVD_E_NOT_FOUND, "stream.open", "[{'job': 'j', 'resume': 1}]");
    back = peer_connect(h);
    answer = peer_call(back, "hello",
                       "[{'protocol': 1, 'client': 'a', 'resume': %lld, 'resume_key': %lld}]",
                       (long long)session, (long long)key);
    assert_true(json_is_true(json_object_get(answer, "resumed")));
    json_decref(answer);
    peer_refused(back, EVD_E_NOT_FOUND, "stream.open", "[{'job': 'j', 'resume': 7}]");
    answer = peer_call(back, "stream.open", "[{'job': 'j', 'window': 4, 'resume': 1}]");
    assert_true(json_is_true(json_object_get(answer, "resumed")));
    expect_begin(answer, 5, 0);
    json_decref(answer);
    expect_step(back, 0, true);
    expect_step(back, 2, true);
    expect_step(back, 3, true);
    expect_step(back, 5, false);
    /* Another time it comes too late. */
    session = worker_field(back, "session");
    peer_close(back);
    harness_pass(h, 2100);
    peer_do(other, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 4}]");
    expect_step(other, 0, true);
}

/* As many lost connections as there may be others are waited for; one more is not. */
static void test_lost_within_bounds(void **state)
{
    struct harness *h = *state;
    struct peer *peer, *lost[3];

    harness_down(h);
    h->limits.connections = 2;
    harness_up(h);
    h->limits.connections = 1024;
    peer = peer_new(h);
    load_data(peer, 100);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
    for (int i = 0; i < 3; i++) {
        lost[i] = peer_new(h);
        peer_do(lost[i], "stream.open", "[{'job': 'j', 'window': 1}]");
        expect_step(lost[i], (uint64_t)i, false);
    }
    for (int i = 0; i < 3; i++)
        peer_close(lost[i]);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2}]");
    expect_step(peer, 2, true); /* the last one's */
    expect_step(peer, 3, false);
    harness_pass(h, 2100); /* the grace of the others is over */
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 4}]");
    expect_step(peer, 0, true);
    expect_step(peer, 1, true);
}

/* Whoever asks again hears that the step is acknowledged already, but not before that is durable.
 */
static void test_confirmed_again(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t first, second;

    load_data(peer, 100);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    expect_step(peer, 0, false);
    harness_quiet(h);
    first = peer_send(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    second = peer_send(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    assert_false(peer_answered(peer, second) && !peer_answered(peer, first));
    assert_non_null(strstr(peer_error(peer, second, EVD_E_CONFLICT), "acknowledged already"));
    assert_true(peer_succeeded(peer, first)); /* so its commit was before */
}

/* A client whose old connection hangs, and nobody has noticed. */
static void test_half_open(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_connect(h), *back = peer_connect(h);
    json_t *hello = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'a'}]");

    load_data(peer, 100);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 10, 'mode': 'ranked'}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'rank': 0, 'world_size': 2}]");
    expect_step(peer, 0, false);
    peer_do(back, "hello", "[{'protocol': 1, 'client': 'a', 'resume': %lld, 'resume_key': %lld}]",
            (long long)integer(hello, "session"), (long long)integer(hello, "resume_key"));
    json_decref(hello);
    harness_pump(h);
    assert_true(peer->hung_up);
    peer_do(back, "stream.open", "[{'job': 'j', 'window': 1, 'rank': 0, 'resume': 1}]");
    expect_step(back, 0, true);
    peer_close(peer);
    peer_do(back, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    expect_step(back, 1, false);
}

/* Two workers outlive the daemon: each goes on with what it has, and nothing comes twice. */
static void test_restart(void **state)
{
    struct harness *h = *state;
    struct peer *a = peer_new(h), *b = peer_new(h);
    json_t *answer;

    load_data(a, 400);
    peer_do(a, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
    peer_do(a, "stream.open", "[{'job': 'j', 'window': 2}]");
    peer_do(b, "stream.open", "[{'job': 'j', 'window': 2}]");
    peer_do(a, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    harness_restart(h);
    a = peer_new(h);
    answer = peer_call(a, "stream.open",
                       "[{'job': 'j', 'window': 2, 'holding': [[0, 0], [0, 1], [0, 4], [0, 99]]}]");
    assert_int_equal(json_array_size(json_object_get(answer, "held")), 2);
    expect_begin(answer, 5, 2); /* 1 and 4 do not come again */
    json_decref(answer);
    expect_none(a);
    /* What b may still have is not given to a. */
    peer_do(a, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 4, 'through': true}]");
    expect_step(a, 5, false);
    expect_step(a, 6, false);
    b = peer_new(h);
    answer = peer_call(b, "stream.open",
                       "[{'job': 'j', 'window': 0, 'generation': 0, 'holding': [[0, 2]]}]");
    assert_int_equal(json_array_size(json_object_get(answer, "held")), 1);
    json_decref(answer);
    harness_pass(h, 4100);
    peer_do(a, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 5}]");
    expect_step(a, 3, true); /* nobody has said that it has this one */
    peer_do(b, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 2}]");
}

/* Another number of ranks goes on where all have come to; replicas get the same. */
static void test_worlds(void **state)
{
    struct harness *h = *state;
    struct peer *peer[4];
    json_t *answer;

    for (int i = 0; i < 4; i++)
        peer[i] = peer_new(h);
    load_data(peer[0], 100);
    peer_do(peer[0], "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 12, 'mode': 'ranked', 'replicas': 2, "
            "'grace': 0}]");
    peer_refused(peer[0], EVD_E_BAD_VALUE, "stream.open",
                 "[{'job': 'j', 'rank': 0, 'world_size': 3}]");
    for (int i = 0; i < 4; i++)
        peer_do(peer[i], "stream.open", "[{'job': 'j', 'window': 2, 'rank': %d, 'world_size': 4}]",
                i);
    for (int i = 0; i < 4; i += 2) {
        json_t *one = peer_note(peer[i], "batch"), *two = peer_note(peer[i + 1], "batch");

        assert_int_equal(json_array_size(json_object_get(one, "index")), 6);
        assert_true(json_equal(json_object_get(one, "index"), json_object_get(two, "index")));
        json_decref(one);
        json_decref(two);
        peer_do(peer[i], "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
        peer_do(peer[i + 1], "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    }
    peer_do(peer[0], "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    peer_refused(peer[0], EVD_E_CONFLICT, "stream.open",
                 "[{'job': 'j', 'rank': 0, 'world_size': 2}]");
    for (int i = 1; i < 4; i++)
        peer_close(peer[i]);
    peer_do(peer[0], "stream.close", "[{'stream': 1}]");
    peer_forget(peer[0]);
    peer_do(peer[0], "stream.open", "[{'job': 'j', 'window': 1, 'rank': 1, 'world_size': 2}]");
    expect_step(peer[0], 1, true);
    answer = peer_call(peer[0], "job.history", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(answer, "worlds")), 2);
    assert_int_equal(integer(json_array_get(json_object_get(answer, "worlds"), 1), "world_size"),
                     2);
    assert_int_equal(integer(json_array_get(json_object_get(answer, "worlds"), 1), "step"), 1);
    json_decref(answer);
}

/* Evaluation: every sample once, whatever their number and that of the ranks. */
static void test_exact(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    int seen[103] = {0};

    load_data(peer, 103);
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'j', 'dataset': 'd', 'batch_size': 12, 'mode': 'ranked', "
                 "'last_batch': 'exact', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'j', 'dataset': 'd', 'batch_size': 12, 'mode': 'ranked', "
                 "'last_batch': 'exact', 'strategy': {'kind': 'uniform', 'repeats': 2}}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 "[{'name': 'j', 'dataset': 'd', 'batch_size': 12, 'last_batch': 'exact'}]");
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 12, 'mode': 'ranked', "
            "'last_batch': 'exact'}]");
    peer_refused(peer, EVD_E_STRATEGY, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    for (int rank = 0; rank < 6; rank++) {
        json_t *batch;

        peer_do(peer, "stream.open", "[{'job': 'j', 'window': 20, 'rank': %d, 'world_size': 6}]",
                rank);
        for (int step = 0; step < 9; step++) {
            batch = peer_note(peer, "batch");
            assert_int_equal(integer(batch, "step"), step);
            for (size_t i = 0; i < json_array_size(json_object_get(batch, "index")); i++)
                seen[json_integer_value(json_array_get(json_object_get(batch, "index"), i))]++;
            json_decref(batch);
        }
        expect_none(peer);
    }
    for (int i = 0; i < 103; i++)
        assert_int_equal(seen[i], 1);
}

/* Nothing comes twice; what is lost is lost. */
static void test_at_most_once(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer;

    load_data(peer, 1000);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 10, 'guarantee': 'at-most-once'}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 3}]");
    for (int i = 0; i < 3; i++)
        expect_step(peer, i, false);
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    expect_step(peer, 3, false);
    harness_restart(h); /* in order: nothing more is lost */
    peer = peer_new(h);
    answer = peer_call(peer, "stream.open", "[{'job': 'j', 'window': 1, 'holding': [[0, 3]]}]");
    assert_int_equal(json_array_size(json_object_get(answer, "held")), 0);
    json_decref(answer);
    expect_step(peer, 4, false);
}

/* What the network hears of a connection where it has to choose: whether it has streams, and
 * whether it gets on. */
static void test_standing(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    load_data(peer, 1000);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 10, 'time_to_run': 1000}]");
    assert_false(peer->preferred);
    assert_false(session_working(peer->session));
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2}]");
    assert_true(peer->preferred);
    assert_false(session_working(peer->session));
    expect_step(peer, 0, false);
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    assert_true(session_working(peer->session));
    harness_pass(h, 1100); /* the rest is overdue */
    assert_false(session_working(peer->session));
    assert_true(peer->preferred);
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    assert_false(peer->preferred);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_time_runs_out), TEST(test_resumed),      TEST(test_confirmed_again),
        TEST(test_half_open),     TEST(test_restart),      TEST(test_worlds),
        TEST(test_exact),         TEST(test_at_most_once), TEST(test_lost_within_bounds),
        TEST(test_standing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
