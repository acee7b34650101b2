/* Connections: frames however they are cut, back-pressure, time limits, every way to end. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "proto/limits.h"

static void start(struct server *server)
{
    server_start(server, 1000, 0, 0);
    server_listen(server, "tcp:127.0.0.1:0");
    server_listen(server, server->unix_address);
}

/* Five frames of 1, 4, 7, 5 and 3 bytes. */
static const uint8_t five[] = "\xc3"
                              "\xa3xyz"
                              "\x93\x01\x02\xa3uvw"
                              "\xc4\x03klm"
                              "\x81\x01\x02";
#define FIVE_BYTES (sizeof(five) - 1)

static void frames_cut_anywhere(void **state)
{
    struct server server;
    char answer[4];
    int fd;

    (void)state;
    start(&server);
    fd = peer_connect(server.unix_address);
    for (size_t cut = 0; cut <= FIVE_BYTES; cut++) {
        uint64_t frames = server.frames;

        peer_send(fd, five, cut);
        pump_for(&server, 2);
        assert_true(server.frames <= frames + 5);
        peer_send(fd, five + cut, FIVE_BYTES - cut);
        pump_until(&server, &server.frames, frames + 5);
        assert_int_equal(server.frames, frames + 5);
        peer_read(&server, fd, answer, 4);
        assert_memory_equal(answer, "\xa3xyz", 4);
    }
    assert_int_equal(server.frame_bytes, (FIVE_BYTES + 1) * FIVE_BYTES);
    close(fd);
    pump_until(&server, &server.closed, 1);
    server_stop(&server);
}

static void frames_byte_by_byte(void **state)
{
    struct server server;
    int fd;

    (void)state;
    start(&server);
    fd = peer_connect(net_address(server.net, 0));
    for (size_t i = 0; i < FIVE_BYTES; i++) {
        peer_send(fd, five + i, 1);
        pump_for(&server, 1);
    }
    pump_until(&server, &server.frames, 5);
    assert_int_equal(server.frame_bytes, FIVE_BYTES);
    close(fd);
    server_stop(&server);
}

/* A frame of the largest size, between two small ones, in pieces of all sizes. */
static void largest_frame(void **state)
{
    const size_t n = EVD_MAX_FRAME;
    uint8_t *bytes = malloc(n + 8);
    struct server server;
    size_t step = 1;
    int fd;

    (void)state;
    assert_non_null(bytes);
    start(&server);
    fd = peer_connect(server.unix_address);
    memset(bytes, 0x5a, n + 8);
    bytes[0] = 0xc3;
    memcpy(bytes + 1, "\xc6\x00\x0f\xff\xfb", 5); /* bin of n - 5 bytes */
    memcpy(bytes + 1 + n, "\xa3kit", 4);
    for (size_t at = 0; at < n + 5; at += step, step = step % 60000 + 977) {
        peer_send(fd, bytes + at, at + step < n + 5 ? step : n + 5 - at);
        pump_for(&server, 1);
    }
    peer_read(&server, fd, bytes, 4);
    assert_memory_equal(bytes, "\xa3kit", 4);
    assert_int_equal(server.frames, 3);
    assert_int_equal(server.frame_bytes, n + 5);
    close(fd);
    free(bytes);
    server_stop(&server);
}

/* Who sends as much as fits at once does not keep others waiting until all of it is handled. */
static void a_flood_keeps_nobody_waiting(void **state)
{
    enum { N = 100000 };
    uint8_t *flood = malloc(N);
    struct server server;
    int floods, other;

    (void)state;
    assert_non_null(flood);
    start(&server);
    floods = peer_connect(server.unix_address);
    other = peer_connect(server.unix_address);
    pump_until(&server, &server.opened, 2);
    memset(flood, 0xc3, N);
    peer_send(floods, flood, N);
    peer_echo(&server, other, "me too");
    assert_true(server.frames > 1 && server.frames < N / 10);
    pump_until(&server, &server.frames, N + 1);
    assert_int_equal(server.frames, N + 1);
    peer_echo(&server, floods, "and now"); /* it is read as before */
    peer_send(floods, flood, N);
    pump_until(&server, &server.frames, N + 1000);
    close(floods); /* in the middle of it */
    pump_until(&server, &server.closed, 1);
    close(other);
    free(flood);
    server_stop(&server);
}

static void many_connections(void **state)
{
    struct server server;
    int fds[300];

    (void)state;
    start(&server);
    for (size_t i = 0; i < 300; i++) {
        fds[i] = peer_connect(net_address(server.net, i % 2));
        if (i % 50 == 49) /* the backlog of a Unix socket is short on some machines */
            pump_until(&server, &server.opened, i + 1);
    }
    for (size_t i = 0; i < 300; i++)
        peer_echo(&server, fds[i], "who is there");
    assert_int_equal(net_connections(server.net), 300);
    for (size_t i = 0; i < 300; i += 2)
        close(fds[i]);
    pump_until(&server, &server.closed, 150);
    for (size_t i = 1; i < 300; i += 2)
        peer_echo(&server, fds[i], "still here");
    for (size_t i = 1; i < 300; i += 2)
        close(fds[i]);
    pump_until(&server, &server.closed, 300);
    assert_int_equal(net_connections(server.net), 0);
    server_stop(&server);
}

/* 4,000 requests for 100,000 bytes each from a peer that reads nothing: at most the high-water
 * mark, as much again and an answer over each are ever held; others are served; once it reads,
 * everything comes. */
static void peer_that_does_not_read(void **state)
{
    const size_t requests = 4000, each = 100000;
    static uint8_t sent[4000 * 5];
    static uint8_t got[100000];
    struct server server;
    uint64_t stuck;
    int fd, other;

    (void)state;
    start(&server);
    for (size_t i = 0; i < requests; i++)
        memcpy(sent + 5 * i, "\xce\x00\x01\x86\xa0", 5);
    fd = peer_connect(net_address(server.net, 0));
    other = peer_connect(server.unix_address);
    peer_send(fd, sent, sizeof(sent));
    pump_until_quiet(&server, &server.frames);
    stuck = server.frames;
    assert_true(stuck < requests);
    peer_echo(&server, other, "me too");
    pump_until_quiet(&server, &server.frames);
    assert_int_equal(server.frames, stuck + 1);
    for (size_t i = 0; i < requests; i++)
        peer_read(&server, fd, got, each);
    assert_int_equal(server.frames, requests + 1);
    assert_true(server.writable > 0);
    assert_true(server.most_unwritten <= 2 * (HIGH_WATER + each));
    peer_echo(&server, fd, "and back");
    close(fd);
    close(other);
    server_stop(&server);
}

/* A worker that writes all that it has to say before it reads: while its output is full, what needs
 * no answer is taken, however much it is. */
static void peer_that_writes_before_it_reads(void **state)
{
    enum { ANSWER = 2 << 20, N = 100000, ROUNDS = 10 };
    uint8_t *bytes = malloc(ANSWER);
    struct server server;
    int fd;

    (void)state;
    assert_non_null(bytes);
    start(&server);
    fd = peer_connect(server.unix_address);
    peer_send(fd, "\x09\xce\x00\x20\x00\x00", 6);
    pump_until(&server, &server.frames, 2);
    memset(bytes, 0xc3, N);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        peer_send(fd, bytes, N);
        pump_until(&server, &server.frames, 2 + i * N);
    }
    assert_int_equal(server.frames, 2 + ROUNDS * N);
    assert_int_equal(server.writable, 0); /* it was full all the time */
    assert_true(server.most_unwritten <= ANSWER);
    peer_read(&server, fd, bytes, ANSWER);
    pump_until(&server, &server.writable, 1);
    peer_echo(&server, fd, "now you");
    close(fd);
    free(bytes);
    server_stop(&server);
}

static void first_frame_has_a_limit(void **state)
{
    struct server server;
    int silent, slow, good;

    (void)state;
    server_start(&server, 10, 300, 0);
    server_listen(&server, server.unix_address);
    silent = peer_connect(server.unix_address);
    slow = peer_connect(server.unix_address);
    good = peer_connect(server.unix_address);
    peer_echo(&server, good, "hello");
    for (int i = 0; i < 5; i++) {
        peer_send(slow, "\x9f", 1); /* arrays in arrays: it goes on, and does not end */
        pump_for(&server, 20);
    }
    pump_until(&server, &server.closed, 2);
    peer_expect_end(&server, silent);
    peer_expect_end(&server, slow);
    pump_for(&server, 700);
    peer_echo(&server, good, "no limit for me");
    close(silent);
    close(slow);
    close(good);
    server_stop(&server);
}

static void begun_frame_must_go_on(void **state)
{
    struct server server;
    int stuck, slow;

    (void)state;
    server_start(&server, 10, 0, 1500);
    server_listen(&server, server.unix_address);
    stuck = peer_connect(server.unix_address);
    slow = peer_connect(server.unix_address);
    peer_send(stuck, "\xc3\x92\x01", 3);
    peer_send(slow, "\xc3\xb4", 2);
    for (int i = 0; i < 20; i++) {
        pump_for(&server, 100);
        peer_send(slow, "z", 1);
    }
    pump_until(&server, &server.frames, 3);
    assert_int_equal(server.closed, 1);
    peer_expect_end(&server, stuck);
    close(stuck);
    close(slow);
    server_stop(&server);
}

static void broken_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } broken[] = {
        {"\xc1", 1},
        {"\xc3\xc1\xc3", 3},
        {"\xdd\x0f\xff\xff\xff", 5},
        {"\xc6\xff\xff\xff\xff", 5},
        {"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 20},
        {"\xd4\x01\x01", 3},
    };
    static uint8_t flood[100000];
    struct server server;
    char answer[7];

    (void)state;
    start(&server);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        int fd = peer_connect(net_address(server.net, i % 2));

        peer_send(fd, broken[i].bytes, broken[i].n);
        peer_send(fd, flood, sizeof(flood)); /* unread input must not destroy the answer */
        peer_read(&server, fd, answer, 7);
        assert_memory_equal(answer, BROKEN_YOU, 7);
        peer_expect_end(&server, fd);
        close(fd);
        pump_until(&server, &server.closed, i + 1);
    }
    assert_int_equal(server.broken, sizeof(broken) / sizeof(broken[0]));
    assert_int_equal(server.frames, 1);
    server_stop(&server);
}

static void ended_by_the_server(void **state)
{
    static uint8_t got[500000];
    struct server server;
    int fd;

    (void)state;
    start(&server);
    /* After its output: what was asked before comes whole, what was sent after is dropped. */
    fd = peer_connect(net_address(server.net, 0));
    peer_send(fd, "\xce\x00\x07\xa1\x20\xc2", 6);
    pump_for(&server, 20);
    peer_send(fd, "\xa1x", 2);
    pump_for(&server, 20);
    peer_read(&server, fd, got, 500000);
    peer_expect_end(&server, fd);
    close(fd);
    pump_until(&server, &server.closed, 1);
    /* At once, from within the frame's call, with frames behind it. */
    fd = peer_connect(server.unix_address);
    peer_send(fd, "\xc3\xc0\xc3\xc3", 4);
    peer_expect_end(&server, fd);
    close(fd);
    pump_until(&server, &server.closed, 2);
    assert_int_equal(server.frames, 4);
    server_stop(&server);
}

/* A peer that takes neither the output nor the end is ended all the same. */
static void end_has_a_limit(void **state)
{
    struct server server;
    int full, idle;

    (void)state;
    start(&server);
    full = peer_connect(server.unix_address);
    idle = peer_connect(server.unix_address);
    peer_send(full, "\xce\x00\x0f\x00\x00\xc2", 6);
    peer_send(idle, "\xc2", 1);
    pump_until(&server, &server.closed, 2);
    close(full);
    close(idle);
    server_stop(&server);
}

/* Resets and plain ends of peers in every state of a connection. */
static void peers_that_vanish(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } sent[] = {
        {"", 0},                             /* before the first frame */
        {"\xa5yz", 3},                       /* in the middle of the first */
        {"\xc3", 1},                         /* after one */
        {"\xc3\xa5yz", 4},                   /* in the middle of another */
        {"\xce\x00\x0f\x00\x00", 5},         /* while output waits, below the mark */
        {"\xce\x00\x7f\x00\x00\xc3\xa5", 7}, /* above the mark, with input held back */
        {"\xce\x00\x0f\x00\x00\xc2", 6},     /* while finishing, with output */
        {"\xc2", 1},                         /* while finishing, shut down */
        {"\xc1", 1},                         /* after a broken frame */
    };
    const size_t cases = sizeof(sent) / sizeof(sent[0]);
    struct server server;
    uint64_t ended = 0;

    (void)state;
    start(&server);
    for (size_t i = 0; i < cases * 6; i++) {
        int fd = peer_connect(net_address(server.net, i / cases % 2));

        if (sent[i % cases].n > 0)
            peer_send(fd, sent[i % cases].bytes, sent[i % cases].n);
        if (i / cases / 2 > 0)
            pump_for(&server, 5);
        if (i / cases / 2 == 2)
            shutdown(fd, SHUT_WR);
        else
            peer_reset(fd);
        if (i / cases / 2 == 2) {
            pump_for(&server, 5);
            close(fd);
        }
        pump_until(&server, &server.closed, ++ended);
    }
    assert_int_equal(net_connections(server.net), 0);
    server_stop(&server);
}

/* Stopping: everything that is written is delivered, then all is gone. */
static void finish_delivers(void **state)
{
    static uint8_t got[3000000];
    struct server server;
    int reader, idle, partial;

    (void)state;
    start(&server);
    reader = peer_connect(net_address(server.net, 0));
    idle = peer_connect(server.unix_address);
    partial = peer_connect(server.unix_address);
    peer_send(reader, "\xce\x00\x2d\xc6\xc0", 5);
    peer_send(partial, "\x92", 1);
    pump_until(&server, &server.frames, 1);
    pump_until(&server, &server.opened, 3);
    net_finish(server.net);
    assert_null(net_address(server.net, 0));
    peer_read(&server, reader, got, sizeof(got));
    peer_expect_end(&server, reader);
    peer_expect_end(&server, idle);
    close(reader);
    close(idle);
    pump_until(&server, &server.closed, 2);
    close(partial);
    server_stop(&server);
}

/* net_close with connections in all states at once; server_stop checks that nothing is left. */
static void close_in_any_state(void **state)
{
    static const char *const sent[] = {"", "\xa5yz", "\xc3", "\xa3xyz\xc3\xa4", "\xc2", "\xc1"};
    struct server server;
    int fds[6];

    (void)state;
    start(&server);
    for (size_t i = 0; i < 6; i++) {
        fds[i] = peer_connect(net_address(server.net, i % 2));
        if (sent[i][0])
            peer_send(fds[i], sent[i], strlen(sent[i]));
    }
    pump_until(&server, &server.opened, 6);
    pump_for(&server, 10);
    server_stop(&server);
    for (size_t i = 0; i < 6; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_cut_anywhere),
        cmocka_unit_test(frames_byte_by_byte),
        cmocka_unit_test(largest_frame),
        cmocka_unit_test(many_connections),
        cmocka_unit_test(a_flood_keeps_nobody_waiting),
        cmocka_unit_test(peer_that_does_not_read),
        cmocka_unit_test(peer_that_writes_before_it_reads),
        cmocka_unit_test(first_frame_has_a_limit),
        cmocka_unit_test(begun_frame_must_go_on),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(ended_by_the_server),
        cmocka_unit_test(end_has_a_limit),
        cmocka_unit_test(peers_that_vanish),
        cmocka_unit_test(finish_delivers),
        cmocka_unit_test(close_in_any_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
