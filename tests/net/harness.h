/*
 * A server of net with a tiny layer above it, and peers on real sockets, all in one thread: `pump`
 * turns the loop while the peers do nothing.
 *
 * The layer above understands one object per frame:
 *   text          is sent back as it is
 *   uint 32 n     is answered with n bytes of nil
 *   false, nil    ends the connection: after the output; at once
 *   7, 8          do not say who the peer is, as any other frame does; 8 is answered with 2 MiB
 *   9, 10         make it one that comes first: a worker that has done nothing, one that gets on
 *   11            takes SLOW_NS
 *   anything else is counted
 */
#ifndef TESTS_NET_HARNESS_H
#define TESTS_NET_HARNESS_H

/* cmocka needs these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <uv.h>
#include "net/conn.h"
#include "net/net.h"

#define HIGH_WATER   (1u << 20)
#define LOW_WATER    (256u << 10)
#define BUFFERS      (1u << 30) /* where the configuration says nothing */
#define MOST         (8u << 20)
#define SLOW_NS      2000000u
#define REFUSED_YOU  "\xa4who?"
#define REFUSED_MORE "\xa5more?"
#define BROKEN_YOU   "\xa6wrong!"

struct server {
    uv_loop_t loop;
    struct net *net;
    char folder[64]; /* made for the test, removed with what is in it */
    char unix_path[108];
    char unix_address[128];
    uint64_t opened, closed, frames, frame_bytes, broken, refused, writable, silent;
    uint64_t slow, slow_began,
        slow_ended;        /* frames 11: how many, and when the last one; uv_hrtime */
    size_t most_unwritten; /* of any session at any time */
    bool owes;             /* who sends no more still has something to come */
    bool gone;
    struct evd_error err;
};

/* With the daemon's frames, or others. */
void server_start(struct server *server, uint32_t max_connections, uint64_t hello_ms,
                  uint64_t frame_ms);
void server_start_with(struct server *server, const struct net_framing *framing,
                       uint32_t max_connections, uint64_t hello_ms, uint64_t frame_ms);
/* With the limits and the framing of a configuration; the rest of it is the harness's. */
void server_start_by(struct server *server, struct net_config config);
void server_listen(struct server *server, const char *address); /* must succeed */
/* net_close unless that was done, and everything given back. */
void server_stop(struct server *server);

/* Turns the loop until *counter is `value` or more; fails the test after 5 seconds. */
void pump_until(struct server *server, const uint64_t *counter, uint64_t value);
/* Until *counter has not moved for many turns in a row. */
void pump_until_quiet(struct server *server, const uint64_t *counter);
void pump_for(struct server *server, unsigned ms);

/* Peers: blocking sockets with a time limit of 5 seconds. `address` as net_address gives it. */
int peer_connect(const char *address);
void peer_send(int fd, const void *bytes, size_t n);
/* Reads exactly n bytes while the loop turns; fails the test if they do not come. */
void peer_read(struct server *server, int fd, void *bytes, size_t n);
/* The next thing from the server is the end of the connection (or its reset). */
void peer_expect_end(struct server *server, int fd);
/* Text goes there and comes back. */
void peer_echo(struct server *server, int fd, const char *text);
/* Closes it so that the server sees a reset (TCP). */
void peer_reset(int fd);

#endif
