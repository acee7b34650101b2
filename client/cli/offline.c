/*
 * `verify` and `repair`: the database without a daemon. What is sound is decided by the code that a
 * daemon starts with, which is evendrawd's: these commands run it, with options that make it look
 * and end. Its exit status is this tool's.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "commands.h"

#define PROGRAM "evendrawd"

struct offline_args {
    const char *database, *output;
};

#define DATABASE_ROW                                                                               \
    {                                                                                              \
        "database", 'd', "FILE",                                                                   \
            "The database (default: where evendrawd keeps it without --database)", option_text,    \
            FIELD(struct offline_args, database), .words = "@files"                                \
    }

const struct cli_option verify_options[] = {DATABASE_ROW, {0}};

const struct cli_option repair_options[] = {
    DATABASE_ROW,
    {"output", 'o', "NEW", "The file to make (default: FILE.repaired); it must not be there",
     option_text, FIELD(struct offline_args, output), .words = "@files"},
    {0},
};

/* The evendrawd that was installed with this tool. */
static void run_beside(char *const *arguments)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PROGRAM));
    char *slash;

    if (n <= 0)
        return;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return;
    strcpy(slash + 1, PROGRAM);
    execv(path, arguments);
}

static int run_evendrawd(struct cli *cli, const char *what, const char *database)
{
    const char *arguments[6] = {PROGRAM, what};
    size_t n = 2;

    if (cli->server)
        return cli_error(cli, EXIT_USAGE, "--server: this needs no daemon, and none may run");
    if (database) {
        arguments[n++] = "--database";
        arguments[n++] = database;
    }
    if (cli->json)
        arguments[n++] = "--json";
    fflush(stdout);
    run_beside((char *const *)arguments);
    execvp(PROGRAM, (char *const *)arguments);
    return cli_error(cli, EXIT_INPUT,
                     "cannot run " PROGRAM ", which does this (%s): it is neither beside this tool "
                     "nor in a folder of PATH",
                     strerror(errno));
}

int run_verify(struct cli *cli, int argc, char **argv)
{
    struct offline_args args = {NULL, NULL};

    options_parse(cli, argc, argv, &args);
    return run_evendrawd(cli, "--verify", args.database);
}

int run_repair(struct cli *cli, int argc, char **argv)
{
    struct offline_args args = {NULL, NULL};
    char what[PATH_MAX + 16] = "--repair";

    options_parse(cli, argc, argv, &args);
    if (args.output &&
        (size_t)snprintf(what, sizeof(what), "--repair=%s", args.output) >= sizeof(what))
        return cli_error(cli, EXIT_USAGE, "--output: the path is too long");
    return run_evendrawd(cli, what, args.database);
}
