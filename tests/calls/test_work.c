/* Heavy work that nobody wants any more, too much of it, and the limit of memory. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include "proto/error.h"

static int setup(void **state)
{
    static struct harness h;

    h.limits.memory = 0;
    harness_start(&h);
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    struct harness *h = *state;

    h->hold_work = false;
    harness_stop(h);
    return 0;
}

static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0, 0, 0, 0, 1, 1, 1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

#define JOB(name)                                                                                  \
    "[{'name': '" name "', 'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'uniform'}}]"
#define PREVIEW "[{'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'uniform'}}]"

static void who_goes_takes_the_work_along(void **state)
{
    struct harness *h = *state;
    struct peer *stays = peer_new(h), *goes = peer_new(h);
    json_t *result;

    load(stays);
    h->hold_work = true;
    peer_send(goes, "job.create", JOB("j"));
    peer_send(goes, "job.preview", PREVIEW);
    assert_int_equal(h->work_count, 2);
    assert_false(h->work[0]->cancelled);
    peer_close(goes);
    assert_true(h->work[0]->cancelled && h->work[1]->cancelled);
    h->hold_work = false;
    harness_pump(h);
    result = peer_call(stays, "job.list", "[]");
    assert_int_equal(json_array_size(json_object_get(result, "jobs")), 0);
    json_decref(result);
    peer_do(stays, "job.create", JOB("j")); /* the name is free */
}

static void statistics_are_given_up_and_counted_again(void **state)
{
    struct harness *h = *state;
    struct peer *stays = peer_new(h), *goes = peer_new(h);
    json_t *result;
    uint32_t waiting;

    load(stays);
    peer_do(stays, "job.create", JOB("j"));
    peer_do(stays, "stream.open", "[{'job': 'j'}]");
    peer_do(stays, "stream.credit", "[{'stream': 1, 'window': 2}]");
    h->hold_work = true;
    peer_send(goes, "job.stats", "[{'job': 'j'}]");
    peer_send(goes, "job.stats", "[{'job': 'j'}]"); /* waits for the first */
    waiting = peer_send(stays, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(h->work_count, 1);
    peer_close(goes);
    h->hold_work = false;
    harness_pump(h);
    result = peer_result(stays, waiting);
    assert_int_equal(integer(result, "samples"), 8);
    assert_int_equal(integer(result, "steps"), 2);
    json_decref(result);
}

static void a_connection_has_so_much_under_way(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t first, second, third, fourth;

    load(peer);
    h->hold_work = true;
    first = peer_send(peer, "job.preview", PREVIEW);
    second = peer_send(peer, "job.preview", PREVIEW);
    third = peer_send(peer, "job.preview", PREVIEW);
    fourth = peer_send(other, "job.preview", PREVIEW);
    assert_int_equal(h->work_count, 3);
    assert_non_null(strstr(peer_error(peer, third, EVD_E_BUSY), "under way"));
    h->hold_work = false;
    harness_pump(h);
    json_decref(peer_result(peer, first));
    json_decref(peer_result(peer, second));
    json_decref(peer_result(other, fourth));
    peer_do(peer, "job.preview", PREVIEW);
}

/* A commit builds a class index, which is as heavy as anything. */
static void a_commit_is_heavy_work(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t first, second, commit;

    load(peer);
    peer_do(peer, "dataset.create", "[{'name': 'e'}]");
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': [0, 1]}]");
    h->hold_work = true;
    first = peer_send(peer, "job.preview", PREVIEW);
    second = peer_send(peer, "job.preview", PREVIEW);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_BUSY, "dataset.commit", "[{'draft': 2}]"), "under way"));
    h->hold_work = false;
    harness_pump(h);
    json_decref(peer_result(peer, first));
    json_decref(peer_result(peer, second));
    /* The draft is still there; and while it is committed there is room for one more. */
    h->hold_work = true;
    commit = peer_send(peer, "dataset.commit", "[{'draft': 2}]");
    first = peer_send(peer, "job.preview", PREVIEW);
    second = peer_send(peer, "job.preview", PREVIEW);
    peer_error(peer, second, EVD_E_BUSY);
    h->hold_work = false;
    harness_pump(h);
    json_decref(peer_result(peer, commit));
    json_decref(peer_result(peer, first));
}

static void a_commit_goes_with_its_connection(void **state)
{
    struct harness *h = *state;
    struct peer *stays = peer_new(h), *goes = peer_new(h);
    json_t *result;

    load(stays);
    peer_do(goes, "dataset.create", "[{'name': 'e'}]");
    peer_do(goes, "dataset.append", "[{'draft': 1, 'labels': [0, 1]}]");
    h->hold_work = true;
    peer_send(goes, "dataset.commit", "[{'draft': 1}]");
    assert_false(h->work[0]->cancelled);
    peer_close(goes);
    assert_true(h->work[0]->cancelled);
    h->hold_work = false;
    harness_quiet(h);
    result = peer_call(stays, "dataset.list", "[]");
    assert_int_equal(json_array_size(json_object_get(result, "datasets")), 1);
    json_decref(result);
    /* Nothing is left of it: the next of that name is version 1. */
    peer_do(stays, "dataset.create", "[{'name': 'e'}]");
    peer_do(stays, "dataset.append", "[{'draft': 2, 'labels': [0, 1]}]");
    result = peer_call(stays, "dataset.commit", "[{'draft': 2}]");
    assert_int_equal(integer(result, "version"), 1);
    json_decref(result);
}

/* Whatever there is to be counted or searched: after some tenths of a second others have their
 * turn. */
static void long_replays_give_way(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *result;
    uint32_t id;

    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 200000, 'step': 0, 'mode': 'follow'}]");
    h->hold_work = true;
    id = peer_send(peer, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(work_run(h), 4);
    h->hold_work = false;
    harness_pump(h);
    result = peer_result(peer, id);
    assert_int_equal(integer(result, "samples"), 200000 * 8);
    assert_int_equal(integer(result, "steps"), 200000 * 2);
    json_decref(result);
}

/* What waits for another replay counts, too. */
static void statistics_wait_within_bounds(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t id[4];

    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    h->hold_work = true;
    for (int i = 0; i < 3; i++)
        id[i] = peer_send(peer, "job.stats", "[{'job': 'j'}]");
    id[3] = peer_send(other, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(h->work_count, 1);
    assert_non_null(strstr(peer_error(peer, id[2], EVD_E_BUSY), "under way"));
    h->hold_work = false;
    harness_pump(h);
    json_decref(peer_result(peer, id[0]));
    json_decref(peer_result(peer, id[1]));
    json_decref(peer_result(other, id[3]));
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
}

static void stopping_gives_it_up(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t create;

    load(peer);
    h->hold_work = true;
    create = peer_send(peer, "job.create", JOB("j"));
    server_drain(h->server);
    server_flush(h->server);
    assert_true(h->work[0]->cancelled);
    h->hold_work = false;
    harness_pump(h);
    peer_error(peer, create, EVD_E_SHUTTING_DOWN);
}

static void stopping_gives_a_commit_up(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t commit;

    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1]}]");
    h->hold_work = true;
    commit = peer_send(peer, "dataset.commit", "[{'draft': 1}]");
    server_drain(h->server);
    server_flush(h->server);
    assert_true(h->work[0]->cancelled);
    h->hold_work = false;
    harness_pump(h);
    peer_error(peer, commit, EVD_E_SHUTTING_DOWN);
}

static void memory_has_a_limit(void **state)
{
    struct harness *h = *state;
    struct peer *peer;
    json_t *result, *labels = json_array();
    char *chunk;

    harness_down(h);
    h->limits.memory = 66000;
    harness_up(h);
    peer = peer_new(h);
    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    result = peer_call(peer, "server.info", "[]");
    assert_int_equal(integer(json_object_get(result, "limits"), "memory"), 66000);
    assert_int_equal(integer(json_object_get(result, "limits"), "works"), EVD_MAX_WORKS);
    assert_true(integer(result, "memory") > 0 && integer(result, "memory") <= 66000);
    json_decref(result);
    /* Tables that do not fit. */
    assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "job.preview",
                                        "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': "
                                        "'inverse', 'replacement': false, 'orders': 1000}}]"),
                           "--memory-limit"));
    /* Samples that do not fit; and the draft is gone, with what it took. */
    for (int i = 0; i < 65000; i++)
        json_array_append_new(labels, json_integer(i % 2));
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a', 'b']}]");
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_LIMIT, "dataset.append", "[{'draft': 2, 'labels': %s}]", chunk),
        "--memory-limit"));
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': 2, 'labels': [0]}]");
    peer_do(peer, "job.preview", PREVIEW);
    /* What is stored is loaded all the same. */
    h->limits.memory = 100;
    harness_restart(h);
    peer = peer_new(h);
    result = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(result, "steps"), 2);
    json_decref(result);
    peer_refused(peer, EVD_E_LIMIT, "job.preview", PREVIEW);
    free(chunk);
    json_decref(labels);
}

static int64_t memory_of(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(info, "memory");

    json_decref(info);
    return bytes;
}

/* A matrix of 200 classes takes 320 kB. */
#define REPORT "[{'job': 'j', 'epoch': 0, 'step': 0, 'index': [1], 'predicted': [2]}]"
static void reports_count_as_memory(void **state)
{
    struct harness *h = *state;
    struct peer *peer;
    int64_t before, with;

    for (int pass = 0; pass < 2; pass++) {
        harness_down(h);
        h->limits.memory = pass == 0 ? 300000 : 3000000;
        harness_up(h);
        peer = peer_new(h);
        if (pass == 0) {
            peer_do(peer, "dataset.create", "[{'name': 'd'}]");
            peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1, 2, 199]}]");
            peer_do(peer, "dataset.commit", "[{'draft': 1}]");
            peer_do(peer, "job.create", JOB("j"));
            assert_non_null(
                strstr(peer_refused(peer, EVD_E_LIMIT, "job.report", REPORT), "--memory-limit"));
            continue;
        }
        before = memory_of(peer);
        peer_do(peer, "job.report", REPORT);
        with = memory_of(peer);
        assert_true(with >= before + 320000);
        peer_do(peer, "job.report", REPORT); /* once more, which counts nothing */
        assert_int_equal(memory_of(peer), with);
        peer_do(peer, "job.drop", "[{'job': 'j'}]");
        assert_true(memory_of(peer) < before);
    }
}

static void an_update_says_what_it_cancels(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *expected;

    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    result = peer_call(peer, "job.update",
                       "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}, "
                       "'when': 'at', 'epoch': 10, 'step': 0}]");
    assert_int_equal(json_array_size(json_object_get(result, "cancelled")), 0);
    json_decref(result);
    result = peer_call(peer, "job.update",
                       "[{'job': 'j', 'strategy': {'kind': 'uniform'}, 'when': 'at', 'epoch': 20, "
                       "'step': 0}]");
    expected = json_of("[%lld]", (long long)integer(result, "revision") - 1);
    assert_true(json_equal(json_object_get(result, "cancelled"), expected));
    json_decref(expected);
    json_decref(result);
}

static double share(const json_t *map, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(map, key), i));
}

/* What was asked for is what the strategies asked for that drew it, not the present one. */
static void asked_goes_by_the_revision_that_drew(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result;

    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "job.update",
            "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    result = peer_call(peer, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(integer(result, "samples"), 4);
    assert_float_equal(share(result, "asked", 0), 5.0 / 8, 1e-9);
    assert_float_equal(share(result, "present", 0), 0.5, 1e-9);
    json_decref(result);
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 2}]");
    result = peer_call(peer, "job.stats", "[{'job': 'j', 'epoch': 0}]");
    assert_int_equal(integer(result, "samples"), 8);
    assert_float_equal(share(result, "asked", 0), (5.0 / 8 + 0.5) / 2, 1e-9);
    json_decref(result);
}

/* An epoch in which the strategy changed can be asked for after what came later was counted. */
static void an_epoch_is_counted_again(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result;

    load(peer);
    peer_do(peer, "job.create", JOB("j"));
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "job.update",
            "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 2}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1, 'through': true}]");
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 2}]");
    peer_do(peer, "job.stats", "[{'job': 'j'}]");
    result = peer_call(peer, "job.stats", "[{'job': 'j', 'epoch': 0}]");
    assert_int_equal(integer(result, "steps"), 2);
    assert_float_equal(share(result, "asked", 0), (5.0 / 8 + 0.5) / 2, 1e-9);
    json_decref(result);
}

static int64_t steps_counted(struct peer *peer)
{
    json_t *result = peer_call(peer, "job.stats", "[{'job': 'j'}]");
    int64_t steps = integer(result, "steps");

    json_decref(result);
    return steps;
}

/* What is counted does not depend on whether it was counted before the job was moved. */
static void a_job_that_went_back_is_counted_afresh(void **state)
{
    int64_t steps[2];

    load(peer_new(*state));
    for (int asked = 0; asked < 2; asked++) {
        struct peer *peer = peer_new(*state);

        peer_do(peer, "job.create", JOB("j"));
        peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
        peer_do(peer, "job.update",
                "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
        peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 2}]");
        if (asked)
            assert_int_equal(steps_counted(peer), 2);
        peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 1}]");
        peer_do(peer, "job.seek",
                "[{'job': 'j', 'epoch': 0, 'step': 0, 'mode': 'replay', 'force': true}]");
        steps[asked] = steps_counted(peer);
        peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    }
    assert_int_equal(steps[0], 1);
    assert_int_equal(steps[1], 1);
}

/* Ranks that share a slice get it one after the other; it was served once. */
static void replicas_are_counted_once(void **state)
{
    struct harness *h = *state;
    struct peer *first = peer_new(h), *second = peer_new(h);
    json_t *result;

    load(first);
    peer_do(first, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'mode': 'ranked', 'world_size': 2, "
            "'replicas': 2, 'strategy': {'kind': 'uniform'}}]");
    peer_do(first, "stream.open", "[{'job': 'j', 'rank': 0, 'window': 2}]");
    peer_do(second, "stream.open", "[{'job': 'j', 'rank': 1, 'window': 1}]");
    result = peer_call(first, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(integer(result, "samples"), 8);
    assert_float_equal(share(result, "served", 0), 5, 0);
    assert_float_equal(share(result, "served", 1), 3, 0);
    json_decref(result);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_goes_takes_the_work_along),
        TEST(statistics_are_given_up_and_counted_again),
        TEST(a_connection_has_so_much_under_way),
        TEST(long_replays_give_way),
        TEST(a_commit_is_heavy_work),
        TEST(a_commit_goes_with_its_connection),
        TEST(statistics_wait_within_bounds),
        TEST(stopping_gives_it_up),
        TEST(stopping_gives_a_commit_up),
        TEST(memory_has_a_limit),
        TEST(reports_count_as_memory),
        TEST(an_update_says_what_it_cancels),
        TEST(asked_goes_by_the_revision_that_drew),
        TEST(an_epoch_is_counted_again),
        TEST(replicas_are_counted_once),
        TEST(a_job_that_went_back_is_counted_afresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
