#define _GNU_SOURCE /* memmem */
#include "worker.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/guard.h"
#include "proto/message.h"
#include "wire.h"

#define BUFFER_SIZE (4u << 20)

struct worker {
    int fd;
    uint32_t stream;
    struct guard guard;
    uint8_t *in;
    size_t len;     /* bytes in `in`, of which */
    size_t begin;   /* the current frame's first, */
    size_t scanned; /* and up to here the guard has seen them */
    uint64_t batches;
    uint64_t epoch, step; /* of the last batch */
    bool unacknowledged;
};

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int dial(const struct address *address)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct addrinfo *info;
    int one = 1;
    int fd;

    if (address->kind == ADDRESS_UNIX) {
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", address->path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
            die("connect");
        return fd;
    }
    if (getaddrinfo(address->host, address->port, NULL, &info) != 0)
        die("getaddrinfo");
    fd = socket(info->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, info->ai_addr, info->ai_addrlen) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
        die("connect");
    freeaddrinfo(info);
    return fd;
}

static void send_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        bytes += sent;
        n -= (size_t)sent;
    }
}

/* Blocks for at least one more byte. */
static void receive(struct worker *w)
{
    ssize_t n;

    if (w->begin > 0) {
        memmove(w->in, w->in + w->begin, w->len - w->begin);
        w->len -= w->begin;
        w->scanned -= w->begin;
        w->begin = 0;
    }
    n = recv(w->fd, w->in + w->len, BUFFER_SIZE - w->len, 0);
    if (n <= 0)
        die("recv");
    w->len += (size_t)n;
}

/* The next whole frame among the bytes received, or NULL. */
static const uint8_t *next_frame(struct worker *w, size_t *size)
{
    const uint8_t *frame = w->in + w->begin;

    w->scanned += guard_feed(&w->guard, w->in + w->scanned, w->len - w->scanned);
    if (w->guard.status == GUARD_MORE)
        return NULL;
    if (w->guard.status != GUARD_DONE) {
        fprintf(stderr, "the server sent what the guard refuses\n");
        _exit(1);
    }
    *size = w->scanned - w->begin;
    w->begin = w->scanned;
    guard_reset(&w->guard);
    return frame;
}

/* The unsigned integer after a key within the first bytes of a frame. */
static uint64_t field(const uint8_t *frame, size_t size, const char *key)
{
    const uint8_t *at = memmem(frame, size < 512 ? size : 512, key, strlen(key));

    if (at == NULL) {
        fprintf(stderr, "a batch without %s\n", key + 1);
        _exit(1);
    }
    at += strlen(key);
    return *at < 0x80 ? *at : wire_get(at + 1, 1u << (*at - 0xcc));
}

static void send_packed(struct worker *w, struct evd_buf *buf)
{
    send_all(w->fd, buf->data, buf->len);
    buf_truncate(buf, 0);
}

static void open_epoch(struct worker *w, struct evd_buf *buf)
{
    msgpack_packer pk;

    buf_packer(buf, &pk);
    message_notification(&pk, "stream.credit");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "stream", w->stream);
    pack_key_u64(&pk, "window", BENCH_WINDOW);
    pack_map_end(&pk);
    send_packed(w, buf);
}

static void handle(struct worker *w, const uint8_t *frame, size_t size, struct evd_buf *buf)
{
    if (size > 8 && memcmp(frame,
                           "\x93\x02\xa5"
                           "batch",
                           8) == 0) {
        w->batches++;
        w->epoch = field(frame, size,
                         "\xa5"
                         "epoch");
        w->step = field(frame, size, "\xa4step");
        w->unacknowledged = true;
    } else if (size > 12 && memcmp(frame,
                                   "\x93\x02\xa9"
                                   "epoch_end",
                                   12) == 0) {
        open_epoch(w, buf);
    } else if (size < 10 || memcmp(frame,
                                   "\x93\x02\xa7"
                                   "drained",
                                   10) != 0) {
        fprintf(stderr, "the server sent something else than batches: ");
        fwrite(frame, 1, size, stderr);
        fputc('\n', stderr);
        _exit(1);
    }
}

/* hello and stream.open; the answer to the second tells the stream's number. */
static void attach(struct worker *w, const char *job, struct evd_buf *buf)
{
    msgpack_packer pk;
    const uint8_t *frame;
    size_t size;

    buf_packer(buf, &pk);
    message_request(&pk, 0, "hello");
    pack_map_begin(&pk);
    pack_key_u64(&pk, "protocol", EVD_PROTOCOL_VERSION);
    pack_key_cstr(&pk, "client", "bench");
    pack_map_end(&pk);
    message_request(&pk, 1, "stream.open");
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "job", job);
    pack_key_u64(&pk, "window", BENCH_WINDOW);
    pack_key_cstr(&pk, "encoding", "packed");
    pack_map_end(&pk);
    send_packed(w, buf);
    for (int answers = 0; answers < 2; answers++) {
        while ((frame = next_frame(w, &size)) == NULL)
            receive(w);
        if (frame[0] != 0x94 || frame[3] != 0xc0) {
            fprintf(stderr, "the daemon refused: %.*s\n", (int)size, (const char *)frame);
            _exit(1);
        }
    }
    w->stream = (uint32_t)field(frame, size, "\xa6stream");
}

struct worker_result worker_run(const struct address *address, const char *job, double seconds)
{
    struct worker w = {.fd = dial(address), .stream = 1, .in = malloc(BUFFER_SIZE)};
    struct worker_result result = {0};
    struct evd_buf buf;
    double begin = now() + seconds / 10;
    uint64_t before = 0; /* batches of the warm-up */
    bool warm = false;
    uint8_t ack[ACK_SIZE];
    const uint8_t *frame;
    size_t size;

    if (w.in == NULL)
        die("malloc");
    guard_init(&w.guard, &guard_reply_limits);
    buf_init(&buf, 4096);
    if (job != NULL)
        attach(&w, job, &buf);
    for (;;) {
        while ((frame = next_frame(&w, &size)) != NULL)
            handle(&w, frame, size, &buf);
        if (w.unacknowledged) {
            wire_ack(ack, w.stream, w.epoch, w.step);
            send_all(w.fd, ack, sizeof(ack));
            w.unacknowledged = false;
        }
        double t = now();
        if (!warm && t >= begin) {
            warm = true;
            begin = t;
            before = w.batches;
        } else if (warm && t >= begin + seconds) {
            result = (struct worker_result){w.batches - before, t - begin, w.batches};
            break;
        }
        receive(&w);
    }
    close(w.fd);
    buf_fini(&buf);
    free(w.in);
    return result;
}
