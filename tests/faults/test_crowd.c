#define _GNU_SOURCE /* prlimit */
/* Many peers, and bad ones: slow readers, senders of single bytes, thousands that are idle,
 * hundreds that come back at once, no descriptors left. Four workers must not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "faults.h"

#define STEPS      500u
#define BYSTANDERS 4u
#define MIB        (1024.0 * 1024)

/* [0, 0, "hello", [{"protocol": 1, "client": "crowd"}]] */
static const char hello[] = "\x94\x00\x00\xa5hello\x91\x82\xa8protocol\x01\xa6"
                            "client\xa5"
                            "crowd";
/* [0, 1, "stream.open", [{"job": "wide", "window": 256}]] */
static const char open_wide[] =
    "\x94\x00\x01\xabstream.open\x91\x82\xa3job\xa4wide\xa6window\xcd\x01\x00";

static const char *const options[] = {"--limit", "connections=4000", NULL};
static struct server server = {.options = options};
static struct board *board;
static struct worker bystanders[BYSTANDERS];

static int start(void **state)
{
    struct rlimit limit;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 5000 ? limit.rlim_max : 5000;
    setrlimit(RLIMIT_NOFILE, &limit);
    server_start(&server);
    faults_load(&server, STEPS);
    faults_job(&server, "bystanders", ", \"grace\": 2000");
    board = board_new();
    for (uint32_t w = 0; w < BYSTANDERS; w++) {
        bystanders[w] = (struct worker){.address = server.address,
                                        .job = "bystanders",
                                        .folder = server.dir,
                                        .rank = -1,
                                        .window = 8,
                                        .pause_us = 1000};
        worker_start(&bystanders[w], board);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

/* ---- watching the bystanders ---- */

/* For so many seconds, and until something came: fails if nothing flows for much longer than the
 * job's grace, for which the end of an epoch may have to wait after a crash. */
static void watch(const char *during, double seconds)
{
    double began = faults_seconds(), last = began, longest = 0;
    unsigned long long first = board->batches, seen = first;

    while (faults_seconds() - began < seconds || seen == first) {
        double now;
        usleep(5000);
        now = faults_seconds();
        if (board->batches != seen) {
            seen = board->batches;
            longest = now - last > longest ? now - last : longest;
            last = now;
        }
        if (now - last > 5)
            fail_msg("%s: the bystanders received nothing for five seconds", during);
    }
    print_message("%s: %.0f batches/s, longest pause %.0f ms; daemon %.1f MiB\n", during,
                  (double)(seen - first) / (faults_seconds() - began), longest * 1000,
                  (double)server_rss(&server) / MIB);
}

/* ---- peers without the library ---- */

static int dial(int receive_buffer)
{
    struct sockaddr_un address = faults_address(&server);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, const char *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}
#define PUT(fd, text) put(fd, text, sizeof(text) - 1)

/* Something arrives within 10 s. */
static void expect_answer(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&ready, 1, 10000), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
}

static void close_all(int *fds, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        close(fds[i]);
    free(fds);
}

static void test_slow_readers(void **state)
{
    uint32_t n = faults_scale((struct scale){.normal = 50, .longer = 200, .shorter = 10});
    uint64_t before = server_rss(&server);
    int *fds = calloc(n, sizeof(*fds));
    evd_client *client = server_dial(&server);
    double growth;

    (void)state;
    /* An epoch of these is far more than a connection may have unwritten. */
    load(client, "large", 4000000, 10);
    tell(client, "job.create",
         "{\"name\": \"wide\", \"dataset\": \"large\", \"batch_size\": 16384}");
    evd_close(client);
    watch("before", 0.5);
    for (uint32_t i = 0; i < n; i++) {
        fds[i] = dial(4096);
        PUT(fds[i], hello);
        PUT(fds[i], open_wide);
    }
    watch("slow readers", 2);
    growth = (double)server_rss(&server) - (double)before;
    print_message("%u slow readers: %.2f MiB each\n", n, growth / MIB / n);
    assert_true(growth / n < 4 * MIB || faults_short());
    close_all(fds, n);
}

static void test_single_bytes(void **state)
{
    uint32_t n = faults_scale((struct scale){.normal = 100, .longer = 500, .shorter = 20});
    int *fds = calloc(n, sizeof(*fds));

    (void)state;
    for (uint32_t i = 0; i < n; i++)
        fds[i] = dial(0);
    for (size_t at = 0; at < sizeof(hello) - 1; at++) {
        for (uint32_t i = 0; i < n; i++)
            put(fds[i], hello + at, 1);
        if (at == sizeof(hello) / 2)
            watch("single bytes", 0.5);
        usleep(2000);
    }
    for (uint32_t i = 0; i < n; i++)
        expect_answer(fds[i]);
    close_all(fds, n);
}

static void test_idle(void **state)
{
    uint32_t n = faults_scale((struct scale){.normal = 2000, .longer = 3500, .shorter = 200});
    uint64_t before = server_rss(&server);
    int *fds = calloc(n, sizeof(*fds));
    double each;

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        fds[i] = dial(0);
        PUT(fds[i], hello);
    }
    for (uint32_t i = 0; i < n; i++)
        expect_answer(fds[i]);
    watch("idle connections", 1);
    each = ((double)server_rss(&server) - (double)before) / n;
    print_message("%u idle connections: %.1f KiB each\n", n, each / 1024);
    assert_true(each < 64 * 1024 || faults_short());
    close_all(fds, n);
    watch("after them", 0.5);
}

static void test_descriptors(void **state)
{
    struct rlimit before, few = {.rlim_cur = 40, .rlim_max = 40};
    struct sockaddr_un address = faults_address(&server);
    int fds[200];
    evd_client *client;

    (void)state;
    assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, NULL, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &few, NULL), 0);
    for (int i = 0; i < 200; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* Its queue may be full, too. */
        (void)!connect(fds[i], (struct sockaddr *)&address, sizeof(address));
    }
    watch("no descriptors left", 1.5);
    for (int i = 0; i < 200; i++)
        close(fds[i]);
    assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &before, NULL), 0);
    client = server_dial(&server);
    tell(client, "server.info", NULL);
    evd_close(client);
}

/* ---- everybody comes back at once ---- */

struct guest {
    evd_client *client;
    evd_stream *stream;
    uint32_t batches;
};

/* Until each has `wanted` batches; the seconds it took. */
static double serve_guests(struct guest *guests, uint32_t n, uint32_t wanted)
{
    double began = faults_seconds();
    uint32_t ready = 0;

    while (ready < n) {
        ready = 0;
        for (uint32_t i = 0; i < n; i++) {
            const evd_batch *batch;
            int code = evd_next(guests[i].stream, 0, &batch);

            if (code != EVD_OK && code != EVD_EPOCH_END && code != EVD_E_TIMEOUT)
                fail_msg("guest %u: %s", i, evd_error_message(guests[i].client));
            guests[i].batches += code == EVD_OK;
            ready += guests[i].batches >= wanted;
        }
        if (faults_seconds() - began > 60)
            fail_msg("after a minute %u of %u guests have their batches", ready, n);
        usleep(2000);
    }
    return faults_seconds() - began;
}

static void test_storm(void **state)
{
    uint32_t n = faults_scale((struct scale){.normal = 500, .longer = 1500, .shorter = 50});
    uint32_t rounds = faults_scale((struct scale){.normal = 3, .longer = 30, .shorter = 1});
    evd_stream_options how = EVD_STREAM_OPTIONS_INIT;
    struct guest *guests = calloc(n, sizeof(*guests));
    uint64_t reconnects = 0;
    evd_client *client = server_dial(&server);

    (void)state;
    /* An epoch of many more steps than the guests may hold: of a short one those who ask first take
     * all, and those whom this thread comes to last might get nothing for a hundred epochs. */
    tell(client, "job.create", "{\"name\": \"storm\", \"dataset\": \"d\", \"batch_size\": 1}");
    evd_close(client);
    how.job = "storm";
    how.window = 2;
    for (uint32_t i = 0; i < n; i++) {
        guests[i].client = server_dial(&server);
        assert_int_equal(evd_stream_open(guests[i].client, &how, &guests[i].stream), EVD_OK);
    }
    serve_guests(guests, n, 2);
    for (uint32_t round = 0; round < rounds; round++) {
        server_kill(&server);
        server_start(&server);
        for (uint32_t i = 0; i < n; i++)
            guests[i].batches = 0;
        print_message("%u come back: each had three batches after %.2f s; daemon %.1f MiB\n", n,
                      serve_guests(guests, n, 3), (double)server_rss(&server) / MIB);
    }
    watch("after the storm", 1);
    for (uint32_t i = 0; i < n; i++) {
        evd_counters counters;
        evd_get_counters(guests[i].client, &counters);
        reconnects += counters.reconnects;
        evd_close(guests[i].client);
    }
    assert_true(reconnects >= (uint64_t)n * rounds);
    free(guests);
}

static void test_history(void **state)
{
    uint64_t epochs = workers_finish(bystanders, BYSTANDERS, board, faults_patience());

    (void)state;
    faults_check(&server, "bystanders", "", board, 0, epochs, STEPS, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_readers), cmocka_unit_test(test_single_bytes),
        cmocka_unit_test(test_idle),         cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_storm),        cmocka_unit_test(test_history),
    };

    faults_arguments(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
