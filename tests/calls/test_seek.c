/* Checkpoints and audit: positions, seeks, histories, traces, batches once more. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "codec/token.h"

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
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *first[14], *again[14], *token;
    json_t *note;

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
    harness_restart(h);
    peer = peer_new(h);
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
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *first[8], *again[8];
    json_t *answer;

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
    harness_restart(h);
    peer = peer_new(h);
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
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *token, *batches[2];

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

/* Another number in a token, as the i-th of the six; `to` has room for TOKEN_SIZE bytes. */
static void edited(const char *token, int i, uint64_t number, char *to)
{
    struct token parts;
    uint64_t *numbers[] = {&parts.job,   &parts.checksum, &parts.generation,
                           &parts.epoch, &parts.step,     &parts.history};

    assert_true(token_read((struct evd_str){token, (uint32_t)strlen(token)}, &parts));
    *numbers[i] = number;
    token_write(&parts, to);
}

static void assert_at(struct peer *peer, int generation, int step)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': 'j'}]");

    assert_int_equal(integer(info, "generation"), generation);
    assert_int_equal(integer(json_object_get(info, "acked"), "epoch"), 0);
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), step);
    json_decref(info);
}

/* Every number of a token is looked at, and none can be changed for another. */
static void test_edited_tokens(void **state)
{
    struct harness *h = *state;
    static const uint64_t numbers[] = {
        0, 1, 3, 20, 21, 400, UINT32_MAX, UINT32_MAX + UINT64_C(1), UINT64_MAX, INT64_MAX};
    struct peer *peer = peer_new(h);
    char *token, *batches[2], changed[TOKEN_SIZE];
    json_t *answer;

    start(peer);
    serve(peer, 0, 2, batches);
    free_all(batches, 2);
    token = token_now(peer);
    for (int i = 0; i < 6; i++) {
        for (size_t n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++) {
            edited(token, i, numbers[n], changed);
            if (strcmp(changed, token) == 0)
                continue;
            peer_refused(peer, i == 3 && numbers[n] > UINT32_MAX ? EVD_E_BAD_VALUE : EVD_E_CONFLICT,
                         "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]", changed);
        }
    }
    assert_at(peer, 0, 2);
    answer = peer_call(peer, "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]", token);
    assert_int_equal(integer(answer, "step"), 2);
    json_decref(answer);
    free(token);
}

/* What 0.1 wrote into a checkpoint, of a job whose history has one revision. */
static void test_older_token(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *token, *batches[2], older[TOKEN_SIZE];
    json_t *history, *revision;
    uint64_t numbers[4] = {0};

    start(peer);
    serve(peer, 0, 2, batches);
    free_all(batches, 2);
    token = token_now(peer);
    history = peer_call(peer, "job.history", "[{'job': 'j'}]");
    revision = json_array_get(json_object_get(history, "revisions"), 0);
    numbers[3] = strtoull(text(revision, "digest"), NULL, 16);
    edited(token, 5, XXH3_64bits_withSeed(numbers, sizeof(numbers), 0), older);
    json_decref(history);
    peer_do(peer, "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]", older);
    assert_at(peer, 1, 2);
    edited(older, 3, UINT64_MAX, older);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]",
                 older);
    edited(older, 3, UINT32_MAX, older);
    edited(older, 4, 20, older);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek", "[{'job': 'j', 'token': '%s', 'force': true}]",
                 older);
    assert_at(peer, 1, 2);
    free(token);
}

/* A job that is through with the last epoch says so, to whoever comes. */
static void test_last_epoch(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *batches[1];
    json_t *note;

    start(peer);
    free(batch_text(peer));
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 4294967295, 'step': 19, 'force': true}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.seek",
                 "[{'job': 'j', 'epoch': 4294967295, 'step': 20, 'force': true}]");
    note = peer_note(peer, "batch");
    assert_int_equal(integer(note, "epoch"), UINT32_MAX);
    json_decref(note);
    free(token_now(peer));
    peer_refused(peer, EVD_E_LIMIT, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'uniform'}, 'when': 'epoch'}]");
    peer_do(peer, "stream.ack",
            "[{'stream': 1, 'epoch': 4294967295, 'step': 19, 'generation': 1}]");
    note = peer_note(peer, "epoch_end");
    assert_int_equal(integer(note, "epoch"), UINT32_MAX);
    json_decref(note);
    peer_refused(peer, EVD_E_LIMIT, "job.position", "[{'job': 'j'}]");
    peer_refused(peer, EVD_E_LIMIT, "stream.credit", "[{'stream': 1, 'window': 1}]");
    peer_refused(peer, EVD_E_LIMIT, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.report",
                 "[{'job': 'j', 'epoch': 4294967296, 'step': 0, 'index': [0], 'predicted': [0]}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    note = peer_note(peer, "closed");
    assert_int_equal(integer(note, "code"), EVD_E_LIMIT);
    json_decref(note);
    assert_null(peer_note(peer, "batch"));
    /* After a restart as before, and there is a way back. */
    harness_restart(h);
    peer = peer_new(h);
    peer_refused(peer, EVD_E_LIMIT, "job.position", "[{'job': 'j'}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['label']}]");
    serve(peer, 2, 1, batches);
    free_all(batches, 1);
}

/* Every step that had a sample, and every sample of a step. */
static void test_trace(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *batches[12];
    int counted = 0;
    json_int_t sample = -1;
    json_t *answer, *steps, *step;
    size_t i;

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
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

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

/* How many ranks there were is recorded, although a seek came before progress was. */
static void test_worlds(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *before, *after, *last;

    load_data(peer, "d", 40);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'seed': 1, 'mode': 'ranked'}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'rank': 0, 'world_size': 1}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 3, 'force': true}]");
    peer_close(peer);
    peer = peer_new(h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'rank': 0, 'world_size': 2}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'rank': 1, 'world_size': 2}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 1, 'force': true}]");
    before = peer_call(peer, "job.history", "[{'job': 'j'}]");
    harness_restart(h);
    peer = peer_new(h);
    after = peer_call(peer, "job.history", "[{'job': 'j'}]");
    last = json_array_get(json_object_get(after, "worlds"), 1);
    assert_int_equal(integer(last, "generation"), 1);
    assert_int_equal(integer(last, "world_size"), 2);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_replay),        TEST(test_follow),       TEST(test_tokens),
        TEST(test_edited_tokens), TEST(test_older_token),  TEST(test_last_epoch),
        TEST(test_trace),         TEST(test_trace_counts), TEST(test_worlds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
