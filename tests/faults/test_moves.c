/* A ranked job is moved, changed and attached to with ever other numbers of ranks, and the daemon
 * is killed in the middle of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define STEPS     40u /* of an epoch */
#define AT_A_TIME 6u
#define JOB       ", \"grace\": 0, \"mode\": \"ranked\""

static struct server server;
static struct dice dice = {20260406};

/* What is confirmed of the job. */
static struct {
    uint64_t epoch, step; /* where every rank goes on */
    uint64_t generation;
} known;

static int start(void **state)
{
    (void)state;
    server_start(&server);
    faults_load(&server, STEPS);
    faults_job(&server, "moved", JOB);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

/* ---- workers ---- */

static const evd_batch *next(evd_client *client, evd_stream *stream)
{
    const evd_batch *batch;
    int code;

    do
        code = evd_next(stream, 10000, &batch);
    while (code == EVD_EPOCH_END);
    if (code != EVD_OK)
        fail_msg("%s", evd_error_message(client));
    return batch;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* What the history has for the step that is due: a rank's slice, or all of it (`more` is ""). */
static uint32_t drawn_again(evd_client *client, const char *more, uint64_t *index, uint32_t n)
{
    char params[160];
    uint32_t revision;
    json_t *batch;

    snprintf(params, sizeof(params),
             "{\"job\": \"moved\", \"epoch\": %" PRIu64 ", \"step\": %" PRIu64 "%s}", known.epoch,
             known.step, more);
    batch = ask(client, "job.batch", params);
    revision = (uint32_t)number(batch, "revision");
    assert_int_equal(json_array_size(json_object_get(batch, "index")), n);
    for (size_t i = 0; i < n; i++)
        index[i] = (uint64_t)json_integer_value(json_array_get(json_object_get(batch, "index"), i));
    json_decref(batch);
    return revision;
}

static void check_slice(evd_client *client, const evd_batch *batch, uint32_t rank, uint32_t world)
{
    uint64_t index[BATCH];
    char more[64];

    if (batch->epoch != known.epoch || batch->step != known.step)
        fail_msg("rank %u of %u is at epoch %" PRIu64 " step %" PRIu64 ", not %" PRIu64
                 " step %" PRIu64,
                 rank, world, batch->epoch, batch->step, known.epoch, known.step);
    assert_int_equal(batch->n, BATCH / world);
    snprintf(more, sizeof(more), ", \"rank\": %u, \"world_size\": %u", rank, world);
    assert_int_equal(drawn_again(client, more, index, batch->n), batch->revision);
    assert_memory_equal(batch->index, index, batch->n * sizeof(index[0]));
}

/* All ranks take the step; together they have the global batch, whatever their number. */
static void one_step(evd_client *client, evd_stream **streams, uint32_t world, unsigned flags)
{
    uint64_t all[BATCH], index[BATCH];
    uint32_t have = 0;

    for (uint32_t rank = 0; rank < world; rank++) {
        const evd_batch *batch = next(client, streams[rank]);

        memcpy(all + have, batch->index, batch->n * sizeof(all[0]));
        have += batch->n;
        check_slice(client, batch, rank, world);
        assert_int_equal(evd_ack(streams[rank], known.epoch, known.step, flags), EVD_OK);
    }
    drawn_again(client, "", index, BATCH);
    qsort(all, BATCH, sizeof(all[0]), by_number);
    qsort(index, BATCH, sizeof(index[0]), by_number);
    assert_memory_equal(all, index, sizeof(index));
    known.step++;
    if (known.step == STEPS) {
        known.epoch++;
        known.step = 0;
    }
}

/* So many ranks take some steps, and have them confirmed. */
static void work(evd_client *client, uint32_t world)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_stream *streams[8];

    options.job = "moved";
    options.window = 4;
    options.world_size = world;
    options.flags = EVD_STREAM_MANUAL_ACK;
    for (uint32_t rank = 0; rank < world; rank++) {
        options.rank = (int)rank;
        if (evd_stream_open(client, &options, &streams[rank]) != EVD_OK)
            fail_msg("%s", evd_error_message(client));
    }
    for (uint32_t i = 0; i < AT_A_TIME; i++)
        one_step(client, streams, world, i + 1 == AT_A_TIME ? EVD_ACK_CONFIRM : 0);
    for (uint32_t rank = 0; rank < world; rank++)
        evd_stream_close(streams[rank]);
}

/* ---- moves, changes and kills ---- */

/* In a moment, while the test is waiting for something else. */
static pid_t kill_soon(void)
{
    uint32_t us = dice_below(&dice, 6000);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        usleep(us);
        kill(server.pid, SIGKILL);
        _exit(0);
    }
    return child;
}

static uint64_t generation_now(evd_client *client)
{
    json_t *history = ask(client, "job.history", "{\"job\": \"moved\"}");
    uint64_t generation = number(history, "generation");

    json_decref(history);
    return generation;
}

/* Back to some step, at the moment of a kill: what was answered holds, and else all or nothing. */
static bool move(void)
{
    evd_client_options options = {.reconnect_ms = EVD_NO_RECONNECT};
    uint64_t epoch = dice_below(&dice, (uint32_t)known.epoch + 1), step = dice_below(&dice, STEPS);
    evd_client *client;
    char params[160];
    pid_t killer;
    uint64_t now;
    int code;

    assert_int_equal(evd_connect(server.address, &options, &client), EVD_OK);
    snprintf(params, sizeof(params),
             "{\"job\": \"moved\", \"epoch\": %" PRIu64 ", \"step\": %" PRIu64
             ", \"mode\": \"%s\", \"force\": true}",
             epoch, step, dice_below(&dice, 2) ? "replay" : "follow");
    killer = kill_soon();
    code = evd_call(client, "job.seek", params, NULL);
    if (code != EVD_OK && code != EVD_E_CLOSED)
        fail_msg("job.seek: %s", evd_error_message(client));
    evd_close(client);
    assert_int_equal(waitpid(killer, NULL, 0), killer);
    server_kill(&server);
    server_start(&server);
    client = server_dial(&server);
    now = generation_now(client);
    evd_close(client);
    assert_true(now == known.generation + 1 || (now == known.generation && code != EVD_OK));
    if (now != known.generation) {
        known.epoch = epoch;
        known.step = step;
        known.generation = now;
    }
    return code == EVD_OK;
}

static void change(evd_client *client)
{
    static const char *const kinds[] = {"uniform", "stratified", "class-aware"};
    char params[128];

    snprintf(params, sizeof(params), "{\"job\": \"moved\", \"strategy\": {\"kind\": \"%s\"}}",
             kinds[dice_below(&dice, 3)]);
    tell(client, "job.update", params);
}

static void test_moves(void **state)
{
    uint32_t cycles = faults_scale((struct scale){.normal = 60, .longer = 3000, .shorter = 6});
    uint32_t answered = 0;

    (void)state;
    print_message("seed %" PRIu64 "\n", dice.state);
    for (uint32_t i = 0; i < cycles; i++) {
        evd_client *client = server_dial(&server);

        work(client, 1u << dice_below(&dice, 4));
        change(client);
        work(client, 1u << dice_below(&dice, 4));
        evd_close(client);
        answered += move();
    }
    print_message("%u moves, %" PRIu64 " of them done, %u answered before the kill\n", cycles,
                  known.generation, answered);
    assert_true(faults_short() || (answered > 0 && answered < cycles));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moves)};

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
