/* The files of the database go while the daemon runs: nothing is confirmed that would be gone after
 * a restart. Something in them is damaged: all else goes on. And everybody is told why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", the_daemon.dir, name);
    return path[turn];
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

/* Waits until the daemon says that it can store, or that it cannot, with these words. */
static void await_store(evd_client *client, const char *failure)
{
    for (int i = 0; i < 1000; i++) {
        json_t *info = ask(client, "server.info", NULL);
        const json_t *store = json_object_get(info, "store");
        const char *why = json_string_value(json_object_get(store, "failure"));
        bool fits =
            failure ? why && strstr(why, failure) : json_is_null(json_object_get(store, "failure"));

        assert_int_equal(json_is_true(json_object_get(store, "failing")), why != NULL);
        json_decref(info);
        if (fits)
            return;
        usleep(10000);
    }
    fail_msg("not told of: %s", failure ? failure : "the end of it");
}

static void test_moved_and_put_back(void **state)
{
    evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
    evd_client *client = server_dial(&the_daemon);
    const evd_batch *batch;
    evd_stream *stream;
    json_t *info;

    (void)state;
    load(client, "d", 5000, 4);
    tell(client, "job.create", "{\"name\": \"j\", \"dataset\": \"d\", \"batch_size\": 10}");
    options.job = "j";
    options.flags = EVD_STREAM_MANUAL_ACK;
    assert_int_equal(evd_stream_open(client, &options, &stream), EVD_OK);
    assert_int_equal(evd_next(stream, 10000, &batch), EVD_OK);
    move("evendraw.db", "aside");
    refused(client, "job.update", "{\"job\": \"j\", \"strategy\": {\"kind\": \"stratified\"}}",
            EVD_E_STORE);
    assert_non_null(strstr(evd_error_message(client), "put it back"));
    assert_int_equal(evd_ack(stream, batch->epoch, batch->step, EVD_ACK_CONFIRM), EVD_E_STORE);
    refused(client, "job.create", "{\"name\": \"k\", \"dataset\": \"d\", \"batch_size\": 10}",
            EVD_E_STORE);
    await_store(client, "removed, moved or replaced");
    move("aside", "evendraw.db");
    await_store(client, NULL);
    tell(client, "job.update", "{\"job\": \"j\", \"strategy\": {\"kind\": \"stratified\"}}");
    evd_close(client);

    server_kill(&the_daemon);
    server_start(&the_daemon);
    client = server_dial(&the_daemon);
    info = ask(client, "job.info", "{\"job\": \"j\"}");
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 2);
    json_decref(info);
    refused(client, "job.info", "{\"job\": \"k\"}", EVD_E_NOT_FOUND);
    evd_close(client);
}

/* Changes what lies in the file of the stopped daemon. */
static void corrupt(const char *from, const char *to)
{
    static char bytes[8 << 20];
    FILE *file = fopen(path_of("evendraw.db"), "r+b");
    size_t n, found = 0;

    assert_non_null(file);
    n = fread(bytes, 1, sizeof(bytes), file);
    assert_true(n < sizeof(bytes));
    for (size_t at = 0; at + strlen(from) <= n; at++) {
        if (memcmp(bytes + at, from, strlen(from)) != 0)
            continue;
        fseek(file, (long)at, SEEK_SET);
        assert_int_equal(fwrite(to, 1, strlen(to), file), strlen(to));
        found++;
    }
    assert_true(found > 0);
    assert_int_equal(fclose(file), 0);
}

static void load_pets(evd_client *client)
{
    static const char *const names[] = {"zebra", "yak"};
    const uint32_t labels[] = {0, 1, 1, 0};
    evd_upload *upload;

    assert_int_equal(evd_dataset_begin(client, "pets", names, 2, &upload), EVD_OK);
    assert_int_equal(evd_dataset_append(upload, labels, 4), EVD_OK);
    assert_int_equal(evd_dataset_commit(upload, NULL), EVD_OK);
}

static void check_out_of_service(evd_client *client)
{
    json_t *info = ask(client, "dataset.info", "{\"dataset\": \"pets\"}");

    assert_non_null(strstr(text(info, "damage"), "\"pets\" version 1 is damaged in the database"));
    assert_int_equal(number(info, "samples"), 4);
    json_decref(info);
    info = ask(client, "dataset.info", "{\"dataset\": \"d\"}");
    assert_null(json_object_get(info, "damage"));
    json_decref(info);
    info = ask(client, "job.info", "{\"job\": \"p\"}");
    assert_non_null(strstr(text(info, "failure"), "damaged in the database"));
    json_decref(info);
    refused(client, "dataset.stats", "{\"dataset\": \"pets\"}", EVD_E_STORE);
    refused(client, "job.create", "{\"name\": \"q\", \"dataset\": \"pets\", \"batch_size\": 2}",
            EVD_E_STORE);
    refused(client, "job.preview",
            "{\"dataset\": \"pets\", \"batch_size\": 2, \"strategy\": {\"kind\": \"uniform\"}}",
            EVD_E_STORE);
    refused(client, "job.stats", "{\"job\": \"p\"}", EVD_E_STORE);
}

/* One damaged dataset is out of service with its jobs; all else goes on. */
static void test_damaged_dataset(void **state)
{
    evd_client *client = server_dial(&the_daemon);

    (void)state;
    load_pets(client);
    tell(client, "job.create", "{\"name\": \"p\", \"dataset\": \"pets\", \"batch_size\": 2}");
    evd_close(client);
    server_stop(&the_daemon);
    corrupt("zebra", "zebrb");
    server_start(&the_daemon);
    client = server_dial(&the_daemon);
    check_out_of_service(client);
    tell(client, "job.stats", "{\"job\": \"j\"}");
    refused(client, "dataset.drop", "{\"dataset\": \"pets\"}", EVD_E_CONFLICT);
    tell(client, "job.drop", "{\"job\": \"p\"}");
    tell(client, "dataset.drop", "{\"dataset\": \"pets\"}");
    load_pets(client);
    tell(client, "dataset.stats", "{\"dataset\": \"pets\"}");
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved_and_put_back),
        cmocka_unit_test(test_damaged_dataset),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
