/*
 * The inside of net.c, for conn.c and listener.c beside it.
 */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <sys/queue.h>
#include <uv.h>
#include "net/conn.h"
#include "net/listener.h"
#include "net/net.h"
#include "net/turn.h"

#define NET_READ_BYTES (64u << 10) /* of one read; one buffer for all connections */
#define NET_PEERS      256u        /* buckets of the table of peers */

LIST_HEAD(net_peers, net_peer);
TAILQ_HEAD(net_listeners, net_listener);

struct net {
    struct net_config config;
    struct net_listeners listeners;
    struct net_conns conns;  /* first those that are refused, the newest first */
    struct net_conns resume; /* output has drained: to be told so and read on */
    struct turn turn;
    uint32_t connections, refused;
    size_t held;           /* bytes of the buffers of connections (memory.h) */
    uint64_t shed;         /* connections that were closed since that was too much */
    uint64_t shed_said_at; /* when the log last said so */
    uint64_t accepted;
    struct net_peers peers[NET_PEERS]; /* whoever has connections, by the hash of who it is */
    bool closing;
    uint32_t handles; /* not yet closed: listeners, connections, timer, those of turns */
    uv_timer_t timer;
    uint8_t read_buffer[NET_READ_BYTES];
};

void net_watch(struct net *net); /* sees to it that the timer runs */
void net_log(struct net *net, enum net_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void net_handle_closed(struct net *net);

#endif
