#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
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

/* All commands, or those of a noun. */
static void print_commands(FILE *out, const char *noun)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        int n;

        if (noun != NULL && strcmp(command->noun, noun) != 0)
            continue;
        n = fprintf(out, "  %s%s%s", command->noun, command->verb ? " " : "",
                    command->verb ? command->verb : "");
        fprintf(out, "%*s%s\n", 16 - n, "", command->help);
    }
}

static void print_help(FILE *out)
{
    fputs("Usage: evendraw COMMAND [ARGUMENT...] [OPTION...]\n"
          "Class-balanced batches from evendrawd, on the command line.\n\n",
          out);
    print_commands(out, NULL);
    fputs(
        "\n`evendraw COMMAND --help` explains a command. Every command takes --json, which prints\n"
        "the daemon's answer, and --server ADDRESS (unix:/path or tcp:host:port; otherwise\n"
        "$EVENDRAW_SERVER, or else the socket evendrawd opens by default).\n\n"
        "Exit codes: 0 done; 1 the daemon refused or failed; 2 wrong command line; 3 no daemon\n"
        "there, or the connection was lost; 4 a file cannot be read or is not what it should be.\n",
        out);
}

/* The noun of several commands was given without a verb, or with one that there is not. */
static int incomplete(const char *noun, const char *verb, const char *next)
{
    bool help = next != NULL && (strcmp(next, "--help") == 0 || strcmp(next, "-?") == 0);

    if (help) {
        printf("Usage: evendraw %s COMMAND [ARGUMENT...] [OPTION...]\n\n", noun);
    } else if (verb != NULL) {
        fprintf(stderr, "evendraw: no command '%s %s'; there are\n", noun, verb);
    } else {
        fprintf(stderr, "evendraw: say what to do with %s:\n", noun);
    }
    print_commands(help ? stdout : stderr, noun);
    return help ? EXIT_OK : EXIT_USAGE;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
    const char *verb = argc > 2 && argv[2][0] != '-' ? argv[2] : NULL;
    bool known = false;
    char name[64];

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        int words = command->verb ? 2 : 1;

        if (strcmp(argv[1], command->noun) != 0)
            continue;
        known = true;
        if (command->verb && (!verb || strcmp(verb, command->verb) != 0))
            continue;
        snprintf(name, sizeof(name), "evendraw %s%s%s", command->noun, command->verb ? " " : "",
                 command->verb ? command->verb : "");
        argv[words] = name; /* what usage messages call it */
        return command->run(cli, argc - words, argv + words);
    }
    if (known)
        return incomplete(argv[1], verb, argc > 2 ? argv[2] : NULL);
    fprintf(stderr, "evendraw: no command '%s'; `evendraw --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}

/* ---- what may come before the command ---- */

static error_t parse_first(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case '?':
        print_help(stdout);
        exit(EXIT_OK);
    case 'V':
        printf("evendraw %s\n", evd_version());
        exit(EXIT_OK);
    default:
        return ARGP_ERR_UNKNOWN; /* also for the command: the rest is its own */
    }
}

/* The common options are allowed before the command, too. Returns where the command is. */
static int parse_options(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"help", '?', NULL, 0, NULL, 0},
        {"usage", 0, NULL, OPTION_ALIAS, NULL, 0}, /* which argp's messages point to */
        {"version", 'V', NULL, 0, NULL, 0},
        {0}};
    static const struct argp argp = {
        .options = options, .parser = parse_first, .children = cli_children};
    int command = argc;

    argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, &command, &cli);
    return command;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    int command, status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    argp_err_exit_status = EXIT_USAGE;
    command = parse_options(&cli, argc, argv);
    if (command == argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[command], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    status = dispatch(&cli, argc - command + 1, argv + command - 1);
    evd_close(cli.client);
    /* An answer that could not be written (a full disk) must not look like a success. */
    if (fflush(stdout) != 0 && status == EXIT_OK && errno != EPIPE) {
        perror("evendraw: cannot write the answer");
        status = EXIT_INPUT;
    }
    return status;
}
