#define _GNU_SOURCE /* memmem */
/* Peers that misbehave over real sockets, while a worker goes on receiving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

#define HELLO                                                                                      \
    "\x94\x00\x00\xa5hello\x91\x82\xa8protocol\x01\xa6"                                            \
    "client\xa4test"

#define CONNECTIONS 64

static const char *const few_connections[] = {"--limit", "connections=64", NULL};
static struct server server = {.options = few_connections};
static evd_client *client;

/* ---- the worker that must not notice ---- */

static struct {
    pthread_t thread;
    atomic_bool stop, failed;
    atomic_ulong batches;
} bystander;

static void *bystander_main(void *arg)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_client *own = server_dial(&server);
    const evd_batch *batch;
    evd_stream *stream;
    int code;

    (void)arg;
    options.job = "j";
    code = evd_stream_open(own, &options, &stream);
    while (!bystander.stop && (code == EVD_OK || code == EVD_EPOCH_END)) {
        /* A stall of a second is a failure: nobody may hold up others. */
        code = evd_next(stream, 5000, &batch);
        bystander.batches++;
        usleep(1000);
    }
    bystander.failed = code != EVD_OK && code != EVD_EPOCH_END;
    if (bystander.failed)
        fprintf(stderr, "the bystander: %s\n", evd_error_message(own));
    evd_close(own);
    return NULL;
}

static int start(void **state)
{
    (void)state;
    server_start(&server);
    client = server_dial(&server);
    load(client, "d", 50000, 10);
    tell(client, "job.create", "{\"name\": \"j\", \"dataset\": \"d\", \"batch_size\": 64}");
    return pthread_create(&bystander.thread, NULL, bystander_main, NULL);
}

static int stop(void **state)
{
    (void)state;
    bystander.stop = true;
    pthread_join(bystander.thread, NULL);
    evd_close(client);
    server_remove(&server);
    return bystander.failed || bystander.batches < 10;
}

/* After every test: the bystander received, and the daemon answers. */
static int undisturbed(void **state)
{
    unsigned long before = bystander.batches;

    (void)state;
    for (int i = 0; i < 5000 && bystander.batches < before + 3 && !bystander.failed; i++)
        usleep(1000);
    tell(client, "server.info", NULL);
    return bystander.failed || bystander.batches < before + 3;
}

/* ---- raw peers ---- */

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(strlen(server.address + 5) < sizeof(address.sun_path));
    strcpy(address.sun_path, server.address + 5); /* without "unix:" */
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t n)
{
    /* The daemon may already have closed. */
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
    (void)sent;
}
#define PUT(fd, literal) put(fd, literal, sizeof(literal) - 1)

/* Reads until something with `name` in it has come and, if `closes`, the daemon has hung up. */
static void expect(int fd, const char *name, bool closes)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char got[8192];
    size_t len = 0;
    bool closed = false;

    while (poll(&ready, 1, 10000) == 1) {
        ssize_t n = recv(fd, got + len, sizeof(got) - len, 0);
        closed = n <= 0;
        len += n > 0 ? (size_t)n : 0;
        if (closed || (!closes && memmem(got, len, name, strlen(name)) != NULL))
            break;
    }
    if (memmem(got, len, name, strlen(name)) == NULL)
        fail_msg("no answer with \"%s\" in it (%zu bytes came)", name, len);
    assert_int_equal(closed, closes);
    close(fd);
}

static void test_broken_frames(void **state)
{
    static const char nested[] = "\x94\x00\x07\xa5hello\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
                                 "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0";
    int fd;

    (void)state;
    fd = dial(); /* never valid */
    PUT(fd, "\xc1");
    expect(fd, "protocol", true);
    fd = dial(); /* not an array */
    PUT(fd, "\xa3"
            "abc");
    expect(fd, "protocol", true);
    fd = dial(); /* HTTP */
    PUT(fd, "GET / HTTP/1.1\r\n\r\n");
    expect(fd, "protocol", true);
    fd = dial(); /* an array of 268,435,455: 8 GiB in msgpack-c */
    PUT(fd, "\xdd\x0f\xff\xff\xff");
    expect(fd, "limit", true);
    fd = dial(); /* bin of 4 GiB */
    PUT(fd, HELLO "\x94\x00\x05\xaestrategy.list\x91\xc6\xff\xff\xff\xff");
    expect(fd, "limit", true);
    fd = dial();
    put(fd, nested, sizeof(nested) - 1);
    expect(fd, "limit", true);
    fd = dial(); /* hung up in the middle of a frame */
    put(fd, HELLO, 12);
    close(fd);
    assert_true(server_rss(&server) < 256u << 20);
}

static void test_order_and_names(void **state)
{
    int fd;

    (void)state;
    fd = dial();
    PUT(fd, "\x94\x00\x01\xa8job.list\x90");
    expect(fd, "hello_required", false);
    fd = dial();
    PUT(fd, "\x94\x00\x00\xa5hello\x91\x82\xa8protocol\x63\xa6"
            "client\xa4test");
    expect(fd, "version", false);
    fd = dial();
    PUT(fd, HELLO "\x94\x00\x01\xa8job.lsit\x90");
    expect(fd, "unknown_method", false);
    fd = dial();
    PUT(fd, HELLO "\x94\x00\x01\xa8job.info\x91\x82\xa3job\xa1j\xa4what\x01");
    expect(fd, "unknown_field", false);
    fd = dial();
    PUT(fd, HELLO "\x94\x00\x01\xa8job.info\x91\x80");
    expect(fd, "missing_field", false);
    fd = dial();
    PUT(fd, HELLO "\x94\x00\x01\xa8job.info\x91\x81\xa3job\x05");
    expect(fd, "bad_type", false);
}

/* A hello that takes its time, byte by byte, is still a hello. */
static void test_slow_sender(void **state)
{
    int fd = dial();

    (void)state;
    for (size_t i = 0; i < sizeof HELLO - 1; i++) {
        put(fd, &HELLO[i], 1);
        usleep(2000);
    }
    expect(fd, "session", false);
}

/* A worker that opens a stream with a wide window and never reads. */
static void test_reader_that_does_not_read(void **state)
{
    static const char open[] = HELLO "\x94\x00\x01\xabstream.open\x91\x82\xa3job\xa3"
                                     "big"
                                     "\xa6window\xcd\x01\x00";
    int fd;

    (void)state;
    tell(client, "job.create", "{\"name\": \"big\", \"dataset\": \"d\", \"batch_size\": 40000}");
    fd = dial();
    put(fd, open, sizeof(open) - 1);
    usleep(300000);
    assert_true(server_rss(&server) < 256u << 20);
    close(fd);
}

static void test_bad_values(void **state)
{
    static const struct {
        const char *method, *params;
        int code;
    } cases[] = {
        {"job.info", "{\"job\": \"nobody\"}", EVD_E_NOT_FOUND},
        {"dataset.info", "{\"dataset\": \"none\"}", EVD_E_NOT_FOUND},
        {"dataset.info", "{\"dataset\": \"d\", \"version\": 9}", EVD_E_NOT_FOUND},
        {"dataset.drop", "{\"dataset\": \"d\"}", EVD_E_CONFLICT},
        {"job.create", "{\"name\": \"j\", \"dataset\": \"d\", \"batch_size\": 8}", EVD_E_EXISTS},
        {"job.create", "{\"name\": \"x\", \"dataset\": \"none\", \"batch_size\": 8}",
         EVD_E_NOT_FOUND},
        {"job.create", "{\"name\": \"x\", \"dataset\": \"d\", \"batch_size\": 0}", EVD_E_BAD_VALUE},
        {"job.create", "{\"name\": \"x\", \"dataset\": \"d\", \"batch_size\": 65537}", EVD_E_LIMIT},
        {"job.create", "{\"name\": \"\", \"dataset\": \"d\", \"batch_size\": 8}", EVD_E_BAD_VALUE},
        {"job.create",
         "{\"name\": \"x\", \"dataset\": \"d\", \"batch_size\": 8, \"mode\": \"ranked\", "
         "\"world_size\": 3}",
         EVD_E_BAD_VALUE},
        {"job.list", "{\"verbose\": true}", EVD_E_UNKNOWN_FIELD},
        {"job.destroy", "{\"job\": \"j\"}", EVD_E_UNKNOWN_METHOD},
    };
    static const char *const strategies[] = {
        "{\"kind\": \"weihgted\"}",
        "{\"kind\": \"weighted\", \"weihgt\": \"inverse\"}",
        "{\"kind\": \"weighted\", \"weight\": \"sideways\"}",
        "{\"kind\": \"weighted\", \"weight\": \"explicit\", \"weights\": {\"c0\": -1.0}}",
        "{\"kind\": \"weighted\", \"weight\": \"explicit\", \"weights\": {\"c0\": 0, \"c1\": 0, "
        "\"c2\": 0, \"c3\": 0, "
        "\"c4\": 0, \"c5\": 0, \"c6\": 0, \"c7\": 0, \"c8\": 0, \"c9\": 0}}",
        "{\"kind\": \"weighted\", \"weight\": \"explicit\", \"weights\": {\"zebra\": 1}}",
        "{}",
    };
    char params[512];
    char *result;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        refused(client, cases[i].method, cases[i].params, cases[i].code);
    for (size_t i = 0; i < sizeof(strategies) / sizeof(*strategies); i++) {
        snprintf(params, sizeof(params),
                 "{\"name\": \"x\", \"dataset\": \"d\", \"batch_size\": 8, \"strategy\": %s}",
                 strategies[i]);
        if (evd_call(client, "job.create", params, &result) == EVD_OK)
            fail_msg("accepted: %s", strategies[i]);
        assert_true(evd_error_message(client)[0] != '\0');
        snprintf(params, sizeof(params), "{\"job\": \"j\", \"strategy\": %s}", strategies[i]);
        if (evd_call(client, "job.update", params, &result) == EVD_OK)
            fail_msg("accepted: %s", strategies[i]);
    }
    refused(client, "job.info", "{\"job\": \"x\"}", EVD_E_NOT_FOUND);
}

/* More connections than the daemon takes of one user: those over the limit are told so, and the
 * place comes back when others go. */
static void test_connection_flood(void **state)
{
    int fds[CONNECTIONS + 16], refusals = 0;
    json_t *info = ask(client, "server.info", NULL);

    (void)state;
    assert_int_equal(number(info, "limits.connections"), CONNECTIONS);
    json_decref(info);
    for (int i = 0; i < CONNECTIONS + 16; i++)
        fds[i] = dial();
    PUT(fds[CONNECTIONS + 15], HELLO);
    expect(fds[CONNECTIONS + 15], "connections_each", true);
    fds[CONNECTIONS + 15] = dial();
    for (int i = 0; i < CONNECTIONS + 16; i++)
        close(fds[i]);
    for (;;) {
        evd_client *late;
        int code = evd_connect(server.address, NULL, &late);
        evd_close(late);
        if (code == EVD_OK)
            break;
        assert_int_equal(code, EVD_E_BUSY);
        assert_true(++refusals < 1000);
        usleep(10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_broken_frames, undisturbed),
        cmocka_unit_test_teardown(test_order_and_names, undisturbed),
        cmocka_unit_test_teardown(test_slow_sender, undisturbed),
        cmocka_unit_test_teardown(test_reader_that_does_not_read, undisturbed),
        cmocka_unit_test_teardown(test_bad_values, undisturbed),
        cmocka_unit_test_teardown(test_connection_flood, undisturbed),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
