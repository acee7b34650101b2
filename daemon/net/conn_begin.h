/*
 * Connections that are new.
 */
#ifndef NET_CONN_BEGIN_H
#define NET_CONN_BEGIN_H

#include "net/conn.h"

/* NULL: no memory. Counted from here on, and ended by net_conn_close only. */
struct net_conn *conn_new(struct net *net, enum address_kind kind);
/* There is one too many: it will only be told so. Before conn_start. */
void conn_refuse(struct net_conn *conn, enum net_refusal why);
void conn_start(struct net_conn *conn); /* after uv_accept */

#endif
