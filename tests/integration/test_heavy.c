/* Heavy work that nobody wants any more: who leaves takes it along, and a daemon that is told to
 * stop does not finish it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "server.h"

#define CLIENTS 4
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
        clients[i] = dial(300);
        assert_int_equal(evd_call(clients[i], "job.preview", PREVIEW, &result), EVD_E_TIMEOUT);
    }
}

static void close_all(evd_client *clients[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++)
        evd_close(clients[i]);
}

static void work_that_is_left_keeps_nobody_waiting(void **state)
{
    evd_client *clients[CLIENTS], *client = dial(5000);

    (void)state;
    load(client, "d", 400000, 2);
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
        cmocka_unit_test(work_that_is_left_keeps_nobody_waiting),
        cmocka_unit_test(a_stopping_daemon_leaves_it),
    };

    return cmocka_run_group_tests(tests, daemon_setup, daemon_teardown);
}
