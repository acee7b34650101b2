/*
 * What the server and the store ask of the host.
 */
#ifndef HOST_SERVICES_H
#define HOST_SERVICES_H

#include "server/port.h"

struct host;

/* Sets up their handles in the loop; 0 or libuv's error. */
int services_init(struct host *host) MUST_CHECK;
/* For server_new; `connections` is how many of those wanted there may be. */
struct server_host services_for_server(struct host *host);
/* For store_open, with the host as `arg`; from any thread: has store_poll called by the loop. */
void services_wake(void *arg);

#endif
