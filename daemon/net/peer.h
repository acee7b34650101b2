/*
 * Who is at the other end: its name for people, and how many connections it has.
 */
#ifndef NET_PEER_H
#define NET_PEER_H

#include <stdbool.h>
#include "net/conn.h"

/* "connection 3 (tcp:127.0.0.1:51234)" or "connection 3 (unix, process 77 of user 1000)", for
 * people. */
const char *net_conn_name(const struct net_conn *conn);

/* Inside of net: counts an accepted connection for its peer, a user or an address
 * (socket_peer_key). Returns whether it is within the peer's share; false, and not counted, without
 * memory too. */
bool peer_enter(struct net_conn *conn);
/* The connection is gone. */
void peer_leave(struct net_conn *conn);

#endif
