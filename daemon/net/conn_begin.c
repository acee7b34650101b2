/*
 * The beginning of a connection: what it is made of, and its first steps. listener.c calls it for
 * each that it accepts.
 */
#include "net/conn_begin.h"

#include <assert.h>
#include <stdlib.h>
#include "net/internal.h"
#include "net/peer.h"
#include "net/socket.h"

struct net_conn *conn_new(struct net *net, enum address_kind kind)
{
    const struct net_framing *framing = &net->config.framing;
    struct net_conn *conn = calloc(1, sizeof(*conn) + framing->scanner_bytes);
    int rc;

    if (!conn)
        return NULL;
    rc = socket_init(&conn->socket, net->config.loop, kind);
    if (rc < 0) {
        free(conn);
        return NULL;
    }
    conn->net = net;
    conn->kind = kind;
    conn->number = ++net->accepted;
    conn->socket.handle.data = conn;
    conn->output = (struct net_output){&conn->refusal, &conn->refusal_in_flight, &conn->full_at};
    conn->full_at = net->config.high_water;
    framing->init(framing->arg, conn->scanner);
    buf_init(&conn->input, framing->frame_bytes + NET_READ_BYTES);
    buf_init(&conn->refusal, NET_READ_BYTES);
    conn->state = CONN_NEW;
    conn->counted = true;
    net->connections++;
    TAILQ_INSERT_TAIL(&net->conns, conn, link);
    net->handles++;
    return conn;
}

void conn_refuse(struct net_conn *conn, enum net_refusal why)
{
    assert(conn->state == CONN_NEW && conn->counted && !conn->session);
    conn->state = CONN_REFUSED;
    conn->refused = why;
    conn->counted = false;
    TAILQ_REMOVE(&conn->net->conns, conn, link);
    TAILQ_INSERT_HEAD(&conn->net->conns, conn, link);
    conn->net->connections--;
    conn->net->refused++;
}

void conn_start(struct net_conn *conn)
{
    struct net *net = conn->net;
    uv_os_fd_t fd;
    int rc = 0;

    conn->since = conn->moved = uv_now(net->config.loop);
    if (conn->counted) {
        conn->session = net->config.events.open(net->config.events.arg, conn, &conn->output);
        if (!conn->session) {
            conn_close_because(conn, "no memory for its session");
            return;
        }
    }
    net_log(net, NET_DEBUG, "%s: %s", net_conn_name(conn),
            conn->counted ? "accepted" : "refused: too many connections");
    if (conn->kind == ADDRESS_TCP) {
        rc = uv_tcp_nodelay(&conn->socket.tcp, 1);
        if (rc == 0 && (rc = uv_fileno(&conn->socket.handle, &fd)) == 0)
            socket_notice_silence(fd);
    }
    if (rc < 0)
        conn_close_because(conn, uv_strerror(rc));
    else
        conn_go_on(conn);
}
