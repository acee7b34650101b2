/* The healthy worker of victim.h, over a plain socket: what it measures is the daemon's time and
 * the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/guard.h"
#include "proto/message.h"
#include "proto/numbers.h"
#include "victim.h"

#define PATIENCE_MS 60000 /* without a byte: then it is lost, however slow the machine is */

struct victim {
    int fd;
    uint32_t stream;
    uint64_t step; /* of the last batch */
    struct guard guard;
    struct message message;
    struct evd_buf out;
    uint8_t in[64 << 10];
    size_t len, begin, scanned; /* bytes there, of them done with, and seen by the guard */
};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void receive(struct victim *v)
{
    struct pollfd ready = {.fd = v->fd, .events = POLLIN};
    ssize_t n;

    memmove(v->in, v->in + v->begin, v->len - v->begin);
    v->len -= v->begin;
    v->scanned -= v->begin;
    v->begin = 0;
    if (poll(&ready, 1, PATIENCE_MS) != 1)
        fail_msg("the worker received nothing for a minute");
    n = recv(v->fd, v->in + v->len, sizeof(v->in) - v->len, 0);
    if (n <= 0)
        fail_msg("the worker lost its connection");
    v->len += (size_t)n;
}

/* Into v->message. */
static void next_message(struct victim *v)
{
    struct evd_error err;
    bool has_id;
    size_t begin;

    for (;;) {
        v->scanned += guard_feed(&v->guard, v->in + v->scanned, v->len - v->scanned);
        if (v->guard.status != GUARD_MORE)
            break;
        receive(v);
    }
    assert_int_equal(v->guard.status, GUARD_DONE);
    guard_reset(&v->guard);
    begin = v->begin;
    v->begin = v->scanned;
    if (message_decode(&v->message, v->in + begin, v->scanned - begin, &has_id, &err) != EVD_OK)
        fail_msg("the worker received what is no message: %s", err.message);
}

static const msgpack_object *field(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *entry = &map->via.map.ptr[i];

        if (entry->key.via.str.size == strlen(name) &&
            memcmp(entry->key.via.str.ptr, name, strlen(name)) == 0)
            return &entry->val;
    }
    fail_msg("no %s in what the worker received", name);
    return NULL;
}

static uint64_t field_number(const msgpack_object *map, const char *name)
{
    uint64_t value;

    assert_true(number_u64(field(map, name), UINT64_MAX, &value));
    return value;
}

static void send_out(struct victim *v)
{
    assert_int_equal(send(v->fd, v->out.data, v->out.len, MSG_NOSIGNAL), v->out.len);
    buf_truncate(&v->out, 0);
}

static void next_batch(struct victim *v, uint64_t step)
{
    const msgpack_object *batch;

    next_message(v);
    if (v->message.type != MESSAGE_NOTIFICATION || !str_is(v->message.method, "batch"))
        fail_msg("something else than a batch came to the worker");
    batch = &v->message.params->via.array.ptr[0];
    assert_int_equal(field_number(batch, "epoch"), 0);
    assert_int_equal(field_number(batch, "step"), step);
    v->step = step;
}

static void pack_attach(struct victim *v, const char *job)
{
    msgpack_packer pk;

    buf_packer(&v->out, &pk);
    message_request(&pk, 0, "hello");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", "victim");
    pack_map_end(&pk);
    message_request(&pk, 1, "stream.open");
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "job", job);
    pack_key_u64(&pk, "window", 1);
    pack_key_cstr(&pk, "encoding", "packed");
    pack_map_end(&pk);
}

struct victim *victim_attach(const struct sockaddr_un *address, const char *job)
{
    struct victim *v = calloc(1, sizeof(*v));

    assert_non_null(v);
    v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(v->fd >= 0);
    assert_int_equal(connect(v->fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    guard_init(&v->guard, &guard_reply_limits);
    message_init(&v->message);
    buf_init(&v->out, 4096);
    pack_attach(v, job);
    send_out(v);
    next_message(v);
    next_message(v);
    assert_int_equal(v->message.type, MESSAGE_RESPONSE);
    assert_int_equal(v->message.error->type, MSGPACK_OBJECT_NIL);
    v->stream = (uint32_t)field_number(v->message.result, "stream");
    next_batch(v, 0);
    return v;
}

double victim_round(struct victim *v)
{
    msgpack_packer pk;
    double began;

    buf_packer(&v->out, &pk);
    message_notification(&pk, "stream.ack");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "stream", v->stream);
    pack_key_u64(&pk, "epoch", 0);
    pack_key_u64(&pk, "step", v->step);
    pack_map_end(&pk);
    began = seconds();
    send_out(v);
    next_batch(v, v->step + 1);
    return seconds() - began;
}

void victim_detach(struct victim *v)
{
    close(v->fd);
    message_fini(&v->message);
    buf_fini(&v->out);
    free(v);
}
