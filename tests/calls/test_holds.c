/* What server.info says of the daemon's memory, by what it is for. */
#include "harness.h"

/* Sixteen samples of two classes. */
static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'pets', 'classes': ['cat', 'dog']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0,1,0,1,0,1,0,1,0,1,0,1,0,1,0,1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

static int64_t sessions(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(json_object_get(info, "holds"), "sessions");

    json_decref(info);
    return bytes;
}

/* Streams count with the room that their windows need. */
static void streams_are_counted(void **state)
{
    struct peer *peer = peer_new(*state);
    int64_t before, with;

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'pets', 'batch_size': 1}]");
    before = sessions(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    with = sessions(peer);
    assert_true(with > before);
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 256}]");
    assert_true(sessions(peer) >= with + 255 * 16);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 256}]");
    assert_true(sessions(peer) >= before + 2 * 256 * 16);
    peer_do(peer, "stream.close", "[{'stream': 2}]");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    assert_int_equal(sessions(peer), before);
}

/* What `memory` sums up is told by kind. */
static void memory_by_kind(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *holds;

    load(peer);
    peer_do(peer, "dataset.create", "[{'name': 'next', 'classes': ['a']}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'pets', 'batch_size': 1}]");
    result = peer_call(peer, "server.info", "[]");
    holds = json_object_get(result, "holds");
    assert_true(integer(holds, "datasets") > 16 * 5);
    assert_true(integer(holds, "drafts") > 0);
    assert_true(integer(holds, "strategies") > 0);
    assert_int_equal(integer(result, "memory"),
                     integer(holds, "datasets") + integer(holds, "drafts") +
                         integer(holds, "strategies") + integer(holds, "reports") +
                         integer(holds, "uses"));
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_are_counted, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(memory_by_kind, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
