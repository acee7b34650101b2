/* Peers that send no more: what they asked for is answered, then they are hung up; what they held
 * goes to others at once. */
#include "harness.h"

#include <string.h>

/* One after the other without waiting, as a script does: a dataset and a job, from nothing. */
static void test_pipeline(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_connect(h);
    uint32_t ids[6];
    json_t *answer;

    h->hold_work = true;
    ids[0] = peer_send(peer, "hello", "[{'protocol': 1, 'client': 'script'}]");
    ids[1] = peer_send(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    ids[2] = peer_send(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1, 1, 0]}]");
    ids[3] = peer_send(peer, "dataset.commit", "[{'draft': 1, 'samples': 4}]");
    ids[4] = peer_send(peer, "dataset.list", "[]");
    ids[5] = peer_send(peer, "job.info", "[{'job': 'none'}]");
    peer_silent(peer);
    assert_false(peer->hung_up); /* the dataset is being built */
    h->hold_work = false;
    work_run(h);
    harness_quiet(h);
    assert_true(peer->hung_up);
    for (int i = 0; i < 5; i++)
        json_decref(peer_result(peer, ids[i]));
    peer_error(peer, ids[5], EVD_E_NOT_FOUND);
    peer_close(peer);
    peer = peer_new(h);
    answer = peer_call(peer, "dataset.info", "[{'dataset': 'd'}]");
    assert_int_equal(integer(answer, "samples"), 4);
    json_decref(answer);
}

static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1, 1, 0, 0, 1, 1, 0]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

/* Its acknowledgement is answered when it is durable; its other batch goes to somebody else before.
 */
static void test_worker(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    json_t *batch;
    uint32_t ack;

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'grace': 0}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2}]");
    peer_do(other, "stream.open", "[{'job': 'j', 'window': 3}]");
    peer_forget(other);
    json_decref(peer_note(peer, "batch"));
    ack = peer_send(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_silent(peer);
    batch = peer_note(other, "batch");
    assert_non_null(batch);
    assert_int_equal(integer(batch, "step"), 1);
    assert_true(json_is_true(json_object_get(batch, "redelivered")));
    json_decref(batch);
    json_decref(peer_result(peer, ack));
    harness_quiet(h);
    assert_true(peer->hung_up);
    peer_close(peer);
}

/* Within the grace period it may come back, on another connection. */
static void test_resumed(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_connect(h), *again = peer_connect(h);
    json_t *hello, *batch;

    hello = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'w'}]");
    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'grace': 9000}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    h->hold_work = true;
    peer_send(peer, "job.preview", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    peer_silent(peer);
    assert_false(peer->hung_up);
    peer_do(again, "hello", "[{'protocol': 1, 'client': 'w', 'resume': %d, 'resume_key': %lld}]",
            (int)integer(hello, "session"), (long long)integer(hello, "resume_key"));
    assert_true(peer->hung_up);
    peer_do(again, "stream.open", "[{'job': 'j', 'resume': 1}]");
    batch = peer_note(again, "batch");
    assert_int_equal(integer(batch, "step"), 0);
    json_decref(batch);
    json_decref(hello);
    peer_close(peer);
    h->hold_work = false;
    work_run(h);
}

/* The daemon stops, or the connection ends, while something is still owed. */
static void test_other_ends(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    load(peer);
    h->hold_work = true;
    peer_send(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 2}]");
    peer_silent(peer);
    peer_silent(peer);
    peer_close(peer);
    h->hold_work = false;
    work_run(h);
    peer = peer_new(h);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.info", "[{'job': 'j'}]");
    h->hold_work = true;
    peer_send(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 2}]");
    peer_silent(peer);
    h->hold_work = false;
}

/* Who asked for nothing that takes time is hung up at once. */
static void test_nothing_owed(void **state)
{
    struct peer *peer = peer_connect(*state);
    uint32_t id;

    peer_silent(peer);
    assert_true(peer->hung_up);
    peer_close(peer);
    peer = peer_connect(*state);
    id = peer_send(peer, "server.info", "[]");
    peer_silent(peer);
    assert_true(peer->hung_up);
    peer_error(peer, id, EVD_E_HELLO_REQUIRED);
    peer_close(peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {TEST(test_pipeline), TEST(test_worker), TEST(test_resumed),
                                       TEST(test_other_ends), TEST(test_nothing_owed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
