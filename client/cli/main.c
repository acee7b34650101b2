#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include "cli.h"

static const struct command {
    const char *noun, *verb; /* verb NULL: the noun is the whole command */
    command_run *run;
    const char *help;
} commands[] = {
    {"load", NULL, command_load,
     "send the labels of a dataset (IDX, NPY, CSV, TSV, lines, folders)"},
    {"datasets", NULL, command_datasets, "list the datasets"},
    {"dataset", "rm", command_dataset_rm, "remove a version of a dataset"},
    {"stats", NULL, command_stats, "draw the class distribution of a dataset"},
    {"weights", NULL, command_weights, "class weights for a loss, of a dataset or a job"},
    {"strategies", NULL, command_strategies, "explain the strategies and their parameters"},
    {"preview", NULL, command_preview, "what a strategy would do, without changing anything"},
    {"job", "create", command_job_create, "start a job on a dataset"},
    {"job", "set", command_job_set, "change a job's strategy while it runs"},
    {"job", "ls", command_job_ls, "list the jobs"},
    {"job", "info", command_job_info, "show a job's settings, position and revisions"},
    {"job", "stats", command_job_stats, "compare what a job asked for with what it served"},
    {"job", "position", command_job_position, "print a token for a checkpoint"},
    {"job", "seek", command_job_seek, "move a job to a checkpoint or any other step"},
    {"job", "history", command_job_history, "show revisions, ranks and seeks: when, by whom"},
    {"job", "rm", command_job_rm, "remove a job"},
    {"confusion", NULL, command_confusion,
     "draw what was reported to a job, true against predicted"},
    {"pull", NULL, command_pull, "be a worker: write a job's batches to standard output"},
    {"workers", NULL, command_workers, "show who is attached to a job, and how far"},
    {"trace", NULL, command_trace, "show in which steps a sample was served"},
    {"replay", NULL, command_replay, "write a job's batches once more, as they were"},
    {"backup", NULL, command_backup, "copy the daemon's database to a file"},
    {"info", NULL, command_info, "show the state of the daemon"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
    fputs("Usage: evendraw COMMAND [ARGUMENT...] [OPTION...]\n"
          "Class-balanced batches from evendrawd, on the command line.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        int n = fprintf(out, "  %s%s%s", command->noun, command->verb ? " " : "",
                        command->verb ? command->verb : "");
        fprintf(out, "%*s%s\n", 16 - n, "", command->help);
    }
    fputs(
        "\n`evendraw COMMAND --help` explains a command. Every command takes --json, which prints\n"
        "the daemon's answer, and --server ADDRESS (unix:/path or tcp:host:port; otherwise\n"
        "$EVENDRAW_SERVER, or else the socket evendrawd opens by default).\n\n"
        "Exit codes: 0 done; 1 the daemon refused or failed; 2 wrong command line; 3 no daemon\n"
        "there, or the connection was lost; 4 a file cannot be read or is not what it should be.\n",
        out);
}

static int unknown(const char *noun, const char *verb)
{
    bool known = false;

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].noun, noun) != 0)
            continue;
        if (!known)
            fprintf(stderr,
                    "evendraw: %s%s%s: use one of:", verb ? "no command " : "say what to do with ",
                    noun, verb ? " " : "");
        fprintf(stderr, " '%s %s'", noun, commands[i].verb);
        known = true;
    }
    if (known)
        fputc('\n', stderr);
    else
        fprintf(stderr, "evendraw: no command '%s'; `evendraw --help` lists them\n", noun);
    return EXIT_USAGE;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
    const char *verb = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
    char name[64];

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        int words = command->verb ? 2 : 1;

        if (strcmp(argv[1], command->noun) != 0 ||
            (command->verb && (!verb || strcmp(verb, command->verb) != 0)))
            continue;
        snprintf(name, sizeof(name), "evendraw %s%s%s", command->noun, command->verb ? " " : "",
                 command->verb ? command->verb : "");
        argv[words] = name; /* what usage messages call it */
        return command->run(cli, argc - words, argv + words);
    }
    return unknown(argv[1], verb);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    argp_err_exit_status = EXIT_USAGE;
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("evendraw %s\n", evd_version());
        return EXIT_OK;
    }
    status = dispatch(&cli, argc, argv);
    evd_close(cli.client);
    /* An answer that could not be written (a full disk) must not look like a success. */
    if (fflush(stdout) != 0 && status == EXIT_OK && errno != EPIPE) {
        perror("evendraw: cannot write the answer");
        status = EXIT_INPUT;
    }
    return status;
}
