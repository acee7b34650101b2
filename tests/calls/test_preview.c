/* job.preview, and that job.create and job.update refuse what it refuses. */
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ten classes c0 .. c9 of 64, 32, 16, 8, 4, 4, 4, 4, 4, 0 samples. */
#define SAMPLES 140

static void load(struct peer *peer)
{
    static const int counts[] = {64, 32, 16, 8, 4, 4, 4, 4, 4, 0};
    json_t *labels = json_array();
    char *chunk;

    for (int c = 0; c < 10; c++) {
        for (int i = 0; i < counts[c]; i++)
            json_array_append_new(labels, json_integer(c));
    }
    chunk = json_dumps(labels, 0);
    peer_do(peer, "dataset.create",
            "[{'name': 'd', 'classes': "
            "['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", chunk);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    free(chunk);
    json_decref(labels);
}

static double entry(const json_t *map, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(map, key), i));
}

#define NEAR(a, b) assert_float_equal(a, b, 1e-9)

static void test_uniform(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *list;

    load(peer);
    result = peer_call(peer, "job.preview",
                       "[{'dataset': 'd', 'batch_size': 32, 'strategy': {'kind': 'uniform'}}]");
    assert_int_equal(integer(result, "steps"), 5);
    assert_int_equal(integer(result, "samples"), SAMPLES);
    assert_int_equal(integer(result, "classes"), 10);
    assert_true(integer(result, "memory") > 0);
    assert_float_equal(real(result, "build_ms"), 0.25, 0);
    assert_string_equal(text(json_object_get(result, "strategy"), "kind"), "uniform");
    assert_int_equal(json_array_size(json_object_get(result, "columns")), 6);
    NEAR(entry(result, "drawn", 0), 64);
    NEAR(entry(result, "repeats", 0), 1);
    NEAR(entry(result, "coverage", 0), 1);
    NEAR(entry(result, "per_batch", 0), 32 * 64.0 / SAMPLES);
    NEAR(entry(result, "repeats", 9), 0);
    NEAR(entry(result, "coverage", 9), 0);
    json_decref(result);
    /* A batch larger than the epoch is not filled. */
    result = peer_call(peer, "job.preview",
                       "[{'dataset': 'd', 'batch_size': 1000, 'strategy': {'kind': 'uniform'}}]");
    assert_int_equal(integer(result, "steps"), 1);
    NEAR(entry(result, "per_batch", 0), 64);
    json_decref(result);
    /* Nothing is left of it. */
    result = peer_call(peer, "job.list", "[]");
    assert_int_equal(json_array_size(json_object_get(result, "jobs")), 0);
    json_decref(result);
    result = peer_call(peer, "dataset.list", "[]");
    list = json_object_get(result, "datasets");
    assert_int_equal(integer(json_array_get(list, 0), "jobs"), 0);
    json_decref(result);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
}

static void test_others(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result;

    load(peer);
    /* Ranked: what does not fill a batch is dropped. 28 draws of each of the nine classes in 4
     * batches of 32; four samples come in turn. */
    result = peer_call(peer, "job.preview",
                       "[{'dataset': 'd', 'batch_size': 36, 'mode': 'ranked', 'first': 3, "
                       "'count': 2, 'strategy': {'kind': 'stratified', 'proportions': 'equal'}}]");
    assert_int_equal(integer(result, "steps"), 3);
    assert_int_equal(integer(result, "samples"), 108);
    assert_int_equal(json_array_size(json_object_get(result, "class")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(result, "class"), 0)),
                        "c3");
    NEAR(entry(result, "count", 0), 8);
    NEAR(entry(result, "drawn", 0), 12);
    NEAR(entry(result, "repeats", 0), 1.5);
    NEAR(entry(result, "repeats", 1), 3);
    NEAR(entry(result, "coverage", 1), 1);
    NEAR(entry(result, "per_batch", 1), 4);
    json_decref(result);
    result = peer_call(peer, "job.preview",
                       "[{'dataset': 'd', 'batch_size': 10, 'last_batch': 'drop', "
                       "'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    assert_int_equal(integer(result, "samples"), 140);
    NEAR(entry(result, "drawn", 0), 140 / 9.0);
    NEAR(entry(result, "coverage", 0), 1 - pow(1 - 1 / (9.0 * 64), 140));
    NEAR(entry(result, "coverage", 4), 1 - pow(1 - 1 / (9.0 * 4), 140));
    json_decref(result);
}

/* Of a job: its terms, and the epoch it is in. */
static void test_job(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *info;

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 140}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['repeat']}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 1}]");
    result = peer_call(peer, "job.preview",
                       "[{'job': 'j', 'strategy': {'kind': 'oversampled', "
                       "'members': 'balanced-repeat'}}]");
    assert_int_equal(integer(result, "epoch"), 2); /* the one step of epoch 1 is out */
    assert_int_equal(integer(result, "batch_size"), 140);
    NEAR(entry(result, "drawn", 8), 64);
    NEAR(entry(result, "repeats", 8), 16);
    json_decref(result);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(info, "revision"), 0);
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 1);
    json_decref(info);
    /* The worker reads a column that this strategy has not. */
    peer_refused(peer, EVD_E_STRATEGY, "job.preview",
                 "[{'job': 'j', 'strategy': {'kind': 'weighted'}}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.preview",
                 "[{'job': 'j', 'seed': 4, 'strategy': {'kind': 'uniform'}}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.preview",
                 "[{'job': 'x', 'strategy': {'kind': 'uniform'}}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.preview",
                 "[{'dataset': 'd', 'strategy': {'kind': 'uniform'}}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.preview",
                 "[{'batch_size': 4, 'strategy': {'kind': 'uniform'}}]");
    peer_refused(peer, EVD_E_LIMIT, "job.preview",
                 "[{'job': 'j', 'count': 5000, 'strategy': {'kind': 'uniform'}}]");
    /* Going while it is under way. */
    ((struct harness *)*state)->hold_work = true;
    peer_send(peer, "job.preview", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    peer_send(peer, "job.preview",
              "[{'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'uniform'}}]");
    peer_close(peer);
    peer = peer_new(*state);
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    peer_refused(peer, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'd'}]");
    ((struct harness *)*state)->hold_work = false;
    harness_pump(*state);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
}

static void expect_same(struct peer *peer, int code, const char *strategy)
{
    char *said;

    said = strdup(peer_refused(peer, code, "job.preview",
                               "[{'dataset': 'd', 'batch_size': 30, 'strategy': %s}]", strategy));
    assert_string_equal(
        said, peer_refused(peer, code, "job.create",
                           "[{'name': 'k', 'dataset': 'd', 'batch_size': 30, 'strategy': %s}]",
                           strategy));
    assert_string_equal(
        said, peer_refused(peer, code, "job.update", "[{'job': 'j', 'strategy': %s}]", strategy));
    assert_string_equal(
        said, peer_refused(peer, code, "job.preview", "[{'job': 'j', 'strategy': %s}]", strategy));
    free(said);
}

static void test_same_refusals(void **state)
{
    struct peer *peer = peer_new(*state);

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 30, 'last_batch': 'drop'}]");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'magic'}");
    expect_same(peer, EVD_E_UNKNOWN_FIELD, "{'kind': 'uniform', 'seed': 1}");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'stratified', 'num_samples': 5}");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'weighted', 'weight': 'explicit'}");
    expect_same(peer, EVD_E_NOT_FOUND,
                "{'kind': 'weighted', 'weight': 'explicit', 'weights': {'x': 1}}");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'p-by-k', 'p': 7, 'k': 4}");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'oversampled', 'sampling_strategy': 'majority'}");
    expect_same(peer, EVD_E_STRATEGY, "{'kind': 'weighted', 'alpha': 0.1}");
    /* Not one whole batch. */
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_STRATEGY, "job.preview",
                            "[{'job': 'j', 'strategy': {'kind': 'weighted', 'num_samples': 29}}]"),
               "not one whole batch of 30"));
    peer_refused(peer, EVD_E_STRATEGY, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'weighted', 'num_samples': 29}}]");
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'k', 'dataset': 'd', 'batch_size': 30, 'mode': 'ranked', "
                 "'strategy': {'kind': 'weighted', 'num_samples': 29}}]");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_uniform),
        TEST(test_others),
        TEST(test_job),
        TEST(test_same_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
