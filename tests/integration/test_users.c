/*
 * Two users of one daemon, by the uids that the kernel gives of peers at the Unix socket: each has
 * its own share of the connections, and backups are for the daemon's.
 *
 * Only root can be two users: it runs the daemon, and a child becomes nobody. Whoever else runs
 * this has one uid, under which a child must be taken for the same user: that is asserted then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"

#define NOBODY       65534 /* on every Linux */
#define EACH         4
#define NO_SUCH_USER 200 /* a child's status; results are smaller */

static const char *const few_each[] = {"--limit", "connections_each=4", NULL};
static struct server server = {.options = few_each};

static bool two_users(void)
{
    return geteuid() == 0;
}

static int start(void **state)
{
    (void)state;
    server_start(&server);
    fprintf(stderr, two_users() ? "as two users\n" : "not root: as one user twice\n");
    /* The socket is its group's too, of which the child remains a member; so must be the folder. */
    return chmod(server.dir, 0710);
}

static int stop(void **state)
{
    (void)state;
    server_remove(&server);
    return 0;
}

/* What `what` returns in another process, of another user if that can be. */
static int elsewhere(int (*what)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        /* The group stays. _exit: a process that changed its user is not to be looked through for
         * leaks, which needs a debugger's rights. */
        if (two_users() && (setgroups(0, NULL) != 0 || setuid(NOBODY) != 0)) {
            fprintf(stderr, "root cannot become user %d: %s\n", NOBODY, strerror(errno));
            _exit(NO_SUCH_USER);
        }
        _exit(what());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), NO_SUCH_USER);
    return WEXITSTATUS(status);
}

/* Places of connections that were closed come back when the daemon has seen it. */
static evd_client *dial_patiently(void)
{
    evd_client *client;

    for (int i = 0; evd_connect(server.address, NULL, &client) == EVD_E_BUSY && i < 1000; i++) {
        evd_close(client);
        usleep(10000);
    }
    return client;
}

/* How many connections this process gets, of one more than a user may have. */
static int connections(void)
{
    evd_client *clients[EACH + 1];
    int n = 0;

    for (int i = 0; i <= EACH; i++)
        n += evd_connect(server.address, NULL, &clients[i]) == EVD_OK;
    for (int i = 0; i <= EACH; i++)
        evd_close(clients[i]);
    return n;
}

static void test_shares(void **state)
{
    evd_client *clients[EACH], *refused;

    (void)state;
    for (int i = 0; i < EACH; i++) {
        clients[i] = dial_patiently();
        tell(clients[i], "server.info", NULL);
    }
    assert_int_equal(evd_connect(server.address, NULL, &refused), EVD_E_BUSY);
    evd_close(refused);
    assert_int_equal(elsewhere(connections), two_users() ? EACH : 0);
    for (int i = 0; i < EACH; i++)
        evd_close(clients[i]);
}

static int backup(const char *name)
{
    char params[256], *result;
    evd_client *client = dial_patiently();
    int code;

    snprintf(params, sizeof(params), "{\"path\": \"%s/%s\"}", server.dir, name);
    code = evd_call(client, "server.backup", params, &result);
    evd_free(result);
    evd_close(client);
    return code;
}

static int their_backup(void)
{
    return backup("theirs.db");
}

static void test_backups(void **state)
{
    char path[128];

    (void)state;
    assert_int_equal(elsewhere(their_backup), two_users() ? EVD_E_DENIED : EVD_OK);
    snprintf(path, sizeof(path), "%s/theirs.db", server.dir);
    assert_int_equal(access(path, F_OK), two_users() ? -1 : 0);
    assert_int_equal(backup("own.db"), EVD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_backups),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
