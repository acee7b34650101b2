#define _GNU_SOURCE /* memmem */
#include "bare_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/batch.h"
#include "wire.h"

struct conn {
    int fd;
    uint8_t in[ACK_SIZE]; /* an acknowledgement cut in the middle */
    size_t in_len;
    uint64_t given[BENCH_WINDOW]; /* steps not acknowledged, oldest first, from `oldest` on */
    uint32_t oldest, outstanding;
    uint8_t *out;
    size_t out_at, out_len;
    bool waits_for_room;
};

static struct {
    int epoll;
    uint8_t *frame;
    size_t frame_size, step_at;
    uint64_t next_step;
} server;

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

/* The very frame evendrawd sends, with a step that takes four bytes. */
static void make_template(uint32_t n)
{
    static const struct batch_format format = {.packed = true, .columns = 1u << COLUMN_index};
    struct batch_head head = {.stream = 1, .job = {"bench", 5}, .step = 1u << 20};
    struct batch_columns columns = {.n = n};
    uint64_t *index = calloc(n, sizeof(*index));
    struct evd_buf buf;
    uint8_t *step;

    if (index == NULL)
        die("calloc");
    for (uint32_t i = 0; i < n; i++)
        index[i] = (uint64_t)i * 2654435761u % 1000000u;
    columns.data[COLUMN_index] = index;
    buf_init(&buf, batch_size_bound(&format, n));
    if (batch_encode(&buf, &head, &format, &columns) != EVD_OK)
        die("batch_encode");
    free(index);
    step = memmem(buf.data, buf.len, "\xa4step\xce", 6);
    if (step == NULL)
        die("a batch without its step");
    server.frame = buf.data;
    server.frame_size = buf.len;
    server.step_at = (size_t)(step - buf.data) + 6;
}

static void watch(struct conn *conn, bool room)
{
    struct epoll_event event = {.events = EPOLLIN | (room ? EPOLLOUT : 0u), .data.ptr = conn};

    if (conn->waits_for_room != room && epoll_ctl(server.epoll, EPOLL_CTL_MOD, conn->fd, &event))
        die("epoll_ctl");
    conn->waits_for_room = room;
}

static void conn_close(struct conn *conn)
{
    close(conn->fd);
    free(conn->out);
    free(conn);
}

/* Fills the window and writes all of it at once. False when the peer is gone. */
static bool conn_send(struct conn *conn)
{
    if (conn->out_at == conn->out_len)
        conn->out_at = conn->out_len = 0;
    while (conn->outstanding < BENCH_WINDOW &&
           conn->out_len + server.frame_size <= BENCH_WINDOW * server.frame_size) {
        memcpy(conn->out + conn->out_len, server.frame, server.frame_size);
        wire_put(conn->out + conn->out_len + server.step_at, server.next_step, 4);
        conn->out_len += server.frame_size;
        conn->given[(conn->oldest + conn->outstanding++) % BENCH_WINDOW] = server.next_step++;
    }
    if (conn->out_at < conn->out_len) {
        ssize_t n =
            send(conn->fd, conn->out + conn->out_at, conn->out_len - conn->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        conn->out_at += n > 0 ? (size_t)n : 0;
    }
    watch(conn, conn->out_at < conn->out_len);
    return true;
}

static void conn_acked(struct conn *conn, uint64_t step)
{
    while (conn->outstanding > 0 && conn->given[conn->oldest] <= step) {
        conn->oldest = (conn->oldest + 1) % BENCH_WINDOW;
        conn->outstanding--;
    }
}

static bool conn_read(struct conn *conn)
{
    uint8_t bytes[64 * ACK_SIZE];
    ssize_t got;
    size_t n, at = 0;

    memcpy(bytes, conn->in, conn->in_len);
    got = recv(conn->fd, bytes + conn->in_len, sizeof(bytes) - conn->in_len, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    n = conn->in_len + (size_t)got;
    for (; n - at >= ACK_SIZE; at += ACK_SIZE)
        conn_acked(conn, wire_get(bytes + at + ACK_STEP_AT, 8));
    conn->in_len = n - at;
    memcpy(conn->in, bytes + at, conn->in_len);
    return true;
}

static void accept_one(int listener)
{
    int one = 1;
    struct conn *conn = calloc(1, sizeof(*conn));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

    if (conn == NULL)
        die("calloc");
    conn->out = malloc(BENCH_WINDOW * server.frame_size);
    conn->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (conn->out == NULL || conn->fd < 0)
        die("accept");
    /* Fails on a Unix socket, which needs none. */
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        die("epoll_ctl");
    if (!conn_send(conn))
        conn_close(conn);
}

void bare_serve(const int listeners[2], uint32_t n)
{
    struct epoll_event events[64];

    make_template(n);
    server.epoll = epoll_create1(0);
    for (int i = 0; i < 2; i++) {
        /* A listener is known by its address in the array. */
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)&listeners[i]};
        if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, listeners[i], &event) != 0)
            die("epoll_ctl");
    }
    for (;;) {
        int ready = epoll_wait(server.epoll, events, 64, -1);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct conn *conn = events[i].data.ptr;
            const int *listener = events[i].data.ptr;
            if (listener == &listeners[0] || listener == &listeners[1])
                accept_one(*listener);
            else if (((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !conn_read(conn)) ||
                     !conn_send(conn))
                conn_close(conn);
        }
    }
}
