#include "changer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "faults.h"

static const char *const several[] = {
    "{\"kind\": \"uniform\"}",
    "{\"kind\": \"weighted\", \"weight\": \"inverse\"}",
    "{\"kind\": \"stratified\", \"proportions\": \"equal\"}",
    "{\"kind\": \"class-aware\"}",
    NULL,
};

/* ---- inside the process: no cmocka there ---- */

static void confirmed(int log, const char *answer)
{
    json_t *result = json_loads(answer, 0, NULL);
    struct log_record record = {
        .kind = LOG_CHANGED,
        .time = log_now(),
        .epoch = (uint64_t)json_integer_value(json_object_get(result, "epoch")),
        .step = (uint64_t)json_integer_value(json_object_get(result, "step")),
        .revision = (uint32_t)json_integer_value(json_object_get(result, "revision")),
    };

    if (result == NULL || record.revision == 0 ||
        write(log, &record, sizeof(record)) != sizeof(record))
        _exit(20);
    json_decref(result);
}

/* Whether it is not the daemon's being away, or another change on its way from before that. */
static bool is_trouble(int code)
{
    return code != EVD_OK && code != EVD_E_CLOSED && code != EVD_E_TIMEOUT &&
           code != EVD_E_CONNECT && code != EVD_E_CONFLICT && code != EVD_E_SHUTTING_DOWN;
}

static void change(evd_client *client, const struct changer *changer, struct dice *dice, int log)
{
    const char *const *strategies = changer->strategies ? changer->strategies : several;
    char params[256], *answer;
    uint32_t count = 0;
    int code;

    while (strategies[count])
        count++;
    snprintf(params, sizeof(params), "{\"job\": \"%s\", \"strategy\": %s, \"when\": \"%s\"}",
             changer->job, strategies[dice_below(dice, count)],
             dice_below(dice, 3) ? "now" : "epoch");
    code = evd_call(client, "job.update", params, &answer);
    if (is_trouble(code)) {
        fprintf(stderr, "job.update: %s\n", evd_error_message(client));
        _exit(21);
    }
    if (code == EVD_OK)
        confirmed(log, answer);
    evd_free(answer);
}

static void live(const struct changer *changer, struct board *board)
{
    struct dice dice = {4711};
    evd_client *client;
    char path[256];
    int log;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(3, ~0u, 0);
    snprintf(path, sizeof(path), "%s/log-%s-changes", changer->folder, changer->job);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    client = worker_connect(changer->address, "changer");
    if (log < 0 || client == NULL)
        _exit(22);
    while (board->last_epoch == UINT64_MAX) {
        change(client, changer, &dice, log);
        usleep(dice_below(&dice, changer->pause_us));
    }
    evd_close(client);
    _exit(0);
}

/* ---- outside ---- */

void changer_start(struct changer *changer, struct board *board)
{
    changer->pid = fork();
    assert_true(changer->pid >= 0);
    if (changer->pid == 0)
        live(changer, board);
}

void changer_finish(struct changer *changer)
{
    int status;

    assert_int_equal(waitpid(changer->pid, &status, 0), changer->pid);
    if (status != 0)
        fail_msg("who changes %s ended with status 0x%x", changer->job, (unsigned)status);
}
