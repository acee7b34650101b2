/*
 * Requests and notifications to the daemon, waiting, and giving what arrives to whom it is for.
 * Every function of evendraw.h that waits comes here.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "client/lib/client.h"
#include "proto/answers.h"
#include "proto/numbers.h"

/* ---- time ---- */

int64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

deadline_t deadline_in(int timeout_ms)
{
    if (timeout_ms < 0)
        return -1;
    return timeout_ms == 0 ? 0 : clock_ms() + timeout_ms;
}

int deadline_left(deadline_t deadline)
{
    int64_t left;

    if (deadline < 0)
        return -1;
    left = deadline == 0 ? 0 : deadline - clock_ms();
    return left < 0 ? 0 : (int)left;
}

deadline_t client_deadline(const struct evd_client *client)
{
    return deadline_in(client->time_limit_ms);
}

/* ---- errors ---- */

int client_error(struct evd_client *client, const struct evd_error *err)
{
    if (err != &client->error)
        client->error = *err;
    return client->error.code;
}

/* ---- requests ---- */

void request_begin(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                   const char *method)
{
    assert(client->out.map_count == 0);
    client->start = client->out.len;
    buf_packer(&client->out, pk);
    if (pending) {
        pending->done = false;
        pending->error.code = EVD_OK;
        pending->id = ++client->last_id;
        pending->method = method_find(method, strlen(method));
        message_request(pk, pending->id, method);
    } else {
        message_notification(pk, method);
    }
    pack_map_begin(pk);
}

int request_end(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                struct evd_error *err)
{
    struct evd_buf *out = &client->out;
    struct guard guard;

    pack_map_end(pk);
    if (out->failed) {
        buf_truncate(out, client->start);
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for a message to the daemon");
    }
    guard_init(&guard, &guard_request_limits);
    guard_feed(&guard, out->data + client->start, out->len - client->start);
    if (guard.status != GUARD_DONE) {
        buf_truncate(out, client->start);
        return guard_error(&guard, err);
    }
    if (pending) {
        pending->next = client->pending;
        client->pending = pending;
    }
    return EVD_OK;
}

void request_forget(struct evd_client *client, struct pending *pending)
{
    for (struct pending **at = &client->pending; *at; at = &(*at)->next) {
        if (*at != pending)
            continue;
        *at = pending->next;
        if (pending->method == METHOD_stream_open && client->given_up_count < EVD_MAX_STREAMS)
            client->given_up[client->given_up_count++] = pending->id;
        return;
    }
}

/* ---- sending and receiving ---- */

void client_flush(struct evd_client *client)
{
    size_t sent = 0;

    if (client->fd < 0)
        return;
    while (sent < client->out.len) {
        ssize_t n = send(client->fd, client->out.data + sent, client->out.len - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            /* The daemon closed; what it said before is still to be read, and then the end. (Or it
             * is short of memory here: then this makes the daemon close.) */
            shutdown(client->fd, SHUT_WR);
            sent = client->out.len;
        }
    }
    buf_consume(&client->out, sent);
}

static int too_late(struct evd_client *client)
{
    if (client->link.state == LINK_UP || !client->link.met)
        return error_set(&client->error, EVD_E_TIMEOUT, "", "nothing came within the time limit");
    return error_set(&client->error, EVD_E_TIMEOUT, "",
                     "no connection to %s within the time limit: %s", client->address,
                     client->link.why.message);
}

static int client_poll(struct evd_client *client, deadline_t deadline)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    int64_t wake = link_wake(client);
    int left = deadline_left(deadline), until = -1, n;

    if (client->out.len > 0 || client->link.state == LINK_CONNECTING)
        poll_fd.events |= POLLOUT;
    if (wake >= 0)
        until = deadline_left(wake);
    if (until >= 0 && (left < 0 || until < left))
        left = until;
    else
        until = -1;
    n = poll(&poll_fd, 1, left); /* after a signal handler the caller waits again, for the rest */
    if (n == 0 && until < 0)
        return too_late(client);
    if (n > 0 && (poll_fd.revents & POLLOUT) && client->link.state != LINK_CONNECTING)
        client_flush(client);
    return EVD_OK;
}

int client_fill(struct evd_client *client, bool *got)
{
    struct evd_error err;

    *got = false;
    if (client->fd < 0 || client->link.state == LINK_CONNECTING ||
        reader_fill(&client->reader, client->fd, got, &err) == EVD_OK)
        return EVD_OK;
    return client_lose(client, &err);
}

int client_wait(struct evd_client *client, deadline_t deadline)
{
    bool got;
    int code;

    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    code = client_fill(client, &got);
    if (code != EVD_OK || got)
        return code;
    code = link_step(client);
    if (code != EVD_OK)
        return code;
    for (struct evd_stream *stream = client->streams; stream; stream = stream->next)
        ack_pack(stream);
    client_flush(client);
    return client_poll(client, deadline);
}

int client_decode(struct evd_client *client, const uint8_t *frame, size_t n)
{
    struct evd_error err;
    bool has_id;

    if (message_decode(&client->msg, frame, n, &has_id, &err) != EVD_OK)
        return client_lose(client, &err);
    return EVD_OK;
}

int client_frame(struct evd_client *client, bool *found, const uint8_t **frame, size_t *n)
{
    struct evd_error err;
    int code;

    *found = false;
    if (reader_next(&client->reader, frame, n, &err) != EVD_OK)
        return client_lose(client, &err);
    if (!*frame)
        return EVD_OK;
    code = client_decode(client, *frame, *n);
    *found = code == EVD_OK;
    return code;
}

/* ---- sorting what arrives ---- */

/* The answer to a request that was forgotten. If that opened a stream, the daemon would now give
 * batches to one that nobody reads. */
static void drop_answer(struct evd_client *client)
{
    const struct message *msg = &client->msg;
    uint64_t stream = map_u64(msg->result, "stream", UINT64_MAX);

    for (uint32_t i = 0; i < client->given_up_count; i++) {
        if (client->given_up[i] != msg->id)
            continue;
        client->given_up[i] = client->given_up[--client->given_up_count];
        if (stream <= UINT32_MAX)
            stream_pack_close(client, (uint32_t)stream);
        return;
    }
}

static int dispatch_response(struct evd_client *client)
{
    struct message *msg = &client->msg;

    for (struct pending **at = &client->pending; *at; at = &(*at)->next) {
        struct pending *pending = *at;
        if (pending->id != msg->id)
            continue;
        *at = pending->next;
        if (message_error_decode(msg->error, &pending->error) == EVD_OK && pending->read)
            pending->error.code = pending->read(pending->arg, msg->result, &pending->error);
        pending->done = true;
        return link_step(client); /* which may have waited for it */
    }
    drop_answer(client);
    return EVD_OK;
}

/* Is nothing wrong? An acknowledgement can come too late: the step's lease had run out, the job was
 * moved, or the daemon was restarted meanwhile. And a daemon that stops takes nothing any more; the
 * next one will. */
static bool is_harmless(struct evd_client *client, const char *method, uint64_t code)
{
    if (code == EVD_E_SHUTTING_DOWN)
        return *method != '\0' && client->reconnect_ms != EVD_NO_RECONNECT;
    if (strcmp(method, "stream.ack") != 0 ||
        (code != EVD_E_CONFLICT && code != EVD_E_BAD_VALUE && code != EVD_E_NOT_FOUND))
        return false;
    client->late_acks++;
    return true;
}

/* `error`: about a notification of ours, or the reason why the daemon is about to close. */
static void dispatch_notice(struct evd_client *client, const msgpack_object *map)
{
    char message[sizeof(client->notice.message)], detail[sizeof(client->notice.detail)];
    char method[32];
    uint64_t code = map_u64(map, "code", EVD_E_PROTOCOL);

    map_text(map, "method", method, sizeof(method));
    if (is_harmless(client, method, code))
        return;
    map_text(map, "message", message, sizeof(message));
    map_text(map, "detail", detail, sizeof(detail));
    error_set(&client->notice, code > 0 && code < 1000 ? (int)code : EVD_E_PROTOCOL, detail, "%s",
              message);
}

struct evd_stream *client_recipient(const struct evd_client *client)
{
    const struct message *msg = &client->msg;
    uint64_t id;

    if (msg->type != MESSAGE_NOTIFICATION || msg->params->via.array.size == 0)
        return NULL;
    id = map_u64(msg->params->via.array.ptr, "stream", UINT64_MAX);
    for (struct evd_stream *stream = client->streams; stream; stream = stream->next) {
        if (stream->id == id && stream_attached(stream))
            return stream;
    }
    return NULL; /* it was closed meanwhile, or this is from a newer daemon */
}

int client_dispatch(struct evd_client *client, const uint8_t *frame, size_t n)
{
    const struct message *msg = &client->msg;
    struct evd_stream *stream;
    struct evd_error err;

    if (msg->type == MESSAGE_RESPONSE)
        return dispatch_response(client);
    if (msg->type != MESSAGE_NOTIFICATION) {
        error_set(&err, EVD_E_PROTOCOL, "", "the daemon sent a request: it is no evendraw daemon");
        return client_lose(client, &err);
    }
    if (note_find(msg->method) == NOTE_error) {
        dispatch_notice(client,
                        msg->params->via.array.size > 0 ? msg->params->via.array.ptr : NULL);
        return EVD_OK;
    }
    stream = client_recipient(client);
    if (stream && stream_keep(stream, frame, n, &err) != EVD_OK)
        return client_lose(client, &err);
    return EVD_OK;
}

int client_turn(struct evd_client *client, deadline_t deadline)
{
    const uint8_t *frame;
    size_t n;
    bool found;
    int code = client_frame(client, &found, &frame, &n);

    if (code != EVD_OK)
        return code;
    return found ? client_dispatch(client, frame, n) : client_wait(client, deadline);
}

int client_await(struct evd_client *client, struct pending *pending, deadline_t deadline)
{
    while (!pending->done) {
        int code = client_turn(client, deadline);

        if (code != EVD_OK && !pending->done) {
            request_forget(client, pending);
            return code;
        }
    }
    return pending->error.code == EVD_OK ? EVD_OK : client_error(client, &pending->error);
}

static int not_up(struct evd_client *client)
{
    struct evd_error err;

    error_set(&err, EVD_E_CLOSED, "", "the connection was lost: %s", client->link.why.message);
    return client_error(client, &err);
}

int client_drain(struct evd_client *client, deadline_t deadline)
{
    client_flush(client);
    while (client->out.len > 0) {
        int code = client_turn(client, deadline);
        if (code != EVD_OK)
            return code;
    }
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    return client->link.state == LINK_UP ? EVD_OK : not_up(client);
}

int request_await(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                  deadline_t deadline)
{
    if (request_end(client, pk, pending, &client->error) != EVD_OK)
        return client->error.code;
    client_flush(client);
    return client_await(client, pending, deadline);
}

int client_ready(struct evd_client *client, deadline_t deadline)
{
    int code = EVD_OK;

    while (code == EVD_OK && client->lost.code == EVD_OK && client->link.state != LINK_UP)
        code = client_turn(client, deadline);
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    return code;
}

bool client_again(struct evd_client *client, int code, deadline_t deadline)
{
    if (client->reconnect_ms == EVD_NO_RECONNECT || client->lost.code != EVD_OK ||
        (code != EVD_E_CLOSED && code != EVD_E_SHUTTING_DOWN))
        return false;
    /* A daemon that stops answers until it closes. */
    while (code == EVD_E_SHUTTING_DOWN && client->link.state == LINK_UP) {
        if (client_turn(client, deadline) != EVD_OK)
            return false;
    }
    return deadline_left(deadline) != 0;
}

/* ---- maps ---- */

const msgpack_object *map_get(const msgpack_object *map, const char *key)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR &&
            str_is((struct evd_str){k->via.str.ptr, k->via.str.size}, key))
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

uint64_t map_u64(const msgpack_object *map, const char *key, uint64_t otherwise)
{
    const msgpack_object *value = map_get(map, key);
    uint64_t number;

    return value && number_u64(value, UINT64_MAX, &number) ? number : otherwise;
}

void map_text(const msgpack_object *map, const char *key, char *out, size_t size)
{
    const msgpack_object *value = map_get(map, key);
    size_t n = 0;

    if (value && value->type == MSGPACK_OBJECT_STR) {
        n = value->via.str.size < size - 1 ? value->via.str.size : size - 1;
        memcpy(out, value->via.str.ptr, n);
    }
    out[n] = '\0';
}
