#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "json.h"
#include "proto/message.h"

/* ---- the host ---- */

/* Says whether what follows is the server's; returns what was said before. */
static bool inside(struct harness *h, bool now)
{
    bool before = h->inside && *h->inside;

    if (h->inside)
        *h->inside = now;
    return before;
}

static void wake(void *arg)
{
    struct harness *h = arg;

    pthread_mutex_lock(&h->lock);
    h->wake = true;
    pthread_cond_signal(&h->woken);
    pthread_mutex_unlock(&h->lock);
}

static uint64_t host_now(void *arg)
{
    return ((struct harness *)arg)->now;
}

static uint64_t host_wall(void *arg)
{
    return ((struct harness *)arg)->wall;
}

static int host_work(void *arg, struct rpc_work *work)
{
    struct harness *h = arg;

    assert_true(h->work_count < 64);
    h->work[h->work_count++] = work;
    return EVD_OK;
}

static void host_flush(void *arg, void *conn)
{
    struct peer *peer = conn;
    bool before;

    if (peer->slow)
        return;
    before = inside(arg, false);
    buf_append(&peer->in, peer->session->out.data, peer->session->out.len);
    buf_consume(&peer->session->out, peer->session->out.len);
    assert_false(peer->in.failed);
    inside(arg, before);
    rpc_session_ready(peer->session);
}

static void host_arm(void *arg, uint64_t milliseconds)
{
    struct harness *h = arg;

    h->armed = true;
    h->due = h->now + milliseconds;
}

static uint64_t host_random(void *arg)
{
    return ++((struct harness *)arg)->randoms * UINT64_C(0x9E3779B97F4A7C15);
}

static const char *host_peer(void *arg, void *conn)
{
    (void)arg;
    (void)conn;
    return "a peer of the tests";
}

static bool host_local(void *arg, void *conn)
{
    (void)arg;
    return !((struct peer *)conn)->remote;
}

static void host_log(void *arg, bool warning, const char *text)
{
    struct harness *h = arg;

    if (warning)
        snprintf(h->warning, sizeof(h->warning), "%s", text);
}

static void host_close(void *arg, void *conn)
{
    (void)arg;
    ((struct peer *)conn)->hung_up = true;
}

void work_run(struct harness *h)
{
    while (h->work_count > 0) {
        struct rpc_work *work = h->work[0];

        memmove(h->work, h->work + 1, --h->work_count * sizeof(work));
        inside(h, true);
        work->run(work);
        work->milliseconds = 0.25;
        work->done(work);
        inside(h, false);
    }
}

/* One round of what the loop would do. Returns whether there may be more. */
static bool turn(struct harness *h)
{
    size_t collected;

    if (!h->hold_work)
        work_run(h);
    inside(h, true);
    rpc_settle(h->rpc);
    collected = store_poll(h->store);
    inside(h, false);
    return collected > 0 || (!h->hold_work && h->work_count > 0);
}

void harness_pump(struct harness *h)
{
    while (turn(h))
        ;
}

void harness_pass(struct harness *h, uint64_t milliseconds)
{
    uint64_t until = h->now + milliseconds;

    while (h->armed && h->due <= until) {
        h->now = h->due > h->now ? h->due : h->now;
        h->armed = false;
        inside(h, true);
        rpc_tick(h->rpc);
        inside(h, false);
        harness_pump(h);
    }
    h->now = until;
    harness_pump(h);
}

void harness_tick(struct harness *h)
{
    harness_pass(h, h->armed && h->due > h->now ? h->due - h->now : 0);
}

void harness_wait(struct harness *h)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&h->lock);
    while (!h->wake)
        assert_int_equal(pthread_cond_timedwait(&h->woken, &h->lock, &until), 0);
    h->wake = false;
    pthread_mutex_unlock(&h->lock);
}

void harness_quiet(struct harness *h)
{
    struct store_info info;

    harness_pump(h);
    for (store_info(h->store, &info); info.queued_bytes > 0; store_info(h->store, &info)) {
        harness_wait(h);
        harness_pump(h);
    }
    harness_pump(h);
}

void harness_up(struct harness *h)
{
    struct rpc_host host = {
        .arg = h,
        .now = host_now,
        .wall = host_wall,
        .work = host_work,
        .flush = host_flush,
        .arm = host_arm,
        .random = host_random,
        .peer = host_peer,
        .local = host_local,
        .close = host_close,
        .log = host_log,
        .verbose = true,
    };
    struct evd_error err = {0};

    host.limits = h->limits;
    h->armed = false;
    if (store_open(&h->store, h->path, wake, h, &err) != EVD_OK ||
        rpc_new(&h->rpc, &host, h->store, &err) != EVD_OK || rpc_load(h->rpc, &err) != EVD_OK ||
        store_start(h->store, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

void harness_start(struct harness *h)
{
    *h = (struct harness){.now = 1000, .wall = 1700000000, .limits = RPC_LIMITS_NORMAL};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->woken, NULL);
    snprintf(h->folder, sizeof(h->folder), "/tmp/evd-rpc-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    snprintf(h->path, sizeof(h->path), "%s/db", h->folder);
    harness_up(h);
}

void harness_down(struct harness *h)
{
    rpc_drain(h->rpc);
    harness_quiet(h);
    rpc_stop(h->rpc);
    rpc_settle(h->rpc);
    while (h->peers)
        peer_close(h->peers);
    work_run(h);
    store_close(h->store);
    rpc_free(h->rpc);
}

void harness_restart(struct harness *h)
{
    harness_down(h);
    harness_up(h);
}

void harness_stop(struct harness *h)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char path[128];

    harness_down(h);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", h->path, ends[i]);
        unlink(path);
    }
    rmdir(h->folder);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->woken);
}

/* ---- peers ---- */

struct peer *peer_connect(struct harness *h)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    assert_non_null(peer);
    peer->harness = h;
    buf_init(&peer->in, 256u << 20);
    peer->answers = json_array();
    peer->notes = json_array();
    peer->session = rpc_session_open(h->rpc, peer);
    assert_non_null(peer->session);
    peer->next = h->peers;
    h->peers = peer;
    return peer;
}

struct peer *peer_new(struct harness *h)
{
    struct peer *peer = peer_connect(h);

    peer_do(peer, "hello", "[{'protocol': 1, 'client': 'test'}]");
    return peer;
}

void peer_close(struct peer *peer)
{
    struct peer **at = &peer->harness->peers;

    inside(peer->harness, true);
    rpc_session_close(peer->session);
    rpc_settle(peer->harness->rpc);
    inside(peer->harness, false);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    json_decref(peer->answers);
    json_decref(peer->notes);
    buf_fini(&peer->in);
    free(peer);
}

void peer_bytes(struct peer *peer, const void *bytes, size_t n)
{
    inside(peer->harness, true);
    rpc_frame(peer->session, bytes, n);
    inside(peer->harness, false);
    harness_pump(peer->harness);
}

static void send_json(struct peer *peer, bool request, const char *method, const char *format,
                      va_list ap)
{
    json_t *params = json_vof(format, ap);
    struct evd_buf buf;
    msgpack_packer pk;

    buf_init(&buf, 64u << 20);
    buf_packer(&buf, &pk);
    if (request)
        message_request(&pk, ++peer->last_id, method);
    else
        message_notification(&pk, method);
    if (json_array_size(params) > 0)
        pack_json(&pk, json_array_get(params, 0));
    else
        msgpack_pack_map(&pk, 0);
    json_decref(params);
    peer_bytes(peer, buf.data, buf.len);
    buf_fini(&buf);
}

uint32_t peer_send(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer->last_id;
}

void peer_notify(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, false, method, params, ap);
    va_end(ap);
    harness_quiet(peer->harness);
}

static void take(struct peer *peer, const msgpack_object *root)
{
    const msgpack_object *part = root->via.array.ptr;

    assert_int_equal(root->type, MSGPACK_OBJECT_ARRAY);
    if (part[0].via.u64 == MESSAGE_RESPONSE) {
        assert_int_equal(root->via.array.size, 4);
        json_array_append_new(peer->answers, json_pack("[I,o,o]", (json_int_t)part[1].via.u64,
                                                       json_from(&part[2]), json_from(&part[3])));
        return;
    }
    assert_int_equal(part[0].via.u64, MESSAGE_NOTIFICATION);
    json_array_append_new(
        peer->notes, json_pack("[o,o]", json_from(&part[1]), json_from(&part[2].via.array.ptr[0])));
}

static void parse(struct peer *peer)
{
    msgpack_unpacked message;
    size_t at = 0;

    msgpack_unpacked_init(&message);
    while (at < peer->in.len && msgpack_unpack_next(&message, (const char *)peer->in.data,
                                                    peer->in.len, &at) == MSGPACK_UNPACK_SUCCESS)
        take(peer, &message.data);
    msgpack_unpacked_destroy(&message);
    assert_int_equal(at, peer->in.len); /* only whole messages */
    peer->in.len = 0;
}

static json_t *find_answer(struct peer *peer, uint32_t id)
{
    json_t *answer;
    size_t i;

    parse(peer);
    json_array_foreach(peer->answers, i, answer)
    {
        if (json_integer_value(json_array_get(answer, 0)) == id) {
            json_incref(answer);
            json_array_remove(peer->answers, i);
            return answer;
        }
    }
    return NULL;
}

bool peer_answered(struct peer *peer, uint32_t id)
{
    json_t *answer = find_answer(peer, id);

    if (!answer)
        return false;
    json_array_append_new(peer->answers, answer);
    return true;
}

bool peer_succeeded(struct peer *peer, uint32_t id)
{
    json_t *answer = find_answer(peer, id);
    bool good = json_is_null(json_array_get(answer, 1));

    json_decref(answer);
    return good;
}

static json_t *wait_answer(struct peer *peer, uint32_t id)
{
    json_t *answer;

    while (!(answer = find_answer(peer, id))) {
        harness_wait(peer->harness);
        harness_pump(peer->harness);
    }
    harness_quiet(peer->harness);
    return answer;
}

json_t *peer_result(struct peer *peer, uint32_t id)
{
    json_t *answer = wait_answer(peer, id), *error = json_array_get(answer, 1);
    json_t *result = json_incref(json_array_get(answer, 2));

    if (!json_is_null(error))
        fail_msg("refused: %s", json_string_value(json_array_get(error, 1)));
    json_decref(answer);
    return result;
}

json_t *peer_call(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer_result(peer, peer->last_id);
}

void peer_do(struct peer *peer, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    json_decref(peer_result(peer, peer->last_id));
}

const char *peer_error(struct peer *peer, uint32_t id, int code)
{
    static char message[512];
    json_t *answer = wait_answer(peer, id), *error = json_array_get(answer, 1);

    if (json_is_null(error))
        fail_msg("not refused, though %s was expected", error_name(code));
    snprintf(message, sizeof(message), "%s", json_string_value(json_array_get(error, 1)));
    if (json_integer_value(json_array_get(error, 0)) != code)
        fail_msg("%s instead of %s: %s", json_string_value(json_array_get(error, 2)),
                 error_name(code), message);
    json_decref(answer);
    return message;
}

const char *peer_refused(struct peer *peer, int code, const char *method, const char *params, ...)
{
    va_list ap;

    va_start(ap, params);
    send_json(peer, true, method, params, ap);
    va_end(ap);
    return peer_error(peer, peer->last_id, code);
}

json_t *peer_note(struct peer *peer, const char *method)
{
    json_t *note;
    size_t i;

    harness_quiet(peer->harness);
    parse(peer);
    json_array_foreach(peer->notes, i, note)
    {
        if (strcmp(json_string_value(json_array_get(note, 0)), method) == 0) {
            json_t *params = json_incref(json_array_get(note, 1));

            json_array_remove(peer->notes, i);
            return params;
        }
    }
    return NULL;
}

void peer_forget(struct peer *peer)
{
    parse(peer);
    json_array_clear(peer->notes);
    json_array_clear(peer->answers);
}
