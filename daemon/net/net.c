/*
 * What all connections share: the timer for time limits, limits, beginning and end. The host calls
 * it.
 */
#include "net/net.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "net/internal.h"
#include "net/memory.h"
#include "net/peer.h"
#include "net/socket.h"

#define TICK_MS 1000u

void net_log(struct net *net, enum net_level level, const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    net->config.events.log(net->config.events.arg, level, text);
}

uint32_t net_descriptors(uint32_t connections)
{
    const rlim_t others = NET_DESCRIPTORS(0u);
    rlim_t need = others + connections;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return connections;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < need) {
        struct rlimit raised = limit;

        raised.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur >= need)
        return connections;
    return limit.rlim_cur > others ? (uint32_t)(limit.rlim_cur - others) : 0;
}

/* ---- the timer ---- */

static bool anything_to_watch(const struct net *net)
{
    const struct net_listener *listener;

    if (!TAILQ_EMPTY(&net->conns))
        return true;
    TAILQ_FOREACH(listener, &net->listeners, link) {
        if (listener->pending)
            return true;
    }
    return false;
}

static void check_time(struct net_conn *conn, uint64_t now)
{
    const struct net_config *config = &conn->net->config;
    uint64_t waited = now - conn->since;

    switch (conn->state) {
    case CONN_REFUSED:
    case CONN_NEW:
        if (waited >= config->hello_ms)
            conn_close_because(conn, "it did not say hello in time");
        break;
    case CONN_SERVING:
        if (conn->input.len > 0 && conn->pressure == PRESSURE_NONE && waited >= config->frame_ms)
            conn_close_because(conn, "the rest of a request did not come in time");
        break;
    case CONN_SILENT:
        if (socket_is_dead(&conn->socket.handle))
            conn_close_because(conn, "the peer closed it");
        else if (waited >= config->frame_ms)
            conn_close_because(conn, "what it asked for could not be answered in time");
        break;
    case CONN_FINISHING:
    case CONN_SHUT:
        if (waited >= NET_FINISH_MS)
            conn_close_because(conn, "it did not take what was sent in time");
        break;
    case CONN_CLOSED:
        break;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct net *net = timer->data;
    uint64_t now = uv_now(net->config.loop);
    struct net_listener *listener;
    struct net_conn *conn;

    TAILQ_FOREACH(conn, &net->conns, link) {
        check_time(conn, now);
        memory_tidy(conn, now);
    }
    TAILQ_FOREACH(listener, &net->listeners, link)
        listener_accept(listener);
    if (!anything_to_watch(net))
        uv_timer_stop(timer);
}

void net_watch(struct net *net)
{
    uint64_t tick = TICK_MS;

    if (net->closing || uv_is_active((uv_handle_t *)&net->timer))
        return;
    if (tick > net->config.hello_ms)
        tick = net->config.hello_ms;
    if (tick > net->config.frame_ms)
        tick = net->config.frame_ms;
    /* Fails for a missing callback or a closing handle only. */
    uv_timer_start(&net->timer, on_tick, tick, tick);
}

/* ---- life ---- */

int net_new(struct net **out, const struct net_config *config, struct evd_error *err)
{
    struct net *net = calloc(1, sizeof(*net));
    int rc;

    if (!net)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for the network");
    net->config = *config;
    if (net->config.hello_ms == 0)
        net->config.hello_ms = NET_HELLO_MS;
    if (net->config.frame_ms == 0)
        net->config.frame_ms = NET_FRAME_MS;
    TAILQ_INIT(&net->listeners);
    TAILQ_INIT(&net->conns);
    TAILQ_INIT(&net->resume);
    rc = uv_timer_init(config->loop, &net->timer);
    if (rc < 0) {
        free(net);
        return error_set(err, EVD_E_INTERNAL, "", "no timer: %s", uv_strerror(rc));
    }
    net->timer.data = net;
    net->handles = 1 + turn_init(net);
    *out = net;
    return EVD_OK;
}

void net_handle_closed(struct net *net)
{
    assert(net->handles > 0);
    if (--net->handles > 0)
        return;
    assert(net->closing && net->connections == 0 && net->refused == 0);
    net->config.events.gone(net->config.events.arg);
    free(net);
}

static void on_own_closed(uv_handle_t *handle)
{
    net_handle_closed(handle->data);
}

void net_quiet(struct net *net)
{
    struct net_listener *listener;

    while ((listener = TAILQ_FIRST(&net->listeners)))
        listener_close(listener);
}

void net_finish(struct net *net)
{
    struct net_conn *conn;

    net_quiet(net);
    TAILQ_FOREACH(conn, &net->conns, link)
        net_conn_finish(conn);
}

void net_close(struct net *net)
{
    struct net_conn *conn;

    if (net->closing)
        return;
    net->closing = true;
    net_quiet(net);
    TAILQ_FOREACH(conn, &net->conns, link)
        net_conn_close(conn);
    uv_close((uv_handle_t *)&net->timer, on_own_closed);
    turn_close(net);
}

/* The buffers hold too much: some go. The log has one of a second. */
static void shed(struct net *net)
{
    uint64_t now = uv_now(net->config.loop);
    struct net_conn *conn;

    while ((conn = memory_heaviest(net))) {
        net->shed++;
        if (net->shed == 1 || now - net->shed_said_at >= TICK_MS) {
            net_log(net, NET_WARNING,
                    "%s: closed (%" PRIu64 " so far), for it held %.1f MB and moved nothing for "
                    "%.1f s: the buffers of connections hold %.1f MB of %.1f; if that is too "
                    "little, start evendrawd with a larger --limit buffers=N",
                    net_conn_name(conn), net->shed, (double)conn->held.all / 1e6,
                    (double)(now - conn->moved) / 1e3, (double)net->held / 1e6,
                    (double)net->config.buffers / 1e6);
            net->shed_said_at = now;
        }
        conn_close_because(conn, "the buffers of connections hold too much");
    }
}

void net_flush(struct net *net)
{
    struct net_conn *conn;

    for (;;) {
        net->config.events.flush(net->config.events.arg);
        conn = TAILQ_FIRST(&net->resume);
        if (!conn)
            break;
        conn_resume(conn);
    }
    shed(net);
}

uint32_t net_connections(const struct net *net)
{
    return net->connections;
}

void net_info(const struct net *net, struct net_info *out)
{
    size_t each = sizeof(struct net_conn) + net->config.framing.scanner_bytes;

    *out = (struct net_info){
        .fixed = (net->connections + net->refused) * each,
        .buffers = net->held,
        .shed = net->shed,
    };
}

size_t net_unwritten(const struct net *net)
{
    const struct net_conn *conn;
    size_t n = 0;

    TAILQ_FOREACH(conn, &net->conns, link) {
        if (conn->state < CONN_SHUT)
            n += conn->output.buf->len + uv_stream_get_write_queue_size(&conn->socket.stream);
    }
    return n;
}

const char *net_address(const struct net *net, size_t i)
{
    const struct net_listener *listener;

    TAILQ_FOREACH(listener, &net->listeners, link) {
        if (i-- == 0)
            return listener->text;
    }
    return NULL;
}

int net_listen(struct net *net, const char *text, struct evd_error *err)
{
    struct address address;
    int rc = address_parse(text, &address, err);

    return rc == EVD_OK ? listener_open(net, &address, text, err) : rc;
}
