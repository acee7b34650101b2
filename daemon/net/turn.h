/*
 * Whose turn it is: workers first, and of the loop's time only so much for all others together.
 */
#ifndef NET_TURN_H
#define NET_TURN_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "net/conn.h"

struct net;

/* What one connection that comes first, or all others together, may have of one turn of the loop:
 * so long, and so many frames (a connection that is accepted counts as some). */
#define TURN_NS     200000u
#define TURN_FRAMES 128u
#define TURN_ACCEPT 8u /* frames */
/* For so many times as long as others had, whoever comes first and is at work has for himself: most
 * of his moments are not theirs then, however long one frame of theirs takes. */
#define TURN_REST 3u
/* Somebody who comes first is at work if so long ago he had something to say. */
#define TURN_ACTIVE_NS 10000000u

struct turn {
    uv_check_t check; /* after all that is readable was looked at: those who were put off */
    uv_idle_t idle;   /* while anybody is: the loop does not sleep, */
    uv_timer_t rest;  /* unless they are others, who are to wait for longer than this can tell */
    struct net_conns first, others; /* put off, each in the order in which that was */
    uint64_t began;                 /* what is under way now; uv_hrtime */
    uint64_t spent;                 /* by others in this turn */
    uint32_t frames;                /* of others in this turn */
    uint64_t others_at;             /* not before: the rest after what they had */
    uint64_t heard;                 /* when somebody who comes first had something to say */
};

/* How many handles it has; none fails. */
uint32_t turn_init(struct net *net);
void turn_close(struct net *net);
/* A connection, or a listener (NULL), is to be looked at: whether there is time for it in this
 * turn. If so turn_end follows. `behind`: others of its kind wait already. */
bool turn_begin(struct net *net, struct net_conn *conn, bool behind);
void turn_end(struct net *net, struct net_conn *conn);
/* Time for what others caused that cannot wait. */
void turn_spend(struct net *net, uint64_t began);
/* Whether the connection, of which so many frames were handed up since turn_begin, goes on. */
bool turn_goes_on(const struct net_conn *conn, uint32_t frames);
void turn_count(struct net *net, const struct net_conn *conn, uint32_t frames);
/* conn_take_turn, or listener_accept (NULL), when its turn has come; it is not read until then. */
void turn_put_off(struct net *net, struct net_conn *conn);
/* It is not there any more. */
void turn_forget(struct net_conn *conn);

#endif
