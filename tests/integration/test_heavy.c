/* Heavy work: what is short does not wait for what is long; and what nobody wants any more: who
 * leaves takes it along, and a daemon that is told to stop does not finish it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "server.h"

#define CLIENTS    8
#define WORKS_LONG 2 /* threads that are given to what is long */
#define EACH       2 /* as many as a connection may have under way */
/* Some seconds of one processor. */
#define PREVIEW                                                                                    \
    "{\"dataset\": \"d\", \"batch_size\": 100, \"strategy\": {\"kind\": \"weighted\", "            \
    "\"weight\": "                                                                                 \
    "\"inverse\", \"replacement\": false, \"orders\": 200}}"

static evd_client *dial(int time_limit_ms)
{
    evd_client_options options = {.time_limit_ms = time_limit_ms};
    evd_client *client;

    assert_int_equal(evd_connect(the_daemon.address, &options, &client), EVD_OK);
    return client;
}

/* Clients that asked for it and got no answer yet. */
static void ask_all(evd_client *clients[CLIENTS])
{
    char *result;

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = dial(20);
        for (int k = 0; k < EACH; k++)
            assert_int_equal(evd_call(clients[i], "job.preview", PREVIEW, &result), EVD_E_TIMEOUT);
    }
}

static void close_all(evd_client *clients[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++)
        evd_close(clients[i]);
}

static uint64_t works(evd_client *client, const char *which)
{
    json_t *info = ask(client, "server.info", NULL);
    uint64_t count = number(info, which);

    json_decref(info);
    return count;
}

static void what_is_short_does_not_wait(void **state)
{
    evd_client *clients[CLIENTS], *client = dial(60000);

    (void)state;
    load(client, "d", 400000, 2);
    tell(client, "job.create", "{\"name\": \"k\", \"dataset\": \"d\", \"batch_size\": 10}");
    ask_all(clients);
    assert_int_equal(works(client, "works.working"), WORKS_LONG);
    assert_int_equal(works(client, "works.waiting"), CLIENTS * EACH - WORKS_LONG);
    for (int i = 0; i < 20; i++)
        tell(client, "job.update", "{\"job\": \"k\", \"strategy\": {\"kind\": \"uniform\"}}");
    /* None of them has ended meanwhile. */
    assert_int_equal(works(client, "works.waiting"), CLIENTS * EACH - WORKS_LONG);
    close_all(clients);
    evd_close(client);
}

static void work_that_is_left_keeps_nobody_waiting(void **state)
{
    evd_client *clients[CLIENTS], *client = dial(5000);

    (void)state;
    ask_all(clients);
    close_all(clients);
    tell(client, "job.create", "{\"name\": \"j\", \"dataset\": \"d\", \"batch_size\": 10}");
    evd_close(client);
}

static void a_stopping_daemon_leaves_it(void **state)
{
    evd_client *clients[CLIENTS];

    (void)state;
    ask_all(clients);
    server_stop(&the_daemon);
    close_all(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_short_does_not_wait),
        cmocka_unit_test(work_that_is_left_keeps_nobody_waiting),
        cmocka_unit_test(a_stopping_daemon_leaves_it),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
