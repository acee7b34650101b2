#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "history.h"

static uint32_t last_number;

uint32_t dice_below(struct dice *dice, uint32_t n)
{
    uint64_t x = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((x >> 32) * n >> 32);
}

struct board *board_new(void)
{
    struct board *board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(board != MAP_FAILED);
    board->last_epoch = UINT64_MAX;
    return board;
}

/* ---- inside a worker's process: no cmocka there ---- */

struct life {
    const struct worker *worker;
    struct board *board;
    int log;
    evd_client *client;
    evd_stream *stream;
    struct log_record last; /* the batch received last */
    struct dice dice;
};

static void put(struct life *life, enum log_kind kind, uint32_t n)
{
    struct log_record record = life->last;

    record.time = log_now();
    record.worker = life->worker->number;
    record.rank = life->worker->rank;
    record.kind = kind;
    record.n = n;
    if (write(life->log, &record, sizeof(record)) != sizeof(record))
        _exit(10);
}

evd_client *worker_connect(const char *address, const char *name)
{
    evd_client_options options = {.reconnect_ms = EVD_NO_TIME_LIMIT, .client_name = name};
    evd_client *client;

    for (int i = 0; i < 1000; i++) {
        if (evd_connect(address, &options, &client) == EVD_OK)
            return client;
        evd_close(client);
        usleep(10000);
    }
    return NULL;
}

static void attach(struct life *life)
{
    evd_stream_options how = EVD_STREAM_OPTIONS_INIT;
    int code;

    life->client = worker_connect(life->worker->address, "faults");
    if (life->client == NULL)
        _exit(11);
    how.job = life->worker->job;
    how.rank = life->worker->rank;
    how.world_size = life->worker->world;
    how.window = life->worker->window;
    if (life->board->pairs)
        how.columns = HISTORY_PAIRS;
    /* A rank stays taken until the daemon has noticed that its worker was killed. */
    for (int i = 0; i < 1000; i++) {
        code = evd_stream_open(life->client, &how, &life->stream);
        if (code != EVD_E_CONFLICT)
            break;
        usleep(10000);
    }
    if (code != EVD_OK) {
        fprintf(stderr, "worker %u: %s\n", life->worker->number, evd_error_message(life->client));
        _exit(12);
    }
}

static void received(struct life *life, const evd_batch *batch)
{
    unsigned long long reached = life->board->reached;

    life->last = (struct log_record){.epoch = batch->epoch,
                                     .step = batch->step,
                                     .digest = history_digest(batch),
                                     .revision = batch->revision,
                                     .redelivered = (uint32_t)batch->redelivered};
    put(life, LOG_RECEIVED, batch->n);
    life->board->batches++;
    while (reached < batch->epoch &&
           !atomic_compare_exchange_weak(&life->board->reached, &reached, batch->epoch))
        ;
    if (life->worker->pause_us)
        usleep(dice_below(&life->dice, life->worker->pause_us));
    put(life, LOG_DONE, batch->n);
}

static void confirm(struct life *life)
{
    int code;

    do
        code = evd_ack(life->stream, life->last.epoch, life->last.step, EVD_ACK_CONFIRM);
    while (code == EVD_E_TIMEOUT);
    if (code == EVD_OK)
        put(life, LOG_CONFIRMED, 0);
}

static void work(struct life *life)
{
    uint32_t until_confirm = life->worker->confirm_every;
    const evd_batch *batch;

    for (;;) {
        int code = evd_next(life->stream, 200, &batch);

        if (code == EVD_E_TIMEOUT)
            continue;
        if (code == EVD_EPOCH_END) {
            put(life, LOG_END, 0);
            if (life->last.epoch >= life->board->last_epoch)
                return;
            continue;
        }
        if (code != EVD_OK) {
            fprintf(stderr, "worker %u: %s\n", life->worker->number,
                    evd_error_message(life->client));
            put(life, LOG_FAILED, (uint32_t)code);
            _exit(13);
        }
        if (batch->epoch > life->board->last_epoch)
            return; /* the end was told while it was killed or had no batch */
        received(life, batch);
        if (until_confirm > 0 && --until_confirm == 0) {
            confirm(life);
            until_confirm = life->worker->confirm_every;
        }
    }
}

static void live(const struct worker *worker, struct board *board)
{
    struct life life = {.worker = worker, .board = board, .dice = {worker->number}};
    evd_counters counters;
    char path[256];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(3, ~0u, 0);
    snprintf(path, sizeof(path), "%s/log-%s-%u", worker->folder, worker->job, worker->number);
    life.log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (life.log < 0)
        _exit(14);
    attach(&life);
    work(&life);
    evd_get_counters(life.client, &counters);
    board->reconnects += counters.reconnects;
    board->repeated += counters.repeated;
    board->late_acks += counters.late_acks;
    evd_close(life.client);
    _exit(0);
}

/* ---- outside ---- */

void worker_start(struct worker *worker, struct board *board)
{
    worker->number = last_number++;
    assert_true(worker->number < MAX_WORKERS);
    worker->pid = fork();
    assert_true(worker->pid >= 0);
    if (worker->pid == 0)
        live(worker, board);
}

void worker_replace(struct worker *worker, struct board *board)
{
    int status;

    assert_int_equal(kill(worker->pid, SIGKILL), 0);
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    board->excused[worker->number] = true;
    worker_start(worker, board);
}

uint32_t workers_started(void)
{
    return last_number;
}

uint64_t workers_finish(struct worker *workers, uint32_t n, struct board *board, unsigned seconds)
{
    struct timespec pause = {.tv_nsec = 10000000};
    uint32_t ended = 0;

    /* One that is in epoch `reached` now may still hear of this before its end. */
    board->last_epoch = board->reached + 1;
    for (unsigned i = 0; i < seconds * 100 && ended < n; i++) {
        ended = 0;
        for (uint32_t w = 0; w < n; w++) {
            int status = 0;
            if (workers[w].pid != 0 && waitpid(workers[w].pid, &status, WNOHANG) == workers[w].pid)
                workers[w].pid = 0;
            if (status != 0)
                fail_msg("worker %u ended with status 0x%x", workers[w].number, (unsigned)status);
            ended += workers[w].pid == 0;
        }
        nanosleep(&pause, NULL);
    }
    if (ended < n)
        fail_msg("after %u s %u of %u workers are not done with epoch %llu", seconds, n - ended, n,
                 (unsigned long long)board->last_epoch);
    return board->last_epoch + 1;
}
