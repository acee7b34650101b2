/* Weights of samples, as columns of a dataset; and every kind of strategy, through a restart. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include "sampler/strategy.h"

/* Eight samples of two classes and one without a label; "hard" is 0, 1, 2, 0, 0, 4, 0, 1, 9. */
static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    /* Weights before labels, and both at once; 2.0 and 1.0 as bin. */
    peer_do(peer, "dataset.append", "[{'draft': 1, 'column': 'hard', 'weights': [0, 1]}]");
    peer_do(peer, "dataset.append",
            "[{'draft': 1, 'labels': [0, 0, 0, 0, 1, 1], 'column': 'hard', 'weights': "
            "{'$bin': '0000000000000040'}}]");
    peer_do(peer, "dataset.append",
            "[{'draft': 1, 'labels': [1, 1, null], 'column': 'even', 'weights': "
            "[1, 1, 1, 1, 1, 1, 1, 1, 1]}]");
    peer_do(peer, "dataset.append",
            "[{'draft': 1, 'column': 'hard', 'weights': [0, 0.0, 4.0, 0, 1, 9]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

static const int hard[] = {0, 1, 2, 0, 0, 4, 0, 1, 9};

static void create(struct peer *peer)
{
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 200, 'grace': 0, 'strategy': "
            "{'kind': 'weighted', 'column': 'hard', 'num_samples': 4000}}]");
}

/* The first epoch's draws; none of weight 0, the others in proportion. */
static void draw(struct peer *peer, unsigned counts[9])
{
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 20, 'columns': ['probability']}]");
    memset(counts, 0, 9 * sizeof(counts[0]));
    for (int step = 0; step < 20; step++) {
        json_t *batch = peer_note(peer, "batch"), *index = json_object_get(batch, "index");

        assert_int_equal(json_array_size(index), 200);
        for (size_t i = 0; i < 200; i++) {
            json_int_t at = json_integer_value(json_array_get(index, i));

            assert_true(at < 9);
            counts[at]++;
            assert_float_equal(
                json_number_value(json_array_get(json_object_get(batch, "probability"), i)),
                hard[at] / 8.0, 1e-6);
        }
        json_decref(batch);
    }
}

static void test_column(void **state)
{
    struct peer *peer = peer_new(*state);
    unsigned before[9], after[9];
    json_t *info, *stats;

    load(peer);
    info = peer_call(peer, "dataset.info", "[{'dataset': 'd'}]");
    assert_int_equal(json_array_size(json_object_get(info, "columns")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(info, "columns"), 1)),
                        "hard");
    json_decref(info);
    create(peer);
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "stream.open",
                                        "[{'job': 'j', 'window': 1, 'columns': ['repeat']}]"),
                           "it has index, label, probability, augment_seed"));
    draw(peer, before);
    for (int i = 0; i < 8; i++) {
        assert_true(before[i] >= 400u * (unsigned)hard[i]);
        assert_true(before[i] <= 600u * (unsigned)hard[i]);
    }
    assert_int_equal(before[8], 0);
    stats = peer_call(peer, "job.stats", "[{'job': 'j', 'weights': 'balanced'}]");
    assert_float_equal(json_number_value(json_array_get(json_object_get(stats, "asked"), 0)),
                       3 / 8.0, 1e-12);
    assert_float_equal(json_number_value(json_array_get(json_object_get(stats, "weight"), 0)),
                       4 / 3.0, 1e-12);
    json_decref(stats);
    harness_restart(*state);
    peer = peer_new(*state);
    info = peer_call(peer, "dataset.info", "[{'dataset': 'd'}]");
    assert_int_equal(json_array_size(json_object_get(info, "columns")), 2);
    json_decref(info);
    draw(peer, after);
    assert_memory_equal(before, after, sizeof(before));
}

/* Eight bytes a sample in the dataset; more in a plan that draws by them. */
static void test_memory(void **state)
{
    struct peer *peer = peer_new(*state);
    int64_t plain, more;
    json_t *info;

    load(peer);
    info = peer_call(peer, "dataset.info", "[{'dataset': 'd'}]");
    more = integer(info, "memory");
    json_decref(info);
    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': [0, 0, 0, 0, 1, 1, 1, 1, null]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 2}]");
    info = peer_call(peer, "dataset.info", "[{'dataset': 'e'}]");
    plain = integer(info, "memory");
    json_decref(info);
    assert_int_equal(more - plain, 2 * 9 * 8);
}

static int draft(struct peer *peer)
{
    json_t *answer = peer_call(peer, "dataset.create", "[{'name': 'x', 'classes': ['a', 'b']}]");
    int number = (int)integer(answer, "draft");

    json_decref(answer);
    return number;
}

static void test_refusals(void **state)
{
    static const struct {
        int code;
        const char *fields;
    } bad[] = {
        {EVD_E_MISSING_FIELD, "'column': 'c'"},
        {EVD_E_MISSING_FIELD, "'weights': [1]"},
        {EVD_E_BAD_VALUE, "'column': '', 'weights': [1]"},
        {EVD_E_BAD_VALUE, "'column': 'c', 'weights': [-1]"},
        {EVD_E_BAD_VALUE, "'column': 'c', 'weights': [{'$f64': 'nan'}]"},
        {EVD_E_BAD_VALUE, "'column': 'c', 'weights': [{'$f64': 'inf'}]"},
        {EVD_E_BAD_VALUE, "'column': 'c', 'weights': {'$bin': '00000000000000'}"},
        {EVD_E_BAD_TYPE, "'column': 'c', 'weights': ['x']"},
        {EVD_E_BAD_TYPE, "'column': 'c', 'weights': 1"},
        {EVD_E_BAD_TYPE, "'column': 1, 'weights': [1]"},
    };
    struct peer *peer = peer_new(*state);
    int number;

    load(peer);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        peer_refused(peer, bad[i].code, "dataset.append", "[{'draft': %d, %s}]", draft(peer),
                     bad[i].fields);
    number = draft(peer);
    for (int i = 0; i < 4; i++)
        peer_do(peer, "dataset.append", "[{'draft': %d, 'column': 'c%d', 'weights': []}]", number,
                i);
    peer_refused(peer, EVD_E_LIMIT, "dataset.append",
                 "[{'draft': %d, 'column': 'c5', 'weights': []}]", number);
    number = draft(peer);
    peer_do(peer, "dataset.append",
            "[{'draft': %d, 'labels': [0, 1], 'column': 'c', 'weights': [1]}]", number);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_BAD_VALUE, "dataset.commit", "[{'draft': %d}]", number),
               "column \"c\" has 1 values for 2 samples"));
    /* In strategies. */
    assert_non_null(strstr(peer_refused(peer, EVD_E_NOT_FOUND, "job.create",
                                        "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, "
                                        "'strategy': {'kind': 'weighted', 'column': 'soft'}}]"),
                           "it has even, hard"));
    peer_refused(peer, EVD_E_BAD_TYPE, "job.create",
                 "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, "
                 "'strategy': {'kind': 'weighted', 'column': 3}}]");
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'strategy': {'kind': 'weighted', "
                 "'column': 'hard', 'replacement': false, 'num_samples': 5}}]");
}

/* Neighbours of 600 samples that are sorted by class: the next ones of the class, after the last
 * its first. */
static void attach_neighbours(struct peer *peer, const int *label)
{
    enum { N = 600, K = 5 };
    static char rows[8 * K * N + 1], distances[8 * K * N + 1];
    json_t *answer = peer_call(peer, "attachment.create",
                               "[{'dataset': 'd', 'name': 'class', 'kind': 'neighbours', 'k': 5, "
                               "'scope': 'class', 'metric': 'euclidean'}]");

    for (int i = 0; i < N; i++) {
        int first = i, end = i;

        while (first > 0 && label[first - 1] == label[i])
            first--;
        while (end < N && label[end] == label[i])
            end++;
        for (int j = 0; j < K; j++) {
            unsigned at = (unsigned)(first + (i - first + j + 1) % (end - first));

            snprintf(rows + 8 * (i * K + j), 9, "%08x", __builtin_bswap32(at));
            memcpy(distances + 8 * (i * K + j), "00000000", 9);
        }
    }
    peer_do(peer, "attachment.append",
            "[{'draft': %d, 'rows': {'$bin': '%s'}, 'distances': {'$bin': '%s'}}]",
            (int)integer(answer, "draft"), rows, distances);
    peer_do(peer, "attachment.commit", "[{'draft': %d}]", (int)integer(answer, "draft"));
    json_decref(answer);
}

/* The example of every kind builds, serves, and is the same after a restart. */
static void test_every_kind(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *labels = json_array(), *first[32], *list, *listed;
    char *chunk;
    int label[600];

    for (int i = 0; i < 600; i++) {
        label[i] = i * i / 40000;
        json_array_append_new(labels, json_integer(label[i]));
    }
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", chunk);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    free(chunk);
    json_decref(labels);
    attach_neighbours(peer, label);
    list = peer_call(peer, "strategy.list", "[]");
    listed = json_object_get(list, "strategies");
    for (int k = 0; strategy_kinds[k]; k++) {
        const char *kind = strategy_kinds[k]->name, *example = strategy_kinds[k]->example;
        json_t *answer;

        assert_string_equal(text(json_array_get(listed, (size_t)k), "kind"), kind);
        assert_string_equal(text(json_array_get(listed, (size_t)k), "example"), example);
        json_decref(peer_call(peer, "job.preview",
                              "[{'dataset': 'd', 'batch_size': 32, 'strategy': %s}]", example));
        answer = peer_call(
            peer, "job.create",
            "[{'name': '%s', 'dataset': 'd', 'batch_size': 32, 'grace': 0, 'strategy': %s}]", kind,
            example);
        assert_string_equal(text(json_object_get(answer, "strategy"), "kind"), kind);
        json_decref(answer);
        answer = peer_call(peer, "stream.open", "[{'job': '%s', 'window': 1}]", kind);
        first[k] = peer_note(peer, "batch");
        assert_non_null(first[k]);
        json_decref(answer);
    }
    json_decref(list);
    harness_restart(*state);
    peer = peer_new(*state);
    for (int k = 0; strategy_kinds[k]; k++) {
        json_t *batch, *answer = peer_call(peer, "stream.open", "[{'job': '%s', 'window': 1}]",
                                           strategy_kinds[k]->name);

        batch = peer_note(peer, "batch");
        assert_true(
            json_equal(json_object_get(batch, "index"), json_object_get(first[k], "index")));
        json_decref(first[k]);
        json_decref(batch);
        json_decref(answer);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_column),
        TEST(test_memory),
        TEST(test_refusals),
        TEST(test_every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
