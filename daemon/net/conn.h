/*
 * One connection: bytes in, whole frames up, bytes down. The fields are net's own.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>
#include "net/net.h"
#include "net/socket.h"

/*
 *     NEW ------> SERVING ------> SILENT
 *      |             |              |
 *      +--> FINISHING <-- REFUSED   |     and from each of them to CLOSED
 *               ^                   |
 *               +-------------------+
 *               |
 *               v
 *             SHUT
 */
enum net_conn_state {
    CONN_REFUSED, /* too many: waits for its first frame, to answer that */
    CONN_NEW,     /* the layer above does not know it yet */
    CONN_SERVING,
    CONN_SILENT,    /* the peer has shut its side: what it asked for before is answered */
    CONN_FINISHING, /* writes what is left; input is dropped from here on */
    CONN_SHUT,      /* our side is shut down: waits for the peer to close */
    CONN_CLOSED,    /* waits for the close callback, which frees it */
};

/*
 *     NONE ---> FULL ---> STOPPED
 *      ^          |           |
 *      |          v           |
 *      +------ DRAINED <------+
 */
enum net_pressure {
    PRESSURE_NONE,
    PRESSURE_FULL,    /* output is over the high-water mark: the layer above should send no more,
                         and frames are taken on */
    PRESSURE_STOPPED, /* what those caused is over stop_at: not read until below the low-water mark
                       */
    PRESSURE_DRAINED, /* it is, and in net->resume to be told so */
};

/* What its buffers hold (memory.h), in bytes; of each buffer, what was filled since it was
 * reserved.
 */
struct net_held {
    size_t input, output, flight;
    size_t all;    /* as it is part of net->held */
    size_t queued; /* what the loop had to write at the last tick */
};

/* Embeds its handle and requests, and is freed in the handle's close callback. */
TAILQ_HEAD(net_conns, net_conn);

struct net_conn {
    struct net *net;
    uint64_t number; /* counted from 1, for the log */
    TAILQ_ENTRY(net_conn) link, resume_link, later_link;
    union net_socket socket;
    enum address_kind kind;
    bool own; /* connected by a process of this one's user, by a Unix socket */
    enum net_conn_state state;
    enum net_pressure pressure;
    bool counted;             /* among net->connections, else among net->refused */
    enum net_refusal refused; /* CONN_REFUSED: why */
    struct net_peer *peer;    /* who it counts for; NULL where refused */
    bool writing;             /* `flight` is with the loop */
    bool preferred;           /* it comes first in each turn */
    struct net_conns *later;  /* it was put off, and is not read until its turn has come */
    size_t stop_at;           /* FULL: with more unwritten output than that it is not read */
    uint64_t since;           /* when what its time limit measures began; the loop's milliseconds */
    uint64_t moved;           /* when a byte came or went last; the loop's milliseconds */
    struct net_held held;
    size_t scanned;         /* bytes of the frame that is coming which the scanner has seen */
    struct evd_buf input;   /* read and not handed up: at most one frame and one read */
    struct evd_buf flight;  /* output the loop is writing */
    struct evd_buf refusal; /* output of a connection without a session */
    size_t refusal_in_flight, full_at; /* then `output` has these */
    struct net_output output;
    uv_write_t write;
    uv_shutdown_t shutdown;
    void *session;         /* the upper layer's; NULL where refused */
    max_align_t scanner[]; /* the framing's */
};

/* ---- for the layer above ---- */

/* Writes the connection's output: what the socket takes at once, the rest when it can. */
void net_conn_flush(struct net_conn *conn);
/* Ends the connection when its output is written; no frame comes up any more. */
void net_conn_finish(struct net_conn *conn);
/* Ends it now. */
void net_conn_close(struct net_conn *conn);
/* Whether it comes first in each turn of the loop: a worker's. */
void net_conn_prefer(struct net_conn *conn, bool preferred);
/* By a Unix socket, and the other end is a process of this one's user. */
static inline bool net_conn_is_own(const struct net_conn *conn)
{
    return conn->own;
}

/* ---- inside of net ---- */

void conn_close_because(struct net_conn *conn, const char *why);
/* Its output has drained: takes it off net->resume and goes on. */
void conn_resume(struct net_conn *conn);
/* Hands up what is there, then reads on; and reads at once, since its turn has come. */
void conn_go_on(struct net_conn *conn);
void conn_take_turn(struct net_conn *conn);

#endif
