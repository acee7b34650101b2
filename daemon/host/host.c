/*
 * Starting, stopping, and what lies between: one run of the daemon. main calls host_run.
 */
#include "calls/calls.h"
#include "host/host.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "host/framing.h"
#include "host/heap.h"
#include "host/internal.h"
#include "host/log.h"
#include "host/peers.h"
#include "host/services.h"
#include "host/stop.h"
#include "store/engine.h"

/* How long an exit at once waits for lines that are being written. */
#define LOG_AT_ONCE_MS 100u

/* Stages that may follow each, as bits. */
static const unsigned followers[] = {
    [HOST_STARTING] = 1u << HOST_SERVING | 1u << HOST_CLOSING,
    [HOST_SERVING] = 1u << HOST_LEASES,
    [HOST_LEASES] = 1u << HOST_DRAINING,
    [HOST_DRAINING] = 1u << HOST_FINISHING,
    [HOST_FINISHING] = 1u << HOST_CLOSING,
    [HOST_CLOSING] = 0,
};

void host_enter(struct host *host, enum host_stage stage)
{
    assert(followers[host->stage] & 1u << stage);
    host->stage = stage;
}

void host_log(const struct host *host, enum net_level level, const char *text)
{
    if (level == NET_WARNING)
        log_line("evendrawd: warning: %s", text);
    else if (host->config->verbose)
        log_line("evendrawd: %s", text);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct host *host = handle->data;

    if (host->stage != HOST_SERVING) {
        log_end(LOG_AT_ONCE_MS);
        _exit(EXIT_FAILURE);
    }
    log_line("evendrawd: %s: stopping (once more to exit at once)",
             number == SIGTERM ? "SIGTERM" : "SIGINT");
    stop_begin(host);
}

/* ---- the beginning ---- */

static int init_handles(struct host *host)
{
    uv_loop_t *loop = &host->loop;
    int rc;

    if ((rc = services_init(host)) < 0 || (rc = heap_init(host)) < 0 ||
        (rc = uv_timer_init(loop, &host->patience)) < 0 ||
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
        .most = SERVER_SEND_LIMIT - EVD_MAX_REPLY_FRAME, /* one more answer fits */
        .buffers = limits->buffers,
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
    struct rlimit limit = {0};

    getrlimit(RLIMIT_NOFILE, &limit); /* what net_descriptors could not raise any further */
    if (fit == 0)
        return error_set(
            err, EVD_E_LIMIT, "descriptors",
            "at most %" PRIuMAX " files may be open, which leaves no connection at all: %u are "
            "needed for one, %u for the %u of --limit connections=%u; raise the hard limit "
            "(ulimit -Hn %u, LimitNOFILE=%u of systemd, --ulimit nofile=%u of docker)",
            (uintmax_t)limit.rlim_cur, NET_DESCRIPTORS(1u), NET_DESCRIPTORS(wanted), wanted, wanted,
            NET_DESCRIPTORS(wanted), NET_DESCRIPTORS(wanted), NET_DESCRIPTORS(wanted));
    if (fit < wanted)
        log_line("evendrawd: warning: at most %" PRIuMAX " files may be open, which allows %" PRIu32
                 " connections, not %" PRIu32 "; for all of them raise the hard limit to %" PRIu32
                 " (ulimit -Hn, LimitNOFILE= of systemd)",
                 (uintmax_t)limit.rlim_cur, fit, wanted, NET_DESCRIPTORS(wanted));
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
            log_line("evendrawd: warning: whoever can reach %s can use and change everything: "
                     "there is no authentication",
                     address);
    }
    fflush(stdout);
    if (host->config->ready_fd < 0)
        return;
    if (write(host->config->ready_fd, ready, sizeof(ready) - 1) < 0)
        log_line("evendrawd: warning: --ready-fd %d: %s", host->config->ready_fd, strerror(errno));
    close(host->config->ready_fd);
}

/* Backups in the folder of the database itself could get names that SQLite takes for parts of it
 * (evendraw.db-journal). */
static int check_backup_dir(const struct host_config *config, struct evd_error *err)
{
    const char *place, *slash, *dir = config->backup_dir;
    struct stat backups, database;
    char *folder;
    int rc;

    if (!dir)
        return EVD_OK;
    if (stat(dir, &backups) < 0 || !S_ISDIR(backups.st_mode) || access(dir, W_OK | X_OK) < 0)
        return error_set(err, EVD_E_BAD_VALUE, dir,
                         "--backup-dir: %s is no folder where evendrawd may write: make it, owned "
                         "by the user that runs evendrawd",
                         dir);
    if (!engine_find(config->database, &place, err))
        return err->code;
    slash = strrchr(place, '/');
    folder = slash ? strndup(place, (size_t)(slash - place) + 1) : strdup(".");
    if (!folder)
        return error_no_memory(err);
    rc = stat(folder, &database);
    free(folder);
    if (rc == 0 && database.st_dev == backups.st_dev && database.st_ino == backups.st_ino)
        return error_set(err, EVD_E_BAD_VALUE, dir,
                         "--backup-dir: the database is in %s: give another folder", dir);
    return EVD_OK;
}

static int start(struct host *host, struct evd_error *err)
{
    int rc = check_backup_dir(host->config, err);

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
        host_enter(host, HOST_CLOSING);
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

/* Signals that by themselves would end the daemon and leave its socket behind. */
static void ignore_signals(void)
{
    static const int ignored[] = {
        SIGPIPE, SIGXFSZ,            /* a limit on the size of files is a full disk */
        SIGHUP,  SIGUSR1,   SIGUSR2, /* there is nothing to read again or to open again */
        SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, /* that nobody here asks for */
    };

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        signal(number, SIG_IGN);
}

int host_run(const struct host_config *config, struct evd_error *err)
{
    struct host host = {
        .config = config, .limits = config->limits, .frame_limits = guard_request_limits};
    int rc;

    host.frame_limits.frame = (uint32_t)config->limits.frame;
    ignore_signals();
    umask(077); /* the database is for nobody else; sockets are given their mode */
    rc = fit_connections(&host, err); /* first: a loop without descriptors aborts */
    if (rc != EVD_OK)
        return rc;
    rc = uv_loop_init(&host.loop);
    if (rc < 0)
        return error_set(err, EVD_E_INTERNAL, "", "cannot make an event loop: %s", uv_strerror(rc));
    rc = start(&host, err);
    if (rc == EVD_OK) {
        host_enter(&host, HOST_SERVING);
        heap_start(&host);
        announce(&host);
        uv_run(&host.loop, UV_RUN_DEFAULT);
    }
    finish(&host);
    return rc;
}
