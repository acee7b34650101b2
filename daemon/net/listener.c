/*
 * Listens at an address, and accepts or refuses whoever connects there. net.c opens and closes;
 * conn.c asks to accept again when a connection has made room.
 */
#include "net/listener.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "net/conn_begin.h"
#include "net/internal.h"
#include "net/peer.h"

#define BACKLOG 512

static void on_closed(uv_handle_t *handle)
{
    struct net_listener *listener = handle->data;
    struct net *net = listener->net;

    free(listener);
    net_handle_closed(net);
}

void listener_close(struct net_listener *listener)
{
    struct stat file;

    TAILQ_REMOVE(&listener->net->listeners, listener, link);
    if (listener->path[0] && lstat(listener->path, &file) == 0 && file.st_dev == listener->dev &&
        file.st_ino == listener->ino)
        unlink(listener->path);
    uv_close(&listener->socket.handle, on_closed);
}

/* Of those that are being told, or do not ask, the one that came first makes way. */
static void end_oldest_refusal(struct net *net)
{
    struct net_conn *conn, *oldest = NULL;

    TAILQ_FOREACH(conn, &net->conns, link) {
        if (conn->counted)
            break;
        if (conn->state != CONN_CLOSED)
            oldest = conn;
    }
    if (oldest)
        net_conn_close(oldest);
}

/* An accepted connection is served, or told why not. One that is beyond its peer's share cannot
 * wait until somebody can be told: behind it are others who have a share left. */
static void admit(struct net_conn *conn, bool full)
{
    if (full) {
        conn_refuse(conn, NET_REFUSED_FULL);
    } else if (!peer_enter(conn)) {
        if (conn->net->refused >= NET_REFUSED)
            end_oldest_refusal(conn->net);
        conn_refuse(conn, NET_REFUSED_SHARE);
    }
    conn_start(conn);
}

static void take(struct net_listener *listener, bool full)
{
    struct net *net = listener->net;
    struct net_conn *conn = conn_new(net, listener->kind);
    uv_os_fd_t fd;
    int rc;

    if (!conn) {
        net_log(net, NET_WARNING, "no memory for a connection; it waits");
        return;
    }
    listener->pending = false;
    rc = uv_accept(&listener->socket.stream, &conn->socket.stream);
    if (rc < 0) {
        net_log(net, NET_WARNING, "a connection at %s was lost: %s", listener->text,
                uv_strerror(rc));
        net_conn_close(conn);
        return;
    }
    if (uv_fileno(&conn->socket.handle, &fd) == 0)
        conn->own = socket_peer_is_own(fd, conn->kind);
    admit(conn, full);
}

void listener_accept(struct net_listener *listener)
{
    struct net *net = listener->net;
    bool full = net->connections >= net->config.max_connections;

    if (!listener->pending || net->closing)
        return;
    net_watch(net);
    listener->put_off = false;
    if (full && net->refused >= NET_REFUSED)
        return;
    if (!turn_begin(net, NULL, false)) {
        listener->put_off = true;
        turn_put_off(net, NULL);
        return;
    }
    take(listener, full);
    turn_count(net, NULL, TURN_ACCEPT);
    turn_end(net, NULL);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct net_listener *listener = stream->data;

    if (status < 0) {
        net_log(listener->net, NET_WARNING, "cannot accept at %s: %s", listener->text,
                uv_strerror(status));
        return;
    }
    listener->pending = true;
    listener_accept(listener);
}

static int open_socket(struct net_listener *listener, int fd)
{
    int rc;

    if (listener->kind == ADDRESS_UNIX)
        return uv_pipe_open(&listener->socket.pipe, fd);
    rc = uv_tcp_open(&listener->socket.tcp, fd);
    /* Without this libuv sleeps after every accept, to share the load among processes. */
    return rc < 0 ? rc : uv_tcp_simultaneous_accepts(&listener->socket.tcp, 1);
}

/* Takes over a bound socket. */
static int listen_on(struct net *net, enum address_kind kind, int fd, const char *text,
                     struct net_listener **out, struct evd_error *err)
{
    struct net_listener *listener = calloc(1, sizeof(*listener));
    int rc;

    if (!listener) {
        close(fd);
        return error_set(err, EVD_E_NO_MEMORY, text, "no memory to listen at %s", text);
    }
    listener->net = net;
    listener->kind = kind;
    snprintf(listener->text, sizeof(listener->text), "%s", text);
    rc = socket_init(&listener->socket, net->config.loop, kind);
    if (rc < 0) {
        free(listener);
        close(fd);
        return error_set(err, EVD_E_INTERNAL, text, "cannot listen at %s: %s", text,
                         uv_strerror(rc));
    }
    listener->socket.handle.data = listener;
    net->handles++;
    TAILQ_INSERT_TAIL(&net->listeners, listener, link);
    rc = open_socket(listener, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen(&listener->socket.stream, BACKLOG, on_connection);
    if (rc < 0) {
        listener_close(listener);
        return error_set(err, rc == UV_EADDRINUSE ? EVD_E_EXISTS : EVD_E_INTERNAL, text,
                         "cannot listen at %s: %s", text, uv_strerror(rc));
    }
    *out = listener;
    return EVD_OK;
}

static int listen_unix(struct net *net, const struct address *address, struct evd_error *err)
{
    struct net_listener *listener;
    char text[NET_TEXT];
    struct stat file;
    int fd, rc;

    rc = socket_bind_unix(address, &fd, err);
    if (rc != EVD_OK)
        return rc;
    snprintf(text, sizeof(text), "unix:%s", address->path);
    rc = listen_on(net, ADDRESS_UNIX, fd, text, &listener, err);
    if (rc != EVD_OK) {
        unlink(address->path);
        return rc;
    }
    if (stat(address->path, &file) == 0) {
        memcpy(listener->path, address->path, sizeof(listener->path));
        listener->dev = file.st_dev;
        listener->ino = file.st_ino;
    }
    return EVD_OK;
}

static int listen_info(struct net *net, const struct addrinfo *info, const char *address,
                       struct evd_error *err)
{
    struct net_listener *listener;
    char text[NET_TEXT];
    int fd, rc;

    rc = socket_bind_tcp(info, address, &fd, err);
    if (rc != EVD_OK)
        return rc;
    socket_name(fd, text, sizeof(text));
    return listen_on(net, ADDRESS_TCP, fd, text, &listener, err);
}

/* Every address of the host; one that this machine does not have (IPv6 switched off) is passed over
 * if there is another. */
static int listen_tcp(struct net *net, const struct address *address, const char *text,
                      struct evd_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list, *info;
    uint32_t count = 0;
    int rc;

    rc = getaddrinfo(address->host, address->port, &hints, &list);
    if (rc != 0)
        return error_set(err, EVD_E_BAD_VALUE, text,
                         "cannot listen at %s: %s; give a host name or address of this machine",
                         text, gai_strerror(rc));
    rc = EVD_OK;
    for (info = list; info; info = info->ai_next) {
        rc = listen_info(net, info, text, err);
        if (rc == EVD_OK)
            count++;
        else if (rc != EVD_E_NOT_FOUND)
            break;
    }
    freeaddrinfo(list);
    return rc == EVD_E_NOT_FOUND && count > 0 ? EVD_OK : rc;
}

int listener_open(struct net *net, const struct address *address, const char *text,
                  struct evd_error *err)
{
    return address->kind == ADDRESS_UNIX ? listen_unix(net, address, err)
                                         : listen_tcp(net, address, text, err);
}
