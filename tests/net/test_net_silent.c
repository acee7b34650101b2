/* Peers that shut their side and still read: what they sent before is answered, then they are done
 * with; and those that only look like it. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void start(struct server *server, uint64_t frame_ms)
{
    server_start(server, 1000, 0, frame_ms);
    server_listen(server, "tcp:127.0.0.1:0");
    server_listen(server, server->unix_address);
}

/* More frames than a turn has, all at once, with the end right behind them. */
static void a_pipeline_is_answered(void **state)
{
    enum { N = 4000 };
    static char sent[N * 4], got[N * 4];
    struct server server;

    (void)state;
    for (int i = 0; i < N; i++) {
        memcpy(sent + i * 4, "\xa3xyz", 4);
        sent[i * 4 + 1] = (char)('a' + i % 26);
    }
    start(&server, 0);
    for (uint64_t i = 0; i < 20; i++) {
        int fd = peer_connect(net_address(server.net, i % 2));

        peer_send(fd, sent, sizeof(sent));
        shutdown(fd, SHUT_WR);
        peer_read(&server, fd, got, sizeof(got));
        assert_memory_equal(got, sent, sizeof(got));
        peer_expect_end(&server, fd);
        pump_until(&server, &server.closed, i + 1);
        assert_int_equal(server.silent, i + 1);
        close(fd);
    }
    assert_int_equal(net_connections(server.net), 0);
    server_stop(&server);
}

/* Answers of 12 MB in all: it is not read while they wait, and its end is seen late. */
static void under_pressure(void **state)
{
    static uint8_t got[12000000];
    struct server server;
    int fd;

    (void)state;
    start(&server, 0);
    for (size_t kind = 0; kind < 2; kind++) {
        fd = peer_connect(net_address(server.net, kind));
        for (int i = 0; i < 4; i++)
            peer_send(fd, "\xce\x00\x2d\xc6\xc0", 5);
        peer_send(fd, "\xa3xyz\x93\x01", 6); /* and the beginning of one more */
        shutdown(fd, SHUT_WR);
        peer_read(&server, fd, got, sizeof(got));
        peer_read(&server, fd, got, 4);
        assert_memory_equal(got, "\xa3xyz", 4);
        peer_expect_end(&server, fd);
        close(fd);
        pump_until(&server, &server.closed, kind + 1);
    }
    server_stop(&server);
}

/* Who is owed something is waited for, but not for ever. */
static void what_takes_too_long(void **state)
{
    struct server server;
    int fds[2];

    (void)state;
    start(&server, 200);
    server.owes = true;
    for (size_t i = 0; i < 2; i++) {
        fds[i] = peer_connect(net_address(server.net, i));
        peer_send(fds[i], "\xa3xyz", 4);
        shutdown(fds[i], SHUT_WR);
    }
    pump_until(&server, &server.silent, 2);
    for (size_t i = 0; i < 2; i++) {
        char got[4];

        peer_read(&server, fds[i], got, 4);
        peer_expect_end(&server, fds[i]);
        close(fds[i]);
    }
    pump_until(&server, &server.closed, 2);
    server_stop(&server);
}

/* A Unix socket that is closed is not one that still reads, whether it closes at once or later. */
static void closed_altogether(void **state)
{
    struct server server;
    int fd;

    (void)state;
    start(&server, 0); /* 30 s: longer than anybody here waits */
    server.owes = true;
    fd = peer_connect(server.unix_address);
    peer_send(fd, "\xc3", 1);
    close(fd);
    pump_until(&server, &server.closed, 1);
    assert_int_equal(server.silent, 0);
    fd = peer_connect(server.unix_address);
    peer_send(fd, "\xc3", 1);
    shutdown(fd, SHUT_WR);
    pump_until(&server, &server.silent, 1);
    assert_int_equal(server.closed, 1);
    close(fd);
    pump_until(&server, &server.closed, 2);
    /* And one of TCP that resets. */
    fd = peer_connect(net_address(server.net, 0));
    peer_send(fd, "\xc3", 1);
    shutdown(fd, SHUT_WR);
    pump_until(&server, &server.silent, 2);
    peer_reset(fd);
    pump_until(&server, &server.closed, 3);
    server_stop(&server);
}

/* Without a whole frame there is nothing to answer. */
static void nothing_was_asked(void **state)
{
    static const char *const sent[] = {"", "\x93", "\xa5xyz"};
    struct server server;

    (void)state;
    start(&server, 0);
    server.owes = true;
    for (size_t i = 0; i < 6; i++) {
        int fd = peer_connect(net_address(server.net, i % 2));

        peer_send(fd, sent[i / 2], strlen(sent[i / 2]));
        shutdown(fd, SHUT_WR);
        peer_expect_end(&server, fd);
        pump_until(&server, &server.closed, i + 1);
        close(fd);
    }
    assert_int_equal(server.silent, 0);
    server_stop(&server);
}

/* net_finish and net_close while somebody is owed something. */
static void the_server_stops_meanwhile(void **state)
{
    struct server server;
    int fds[2];

    (void)state;
    start(&server, 0);
    server.owes = true;
    for (size_t i = 0; i < 2; i++) {
        fds[i] = peer_connect(net_address(server.net, i));
        peer_send(fds[i], "\xc3", 1);
        shutdown(fds[i], SHUT_WR);
    }
    pump_until(&server, &server.silent, 2);
    net_finish(server.net);
    for (size_t i = 0; i < 2; i++) {
        peer_expect_end(&server, fds[i]);
        close(fds[i]);
    }
    pump_until(&server, &server.closed, 2);
    server_stop(&server);

    start(&server, 0);
    server.owes = true;
    fds[0] = peer_connect(server.unix_address);
    peer_send(fds[0], "\xc3", 1);
    shutdown(fds[0], SHUT_WR);
    pump_until(&server, &server.silent, 1);
    server_stop(&server);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_is_answered), cmocka_unit_test(under_pressure),
        cmocka_unit_test(what_takes_too_long),    cmocka_unit_test(closed_altogether),
        cmocka_unit_test(nothing_was_asked),      cmocka_unit_test(the_server_stops_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
