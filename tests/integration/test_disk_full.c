/* No room for the database: the one who loads is told, everyone else goes on. The room is taken
 * away and given back with RLIMIT_FSIZE of the running daemon. */
#define _GNU_SOURCE /* prlimit */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "server.h"

static void set_room(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    assert_int_equal(prlimit(the_daemon.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* Loads 3 million labels, a byte each, that do not compress; the first error, or EVD_OK. */
static int load_much(evd_client *client, const char *name)
{
    enum { CLASSES = 256, CHUNK = 1 << 16 };
    static char text[CLASSES][8];
    static uint32_t labels[CHUNK];
    const char *classes[CLASSES];
    evd_upload *upload;
    int code;

    for (int c = 0; c < CLASSES; c++) {
        snprintf(text[c], sizeof(text[c]), "c%d", c);
        classes[c] = text[c];
    }
    code = evd_dataset_begin(client, name, classes, CLASSES, &upload);
    for (int chunk = 0; chunk < 48 && code == EVD_OK; chunk++) {
        for (size_t i = 0; i < CHUNK; i++)
            labels[i] = (uint32_t)random() % CLASSES;
        code = evd_dataset_append(upload, labels, CHUNK);
    }
    return code == EVD_OK ? evd_dataset_commit(upload, NULL) : code;
}

static void test_disk_full_while_loading(void **state)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_client *client = server_dial(&the_daemon), *loader = server_dial(&the_daemon);
    const evd_batch *batch;
    evd_stream *stream;
    json_t *list;

    (void)state;
    load(client, "small", 5000, 4);
    tell(client, "job.create", "{\"name\": \"j\", \"dataset\": \"small\", \"batch_size\": 10}");
    options.job = "j";
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);

    set_room(1u << 20);
    assert_int_equal(load_much(loader, "much"), EVD_E_STORE);
    assert_true(evd_error_message(loader)[0] != '\0');
    evd_close(loader);
    list = ask(client, "dataset.list", NULL);
    assert_int_equal(json_array_size(json_object_get(list, "datasets")), 1);
    json_decref(list);
    assert_int_equal(evd_next(stream, 10000, &batch), EVD_OK);

    set_room(RLIM_INFINITY);
    loader = server_dial(&the_daemon);
    assert_int_equal(load_much(loader, "much"), EVD_OK);
    evd_close(loader);
    for (int i = 0; i < 50; i++)
        assert_int_equal(evd_next(stream, 10000, &batch), EVD_OK);
    assert_int_equal(evd_ack(stream, batch->epoch, batch->step, EVD_ACK_CONFIRM), EVD_OK);
    evd_close(client);

    /* And it is all there after a restart. */
    server_stop(&the_daemon);
    server_start(&the_daemon);
    client = server_dial(&the_daemon);
    list = ask(client, "dataset.list", NULL);
    assert_int_equal(json_array_size(json_object_get(list, "datasets")), 2);
    json_decref(list);
    evd_close(client);
}

/* A worker waits while nothing can be stored, and then goes on, without a step lost or twice. */
static void test_disk_full_while_working(void **state)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_client *client = server_dial(&the_daemon), *other = server_dial(&the_daemon);
    const evd_batch *batch;
    evd_stream *stream;
    uint64_t steps = 0;
    json_t *info;

    (void)state;
    tell(client, "job.create", "{\"name\": \"k\", \"dataset\": \"small\", \"batch_size\": 10}");
    options.job = "k";
    options.window = 4;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    assert_int_equal(evd_next(stream, 10000, &batch), EVD_OK);
    set_room(4096);
    assert_int_equal(evd_ack(stream, batch->epoch, steps++, EVD_ACK_CONFIRM), EVD_E_STORE);
    while (evd_next(stream, 300, &batch) == EVD_OK)
        assert_int_equal(batch->step, steps++);
    assert_true(steps < 10); /* what was out already */
    info = ask(other, "job.info", "{\"job\": \"k\"}");
    assert_true(json_is_true(json_object_get(info, "failing")));
    json_decref(info);
    tell(other, "dataset.stats", "{\"dataset\": \"small\"}");
    refused(other, "job.update", "{\"job\": \"k\", \"strategy\": {\"kind\": \"stratified\"}}",
            EVD_E_STORE);
    set_room(RLIM_INFINITY);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(evd_next(stream, 10000, &batch), EVD_OK);
        assert_int_equal(batch->step, steps++);
        assert_false(batch->redelivered);
    }
    assert_int_equal(evd_ack(stream, batch->epoch, batch->step, EVD_ACK_CONFIRM), EVD_OK);
    tell(other, "job.update", "{\"job\": \"k\", \"strategy\": {\"kind\": \"stratified\"}}");
    evd_close(other);
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_full_while_loading),
        cmocka_unit_test(test_disk_full_while_working),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
