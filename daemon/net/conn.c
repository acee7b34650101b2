/*
 * One connection: reads, hands up whole frames, writes, and ends in every way a connection can.
 * The loop calls it, turn.c for turns, and the layer above for its output.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "net/internal.h"
#include "net/memory.h"
#include "net/peer.h"
#include "net/socket.h"

/* An input buffer that has grown beyond this is given back when it is empty. */
#define KEEP_BYTES (64u << 10)

/* States that may follow each, as bits. */
static const unsigned followers[] = {
    [CONN_REFUSED] = 1u << CONN_FINISHING | 1u << CONN_CLOSED,
    [CONN_NEW] = 1u << CONN_SERVING | 1u << CONN_FINISHING | 1u << CONN_CLOSED,
    [CONN_SERVING] = 1u << CONN_SILENT | 1u << CONN_FINISHING | 1u << CONN_CLOSED,
    [CONN_SILENT] = 1u << CONN_FINISHING | 1u << CONN_CLOSED,
    [CONN_FINISHING] = 1u << CONN_SHUT | 1u << CONN_CLOSED,
    [CONN_SHUT] = 1u << CONN_CLOSED,
    [CONN_CLOSED] = 0,
};

static void enter(struct net_conn *conn, enum net_conn_state state)
{
    assert(followers[conn->state] & 1u << state);
    conn->state = state;
}

static bool takes_frames(struct net_conn *conn)
{
    if (conn->state > CONN_SERVING)
        return false;
    memory_pressure(conn);
    return conn->pressure != PRESSURE_STOPPED;
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct net_conn *conn = handle->data;
    struct net *net = conn->net;
    uint32_t *count = conn->counted ? &net->connections : &net->refused;
    struct net_listener *listener;
    uint64_t began = uv_hrtime();

    assert(conn->state == CONN_CLOSED && !conn->later && *count > 0);
    TAILQ_REMOVE(&net->conns, conn, link);
    --*count;
    if (conn->session)
        net->config.events.closed(net->config.events.arg, conn->session);
    buf_fini(&conn->input);
    buf_fini(&conn->flight);
    buf_fini(&conn->refusal);
    free(conn);
    turn_spend(net, began);
    TAILQ_FOREACH(listener, &net->listeners, link)
        listener_accept(listener);
    net_flush(net);
    net_handle_closed(net);
}

void net_conn_close(struct net_conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    enter(conn, CONN_CLOSED);
    if (conn->pressure == PRESSURE_DRAINED)
        TAILQ_REMOVE(&conn->net->resume, conn, resume_link);
    turn_forget(conn);
    conn->pressure = PRESSURE_NONE;
    memory_leave(conn);
    peer_leave(conn); /* at once: who has seen the end may connect before on_closed */
    uv_close(&conn->socket.handle, on_closed);
}

void conn_close_because(struct net_conn *conn, const char *why)
{
    if (conn->state != CONN_CLOSED)
        net_log(conn->net, NET_DEBUG, "%s: closed: %s", net_conn_name(conn), why);
    net_conn_close(conn);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct net_conn *conn = request->data;

    if (status < 0)
        conn_close_because(conn, uv_strerror(status));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* Everything is written: our side is shut down, and the peer's last words are read and dropped,
 * since closing over unread input would make the kernel reset the connection and destroy what was
 * sent. */
static void shut_down(struct net_conn *conn)
{
    int rc;

    enter(conn, CONN_SHUT);
    conn->shutdown.data = conn;
    rc = uv_shutdown(&conn->shutdown, &conn->socket.stream, on_shutdown);
    if (rc == 0)
        rc = uv_read_start(&conn->socket.stream, on_alloc, on_read);
    if (rc < 0 && rc != UV_EALREADY)
        conn_close_because(conn, uv_strerror(rc));
}

void net_conn_finish(struct net_conn *conn)
{
    if (conn->state >= CONN_FINISHING)
        return;
    enter(conn, CONN_FINISHING);
    conn->since = uv_now(conn->net->config.loop);
    net_conn_flush(conn);
}

/* ---- output ---- */

static void on_written(uv_write_t *request, int status)
{
    struct net_conn *conn = request->data;

    assert(conn->writing);
    conn->writing = false;
    if (conn->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_close_because(conn, uv_strerror(status));
        return;
    }
    conn->moved = uv_now(conn->net->config.loop);
    *conn->output.in_flight = 0;
    conn->flight.len = 0;
    if (conn->flight.cap > KEEP_BYTES && memory_is_tight(conn->net))
        buf_fini(&conn->flight);
    net_conn_flush(conn);
    net_flush(conn->net);
}

/* Hands what try_write left of the output to the loop. The bytes change buffers, they are not
 * copied; the layer above goes on in the other one. */
static void queue_rest(struct net_conn *conn, size_t written)
{
    struct evd_buf *out = conn->output.buf;
    struct evd_buf rest = *out;
    uv_buf_t bytes;
    int rc;

    assert(!conn->writing && conn->flight.len == 0 && written < out->len);
    out->data = conn->flight.data;
    out->cap = conn->flight.cap;
    out->len = 0;
    conn->flight = rest;
    memory_swap(conn);
    *conn->output.in_flight = rest.len - written;
    bytes = uv_buf_init((char *)rest.data + written, (unsigned)(rest.len - written));
    conn->write.data = conn;
    rc = uv_write(&conn->write, &conn->socket.stream, &bytes, 1, on_written);
    if (rc < 0)
        conn_close_because(conn, uv_strerror(rc));
    else
        conn->writing = true;
}

static void write_output(struct net_conn *conn)
{
    struct evd_buf *out = conn->output.buf;
    uv_buf_t bytes = uv_buf_init((char *)out->data, (unsigned)out->len);
    int n = uv_try_write(&conn->socket.stream, &bytes, 1);

    if (n == UV_EAGAIN)
        n = 0;
    else
        conn->moved = uv_now(conn->net->config.loop);
    if (n < 0)
        conn_close_because(conn, uv_strerror(n));
    else if ((size_t)n == out->len)
        out->len = 0;
    else
        queue_rest(conn, (size_t)n);
}

void net_conn_flush(struct net_conn *conn)
{
    if (conn->state >= CONN_SHUT) {
        conn->output.buf->len = 0;
        return;
    }
    memory_note(conn);
    if (conn->state != CONN_FINISHING)
        memory_pressure(conn);
    if (!conn->writing && conn->output.buf->len > 0)
        write_output(conn);
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->state == CONN_FINISHING) {
        if (!conn->writing)
            shut_down(conn);
    } else if ((conn->pressure == PRESSURE_FULL || conn->pressure == PRESSURE_STOPPED) &&
               memory_unwritten(conn) <= *conn->output.full_at / 4) {
        conn->pressure = PRESSURE_DRAINED;
        TAILQ_INSERT_TAIL(&conn->net->resume, conn, resume_link);
    }
}

/* ---- input ---- */

static void refuse(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    conn->net->config.events.refuse(conn->net->config.events.arg, conn->refused, bytes, n,
                                    &conn->refusal);
    net_conn_finish(conn);
}

static void hand_up_frame(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    bool known;

    if (conn->state == CONN_REFUSED) {
        refuse(conn, bytes, n);
        return;
    }
    assert(conn->session);
    known = conn->net->config.events.frame(conn->net->config.events.arg, conn->session, bytes, n);
    if (conn->state == CONN_NEW && known) {
        enter(conn, CONN_SERVING);
        conn->since = uv_now(conn->net->config.loop);
    }
}

static void hand_up_broken(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    struct evd_error err;

    conn->net->config.framing.error(conn->scanner, &err);
    net_log(conn->net, NET_DEBUG, "%s: %s", net_conn_name(conn), err.message);
    if (conn->state == CONN_REFUSED)
        refuse(conn, bytes, n);
    else
        conn->net->config.events.broken(conn->net->config.events.arg, conn->session, bytes, n,
                                        &err);
    net_conn_finish(conn);
}

static void put_off(struct net_conn *conn)
{
    uv_read_stop(&conn->socket.stream);
    turn_put_off(conn->net, conn);
}

/* Hands up every whole frame, or as many as one turn allows. `bytes` begin with a frame, of which
 * the scanner may have seen a part. Returns how many bytes are done with. */
static size_t hand_up(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    const struct net_framing *framing = &conn->net->config.framing;
    uint32_t frames = 0;
    size_t done = 0;

    while (takes_frames(conn) && done + conn->scanned < n) {
        size_t from = done + conn->scanned, frame;
        enum net_scan result;

        if (frames > 0 && !turn_goes_on(conn, frames)) {
            put_off(conn);
            break;
        }
        conn->scanned += framing->scan(conn->scanner, bytes + from, n - from, &result);
        assert(done + conn->scanned <= n);
        if (result == NET_SCAN_MORE)
            break;
        if (result == NET_SCAN_BROKEN) {
            hand_up_broken(conn, bytes + done, n - done);
            break;
        }
        frame = conn->scanned;
        conn->scanned = 0;
        hand_up_frame(conn, bytes + done, frame);
        done += frame;
        frames++;
    }
    turn_count(conn->net, conn, frames);
    return conn->state <= CONN_SERVING ? done : n;
}

static void keep(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    buf_append(&conn->input, bytes, n);
    memory_note(conn);
    if (conn->input.failed)
        conn_close_because(conn, "no memory for its input");
}

static void hand_up_input(struct net_conn *conn)
{
    buf_consume(&conn->input, hand_up(conn, conn->input.data, conn->input.len));
    if (conn->input.len == 0 && conn->input.cap > KEEP_BYTES) {
        buf_fini(&conn->input);
        buf_init(&conn->input, conn->net->config.framing.frame_bytes + NET_READ_BYTES);
        memory_note(conn);
    }
}

static void take(struct net_conn *conn, const uint8_t *bytes, size_t n)
{
    size_t done;

    if (conn->input.len == 0) {
        done = hand_up(conn, bytes, n);
        keep(conn, bytes + done, n - done);
        return;
    }
    keep(conn, bytes, n);
    hand_up_input(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct net_conn *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)conn->net->read_buffer, NET_READ_BYTES);
    if (!turn_begin(conn->net, conn, !TAILQ_EMPTY(&conn->net->turn.others)))
        buf->len = 0; /* on_read gets UV_ENOBUFS, and nothing is read */
}

/* The peer sends no more. All its frames are handed up by now, since who waits for a turn or for
 * room is not read; if it still reads, what they ask for is answered. */
static void fall_silent(struct net_conn *conn)
{
    if (conn->state != CONN_SERVING || socket_is_dead(&conn->socket.handle)) {
        conn_close_because(conn, "the peer closed it");
        return;
    }
    enter(conn, CONN_SILENT);
    conn->since = uv_now(conn->net->config.loop);
    conn->net->config.events.silent(conn->net->config.events.arg, conn->session);
    net_flush(conn->net);
}

/* What reading has given: bytes, or what libuv calls an error. */
static void have_read(struct net_conn *conn, const uint8_t *bytes, ssize_t n)
{
    if (n == UV_EOF) {
        fall_silent(conn);
        return;
    }
    if (n < 0) {
        conn_close_because(conn, uv_strerror((int)n));
        return;
    }
    if (conn->state >= CONN_FINISHING)
        return;
    conn->moved = uv_now(conn->net->config.loop);
    if (conn->state == CONN_SERVING)
        conn->since = conn->moved;
    take(conn, bytes, (size_t)n);
    net_flush(conn->net);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct net_conn *conn = stream->data;

    if (n == UV_ENOBUFS) {
        put_off(conn);
        return;
    }
    if (n != 0)
        have_read(conn, (const uint8_t *)buf->base, n);
    turn_end(conn->net, conn);
}

void conn_go_on(struct net_conn *conn)
{
    int rc;

    if (conn->state > CONN_SERVING)
        return;
    hand_up_input(conn);
    if (conn->later || conn->pressure == PRESSURE_STOPPED || conn->state > CONN_SERVING)
        return;
    rc = uv_read_start(&conn->socket.stream, on_alloc, on_read);
    if (rc < 0 && rc != UV_EALREADY)
        conn_close_because(conn, uv_strerror(rc));
}

/* It is read here and not by the loop: that would ask again whether there is time. */
void conn_take_turn(struct net_conn *conn)
{
    uint8_t *bytes = conn->net->read_buffer;
    uv_os_fd_t fd;
    ssize_t n;

    conn_go_on(conn);
    if (conn->later || conn->pressure == PRESSURE_STOPPED || conn->state > CONN_SERVING ||
        uv_fileno(&conn->socket.handle, &fd) < 0)
        return;
    n = recv(fd, bytes, NET_READ_BYTES, MSG_DONTWAIT);
    if (n == 0)
        uv_read_stop(&conn->socket.stream); /* as the loop does at the end */
    if (n >= 0)
        have_read(conn, bytes, n == 0 ? UV_EOF : n);
    else if (errno != EAGAIN && errno != EINTR)
        have_read(conn, bytes, uv_translate_sys_error(errno));
}

void net_conn_prefer(struct net_conn *conn, bool preferred)
{
    bool later = conn->later;

    turn_forget(conn);
    conn->preferred = preferred;
    if (later)
        turn_put_off(conn->net, conn);
}

void conn_resume(struct net_conn *conn)
{
    assert(conn->pressure == PRESSURE_DRAINED);
    TAILQ_REMOVE(&conn->net->resume, conn, resume_link);
    conn->pressure = PRESSURE_NONE;
    if (conn->state > CONN_SERVING)
        return;
    if (conn->state == CONN_SERVING)
        conn->since = uv_now(conn->net->config.loop);
    if (conn->session)
        conn->net->config.events.writable(conn->net->config.events.arg, conn->session);
    if (!conn->later)
        conn_go_on(conn);
}
