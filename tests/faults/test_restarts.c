/* The daemon is killed again and again, and stopped, under workers that never restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "changer.h"
#include "faults.h"

#define STEPS 400u
/* The grace is short, and yet longer than anybody needs to come back: up to a second passes between
 * attempts, and under a sanitizer everything takes long. */
#define SHARED (faults_short() ? ", \"grace\": 4000" : ", \"grace\": 1500")
#define RANKED ", \"grace\": 1000, \"mode\": \"ranked\", \"world_size\": 2"

#define SHARED_WORKERS 4
#define WORKERS        (SHARED_WORKERS + 2)

static struct server server;
static struct board *shared_board, *ranked_board;
static struct worker workers[WORKERS];
static struct changer changers[2]; /* of the shared and the ranked job */

static int start(void **state)
{
    (void)state;
    server_start(&server);
    faults_load(&server, STEPS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

static void start_workers(const char *shared, const char *ranked)
{
    shared_board = board_new();
    ranked_board = board_new();
    faults_job(&server, shared, SHARED);
    faults_job(&server, ranked, RANKED);
    for (int w = 0; w < WORKERS; w++) {
        workers[w] = (struct worker){.address = server.address,
                                     .job = w < SHARED_WORKERS ? shared : ranked,
                                     .folder = server.dir,
                                     .rank = w < SHARED_WORKERS ? -1 : w - SHARED_WORKERS,
                                     .world = w < SHARED_WORKERS ? 0 : 2,
                                     .window = 8,
                                     .pause_us = 2000,
                                     /* Ranks go on each by itself: at one speed, not to be
                                      * far apart in the end. */
                                     .confirm_every = w % 2 || w >= SHARED_WORKERS ? 25 : 0};
        worker_start(&workers[w], w < SHARED_WORKERS ? shared_board : ranked_board);
    }
}

static void start_changers(const char *shared, const char *ranked, uint32_t pause_us)
{
    for (int i = 0; i < 2; i++) {
        changers[i] = (struct changer){.address = server.address,
                                       .job = i ? ranked : shared,
                                       .folder = server.dir,
                                       .pause_us = pause_us};
        changer_start(&changers[i], i ? ranked_board : shared_board);
    }
}

/* `changed`: somebody changes the strategies. */
static void finish(const char *shared, const char *ranked, bool changed)
{
    unsigned seconds = faults_patience();
    uint64_t shared_epochs = workers_finish(workers, SHARED_WORKERS, shared_board, seconds);
    uint64_t ranked_epochs =
        workers_finish(workers + SHARED_WORKERS, WORKERS - SHARED_WORKERS, ranked_board, seconds);

    print_message("workers reconnected %llu times; %llu acknowledgements were late\n",
                  (unsigned long long)(shared_board->reconnects + ranked_board->reconnects),
                  (unsigned long long)(shared_board->late_acks + ranked_board->late_acks));
    for (int i = 0; changed && i < 2; i++)
        changer_finish(&changers[i]);
    faults_check(&server, shared, changed ? NULL : SHARED, shared_board, 0, shared_epochs, STEPS,
                 0);
    faults_check(&server, ranked, changed ? NULL : RANKED, ranked_board, 2, ranked_epochs, STEPS,
                 0);
}

static void test_killed(void **state)
{
    uint32_t cycles = faults_scale((struct scale){.normal = 200, .longer = 5000, .shorter = 8});
    /* job.history shows the newest 1,024. */
    uint32_t pause_us = faults_scale((struct scale){300000, 4000000, 300000});
    struct dice dice = {20260401};
    double began = faults_seconds();

    (void)state;
    print_message("%u kills, seed %llu\n", cycles, (unsigned long long)dice.state);
    start_workers("shared", "ranked");
    start_changers("shared", "ranked", pause_us);
    for (uint32_t i = 0; i < cycles; i++) {
        /* Mostly while everybody is still coming back; now and then when all is calm. */
        usleep(dice_below(&dice, i % 10 == 9 ? 2500000 : 200000));
        server_kill(&server);
        server_start(&server);
    }
    print_message("killed for %.1f s, %llu batches\n", faults_seconds() - began,
                  (unsigned long long)(shared_board->batches + ranked_board->batches));
    finish("shared", "ranked", true);
}

static void test_stopped(void **state)
{
    uint32_t cycles = faults_scale((struct scale){.normal = 10, .longer = 100, .shorter = 2});
    struct dice dice = {20260402};

    (void)state;
    print_message("%u stops, seed %llu\n", cycles, (unsigned long long)dice.state);
    start_workers("shared-stopped", "ranked-stopped");
    for (uint32_t i = 0; i < cycles; i++) {
        double began;

        usleep(dice_below(&dice, 400000));
        began = faults_seconds();
        server_stop(&server); /* fails the test unless it ends with status 0 */
        assert_true(faults_seconds() - began < 10);
        server_start(&server);
    }
    finish("shared-stopped", "ranked-stopped", false);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_stopped),
    };

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
