/*
 * What a stage of stopping waits for, for how long, and what comes next. host.c begins it; whatever
 * ends (a commit, heavy work, a connection) and a timer ask whether the stage is over.
 */
#include "host/stop.h"

#include <assert.h>
#include <inttypes.h>
#include "host/internal.h"
#include "host/log.h"

#define POLL_MS 20u
/* A stage that lasts so long says what it waits for. */
#define SAY_MS 200u

/* Workers that finish what they have are waited for while they do, but not those that are idle or
 * dead; nor peers that neither read nor close. So it ends within 2 s if nothing is to be stored,
 * and with NET_FINISH_MS for peers that go on reading it ends within 10 s. */
static const struct {
    uint64_t most;  /* milliseconds; 0: as long as it takes */
    uint64_t still; /* in which nothing of what is waited for has ended */
} patience[] = {
    [HOST_LEASES] = {3000, 1000},
    [HOST_DRAINING] = {2500, 2500},
    [HOST_FINISHING] = {0, 500},
};

/* Bytes that wait to be written to the database, and results to be handed back. (What store_poll
 * finds here is flushed by the wake that comes with it.) */
static uint64_t to_store(struct host *host)
{
    struct store_info info;

    store_info(host->store, &info);
    return info.queued_bytes + store_poll(host->store);
}

/* How much the stage still waits for; 0: it is over. */
static uint64_t left(struct host *host)
{
    switch (host->stage) {
    case HOST_LEASES:
        return server_outstanding(host->server);
    case HOST_DRAINING:
        return host->working + to_store(host);
    case HOST_FINISHING:
        return host->working + net_connections(host->net) + net_unwritten(host->net);
    default:
        return 0;
    }
}

static void say_what_for(struct host *host)
{
    if (host->stage == HOST_LEASES)
        log_line("evendrawd: waiting for workers to acknowledge %" PRIu32
                 " batches (until for 1 s none is)",
                 server_outstanding(host->server));
    else if (host->stage == HOST_DRAINING)
        log_line("evendrawd: waiting for %" PRIu64 " bytes to be stored and %" PRIu32
                 " calculations to end",
                 to_store(host), host->working);
    else
        log_line("evendrawd: waiting for %" PRIu32
                 " connections to take %zu bytes and to close, and %" PRIu32 " calculations to end",
                 net_connections(host->net), net_unwritten(host->net), host->working);
}

static void enter(struct host *host, enum host_stage stage)
{
    host_enter(host, stage);
    host->stage_since = host->stage_moved = uv_now(&host->loop);
    host->stage_left = UINT64_MAX;
    host->stage_said = false;
}

/* The stage is over, or was waited for long enough. */
static void next_stage(struct host *host)
{
    uint64_t rest = left(host);

    switch (host->stage) {
    case HOST_LEASES:
        if (rest > 0)
            log_line("evendrawd: %" PRIu64 " batches were not acknowledged: their steps are handed "
                     "out again after the next start",
                     rest);
        enter(host, HOST_DRAINING);
        server_stop(host->server);
        net_flush(host->net);
        stop_proceed(host);
        break;
    case HOST_DRAINING:
        enter(host, HOST_FINISHING);
        net_finish(host->net);
        stop_proceed(host);
        break;
    case HOST_FINISHING:
        if (rest > 0)
            log_line("evendrawd: %" PRIu32 " connections did not close and are ended",
                     net_connections(host->net));
        host_enter(host, HOST_CLOSING);
        uv_timer_stop(&host->patience);
        net_close(host->net);
        break;
    default:
        assert(false);
    }
}

void stop_proceed(struct host *host)
{
    if ((host->stage == HOST_DRAINING || host->stage == HOST_FINISHING) && left(host) == 0)
        next_stage(host);
}

/* A look every now and then is simple, and soon over. */
static void on_look(uv_timer_t *timer)
{
    struct host *host = timer->data;
    uint64_t now = uv_now(&host->loop), rest = left(host);
    uint64_t most = patience[host->stage].most;

    if (rest != host->stage_left)
        host->stage_moved = now;
    host->stage_left = rest;
    if (rest > 0 && !host->stage_said && now - host->stage_since >= SAY_MS) {
        host->stage_said = true;
        say_what_for(host);
    }
    /* What calculates uses what is freed in the end: it is cancelled and looks at that often. */
    if (rest == 0 || (most > 0 && now - host->stage_since >= most) ||
        (now - host->stage_moved >= patience[host->stage].still &&
         (host->stage != HOST_FINISHING || host->working == 0)))
        next_stage(host);
}

void stop_begin(struct host *host)
{
    enter(host, HOST_LEASES);
    net_quiet(host->net);
    server_drain(host->server);
    net_flush(host->net);
    uv_timer_start(&host->patience, on_look, 0, POLL_MS);
}
