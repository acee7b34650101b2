/*
 * Starting, stopping, and what lies between: one run of the daemon. main calls host_run.
 */
#include "calls/calls.h"
#include "host/host.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/framing.h"
#include "host/internal.h"
#include "host/peers.h"
#include "host/services.h"

/* How long workers may take to finish what they have, and then the store to write. With
 * NET_FINISH_MS for peers that do not close, it ends within 10 s. */
#define LEASES_MS 3000u
#define DRAIN_MS  2500u
#define POLL_MS   20u

/* Stages that may follow each, as bits. */
static const unsigned followers[] = {
    [HOST_STARTING] = 1u << HOST_SERVING | 1u << HOST_CLOSING,
    [HOST_SERVING] = 1u << HOST_LEASES,
    [HOST_LEASES] = 1u << HOST_DRAINING,
    [HOST_DRAINING] = 1u << HOST_FINISHING,
    [HOST_FINISHING] = 1u << HOST_CLOSING,
    [HOST_CLOSING] = 0,
};

static void enter(struct host *host, enum host_stage stage)
{
    assert(followers[host->stage] & 1u << stage);
    host->stage = stage;
}

void host_log(const struct host *host, enum net_level level, const char *text)
{
    if (level == NET_WARNING)
        fprintf(stderr, "evendrawd: warning: %s\n", text);
    else if (host->config->verbose)
        fprintf(stderr, "evendrawd: %s\n", text);
}

/* Nothing queued, and nothing to be handed back. (What store_poll finds here is flushed by the wake
 * that comes with it.) */
static bool store_is_quiet(struct host *host)
{
    struct store_info info;

    store_info(host->store, &info);
    return info.queued_bytes == 0 && store_poll(host->store) == 0;
}

/* ---- the end ---- */

static void finish_connections(struct host *host)
{
    enter(host, HOST_FINISHING);
    net_finish(host->net);
    host_proceed(host);
}

void host_proceed(struct host *host)
{
    if (host->stage == HOST_DRAINING && host->working == 0 && store_is_quiet(host)) {
        finish_connections(host);
    } else if (host->stage == HOST_FINISHING && host->working == 0 &&
               net_connections(host->net) == 0) {
        enter(host, HOST_CLOSING);
        net_close(host->net);
    }
}

static void on_patience(uv_timer_t *timer)
{
    struct host *host = timer->data;

    if (host->stage == HOST_DRAINING)
        finish_connections(host);
}

static void stop(struct host *host)
{
    enter(host, HOST_DRAINING);
    uv_timer_start(&host->patience, on_patience, DRAIN_MS, 0);
    server_stop(host->server);
    net_flush(host->net);
    host_proceed(host);
}

/* While workers finish: a look every now and then is simple, and soon over. */
static void on_leases(uv_timer_t *timer)
{
    struct host *host = timer->data;

    if (server_outstanding(host->server) > 0 && uv_now(&host->loop) < host->leases_until)
        return;
    stop(host);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct host *host = handle->data;

    if (host->stage != HOST_SERVING)
        _exit(EXIT_FAILURE);
    fprintf(stderr, "evendrawd: %s: stopping (once more to exit at once)\n",
            number == SIGTERM ? "SIGTERM" : "SIGINT");
    enter(host, HOST_LEASES);
    host->leases_until = uv_now(&host->loop) + LEASES_MS;
    net_quiet(host->net);
    server_drain(host->server);
    net_flush(host->net);
    uv_timer_start(&host->patience, on_leases, 0, POLL_MS);
}

/* ---- the beginning ---- */

static int init_handles(struct host *host)
{
    uv_loop_t *loop = &host->loop;
    int rc;

    if ((rc = services_init(host)) < 0 || (rc = uv_timer_init(loop, &host->patience)) < 0 ||
        (rc = uv_signal_init(loop, &host->sigterm)) < 0 ||
        (rc = uv_signal_init(loop, &host->sigint)) < 0)
        return rc;
    host->patience.data = host->sigterm.data = host->sigint.data = host;
    return 0;
}

static int open_server(struct host *host, struct evd_error *err)
{
    struct server_host services = services_for_server(host);
    int rc = store_open(&host->store, host->config->database, services_wake, host, err);

    if (rc == EVD_OK)
        rc = server_new(&host->server, &services, host->store, &calls_ops, err);
    if (rc == EVD_OK)
        rc = server_load(host->server, err);
    if (rc == EVD_OK)
        rc = store_start(host->store, err);
    return rc;
}

static int open_net(struct host *host, struct evd_error *err)
{
    const struct server_limits *limits = &host->limits;
    struct net_config config = {
        .loop = &host->loop,
        .max_connections = (uint32_t)limits->connections,
        .max_each = (uint32_t)limits->connections_each,
        .high_water = limits->send_buffer,
        .low_water = limits->send_buffer / 4,
        .most = SERVER_SEND_LIMIT - EVD_MAX_REPLY_FRAME, /* one more answer fits */
        .hello_ms = 1000 * limits->hello_time,
        .frame_ms = 1000 * limits->frame_time,
        .framing = message_framing(&host->frame_limits),
        .events = peers_events(host),
    };
    int rc = net_new(&host->net, &config, err);

    for (size_t i = 0; rc == EVD_OK && i < host->config->address_count; i++)
        rc = net_listen(host->net, host->config->addresses[i], err);
    return rc;
}

/* How many connections the limit of descriptors leaves of those wanted, and one peer of those. */
static int fit_connections(struct host *host, struct evd_error *err)
{
    struct server_limits *limits = &host->limits;
    uint32_t wanted = (uint32_t)limits->connections;
    uint32_t fit = net_descriptors(wanted);

    if (fit == 0)
        return error_set(err, EVD_E_LIMIT, "descriptors",
                         "the limit of open files leaves no connection at all; raise it "
                         "(ulimit -n)");
    if (fit < wanted)
        fprintf(stderr,
                "evendrawd: warning: the limit of open files allows %" PRIu32
                " connections, not %" PRIu32 "; raise it (ulimit -n) for more\n",
                fit, wanted);
    limits->connections = fit;
    if (limits->connections_each == 0)
        limits->connections_each = server_limit_each(fit);
    return EVD_OK;
}

static void announce(const struct host *host)
{
    static const char ready[] = "ready\n";
    const char *address;

    for (size_t i = 0; (address = net_address(host->net, i)); i++) {
        printf("listening on %s\n", address);
        if (strncmp(address, "tcp:", 4) == 0 && strncmp(address, "tcp:127.", 8) != 0 &&
            strncmp(address, "tcp:[::1]:", 10) != 0)
            fprintf(stderr,
                    "evendrawd: warning: whoever can reach %s can use and change everything: "
                    "there is no authentication\n",
                    address);
    }
    fflush(stdout);
    if (host->config->ready_fd < 0)
        return;
    if (write(host->config->ready_fd, ready, sizeof(ready) - 1) < 0)
        fprintf(stderr, "evendrawd: warning: --ready-fd %d: %s\n", host->config->ready_fd,
                strerror(errno));
    close(host->config->ready_fd);
}

static int start(struct host *host, struct evd_error *err)
{
    int rc = fit_connections(host, err);

    if (rc != EVD_OK)
        return rc;
    rc = init_handles(host);
    if (rc < 0)
        return error_set(err, EVD_E_INTERNAL, "", "cannot set up the event loop: %s",
                         uv_strerror(rc));
    rc = open_server(host, err);
    if (rc == EVD_OK)
        rc = open_net(host, err);
    if (rc != EVD_OK)
        return rc;
    if ((rc = uv_signal_start(&host->sigterm, on_signal, SIGTERM)) < 0 ||
        (rc = uv_signal_start(&host->sigint, on_signal, SIGINT)) < 0)
        return error_set(err, EVD_E_INTERNAL, "", "cannot watch for signals: %s", uv_strerror(rc));
    return EVD_OK;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* After whatever start has begun, or after serving (then net is gone already). The store goes
 * before the server, to which its last callbacks belong, and before the handle that it wakes the
 * loop by.
 */
static void finish(struct host *host)
{
    if (host->stage != HOST_CLOSING)
        enter(host, HOST_CLOSING);
    if (host->net) {
        net_close(host->net);
        uv_run(&host->loop, UV_RUN_DEFAULT);
    }
    store_close(host->store);
    if (host->server)
        server_free(host->server);
    uv_walk(&host->loop, close_handle, NULL);
    uv_run(&host->loop, UV_RUN_DEFAULT);
    uv_loop_close(&host->loop);
}

int host_run(const struct host_config *config, struct evd_error *err)
{
    struct host host = {
        .config = config, .limits = config->limits, .frame_limits = guard_request_limits};
    int rc;

    host.frame_limits.frame = (uint32_t)config->limits.frame;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a full disk */
    umask(077);               /* the database is for nobody else; sockets are given their mode */
    rc = uv_loop_init(&host.loop);
    if (rc < 0)
        return error_set(err, EVD_E_INTERNAL, "", "cannot make an event loop: %s", uv_strerror(rc));
    rc = start(&host, err);
    if (rc == EVD_OK) {
        enter(&host, HOST_SERVING);
        announce(&host);
        uv_run(&host.loop, UV_RUN_DEFAULT);
    }
    finish(&host);
    return rc;
}
