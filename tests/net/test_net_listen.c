/* Listening: every way it can fail, dead and live socket files, too many connections, and those
 * that do not say who they are, descriptors. */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "host/framing.h"

static void refused_with(struct server *server, const char *address, const char *words)
{
    int rc = net_listen(server->net, address, &server->err);

    if (rc == EVD_OK)
        fail_msg("%s was listened at", address);
    assert_int_equal(rc, server->err.code);
    if (!strstr(server->err.message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, server->err.message);
}

/* A socket file as a killed daemon leaves it. */
static void leave_dead_socket(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
}

static void several_addresses(void **state)
{
    struct server server;
    struct stat file;
    int fd;

    (void)state;
    server_start(&server, 10, 0, 0);
    assert_null(net_address(server.net, 0));
    server_listen(&server, server.unix_address);
    server_listen(&server, "tcp:127.0.0.1:0");
    server_listen(&server, "tcp:127.0.0.1:0");
    assert_string_equal(net_address(server.net, 0), server.unix_address);
    assert_string_not_equal(net_address(server.net, 1), net_address(server.net, 2));
    assert_null(net_address(server.net, 3));
    assert_int_equal(stat(server.unix_path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0660);
    for (size_t i = 0; i < 3; i++) {
        fd = peer_connect(net_address(server.net, i));
        peer_echo(&server, fd, "here");
        close(fd);
    }
    pump_until(&server, &server.closed, 3);
    net_quiet(server.net);
    assert_int_equal(stat(server.unix_path, &file), -1);
    server_stop(&server);
}

static void names_of_this_machine(void **state)
{
    struct server server;

    (void)state;
    server_start(&server, 10, 0, 0);
    server_listen(&server, "tcp:localhost:0");
    assert_true(strncmp(net_address(server.net, 0), "tcp:127.0.0.1:", 14) == 0 ||
                strncmp(net_address(server.net, 0), "tcp:[::1]:", 10) == 0);
    server_stop(&server);
}

static void what_cannot_be_listened_at(void **state)
{
    struct server server;
    char text[256], taken[128];
    int fd;

    (void)state;
    server_start(&server, 10, 0, 0);
    server_listen(&server, "tcp:127.0.0.1:0");
    snprintf(taken, sizeof(taken), "%s", net_address(server.net, 0));
    refused_with(&server, taken, "in use");
    refused_with(&server, "tcp:192.0.2.1:0", "address of this machine");
    refused_with(&server, "nonsense", "unix:");
    refused_with(&server, "tcp:127.0.0.1:99999", "port");
    snprintf(text, sizeof(text), "unix:/%0120d", 1);
    refused_with(&server, text, "107 bytes");
    snprintf(text, sizeof(text), "unix:%s/none/s", server.folder);
    refused_with(&server, text, "folder must exist");
    refused_with(&server, "unix:/proc/evendraw.sock", "cannot listen");
    fd = open(server.unix_path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    refused_with(&server, server.unix_address, "not a socket");
    assert_int_equal(access(server.unix_path, F_OK), 0);
    server_stop(&server);
}

/* Needs a user who is not root: a child becomes one. */
static void folder_without_permission(void **state)
{
    struct server server;
    int status;
    pid_t child;

    (void)state;
    server_start(&server, 10, 0, 0);
    assert_int_equal(chmod(server.folder, 0500), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool refused;

        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(77);
        refused = net_listen(server.net, server.unix_address, &server.err) != EVD_OK;
        _exit(refused && strstr(server.err.message, "ermission") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
    assert_int_equal(chmod(server.folder, 0700), 0);
    server_stop(&server);
}

static void dead_and_live_sockets(void **state)
{
    struct server server;
    struct stat file;
    char aside[120];
    int fd;

    (void)state;
    server_start(&server, 10, 0, 0);
    leave_dead_socket(server.unix_path);
    server_listen(&server, server.unix_address);
    refused_with(&server, server.unix_address, "another process listens");
    fd = peer_connect(server.unix_address);
    peer_echo(&server, fd, "alive");
    close(fd);
    /* Somebody put another socket in its place: that one is not ours to remove. */
    snprintf(aside, sizeof(aside), "%s/aside", server.folder);
    assert_int_equal(rename(server.unix_path, aside), 0);
    leave_dead_socket(server.unix_path);
    net_quiet(server.net);
    assert_int_equal(stat(server.unix_path, &file), 0);
    server_stop(&server);
}

static void one_too_many_is_told(void **state)
{
    struct server server;
    char answer[5];
    int first, second, third;

    (void)state;
    server_start(&server, 2, 0, 0);
    server_listen(&server, server.unix_address);
    first = peer_connect(server.unix_address);
    second = peer_connect(server.unix_address);
    third = peer_connect(server.unix_address);
    peer_echo(&server, first, "one");
    peer_echo(&server, second, "two");
    peer_send(third, "\x94\x00\x07\xa1h\x90\xc3", 7);
    peer_read(&server, third, answer, 5);
    assert_memory_equal(answer, REFUSED_YOU, 5);
    peer_expect_end(&server, third);
    assert_int_equal(server.refused, 1);
    close(third);
    third = peer_connect(server.unix_address);
    peer_send(third, "\xc1", 1);
    peer_read(&server, third, answer, 5);
    peer_expect_end(&server, third);
    close(third);
    close(first);
    pump_until(&server, &server.closed, 1);
    third = peer_connect(server.unix_address);
    peer_echo(&server, third, "three");
    close(second);
    close(third);
    server_stop(&server);
}

static void start_shares(struct server *server, uint32_t max, uint32_t each)
{
    struct net_config config = {.max_connections = max,
                                .max_each = each,
                                .hello_ms = 60000,
                                .framing = message_framing(&guard_request_limits)};

    server_start_by(server, config);
    server_listen(server, server->unix_address);
    server_listen(server, "tcp:127.0.0.1:0");
}

/* One user of the Unix socket has a share, and one address of TCP another; what is beyond it is
 * told so, the oldest of those that do not ask makes way, and none stands before those who have a
 * share.
 */
static void one_peer_has_a_share(void **state)
{
    enum { EACH = 2, BEYOND = NET_REFUSED + 4 };
    struct server server;
    char answer[6], path[160];
    int mine[EACH], beyond[BEYOND], other;

    (void)state;
    start_shares(&server, 5, EACH);
    for (int i = 0; i < EACH; i++) {
        mine[i] = peer_connect(server.unix_address);
        peer_echo(&server, mine[i], "mine");
    }
    for (int i = 0; i < BEYOND; i++)
        beyond[i] = peer_connect(server.unix_address);
    snprintf(path, sizeof(path), "%s", net_address(server.net, 1));
    other = peer_connect(path);
    peer_echo(&server, other, "other");
    for (int i = 0; i < BEYOND - (int)NET_REFUSED; i++)
        peer_expect_end(&server, beyond[i]);
    for (int i = BEYOND - (int)NET_REFUSED; i < BEYOND; i++) {
        peer_send(beyond[i], "\x94\x00\x07\xa1h\x90", 6);
        peer_read(&server, beyond[i], answer, 6);
        assert_memory_equal(answer, REFUSED_MORE, 6);
        peer_expect_end(&server, beyond[i]);
    }
    assert_int_equal(net_connections(server.net), EACH + 1);
    for (int i = 0; i < BEYOND; i++)
        close(beyond[i]);
    close(mine[0]);
    pump_until(&server, &server.closed, 1);
    mine[0] = peer_connect(server.unix_address);
    peer_echo(&server, mine[0], "again");
    for (int i = 0; i < EACH; i++)
        close(mine[i]);
    close(other);
    server_stop(&server);
}

/* Whoever has loopback has 2^24 addresses of it. */
static void loopback_is_one_peer(void **state)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    struct timeval limit = {.tv_sec = 5};
    struct server server;
    char answer[6];
    int first, second;

    (void)state;
    start_shares(&server, 5, 1);
    first = peer_connect(net_address(server.net, 1));
    peer_echo(&server, first, "first");
    second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(second >= 0);
    setsockopt(second, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    assert_int_equal(bind(second, (struct sockaddr *)&sin, sizeof(sin)), 0);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t)atoi(strrchr(net_address(server.net, 1), ':') + 1));
    assert_int_equal(connect(second, (struct sockaddr *)&sin, sizeof(sin)), 0);
    peer_send(second, "\xc3", 1);
    peer_read(&server, second, answer, 6);
    assert_memory_equal(answer, REFUSED_MORE, 6);
    close(first);
    close(second);
    server_stop(&server);
}

/* More than can even be refused at once: they wait, and are served when others have gone. */
static void far_too_many_wait(void **state)
{
    struct server server;
    int fds[2 + NET_REFUSED + 3];
    const size_t count = sizeof(fds) / sizeof(fds[0]);

    (void)state;
    server_start(&server, 2, 0, 0);
    server_listen(&server, server.unix_address);
    for (size_t i = 0; i < count; i++)
        fds[i] = peer_connect(server.unix_address);
    pump_until(&server, &server.opened, 2);
    pump_for(&server, 50);
    assert_int_equal(server.opened, 2);
    peer_echo(&server, fds[1], "served");
    close(fds[0]);
    close(fds[1]);
    pump_until(&server, &server.opened, 4);
    peer_echo(&server, fds[count - 3], "my turn");
    peer_echo(&server, fds[count - 2], "mine too");
    /* Those that are served go first: where one that was refused does, its place is taken. */
    close(fds[count - 3]);
    close(fds[count - 2]);
    pump_until(&server, &server.opened, 5);
    peer_echo(&server, fds[count - 1], "and mine");
    for (size_t i = 2; i < count - 3; i++)
        close(fds[i]);
    close(fds[count - 1]);
    pump_until(&server, &server.closed, 5);
    server_stop(&server);
}

static void refused_do_not_stay(void **state)
{
    struct server server;
    int first, silent;

    (void)state;
    server_start(&server, 1, 200, 0);
    server_listen(&server, server.unix_address);
    first = peer_connect(server.unix_address);
    peer_echo(&server, first, "one");
    silent = peer_connect(server.unix_address);
    peer_expect_end(&server, silent);
    assert_int_equal(server.refused, 0);
    close(first);
    close(silent);
    server_stop(&server);
}

/* Sends a frame and takes what there is for a while, until the server has ended it. */
static void keep_at_it(struct server *server, int fd, const char *frame)
{
    static uint8_t got[1 << 16];
    uint64_t closed = server->closed;

    for (int i = 0; server->closed == closed; i++) {
        assert_true(i < 200); /* for so long it cannot have been meant to last */
        if (send(fd, frame, 1, MSG_NOSIGNAL) < 0)
            break;
        for (int ms = 0; ms < 20; ms++) {
            pump_for(server, 1);
            while (recv(fd, got, sizeof(got), MSG_DONTWAIT) > 0) {
            }
        }
    }
    pump_until(server, &server->closed, closed + 1);
}

/* Neither frames that do not say who the peer is, nor output that piles up and drains, buy time. */
static void until_it_is_known_its_time_runs(void **state)
{
    struct server server;
    int fd, good;

    (void)state;
    server_start(&server, 10, 600, 0);
    server_listen(&server, server.unix_address);
    good = peer_connect(server.unix_address);
    peer_send(good, "\x07", 1);
    peer_echo(&server, good, "hello");
    fd = peer_connect(server.unix_address);
    keep_at_it(&server, fd, "\x07");
    close(fd);
    fd = peer_connect(server.unix_address);
    keep_at_it(&server, fd, "\x08");
    assert_true(server.writable > 0);
    close(fd);
    peer_echo(&server, good, "no limit for me");
    assert_int_equal(server.closed, 2);
    close(good);
    server_stop(&server);
}

static int in_child(int (*check)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(check());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define OTHERS (NET_OTHER_DESCRIPTORS + NET_REFUSED)

static int raise_soft_limit(void)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 400};

    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || net_descriptors(200) != 200)
        return 1;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != 200 + OTHERS)
        return 2;
    return net_descriptors(100000) == 400 - OTHERS ? 0 : 3;
}

static int hopeless_limit(void)
{
    struct rlimit limit = {.rlim_cur = OTHERS, .rlim_max = OTHERS};

    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1;
    return net_descriptors(1) == 0 ? 0 : 2;
}

static void limit_of_descriptors(void **state)
{
    (void)state;
    assert_int_equal(in_child(raise_soft_limit), 0);
    assert_int_equal(in_child(hopeless_limit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_addresses),
        cmocka_unit_test(names_of_this_machine),
        cmocka_unit_test(what_cannot_be_listened_at),
        cmocka_unit_test(folder_without_permission),
        cmocka_unit_test(dead_and_live_sockets),
        cmocka_unit_test(one_too_many_is_told),
        cmocka_unit_test(far_too_many_wait),
        cmocka_unit_test(refused_do_not_stay),
        cmocka_unit_test(until_it_is_known_its_time_runs),
        cmocka_unit_test(one_peer_has_a_share),
        cmocka_unit_test(loopback_is_one_peer),
        cmocka_unit_test(limit_of_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
