/* The files of the database go while the daemon runs: nothing is confirmed that would be gone after
 * a restart, and everybody is told why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

static struct server server;

static int start(void **state)
{
    (void)state;
    server_start(&server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", server.dir, name);
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
    evd_client *client = server_dial(&server);
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

    server_kill(&server);
    server_start(&server);
    client = server_dial(&server);
    info = ask(client, "job.info", "{\"job\": \"j\"}");
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 2);
    json_decref(info);
    refused(client, "job.info", "{\"job\": \"k\"}", EVD_E_NOT_FOUND);
    evd_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved_and_put_back),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
