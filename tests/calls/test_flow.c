/* Life of jobs: delivery, change, loss of peers, restart. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 1000

/* SAMPLES samples of three classes, 90 % of the first. */
static void load_data(struct peer *peer)
{
    json_t *labels = json_array(), *draft = peer_call(peer, "dataset.create", "[{'name': 'd'}]");
    char *chunk;

    for (int i = 0; i < SAMPLES; i++)
        json_array_append_new(labels, json_integer(i % 10 ? 0 : 1 + i / 10 % 2));
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': %s}]", (int)integer(draft, "draft"),
            chunk);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", (int)integer(draft, "draft"));
    free(chunk);
    json_decref(labels);
    json_decref(draft);
}

static void test_deliver_and_count(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *stream, *batch, *stats;
    uint64_t seen = 0;
    bool drawn[SAMPLES] = {false};

    load_data(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 64}]");
    stream = peer_call(peer, "stream.open", "[{'job': 'j', 'window': 2, 'columns': ['label']}]");
    assert_int_equal(integer(stream, "steps"), 16);
    for (int step = 0; step < 16; step++) {
        batch = peer_note(peer, "batch");
        assert_non_null(batch);
        assert_int_equal(integer(batch, "step"), step);
        for (size_t i = 0; i < json_array_size(json_object_get(batch, "index")); i++) {
            json_int_t at = json_integer_value(json_array_get(json_object_get(batch, "index"), i));
            json_int_t label =
                json_integer_value(json_array_get(json_object_get(batch, "label"), i));

            assert_false(drawn[at]);
            assert_int_equal(label, at % 10 ? 0 : 1 + at / 10 % 2);
            drawn[at] = true;
            seen++;
        }
        json_decref(batch);
        if (step % 2)
            peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
        else
            peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
    }
    assert_int_equal(seen, SAMPLES);
    assert_null(peer_note(peer, "batch"));
    batch = peer_note(peer, "epoch_end");
    assert_int_equal(integer(batch, "steps"), 16);
    json_decref(batch);
    stats = peer_call(peer, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(integer(stats, "samples"), SAMPLES);
    assert_int_equal(integer(stats, "steps"), 16);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(stats, "served"), 0)), 900);
    assert_int_equal(json_array_size(json_object_get(stats, "epochs")), 1);
    json_decref(stats);
    stats = peer_call(peer, "job.stats", "[{'job': 'j', 'epoch': 1}]");
    assert_int_equal(integer(stats, "samples"), 0);
    json_decref(stats);
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "stream.close", "[{'stream': 1}]");
    json_decref(stream);
}

static void test_draft_dies(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other;
    json_t *draft = peer_call(peer, "dataset.create", "[{'name': 'd', 'classes': ['a']}]");
    json_t *list;
    uint32_t id;

    json_decref(draft);
    /* Also while it is being built, and while an answer is due. */
    h->hold_work = true;
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0]}]");
    id = peer_send(peer, "dataset.commit", "[{'draft': 1}]");
    assert_false(peer_answered(peer, id));
    json_decref(peer_call(peer, "dataset.create", "[{'name': 'd'}]"));
    peer_send(peer, "dataset.append", "[{'draft': 2, 'classes': ['a'], 'labels': [0]}]");
    peer_close(peer);
    h->hold_work = false;
    harness_pump(h);
    other = peer_new(h);
    list = peer_call(other, "dataset.list", "[]");
    assert_int_equal(json_array_size(json_object_get(list, "datasets")), 0);
    json_decref(list);
    load_data(other);
    /* A commit that the store has happens, though its sender goes before the answer. */
    json_decref(peer_call(other, "dataset.create", "[{'name': 'd'}]"));
    peer_do(other, "dataset.append", "[{'draft': 2, 'labels': [0, 1]}]");
    peer_send(other, "dataset.commit", "[{'draft': 2}]");
    peer_close(other);
    harness_restart(h);
    other = peer_new(h);
    list = peer_call(other, "dataset.list", "[]");
    assert_int_equal(json_array_size(json_object_get(list, "datasets")), 2);
    json_decref(list);
}

/* The indices of the next batch as text. */
static char *batch_text(struct peer *peer)
{
    json_t *batch = peer_note(peer, "batch");
    char *dump;

    assert_non_null(batch);
    json_object_del(batch, "stream");
    json_object_del(batch, "redelivered");
    dump = json_dumps(batch, JSON_SORT_KEYS);
    json_decref(batch);
    return dump;
}

static void test_restart(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *before[6], *after;
    json_t *info;

    load_data(peer);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 32, 'seed': 5, 'grace': 0, "
            "'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 3}]");
    for (int i = 0; i < 3; i++)
        before[i] = batch_text(peer);
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 2}]");
    before[3] = batch_text(peer);
    before[4] = batch_text(peer);
    assert_non_null(strstr(before[2], "\"revision\": 0"));
    assert_non_null(strstr(before[3], "\"revision\": 1"));
    harness_restart(h);
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 2);
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), 1);
    json_decref(info);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 3}]");
    for (int i = 1; i < 5; i++) {
        if (i == 2) /* acknowledged */
            continue;
        after = batch_text(peer);
        assert_string_equal(after, before[i]);
        free(after);
    }
    for (int i = 0; i < 5; i++)
        free(before[i]);
    /* Counted through two revisions, the first of which nobody needs any more. */
    for (int i = 1; i < 8; i++)
        peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", i);
    peer_forget(peer);
    info = peer_call(peer, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(integer(info, "samples"), 32 * integer(info, "steps"));
    assert_true(integer(info, "steps") >= 7);
    json_decref(info);
}

static void test_live_update(void **state)
{
    struct harness *h = *state;
    struct peer *ranks[4], *boss = peer_new(h);
    json_t *answer;
    int64_t at;

    load_data(boss);
    peer_do(boss, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 40, 'mode': 'ranked', "
            "'strategy': {'kind': 'stratified', 'proportions': 'natural'}}]");
    for (int r = 0; r < 4; r++) {
        ranks[r] = peer_new(h);
        peer_do(ranks[r], "stream.open",
                "[{'job': 'j', 'rank': %d, 'world_size': 4, 'window': %d}]", r, r + 1);
    }
    peer_refused(boss, EVD_E_CONFLICT, "stream.open", "[{'job': 'j', 'rank': 1, 'world_size': 4}]");
    answer = peer_call(boss, "job.update",
                       "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    at = integer(answer, "step");
    assert_int_equal(at, 4); /* rank 3 has four steps already */
    json_decref(answer);
    for (int r = 0; r < 4; r++) {
        json_t *note;

        for (int step = 0; step < 10; step++) {
            json_t *batch = peer_note(ranks[r], "batch");

            assert_non_null(batch);
            assert_int_equal(integer(batch, "step"), step);
            assert_int_equal(integer(batch, "revision"), step < at ? 0 : 1);
            assert_int_equal(json_array_size(json_object_get(batch, "index")), 10);
            json_decref(batch);
            peer_notify(ranks[r], "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
        }
        note = peer_note(ranks[r], "revision");
        assert_int_equal(integer(note, "step"), at);
        json_decref(note);
    }
    /* Ten steps to everybody, and the windows of 1, 2, 3 and 4 on top. */
    answer = peer_call(boss, "job.stats", "[{'job': 'j'}]");
    assert_int_equal(integer(answer, "steps"), 11);
    assert_int_equal(integer(answer, "samples"), 10 * (11 + 12 + 13 + 14));
    json_decref(answer);
    peer_refused(boss, EVD_E_CONFLICT, "job.drop", "[{'job': 'j'}]");
    peer_do(boss, "job.drop", "[{'job': 'j', 'force': true}]");
    answer = peer_note(ranks[2], "closed");
    assert_string_equal(text(answer, "name"), "not_found");
    json_decref(answer);
}

/* Eight workers, two of which go in the middle: every step is acknowledged once. */
static void test_shared(void **state)
{
    struct harness *h = *state;
    struct peer *peers[8], *boss = peer_new(h);
    int acked[50] = {0}, left = 50;

    load_data(boss);
    peer_do(boss, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 20, 'grace': 0}]");
    for (int i = 0; i < 8; i++) {
        peers[i] = peer_new(h);
        peer_do(peers[i], "stream.open", "[{'job': 'j', 'window': 3}]");
    }
    for (int round = 0; left > 0; round++) {
        assert_true(round < 100);
        for (int i = 0; i < 8; i++) {
            json_t *batch;

            if (!peers[i])
                continue;
            if (round == 1 && (i == 2 || i == 5)) {
                peer_close(peers[i]);
                harness_pump(h);
                peers[i] = NULL;
                continue;
            }
            batch = peer_note(peers[i], "batch");
            if (!batch)
                continue;
            acked[integer(batch, "step")]++;
            peer_notify(peers[i], "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]",
                        (int)integer(batch, "step"));
            json_decref(batch);
            left--;
        }
    }
    for (int step = 0; step < 50; step++)
        assert_int_equal(acked[step], 1);
    for (int i = 0; i < 8; i++) {
        json_t *end = peers[i] ? peer_note(peers[i], "epoch_end") : NULL;

        assert_true(!peers[i] || end);
        json_decref(end);
    }
}

/* A peer that does not read: its output stays bounded, others go on, and it loses nothing. */
static void test_slow(void **state)
{
    struct harness *h = *state;
    struct peer *slow = peer_new(h), *other = peer_new(h);
    size_t most = 0;

    load_data(other);
    peer_do(other, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 65000, "
            "'strategy': {'kind': 'weighted', 'num_samples': 65000000}}]");
    slow->slow = true;
    for (int i = 0; i < 8; i++) {
        peer_send(slow, "stream.open", "[{'job': 'j', 'window': 256}]");
        harness_quiet(h);
        if (slow->session->out.len > most)
            most = slow->session->out.len;
    }
    assert_true(session_full(slow->session));
    assert_true(most < 2 * h->limits.send_buffer);
    peer_do(other, "server.info", "[]");
    slow->slow = false;
    session_ready(slow->session);
    harness_pump(h);
    assert_false(slow->hung_up);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_deliver_and_count), TEST(test_draft_dies), TEST(test_restart),
        TEST(test_live_update),       TEST(test_shared),     TEST(test_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
