/*
 * What the files of this layer share. Nobody else includes it.
 */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>
#include "net/net.h"
#include "proto/address.h"
#include "proto/guard.h"

#define NET_READ_BYTES (64u << 10) /* of one read; one buffer for all connections */
#define NET_TICK_MS    1000u
#define NET_TEXT       320u /* room for an address as text */

/* One owner: each handle below is embedded in the struct that is freed in its close callback. */
union net_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct net_listener {
    struct net *net;
    TAILQ_ENTRY(net_listener) link;
    union net_handle socket;
    enum address_kind kind;
    bool pending; /* the loop holds a connection that was not accepted yet */
    char text[NET_TEXT];
    char path[108]; /* Unix: to be removed when done, if it is still the same file */
    dev_t dev;
    ino_t ino;
};

enum net_conn_state {
    CONN_REFUSED, /* too many: waits for its first frame, to answer that */
    CONN_NEW,     /* its first frame is to come */
    CONN_SERVING,
    CONN_FINISHING, /* writes what is left, then waits for the peer to close; input is dropped */
    CONN_CLOSED,    /* waits for the close callback */
};

struct net_conn {
    struct net *net;
    uint64_t number;
    TAILQ_ENTRY(net_conn) link, resume_link, later_link;
    union net_handle socket;
    enum address_kind kind;
    enum net_conn_state state;
    bool counted;   /* among net->connections, else among net->refused */
    bool writing;   /* `flight` is with the loop */
    bool shut;      /* our side is shut down */
    bool full;      /* over the high-water mark: not read until it is below the low one */
    bool resuming;  /* in net->resume */
    bool later;     /* in net->later: not read until it has had its turn */
    uint64_t since; /* when what its time limit measures began; the loop's milliseconds */
    struct guard guard;
    struct evd_buf input;   /* read and not handed up: at most one frame and one read */
    struct evd_buf flight;  /* output the loop is writing */
    struct evd_buf refusal; /* output of a connection without a session */
    size_t refusal_in_flight;
    struct net_output output;
    uv_write_t write;
    uv_shutdown_t shutdown;
    void *session;
};

TAILQ_HEAD(net_conns, net_conn);
TAILQ_HEAD(net_listeners, net_listener);

struct net {
    struct net_config config;
    struct guard_limits guard_limits;
    struct net_listeners listeners;
    struct net_conns conns;
    struct net_conns resume; /* output has drained: to be told so and read on */
    struct net_conns later;  /* they have sent more than one turn of the loop handles */
    uint32_t connections, refused;
    uint64_t accepted;
    bool closing;
    uint32_t handles; /* not yet closed: listeners, connections, timer, idle */
    uv_timer_t timer;
    uv_idle_t idle; /* while anybody is in `later`: the loop does not sleep */
    uint8_t read_buffer[NET_READ_BYTES];
};

/* net.c */
void net_watch(struct net *net); /* sees to it that the timer runs */
void net_log(struct net *net, enum net_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void net_handle_closed(struct net *net);
/* Puts the connection off to the loop's next turn, when conn_go_on is called. */
void net_put_off(struct net *net, struct net_conn *conn);

/* conn.c */
/* NULL: no memory. Counted from here on, and ended by net_conn_close only. */
struct net_conn *conn_new(struct net *net, enum address_kind kind, bool refused);
void conn_start(struct net_conn *conn); /* after uv_accept */
void conn_check_time(struct net_conn *conn, uint64_t now);
void conn_resume(struct net_conn *conn);
void conn_go_on(struct net_conn *conn);

/* listener.c */
int listener_open(struct net *net, enum address_kind kind, int fd, const char *text,
                  struct net_listener **out, struct evd_error *err);
void listener_accept(struct net_listener *listener);
void listener_close(struct net_listener *listener);

/* bind.c: sockets that are bound and not yet listening. */
int bind_unix(const struct address *address, int *fd, struct evd_error *err);
struct addrinfo;
int bind_tcp(const struct addrinfo *info, const char *address, int *fd, struct evd_error *err);
/* "tcp:127.0.0.1:4710" of a socket's own (or its peer's) end. */
void bind_name(int fd, bool peer, char *text, size_t size);

#endif
