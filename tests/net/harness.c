/* The server and the peers of the tests of net, see harness.h. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>
#include "host/framing.h"

#define PATIENCE_MS 5000u

/* ---- the layer above ---- */

struct session {
    struct server *server;
    struct net_conn *conn;
    struct evd_buf out;
    size_t in_flight, full_at;
    bool ends, known;
    bool working;
    TAILQ_ENTRY(session) link;
};

static TAILQ_HEAD(, session) sessions = TAILQ_HEAD_INITIALIZER(sessions);

static void *on_open(void *arg, struct net_conn *conn, struct net_output *output)
{
    struct session *session = calloc(1, sizeof(*session));

    assert_non_null(session);
    session->server = arg;
    session->conn = conn;
    buf_init(&session->out, 16u << 20);
    session->full_at = HIGH_WATER;
    TAILQ_INSERT_TAIL(&sessions, session, link);
    session->server->opened++;
    *output = (struct net_output){&session->out, &session->in_flight, &session->full_at};
    return session;
}

static void note_unwritten(struct session *session)
{
    size_t unwritten = session->out.len + session->in_flight;

    if (unwritten > session->server->most_unwritten)
        session->server->most_unwritten = unwritten;
}

static void be_slow(struct server *server)
{
    server->slow++;
    server->slow_began = uv_hrtime();
    while ((server->slow_ended = uv_hrtime()) < server->slow_began + SLOW_NS)
        ;
}

static bool on_frame(void *arg, void *opaque, const uint8_t *bytes, size_t n)
{
    struct session *session = opaque;
    struct server *server = arg;

    server->frames++;
    server->frame_bytes += n;
    assert_true(session->out.len + session->in_flight <= MOST);
    if ((bytes[0] & 0xe0) == 0xa0) {
        buf_append(&session->out, bytes, n);
    } else if (bytes[0] == 0xce || bytes[0] == 0x08) {
        size_t count = bytes[0] == 0x08
                           ? 2u << 20
                           : (size_t)bytes[1] << 24 | bytes[2] << 16 | bytes[3] << 8 | bytes[4];
        uint8_t *to = buf_reserve(&session->out, count);

        assert_non_null(to);
        memset(to, 0xc0, count);
        session->out.len += count;
    } else if (bytes[0] == 0xc2) {
        session->ends = true;
    } else if (bytes[0] == 0xc0) {
        net_conn_close(session->conn);
    } else if (bytes[0] == 0x09 || bytes[0] == 0x0a) {
        net_conn_prefer(session->conn, true);
        session->working = bytes[0] == 0x0a;
    } else if (bytes[0] == 0x0b) {
        be_slow(server);
    }
    note_unwritten(session);
    session->known |= bytes[0] != 0x07 && bytes[0] != 0x08;
    return session->known;
}

static void on_broken(void *arg, void *opaque, const uint8_t *bytes, size_t n,
                      const struct evd_error *err)
{
    struct session *session = opaque;
    struct server *server = arg;

    assert_true(n > 0 && bytes);
    assert_true(err->code == EVD_E_PROTOCOL || err->code == EVD_E_LIMIT);
    server->broken++;
    buf_append(&session->out, BROKEN_YOU, strlen(BROKEN_YOU));
}

static void on_writable(void *arg, void *opaque)
{
    struct session *session = opaque;
    struct server *server = arg;

    assert_true(session->out.len + session->in_flight <= LOW_WATER);
    server->writable++;
}

static void on_silent(void *arg, void *opaque)
{
    struct session *session = opaque;
    struct server *server = arg;

    server->silent++;
    session->ends = !server->owes;
}

static void on_closed(void *arg, void *opaque)
{
    struct session *session = opaque;
    struct server *server = arg;

    TAILQ_REMOVE(&sessions, session, link);
    buf_fini(&session->out);
    free(session);
    server->closed++;
}

static bool on_working(void *arg, void *opaque)
{
    struct session *session = opaque;

    (void)arg;
    return session->working;
}

static void on_refuse(void *arg, enum net_refusal why, const uint8_t *bytes, size_t n,
                      struct evd_buf *out)
{
    struct server *server = arg;

    assert_true(n > 0 && bytes);
    server->refused++;
    if (why == NET_REFUSED_SHARE)
        buf_append(out, REFUSED_MORE, strlen(REFUSED_MORE));
    else
        buf_append(out, REFUSED_YOU, strlen(REFUSED_YOU));
}

static void on_flush(void *arg)
{
    struct session *session;

    (void)arg;
    TAILQ_FOREACH(session, &sessions, link) {
        if (session->out.len > 0)
            net_conn_flush(session->conn);
        if (session->ends)
            net_conn_finish(session->conn);
    }
}

static void on_gone(void *arg)
{
    struct server *server = arg;

    server->gone = true;
}

static void on_log(void *arg, enum net_level level, const char *text)
{
    (void)arg;
    (void)level;
    if (getenv("EVD_TEST_VERBOSE"))
        fprintf(stderr, "net: %s\n", text);
}

/* ---- the server ---- */

void server_start(struct server *server, uint32_t max_connections, uint64_t hello_ms,
                  uint64_t frame_ms)
{
    struct net_framing framing = message_framing(&guard_request_limits);

    server_start_with(server, &framing, max_connections, hello_ms, frame_ms);
}

void server_start_with(struct server *server, const struct net_framing *framing,
                       uint32_t max_connections, uint64_t hello_ms, uint64_t frame_ms)
{
    struct net_config config = {
        .max_connections = max_connections,
        .max_each = max_connections,
        .hello_ms = hello_ms,
        .frame_ms = frame_ms,
        .framing = *framing,
    };

    server_start_by(server, config);
}

void server_start_by(struct server *server, struct net_config config)
{
    config.high_water = HIGH_WATER;
    config.most = MOST;
    if (config.buffers == 0)
        config.buffers = BUFFERS;
    config.events =
        (struct net_events){server,    on_open,    on_frame,  on_broken, on_writable, on_silent,
                            on_closed, on_working, on_refuse, on_flush,  on_gone,     on_log};
    signal(SIGPIPE, SIG_IGN);
    memset(server, 0, sizeof(*server));
    assert_int_equal(uv_loop_init(&server->loop), 0);
    config.loop = &server->loop;
    strcpy(server->folder, "/tmp/evd-net-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->unix_path, sizeof(server->unix_path), "%s/s", server->folder);
    snprintf(server->unix_address, sizeof(server->unix_address), "unix:%s", server->unix_path);
    assert_int_equal(net_new(&server->net, &config, &server->err), EVD_OK);
}

void server_listen(struct server *server, const char *address)
{
    int rc = net_listen(server->net, address, &server->err);

    if (rc != EVD_OK)
        fail_msg("%s", server->err.message);
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
}

void server_stop(struct server *server)
{
    net_close(server->net);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    assert_true(server->gone);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    assert_int_equal(server->opened, server->closed);
    assert_true(TAILQ_EMPTY(&sessions));
    remove_folder(server->folder);
}

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* One turn that waits for at most 1 ms, so that waiting for nothing costs nothing. */
static void turn(struct server *server)
{
    struct pollfd fd = {.fd = uv_backend_fd(&server->loop), .events = POLLIN};

    if (uv_run(&server->loop, UV_RUN_NOWAIT) == 0 || !uv_backend_timeout(&server->loop))
        return;
    poll(&fd, 1, 1);
}

void pump_until(struct server *server, const uint64_t *counter, uint64_t value)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    while (*counter < value) {
        if (now_ms() > end)
            fail_msg("%" PRIu64 " of %" PRIu64 " after 5 seconds", *counter, value);
        turn(server);
    }
}

void pump_for(struct server *server, unsigned ms)
{
    uint64_t end = now_ms() + ms;

    while (now_ms() < end)
        turn(server);
}

void pump_until_quiet(struct server *server, const uint64_t *counter)
{
    enum { QUIET = 200 }; /* turns */
    uint64_t end = now_ms() + PATIENCE_MS, last = *counter;

    for (int turns = 0; turns < QUIET; turns++) {
        turn(server);
        if (*counter == last)
            continue;
        if (now_ms() > end)
            fail_msg("still going on after 5 seconds: %" PRIu64, *counter);
        last = *counter;
        turns = 0;
    }
}

/* ---- peers ---- */

int peer_connect(const char *address)
{
    struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct sockaddr_in sin = {.sin_family = AF_INET};
    bool tcp = strncmp(address, "tcp:127.0.0.1:", 14) == 0;
    int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (tcp) {
        sin.sin_port = htons((uint16_t)atoi(address + 14));
        sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    } else {
        snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", address + strlen("unix:"));
        assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    }
    return fd;
}

void peer_send(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* What is there, 0 at the end (or after a reset). */
static size_t read_some(struct server *server, int fd, void *bytes, size_t n)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    for (;;) {
        ssize_t got = recv(fd, bytes, n, MSG_DONTWAIT);

        if (got >= 0)
            return (size_t)got;
        if (errno == ECONNRESET || errno == EPIPE)
            return 0;
        assert_true(errno == EAGAIN);
        if (now_ms() > end)
            fail_msg("nothing to read for 5 seconds");
        turn(server);
    }
}

void peer_read(struct server *server, int fd, void *bytes, size_t n)
{
    size_t have = 0;

    while (have < n) {
        size_t got = read_some(server, fd, (char *)bytes + have, n - have);

        if (got == 0)
            fail_msg("the connection ended after %zu of %zu bytes", have, n);
        have += got;
    }
}

void peer_expect_end(struct server *server, int fd)
{
    char byte;

    if (read_some(server, fd, &byte, 1) != 0)
        fail_msg("a byte 0x%02x instead of the end", (unsigned char)byte);
}

void peer_echo(struct server *server, int fd, const char *text)
{
    uint8_t frame[32], answer[32];
    size_t n = strlen(text);

    assert_true(n < sizeof(frame));
    frame[0] = (uint8_t)(0xa0 | n);
    memcpy(frame + 1, text, n);
    peer_send(fd, frame, n + 1);
    peer_read(server, fd, answer, n + 1);
    assert_memory_equal(answer, frame, n + 1);
}

void peer_reset(int fd)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}
