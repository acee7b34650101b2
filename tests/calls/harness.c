#include "harness.h"

#include "calls/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the host ---- */

bool harness_inside(struct harness *h, bool now)
{
    bool before = h->inside && *h->inside;

    if (h->inside)
        *h->inside = now;
    return before;
}

static void wake(void *arg)
{
    struct harness *h = arg;

    pthread_mutex_lock(&h->lock);
    h->wake = true;
    pthread_cond_signal(&h->woken);
    pthread_mutex_unlock(&h->lock);
}

static uint64_t host_now(void *arg)
{
    return ((struct harness *)arg)->now;
}

static uint64_t host_wall(void *arg)
{
    return ((struct harness *)arg)->wall;
}

static void host_work(void *arg, struct server_work *work)
{
    struct harness *h = arg;

    assert_true(h->work_count < WORKS_THREADS);
    h->work[h->work_count++] = work;
}

static void host_flush(void *arg, void *conn)
{
    struct peer *peer = conn;
    bool before;

    if (peer->slow)
        return;
    before = harness_inside(arg, false);
    buf_append(&peer->in, peer->session->out.data, peer->session->out.len);
    buf_consume(&peer->session->out, peer->session->out.len);
    assert_false(peer->in.failed);
    harness_inside(arg, before);
    session_ready(peer->session);
}

static void host_arm(void *arg, uint64_t milliseconds)
{
    struct harness *h = arg;

    h->armed = true;
    h->due = h->now + milliseconds;
}

static uint64_t host_random(void *arg)
{
    return ++((struct harness *)arg)->randoms * UINT64_C(0x9E3779B97F4A7C15);
}

static const char *host_peer(void *arg, void *conn)
{
    (void)arg;
    (void)conn;
    return "a peer of the tests";
}

static bool host_own(void *arg, void *conn)
{
    (void)arg;
    return !((struct peer *)conn)->other;
}

static void host_memory(void *arg, struct host_memory *out)
{
    (void)arg;
    *out = (struct host_memory){
        .resident = HARNESS_RESIDENT,
        .process = HARNESS_PROCESS,
        .connections = HARNESS_CONNECTIONS,
        .buffers = HARNESS_BUFFERS,
        .shed = HARNESS_SHED,
    };
}

static void host_prefer(void *arg, void *conn, bool preferred)
{
    (void)arg;
    ((struct peer *)conn)->preferred = preferred;
}

static void host_log(void *arg, enum server_level level, const char *text)
{
    struct harness *h = arg;

    if (level == SERVER_WARNING)
        snprintf(h->warning, sizeof(h->warning), "%s", text);
    if (level == SERVER_NOTICE)
        snprintf(h->notice, sizeof(h->notice), "%s", text);
    if (level == SERVER_TRACE) {
        size_t len = strlen(h->traced);

        snprintf(h->traced + len, sizeof(h->traced) - len, "%s\n", text);
    }
}

static void host_close(void *arg, void *conn)
{
    (void)arg;
    ((struct peer *)conn)->hung_up = true;
}

uint32_t work_run(struct harness *h)
{
    uint32_t turns = 0;

    for (; h->work_count > 0; turns++) {
        struct server_work *work = h->work[0];

        memmove(h->work, h->work + 1, --h->work_count * sizeof(work));
        harness_inside(h, true);
        work->run(work);
        work->milliseconds = 0.25;
        work->done(work);
        harness_inside(h, false);
    }
    return turns;
}

/* One round of what the loop would do. Returns whether there may be more. */
static bool turn(struct harness *h)
{
    size_t collected;

    if (!h->hold_work)
        work_run(h);
    harness_inside(h, true);
    server_flush(h->server);
    collected = store_poll(h->store);
    harness_inside(h, false);
    return collected > 0 || (!h->hold_work && h->work_count > 0);
}

void harness_pump(struct harness *h)
{
    while (turn(h))
        ;
}

void harness_pass(struct harness *h, uint64_t milliseconds)
{
    uint64_t until = h->now + milliseconds;

    while (h->armed && h->due <= until) {
        h->now = h->due > h->now ? h->due : h->now;
        h->armed = false;
        harness_inside(h, true);
        server_tick(h->server);
        harness_inside(h, false);
        harness_pump(h);
    }
    h->now = until;
    harness_pump(h);
}

void harness_tick(struct harness *h)
{
    harness_pass(h, h->armed && h->due > h->now ? h->due - h->now : 0);
}

void harness_wait(struct harness *h)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&h->lock);
    while (!h->wake)
        assert_int_equal(pthread_cond_timedwait(&h->woken, &h->lock, &until), 0);
    h->wake = false;
    pthread_mutex_unlock(&h->lock);
}

void harness_quiet(struct harness *h)
{
    struct store_info info;

    harness_pump(h);
    for (store_info(h->store, &info); info.queued_bytes > 0; store_info(h->store, &info)) {
        harness_wait(h);
        harness_pump(h);
    }
    harness_pump(h);
}

void harness_up(struct harness *h)
{
    struct server_host host = {
        .arg = h,
        .now = host_now,
        .wall = host_wall,
        .work = host_work,
        .flush = host_flush,
        .arm = host_arm,
        .random = host_random,
        .peer = host_peer,
        .own = host_own,
        .memory = host_memory,
        .prefer = host_prefer,
        .close = host_close,
        .log = host_log,
        .verbose = true,
    };
    struct evd_error err = {0};

    host.limits = h->limits;
    host.trace = h->trace;
    host.backup_dir = h->backup_dir;
    h->armed = false;
    if (store_open(&h->store, h->path, wake, h, &err) != EVD_OK ||
        server_new(&h->server, &host, h->store, &calls_ops, &err) != EVD_OK ||
        server_load(h->server, &err) != EVD_OK || store_start(h->store, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

void harness_start(struct harness *h)
{
    *h = (struct harness){.now = 1000, .wall = 1700000000, .limits = SERVER_LIMITS_NORMAL};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->woken, NULL);
    snprintf(h->folder, sizeof(h->folder), "/tmp/evd-calls-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    snprintf(h->path, sizeof(h->path), "%s/db", h->folder);
    harness_up(h);
}

void harness_down(struct harness *h)
{
    server_drain(h->server);
    harness_quiet(h);
    server_stop(h->server);
    server_flush(h->server);
    while (h->peers)
        peer_close(h->peers);
    work_run(h);
    store_close(h->store);
    server_free(h->server);
}

void harness_restart(struct harness *h)
{
    harness_down(h);
    harness_up(h);
}

void harness_stop(struct harness *h)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
    char path[128];

    harness_down(h);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", h->path, ends[i]);
        unlink(path);
    }
    rmdir(h->folder);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->woken);
}

int harness_setup(void **state)
{
    static struct harness h;

    harness_start(&h);
    *state = &h;
    return 0;
}

int harness_teardown(void **state)
{
    harness_stop(*state);
    return 0;
}
