/* More than a window of batches at a client, though the daemon never exceeds the window: leases
 * that ran out, and a job that is moved while nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "server.h"

static struct server server;

static int start(void **state)
{
    evd_client *client;

    (void)state;
    server_start(&server);
    client = server_dial(&server);
    load(client, "d", 10000, 3);
    evd_close(client);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

static evd_stream *opened(evd_client *client, const char *job, uint32_t window)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *stream;

    options.job = job;
    options.window = window;
    options.flags = EVD_STREAM_MANUAL_ACK;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    return stream;
}

static const evd_batch *next(evd_client *client, evd_stream *stream)
{
    const evd_batch *batch;
    int code = evd_next(stream, 30000, &batch);

    if (code != EVD_OK)
        fail_msg("%s", evd_error_message(client));
    return batch;
}

/* Steps 0 and 1 go from the slow worker to the other one. Then the slow worker says that it is done
 * with step 0: too late, but it is alive, and gets a whole window, while it still has step 1. */
static void test_leases_run_out(void **state)
{
    evd_client *slow = server_dial(&server), *quick = server_dial(&server);
    evd_stream *late, *other;
    evd_counters counters;

    (void)state;
    /* 10,000 steps: more than the quick worker can confirm while the leases run. */
    tell(slow, "job.create",
         "{\"name\": \"slow\", \"dataset\": \"d\", \"batch_size\": 1, \"time_to_run\": 300}");
    late = opened(slow, "slow", 2);
    assert_int_equal(next(slow, late)->step, 0);
    assert_int_equal(next(slow, late)->step, 1);
    other = opened(quick, "slow", 2);
    for (uint64_t step = 2; step < 4; step++) {
        assert_int_equal(next(quick, other)->step, step);
        assert_int_equal(evd_ack(other, 0, step, EVD_ACK_CONFIRM), EVD_OK);
    }
    for (uint64_t met = 0; met != 3;) { /* the other one gets both */
        const evd_batch *batch = next(quick, other);
        met |= batch->step < 2 ? 1u << batch->step : 0;
        assert_int_equal(evd_ack(other, 0, batch->step, EVD_ACK_CONFIRM), EVD_OK);
    }
    assert_int_equal(evd_ack(late, 0, 0, 0), EVD_OK);
    for (int i = 0; i < 2; i++)
        assert_true(next(slow, late)->step > 3);
    assert_int_equal(evd_ack(late, 0, 1, 0), EVD_OK);
    assert_int_equal(evd_touch(late), EVD_OK); /* its answer comes after what is said of those */
    evd_get_counters(slow, &counters);
    assert_true(counters.late_acks > 0);
    evd_close(slow);
    evd_close(quick);
}

/* What arrives while a call waits is kept; of each generation a window. */
static void test_moved_unread(void **state)
{
    evd_client *client = server_dial(&server);
    evd_stream *stream;

    (void)state;
    tell(client, "job.create", "{\"name\": \"moved\", \"dataset\": \"d\", \"batch_size\": 10}");
    stream = opened(client, "moved", 32);
    for (int i = 0; i < 4; i++)
        tell(client, "job.seek",
             "{\"job\": \"moved\", \"epoch\": 2, \"step\": 7, \"force\": true}");
    tell(client, "job.info", "{\"job\": \"moved\"}");
    for (uint64_t step = 7; step < 7 + 32; step++) {
        const evd_batch *batch = next(client, stream);
        assert_int_equal(batch->generation, 4);
        assert_int_equal(batch->epoch, 2);
        assert_int_equal(batch->step, step);
    }
    evd_close(client);
}

/* Whoever leaves the window to the daemon gets no more than its limit. */
static void test_small_limit(void **state)
{
    static const char *const small[] = {"--limit", "window=4", NULL};
    evd_client *client;

    (void)state;
    server_stop(&server);
    server.options = small;
    server_start(&server);
    client = server_dial(&server);
    tell(client, "job.create", "{\"name\": \"small\", \"dataset\": \"d\", \"batch_size\": 10}");
    assert_int_equal(evd_stream_get_info(opened(client, "small", 0))->window, 4);
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leases_run_out),
        cmocka_unit_test(test_moved_unread),
        cmocka_unit_test(test_small_limit),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
