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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_runs, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
