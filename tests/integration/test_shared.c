/* Shared mode with the real daemon: every step of an epoch to exactly one of eight processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "server.h"

#define WORKERS 8
#define SAMPLES 60000u
#define BATCH   64u
#define STEPS   938u /* the last one has 32 samples */
#define LABELS  7u

/* What a worker writes into the pipe for every batch: less than PIPE_BUF, so never torn. */
struct record {
    uint32_t worker;
    uint32_t n;
    uint64_t epoch, step;
    uint64_t digest; /* of the indices */
    bool redelivered, labels_right;
    enum { ATTACHED, BATCH_RECEIVED, EPOCH_ENDED, FAILED } what;
};

static struct server server;

static int start(void **state)
{
    evd_client *client;

    (void)state;
    server_start(&server);
    client = server_dial(&server);
    load(client, "d", SAMPLES, LABELS);
    evd_close(client);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

static void put(int pipe_end, const struct record *record)
{
    if (write(pipe_end, record, sizeof(*record)) != sizeof(*record))
        _exit(2);
}

/* Victims go no further than to this batch, so that they hold it when they are killed. */
#define LAST_OF_VICTIM 5u

/* A worker process: attaches, waits for `go` to close, and takes one epoch. A record for each. */
static void work(uint32_t worker, bool victim, const char *job, int pipe_end, int go)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    struct record record;
    const evd_batch *batch;
    evd_stream *stream;
    evd_client *client = server_dial(&server);
    uint32_t taken = 0;
    int code;

    options.job = job;
    options.columns = EVD_COLUMN_LABEL;
    if (evd_stream_open(client, &options, &stream) != EVD_OK)
        _exit(3);
    memset(&record, 0, sizeof(record));
    record.worker = worker;
    record.what = ATTACHED;
    put(pipe_end, &record);
    if (read(go, &code, 1) != 0)
        _exit(4);
    while ((code = evd_next(stream, 30000, &batch)) == EVD_OK) {
        memset(&record, 0, sizeof(record));
        record = (struct record){.worker = worker,
                                 .n = batch->n,
                                 .epoch = batch->epoch,
                                 .step = batch->step,
                                 .digest = XXH3_64bits(batch->index, 8 * (size_t)batch->n),
                                 .redelivered = batch->redelivered,
                                 .labels_right = true,
                                 .what = BATCH_RECEIVED};
        for (uint32_t i = 0; i < batch->n; i++)
            record.labels_right &= batch->label[i] == load_label(batch->index[i], LABELS);
        put(pipe_end, &record);
        if (victim && ++taken == LAST_OF_VICTIM)
            pause();
        usleep(300); /* a training step */
    }
    memset(&record, 0, sizeof(record));
    record.worker = worker;
    record.what = code == EVD_EPOCH_END ? EPOCH_ENDED : FAILED;
    put(pipe_end, &record);
    evd_close(client);
    _exit(0);
}

struct step_log {
    uint32_t by_survivors, in_all, n;
    uint64_t digest;
    bool redelivered;
};

/* Forks the workers; they go once all are attached, so that none is late for the epoch. */
static int start_workers(const char *job, uint32_t victims, pid_t workers[WORKERS])
{
    struct record record;
    int ends[2], go[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(go), 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            close(go[1]);
            work(i, i < victims, job, ends[1], go[0]);
        }
        assert_true(workers[i] > 0);
    }
    close(ends[1]);
    close(go[0]);
    for (uint32_t i = 0; i < WORKERS; i++) {
        assert_int_equal(read(ends[0], &record, sizeof(record)), sizeof(record));
        assert_int_equal(record.what, ATTACHED);
    }
    close(go[1]);
    return ends[0];
}

static void note_batch(struct step_log *log, const struct record *record, bool victim)
{
    assert_true(record->labels_right);
    if (log->in_all++ > 0) {
        assert_true(record->redelivered || log->redelivered);
        assert_int_equal(record->digest, log->digest);
    }
    log->redelivered |= record->redelivered;
    log->by_survivors += !victim;
    log->digest = record->digest;
    log->n = record->n;
}

/* Runs one epoch; workers 0 .. victims-1 are killed at their fifth batch. Every step must be
 * finished by exactly one worker, and be the same batch every time it was handed out. */
static void run_epoch(const char *job, uint64_t epoch, uint32_t victims)
{
    struct step_log *steps = calloc(STEPS, sizeof(*steps));
    pid_t workers[WORKERS];
    uint32_t seen[WORKERS] = {0}, ended = 0, again = 0;
    struct record record;
    int from_workers = start_workers(job, victims, workers);

    assert_non_null(steps);
    while (read(from_workers, &record, sizeof(record)) == sizeof(record)) {
        bool victim = record.worker < victims;
        if (record.what != BATCH_RECEIVED) {
            assert_int_equal(record.what, EPOCH_ENDED);
            assert_false(victim);
            ended++;
            continue;
        }
        assert_int_equal(record.epoch, epoch);
        assert_in_range(record.step, 0, STEPS - 1);
        note_batch(&steps[record.step], &record, victim);
        if (++seen[record.worker] == LAST_OF_VICTIM && victim)
            assert_int_equal(kill(workers[record.worker], SIGKILL), 0);
    }
    close(from_workers);
    for (uint32_t i = 0; i < WORKERS; i++) {
        int status;
        assert_int_equal(waitpid(workers[i], &status, 0), workers[i]);
        assert_true(i < victims ? WIFSIGNALED(status) : status == 0);
    }
    assert_int_equal(ended, WORKERS - victims);
    for (uint32_t s = 0; s < STEPS; s++) {
        assert_true(steps[s].in_all >= 1);
        assert_true(steps[s].by_survivors <= 1);
        assert_int_equal(steps[s].n, s < STEPS - 1 ? BATCH : SAMPLES % BATCH);
        again += steps[s].redelivered;
    }
    /* Each victim held batches when it was killed. */
    assert_true(victims == 0 ? again == 0 : again > 0);
    free(steps);
}

static void test_every_step_once(void **state)
{
    evd_client *client = server_dial(&server);

    (void)state;
    tell(client, "job.create", "{\"name\": \"calm\", \"dataset\": \"d\", \"batch_size\": 64}");
    run_epoch("calm", 0, 0);
    run_epoch("calm", 1, 0);
    evd_close(client);
}

static void test_two_workers_killed(void **state)
{
    evd_client *client = server_dial(&server);
    json_t *info, *stats;

    (void)state;
    tell(client, "job.create", "{\"name\": \"storm\", \"dataset\": \"d\", \"batch_size\": 64}");
    run_epoch("storm", 0, 2);
    info = ask(client, "job.info", "{\"job\": \"storm\"}");
    assert_int_equal(number(info, "epoch"), 1);
    assert_int_equal(number(info, "outstanding"), 0);
    assert_int_equal(number(info, "streams"), 0);
    json_decref(info);
    /* Statistics count steps, not deliveries. */
    stats = ask(client, "job.stats", "{\"job\": \"storm\", \"epoch\": 0}");
    assert_int_equal(number(stats, "samples"), SAMPLES);
    json_decref(stats);
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_once),
        cmocka_unit_test(test_two_workers_killed),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
