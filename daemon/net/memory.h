/*
 * The memory of connections' buffers: how much of it there is, how much unwritten output one may
 * have, and who goes first when all of them together have too much. conn.c says what changes;
 * net.c asks, by its timer and after each turn.
 *
 * Of a buffer what has been filled counts, which is what the kernel has given for it. Buffers grow
 * with need, and are given back once they are empty and nothing has come or gone for
 * NET_IDLE_MS.
 */
#ifndef NET_MEMORY_H
#define NET_MEMORY_H

#include "net/conn.h"

#define NET_IDLE_MS 1000u

/* Bytes of output that its socket has not taken yet. */
size_t memory_unwritten(const struct net_conn *conn);
/* Its buffers hold more or less than before; called before what they hold is written. */
void memory_note(struct net_conn *conn);
/* Its output is in flight now, and what was in flight is its output. */
void memory_swap(struct net_conn *conn);
/* It is closed: what it has is freed by the end of this turn of the loop. */
void memory_leave(struct net_conn *conn);
/* Half of what there may be is taken: nothing is kept that is not needed at once. */
bool memory_is_tight(const struct net *net);
/* Whether its output is full: then what comes from the peer is still taken, until what that causes
 * is too much as well, and it is not read. */
void memory_pressure(struct net_conn *conn);
/* Gives back what it does not need, if it is idle. */
void memory_tidy(struct net_conn *conn, uint64_t now);
/* All together have too much: the one to close, which holds more than its share of what there may
 * be. NULL if there is no need. */
struct net_conn *memory_heaviest(struct net *net);

#endif
