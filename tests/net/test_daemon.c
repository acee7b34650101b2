/* The daemon as a process: starting, answering, being stopped and killed, being called wrongly. */
#define _GNU_SOURCE /* pipe2, memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/guard.h"
#include "proto/message.h"

struct place {
    char folder[64], socket[80], listen[96], database[80];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    strcpy(place->folder, "/tmp/evd-daemon-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->socket, sizeof(place->socket), "%s/s", place->folder);
    snprintf(place->listen, sizeof(place->listen), "unix:%s/s", place->folder);
    snprintf(place->database, sizeof(place->database), "%s/db", place->folder);
    *state = place;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char below[512];

    if (!dir) {
        unlink(path);
        return;
    }
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        remove_tree(below);
    }
    closedir(dir);
    rmdir(path);
}

static int teardown(void **state)
{
    struct place *place = *state;

    remove_tree(place->folder);
    free(place);
    return 0;
}

/* Starts a daemon with --ready-fd and these arguments (ended by NULL), its output thrown away, or
 * its standard streams closed; its end of life is the caller's to collect. Returns once it listens
 * or has ended. */
static pid_t spawn_streams(const char *const *args, bool open_streams)
{
    char *argv[16] = {(char *)EVENDRAWD, (char *)"--ready-fd", (char *)"9"};
    size_t argc = 3;
    char line[8];
    int ready[2];
    pid_t child;

    while (*args && argc < 15)
        argv[argc++] = (char *)*args++;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        close(ready[0]);
        dup2(ready[1], 9);
        if (ready[1] != 9)
            close(ready[1]);
        dup2(null, STDOUT_FILENO);
        if (!getenv("EVD_TEST_VERBOSE"))
            dup2(null, STDERR_FILENO);
        for (int fd = 0; !open_streams && fd <= STDERR_FILENO; fd++)
            close(fd);
        alarm(50); /* whatever happens, it does not outlive the test by much */
        execv(EVENDRAWD, argv);
        _exit(127);
    }
    close(ready[1]);
    if (read(ready[0], line, 6) == 6)
        assert_memory_equal(line, "ready\n", 6);
    close(ready[0]);
    return child;
}

static pid_t spawn(const char *const *args)
{
    return spawn_streams(args, true);
}

static pid_t spawn_at(const struct place *place)
{
    const char *const args[] = {"--listen", place->listen, "--database", place->database, NULL};

    return spawn(args);
}

/* Its exit status, or 1000 and the signal that killed it. */
static int collect(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int stop(pid_t child)
{
    assert_int_equal(kill(child, SIGTERM), 0);
    return collect(child);
}

static int dial(const struct place *place)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", place->socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    return fd;
}

/* Sends a request, whose params' map the caller has packed, and reads the answer to it. */
static void call(int fd, const struct evd_buf *request, struct message *answer)
{
    static uint8_t bytes[1 << 16];
    struct evd_error err;
    struct guard guard;
    size_t have = 0;
    bool has_id;

    assert_false(request->failed);
    assert_int_equal(send(fd, request->data, request->len, MSG_NOSIGNAL), request->len);
    guard_init(&guard, &guard_reply_limits);
    while (guard.status == GUARD_MORE) {
        ssize_t n = recv(fd, bytes + have, sizeof(bytes) - have, 0);

        assert_true(n > 0);
        guard_feed(&guard, bytes + have, (size_t)n);
        have += (size_t)n;
    }
    assert_int_equal(guard.status, GUARD_DONE);
    assert_int_equal(guard.seen, have);
    assert_int_equal(message_decode(answer, bytes, have, &has_id, &err), EVD_OK);
    assert_int_equal(answer->type, MESSAGE_RESPONSE);
}

static void hello_and_info(int fd)
{
    struct message answer;
    struct evd_buf buf;
    msgpack_packer pk;

    message_init(&answer);
    buf_init(&buf, 4096);
    buf_packer(&buf, &pk);
    message_request(&pk, 1, "hello");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", "test_daemon");
    pack_map_end(&pk);
    call(fd, &buf, &answer);
    assert_int_equal(answer.id, 1);
    assert_int_equal(answer.error->type, MSGPACK_OBJECT_NIL);
    buf_truncate(&buf, 0);
    message_request(&pk, 2, "server.info");
    msgpack_pack_map(&pk, 0);
    call(fd, &buf, &answer);
    assert_int_equal(answer.id, 2);
    assert_int_equal(answer.error->type, MSGPACK_OBJECT_NIL);
    assert_int_equal(answer.result->type, MSGPACK_OBJECT_MAP);
    buf_fini(&buf);
    message_fini(&answer);
}

static void serves_and_stops(void **state)
{
    const struct place *place = *state;
    pid_t daemon = spawn_at(place);
    int fd = dial(place), silent = dial(place);
    char byte;

    hello_and_info(fd);
    assert_int_equal(kill(daemon, SIGHUP), 0);
    assert_int_equal(kill(daemon, SIGTERM), 0);
    assert_int_equal(recv(silent, &byte, 1, 0), 0);
    close(fd);
    close(silent);
    assert_int_equal(collect(daemon), 0);
    assert_int_equal(access(place->socket, F_OK), -1);
}

/* What it says must not land in its sockets or its database. */
static void closed_streams_stay_unused(void **state)
{
    const struct place *place = *state;
    const char *const args[] = {"-l", place->listen, "-d", place->database, NULL};
    pid_t daemon = spawn_streams(args, false);
    int fd = dial(place);

    hello_and_info(fd);
    for (int stream = 0; stream <= STDERR_FILENO; stream++) {
        char path[64], target[64] = "";

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)daemon, stream);
        assert_true(readlink(path, target, sizeof(target) - 1) > 0);
        assert_string_equal(target, "/dev/null");
    }
    close(fd);
    assert_int_equal(stop(daemon), 0);
}

/* What the sockets keep of the limits that can be moved. */
static void limits_are_moved(void **state)
{
    const struct place *place = *state;
    const char *const options[] = {"-l",      place->listen,  "-d",      place->database,
                                   "--limit", "hello_time=1", "--limit", "frame=655360",
                                   NULL};
    /* A byte string of 655361 bytes is too long as soon as it begins. */
    static const unsigned char too_long[] = {0x94, 0x00, 0x01, 0xc6, 0x00, 0x0a, 0x00, 0x01};
    char bytes[512];
    pid_t daemon = spawn(options);
    int silent = dial(place), fd = dial(place);

    assert_int_equal(send(fd, too_long, sizeof(too_long), MSG_NOSIGNAL), sizeof(too_long));
    assert_true(recv(fd, bytes, sizeof(bytes), 0) > 0); /* why */
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
    assert_int_equal(recv(silent, bytes, 1, 0), 0); /* within the ten seconds of dial() */
    close(fd);
    close(silent);
    assert_int_equal(stop(daemon), 0);
}

static void send_all(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* The beginning of a message, or messages that are no hello, do not stop the clock; and one user
 * leaves places for others. */
static void hello_in_time(void **state)
{
    const struct place *place = *state;
    const char *const options[] = {"-l",      place->listen,  "-d",      place->database,
                                   "--limit", "hello_time=1", "--limit", "connections=24",
                                   NULL};
    enum { EACH = 21 };
    static const char early[] = "\x93\x02\xa1x\x90"; /* a whole notification "x" */
    static const char part[] = "\x94\x00\x01\xa5h";
    char bytes[512];
    pid_t daemon = spawn(options);
    int fds[EACH], late;
    ssize_t n;

    for (int i = 0; i < EACH; i++) {
        fds[i] = dial(place);
        send_all(fds[i], i % 2 ? early : part, 5);
    }
    late = dial(place);
    send_all(late, "\x94\x00\x07\xa5hello\x90", 10);
    n = recv(late, bytes, sizeof(bytes), 0);
    assert_true(n > 0);
    assert_non_null(memmem(bytes, (size_t)n, "connections_each", 16));
    close(late);
    for (int i = 0; i < EACH; i++) {
        while (recv(fds[i], bytes, sizeof(bytes), 0) > 0) {
        }
        close(fds[i]);
    }
    late = dial(place);
    hello_and_info(late);
    close(late);
    assert_int_equal(stop(daemon), 0);
}

/* Peers that neither read nor close do not hold it up for long. */
static void stops_in_spite_of_peers(void **state)
{
    const struct place *place = *state;
    pid_t daemon = spawn_at(place);
    int fd = dial(place), half = dial(place);

    hello_and_info(fd);
    assert_int_equal(send(half, "\x94\x00", 2, MSG_NOSIGNAL), 2);
    assert_int_equal(stop(daemon), 0);
    close(fd);
    close(half);
}

static void second_signal_exits_at_once(void **state)
{
    const struct place *place = *state;
    pid_t daemon = spawn_at(place);
    int fd = dial(place);

    hello_and_info(fd);
    assert_int_equal(kill(daemon, SIGINT), 0);
    usleep(100000);
    assert_int_equal(kill(daemon, SIGINT), 0);
    assert_int_equal(collect(daemon), 1);
    close(fd);
}

static void killed_and_started_again(void **state)
{
    const struct place *place = *state;

    for (int i = 0; i < 5; i++) {
        pid_t daemon = spawn_at(place);
        int fd = dial(place);

        hello_and_info(fd);
        assert_int_equal(kill(daemon, SIGKILL), 0);
        assert_int_equal(collect(daemon), 1000 + SIGKILL);
        close(fd);
        assert_int_equal(access(place->socket, F_OK), 0);
    }
    assert_int_equal(stop(spawn_at(place)), 0);
}

/* What was stored last lay in the log of a killed daemon: without it, it does not start on less. */
static void killed_and_robbed(void **state)
{
    const struct place *place = *state;
    pid_t daemon = spawn_at(place);
    char log[96], aside[96];
    int fd = dial(place);

    hello_and_info(fd);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    assert_int_equal(collect(daemon), 1000 + SIGKILL);
    close(fd);
    snprintf(log, sizeof(log), "%s-wal", place->database);
    snprintf(aside, sizeof(aside), "%s.aside", place->database);
    assert_int_equal(rename(log, aside), 0);
    assert_int_equal(collect(spawn_at(place)), 1);
    assert_int_equal(rename(aside, log), 0);
    assert_int_equal(stop(spawn_at(place)), 0);
}

static void one_daemon_for_each(void **state)
{
    const struct place *place = *state;
    char other_listen[128], other_database[128];
    const char *const same_socket[] = {"-l", place->listen, "-d", other_database, NULL};
    const char *const same_database[] = {"-l", other_listen, "-d", place->database, NULL};
    pid_t daemon = spawn_at(place);
    int fd;

    snprintf(other_listen, sizeof(other_listen), "unix:%s/other", place->folder);
    snprintf(other_database, sizeof(other_database), "%s/other.db", place->folder);
    assert_int_equal(collect(spawn(same_socket)), 1);
    assert_int_equal(collect(spawn(same_database)), 1);
    fd = dial(place);
    hello_and_info(fd);
    close(fd);
    assert_int_equal(stop(daemon), 0);
}

static void called_wrongly(void **state)
{
    const struct place *place = *state;
    const char *const wrong[][5] = {
        {"--listen", "nonsense", NULL},
        {"--nonsense", NULL},
        {"--limit", "streams=0", NULL},
        {"--limit", "connections=many", NULL},
        {"--limit", "stream=1", NULL},
        {"--limit", "streams", NULL},
        {"--ready-fd", "-1", NULL},
        {"--ready-fd", "77", NULL},
        {"argument", NULL},
    };
    char nowhere[128];
    const char *const no_folder[] = {"-l", place->listen, "-d", nowhere, NULL};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(collect(spawn(wrong[i])), 2);
    snprintf(nowhere, sizeof(nowhere), "%s/none/db", place->folder);
    assert_int_equal(collect(spawn(no_folder)), 1);
    assert_int_equal(access(place->socket, F_OK), -1);
}

static void makes_its_own_folders(void **state)
{
    static const char *const none[] = {NULL};
    const struct place *place = *state;
    struct stat file;
    char path[160];
    pid_t daemon;

    snprintf(path, sizeof(path), "%s/state/of/mine", place->folder);
    setenv("XDG_STATE_HOME", path, 1);
    setenv("XDG_RUNTIME_DIR", place->folder, 1);
    daemon = spawn(none);
    snprintf(path, sizeof(path), "%s/evendraw.sock", place->folder);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(stop(daemon), 0);
    snprintf(path, sizeof(path), "%s/state/of/mine/evendraw", place->folder);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0700);
    strcat(path, "/evendraw.db");
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_RUNTIME_DIR");
}

#define DAEMON_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAEMON_TEST(serves_and_stops),         DAEMON_TEST(closed_streams_stay_unused),
        DAEMON_TEST(limits_are_moved),         DAEMON_TEST(hello_in_time),
        DAEMON_TEST(stops_in_spite_of_peers),  DAEMON_TEST(second_signal_exits_at_once),
        DAEMON_TEST(killed_and_started_again), DAEMON_TEST(killed_and_robbed),
        DAEMON_TEST(one_daemon_for_each),      DAEMON_TEST(called_wrongly),
        DAEMON_TEST(makes_its_own_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
