/*
 * Batches a second from evendrawd to workers, beside a bare server that sends the same bytes under
 * the same window. What counts is the ratio: absolute figures are the machine's.
 *
 *   bench_delivery EVENDRAWD EVENDRAWD_NOOP JSON_FILE
 *
 * Every figure is the median of several short runs; the servers take turns within each repeat, so
 * that a disturbance of the machine meets all of them. Servers run on one processor and workers on
 * the others, and no processor falls asleep: otherwise the time it takes to wake one (50 us and
 * more on a virtual machine) would be all that is measured.
 */
#define _GNU_SOURCE /* CPU_SET, SCHED_IDLE */
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
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

/* ---- processors ---- */

static cpu_set_t server_cpus, worker_cpus;
static pid_t awake[CPU_SETSIZE];
static int awake_count;

static void use(const cpu_set_t *cpus)
{
    if (sched_setaffinity(0, sizeof(*cpus), cpus) != 0)
        die("sched_setaffinity");
}

/* Runs when nothing else wants to. */
static void keep_awake(int cpu)
{
    const struct sched_param none = {0};
    cpu_set_t cpus;
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid > 0) {
        awake[awake_count++] = pid;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    use(&cpus);
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        die("sched_setscheduler");
    for (volatile unsigned i = 0;; i++)
        ;
}

/* One processor for servers, the rest for workers; if there is only one, for both. */
static void share_processors(void)
{
    cpu_set_t all;

    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        die("sched_getaffinity");
    worker_cpus = all;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        if (CPU_COUNT(&server_cpus) == 0) {
            CPU_SET(cpu, &server_cpus);
            if (CPU_COUNT(&all) > 1)
                CPU_CLR(cpu, &worker_cpus);
        }
        keep_awake(cpu);
    }
    use(&server_cpus);
}

/* Seconds of processor time that a process has taken. */
static double processor_time(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        die("clock_gettime");
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- servers ---- */

static void set_tcp(struct address *address, int listener)
{
    struct sockaddr_in bound;
    socklen_t size = sizeof(bound);

    if (getsockname(listener, (struct sockaddr *)&bound, &size) != 0)
        die("getsockname");
    *address = (struct address){.kind = ADDRESS_TCP, .host = "127.0.0.1"};
    snprintf(address->port, sizeof(address->port), "%d", ntohs(bound.sin_port));
}

static int listen_tcp(struct address *address)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(fd, 16) != 0)
        die("listen");
    set_tcp(address, fd);
    return fd;
}

static int listen_unix(struct address *address, const char *dir, uint32_t n)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    address->kind = ADDRESS_UNIX;
    snprintf(address->path, sizeof(address->path), "%s/bare-%u", dir, (unsigned)n);
    snprintf(local.sun_path, sizeof(local.sun_path), "%s", address->path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 || listen(fd, 16) != 0)
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
            snprintf(params, sizeof(params),
                     "{\"name\": \"%s %u\", \"dataset\": \"bench\", \"batch_size\": %u, "
                     "\"grace\": 0, \"strategy\": %s}",
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
    snprintf(listen_to, sizeof(listen_to), "tcp:127.0.0.1:%s", tcp->port);
    daemons[i].program = program;
    daemons[i].options = options;
    server_start(&daemons[i]);
    daemons[i].options = NULL;
    daemon_address[i][UNIX].kind = ADDRESS_UNIX;
    snprintf(daemon_address[i][UNIX].path, sizeof(daemon_address)[i][UNIX].path, "%s",
             daemons[i].address + strlen("unix:"));
    client = server_dial(&daemons[i]);
    load(client, "bench", SAMPLES, CLASSES);
    create_jobs(client, i == 1);
    evd_close(client);
}

/* ---- measuring ---- */

struct figures {
    double rate; /* batches a second of all workers together */
    double cost; /* seconds of the server's processor time, of a batch */
};

static pid_t server_pid(int contestant, int size)
{
    return contestant == BARE ? bare_pid[size] : daemons[contestant == NOOP].pid;
}

static void start_worker(int contestant, enum transport transport, int size, int out)
{
    const struct address *address = contestant == BARE
                                        ? &bare_address[size][transport]
                                        : &daemon_address[contestant == NOOP][transport];
    struct worker_result result;
    char job[64];
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid > 0)
        return;
    use(&worker_cpus);
    snprintf(job, sizeof(job), "%s %u", contestants[contestant].name, (unsigned)sizes[size]);
    result = worker_run(address, contestant == BARE ? NULL : job, SECONDS);
    _exit(write(out, &result, sizeof(result)) != sizeof(result));
}

static struct figures run_once(int contestant, enum transport transport, int workers, int size)
{
    pid_t server = server_pid(contestant, size);
    double before = processor_time(server);
    struct worker_result result;
    struct figures figures = {0};
    uint64_t all = 0;
    int ends[2];

    if (pipe(ends) != 0)
        die("pipe");
    for (int w = 0; w < workers; w++)
        start_worker(contestant, transport, size, ends[1]);
    close(ends[1]);
    for (int w = 0; w < workers; w++) {
        if (read(ends[0], &result, sizeof(result)) != sizeof(result)) {
            fprintf(stderr, "a worker of %s failed\n", contestants[contestant].name);
            exit(1);
        }
        figures.rate += (double)result.batches / result.seconds;
        all += result.all;
    }
    figures.cost = (processor_time(server) - before) / (double)all;
    close(ends[0]);
    for (int w = 0; w < workers; w++)
        wait(NULL);
    return figures;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values)
{
    double sorted[REPEATS];

    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, REPEATS, sizeof(*sorted), compare);
    return sorted[REPEATS / 2];
}

/* Of one contestant in one cell: medians of the repeats. Ratios are those within a repeat. */
struct row {
    double rate, cost;
    double of_bare;      /* batches a second, by those of the bare server */
    double cost_of_bare; /* the bare server's cost, by this one's */
};

static struct row row_of(const struct figures *own, const struct figures *bare)
{
    double values[4][REPEATS];

    for (int r = 0; r < REPEATS; r++) {
        values[0][r] = own[r].rate;
        values[1][r] = own[r].cost;
        values[2][r] = own[r].rate / bare[r].rate;
        values[3][r] = bare[r].cost / own[r].cost;
    }
    return (struct row){median(values[0]), median(values[1]), median(values[2]), median(values[3])};
}

static void report(json_t *rows, int contestant, enum transport transport, int workers, int size,
                   const struct row *row, double bare)
{
    const struct contestant *c = &contestants[contestant];

    if (contestant == BARE)
        printf("%-5s %7d %8u  ", transport_names[transport], workers, (unsigned)sizes[size]);
    else
        printf("%24s", "");
    printf("%-17s %10.0f %12.1f %8.2f %9.2f %8.2f", c->name, row->rate,
           row->rate * sizes[size] / 1e6, row->of_bare, row->cost * 1e6, row->cost_of_bare);
    if (c->target > 0)
        printf("   target %.2f: %s", c->target, row->of_bare >= c->target ? "met" : "short by ");
    if (row->of_bare < c->target)
        printf("%.2f", c->target - row->of_bare);
    if (contestant == WEIGHTED)
        printf(" (the target is %.0f M draws/s)", c->target * bare * sizes[size] / 1e6);
    printf("\n");
    fflush(stdout);
    json_array_append_new(rows,
                          json_pack("{s:s s:i s:i s:s s:f s:f s:f s:f s:f s:f}", "transport",
                                    transport_names[transport], "workers", workers, "indices",
                                    (int)sizes[size], "server", c->name, "batches_per_s", row->rate,
                                    "indices_per_s", row->rate * sizes[size], "of_bare",
                                    row->of_bare, "processor_us_per_batch", row->cost * 1e6,
                                    "processor_of_bare", row->cost_of_bare, "target", c->target));
}

static void measure_cell(json_t *rows, enum transport transport, int workers, int size)
{
    struct figures figures[CONTESTANTS][REPEATS];
    struct row row[CONTESTANTS];

    for (int r = 0; r < REPEATS; r++) {
        for (int c = 0; c < CONTESTANTS; c++)
            figures[c][r] = run_once(c, transport, workers, size);
    }
    for (int c = 0; c < CONTESTANTS; c++) {
        row[c] = row_of(figures[c], figures[BARE]);
        report(rows, c, transport, workers, size, &row[c], row[BARE].rate);
    }
}

int main(int argc, char **argv)
{
    json_t *rows = json_array();

    if (argc != 4) {
        fprintf(stderr, "usage: bench_delivery EVENDRAWD EVENDRAWD_NOOP JSON_FILE\n");
        return 2;
    }
    share_processors();
    start_daemon(0, argv[1]);
    start_daemon(1, argv[2]);
    start_bare(0);
    start_bare(1);
    printf("\nDelivery, window 8: medians of %d interleaved runs of %.2f s\n", REPEATS, SECONDS);
    printf("%-5s %7s %8s  %-17s %10s %12s %8s %9s %8s\n", "", "", "", "", "", "", "", "server", "");
    printf("%-5s %7s %8s  %-17s %10s %12s %8s %9s %8s\n", "", "workers", "indices", "server",
           "batches/s", "M indices/s", "of bare", "us/batch", "of bare");
    for (enum transport transport = UNIX; transport <= TCP; transport++)
        for (int workers = 1; workers <= MAX_WORKERS; workers += 3)
            for (int size = 0; size < 2; size++)
                measure_cell(rows, transport, workers, size);
    for (int i = 0; i < awake_count; i++) {
        kill(awake[i], SIGKILL);
        waitpid(awake[i], NULL, 0);
    }
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
