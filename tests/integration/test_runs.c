/* What is made for a run goes with it, and a name is used again: with the daemon killed in between,
 * and workers that want a job alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

static void nap(long microseconds)
{
    struct timespec time = {0, microseconds * 1000};

    nanosleep(&time, NULL);
}

static size_t count(evd_client *client, const char *method, const char *key)
{
    json_t *list = ask(client, method, NULL);
    size_t n = json_array_size(json_object_get(list, key));

    json_decref(list);
    return n;
}

/* What nobody uses goes soon after the start, and not in it. */
static void await_datasets(evd_client *client, size_t wanted)
{
    size_t n = 0;

    for (int i = 0; i < 1000; i++) {
        n = count(client, "dataset.list", "datasets");
        if (n == wanted)
            return;
        nap(10000);
    }
    fail_msg("%zu datasets are left, and %zu should be", n, wanted);
}

/* A dataset of so many samples, which no other round has, and a job of it by a name that all have.
 */
static int commit_run(evd_client *client, uint32_t samples)
{
    uint32_t labels[256] = {0};
    evd_upload *upload;
    int code = evd_dataset_begin_owned(client, "run", NULL, 0, &upload);

    for (uint32_t i = 0; i < samples; i++)
        labels[i] = i % 2;
    if (code == EVD_OK)
        code = evd_dataset_append(upload, labels, samples);
    return code == EVD_OK ? evd_dataset_commit(upload, NULL) : code;
}

static int create_run(evd_client *client, uint32_t batch_size)
{
    char params[128];

    snprintf(params, sizeof(params),
             "{\"name\": \"run\", \"dataset\": \"run\", \"batch_size\": %u, "
             "\"if_exists\": \"restart\"}",
             batch_size);
    return evd_call(client, "job.create", params, NULL);
}

/* Another process makes the run of a round, and says when its dataset is there. */
static pid_t run_elsewhere(uint32_t round, int said)
{
    const evd_client_options options = {.reconnect_ms = EVD_NO_RECONNECT};
    pid_t pid = fork();
    evd_client *client;

    if (pid != 0)
        return pid;
    if (evd_connect(the_daemon.address, &options, &client) != EVD_OK ||
        commit_run(client, 10 + round) != EVD_OK || write(said, "", 1) != 1)
        _exit(1);
    if (round > 1)
        create_run(client, round); /* the daemon may die of it */
    pause();
    _exit(0);
}

/* The daemon is killed between the dataset and the job, and while the job takes another's place:
 * then there is the old job or the new one, with its dataset and no other. */
static void test_kill_while_a_run_begins(void **state)
{
    uint32_t old = 9; /* the batch size of the job that is there */
    evd_client *client = server_dial(&the_daemon);

    (void)state;
    assert_int_equal(commit_run(client, 200), EVD_OK);
    assert_int_equal(create_run(client, old), EVD_OK);
    evd_close(client);
    for (uint32_t round = 0; round < 12; round++) {
        int said[2];
        char byte;
        pid_t other;
        json_t *info;

        assert_int_equal(pipe(said), 0);
        other = run_elsewhere(round, said[1]);
        close(said[1]);
        assert_int_equal(read(said[0], &byte, 1), 1);
        close(said[0]);
        nap(round > 1 ? (round - 2) * 300 : 0);
        server_kill(&the_daemon);
        kill(other, SIGKILL);
        waitpid(other, NULL, 0);

        server_start(&the_daemon);
        client = server_dial(&the_daemon);
        assert_int_equal(count(client, "job.list", "jobs"), 1);
        info = ask(client, "job.info", "{\"job\": \"run\"}");
        if (round < 2 || number(info, "batch_size") != round)
            assert_int_equal(number(info, "batch_size"), old);
        old = (uint32_t)number(info, "batch_size");
        json_decref(info);
        await_datasets(client, 1);
        assert_int_equal(count(client, "job.list", "jobs"), 1);
        evd_close(client);
    }
    client = server_dial(&the_daemon);
    tell(client, "job.drop", "{\"job\": \"run\"}");
    await_datasets(client, 0);
    evd_close(client);
}

static int open_alone(evd_client *client, evd_stream **stream)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;

    options.job = "run";
    options.flags = EVD_STREAM_EXCLUSIVE;
    return evd_stream_open(client, &options, stream);
}

/* A worker that has a job alone has it alone again when the daemon is back. */
static void test_alone_over_a_restart(void **state)
{
    evd_client *client = server_dial(&the_daemon), *other;
    evd_stream *stream, *second;
    const evd_batch *batch;

    (void)state;
    assert_int_equal(commit_run(client, 100), EVD_OK);
    assert_int_equal(create_run(client, 10), EVD_OK);
    assert_int_equal(open_alone(client, &stream), EVD_OK);
    assert_int_equal(evd_next(stream, 30000, &batch), EVD_OK);
    for (int gently = 0; gently < 2; gently++) {
        if (gently)
            server_stop(&the_daemon);
        else
            server_kill(&the_daemon);
        server_start(&the_daemon);
        assert_int_equal(evd_next(stream, 30000, &batch), EVD_OK);
        assert_int_equal(evd_call(client, "server.info", NULL, NULL), EVD_OK);
        other = server_dial(&the_daemon);
        assert_int_equal(open_alone(other, &second), EVD_E_CONFLICT);
        assert_non_null(strstr(evd_error_message(other), "alone"));
        evd_close(other);
    }
    evd_stream_close(stream);
    assert_int_equal(open_alone(client, &stream), EVD_OK);
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_while_a_run_begins),
        cmocka_unit_test(test_alone_over_a_restart),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
