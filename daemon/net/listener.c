#include "net/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Takes the waiting connection, as a session while there are slots, else to refuse it; where even
 * that is too much it goes on waiting, and the loop does not look for others meanwhile. */
void listener_accept(struct net_listener *listener)
{
    struct net *net = listener->net;
    bool refused = net->connections >= net->config.max_connections;
    struct net_conn *conn;
    int rc;

    if (!listener->pending || net->closing)
        return;
    net_watch(net);
    if (refused && net->refused >= NET_REFUSED)
        return;
    conn = conn_new(net, listener->kind, refused);
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
    conn_start(conn);
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

static int init_socket(struct net_listener *listener, struct net *net)
{
    if (listener->kind == ADDRESS_TCP)
        return uv_tcp_init(net->config.loop, &listener->socket.tcp);
    return uv_pipe_init(net->config.loop, &listener->socket.pipe, 0);
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

int listener_open(struct net *net, enum address_kind kind, int fd, const char *text,
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
    rc = init_socket(listener, net);
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
