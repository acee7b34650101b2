/* libevendraw against a scripted daemon: connecting, calls, uploads, and what goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <evendraw.h>
#include "caller.h"
#include "fake.h"

/* ---- connecting ---- */

static void nobody_there(void **state)
{
    evd_client *client;

    (void)state;
    assert_int_equal(evd_connect("unix:/nonexistent/s", NULL, &client), EVD_E_CONNECT);
    assert_non_null(strstr(evd_error_message(client), "/nonexistent/s"));
    assert_int_equal(evd_call(client, "job.list", NULL, NULL), EVD_E_CONNECT);
    assert_int_equal(evd_fd(client), -1);
    evd_close(client);
    assert_int_equal(evd_connect("nonsense", NULL, &client), EVD_E_BAD_VALUE);
    evd_close(client);
    evd_close(NULL);
    assert_string_equal(evd_error_name(EVD_E_TIMEOUT), "timeout");
}

static void other_version(struct fake *fake)
{
    fake_expect(fake, "hello");
    fake_result(fake);
    pack_key_u64(&fake->pk, "protocol", 9);
    fake_send(fake);
}

static void turned_away(struct fake *fake)
{
    fake_note(fake, "error");
    pack_key_u64(&fake->pk, "code", EVD_E_BUSY);
    pack_key_cstr(&fake->pk, "message", "too many connections");
    fake_send(fake);
}

static void no_messagepack(struct fake *fake)
{
    fake_bytes(fake, "HTTP/1.1 400 Bad Request\r\n\r\n\xc1\xc1\xc1", 31);
    fake_wait_end(fake);
}

static void silent(struct fake *fake)
{
    fake_wait_end(fake);
}

static void bad_hello(void **state)
{
    static const struct {
        void (*script)(struct fake *fake);
        int code;
    } cases[] = {{other_version, EVD_E_VERSION},
                 {turned_away, EVD_E_BUSY},
                 {no_messagepack, EVD_E_PROTOCOL},
                 {silent, EVD_E_TIMEOUT}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        evd_client_options options = {.time_limit_ms = 100};
        struct fake fake;
        evd_client *client;

        fake_start(&fake, cases[i].script, NULL);
        assert_int_equal(evd_connect(fake.address, &options, &client), cases[i].code);
        evd_close(client);
        fake_stop(&fake);
    }
}

/* ---- calls ---- */

static void answer_values(struct fake *fake)
{
    const msgpack_object *params;

    fake_hello(fake);
    params = fake_expect(fake, "job.create");
    if (params->via.map.size != 3 || fake_u64(params, "i") != 7)
        abort();
    fake_result(fake);
    pack_key_u64(&fake->pk, "big", UINT64_MAX);
    pack_key_f64(&fake->pk, "nan", 0.0 / 0.0);
    pack_key_f64(&fake->pk, "real", 0.28);
    pack_key_f64(&fake->pk, "whole", 1);
    pack_key_bin(&fake->pk, "bytes", "\x00\xff", 2);
    pack_key_bool(&fake->pk, "yes", true);
    pack_key(&fake->pk, "low");
    msgpack_pack_int64(&fake->pk, INT64_MIN);
    pack_map_end(&fake->pk);
    /* One byte at a time. */
    for (size_t i = 0; i < fake->out.len; i++)
        fake_bytes(fake, fake->out.data + i, 1);
    buf_truncate(&fake->out, 0);
    for (int i = 0; i < 2; i++) {
        fake_expect(fake, "job.drop");
        fake_error(fake, EVD_E_NOT_FOUND, "no such job");
    }
    fake_wait_end(fake);
}

static void call_and_json(void **state)
{
    static const char deep[] = "{\"a\": [[[[[[[[[[[[[[]]]]]]]]]]]]]]}";
    static char large[200000];
    char *at;
    struct fake fake;
    evd_client *client;
    char *text;

    (void)state;
    fake_start(&fake, answer_values, NULL);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    assert_int_equal(evd_call(client, "job.create",
                              "{\"i\": 7, \"b\": {\"$hex\": \"00fF\"}, \"a\": [1.0, null, \"x\"]}",
                              &text),
                     EVD_OK);
    assert_string_equal(text,
                        "{\"big\":\"18446744073709551615\",\"nan\":null,\"real\":0.28,\"whole\":1,"
                        "\"bytes\":{\"$hex\":\"00ff\"},\"yes\":true,"
                        "\"low\":-9223372036854775808}");
    evd_free(text);
    assert_int_equal(evd_call(client, "job.drop", "{\"job\": \"x\"}", &text), EVD_E_NOT_FOUND);
    assert_null(text);
    assert_string_equal(evd_error_message(client), "no such job");
    assert_string_equal(evd_error_detail(client), "thing");
    assert_int_equal(evd_call(client, "x", "[1]", NULL), EVD_E_USAGE);
    assert_int_equal(evd_call(client, "x", "{\"a\":", NULL), EVD_E_USAGE);
    assert_int_equal(evd_call(client, "x", "{\"a\": {\"$hex\": \"0g\"}}", NULL), EVD_E_USAGE);
    assert_int_equal(evd_call(client, "x", "{\"a\": 9223372036854775808}", NULL), EVD_E_USAGE);
    assert_int_equal(evd_call(client, "stream.open", "{}", NULL), EVD_E_USAGE);
    /* What the daemon would end the connection for. */
    assert_int_equal(evd_call(client, "x", deep, NULL), EVD_E_LIMIT);
    assert_non_null(strstr(evd_error_message(client), "deeper than 16"));
    at = large + sprintf(large, "{\"a\": [");
    for (int i = 0; i < 70000; i++)
        at += sprintf(at, "1,");
    strcpy(at, "1]}");
    assert_int_equal(evd_call(client, "x", large, NULL), EVD_E_LIMIT);
    assert_non_null(strstr(evd_error_message(client), "65536 objects"));
    assert_int_equal(evd_call(client, "job.drop", "{\"job\": \"x\"}", NULL), EVD_E_NOT_FOUND);
    evd_close(client);
    fake_stop(&fake);
}

static void late_answer(struct fake *fake)
{
    uint32_t late;

    fake_hello(fake);
    fake_expect(fake, "a");
    late = fake->msg.id;
    fake_expect(fake, "b");
    message_result(&fake->pk, late);
    pack_map_begin(&fake->pk);
    fake_result(fake);
    pack_key_u64(&fake->pk, "b", 1);
    fake_send(fake);
    fake_expect(fake, "c");
    fake_bytes(fake, "\x94\x01", 2); /* and then it dies */
}

static void timeout_and_loss(void **state)
{
    struct fake fake;
    evd_client *client;
    char *text;

    (void)state;
    fake_start(&fake, late_answer, NULL);
    client = connected(&fake, 1000, EVD_NO_RECONNECT);
    assert_int_equal(evd_call(client, "a", NULL, &text), EVD_E_TIMEOUT);
    assert_int_equal(evd_call(client, "b", NULL, &text), EVD_OK);
    assert_string_equal(text, "{\"b\":1}");
    evd_free(text);
    assert_int_equal(evd_call(client, "c", NULL, &text), EVD_E_CLOSED);
    assert_int_equal(evd_call(client, "d", NULL, &text), EVD_E_CLOSED);
    evd_close(client);
    fake_stop(&fake);
}

/* A signal handler that runs again and again does not make a time limit longer. At some time it
 * stops, so that the test ends in any case. */
#define TICKS 300

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    static const struct itimerval off;

    (void)number;
    if (++ticks == TICKS)
        setitimer(ITIMER_REAL, &off, NULL);
}

static void answer_nothing(struct fake *fake)
{
    fake_hello(fake);
    fake_wait_end(fake);
}

static void time_limit_with_signals(void **state)
{
    static const struct itimerval on = {{0, 10000}, {0, 10000}}, off;
    struct sigaction action = {.sa_handler = tick}, before;
    struct fake fake;
    evd_client *client;
    sigset_t alarm;

    (void)state;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigaction(SIGALRM, &action, &before);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* in the daemon's thread */
    fake_start(&fake, answer_nothing, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    client = connected(&fake, 100, EVD_NO_RECONNECT);
    setitimer(ITIMER_REAL, &on, NULL);
    assert_int_equal(evd_call(client, "a", NULL, NULL), EVD_E_TIMEOUT);
    setitimer(ITIMER_REAL, &off, NULL);
    assert_in_range(ticks, 1, TICKS - 1);
    evd_close(client);
    fake_stop(&fake);
    sigaction(SIGALRM, &before, NULL);
}

/* ---- uploads ---- */

struct collected {
    uint64_t labels, sum, classes, appends;
    uint32_t refuse_append; /* this one, counted from 1 */
};

static void collect(struct fake *fake)
{
    struct collected *got = fake->arg;

    fake_hello(fake);
    fake_expect(fake, "dataset.create");
    fake_result(fake);
    pack_key_u64(&fake->pk, "draft", 5);
    fake_send(fake);
    while (fake_next(fake)) {
        const msgpack_object *map = fake->msg.params->via.array.ptr;
        if (str_is(fake->msg.method, "dataset.append")) {
            const msgpack_object *value = &map->via.map.ptr[1].val;
            if (value->type == MSGPACK_OBJECT_ARRAY)
                got->classes += value->via.array.size;
            for (uint32_t i = 0; value->type == MSGPACK_OBJECT_BIN && i < value->via.bin.size;
                 i += 4) {
                uint32_t label;
                memcpy(&label, value->via.bin.ptr + i, 4);
                got->sum += label;
                got->labels++;
            }
            if (++got->appends == got->refuse_append) {
                fake_error(fake, EVD_E_STORE, "disk full");
                continue;
            }
        }
        fake_result(fake);
        pack_key_u64(&fake->pk, "samples", got->labels);
        fake_send(fake);
    }
}

static void upload(void **state)
{
    static const char *const names[] = {"a", "b"};
    static uint32_t labels[300000];
    struct collected got = {0};
    const char **many = calloc(100000, sizeof(*many));
    struct fake fake;
    evd_client *client;
    evd_upload *up;
    char *info;

    (void)state;
    for (size_t i = 0; i < 300000; i++)
        labels[i] = i % 2;
    for (size_t i = 0; i < 100000; i++)
        many[i] = "name";
    fake_start(&fake, collect, &got);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    assert_int_equal(evd_dataset_begin(client, "d", names, 2, &up), EVD_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(evd_dataset_append(up, labels, 300000), EVD_OK);
    assert_int_equal(evd_dataset_classes(up, many, 100000), EVD_OK);
    assert_int_equal(evd_dataset_commit(up, &info), EVD_OK);
    assert_string_equal(info, "{\"samples\":1500000}");
    evd_free(info);
    free(many);
    evd_close(client);
    fake_stop(&fake);
    assert_int_equal(got.sum, 750000);
    assert_int_equal(got.classes, 100002);
}

static void upload_refused(void **state)
{
    static const char *const names[] = {"a"};
    static uint32_t labels[1000000];
    struct collected got = {.refuse_append = 3};
    struct fake fake;
    evd_client *client;
    evd_upload *up;
    char *info;
    int code = EVD_OK;

    (void)state;
    fake_start(&fake, collect, &got);
    client = connected(&fake, 5000, EVD_NO_RECONNECT);
    assert_int_equal(evd_dataset_begin(client, "d", names, 1, &up), EVD_OK);
    for (int i = 0; i < 10 && code == EVD_OK; i++)
        code = evd_dataset_append(up, labels, 1000000);
    assert_int_equal(code, EVD_E_STORE);
    assert_int_equal(evd_dataset_append(up, labels, 1), EVD_E_STORE);
    assert_int_equal(evd_dataset_commit(up, &info), EVD_E_STORE);
    assert_null(info);
    assert_string_equal(evd_error_message(client), "disk full");
    evd_close(client);
    fake_stop(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(bad_hello),
        cmocka_unit_test(call_and_json),
        cmocka_unit_test(timeout_and_loss),
        cmocka_unit_test(upload),
        cmocka_unit_test(upload_refused),
        cmocka_unit_test(time_limit_with_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
