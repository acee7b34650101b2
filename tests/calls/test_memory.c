/*
 * A whole conversation in which the n-th allocation of the server fails, for every n: whoever asked
 * hears of it or is disconnected, everything else goes on, and the same conversation then succeeds.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool inside; /* the server's code runs, in the loop's thread */
static int countdown;             /* until the allocation that fails */
static bool fired;

static bool fails(void)
{
    if (!inside || countdown == 0 || --countdown > 0)
        return false;
    return fired = true;
}

#define WRAP(type, name, declaration, call)                                                        \
    type __real_##name declaration;                                                                \
    type __wrap_##name declaration;                                                                \
    type __wrap_##name declaration                                                                 \
    {                                                                                              \
        return fails() ? NULL : __real_##name call;                                                \
    }
WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(char *, strdup, (const char *text), (text))

static int setup(void **state)
{
    static struct harness h;

    harness_start(&h);
    h.inside = &inside;
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    harness_stop(*state);
    return 0;
}

/* Whether there was a result; an error, or the loss of the connection, is one way to fail. */
static bool try(struct peer *peer, const char *method, const char *params, int n)
{
    uint32_t id;

    if (peer->hung_up)
        return false;
    id = peer_send(peer, method, params, n, n);
    while (!peer_answered(peer, id)) {
        if (peer->hung_up)
            return false;
        harness_wait(peer->harness);
        harness_pump(peer->harness);
    }
    harness_quiet(peer->harness);
    return peer_succeeded(peer, id);
}

#define JOB     "[{'job': 'j%d'"
#define DATASET "[{'dataset': 'd%d'"
/* Long enough that an earlier one is left to the database. */
#define N64 "0123456789012345678901234567890123456789012345678901234567890123"
#define EXPLICIT(w)                                                                                \
    "{'kind': 'weighted', 'weight': 'explicit', 'weights': {'a': 1, 'b': " w ", 'c': 0, '" N64     \
    "1': 0, '" N64 "2': 0, '" N64 "3': 0, '" N64 "4': 0}}"
#define RUN    "[{'name': 'e%d', 'dataset': 'o%d', 'batch_size': 1, 'ephemeral': 1, 'grace': 0"
#define OWNED  "[{'name': 'o%d', 'owned': true}]"
#define SMOTED "[{'name': 's%d'"
#define SMOTE                                                                                      \
    "{'kind': 'smote', 'variant': 'adasyn', 'k': 1, 'neighbours': 'c', 'all_neighbours': 'a', "    \
    "'sampling_strategy': {'a': 5}}"

static const struct {
    const char *method, *params;
} steps[] = {
    {"hello", "[{'protocol': 1, 'client': 'test'}]"},
    {"dataset.create", "[{'name': 'd%d', 'classes': ['a', 'b']}]"},
    {"dataset.append", "[{'draft': 1, 'labels': [0, 0, 1, 0], 'classes': ['c', '" N64 "1', '" N64
                       "2', '" N64 "3', '" N64 "4']}]"},
    {"dataset.append", "[{'draft': 1, 'column': 'w', 'weights': [1, 2, 3, 4]}]"},
    {"dataset.commit", "[{'draft': 1}]"},
    {"attachment.create", DATASET ", 'name': 'a', 'kind': 'neighbours', 'k': 1, 'scope': 'all', "
                                  "'metric': 'm', 'terms': {'a': 'b'}}]"},
    {"attachment.append", "[{'draft': 2, 'rows': {'$bin': '02000000000000000000000001000000'}, "
                          "'distances': {'$bin': '0000803f0000803f0000803f0000803f'}}]"},
    {"attachment.commit", "[{'draft': 2}]"},
    {"attachment.create", DATASET ", 'name': 's', 'kind': 'selection'}]"},
    {"attachment.append", "[{'draft': 3, 'rows': {'$bin': '01000101'}}]"},
    {"attachment.commit", "[{'draft': 3}]"},
    {"attachment.read", DATASET ", 'name': 'a', 'distances': true}]"},
    {"attachment.list", DATASET "}]"},
    {"dataset.stats", DATASET ", 'weights': 'balanced'}]"},
    {"job.preview", DATASET ", 'batch_size': 2, 'strategy': {'kind': 'weighted'}}]"},
    {"job.create", "[{'name': 'j%d', 'dataset': 'd%d', 'batch_size': 2, 'strategy': "
                   "{'kind': 'weighted', 'column': 'w'}}]"},
    {"stream.open", JOB ", 'window': 1, 'columns': ['label', 'probability']}]"},
    {"job.update", JOB ", 'when': 'now', 'strategy': " EXPLICIT("2") "}]"},
    {"stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]"},
    {"job.update", JOB ", 'when': 'now', 'strategy': " EXPLICIT("3") "}]"},
    {"job.stats", JOB "}]"},
    {"job.trace", JOB ", 'sample': 0}]"},
    {"job.batch", JOB ", 'epoch': 0, 'step': 1}]"},
    {"job.history", JOB "}]"},
    {"job.update", JOB ", 'strategy': {'kind': 'oversampled', 'sampling_strategy': {'b': 3}}}]"},
    {"job.update", JOB ", 'strategy': {'kind': 'uniform', 'from': 's'}}]"},
    {"job.stats", JOB ", 'weights': 'inverse'}]"},
    {"job.info", JOB "}]"},
    /* A run with all that is its own; the dataset comes twice. */
    {"dataset.create", OWNED},
    {"dataset.append", "[{'draft': 4, 'labels': [1, 0, 1]}]"},
    {"dataset.commit", "[{'draft': 4}]"},
    {"dataset.create", OWNED},
    {"dataset.append", "[{'draft': 5, 'labels': [1, 0, 1]}]"},
    {"dataset.commit", "[{'draft': 5}]"},
    {"job.create", RUN ", 'if_exists': 'same'}]"},
    {"job.create", RUN ", 'if_exists': 'same', 'strategy': {'kind': 'uniform'}}]"},
    {"job.create", RUN ", 'if_exists': 'attach'}]"},
    {"job.create", RUN ", 'if_exists': 'restart'}]"},
    {"stream.open", "[{'job': 'e%d', 'window': 1, 'exclusive': true}]"},
    {"job.report", "[{'job': 'e%d', 'epoch': 0, 'step': 0, 'index': [0], 'predicted': [1], "
                   "'score': [0.5]}]"},
    {"job.report", "[{'job': 'e%d', 'epoch': 0, 'step': 1, 'index': [1], 'predicted': [1], "
                   "'score': [0.75]}]"},
    {"job.threshold", "[{'job': 'e%d'}]"},
    {"job.curve", "[{'job': 'e%d', 'kind': 'roc', 'all': true}]"},
    {"job.curve", "[{'job': 'e%d', 'kind': 'calibration'}]"},
    /* A job of kind smote, whose history comes to name neighbours three times. */
    {"attachment.create", DATASET ", 'name': 'c', 'kind': 'neighbours', 'k': 1, 'scope': 'class', "
                                  "'metric': 'm'}]"},
    {"attachment.append", "[{'draft': 6, 'rows': {'$bin': '0100000000000000ffffffff00000000'}, "
                          "'distances': {'$bin': '0000803f0000803f0000807f0000803f'}}]"},
    {"attachment.commit", "[{'draft': 6}]"},
    {"job.create", SMOTED ", 'dataset': 'd%d', 'batch_size': 2, 'strategy': " SMOTE "}]"},
    {"job.update", "[{'job': 's%d', 'when': 'at', 'epoch': 2, 'step': 0, 'strategy': " SMOTE "}]"},
    {"job.seek", "[{'job': 's%d', 'epoch': 0, 'step': 1, 'mode': 'follow'}]"},
    {"job.batch", "[{'job': 's%d', 'epoch': 0, 'step': 0, 'columns': ['mix_index']}]"},
    {"job.list", "[]"},
    {"server.info", "[]"},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* Those up to where a dataset is owned and nothing else is. */
#define STEPS_TO_OWNED 31

/* Returns how many of the first steps succeeded. */
static size_t converse(struct peer *peer, size_t wanted, int n)
{
    size_t good = 0;

    for (size_t i = 0; i < wanted; i++)
        good += try(peer, steps[i].method, steps[i].params, n);
    return good;
}

/* Until what is due has been done, as far as it could be. */
static void pass(struct harness *h, uint64_t ms)
{
    for (int i = 0; i < 2; i++) { /* jobs, then their datasets */
        harness_pass(h, ms);
        harness_quiet(h);
    }
}

static void each_allocation(struct harness *h, size_t wanted)
{
    int n = 0;

    do {
        struct peer *peer = peer_connect(h);
        size_t good;

        n++;
        fired = false;
        countdown = n;
        good = converse(peer, wanted, n);
        peer_close(peer);
        pass(h, 1);
        countdown = 0;
        assert_true(fired || good == wanted);
        pass(h, 1000); /* what failed is tried again */
        /* What is left of it goes, where it got that far. */
        peer = peer_new(h);
        try(peer, "job.drop", JOB ", 'force': true}]", n);
        try(peer, "job.drop", "[{'job': 's%d'}]", n);
        try(peer, "dataset.drop", DATASET "}]", n);
        assert_int_equal(try(peer, "dataset.info", DATASET "}]", n), false);
        assert_int_equal(try(peer, "job.info", "[{'job': 'e%d'}]", n), false);
        assert_int_equal(try(peer, "dataset.info", "[{'dataset': 'o%d'}]", n), false);
        peer_close(peer);
    } while (fired);
    assert_true(n > 50);
    print_message("%d allocations\n", n - 1);
    harness_restart(h);
}

static void test_each_allocation(void **state)
{
    assert_string_equal(steps[STEPS_TO_OWNED - 1].params, "[{'draft': 4}]");
    each_allocation(*state, STEPS_TO_OWNED);
    each_allocation(*state, STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
