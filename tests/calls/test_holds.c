/* What server.info says of the daemon's memory, by what it is for. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include "server/server.h"

#define SAMPLES 4096

/* Samples of two classes. */
static void load(struct peer *peer)
{
    json_t *labels = json_array();
    char *text;

    for (int i = 0; i < SAMPLES; i++)
        json_array_append_new(labels, json_integer(i % 2));
    text = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'pets', 'classes': ['cat', 'dog']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", text);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    free(text);
    json_decref(labels);
}

static int64_t sessions(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(json_object_get(info, "holds"), "sessions");

    json_decref(info);
    return bytes;
}

static int64_t jobs_of(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(json_object_get(info, "holds"), "jobs");

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
    assert_true(integer(holds, "datasets") > SAMPLES);
    assert_true(integer(holds, "drafts") > 0);
    assert_true(integer(holds, "strategies") > 0);
    assert_int_equal(integer(result, "memory"),
                     integer(holds, "datasets") + integer(holds, "attachments") +
                         integer(holds, "drafts") + integer(holds, "jobs") +
                         integer(holds, "strategies") + integer(holds, "reports") +
                         integer(holds, "uses"));
    json_decref(result);
}

/* A job knows of each rank what is done; that counts before the ranks are there. */
static void ranks_are_counted(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    int64_t before, rank, with;
    json_t *info;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'small', 'dataset': 'pets', 'batch_size': 4096, 'mode': 'ranked', "
            "'world_size': 1}]");
    before = jobs_of(peer);
    peer_do(peer, "job.create",
            "[{'name': 'large', 'dataset': 'pets', 'batch_size': 4096, 'mode': 'ranked', "
            "'world_size': 2}]");
    rank = jobs_of(peer) - 2 * before; /* the second rank; names and the like are the same */
    assert_in_range(rank, 3 * 1024 / 8, 1024);
    peer_do(peer, "job.create",
            "[{'name': 'open', 'dataset': 'pets', 'batch_size': 4096, 'mode': 'ranked'}]");
    info = peer_call(peer, "server.info", "[]");
    with = integer(info, "memory");
    json_decref(info);
    h->limits.memory = (uint64_t)(with + 1000 * rank);
    harness_restart(h);
    peer = peer_new(h);
    assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "stream.open",
                                        "[{'job': 'open', 'rank': 0, 'world_size': 4096}]"),
                           "--memory-limit"));
    peer_do(peer, "stream.open", "[{'job': 'open', 'rank': 0, 'world_size': 512}]");
    assert_true(jobs_of(peer) > 512 * rank);
}

/* What a job keeps of its counts counts, too: 16 bytes of each class. */
static void counts_are_counted(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    int64_t before, with, memory;
    json_t *info;

    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 49999]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
    before = jobs_of(peer);
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
    with = jobs_of(peer);
    assert_in_range(with - before, 16 * 50000, 16 * 50000 + 4096);
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(jobs_of(peer), with);
    peer_do(peer, "job.create", "[{'name': 'k', 'dataset': 'd', 'batch_size': 1}]");
    info = peer_call(peer, "server.info", "[]");
    memory = integer(info, "memory");
    json_decref(info);
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    assert_true(jobs_of(peer) <= before);
    h->limits.memory = (uint64_t)memory - 16 * 50000; /* for two jobs, and no counts */
    harness_restart(h);
    peer = peer_new(h);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_LIMIT, "job.stats", "[{'job': 'k'}]"), "--memory-limit"));
}

/* Who needs nothing more goes on where the limit is passed already; who does is refused. */
static void nothing_more_fits(void **state)
{
    static const struct {
        const char *method, *fields;
    } refused[] = {
        {"dataset.append", "{'draft': 2, 'labels': [0]}"},
        {"dataset.append", "{'draft': 3, 'labels': [0]}"},
        {"job.create", "{'name': 'k', 'dataset': 'pets', 'batch_size': 1}"},
    };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'pets', 'batch_size': 1}]");
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
    peer_do(peer, "dataset.create", "[{'name': 'next', 'classes': ['a']}]");
    h->server->host.limits.memory = SAMPLES; /* less than there is */
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': []}]");
    peer_do(peer, "dataset.create", "[{'name': 'empty'}]");
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_non_null(
            strstr(peer_refused(peer, EVD_E_LIMIT, refused[i].method, "[%s]", refused[i].fields),
                   "--memory-limit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_are_counted, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(ranks_are_counted, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(counts_are_counted, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(memory_by_kind, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(nothing_more_fits, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
