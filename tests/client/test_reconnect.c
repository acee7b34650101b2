/* libevendraw when the connection is lost: what it says on the next one, and what its caller sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <evendraw.h>
#include "caller.h"
#include "fake.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void take(evd_stream *stream, uint64_t epoch, uint64_t step)
{
    const evd_batch *batch;

    assert_int_equal(evd_next(stream, 5000, &batch), EVD_OK);
    assert_int_equal(batch->epoch, epoch);
    assert_int_equal(batch->step, step);
}

/* ---- a daemon that was restarted ---- */

static const msgpack_object *value_of(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        if (str_is((struct evd_str){kv->key.via.str.ptr, kv->key.via.str.size}, key))
            return &kv->val;
    }
    abort();
}

/* It is said anew whenever the stream is opened again. */
static void require_exclusive(const msgpack_object *open)
{
    require(value_of(open, "exclusive")->via.boolean);
}

static void expect_step(struct fake *fake, const char *method, uint64_t step)
{
    const msgpack_object *map = fake_expect(fake, method);

    require(fake_u64(map, "stream") == fake->stream && fake_u64(map, "step") == step);
}

/* The caller has 2 and 3, has acknowledged 0 and 1, and 4 and 5 are under way to it. The daemon
 * gives it all but 1, which became durable, and 3, which is another's now. */
static void restarted(struct fake *fake)
{
    const msgpack_object *map, *holding;

    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 6);
    for (uint64_t step = 0; step < 6; step++)
        fake_batch(fake, 0, step, 4, false);
    fake_send(fake);
    fake_expect(fake, "job.list"); /* everything has arrived, and */
    expect_step(fake, "stream.ack", 1);
    fake_again(fake);

    map = fake_hello_session(fake, false);
    require(fake_u64(map, "resume") == 5 && fake_u64(map, "resume_key") == 77);
    map = fake_expect(fake, "stream.open");
    require(fake_u64(map, "window") == 0 && fake_u64(map, "generation") == 3);
    require_exclusive(map);
    holding = value_of(map, "holding");
    require(holding->via.array.size == 6);
    pack_key_array(fake_open(fake, 9, "shared", 0), "held", 4);
    for (uint64_t i = 0; i < 6; i++) {
        static const bool granted[] = {true, false, true, false, true, true};
        if (!granted[i])
            continue;
        msgpack_pack_array(&fake->pk, 2);
        msgpack_pack_uint64(&fake->pk, 0);
        msgpack_pack_uint64(&fake->pk, i);
    }
    fake_send(fake);
    fake_expect(fake, "job.list"); /* asked again */
    fake_result(fake);
    fake_send(fake);
    expect_step(fake, "stream.ack", 0);
    expect_step(fake, "stream.release", 4);
    expect_step(fake, "stream.release", 5);
    map = fake_expect(fake, "stream.credit");
    require(fake_u64(map, "window") == 6);
    for (uint64_t step = 4; step < 7; step++)
        fake_batch(fake, 0, step, 4, false);
    fake_send(fake);
    expect_step(fake, "stream.ack", 2);
    fake_wait_end(fake);
}

static void daemon_restarted(void **state)
{
    evd_counters counters;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;
    int code;

    (void)state;
    fake_start(&fake, restarted, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, EVD_STREAM_MANUAL_ACK | EVD_STREAM_EXCLUSIVE);
    for (uint64_t step = 0; step < 4; step++)
        take(stream, 0, step);
    assert_int_equal(evd_ack(stream, 0, 1, EVD_ACK_THROUGH), EVD_OK);
    code = evd_call(client, "job.list", NULL, NULL);
    assert_int_equal(code, EVD_OK);
    take(stream, 0, 4);
    assert_int_equal(evd_ack(stream, 0, 2, 0), EVD_OK);
    assert_int_equal(evd_ack(stream, 0, 3, 0), EVD_OK); /* it is not ours any more: nothing */
    take(stream, 0, 5);
    take(stream, 0, 6);
    evd_get_counters(client, &counters);
    assert_int_equal(counters.reconnects, 1);
    evd_close(client);
    fake_stop(&fake);
}

/* ---- a session that goes on ---- */

static void resumed(struct fake *fake)
{
    const msgpack_object *map;

    fake_hello_session(fake, false);
    fake_stream(fake, "ranked", 4);
    for (uint64_t step = 0; step < 3; step++)
        fake_batch(fake, 0, step, 4, false);
    fake_send(fake);
    /* 1 is acknowledged by the request for 2; both are lost on the way. */
    fake_expect(fake, "stream.ack");
    fake_again(fake);
    fake_hello_session(fake, true);
    map = fake_expect(fake, "stream.open");
    require(fake_u64(map, "resume") == 1);
    require_exclusive(map);
    fake_open(fake, 2, "ranked", 0);
    for (uint64_t step = 0; step < 4; step++)
        fake_batch(fake, 0, step, 4, false);
    fake_send(fake);
    fake_expect(fake, "stream.credit");
    expect_step(fake, "stream.ack", 0);
    expect_step(fake, "stream.ack", 1);
    fake_closed(fake, EVD_E_NOT_FOUND, "dropped");
    fake_send(fake);
    fake_wait_end(fake);
}

static void session_resumed(void **state)
{
    const evd_batch *batch;
    evd_counters counters;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, resumed, NULL);
    client = connected(&fake, 5000, EVD_NO_TIME_LIMIT);
    stream = opened(client, EVD_STREAM_EXCLUSIVE);
    for (uint64_t step = 0; step < 4; step++)
        take(stream, 0, step);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_E_NOT_FOUND);
    evd_get_counters(client, &counters);
    assert_int_equal(counters.repeated, 3);
    evd_close(client);
    fake_stop(&fake);
}

/* ---- what happened meanwhile ---- */

/* The epoch ended while nobody was connected, and the daemon says it only by what comes next. */
static void epoch_went_by(struct fake *fake)
{
    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 4);
    fake_batch(fake, 0, 0, 4, false);
    fake_send(fake);
    fake_expect(fake, "job.stats");
    fake_again(fake);
    fake_hello_session(fake, false);
    fake_expect(fake, "stream.open");
    pack_key_array(fake_open(fake, 1, "shared", 0), "held", 0);
    fake_send(fake);
    fake_expect(fake, "job.stats");
    fake_result(fake);
    fake_send(fake);
    fake_expect(fake, "stream.credit");
    fake_batch(fake, 1, 7, 4, false);
    fake_epoch_end(fake, 0); /* told already */
    fake_epoch_end(fake, 1);
    fake_send(fake);
    fake_wait_end(fake);
}

static void end_is_told_once(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, epoch_went_by, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, 0);
    take(stream, 0, 0);
    assert_int_equal(evd_call(client, "job.stats", NULL, NULL), EVD_OK);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_EPOCH_END);
    take(stream, 1, 7);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_EPOCH_END);
    evd_close(client);
    fake_stop(&fake);
}

/* The connection is lost between two epochs. */
static void between_epochs(struct fake *fake)
{
    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 4);
    fake_note(fake, "revision");
    pack_key_u64(&fake->pk, "stream", 1);
    pack_key_u64(&fake->pk, "revision", 2);
    pack_key_u64(&fake->pk, "epoch", 6);
    pack_key_u64(&fake->pk, "step", 4);
    fake_epoch_end(fake, 5);
    fake_send(fake);
    fake_expect(fake, "job.stats");
    fake_again(fake);
    fake_hello_session(fake, false);
    fake_expect(fake, "stream.open");
    pack_key_array(fake_open(fake, 1, "shared", 0), "held", 0);
    fake_send(fake);
    fake_expect(fake, "job.stats");
    fake_result(fake);
    fake_send(fake);
    fake_wait_end(fake);
}

static void what_was_told_stays(void **state)
{
    const evd_stream_info *info;
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;
    evd_counters counters;

    (void)state;
    fake_start(&fake, between_epochs, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, 0);
    info = evd_stream_get_info(stream);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_EPOCH_END);
    assert_int_equal(info->ended, 6);
    assert_int_equal(evd_call(client, "job.stats", NULL, NULL), EVD_OK);
    assert_int_equal(evd_next(stream, 0, &batch), EVD_E_TIMEOUT);
    evd_get_counters(client, &counters);
    assert_int_equal(counters.reconnects, 1);
    assert_int_equal(info->ended, 6);
    assert_int_equal(info->announced_revision, 2);
    assert_int_equal(info->announced_epoch, 6);
    assert_int_equal(info->announced_step, 4);
    evd_close(client);
    fake_stop(&fake);
}

static void moved(struct fake *fake)
{
    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 4);
    fake_batch(fake, 5, 3, 4, false);
    fake_note(fake, "seek");
    pack_key_u64(&fake->pk, "stream", 1);
    pack_key_u64(&fake->pk, "generation", 3);
    pack_key_u64(&fake->pk, "epoch", 1);
    pack_key_u64(&fake->pk, "step", 2);
    fake_batch(fake, 1, 2, 4, false);
    fake_batch(fake, 1, 3, 4, false);
    fake_send(fake);
    fake_wait_end(fake);
}

static void job_moved(void **state)
{
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, moved, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, 0);
    take(stream, 5, 3);
    take(stream, 1, 2);
    assert_int_equal(evd_stream_get_info(stream)->epoch, 1);
    take(stream, 1, 3);
    evd_close(client);
    fake_stop(&fake);
}

/* ---- confirmation ---- */

static void confirmation_lost(struct fake *fake)
{
    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 4);
    fake_batch(fake, 0, 0, 4, false);
    fake_send(fake);
    fake_expect(fake, "stream.ack");
    fake_again(fake); /* it was written, and the answer is lost */
    fake_hello_session(fake, false);
    fake_expect(fake, "stream.open");
    pack_key_array(fake_open(fake, 1, "shared", 0), "held", 0);
    fake_send(fake);
    fake_expect(fake, "stream.credit");
    fake_expect(fake, "stream.ack");
    {
        struct evd_error err;
        error_set(&err, EVD_E_CONFLICT, "acknowledged", "it is acknowledged already");
        message_error(&fake->pk, fake->msg.id, &err);
    }
    fake_send(fake);
    fake_wait_end(fake);
}

static void confirmation_repeated(void **state)
{
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, confirmation_lost, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, EVD_STREAM_MANUAL_ACK);
    take(stream, 0, 0);
    assert_int_equal(evd_ack(stream, 0, 0, EVD_ACK_CONFIRM), EVD_OK);
    evd_close(client);
    fake_stop(&fake);
}

/* ---- the end of patience ---- */

static void gone(struct fake *fake)
{
    fake_hello_session(fake, false);
    fake_stream(fake, "shared", 4);
    fake_expect(fake, "job.create");
    shutdown(fake->listener, SHUT_RDWR);
}

static void given_up(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;

    (void)state;
    fake_start(&fake, gone, NULL);
    client = connected(&fake, 5000, 300);
    stream = opened(client, 0);
    /* Nobody knows whether it was created. */
    assert_int_equal(evd_call(client, "job.create", NULL, NULL), EVD_E_CLOSED);
    assert_int_equal(evd_next(stream, 0, &batch), EVD_E_TIMEOUT);
    assert_int_equal(evd_next(stream, 5000, &batch), EVD_E_CLOSED);
    assert_non_null(strstr(evd_error_message(client), "300 ms"));
    assert_int_equal(evd_next(stream, 0, &batch), EVD_E_CLOSED);
    assert_int_equal(evd_ack(stream, 0, 0, 0), EVD_E_CLOSED);
    assert_int_equal(evd_timeout(client), -1);
    evd_close(client);
    fake_stop(&fake);
}

/* ---- in a loop ---- */

static void twice(struct fake *fake)
{
    for (uint64_t step = 0; step < 3; step++) {
        fake_hello_session(fake, false);
        if (step == 0) {
            fake_stream(fake, "shared", 4);
        } else {
            fake_expect(fake, "stream.open");
            pack_key_array(fake_open(fake, 1, "shared", 0), "held", 0);
            fake_send(fake);
            fake_expect(fake, "stream.credit");
        }
        fake_batch(fake, 0, step, 4, false);
        fake_send(fake);
        if (step < 2)
            fake_again(fake);
    }
    fake_wait_end(fake);
}

static void in_a_loop(void **state)
{
    const evd_batch *batch;
    struct fake fake;
    evd_client *client;
    evd_stream *stream;
    uint64_t got = 0;

    (void)state;
    fake_start(&fake, twice, NULL);
    client = connected(&fake, 5000, 0);
    stream = opened(client, EVD_STREAM_MANUAL_ACK);
    while (got < 3) {
        struct pollfd fd = {.fd = evd_fd(client), .events = evd_events(client)};
        int code = evd_next(stream, 0, &batch);

        if (code == EVD_OK) {
            assert_int_equal(batch->step, got);
            got++;
            continue;
        }
        assert_int_equal(code, EVD_E_TIMEOUT);
        fd = (struct pollfd){.fd = evd_fd(client), .events = evd_events(client)};
        assert_true(fd.fd >= 0 || evd_timeout(client) >= 0);
        poll(&fd, 1, evd_timeout(client));
        assert_int_equal(evd_process(client), EVD_OK);
    }
    evd_close(client);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(daemon_restarted), cmocka_unit_test(session_resumed),
        cmocka_unit_test(end_is_told_once), cmocka_unit_test(what_was_told_stays),
        cmocka_unit_test(job_moved),        cmocka_unit_test(confirmation_repeated),
        cmocka_unit_test(given_up),         cmocka_unit_test(in_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
