/* Who waits for what: workers that keep to "Waiting" in PROTOCOL.md, one after another in one
 * thread, so that a worker for which nothing ever comes shows; and what comes to those that do not.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 7, WORKERS = 3, HELD = 64 };

static void load_data(struct peer *peer, int samples)
{
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    for (int i = 0; i < samples; i++)
        peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

/* ---- workers that do as the text says ---- */

struct worker {
    struct peer *peer; /* NULL: it was lost */
    int stream, window;
    int group;  /* acknowledges when it holds so many */
    bool heeds; /* `drained`; who holds nothing while it waits need not */
    int64_t held[HELD];
    int count, epoch;
};

static void acknowledge(struct worker *worker)
{
    for (int i = 0; i < worker->count; i++)
        peer_notify(worker->peer, "stream.ack", "[{'stream': %d, 'epoch': %d, 'step': %d}]",
                    worker->stream, worker->epoch, (int)worker->held[i]);
    worker->count = 0;
}

/* Takes one message, if there is one, and does what follows from it. */
static bool take(struct worker *worker)
{
    json_t *note = worker->peer ? peer_next(worker->peer) : NULL;
    const char *method = json_string_value(json_array_get(note, 0));

    if (!note)
        return false;
    if (strcmp(method, "batch") == 0) {
        assert_int_equal(integer(json_array_get(note, 1), "epoch"), worker->epoch);
        assert_true(worker->count < HELD);
        worker->held[worker->count++] = integer(json_array_get(note, 1), "step");
        if (worker->count == worker->group || worker->count == worker->window)
            acknowledge(worker);
    } else if (strcmp(method, "drained") == 0) {
        if (worker->heeds)
            acknowledge(worker);
    } else {
        assert_string_equal(method, "epoch_end");
        assert_int_equal(worker->count, 0);
        worker->epoch++;
    }
    json_decref(note);
    return true;
}

/* Until all that are there have heard the epoch's end. `lose`: the last one's connection ends when
 * it holds something. */
static void run_epoch(struct harness *h, struct worker *workers, int n, int epoch, bool lose)
{
    for (;;) {
        bool any = false, waiting = false;

        for (int i = 0; i < n; i++) {
            any |= take(&workers[i]);
            if (lose && i == n - 1 && workers[i].peer && workers[i].count > 0) {
                peer_close(workers[i].peer);
                workers[i].peer = NULL;
                any = true;
            }
            waiting |= workers[i].peer && workers[i].epoch == epoch;
        }
        if (!waiting)
            return;
        if (!any && lose) {
            harness_pass(h, 200); /* the grace period of the lost one */
            lose = false;
        } else if (!any) {
            fail_msg("window %d, acknowledging by %d: a worker waits for ever", workers[0].window,
                     workers[0].group);
        }
    }
}

static void run_job(struct harness *h, bool ranked, int n, int window, int group, bool lose)
{
    static int number;
    struct worker workers[WORKERS];

    for (int i = 0; i < n; i++) {
        struct peer *peer = peer_new(h);

        workers[i] = (struct worker){.peer = peer, .window = window, .group = group};
        workers[i].heeds = group > 1;
        if (i == 0)
            peer_do(peer, "job.create",
                    "[{'name': 'j%d', 'dataset': 'd', 'batch_size': 6, 'grace': 100, "
                    "'mode': '%s'}]",
                    ++number, ranked ? "ranked" : "shared");
        if (ranked)
            peer_do(peer, "stream.open",
                    "[{'job': 'j%d', 'window': %d, 'rank': %d, 'world_size': %d}]", number, window,
                    i, n);
        else
            peer_do(peer, "stream.open", "[{'job': 'j%d', 'window': %d}]", number, window);
        workers[i].stream = 1;
    }
    for (int epoch = 0; epoch < 2; epoch++) {
        run_epoch(h, workers, n, epoch, lose && epoch == 0);
        for (int i = 0; i < n; i++) {
            if (workers[i].peer)
                peer_notify(workers[i].peer, "stream.credit", "[{'stream': 1, 'window': %d}]",
                            window);
        }
    }
    for (int i = 0; i < n; i++) {
        if (workers[i].peer)
            peer_close(workers[i].peer);
    }
}

static void test_never_for_ever(void **state)
{
    struct harness *h = *state;

    load_data(peer_new(h), 6 * STEPS);
    for (int n = 1; n <= WORKERS; n++) {
        for (int window = 1; window <= 4; window++) {
            for (int group = 1; group <= 5; group += 2) {
                run_job(h, true, n, window, group, false);
                run_job(h, false, n, window, group, false);
                if (n > 1)
                    run_job(h, false, n, window, group, true);
            }
        }
    }
}

/* ---- those that do not ---- */

static void expect(struct peer *peer, const char *method, int step)
{
    json_t *note = peer_next(peer);

    assert_non_null(note);
    assert_string_equal(json_string_value(json_array_get(note, 0)), method);
    if (step >= 0)
        assert_int_equal(integer(json_array_get(note, 1), "step"), step);
    json_decref(note);
}

/* With its window full it hears nothing; with room it hears that it is to acknowledge. */
static void test_holders(void **state)
{
    struct peer *peer = peer_new(*state);

    load_data(peer, 18);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 6, 'mode': 'ranked'}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 3, 'rank': 0, 'world_size': 1}]");
    for (int step = 0; step < 3; step++)
        expect(peer, "batch", step);
    assert_null(peer_next(peer));
    peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    expect(peer, "drained", -1);
    assert_null(peer_next(peer));
    peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    assert_null(peer_next(peer));
    peer_notify(peer, "stream.release", "[{'stream': 1, 'epoch': 0, 'step': 2}]");
    expect(peer, "batch", 2); /* it has room, and is the only one */
    expect(peer, "drained", -1);
    peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 2}]");
    expect(peer, "epoch_end", -1);
}

/* Who holds its batches longer than their time to run gets none, until it says something. */
static void test_sleeper(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    load_data(peer, 18);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 6, 'time_to_run': 1000, "
            "'mode': 'ranked'}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 4, 'rank': 0, 'world_size': 1}]");
    for (int step = 0; step < 3; step++)
        expect(peer, "batch", step);
    expect(peer, "drained", -1);
    harness_pass(h, 1100);
    assert_null(peer_next(peer)); /* although all three came back, and nobody else is there */
    peer_notify(peer, "stream.touch", "[{'stream': 1}]");
    for (int step = 0; step < 3; step++)
        expect(peer, "batch", step);
    expect(peer, "drained", -1);
}

/* One that keeps its first batch holds all others up when `outstanding` are out behind it. */
static void test_outstanding(void **state)
{
    struct harness *h = *state;
    struct peer *keeper, *other;

    harness_down(h);
    h->limits.outstanding = 4;
    harness_up(h);
    keeper = peer_new(h);
    other = peer_new(h);
    load_data(keeper, 48);
    peer_do(keeper, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 6}]");
    peer_do(keeper, "stream.open", "[{'job': 'j', 'window': 1}]");
    expect(keeper, "batch", 0);
    peer_do(other, "stream.open", "[{'job': 'j', 'window': 2}]");
    for (int step = 1; step < 4; step++) {
        expect(other, "batch", step);
        peer_notify(other, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
    }
    assert_null(peer_next(other));
    peer_notify(keeper, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    expect(other, "batch", 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_never_for_ever),
        TEST(test_holders),
        TEST(test_sleeper),
        TEST(test_outstanding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
