/*
 * The inside of host.c, for services.c, peers.c and stop.c beside it.
 */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <uv.h>
#include "host/host.h"
#include "net/net.h"
#include "proto/guard.h"
#include "server/port.h"
#include "store/store.h"

/*
 * Every stage waits for something; stop.c goes on to the next once it is there.
 *
 *     STARTING -> SERVING -> LEASES -> DRAINING -> FINISHING -> CLOSING
 *        `---------- where something could not be started ------^
 */
enum host_stage {
    HOST_STARTING,
    HOST_SERVING,   /* until a signal */
    HOST_LEASES,    /* nothing new is handed out: until workers have finished what they have */
    HOST_DRAINING,  /* the server is stopped: until the store has written and all heavy work is back
                     */
    HOST_FINISHING, /* until every connection has ended */
    HOST_CLOSING,   /* until net is gone; then all else is freed */
};

/* Heavy work on its way through the pool. */
struct host_work {
    uv_work_t request;
    struct host *host;
    struct server_work *work; /* NULL: free */
};

struct host {
    const struct host_config *config;
    struct server_limits limits; /* those of config, as far as this machine goes along */
    struct guard_limits frame_limits;
    enum host_stage stage;
    uv_loop_t loop;
    uv_async_t store_wake;
    uv_timer_t tick;     /* the server's */
    uv_timer_t patience; /* while it stops: looks whether the stage is over */
    /* Of that stage: when it began, when something of what it waits for ended last, how much there
     * was then, and whether the log has it. */
    uint64_t stage_since, stage_moved, stage_left;
    bool stage_said;
    uv_signal_t sigterm, sigint;
    uv_timer_t heap_look;  /* heap.c: looks whether freed memory is to be given back; */
    uv_work_t heap_trim;   /* that is done by a pool thread, */
    bool heap_trimming;    /* just now */
    uint64_t heap_process; /* bytes resident and not counted when it began to serve, */
    uint64_t heap_slack;   /* and beyond that, the least since it was last given back */
    struct store *store;
    struct server *server;
    struct net *net;
    struct host_work works[WORKS_THREADS];
    uint32_t working;   /* heavy work that is not back */
    bool store_failing; /* and whoever runs the daemon was told so */
};

void host_log(const struct host *host, enum net_level level, const char *text);
/* The only way to change the stage. */
void host_enter(struct host *host, enum host_stage stage);

#endif
