/* The wall clock jumps by hours, years and to its ends: no lease runs out early, none late, since
 * leases go by the monotonic clock. The protocol server, with clocks that the test sets. */
#include "harness.h"

#include <stdlib.h>
#include <time.h>

#define TIME_TO_RUN 10000
#define GRACE       3000

static void load_data(struct peer *peer)
{
    json_t *draft = peer_call(peer, "dataset.create", "[{'name': 'd'}]");
    int id = (int)integer(draft, "draft");

    for (int i = 0; i < 10; i++)
        peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0, 1, 0, 1, 0, 1, 0, 1]}]", id);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", id);
    json_decref(draft);
}

static void jump(struct harness *h)
{
    static const uint64_t walls[] = {1700003600, 1699996400, 2015360000, 946684800, 0,
                                     UINT32_MAX, INT64_MAX,  1,          1700000000};

    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        h->wall = walls[i];
        harness_pass(h, 300);
    }
}

/* Takes all batches that came; how many of them were redelivered. */
static int take(struct peer *peer, int *batches)
{
    int redelivered = 0;
    json_t *batch;

    for (*batches = 0; (batch = peer_note(peer, "batch")) != NULL; ++*batches) {
        redelivered += json_is_true(json_object_get(batch, "redelivered"));
        json_decref(batch);
    }
    return redelivered;
}

static int64_t expired(struct peer *peer)
{
    json_t *workers = peer_call(peer, "job.workers", "[{'job': 'j'}]");
    int64_t n = integer(workers, "expired");

    json_decref(workers);
    return n;
}

static void test_wall_clock(void **state)
{
    struct harness *h = *state;
    struct peer *asked = peer_new(h), *holder = peer_new(h), *other = peer_new(h);
    int n;

    load_data(asked);
    peer_do(asked, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 8, 'time_to_run': %d, 'grace': %d}]",
            TIME_TO_RUN, GRACE);
    peer_do(holder, "stream.open", "[{'job': 'j', 'window': 3}]");
    harness_pass(h, 500); /* the mark is stored */
    assert_int_equal(take(holder, &n), 0);
    assert_int_equal(n, 3);
    peer_do(other, "stream.open", "[{'job': 'j', 'window': 256}]");
    harness_pass(h, 500);
    take(other, &n);
    assert_int_equal(n, 7);

    jump(h);
    assert_int_equal(expired(asked), 0);
    assert_int_equal(take(other, &n), 0);
    assert_int_equal(n, 0);
    /* The other worker keeps its leases; the holder's run out when they should. */
    peer_do(other, "stream.touch", "[{'stream': 1}]");
    harness_pass(h, TIME_TO_RUN - 1000 - 9 * 300 - 500);
    assert_int_equal(expired(asked), 0);
    harness_pass(h, 1000);
    assert_int_equal(expired(asked), 3);
    assert_int_equal(take(other, &n), 3);
    assert_int_equal(n, 3);
}

static void test_grace(void **state)
{
    struct harness *h = *state;
    struct peer *other = peer_new(h), *lost = peer_new(h);
    int n;

    peer_do(other, "job.create",
            "[{'name': 'g', 'dataset': 'd', 'batch_size': 8, 'time_to_run': 0, 'grace': %d}]",
            GRACE);
    peer_do(lost, "stream.open", "[{'job': 'g', 'window': 3}]");
    harness_pass(h, 500);
    peer_do(other, "stream.open", "[{'job': 'g', 'window': 256}]");
    harness_pass(h, 500);
    take(other, &n);
    assert_int_equal(n, 7);
    peer_close(lost);
    jump(h); /* 2.7 s */
    assert_int_equal(take(other, &n), 0);
    assert_int_equal(n, 0);
    harness_pass(h, 600);
    assert_int_equal(take(other, &n), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wall_clock),
        cmocka_unit_test(test_grace),
    };

    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
