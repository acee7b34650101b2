/*
 * Batches a second from evendrawd to workers, beside a bare server that sends the same bytes under
 * the same window. What counts is the ratio: absolute figures are the machine's.
 *
 *   bench_delivery EVENDRAWD EVENDRAWD_NOOP JSON_FILE
 *
 * Every figure is the median of several short runs; the servers take turns within each repeat, so
 * that a disturbance of the machine meets all of them.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare_server.h"
#include "server.h"
#include "worker.h"

#define SECONDS     0.25 /* of one run, after a warm-up of a tenth of it */
#define REPEATS     7
#define MAX_WORKERS 4
#define SAMPLES     1000000u
#define CLASSES     100u
/* An epoch's end is a commit to the disk. Strategies that allow it have epochs so long that none
 * ends; `uniform` has one every SAMPLES draws. */
#define ENDLESS "\"num_samples\": 4000000000"

enum transport { UNIX, TCP };
static const char *const transport_names[] = {"unix", "tcp"};
static const uint32_t sizes[] = {256, 4096};

/* Who is measured: in each cell (transport, workers, batch size) all of them, in turn. */
enum { BARE, NOOP, WEIGHTED, STRATIFIED, UNIFORM, CONTESTANTS };
static const struct contestant {
    const char *name;
    const char *strategy; /* JSON; NULL: the bare server */
    double target;        /* of the bare server's batches a second; 0: none is set */
} contestants[CONTESTANTS] = {
    {"bare server", NULL, 0},
    {"no-op draw", "{\"kind\": \"weighted\", " ENDLESS "}", 0.9},
    {"weighted inverse", "{\"kind\": \"weighted\", \"weight\": \"inverse\", " ENDLESS "}", 0.35},
    {"stratified equal", "{\"kind\": \"stratified\", \"proportions\": \"equal\", " ENDLESS "}", 0},
    {"uniform", "{\"kind\": \"uniform\"}", 0},
};

static struct server daemons[2] = {{0}, {0}}; /* real, no-op */
static struct address daemon_address[2][2];   /* [daemon][transport] */
static struct address bare_address[2][2];     /* [size][transport] */
static pid_t bare_pid[2];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void set_tcp(struct address *address, int listener)
{
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;

    if (getsockname(listener, (struct sockaddr *)&bound, &size) != 0)
        die("getsockname");
    *address = (struct address){.kind = ADDRESS_TCP, .host = "127.0.0.1"};
    snprintf(address->port, sizeof address->port, "%d", ntohs(bound.sin_port));
}

static int listen_tcp(struct address *address)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 16) != 0)
        die("listen");
    set_tcp(address, fd);
    return fd;
}

static int listen_unix(struct address *address, const char *dir, uint32_t n)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    address->kind = ADDRESS_UNIX;
    snprintf(address->path, sizeof address->path, "%s/bare-%u", dir, (unsigned)n);
    snprintf(local.sun_path, sizeof local.sun_path, "%s", address->path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) != 0 || listen(fd, 16) != 0)
        die("listen");
    return fd;
}

static void start_bare(int i)
{
    int listeners[2] = {listen_unix(&bare_address[i][UNIX], daemons[0].dir, sizes[i]),
                        listen_tcp(&bare_address[i][TCP])};

    bare_pid[i] = fork();
    if (bare_pid[i] < 0)
        die("fork");
    if (bare_pid[i] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bare_serve(listeners, sizes[i]);
    }
    close(listeners[UNIX]);
    close(listeners[TCP]);
}

static void create_jobs(evd_client *client, bool noop)
{
    char params[256];

    for (int c = 0; c < CONTESTANTS; c++) {
        if (c == BARE || (c == NOOP) != noop)
            continue;
        for (int i = 0; i < 2; i++) {
            snprintf(params, sizeof params,
                     "{\"name\": \"%s %u\", \"dataset\": \"bench\", \"batch_size\": %u, "
                     "\"strategy\": %s}",
                     contestants[c].name, (unsigned)sizes[i], (unsigned)sizes[i],
                     contestants[c].strategy);
            tell(client, "job.create", params);
        }
    }
}

static void start_daemon(int i, const char *program)
{
    char listen_to[64];
    const char *options[] = {"--listen", listen_to, NULL};
    struct address *tcp = &daemon_address[i][TCP];
    evd_client *client;

    close(listen_tcp(tcp)); /* for a free port */
    snprintf(listen_to, sizeof listen_to, "tcp:127.0.0.1:%s", tcp->port);
    daemons[i].program = program;
    daemons[i].options = options;
    server_start(&daemons[i]);
    daemons[i].options = NULL;
    daemon_address[i][UNIX].kind = ADDRESS_UNIX;
    snprintf(daemon_address[i][UNIX].path, sizeof daemon_address[i][UNIX].path, "%s",
             daemons[i].address + strlen("unix:"));
    client = server_dial(&daemons[i]);
    load(client, "bench", SAMPLES, CLASSES);
    create_jobs(client, i == 1);
    evd_close(client);
}

/* One run: batches a second of all workers together. */
static double run_once(int contestant, enum transport transport, int workers, int size)
{
    const struct address *address = contestant == BARE
                                        ? &bare_address[size][transport]
                                        : &daemon_address[contestant == NOOP][transport];
    struct worker_result result;
    double rate = 0;
    char job[64];
    int ends[2];

    snprintf(job, sizeof job, "%s %u", contestants[contestant].name, (unsigned)sizes[size]);
    if (pipe(ends) != 0)
        die("pipe");
    for (int w = 0; w < workers; w++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            result = worker_run(address, contestant == BARE ? NULL : job, SECONDS);
            _exit(write(ends[1], &result, sizeof result) != sizeof result);
        }
    }
    close(ends[1]);
    for (int w = 0; w < workers; w++) {
        if (read(ends[0], &result, sizeof result) != sizeof result) {
            fprintf(stderr, "a worker of %s failed\n", job);
            exit(1);
        }
        rate += (double)result.batches / result.seconds;
    }
    close(ends[0]);
    for (int w = 0; w < workers; w++)
        wait(NULL);
    return rate;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[REPEATS];

    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, REPEATS, sizeof *sorted, compare);
    return sorted[REPEATS / 2];
}

static void report(json_t *rows, int contestant, enum transport transport, int workers, int size,
                   double rate, double ratio, double bare)
{
    const struct contestant *c = &contestants[contestant];

    if (contestant == BARE)
        printf("%-5s %7d %8u  ", transport_names[transport], workers, (unsigned)sizes[size]);
    else
        printf("%24s", "");
    printf("%-17s %10.0f %12.1f %8.2f", c->name, rate, rate * sizes[size] / 1e6, ratio);
    if (c->target > 0)
        printf("   target %.2f: %s", c->target, ratio >= c->target ? "met" : "short by ");
    if (ratio < c->target)
        printf("%.2f", c->target - ratio);
    if (contestant == WEIGHTED)
        printf(" (the target is %.0f M draws/s)", c->target * bare * sizes[size] / 1e6);
    printf("\n");
    fflush(stdout);
    json_array_append_new(rows, json_pack("{s:s s:i s:i s:s s:f s:f s:f s:f}", "transport",
                                          transport_names[transport], "workers", workers, "indices",
                                          (int)sizes[size], "server", c->name, "batches_per_s",
                                          rate, "indices_per_s", rate * sizes[size], "of_bare",
                                          ratio, "target", c->target));
}

static void measure_cell(json_t *rows, enum transport transport, int workers, int size)
{
    double rates[CONTESTANTS][REPEATS], ratios[CONTESTANTS][REPEATS];

    for (int r = 0; r < REPEATS; r++)
        for (int c = 0; c < CONTESTANTS; c++) {
            rates[c][r] = run_once(c, transport, workers, size);
            ratios[c][r] = rates[c][r] / rates[BARE][r];
        }
    for (int c = 0; c < CONTESTANTS; c++)
        report(rows, c, transport, workers, size, median(rates[c]), median(ratios[c]),
               median(rates[BARE]));
}

int main(int argc, char **argv)
{
    json_t *rows = json_array();

    if (argc != 4) {
        fprintf(stderr, "usage: bench_delivery EVENDRAWD EVENDRAWD_NOOP JSON_FILE\n");
        return 2;
    }
    start_daemon(0, argv[1]);
    start_daemon(1, argv[2]);
    start_bare(0);
    start_bare(1);
    printf("\nDelivery, window 8: medians of %d interleaved runs of %.2f s\n", REPEATS, SECONDS);
    printf("%-5s %7s %8s  %-17s %10s %12s %8s\n", "", "workers", "indices", "server", "batches/s",
           "M indices/s", "of bare");
    for (enum transport transport = UNIX; transport <= TCP; transport++)
        for (int workers = 1; workers <= MAX_WORKERS; workers += 3)
            for (int size = 0; size < 2; size++)
                measure_cell(rows, transport, workers, size);
    for (int i = 0; i < 2; i++) {
        kill(bare_pid[i], SIGKILL);
        waitpid(bare_pid[i], NULL, 0);
        server_remove(&daemons[1 - i]);
    }
    if (json_dump_file(rows, argv[3], JSON_INDENT(2)) != 0)
        die(argv[3]);
    json_decref(rows);
    return 0;
}
