/* What one peer does to the daemon, and a healthy worker beside it: it gets on, its batches come in
 * their order, none is missing or comes twice (victim.c), somebody else is answered meanwhile, and
 * the daemon holds no more than ARCHITECTURE.md's table of bounds and its own limits say.
 * How long the worker waits is printed, since it is the machine's as well; what is asserted is
 * counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attacks.h"
#include "victim.h"

#define MIB         (1024.0 * 1024)
#define MOST_ROUNDS 100000u
/* Batches that the worker has to get beside each attack, however long that takes. */
#define LEAST_ROUNDS 50u
/* The worker asks once in a while, so that each moment of an attack counts as much as any other. */
#define PAUSE_US 1000u
/* Of an attack's messages handled while one batch is: some turns of the loop (net/turn.h), however
 * fast the machine is, and however many peers there are. */
#define MOST_MESSAGES (8u * 128)
/* What one read, and the answers to it, add to the buffers before some go. */
#define ONE_READ (4u << 20)
/* What the store's queue may hold (store/store.h), and the operation that crossed that. */
#define MOST_QUEUED (66u << 20)
/* What the allocator keeps between the pieces that are in use. */
#define SLACK (64.0 * MIB)

static const char *const options[] = {"--limit", "connections=1024", "--memory-limit", "512000000",
                                      NULL};
static struct server server = {.options = options};
static struct tally *tally;
static struct victim *victim;
static evd_client *bystander; /* who asks how the daemon is */

struct figures {
    uint32_t rounds;
    double p50, p99, worst; /* seconds */
    unsigned long messages; /* of the attack in a round: the median */
    double resident;        /* the most, in bytes */
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct figures watch(double length)
{
    static double times[MOST_ROUNDS], messages[MOST_ROUNDS];
    struct figures figures = {0};
    double end = faults_seconds() + length;
    uint32_t n = 0;

    while (n < MOST_ROUNDS && (n < LEAST_ROUNDS || faults_seconds() < end)) {
        unsigned long before = tally->messages;
        double resident;

        times[n] = victim_round(victim);
        messages[n++] = (double)(tally->messages - before);
        if (n % 16 == 0 && (resident = (double)server_rss(&server)) > figures.resident)
            figures.resident = resident;
        usleep(PAUSE_US);
    }
    qsort(times, n, sizeof(*times), compare);
    qsort(messages, n, sizeof(*messages), compare);
    figures.rounds = n;
    figures.p50 = times[n / 2];
    figures.p99 = times[n - 1 - n / 100];
    figures.worst = times[n - 1];
    figures.messages = (unsigned long)messages[n / 2];
    return figures;
}

static void print(const char *name, const struct figures *own, const struct figures *quiet)
{
    print_message("%-26s %6u %8.3f %6.1f %8.3f %6.1f %9.3f %9lu %9.1f\n", name, own->rounds,
                  own->p50 * 1e3, own->p50 / quiet->p50, own->p99 * 1e3, own->p99 / quiet->p99,
                  own->worst * 1e3, own->messages, own->resident / MIB);
}

static void check(const struct attack *attack, const struct figures *own,
                  const struct figures *quiet)
{
    double growth = own->resident - quiet->resident;

    assert_true(tally->messages + tally->connections > 0);
    assert_true(own->rounds >= LEAST_ROUNDS);
    assert_in_range(own->messages, 0, MOST_MESSAGES);
    if (growth > (double)attack->peer_bytes * faults_scale(attack->peers) + SLACK &&
        !faults_short())
        fail_msg("%s: the daemon grew by %.0f MiB", attack->name, growth / MIB);
}

/* While the attack goes on: what the daemon counts is within its limits. Holds under a sanitizer,
 * too, whose own memory is not counted. */
static void check_limits(const struct attack *attack)
{
    json_t *info = ask(bystander, "server.info", NULL);
    uint64_t buffers = number(info, "holds.buffers"), memory = number(info, "memory");
    uint64_t queued = number(info, "holds.queue");

    if (buffers > number(info, "limits.buffers") + ONE_READ)
        fail_msg("%s: the buffers hold %.0f MiB", attack->name, (double)buffers / MIB);
    if (memory > number(info, "limits.memory"))
        fail_msg("%s: datasets, drafts and jobs hold %.0f MiB", attack->name, (double)memory / MIB);
    if (queued > MOST_QUEUED)
        fail_msg("%s: the store's queue holds %.0f MiB", attack->name, (double)queued / MIB);
    json_decref(info);
}

/* Until the attackers have got through to the daemon. */
static void await(void)
{
    for (int i = 0; i < 6000 && tally->messages + tally->connections == 0; i++) {
        victim_round(victim);
        usleep(10000);
    }
}

/* A daemon that is rid of the attackers: so that one attack does not count for the next. */
static void recover(void)
{
    json_t *info = NULL;

    for (int i = 0; i < 6000 && (!info || number(info, "connections") > 2); i++) {
        json_decref(info);
        info = ask(bystander, "server.info", NULL);
        victim_round(victim);
        usleep(10000);
    }
    assert_true(number(info, "connections") <= 2);
    json_decref(info);
}

static void test_pressure(void **state)
{
    double length = getenv("EVD_LONG") ? 10 : faults_short() ? 0.2 : 0.7;
    const char *only = getenv("EVD_ATTACK"); /* a part of the name of those to be run */
    struct figures quiet, own;

    (void)state;
    watch(0.1);
    quiet = watch(length);
    print_message("%-26s %6s %8s %6s %8s %6s %9s %9s %9s\n", "", "rounds", "p50 ms", "x", "p99 ms",
                  "x", "worst ms", "messages", "MiB");
    print("quiet", &quiet, &quiet);
    for (uint32_t i = 0; i < attack_count; i++) {
        pid_t pid;

        if (only && !strstr(attacks[i].name, only))
            continue;
        memset(tally, 0, sizeof(*tally));
        pid = attack_begin(&attacks[i], &server, tally);
        await();
        watch(length / 4);
        own = watch(length);
        check_limits(&attacks[i]);
        attack_end(pid);
        print(attacks[i].name, &own, &quiet);
        if (tally->updates > 0 || strstr(attacks[i].name, "preview"))
            print_message("%26s %lu trivial job.update, the longest %.1f ms\n", "", tally->updates,
                          (double)tally->update_us / 1e3);
        check(&attacks[i], &own, &quiet);
        recover();
    }
}

static int start(void **state)
{
    struct sockaddr_un address;
    struct rlimit limit;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 2000 ? limit.rlim_max : 2000;
    setrlimit(RLIMIT_NOFILE, &limit);
    tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(tally != MAP_FAILED);
    server_start(&server);
    attacks_prepare(&server);
    bystander = server_dial(&server);
    tell(bystander, "job.create",
         "{\"name\": \"healthy\", \"dataset\": \"big\", \"batch_size\": 32, \"seed\": 7, "
         "\"strategy\": " VICTIM_STRATEGY "}");
    address = faults_address(&server);
    victim = victim_attach(&address, "healthy");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    victim_detach(victim);
    evd_close(bystander);
    server_remove(&server);
    munmap(tally, sizeof(*tally));
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pressure)};

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
