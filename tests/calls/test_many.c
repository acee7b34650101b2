/* More runs than there may be jobs and datasets, one after the other: the last is as good as the
 * first. Each is made anew by a connection of its own. */
#include "harness.h"

#define RUNS ((EVD_MAX_JOBS > EVD_MAX_DATASETS ? EVD_MAX_JOBS : EVD_MAX_DATASETS) + 2)

static int64_t count(struct peer *peer, const char *what)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t n = integer(info, what);

    json_decref(info);
    return n;
}

static void one_run(struct harness *h, unsigned number)
{
    struct peer *peer = peer_new(h);

    peer_do(peer, "dataset.create", "[{'name': 'run', 'owned': true}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1, %u]}]", number % 2);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create",
            "[{'name': 'run-%u', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1}]", number);
    peer_do(peer, "stream.open", "[{'job': 'run-%u', 'window': 1, 'exclusive': true}]", number);
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_close(peer);
    harness_pass(h, 1);
}

static void test_many_runs(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h);
    int64_t before = count(watch, "memory");

    for (unsigned i = 0; i < RUNS; i++)
        one_run(h, i);
    for (int i = 0; i < 3; i++) { /* the last job, then its dataset */
        harness_pass(h, 200);
        harness_quiet(h);
    }
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0);
    assert_int_equal(count(watch, "memory"), before);
}

#define CREATE "dataset.create", "[{'name': 'run-%u', 'classes': ['class %u'], 'owned': true}]"
#define PEERS  32u

/* Runs of which the data are their own; the connections take turns, so that many are stored at
 * once. */
static void make_runs(struct peer *const *peers, unsigned first, unsigned n)
{
    uint32_t ids[PEERS];

    for (unsigned i = 0; i < n; i++)
        json_decref(peer_call(peers[i], CREATE, first + i, first + i));
    for (unsigned i = 0; i < n; i++) {
        unsigned draft = first / PEERS + 1;

        peer_send(peers[i], "dataset.append", "[{'draft': %u, 'labels': [0, 0]}]", draft);
        ids[i] = peer_send(peers[i], "dataset.commit", "[{'draft': %u}]", draft);
    }
    for (unsigned i = 0; i < n; i++)
        json_decref(peer_result(peers[i], ids[i]));
    for (unsigned i = 0; i < n; i++)
        ids[i] = peer_send(
            peers[i], "job.create",
            "[{'name': 'run-%u', 'dataset': 'run-%u', 'batch_size': 2, 'ephemeral': 300000}]",
            first + i, first + i);
    for (unsigned i = 0; i < n; i++) {
        json_decref(peer_result(peers[i], ids[i]));
        peer_forget(peers[i]);
    }
}

/* All at once, as in a long test suite: where there are as many as there may be, the first goes
 * before its time. */
static void test_room_for_one_more(void **state)
{
    struct harness *h = *state;
    struct peer *peers[PEERS], *next = peer_new(h);

    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = peer_new(h);
    for (unsigned i = 0; i < EVD_MAX_JOBS; i += PEERS)
        make_runs(peers, i, PEERS);
    peer_refused(next, EVD_E_LIMIT, CREATE, EVD_MAX_JOBS, EVD_MAX_JOBS); /* all are used */
    peer_close(peers[7]);
    harness_pass(h, 1);
    peer_refused(next, EVD_E_BUSY, CREATE, EVD_MAX_JOBS, EVD_MAX_JOBS);
    peer_refused(next, EVD_E_BUSY, CREATE, EVD_MAX_JOBS, EVD_MAX_JOBS); /* that one is enough */
    for (int i = 0; i < 2; i++) {
        harness_quiet(h);
        harness_pass(h, 1);
    }
    harness_quiet(h);
    next = peer_new(h);
    json_decref(peer_call(next, CREATE, EVD_MAX_JOBS, EVD_MAX_JOBS));
    peer_do(next, "dataset.append", "[{'draft': 1, 'labels': [0, 0]}]");
    peer_do(next, "dataset.commit", "[{'draft': 1}]");
    peer_do(next, "job.create", "[{'name': 'run', 'dataset': 'run-%u', 'batch_size': 2}]",
            EVD_MAX_JOBS);
    assert_int_equal(count(next, "jobs"), EVD_MAX_JOBS);
    assert_int_equal(count(next, "datasets"), EVD_MAX_DATASETS);
    harness_restart(h); /* nobody knows whether they are still used */
    next = peer_new(h);
    peer_refused(next, EVD_E_LIMIT, CREATE, EVD_MAX_JOBS + 1, 0u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_runs, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_room_for_one_more, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
