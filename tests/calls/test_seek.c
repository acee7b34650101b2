/* Checkpoints and audit: positions, seeks, histories, traces, batches once more. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct harness h;

static int setup(void **state)
{
    (void)state;
    harness_start(&h);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static void load_data(struct peer *peer, const char *name, int samples)
{
    json_t *labels = json_array(),
           *draft = peer_call(peer, "dataset.create", "[{'name': '%s'}]", name);
    char *chunk;

    for (int i = 0; i < samples; i++)
        json_array_append_new(labels, json_integer(i % 5 == 0));
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': %s}]", (int)integer(draft, "draft"),
            chunk);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", (int)integer(draft, "draft"));
    free(chunk);
    json_decref(draft);
    json_decref(labels);
}

/* The next batch, without what may differ from one time to another. */
static char *batch_text(struct peer *peer)
{
    json_t *batch = peer_note(peer, "batch");
    char *dump;

    assert_non_null(batch);
    json_object_del(batch, "stream");
    json_object_del(batch, "redelivered");
    json_object_del(batch, "generation");
    dump = json_dumps(batch, JSON_SORT_KEYS);
    json_decref(batch);
    return dump;
}

/* Serves and acknowledges the next so many steps; their batches as text. */
static void serve(struct peer *peer, int generation, int steps, char **batches)
{
    for (int i = 0; i < steps; i++) {
        json_t *batch;

        batches[i] = batch_text(peer);
        batch = json_loads(batches[i], 0, NULL);
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d, 'generation': %d}]",
                (int)integer(batch, "epoch"), (int)integer(batch, "step"), generation);
        json_decref(batch);
    }
}

static void free_all(char **batches, int n)
{
    for (int i = 0; i < n; i++)
        free(batches[i]);
}

static void start(struct peer *peer)
{
    load_data(peer, "d", 400);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 20, 'seed': 3, 'grace': 0, "
            "'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['label']}]");
}

static char *token_now(struct peer *peer)
{
    json_t *answer = peer_call(peer, "job.position", "[{'job': 'j'}]");
    char *token = strdup(text(answer, "token"));

    json_decref(answer);
    return token;
}

static void test_replay(void **state)
{
    struct peer *peer = peer_new(&h);
    char *first[14], *again[14], *token;
    json_t *note;

    (void)state;
    start(peer);
    serve(peer, 0, 4, first);
    token = token_now(peer);
    serve(peer, 0, 3, first + 4);
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    serve(peer, 0, 7, first + 7);
    peer_refused(peer, EVD_E_CONFLICT, "job.seek", "[{'job': 'j', 'token': '%s'}]", token);
    peer_do(peer, "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]", token);
    note = peer_note(peer, "seek");
    assert_int_equal(integer(note, "generation"), 1);
    assert_int_equal(integer(note, "step"), 4);
    json_decref(note);
    free(batch_text(peer)); /* of before the seek */
    peer_refused(peer, EVD_E_CONFLICT, "stream.ack",
                 "[{'stream': 1, 'epoch': 0, 'step': 4, 'generation': 0}]");
    /* The same batches again, through the change of strategy and a restart. */
    serve(peer, 1, 2, again);
    harness_restart(&h);
    peer = peer_new(&h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['label']}]");
    serve(peer, 1, 8, again + 2);
    for (int i = 0; i < 10; i++)
        assert_string_equal(again[i], first[4 + i]);
    free(token);
    free_all(first, 14);
    free_all(again, 10);
}

static void test_follow(void **state)
{
    struct peer *peer = peer_new(&h);
    char *first[8], *again[8];
    json_t *answer;

    (void)state;
    start(peer);
    serve(peer, 0, 4, first);
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    serve(peer, 0, 4, first + 4);
    answer = peer_call(peer, "job.seek",
                       "[{'job': 'j', 'epoch': 0, 'step': 2, 'mode': 'follow', 'force': true}]");
    assert_int_equal(integer(answer, "revision"), 2);
    json_decref(answer);
    free(batch_text(peer));
    serve(peer, 1, 6, again);
    assert_string_not_equal(again[0], first[2]);
    assert_non_null(strstr(again[0], "\"revision\": 2"));
    assert_non_null(strstr(again[4], "\"revision\": 2"));
    /* Back in generation 0, as it was. */
    answer = peer_call(peer, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 5, 'generation': 0}]");
    assert_int_equal(integer(answer, "revision"), 1);
    json_decref(answer);
    answer = peer_call(peer, "job.history", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(answer, "revisions")), 3);
    assert_int_equal(json_array_size(json_object_get(answer, "seeks")), 1);
    assert_string_equal(text(json_array_get(json_object_get(answer, "seeks"), 0), "mode"),
                        "follow");
    json_decref(answer);
    harness_restart(&h);
    peer = peer_new(&h);
    answer = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(answer, "generation"), 1);
    assert_int_equal(integer(answer, "revision"), 2);
    assert_int_equal(integer(json_object_get(answer, "acked"), "step"), 8);
    json_decref(answer);
    free_all(first, 8);
    free_all(again, 6);
}

static void test_tokens(void **state)
{
    struct peer *peer = peer_new(&h);
    char *token, *batches[2];

    (void)state;
    start(peer);
    serve(peer, 0, 2, batches);
    free_all(batches, 2);
    token = token_now(peer);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek", "[{'job': 'j', 'token': 'evd1:abc'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek", "[{'job': 'j', 'token': '%s', 'step': 1}]",
                 token);
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.seek", "[{'job': 'j', 'epoch': 1}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek",
                 "[{'job': 'j', 'epoch': 1, 'step': 21, 'force': true}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek",
                 "[{'job': 'j', 'epoch': 1, 'step': 0, 'mode': 'rewind'}]");
    /* Of a job that has taken the name since. */
    peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 20, 'seed': 3}]");
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_CONFLICT, "job.seek", "[{'job': 'j', 'token': '%s'}]", token),
        "another job"));
    free(token);
}

/* Every step that had a sample, and every sample of a step. */
static void test_trace(void **state)
{
    struct peer *peer = peer_new(&h);
    char *batches[12];
    int counted = 0;
    json_int_t sample = -1;
    json_t *answer, *steps, *step;
    size_t i;

    (void)state;
    start(peer);
    serve(peer, 0, 6, batches);
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    serve(peer, 0, 6, batches + 6);
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0, 'force': true}]");
    for (int n = 0; n < 12; n++) {
        json_t *batch = json_loads(batches[n], 0, NULL), *index = json_object_get(batch, "index");

        if (n == 0)
            sample = json_integer_value(json_array_get(index, 0));
        for (i = 0; i < json_array_size(index); i++)
            counted += json_integer_value(json_array_get(index, i)) == sample;
        answer = peer_call(peer, "job.batch",
                           "[{'job': 'j', 'epoch': 0, 'step': %d, 'generation': 0, "
                           "'columns': ['label']}]",
                           n);
        assert_true(json_equal(json_object_get(answer, "index"), index));
        assert_true(json_equal(json_object_get(answer, "label"), json_object_get(batch, "label")));
        json_decref(answer);
        json_decref(batch);
    }
    answer = peer_call(peer, "job.trace", "[{'job': 'j', 'sample': %d}]", (int)sample);
    steps = json_object_get(answer, "steps");
    /* Step 0 once in each generation; one step more was handed out than acknowledged. */
    assert_in_range(json_array_size(steps), 2, counted + 2);
    json_array_foreach(steps, i, step)
    {
        int64_t at = json_integer_value(json_array_get(step, 2));

        if (json_integer_value(json_array_get(step, 0)) == 0 && at < 12)
            assert_int_equal(json_integer_value(json_array_get(step, 4)), at >= 7);
    }
    json_decref(answer);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.trace", "[{'job': 'j', 'sample': 400}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.batch", "[{'job': 'j', 'epoch': 9, 'step': 0}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.batch",
                 "[{'job': 'j', 'epoch': 0, 'step': 0, 'generation': 2}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.batch",
                 "[{'job': 'j', 'epoch': 0, 'step': 0, 'generation': 0, 'rank': 0}]");
    free_all(batches, 12);
}

/* A sample that is in a batch or slice more than once is counted so often. */
static void trace_counts(struct peer *peer, const char *job, int ranks, int steps)
{
    int drawn[4][2][8] = {0}; /* by sample, rank and step */

    for (int i = 0; i < ranks * steps; i++) {
        json_t *batch = peer_note(peer, "batch"), *value;
        int rank = ranks > 1 ? (int)integer(batch, "stream") - 1 : 0;
        size_t k;

        json_array_foreach(json_object_get(batch, "index"), k, value)
            drawn[json_integer_value(value)][rank][integer(batch, "step")]++;
        json_decref(batch);
    }
    for (int sample = 0; sample < 4; sample++) {
        json_t *answer = peer_call(peer, "job.trace", "[{'job': '%s', 'sample': %d}]", job, sample);
        json_t *entry;
        size_t k;

        json_array_foreach(json_object_get(answer, "steps"), k, entry)
        {
            int step = (int)json_integer_value(json_array_get(entry, 2));
            int rank = (int)json_integer_value(json_array_get(entry, 3)); /* 0 for nil */

            assert_in_range(step, 0, steps - 1);
            assert_true(drawn[sample][rank][step] > 0);
            assert_int_equal(json_integer_value(json_array_get(entry, 5)),
                             drawn[sample][rank][step]);
            drawn[sample][rank][step] = 0;
        }
        for (int i = 0; i < ranks * steps; i++)
            assert_int_equal(drawn[sample][i / steps][i % steps], 0);
        json_decref(answer);
    }
}

static void test_trace_counts(void **state)
{
    struct peer *peer = peer_new(&h);

    (void)state;
    load_data(peer, "d", 4);
    peer_do(peer, "job.create",
            "[{'name': 'r', 'dataset': 'd', 'batch_size': 16, 'mode': 'ranked', 'world_size': 2, "
            "'strategy': {'kind': 'weighted', 'num_samples': 160}}]");
    for (int rank = 0; rank < 2; rank++)
        peer_do(peer, "stream.open", "[{'job': 'r', 'window': 8, 'rank': %d}]", rank);
    trace_counts(peer, "r", 2, 8);
    peer_do(peer, "job.create",
            "[{'name': 's', 'dataset': 'd', 'batch_size': 8, "
            "'strategy': {'kind': 'weighted', 'num_samples': 80}}]");
    peer_do(peer, "stream.open", "[{'job': 's', 'window': 5}]");
    trace_counts(peer, "s", 1, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_replay), TEST(test_follow),       TEST(test_tokens),
        TEST(test_trace),  TEST(test_trace_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
