/*
 * What the server and the store ask of the host: a clock and a timer, threads for heavy work,
 * connections, a log, and a way from the writer thread to the loop's. Whatever comes back from
 * elsewhere ends with net_flush, which has all output written that it caused.
 */
#include "host/services.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include "host/heap.h"
#include "host/internal.h"
#include "host/log.h"
#include "host/stop.h"
#include "net/conn.h"
#include "net/net.h"
#include "net/peer.h"

#define POOL_NICE 5 /* of 19 */

/* ---- time and chance ---- */

static uint64_t now_ms(void *arg)
{
    struct host *host = arg;

    return uv_now(&host->loop);
}

static uint64_t wall_seconds(void *arg)
{
    (void)arg;
    return (uint64_t)time(NULL);
}

static void on_tick(uv_timer_t *timer)
{
    struct host *host = timer->data;

    server_tick(host->server);
    net_flush(host->net);
}

static void arm_tick(void *arg, uint64_t milliseconds)
{
    struct host *host = arg;

    uv_timer_start(&host->tick, on_tick, milliseconds, 0);
}

static uint64_t random_number(void *arg)
{
    uint64_t number = 0;

    (void)arg;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = uv_hrtime() * UINT64_C(0x9E3779B97F4A7C15); /* a kernel without it */
    return number;
}

/* ---- heavy work ---- */

/* Processor time of this thread. */
static double thread_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Threads of the pool stand back behind the loop's and the writer's: where there are fewer
 * processors than threads, workers get their batches first. */
static void stand_back(void)
{
    static _Thread_local bool done;

    if (!done)
        setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + POOL_NICE); /* this thread */
    done = true;
}

static void on_work(uv_work_t *request)
{
    struct host_work *item = request->data;
    double started = thread_ms();

    stand_back();
    item->work->run(item->work);
    item->work->milliseconds = thread_ms() - started;
}

static void on_worked(uv_work_t *request, int status)
{
    struct host_work *item = request->data;
    struct host *host = item->host;
    struct server_work *work = item->work;

    (void)status; /* nothing is ever cancelled */
    item->work = NULL;
    assert(host->working > 0);
    host->working--;
    work->done(work);
    net_flush(host->net);
    stop_proceed(host);
}

static void queue_work(void *arg, struct server_work *work)
{
    struct host *host = arg;
    struct host_work *item = host->works;

    assert(host->stage != HOST_CLOSING && host->working < WORKS_THREADS);
    while (item->work)
        item++;
    item->host = host;
    item->work = work;
    item->request.data = item;
    host->working++;
    uv_queue_work(&host->loop, &item->request, on_work, on_worked); /* fails for want of on_work */
}

/* ---- connections ---- */

static void flush_conn(void *arg, void *conn)
{
    (void)arg;
    net_conn_flush(conn);
}

static void finish_conn(void *arg, void *conn)
{
    (void)arg;
    net_conn_finish(conn);
}

static const char *peer_name(void *arg, void *conn)
{
    (void)arg;
    return net_conn_name(conn);
}

static bool peer_is_own(void *arg, void *conn)
{
    (void)arg;
    return net_conn_is_own(conn);
}

static void count_memory(void *arg, struct host_memory *out)
{
    const struct host *host = arg;
    struct net_info info = {0};

    if (host->net)
        net_info(host->net, &info);
    *out = (struct host_memory){
        .resident = heap_resident(),
        .process = host->heap_process,
        .connections = info.fixed,
        .buffers = info.buffers,
        .shed = info.shed,
    };
}

static void prefer_conn(void *arg, void *conn, bool preferred)
{
    (void)arg;
    net_conn_prefer(conn, preferred);
}

static void log_server(void *arg, enum server_level level, const char *text)
{
    if (level == SERVER_TRACE)
        log_line("%s", text);
    else if (level == SERVER_NOTICE)
        log_line("evendrawd: %s", text);
    else
        host_log(arg, level == SERVER_WARNING ? NET_WARNING : NET_DEBUG, text);
}

/* ---- the store's writer thread has something ---- */

static void report_store(struct host *host)
{
    struct store_info info;

    store_info(host->store, &info);
    if (info.failing == host->store_failing)
        return;
    host->store_failing = info.failing;
    if (info.failing)
        log_line("evendrawd: error: what is to be stored is refused: %s", info.why.message);
    else
        log_line("evendrawd: %s can be written again", host->config->database);
}

static void on_store_wake(uv_async_t *async)
{
    struct host *host = async->data;

    store_poll(host->store);
    report_store(host);
    net_flush(host->net);
    stop_proceed(host);
}

void services_wake(void *arg)
{
    struct host *host = arg;

    uv_async_send(&host->store_wake);
}

/* ---- all of it ---- */

int services_init(struct host *host)
{
    char threads[8];
    int rc = uv_async_init(&host->loop, &host->store_wake, on_store_wake);

    /* The pool looks there when it is used first. */
    snprintf(threads, sizeof(threads), "%u", WORKS_THREADS);
    setenv("UV_THREADPOOL_SIZE", threads, 1);

    if (rc == 0)
        rc = uv_timer_init(&host->loop, &host->tick);
    host->store_wake.data = host->tick.data = host;
    return rc;
}

struct server_host services_for_server(struct host *host)
{
    return (struct server_host){
        .arg = host,
        .now = now_ms,
        .wall = wall_seconds,
        .work = queue_work,
        .flush = flush_conn,
        .arm = arm_tick,
        .random = random_number,
        .peer = peer_name,
        .own = peer_is_own,
        .memory = count_memory,
        .prefer = prefer_conn,
        .close = finish_conn,
        .log = log_server,
        .backup_dir = host->config->backup_dir,
        .verbose = host->config->verbose,
        .trace = host->config->trace,
        .limits = host->limits,
    };
}
