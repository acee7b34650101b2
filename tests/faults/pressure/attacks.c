/* The attacks of attacks.h. Nearly all are peers that send one message again and again; they differ
 * in which, in whether they read, and in when they leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks.h"
#include "proto/message.h"
#include "proto/limits.h"

#define JOBS      1000u
#define NAMES     61000u
#define BIG       400000u /* samples */
#define FRAME     EVD_MAX_FRAME
#define UNLIMITED UINT32_MAX
#define MIB       (UINT64_C(1) << 20)

/* ---- peers that send the same again and again ---- */

struct habit {
    bool reads;
    uint32_t messages; /* of a connection: then it sends no more, */
    bool leaves;       /* or closes without reading, and comes back */
    uint32_t window;   /* messages that were not answered */
};

struct peer {
    int fd; /* -1: not connected */
    uint32_t sent, unanswered;
    size_t at; /* bytes of hello and then of the message at hand that are written */
    bool greeted;
};

struct crowd {
    const struct server *server;
    struct tally *tally;
    struct habit habit;
    struct evd_buf hello, message;
    uint32_t count;
    struct peer *peers;
    struct pollfd *polls;
};

static void pack_hello(struct evd_buf *buf)
{
    msgpack_packer pk;

    buf_packer(buf, &pk);
    message_request(&pk, 0, "hello");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", "attacker");
    pack_map_end(&pk);
}

/* -1: the daemon does not take it at once. */
static int dial(const struct server *server, struct tally *tally)
{
    struct sockaddr_un address = faults_address(server);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    tally->connections += fd >= 0;
    return fd;
}

static void leave(struct peer *peer)
{
    close(peer->fd);
    *peer = (struct peer){.fd = -1};
}

static bool may_send(const struct crowd *crowd, const struct peer *peer)
{
    return peer->sent < crowd->habit.messages && peer->unanswered < crowd->habit.window;
}

/* As much as the socket takes, but not for longer than others wait. */
static void send_some(struct crowd *crowd, struct peer *peer)
{
    for (int i = 0; i < 64 && may_send(crowd, peer); i++) {
        const struct evd_buf *buf = peer->greeted ? &crowd->message : &crowd->hello;
        ssize_t n = send(peer->fd, buf->data + peer->at, buf->len - peer->at, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            leave(peer);
            return;
        }
        peer->at += (size_t)n;
        if (peer->at < buf->len)
            continue;
        peer->at = 0;
        peer->unanswered++;
        peer->sent += peer->greeted;
        crowd->tally->messages += peer->greeted;
        peer->greeted = true;
    }
    if (crowd->habit.leaves && peer->sent >= crowd->habit.messages)
        leave(peer);
}

static void read_some(struct peer *peer)
{
    static char bytes[256 << 10];
    ssize_t n = recv(peer->fd, bytes, sizeof(bytes), 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        leave(peer);
    else if (n > 0 && peer->unanswered > 0)
        peer->unanswered--;
}

static void turn(struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->count; i++) {
        struct peer *peer = &crowd->peers[i];
        bool sends;

        if (peer->fd < 0)
            peer->fd = dial(crowd->server, crowd->tally);
        sends = peer->fd >= 0 && may_send(crowd, peer);
        crowd->polls[i] = (struct pollfd){
            .fd = peer->fd,
            .events = (short)((sends ? POLLOUT : 0) | (crowd->habit.reads ? POLLIN : 0))};
    }
    poll(crowd->polls, crowd->count, 10);
    for (uint32_t i = 0; i < crowd->count; i++) {
        struct peer *peer = &crowd->peers[i];

        if (peer->fd >= 0 && crowd->polls[i].revents & (POLLIN | POLLHUP | POLLERR))
            read_some(peer);
        if (peer->fd >= 0 && crowd->polls[i].revents & POLLOUT)
            send_some(crowd, peer);
    }
}

static struct crowd *gather(const struct server *server, struct tally *tally, uint32_t count,
                            struct habit habit)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    *crowd = (struct crowd){.server = server, .tally = tally, .habit = habit, .count = count};
    crowd->peers = calloc(count, sizeof(*crowd->peers));
    crowd->polls = calloc(count, sizeof(*crowd->polls));
    for (uint32_t i = 0; i < count; i++)
        crowd->peers[i].fd = -1;
    buf_init(&crowd->hello, 256);
    buf_init(&crowd->message, 2 * MIB);
    pack_hello(&crowd->hello);
    return crowd;
}

static void go_on(struct crowd *crowd)
{
    for (;;)
        turn(crowd);
}

/* ---- what they send ---- */

static void pack_request(struct crowd *crowd, const char *method)
{
    msgpack_packer pk;

    buf_packer(&crowd->message, &pk);
    message_request(&pk, 1, method);
    pack_map_begin(&pk);
    pack_map_end(&pk);
}

/* Nearly as large as a frame may be, of nearly as many objects, and wrong only at its end: its last
 * byte is none of MessagePack, or its last field none of the method. */
static void pack_late_failure(struct crowd *crowd, bool broken)
{
    static const uint8_t bytes[FRAME / 2];
    msgpack_packer pk;

    buf_packer(&crowd->message, &pk);
    message_request(&pk, 1, "dataset.append");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "draft", 1);
    pack_key_bin(&pk, "labels", bytes, sizeof(bytes));
    pack_key_array(&pk, "classes", 61000);
    for (uint32_t i = 0; i < 61000; i++)
        pack_cstr(&pk, "class");
    pack_key_u64(&pk, "nobody_knows_this", 1);
    pack_map_end(&pk);
    if (broken)
        crowd->message.data[crowd->message.len - 1] = 0xc1;
}

static void run_connect(const struct attack *attack, const struct server *server,
                        struct tally *tally, uint32_t peers)
{
    (void)attack;
    (void)peers;
    for (;;) {
        int fd = dial(server, tally);

        tally->messages += fd >= 0;
        if (fd >= 0)
            close(fd);
        else
            usleep(100);
    }
}

static void run_hello(const struct attack *attack, const struct server *server, struct tally *tally,
                      uint32_t peers)
{
    struct evd_buf hello;

    (void)attack;
    (void)peers;
    buf_init(&hello, 256);
    pack_hello(&hello);
    for (;;) {
        int fd = dial(server, tally);

        if (fd < 0) {
            usleep(100);
            continue;
        }
        tally->messages += send(fd, hello.data, hello.len, MSG_NOSIGNAL) > 0;
        close(fd);
    }
}

static void run_late(const struct attack *attack, const struct server *server, struct tally *tally,
                     uint32_t peers)
{
    struct crowd *crowd = gather(server, tally, peers,
                                 (struct habit){.reads = true, .messages = UNLIMITED, .window = 2});

    pack_late_failure(crowd, strstr(attack->name, "broken") != NULL);
    go_on(crowd);
}

static void run_leave(const struct attack *attack, const struct server *server, struct tally *tally,
                      uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers,
               (struct habit){.messages = 4000, .leaves = true, .window = UNLIMITED});

    (void)attack;
    pack_request(crowd, "strategy.list");
    go_on(crowd);
}

static void run_pipeline(const struct attack *attack, const struct server *server,
                         struct tally *tally, uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers,
               (struct habit){.reads = true, .messages = UNLIMITED, .window = UNLIMITED});

    (void)attack;
    pack_request(crowd, "server.info");
    go_on(crowd);
}

static void run_deaf(const struct attack *attack, const struct server *server, struct tally *tally,
                     uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers, (struct habit){.messages = UNLIMITED, .window = UNLIMITED});

    (void)attack;
    pack_request(crowd, "strategy.list");
    go_on(crowd);
}

static void run_partial(const struct attack *attack, const struct server *server,
                        struct tally *tally, uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers, (struct habit){.messages = 1, .window = UNLIMITED});

    (void)attack;
    pack_late_failure(crowd, false);
    crowd->message.len -= 16;
    go_on(crowd);
}

static void run_list(const struct attack *attack, const struct server *server, struct tally *tally,
                     uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers,
               (struct habit){.reads = true, .messages = UNLIMITED, .window = UNLIMITED});

    (void)attack;
    pack_request(crowd, "job.list");
    go_on(crowd);
}

/* A change of a job that needs next to no work, again and again. */
struct updater {
    const struct server *server;
    struct tally *tally;
};

static void *update(void *arg)
{
    const struct updater *updater = arg;
    evd_client *client = server_dial(updater->server);

    for (;;) {
        double began = faults_seconds();
        unsigned long us;

        tell(client, "job.update",
             "{\"job\": \"trivial\", \"when\": \"now\", \"strategy\": {\"kind\": \"uniform\"}}");
        us = (unsigned long)((faults_seconds() - began) * 1e6);
        updater->tally->updates++;
        if (us > updater->tally->update_us)
            updater->tally->update_us = us;
        usleep(10000);
    }
    return NULL;
}

static void run_preview(const struct attack *attack, const struct server *server,
                        struct tally *tally, uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers,
               (struct habit){.reads = true, .messages = UNLIMITED, .window = EVD_MAX_WORKS});
    struct updater updater = {server, tally};
    msgpack_packer pk;
    pthread_t thread;

    (void)attack;
    buf_packer(&crowd->message, &pk);
    message_request(&pk, 1, "job.preview");
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "dataset", "big");
    pack_key_u64(&pk, "batch_size", 100);
    pack_key_map(&pk, "strategy");
    pack_key_cstr(&pk, "kind", "weighted");
    pack_key_cstr(&pk, "weight", "inverse");
    pack_key_bool(&pk, "replacement", false);
    pack_key_u64(&pk, "orders", 20);
    pack_map_end(&pk);
    pack_map_end(&pk);
    for (int i = 0; i < 20; i++) /* all of them have begun when the first change comes */
        turn(crowd);
    pthread_create(&thread, NULL, update, &updater);
    go_on(crowd);
}

static void run_drafts(const struct attack *attack, const struct server *server,
                       struct tally *tally, uint32_t peers)
{
    struct crowd *crowd =
        gather(server, tally, peers, (struct habit){.messages = 2, .leaves = true, .window = 3});
    msgpack_packer pk;
    char name[16];

    (void)attack;
    buf_packer(&crowd->message, &pk);
    message_request(&pk, 1, "dataset.create");
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "name", "draft");
    pack_key_array(&pk, "classes", NAMES);
    for (uint32_t i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "class-%u", i);
        pack_cstr(&pk, name);
    }
    pack_map_end(&pk);
    go_on(crowd);
}

/* ---- all of them ---- */

/* A frame and a read that wait, output up to twice send_buffer, and an answer. */
#define HELD (FRAME + 64 * 1024 + 2 * MIB + MIB / 4)

const struct attack attacks[] = {
    {"connect, close", {1, 1, 1}, run_connect, 0},
    {"connect, hello, close", {1, 1, 1}, run_hello, 0},
    {"1 MiB, broken at the end", {4, 4, 2}, run_late, HELD},
    {"1 MiB, wrong at the end", {4, 4, 2}, run_late, HELD},
    {"pipeline, close unread", {8, 8, 4}, run_leave, HELD},
    {"pipelining", {300, 900, 50}, run_pipeline, HELD},
    {"not reading", {100, 900, 20}, run_deaf, HELD},
    {"partial 1 MiB frames", {100, 900, 20}, run_partial, HELD},
    {"job.list of 1,000 jobs", {4, 8, 2}, run_list, HELD},
    {"two previews each", {8, 8, 2}, run_preview, HELD + 64 * MIB},
    {"drafts of 61,000 names", {16, 160, 4}, run_drafts, HELD + 8 * MIB},
};
const uint32_t attack_count = sizeof(attacks) / sizeof(attacks[0]);

void attacks_prepare(const struct server *server)
{
    evd_client *client = server_dial(server);
    char params[256];

    load(client, "small", 1000, 10);
    load(client, "big", BIG, 2);
    tell(client, "job.create",
         "{\"name\": \"trivial\", \"dataset\": \"small\", \"batch_size\": 10}");
    for (uint32_t i = 0; i < JOBS; i++) {
        snprintf(params, sizeof(params),
                 "{\"name\": \"listed-%u\", \"dataset\": \"small\", \"batch_size\": 10}", i);
        tell(client, "job.create", params);
    }
    evd_close(client);
}

pid_t attack_begin(const struct attack *attack, const struct server *server, struct tally *tally)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    /* That the worker has to wait for a processor is not what is measured. */
    if (nice(10) < 0)
        _exit(1);
    attack->run(attack, server, tally, faults_scale(attack->peers));
    _exit(1);
}

void attack_end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
