/* Workers are killed, stopped and cut off from the daemon, at random, sixteen at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "changer.h"
#include "faults.h"
#include "proxy.h"

#define STEPS   1000u
#define WORKERS 16u
#define RANKS   4u
/* Half of the workers come over a network that fails. */
#define PROXIES (WORKERS / 2)
/* How long leases and lost connections last. Short, and yet longer than an undisturbed worker may
 * be held up by a busy machine, or by a sanitizer. */
#define TIMES(ms) ", \"time_to_run\": " #ms ", \"grace\": " #ms
#define SHARED    (faults_short() ? TIMES(3000) : TIMES(1200))
#define RANKED                                                                                     \
    (faults_short() ? TIMES(3000) ", \"mode\": \"ranked\", \"world_size\": 4"                      \
                    : TIMES(1200) ", \"mode\": \"ranked\", \"world_size\": 4")
#define LEASE_MS  (faults_short() ? 3000u : 1200u)
#define LONGER_US (faults_short() ? 4000000u : 1600000u)

static struct server server;
static struct board *board;
static struct worker workers[WORKERS];
static struct proxy proxies[PROXIES];

static int start(void **state)
{
    (void)state;
    server_start(&server);
    faults_load(&server, STEPS);
    for (uint32_t p = 0; p < PROXIES; p++)
        proxy_start(&proxies[p], server.address);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (uint32_t p = 0; p < PROXIES; p++)
        proxy_stop(&proxies[p]);
    server_remove(&server);
    return 0;
}

/* `n` workers of the job; ranks if `world` says so. */
static void start_workers(const char *job, uint32_t n, uint32_t world)
{
    board = board_new();
    for (uint32_t w = 0; w < n; w++) {
        workers[w] = (struct worker){.address = w % 2 ? proxies[w / 2].address : server.address,
                                     .job = job,
                                     .folder = server.dir,
                                     .rank = world ? (int)w : -1,
                                     .world = world,
                                     .window = w % 4 < 2 ? 4 : 32,
                                     /* None confirms: it would hold a lease for as long as
                                      * the disk takes. */
                                     .pause_us = 4000};
        worker_start(&workers[w], board);
    }
}

/* Short of its lease and its grace, a worker goes on as if nothing had happened: it must not see
 * anything twice, nor anybody else what it has. */
static void excuse(const struct worker *worker, useconds_t us)
{
    board->excused[worker->number] |= us >= LONGER_US;
}

static void freeze(struct worker *worker, useconds_t us)
{
    excuse(worker, us);
    assert_int_equal(kill(worker->pid, SIGSTOP), 0);
    usleep(us);
    assert_int_equal(kill(worker->pid, SIGCONT), 0);
}

static void cut_off(uint32_t w, useconds_t us)
{
    excuse(&workers[w], us);
    proxy_cut(&proxies[w / 2]);
    usleep(us);
    proxy_heal(&proxies[w / 2]);
}

/* Longer than a lease and than the grace, or shorter than either. */
static useconds_t some_time(struct dice *dice)
{
    return dice_below(dice, 4) ? 20000 + dice_below(dice, 150000) : LONGER_US;
}

static void disturb(uint32_t n, uint32_t rounds, struct dice *dice)
{
    uint32_t done[3] = {0};

    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t w = dice_below(dice, n), what = dice_below(dice, 3);

        usleep(dice_below(dice, 100000));
        if (what == 0)
            worker_replace(&workers[w], board);
        else if (what == 1)
            freeze(&workers[w], some_time(dice));
        else if (w % 2)
            cut_off(w, some_time(dice));
        else
            continue;
        done[what]++;
    }
    print_message("%u workers killed, %u stopped, %u cut off\n", done[0], done[1], done[2]);
}

/* Everybody who can be cut off is, once, and lives to tell. */
static void cut_off_all(uint32_t n)
{
    for (uint32_t w = 1; w < n; w += 2)
        cut_off(w, 50000);
}

static void print_leases(const char *job)
{
    char params[64];
    evd_client *client = server_dial(&server);
    json_t *info;

    snprintf(params, sizeof(params), "{\"job\": \"%s\"}", job);
    info = ask(client, "job.workers", params);
    print_message("%s: %" PRIu64 " batches redelivered, %" PRIu64 " leases expired; workers "
                  "reconnected %llu times and dropped %llu batches that they had\n",
                  job, number(info, "redelivered"), number(info, "expired"),
                  (unsigned long long)board->reconnects, (unsigned long long)board->repeated);
    /* Sessions were resumed, and what their streams held came once more. */
    assert_true(board->repeated > 0);
    json_decref(info);
    evd_close(client);
}

static void test_shared(void **state)
{
    uint32_t rounds = faults_scale((struct scale){.normal = 100, .longer = 3000, .shorter = 12});
    struct dice dice = {20260403};
    uint64_t epochs;

    (void)state;
    print_message("seed %" PRIu64 "\n", dice.state);
    faults_job(&server, "shared", SHARED);
    start_workers("shared", WORKERS, 0);
    disturb(WORKERS, rounds, &dice);
    cut_off_all(WORKERS);
    epochs = workers_finish(workers, WORKERS, board, faults_patience());
    print_leases("shared");
    faults_check(&server, "shared", SHARED, board, 0, epochs, STEPS, LEASE_MS);
}

static void test_ranked(void **state)
{
    uint32_t rounds = faults_scale((struct scale){.normal = 50, .longer = 1500, .shorter = 8});
    struct dice dice = {20260404};
    uint64_t epochs;

    (void)state;
    print_message("seed %" PRIu64 "\n", dice.state);
    faults_job(&server, "ranked", RANKED);
    start_workers("ranked", RANKS, RANKS);
    disturb(RANKS, rounds, &dice);
    cut_off_all(RANKS);
    epochs = workers_finish(workers, RANKS, board, faults_patience());
    print_leases("ranked");
    faults_check(&server, "ranked", RANKED, board, RANKS, epochs, STEPS, LEASE_MS);
}

/* Everything at once: the daemon is killed, too, and the strategy changed. */
static void test_all(void **state)
{
    uint32_t rounds = faults_scale((struct scale){.normal = 20, .longer = 400, .shorter = 3});
    /* job.history shows the newest 1,024. */
    uint32_t pause_us = faults_scale((struct scale){500000, 4000000, 500000});
    struct dice dice = {20260405};
    struct changer changer = {
        .address = server.address, .job = "all", .folder = server.dir, .pause_us = pause_us};
    uint64_t epochs;

    (void)state;
    print_message("seed %" PRIu64 "\n", dice.state);
    faults_job(&server, "all", SHARED);
    start_workers("all", WORKERS, 0);
    changer_start(&changer, board);
    for (uint32_t i = 0; i < rounds; i++) {
        disturb(WORKERS, 3, &dice);
        server_kill(&server);
        server_start(&server);
    }
    epochs = workers_finish(workers, WORKERS, board, faults_patience());
    changer_finish(&changer);
    faults_check(&server, "all", NULL, board, 0, epochs, STEPS, LEASE_MS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_ranked),
        cmocka_unit_test(test_all),
    };

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
