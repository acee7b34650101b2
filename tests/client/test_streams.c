/* Streams of libevendraw against a scripted daemon: batches, acknowledgements, changes of strategy,
 * and a daemon that breaks its own rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <evendraw.h>
#include "caller.h"
#include "fake.h"

/* Window 4: acknowledgements come two at a time, at the end of an epoch all, and then the credit.
 */
static void two_epochs(struct fake *fake)
{
    const msgpack_object *map;

    fake_hello(fake);
    fake_stream(fake, "shared", 4);
    for (uint64_t step = 0; step < 4; step++)
        fake_batch(fake, 0, step, 4, false);
    fake_send(fake);
    map = fake_expect(fake, "stream.ack");
    if (fake_u64(map, "step") != 1 || fake_u64(map, "through") != 1 ||
        fake_u64(map, "epoch") != 0 || fake_u64(map, "generation") != 3)
        abort();
    map = fake_expect(fake, "stream.ack");
    if (fake_u64(map, "step") != 3 || fake_u64(map, "through") != 1)
        abort();
    fake_epoch_end(fake, 0);
    fake_send(fake);
    map = fake_expect(fake, "stream.credit");
    if (fake_u64(map, "window") != 4)
        abort();
    fake_batch(fake, 1, 0, 4, false);
    fake_closed(fake, EVD_E_SHUTTING_DOWN, "stopping");
    fake_send(fake);
    fake_wait_end(fake);
}

static void epochs_and_acks(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, two_epochs, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, 0);
    assert_int_equal(evd_stream_get_info(stream)->rank, -1);
    assert_int_equal(evd_stream_get_info(stream)->window, 4);
    for (uint64_t step = 0; step < 4; step++) {
        assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
        assert_int_equal(batch->step, step);
        assert_int_equal(batch->n, 4);
        assert_int_equal(batch->index[3], step * 10 + 3);
        assert_null(batch->label);
    }
    assert_int_equal(evd_stream_get_info(stream)->ended, 0);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_EPOCH_END);
    assert_null(batch);
    assert_int_equal(evd_stream_get_info(stream)->ended, 1);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
    assert_int_equal(batch->epoch, 1);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_E_SHUTTING_DOWN);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_E_SHUTTING_DOWN);
    assert_string_equal(evd_error_message(client), "stopping");
    evd_stream_close(stream);
    evd_close(client);
    fake_stop(&fake);
}

/* The answer to stream.open comes when nobody waits for it any more. */
static void late_open(struct fake *fake)
{
    fake_hello(fake);
    fake_expect(fake, "stream.open");
    fake_open(fake, 9, "shared", 4); /* to be sent */
    fake_batch(fake, 0, 0, 4, false);
    fake_expect(fake, "job.list");
    fake_result(fake);
    fake_send(fake);
    if (fake_u64(fake_expect(fake, "stream.close"), "stream") != 9)
        abort();
    fake_wait_end(fake);
}

static void late_stream_is_closed(void **state)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, late_open, NULL);
    client = connected(&fake, 300, EVD_NO_RECONNECT);
    options.job = "train";
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_E_TIMEOUT);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    evd_close(client);
    fake_stop(&fake);
}

/* What an answer is to is told by its request, not by the keys that are in it. */
static void late_info(struct fake *fake)
{
    fake_hello(fake);
    fake_expect(fake, "job.info");
    fake_result(fake); /* to be sent */
    pack_key_u64(&fake->pk, "stream", 9);
    pack_key_u64(&fake->pk, "batch_size", 4);
    fake_expect(fake, "job.list");
    fake_result(fake);
    fake_send(fake);
    fake_expect(fake, "job.list");
    fake_result(fake);
    fake_send(fake);
    fake_wait_end(fake);
}

static void late_answer_is_dropped(void **state)
{
    struct fake fake;
    evd_client *client;

    (void)state;
    fake_start(&fake, late_info, NULL);
    client = connected(&fake, 300, EVD_NO_RECONNECT);
    assert_int_equal(evd_call(client, "job.info", NULL, NULL), EVD_E_TIMEOUT);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    evd_close(client);
    fake_stop(&fake);
}

/* Batches that arrive while a call waits are kept, and handed out afterwards. */
static void batches_before_answer(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "ranked", 8);
    fake_expect(fake, "job.list");
    for (uint64_t step = 0; step < 3; step++)
        fake_batch(fake, 0, step, 2, false);
    fake_result(fake);
    fake_batch(fake, 0, 3, 2, false);
    fake_send(fake);
    fake_wait_end(fake);
}

static void call_between(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, batches_before_answer, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, 0);
    assert_int_equal(evd_next(stream, 0, &batch), EVD_E_TIMEOUT);
    assert_int_equal(evd_next(stream, 20, &batch), EVD_E_TIMEOUT);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    for (uint64_t step = 0; step < 4; step++) {
        assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
        assert_int_equal(batch->step, step);
    }
    evd_close(client); /* with the stream */
    fake_stop(&fake);
}

static void manual_acks(struct fake *fake)
{
    const msgpack_object *map;

    fake_hello(fake);
    fake_stream(fake, "shared", 8);
    for (uint64_t step = 0; step < 4; step++)
        fake_batch(fake, 0, step, 1, false);
    fake_send(fake);
    map = fake_expect(fake, "stream.ack");
    if (fake->msg.type != MESSAGE_NOTIFICATION || fake_u64(map, "step") != 0)
        abort();
    map = fake_expect(fake, "stream.ack");
    if (fake->msg.type != MESSAGE_REQUEST || fake_u64(map, "step") != 2)
        abort();
    fake_result(fake);
    fake_send(fake);
    fake_expect(fake, "stream.close");
    fake_wait_end(fake);
}

static void acknowledge_by_hand(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, manual_acks, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, EVD_STREAM_MANUAL_ACK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
    assert_int_equal(evd_ack(stream, 0, 0, 0), EVD_OK);
    assert_int_equal(evd_ack(stream, 0, 2, EVD_ACK_CONFIRM), EVD_OK);
    assert_int_equal(evd_ack(stream, 0, 2, EVD_ACK_CONFIRM), EVD_E_USAGE);
    assert_int_equal(evd_ack(stream, 0, 2, 0), EVD_OK);
    evd_stream_close(stream);
    evd_close(client);
    fake_stop(&fake);
}

static void three_batches(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "shared", 2);
    for (uint64_t step = 0; step < 3; step++)
        fake_batch(fake, 0, step, 1, false);
    fake_send(fake);
    fake_wait_end(fake);
}

static void flood(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "shared", 2);
    fake_expect(fake, "job.list");
    for (uint64_t epoch = 0; epoch < 100; epoch++)
        fake_epoch_end(fake, epoch);
    fake_result(fake);
    fake_send(fake);
    fake_wait_end(fake);
}

static void bad_batch(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "shared", 2);
    fake_note(fake, "batch");
    pack_key_u64(&fake->pk, "stream", 1);
    pack_key_cstr(&fake->pk, "index", "nonsense");
    fake_send(fake);
    fake_wait_end(fake);
}

static void daemon_breaks_rules(void **state)
{
    static void (*const scripts[])(struct fake *) = {flood, bad_batch};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const evd_batch *batch;
        struct fake fake;
        evd_client *client;
        evd_stream *stream;
        int code;

        fake_start(&fake, scripts[i], NULL);
        client = connected(&fake, 5000, EVD_NO_RECONNECT);
        stream = opened(client, EVD_STREAM_MANUAL_ACK);
        if (scripts[i] == flood)
            code = evd_call(client, "job.list", NULL, NULL);
        else
            code = evd_next(stream, 5000, &batch);
        assert_int_equal(code, EVD_E_PROTOCOL);
        assert_int_equal(evd_next(stream, 5000, &batch), EVD_E_PROTOCOL);
        evd_close(client);
        fake_stop(&fake);
    }
}

static void leases_run_out(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "shared", 2);
    fake_expect(fake, "job.list");
    for (uint64_t step = 0; step < 9; step++)
        fake_batch(fake, 0, step, 1, false);
    fake_result(fake);
    fake_send(fake);
    if (fake_u64(fake_expect(fake, "stream.release"), "step") != 8)
        abort();
    fake_wait_end(fake);
}

/* A worker that slept gets other batches beside those whose leases ran out meanwhile. It keeps four
 * windows of them while it waits for an answer, and gives back the rest. */
static void more_than_a_window(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, leases_run_out, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, EVD_STREAM_MANUAL_ACK);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    for (uint64_t step = 0; step < 8; step++) {
        assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
        assert_int_equal(batch->step, step);
    }
    assert_int_equal(evd_next(stream, 50, &batch), EVD_E_TIMEOUT);
    evd_close(client);
    fake_stop(&fake);
}

static void event_loop(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;
    int got = 0;

    (void)state;
    fake_start(&fake, three_batches, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, 0);
    while (got < 3) {
        struct pollfd fd = {.fd = evd_fd(client), .events = evd_events(client)};

        if (evd_next(stream, 0, &batch) == EVD_OK) {
            assert_int_equal(batch->step, got);
            got++;
            continue;
        }
        assert_int_equal(poll(&fd, 1, 5000), 1);
        assert_int_equal(evd_process(client), EVD_OK);
    }
    evd_close(client);
    fake_stop(&fake);
}

static void announcement(struct fake *fake, uint64_t step)
{
    fake_note(fake, "revision");
    pack_key_u64(&fake->pk, "stream", 1);
    pack_key_u64(&fake->pk, "revision", step);
    pack_key_u64(&fake->pk, "epoch", 0);
    pack_key_u64(&fake->pk, "step", step);
}

/* One comes between batches, the other one while a call is waited for. */
static void two_changes(struct fake *fake)
{
    fake_hello(fake);
    fake_stream(fake, "shared", 2);
    announcement(fake, 7);
    fake_batch(fake, 0, 0, 1, false);
    fake_send(fake);
    fake_expect(fake, "job.list");
    announcement(fake, 9);
    fake_result(fake);
    fake_send(fake);
    fake_wait_end(fake);
}

static void changes_are_announced(void **state)
{
    const evd_stream_info *info;
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, two_changes, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    stream = opened(client, 0);
    info = evd_stream_get_info(stream);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
    assert_int_equal(info->announced_revision, 7);
    assert_int_equal(info->announced_epoch, 0);
    assert_int_equal(info->announced_step, 7);
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_OK);
    assert_int_equal(info->announced_revision, 9);
    assert_int_equal(info->announced_step, 9);
    evd_close(client);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_and_acks),       cmocka_unit_test(call_between),
        cmocka_unit_test(late_stream_is_closed), cmocka_unit_test(late_answer_is_dropped),
        cmocka_unit_test(acknowledge_by_hand),   cmocka_unit_test(daemon_breaks_rules),
        cmocka_unit_test(more_than_a_window),    cmocka_unit_test(event_loop),
        cmocka_unit_test(changes_are_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
