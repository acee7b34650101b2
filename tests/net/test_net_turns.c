/* Turns: what one turn of the loop does for all peers together is bounded, and whoever comes first
 * (a worker) is served in the next one, whatever the others have sent. */
#include "harness.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/turn.h"

#define CROWD  50u
#define FRAMES 400u /* that each of them has sent */

static struct server server;

static int start(void **state)
{
    (void)state;
    server_start(&server, 200, 0, 0);
    server_listen(&server, server.unix_address);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

static void connect_crowd(int fds[CROWD])
{
    uint8_t frames[FRAMES];

    memset(frames, 1, sizeof(frames));
    for (unsigned i = 0; i < CROWD; i++)
        fds[i] = peer_connect(server.unix_address);
    pump_until(&server, &server.opened, server.opened + CROWD);
    for (unsigned i = 0; i < CROWD; i++)
        peer_send(fds[i], frames, sizeof(frames));
}

static void close_crowd(int fds[CROWD])
{
    for (unsigned i = 0; i < CROWD; i++)
        close(fds[i]);
}

/* One turn; how many frames it handled. */
static uint64_t turn(void)
{
    uint64_t before = server.frames;

    uv_run(&server.loop, UV_RUN_NOWAIT);
    return server.frames - before;
}

static void all_others_share_a_turn(void **state)
{
    int fds[CROWD];

    (void)state;
    connect_crowd(fds);
    while (server.frames < CROWD * FRAMES)
        assert_in_range(turn(), 0, TURN_FRAMES);
    close_crowd(fds);
}

/* Its connection is the last that was made, and is read behind all others. */
static void a_worker_comes_first(void **state)
{
    int fds[CROWD], worker;
    char answer[3];

    (void)state;
    connect_crowd(fds);
    worker = peer_connect(server.unix_address);
    peer_send(worker, "\x09", 1);
    pump_until(&server, &server.frames, CROWD * FRAMES + 1);
    for (unsigned round = 0; round < 20; round++) {
        uint8_t frames[FRAMES];

        memset(frames, 1, sizeof(frames));
        for (unsigned i = 0; i < CROWD; i++)
            peer_send(fds[i], frames, sizeof(frames));
        turn();
        peer_send(worker, "\xa2hi", 3);
        assert_in_range(turn(), 1, TURN_FRAMES + 1);
        assert_int_equal(read(worker, answer, sizeof(answer)), 3);
        assert_memory_equal(answer, "\xa2hi", 3);
        pump_until(&server, &server.frames, (uint64_t)(round + 2) * CROWD * FRAMES + 2 + round);
    }
    close(worker);
    close_crowd(fds);
}

/* A worker that sends without end is left for others after each stretch: one when it is looked at,
 * and one more when all that come first are looked at again. */
static void a_worker_has_a_turn_as_well(void **state)
{
    static uint8_t many[100000];
    int worker = peer_connect(server.unix_address);
    uint64_t begun;

    (void)state;
    memset(many, 1, sizeof(many));
    peer_send(worker, "\x0a", 1);
    pump_until(&server, &server.frames, 1);
    begun = server.frames;
    peer_send(worker, many, sizeof(many));
    while (server.frames < begun + sizeof(many))
        assert_in_range(turn(), 0, 2 * TURN_FRAMES);
    close(worker);
}

static void a_turn_accepts_few(void **state)
{
    int fds[CROWD];

    (void)state;
    for (unsigned i = 0; i < CROWD; i++)
        fds[i] = peer_connect(server.unix_address);
    while (server.opened < CROWD) {
        uint64_t before = server.opened;

        uv_run(&server.loop, UV_RUN_NOWAIT);
        assert_in_range(server.opened - before, 0, TURN_FRAMES / TURN_ACCEPT);
    }
    close_crowd(fds);
}

/* One of the crowd that sends without end delays each of the others by a turn for each of them. */
static void everybody_has_a_turn(void **state)
{
    static uint8_t many[100000];
    int greedy = peer_connect(server.unix_address), modest = peer_connect(server.unix_address);
    unsigned turns = 0;
    char answer[3];

    (void)state;
    memset(many, 1, sizeof(many));
    pump_until(&server, &server.opened, 2);
    peer_send(greedy, many, sizeof(many));
    turn();
    peer_send(modest, "\xa2hi", 3);
    while (recv(modest, answer, sizeof(answer), MSG_DONTWAIT) != 3 && turns++ < 10)
        turn();
    assert_in_range(turns, 0, 9);
    pump_until(&server, &server.frames, sizeof(many) + 1);
    close(greedy);
    close(modest);
}

/* A frame that takes long is paid for: while a worker is at work, nobody else has a turn for
 * TURN_REST times as long. Where the machine kept this test waiting for so long that the worker
 * seemed to be idle, nobody had to wait, and the next frame is looked at. */
static void what_takes_long_is_paid_for(void **state)
{
    static uint8_t slow[5000];
    int others[2] = {peer_connect(server.unix_address), peer_connect(server.unix_address)};
    int worker = peer_connect(server.unix_address);
    uint64_t heard = 0, before;
    unsigned rests = 0;

    (void)state;
    peer_send(worker, "\x09", 1);
    pump_until(&server, &server.frames, 1);
    memset(slow, 0x0b, sizeof(slow));
    for (unsigned i = 0; i < 2; i++)
        peer_send(others[i], slow, sizeof(slow));
    while (rests < 10) {
        uint64_t ended = server.slow_ended, count = server.slow;

        before = uv_hrtime(); /* the worker is heard after it, or was after `heard` */
        peer_send(worker, "\x01", 1);
        turn();
        assert_in_range(server.slow - count, 0, 1);
        if (count > 0 && server.slow > count && server.slow_began - heard < TURN_ACTIVE_NS) {
            assert_in_range(server.slow_began - ended, TURN_REST * SLOW_NS, UINT64_MAX);
            rests++;
        }
        heard = before;
    }
    close(worker);
    for (unsigned i = 0; i < 2; i++)
        close(others[i]);
}

/* While others wait for that, the loop does not keep a processor busy. */
static void the_loop_sleeps_meanwhile(void **state)
{
    uint8_t slow[100];
    int other = peer_connect(server.unix_address), worker = peer_connect(server.unix_address);
    uint64_t count = 0;

    (void)state;
    assert_int_equal(uv_loop_configure(&server.loop, UV_METRICS_IDLE_TIME), 0);
    peer_send(worker, "\x09", 1);
    pump_until(&server, &server.frames, 1);
    memset(slow, 0x0b, sizeof(slow));
    peer_send(other, slow, sizeof(slow));
    while (server.slow < sizeof(slow) && uv_metrics_idle_time(&server.loop) < 10000000) {
        if (server.slow > count)
            peer_send(worker, "\x01", 1);
        count = server.slow;
        uv_run(&server.loop, UV_RUN_ONCE);
    }
    assert_in_range(server.slow, 1, sizeof(slow) - 1);
    close(worker);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_others_share_a_turn, start, stop),
        cmocka_unit_test_setup_teardown(a_worker_comes_first, start, stop),
        cmocka_unit_test_setup_teardown(a_worker_has_a_turn_as_well, start, stop),
        cmocka_unit_test_setup_teardown(a_turn_accepts_few, start, stop),
        cmocka_unit_test_setup_teardown(everybody_has_a_turn, start, stop),
        cmocka_unit_test_setup_teardown(what_takes_long_is_paid_for, start, stop),
        cmocka_unit_test_setup_teardown(the_loop_sleeps_meanwhile, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
