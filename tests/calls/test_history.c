/*
 * A job with many revisions of large strategies: what they take in memory is counted and does not
 * grow with their number, and everything that is drawn again or shown is as it was, also after a
 * restart, when the strategies are in the database only.
 */
#include "harness.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES                                                                                    \
    1000 /* with more, weights are recorded as bin, of which the harness tells the size */
#define SAMPLES   (2 * CLASSES)
#define REVISIONS 450
#define BATCH     4
/* A strategy with that many weights as it is recorded: a name of 2 to 6 bytes and a float each. */
#define STRATEGY (CLASSES * 14)

/* So that no strategy is like another: what differs little is stored in little room. */
static double weight(int revision, int class)
{
    uint64_t x = ((uint64_t)(revision + 1) << 32 | (uint32_t) class) * UINT64_C(0x9e3779b97f4a7c15);

    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return 1 + (double)(x >> 12) / (double)(UINT64_C(1) << 40);
}

static char *strategy_text(int revision)
{
    json_t *strategy = json_object(), *weights = json_object();
    char name[16], *text;

    for (int c = 0; c < CLASSES; c++) {
        snprintf(name, sizeof(name), "c%d", c);
        json_object_set_new(weights, name, json_real(weight(revision, c)));
    }
    json_object_set_new(strategy, "kind", json_string("weighted"));
    json_object_set_new(strategy, "weight", json_string("explicit"));
    json_object_set_new(strategy, "weights", weights);
    text = json_dumps(strategy, 0);
    json_decref(strategy);
    return text;
}

static void load(struct peer *peer)
{
    json_t *labels = json_array(), *names = json_array();
    char name[16], *texts[2];

    for (int c = 0; c < CLASSES; c++) {
        snprintf(name, sizeof(name), "c%d", c);
        json_array_append_new(names, json_string(name));
    }
    for (int i = 0; i < SAMPLES; i++)
        json_array_append_new(labels, json_integer(i % CLASSES));
    texts[0] = json_dumps(names, 0);
    texts[1] = json_dumps(labels, 0);
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': %s}]", texts[0]);
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", texts[1]);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    free(texts[0]);
    free(texts[1]);
    json_decref(labels);
    json_decref(names);
}

static void update(struct peer *peer, int revision)
{
    char *strategy = strategy_text(revision);

    peer_do(peer, "job.update", "[{'job': 'j', 'when': 'now', 'strategy': %s}]", strategy);
    free(strategy);
}

/* Whether a recorded strategy is that of a revision; 0 is the job's first. */
static void check_strategy(const json_t *strategy, int revision)
{
    const json_t *weights = json_object_get(strategy, "weights");

    assert_int_equal(json_object_size(weights), CLASSES);
    for (int c = 0; c < CLASSES; c += 7) {
        char name[16];

        snprintf(name, sizeof(name), "c%d", c);
        assert_true(real(weights, name) == weight(revision, c));
    }
}

static int64_t memory(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(info, "memory");

    json_decref(info);
    return bytes;
}

/* Bytes that are allocated in this process; 0 under a sanitizer. */
static int64_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return (int64_t)(info.uordblks + info.hblkhd);
}

/* One step by each revision; what was delivered. */
static void serve(struct peer *peer, json_t **batches)
{
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index', 'label']}]");
    for (int revision = 0; revision < REVISIONS; revision++) {
        json_t *batch;

        if (revision > 0) {
            /* It holds from the step after the one that is out. */
            update(peer, revision);
            peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", revision - 1);
        }
        while ((batch = peer_note(peer, "revision")))
            json_decref(batch);
        batches[revision] = peer_note(peer, "batch");
        assert_non_null(batches[revision]);
        assert_int_equal(integer(batches[revision], "step"), revision);
    }
}

static void check_batches(struct peer *peer, json_t *const *batches)
{
    for (int step = 0; step < REVISIONS; step += 5) {
        json_t *again = peer_call(peer, "job.batch",
                                  "[{'job': 'j', 'epoch': 0, 'step': %d, 'generation': 0}]", step);

        assert_int_equal(integer(again, "revision"), step);
        assert_true(
            json_equal(json_object_get(again, "index"), json_object_get(batches[step], "index")));
        json_decref(again);
    }
}

static void check_counts(struct peer *peer, json_t *const *batches, int steps)
{
    json_t *stats = peer_call(peer, "job.stats", "[{'job': 'j', 'count': %d}]", CLASSES), *label;
    int64_t served[CLASSES] = {0};
    size_t i;

    for (int step = 0; step < steps; step++) {
        json_array_foreach(json_object_get(batches[step], "label"), i, label)
            served[json_integer_value(label)]++;
    }
    assert_int_equal(integer(stats, "steps"), steps);
    json_array_foreach(json_object_get(stats, "served"), i, label)
        assert_int_equal(json_integer_value(label), served[i]);
    assert_int_equal(i, CLASSES);
    json_decref(stats);
}

/* Where the first sample of the first batch was drawn. */
static void check_trace(struct peer *peer, json_t *const *batches, int steps)
{
    json_int_t sample = json_integer_value(json_array_get(json_object_get(batches[0], "index"), 0));
    json_t *trace = peer_call(peer, "job.trace", "[{'job': 'j', 'sample': %d}]", (int)sample);
    const json_t *list = json_object_get(trace, "steps");
    size_t found = 0, i;
    json_t *index;

    for (int step = 0; step < steps; step++) {
        int count = 0;

        json_array_foreach(json_object_get(batches[step], "index"), i, index) count +=
            json_integer_value(index) == sample;
        if (count == 0)
            continue;
        assert_int_equal(json_integer_value(json_array_get(json_array_get(list, found), 2)), step);
        assert_int_equal(json_integer_value(json_array_get(json_array_get(list, found), 5)), count);
        found++;
    }
    assert_int_equal(json_array_size(list), found);
    json_decref(trace);
}

static void check_shown(struct peer *peer, const char *method, int newest)
{
    json_t *answer = peer_call(peer, method, "[{'job': 'j'}]");
    const json_t *revisions = json_object_get(answer, "revisions");
    size_t count = json_array_size(revisions);

    assert_true(count > 10); /* a mebibyte of them */
    for (size_t i = 0; i < count; i++) {
        const json_t *revision = json_array_get(revisions, i);

        assert_int_equal(integer(revision, "revision"), newest - (int)(count - 1 - i));
        check_strategy(json_object_get(revision, "strategy"), newest - (int)(count - 1 - i));
    }
    json_decref(answer);
}

static void check_all(struct peer *peer, json_t *const *batches, int steps)
{
    check_batches(peer, batches);
    check_counts(peer, batches, steps);
    check_trace(peer, batches, steps);
    check_shown(peer, "job.history", REVISIONS - 1);
    check_shown(peer, "job.info", REVISIONS - 1);
}

/* What joins by a strategy that is only in the database, and what does not. */
static void check_join(struct peer *peer)
{
    char *had = strategy_text(3), *never = strategy_text(REVISIONS + 50);

    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'if_exists': 'same', 'strategy': %s}]",
            had);
    peer_refused(
        peer, EVD_E_EXISTS, "job.create",
        "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'if_exists': 'same', 'strategy': %s}]",
        never);
    free(had);
    free(never);
}

/* Back to where an old one was in force, which is in memory again then, and draws as it did. */
static void check_seek(struct peer *peer, json_t *const *batches)
{
    json_t *info, *batch;

    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 50, 'mode': 'replay'}]");
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(info, "revision"), 50);
    check_strategy(json_object_get(info, "strategy"), 50);
    json_decref(info);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2, 'columns': ['index']}]");
    for (int step = 50; step < 52; step++) {
        batch = peer_note(peer, "batch");
        while (!batch) {
            json_t *other = peer_next(peer);

            assert_non_null(other);
            json_decref(other);
            batch = peer_note(peer, "batch");
        }
        assert_int_equal(integer(batch, "step"), step);
        assert_true(
            json_equal(json_object_get(batch, "index"), json_object_get(batches[step], "index")));
        json_decref(batch);
    }
}

static struct peer *prepare(struct harness *h)
{
    struct peer *peer = peer_new(h);
    char *first = strategy_text(0);

    load(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'strategy': %s}]",
            first);
    free(first);
    return peer;
}

static void test_many_large_revisions(void **state)
{
    struct harness *h = *state;
    struct peer *peer = prepare(h);
    json_t *batches[REVISIONS];
    int64_t before[2], after[2];

    before[0] = memory(peer);
    before[1] = allocated();
    serve(peer, batches);
    after[0] = memory(peer);
    after[1] = allocated();
    /* Two strategies more than at first and their plans, and a little for each revision. */
    assert_true(after[0] - before[0] < 8 * STRATEGY + REVISIONS * 1024);
    assert_true(after[0] > before[0]);
    check_all(peer, batches, REVISIONS);

    peer_close(peer);
    harness_restart(h);
    peer = peer_new(h);
    assert_true(memory(peer) <= after[0]);
    check_all(peer, batches, REVISIONS - 1); /* the last has come back */
    check_join(peer);
    check_seek(peer, batches);
    for (int i = 0; i < REVISIONS; i++)
        json_decref(batches[i]);
}

/* What is recorded counts, and a strategy that does not fit is refused before anything changes. */
static void test_limit(void **state)
{
    struct harness *h = *state;
    struct peer *peer = prepare(h);
    char *strategy = strategy_text(1);
    json_t *info;

    h->limits.memory = (uint64_t)memory(peer) + STRATEGY / 2;
    harness_restart(h);
    peer = peer_new(h);
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_LIMIT, "job.update", "[{'job': 'j', 'strategy': %s}]", strategy),
        "--memory-limit"));
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 1);
    check_strategy(json_object_get(info, "strategy"), 0);
    json_decref(info);
    free(strategy);
    h->limits.memory = 0;
}

/* So much may be recorded of a job on the disk; then it stays as it is, and says so. */
static void test_full_history(void **state)
{
    struct harness *h = *state;
    struct peer *peer = prepare(h);
    uint64_t normal = h->limits.history;
    char *strategy = strategy_text(3);
    json_t *info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    int64_t one = integer(info, "history");

    assert_true(one > STRATEGY / 2 && one < 2 * STRATEGY);
    json_decref(info);
    h->limits.history = (uint64_t)one * 7 / 2;
    harness_restart(h);
    peer = peer_new(h);
    for (int restart = 0; restart < 2; restart++) {
        for (int i = 1; restart == 0 && i < 3; i++)
            update(peer, i);
        assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "job.update",
                                            "[{'job': 'j', 'strategy': %s}]", strategy),
                               "--limit history="));
        peer_do(peer, "job.update",
                "[{'job': 'j', 'when': 'now', 'strategy': {'kind': 'uniform'}}]");
        info = peer_call(peer, "job.info", "[{'job': 'j'}]");
        assert_true(integer(info, "history") >= 3 * one && integer(info, "history") < 4 * one);
        assert_false(json_is_true(json_object_get(info, "history_full"))); /* more small ones fit */
        assert_int_equal(integer(info, "revision"), 3 + restart);
        json_decref(info);
        harness_restart(h);
        peer = peer_new(h);
    }
    h->limits.history = normal;
    harness_restart(h);
    peer = peer_new(h);
    peer_do(peer, "job.update", "[{'job': 'j', 'when': 'now', 'strategy': %s}]", strategy);
    h->limits.history = 1;
    harness_restart(h);
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_true(json_is_true(json_object_get(info, "history_full")));
    check_strategy(json_object_get(info, "strategy"), 3);
    json_decref(info);
    h->limits.history = normal;
    free(strategy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_large_revisions, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_full_history, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_limit, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
