/*
 * Between net and the server: what arrives goes up, and what a refused peer is told. net calls it.
 */
#include "host/peers.h"

#include "host/internal.h"
#include "host/stop.h"
#include "proto/message.h"

/* The id of the request that begins with these bytes, which may be cut short or be broken. */
static bool request_id(const uint8_t *bytes, size_t n, uint32_t *id)
{
    return n > 1 && bytes[1] == MESSAGE_REQUEST && message_peek_id(bytes, n, id);
}

static void *on_open(void *arg, struct net_conn *conn, struct net_output *output)
{
    struct host *host = arg;
    struct session_port *session = session_open(host->server, conn);

    if (session)
        *output = (struct net_output){&session->out, &session->in_flight, &session->full_at};
    return session;
}

static bool on_frame(void *arg, void *session, const uint8_t *bytes, size_t n)
{
    (void)arg;
    session_frame(session, bytes, n);
    return session_greeted(session);
}

static void on_broken(void *arg, void *session, const uint8_t *bytes, size_t n,
                      const struct evd_error *err)
{
    uint32_t id = 0;
    bool has_id = request_id(bytes, n, &id);

    (void)arg;
    session_reject(session, err, has_id, id);
}

static void on_writable(void *arg, void *session)
{
    (void)arg;
    session_ready(session);
}

static void on_silent(void *arg, void *session)
{
    (void)arg;
    session_silent(session);
}

static void on_closed(void *arg, void *session)
{
    session_close(session);
    stop_proceed(arg);
}

static bool on_working(void *arg, void *session)
{
    (void)arg;
    return session_working(session);
}

static void on_refuse(void *arg, enum net_refusal why, const uint8_t *bytes, size_t n,
                      struct evd_buf *out)
{
    const struct server_limits *limits = &((const struct host *)arg)->limits;
    struct evd_error err;
    msgpack_packer packer;
    uint32_t id = 0;

    request_id(bytes, n, &id);
    if (why == NET_REFUSED_SHARE)
        error_set(&err, EVD_E_BUSY, "connections_each",
                  "your user (or, over TCP, your address) has as many connections as one may (%u); "
                  "close some, or start the daemon with a larger --limit connections_each=N",
                  (unsigned)limits->connections_each);
    else
        error_set(&err, EVD_E_BUSY, "connections",
                  "the daemon serves as many connections as it may (%u); try again later, or start "
                  "it with a larger --limit connections=N",
                  (unsigned)limits->connections);
    buf_packer(out, &packer);
    message_error(&packer, id, &err);
}

static void on_flush(void *arg)
{
    struct host *host = arg;

    server_flush(host->server);
}

static void on_gone(void *arg)
{
    struct host *host = arg;

    host->net = NULL;
    uv_stop(&host->loop);
}

static void on_log(void *arg, enum net_level level, const char *text)
{
    host_log(arg, level, text);
}

struct net_events peers_events(struct host *host)
{
    return (struct net_events){
        .arg = host,
        .open = on_open,
        .frame = on_frame,
        .broken = on_broken,
        .writable = on_writable,
        .silent = on_silent,
        .closed = on_closed,
        .working = on_working,
        .refuse = on_refuse,
        .flush = on_flush,
        .gone = on_gone,
        .log = on_log,
    };
}
