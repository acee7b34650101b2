/*
 * Listeners and connections: bytes in, whole frames up; bytes down, written with as few system
 * calls and as little memory as possible.
 *
 * Where a frame ends is said by what the user hands in (framing.h); nothing else is known of what
 * the bytes mean. Everything runs on the loop's thread. Another protocol is another framing, in
 * another `struct net` beside this one.
 *
 *     net_new, net_listen ...      before the loop runs
 *       open                       a peer is there; the layer above gives it a session
 *       frame ... frame, flush    one read; the layer above answers into the session's output and
 *                                  calls net_conn_flush from its flush
 *       writable, flush           the output was over the high-water mark and has drained
 *       silent, flush             the peer sends no more, and may still read
 *       closed, flush             the peer is gone, or was ended; the last call for a session
 *     net_quiet                    listens no more
 *     net_finish                   also ends every connection once its output is written
 *     net_close                    ends all at once; net is freed after `gone`
 *
 * Back-pressure: while a connection's unwritten output is over *output.full_at, which is high_water
 * unless memory is tight, the layer above sends only what frames cause. Those of a worker are taken
 * on, since it may have to get rid of what it writes before it reads, until the output has grown by
 * another high_water. From then on, and others at once, it is neither read nor handed frames until
 * it has fallen to a quarter of *output.full_at, when the layer above hears that it is writable.
 * What was read before stays in a buffer of at most one frame and one read. At most one write of a
 * connection is queued in the loop.
 *
 * Memory: all buffers of connections together hold `buffers` bytes at most, and what a turn of the
 * loop adds. Where it is more, who holds most and is idle is closed (memory.h).
 *
 * Turns (turn.h): connections with workers (net_conn_prefer) come first in each turn of the loop,
 * and of each so many frames are handed up, for so long. All others together, those that come and
 * go among them, have as little of a turn, and wait in the order in which they came, unread, for
 * the next one. So who sends without end keeps nobody waiting for long, and workers not even by
 * being many.
 *
 * Time limits, kept by one timer for all: the layer above must know a connection within
 * NET_HELLO_MS of accepting it, whatever arrives meanwhile; a frame that has begun must go on every
 * NET_FRAME_MS, which also is how long a peer that has shut its side has for its answers, and what
 * is to be ended is ended after NET_FINISH_MS at the latest.
 *
 * Too many connections: the next NET_REFUSED ones are accepted to be told so (`refuse`), the rest
 * wait in the kernel until one of those has gone. One peer (peer.h) may have max_each of them; its
 * further ones are told so too, and the oldest of NET_REFUSED that are being told makes way.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/framing.h"
#include "proto/buf.h"
#include "proto/error.h"

#define NET_HELLO_MS  10000u
#define NET_FRAME_MS  30000u
#define NET_FINISH_MS 3000u
#define NET_REFUSED   16u
/* Descriptors the rest of the process needs: loop, database, standard streams, listeners. */
#define NET_OTHER_DESCRIPTORS 64u
/* With so many connections it needs so many descriptors. */
#define NET_DESCRIPTORS(connections) (NET_OTHER_DESCRIPTORS + NET_REFUSED + (connections))

struct uv_loop_s;
struct net;
struct net_conn;

/* Where the layer above collects what is to be written. `in_flight` is net's to write: bytes taken
 * out of `buf` and not yet written; and so is `full_at`. */
struct net_output {
    struct evd_buf *buf;
    size_t *in_flight;
    size_t *full_at; /* with more unwritten bytes than that nothing more is to be made for it */
};

enum net_level { NET_DEBUG, NET_WARNING };

enum net_refusal {
    NET_REFUSED_FULL,  /* there are max_connections */
    NET_REFUSED_SHARE, /* its peer has max_each */
};

/* Apart from log, no callback is made from within a net_* call other than net_flush. */
struct net_events {
    void *arg;
    /* A new connection: its session (then *output is set), or NULL to close it at once. */
    void *(*open)(void *arg, struct net_conn *conn, struct net_output *output);
    /* One whole frame, valid during the call. Returns whether it is known who the peer is: until
     * then its time runs. */
    bool (*frame)(void *arg, void *session, const uint8_t *bytes, size_t n);
    /* What begins with these bytes is no frame. None follows: what is in the output by the end of
     * the call is written, then the connection ends. */
    void (*broken)(void *arg, void *session, const uint8_t *bytes, size_t n,
                   const struct evd_error *err);
    void (*writable)(void *arg, void *session);
    /* The peer has shut its side, after at least one frame; no further one comes. net_conn_finish
     * when all is answered; what takes longer than frame_ms is not waited for. */
    void (*silent)(void *arg, void *session);
    void (*closed)(void *arg, void *session);
    /* Whether a worker on a preferred connection gets on with its work. */
    bool (*working)(void *arg, void *session);
    /* One connection too many has sent its first frame: append what to tell it. */
    void (*refuse)(void *arg, enum net_refusal why, const uint8_t *bytes, size_t n,
                   struct evd_buf *out);
    /* After a batch of the calls above: call net_conn_flush for every session with output. */
    void (*flush)(void *arg);
    /* net_close is complete. */
    void (*gone)(void *arg);
    void (*log)(void *arg, enum net_level level, const char *text);
};

struct net_config {
    struct uv_loop_s *loop;
    uint32_t max_connections;
    uint32_t max_each;           /* of those, one peer's */
    size_t high_water;           /* bytes of unwritten output of one connection */
    size_t most;                 /* with more than that it is not read in any case */
    size_t buffers;              /* bytes of the buffers of all */
    uint64_t hello_ms, frame_ms; /* 0: NET_HELLO_MS, NET_FRAME_MS */
    struct net_framing framing;
    struct net_events events;
};

/* Raises the soft limit of descriptors as far as `connections` need and the hard limit allows;
 * returns how many connections fit (0: not even one). */
uint32_t net_descriptors(uint32_t connections);

int net_new(struct net **out, const struct net_config *config, struct evd_error *err) MUST_CHECK;

/* Listens at an address as in proto/address.h; "tcp:host:0" takes a free port. A socket file that
 * nobody listens on any more is replaced; one that is in use, is not ours or is no socket is
 * refused. Unix sockets have mode 0660. Errors say what to do. */
int net_listen(struct net *net, const char *address, struct evd_error *err) MUST_CHECK;
/* The i-th address really listened at (a host name can have several), or NULL. */
const char *net_address(const struct net *net, size_t i);

uint32_t net_connections(const struct net *net);
struct net_info {
    uint64_t fixed;   /* bytes of connections without their buffers */
    uint64_t buffers; /* bytes */
    uint64_t shed;    /* connections that were closed since buffers held too much */
};
void net_info(const struct net *net, struct net_info *out);
/* Bytes of output that no socket has taken yet. */
size_t net_unwritten(const struct net *net);

/* Calls `flush`, and what follows from it: the entry for everything that did not begin in net. */
void net_flush(struct net *net);

void net_quiet(struct net *net);
void net_finish(struct net *net);
void net_close(struct net *net);

#endif
