/* The buffers of connections: counted, bounded all together, given back, and who has to go. */
#include "harness.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "host/framing.h"
#include "net/internal.h"
#include "net/memory.h"

#define MIB      (1u << 20)
#define ANSWER   20000u
#define REQUESTS 250u /* 5 MB of answers */
#define PARTIAL  900000u

static void start(struct server *server, size_t buffers)
{
    struct net_config config = {
        .max_connections = 1000,
        .max_each = 1000,
        .framing = message_framing(&guard_request_limits),
        .buffers = buffers,
    };

    server_start_by(server, config);
    server_listen(server, server->unix_address);
}

static struct net_info info(const struct server *server)
{
    struct net_info now;

    net_info(server->net, &now);
    return now;
}

/* Fails the test if they do not come to that in the harness's time. */
static void pump_until_buffers(struct server *server, uint64_t bytes)
{
    for (int i = 0; i < 5000 && info(server).buffers != bytes; i++)
        pump_for(server, 1);
    assert_int_equal(info(server).buffers, bytes);
}

/* Fails the test if no session ever has so much to send; then a while for more. */
static void pump_until_unwritten(struct server *server, size_t bytes)
{
    for (int i = 0; i < 5000 && server->most_unwritten < bytes; i++)
        pump_for(server, 1);
    assert_true(server->most_unwritten >= bytes);
    pump_for(server, 20);
}

/* Frames that say what a connection is; a guest's says nothing. */
enum { GUEST = (char)0xc3, WORKER = 0x0a };

static int connect_as(struct server *server, char standing)
{
    uint64_t frames = server->frames;
    int fd = peer_connect(server->unix_address);

    peer_send(fd, &standing, 1);
    pump_until(server, &server->frames, frames + 1);
    return fd;
}

/* Asks for more than it reads. */
static void ask(struct server *server, int fd, unsigned requests)
{
    for (unsigned i = 0; i < requests; i++)
        peer_send(fd, "\xce\x00\x00\x4e\x20", 5);
    pump_for(server, 5);
}

/* Bytes that were sent and that nobody has read. */
static int unread(int fd)
{
    int bytes;

    assert_int_equal(ioctl(fd, SIOCOUTQ, &bytes), 0);
    return bytes;
}

/* The first `n` bytes of a frame that does not end, until all are read. */
static void begin_frame(struct server *server, int fd, size_t n)
{
    uint8_t *bytes = calloc(1, n);
    size_t sent = 0;
    int rounds = 0;

    assert_non_null(bytes);
    memcpy(bytes, "\xc6\x00\x0f\xff\x00", 5);
    while (sent < n || unread(fd) > 0) {
        ssize_t part = send(fd, bytes + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        assert_true(part >= 0 || errno == EAGAIN);
        sent += part > 0 ? (size_t)part : 0;
        pump_for(server, 1);
        assert_in_range(++rounds, 1, 20000);
    }
    free(bytes);
}

static void buffers_are_given_back(void **state)
{
    uint8_t *got = malloc(MIB);
    struct server server;
    int fd;

    (void)state;
    assert_non_null(got);
    start(&server, 64 * MIB);
    fd = connect_as(&server, WORKER);
    peer_send(fd, "\xce\x00\x10\x00\x00", 5);
    pump_until(&server, &server.frames, 2);
    assert_in_range(info(&server).buffers, MIB, MIB + 4096);
    peer_read(&server, fd, got, MIB);
    begin_frame(&server, fd, PARTIAL);
    assert_in_range(info(&server).buffers, PARTIAL, PARTIAL + MIB + 65536);
    pump_until_buffers(&server, PARTIAL); /* what is empty and idle goes; a part of a frame stays */
    got[0] = 0;
    memset(got, 0, 0xfff05 - PARTIAL);
    peer_send(fd, got, 0xfff05 - PARTIAL);
    pump_until_buffers(&server, 0);
    peer_echo(&server, fd, "go on");
    close(fd);
    pump_until(&server, &server.closed, 1);
    assert_int_equal(info(&server).fixed, 0);
    free(got);
    server_stop(&server);
}

/* Who is no worker is not read from the mark on. */
static void guests_are_stopped_first(void **state)
{
    struct server server;
    int guest;

    (void)state;
    start(&server, 64 * MIB);
    guest = connect_as(&server, GUEST);
    ask(&server, guest, REQUESTS);
    pump_until_unwritten(&server, HIGH_WATER);
    assert_in_range(server.most_unwritten, HIGH_WATER, HIGH_WATER + ANSWER);
    close(guest);
    server_stop(&server);
}

/* A worker is read from the mark on, until it has caused as much again. */
static void a_worker_writes_as_much_again(void **state)
{
    struct server server;
    int worker;

    (void)state;
    start(&server, 64 * MIB);
    worker = connect_as(&server, WORKER);
    ask(&server, worker, REQUESTS);
    pump_until_unwritten(&server, 2 * HIGH_WATER);
    assert_in_range(server.most_unwritten, 2 * HIGH_WATER, 2 * (HIGH_WATER + ANSWER));
    close(worker);
    server_stop(&server);
}

/* What a peer that is not read sends waits in its socket: beside one frame and one read. */
static void unread_input_waits_outside(void **state)
{
    static const uint8_t more[60000]; /* frames of one byte each */
    struct server server;
    uint64_t held, taken = 0;
    int guest;
    ssize_t n;

    (void)state;
    start(&server, 64 * MIB);
    guest = connect_as(&server, GUEST);
    ask(&server, guest, REQUESTS);
    pump_until_unwritten(&server, HIGH_WATER);
    held = info(&server).buffers;
    for (int i = 0; i < 200; i++) {
        n = send(guest, more, sizeof(more), MSG_DONTWAIT);
        taken += n > 0 ? (uint64_t)n : 0;
        pump_for(&server, 1);
        assert_in_range(info(&server).buffers, 0, held + NET_READ_BYTES);
    }
    assert_true(taken < 200 * sizeof(more)); /* the socket took no more */
    assert_int_equal(server.closed, 0);
    assert_in_range(held, 0, HIGH_WATER + ANSWER + EVD_MAX_FRAME + NET_READ_BYTES);
    close(guest);
    server_stop(&server);
}

/* Many that ask and do not read: each gets less of it when it becomes tight, and nobody has to go.
 * Without a common bound they would hold 1.1 MB each. */
static void many_that_do_not_read(void **state)
{
    enum { PEERS = 100, LIMIT = 48u << 20 };
    static uint8_t got[ANSWER];
    struct server server;
    int fds[PEERS], other;
    uint64_t most = 0;

    (void)state;
    start(&server, LIMIT);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = connect_as(&server, GUEST);
        ask(&server, fds[i], REQUESTS);
        most = info(&server).buffers > most ? info(&server).buffers : most;
    }
    assert_in_range(most, LIMIT / 2, LIMIT);
    assert_int_equal(info(&server).shed, 0);
    other = peer_connect(server.unix_address);
    peer_echo(&server, other, "me too");
    for (int i = 0; i < PEERS; i++) {
        for (unsigned n = 0; n < REQUESTS; n++)
            peer_read(&server, fds[i], got, ANSWER);
        peer_echo(&server, fds[i], "all of it");
    }
    pump_until_buffers(&server, 0);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    close(other);
    server_stop(&server);
}

/* Parts of frames cannot be held off: the heaviest that is idle goes, then the next; those that
 * hold little, and workers that get on, are left alone even if they are idle, or heavier. */
static void heaviest_idle_goes_first(void **state)
{
    enum { PEERS = 8, LIMIT = 8u << 20, EACH = PARTIAL };
    struct server server;
    int fds[PEERS], small, worker, heavy;
    uint64_t held;

    (void)state;
    start(&server, LIMIT);
    small = connect_as(&server, GUEST);
    begin_frame(&server, small, 10000);
    worker = connect_as(&server, WORKER);
    begin_frame(&server, worker, EACH + 50000);
    heavy = connect_as(&server, GUEST);
    begin_frame(&server, heavy, EACH + 20000);
    for (int i = 0; i < 6; i++) {
        fds[i] = connect_as(&server, GUEST);
        begin_frame(&server, fds[i], EACH);
    }
    held = info(&server).buffers;
    assert_int_equal(held, 10000 + 8 * EACH + 70000);
    assert_int_equal(info(&server).shed, 0);
    pump_for(&server, NET_IDLE_MS + 50);
    for (int i = 6; i < PEERS; i++) {
        fds[i] = connect_as(&server, GUEST);
        begin_frame(&server, fds[i], EACH);
        assert_true(info(&server).buffers <= LIMIT);
    }
    pump_until(&server, &server.closed, 1);
    assert_int_equal(info(&server).shed, 1);
    peer_expect_end(&server, heavy);
    peer_send(worker, "", 1);
    peer_send(small, "", 1);
    for (int i = 0; i < PEERS; i++)
        peer_send(fds[i], "", 1);
    pump_until_buffers(&server, held - 20000 + EACH + 2 + PEERS);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    close(small);
    close(worker);
    close(heavy);
    server_stop(&server);
}

/* Where all are as busy as the others, the heaviest goes; workers last. */
static void workers_go_last(void **state)
{
    enum { PEERS = 30, LIMIT = 8u << 20 };
    struct server server;
    int fds[PEERS], worker;

    (void)state;
    start(&server, LIMIT);
    worker = connect_as(&server, WORKER);
    begin_frame(&server, worker, PARTIAL + 100000);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = connect_as(&server, GUEST);
        begin_frame(&server, fds[i], PARTIAL);
        assert_true(info(&server).buffers <= LIMIT);
    }
    pump_until(&server, &server.closed, PEERS - 8);
    assert_in_range(info(&server).shed, PEERS - 8, PEERS - 7);
    peer_send(worker, "", 1);
    pump_for(&server, 20);
    assert_in_range(info(&server).buffers, 7 * PARTIAL + 100000, LIMIT);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    close(worker);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_given_back),
        cmocka_unit_test(guests_are_stopped_first),
        cmocka_unit_test(many_that_do_not_read),
        cmocka_unit_test(heaviest_idle_goes_first),
        cmocka_unit_test(workers_go_last),
        cmocka_unit_test(a_worker_writes_as_much_again),
        cmocka_unit_test(unread_input_waits_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
