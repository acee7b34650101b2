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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_others_share_a_turn, start, stop),
        cmocka_unit_test_setup_teardown(a_worker_comes_first, start, stop),
        cmocka_unit_test_setup_teardown(a_worker_has_a_turn_as_well, start, stop),
        cmocka_unit_test_setup_teardown(a_turn_accepts_few, start, stop),
        cmocka_unit_test_setup_teardown(everybody_has_a_turn, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
