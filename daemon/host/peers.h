/*
 * Between net and the server: what arrives goes up, and what a refused peer is told.
 */
#ifndef HOST_PEERS_H
#define HOST_PEERS_H

#include "net/net.h"

struct host;

/* For net_new. */
struct net_events peers_events(struct host *host);

#endif
