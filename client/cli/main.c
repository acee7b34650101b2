/*
 * The program: what stands before the command, which command it is, exit codes. The commands
 * themselves are rows of the table in commands.c.
 */
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "completion.h"

static bool is_of(const struct command *command, const char *noun)
{
    return !noun || strcmp(command->noun, noun) == 0;
}

/* All commands, or those of a noun. */
static void print_commands(FILE *out, const char *noun)
{
    char name[COMMAND_NAME];
    int width = 0;

    for (size_t i = 0; i < command_count; i++) {
        if (is_of(&commands[i], noun) && (int)strlen(command_name(&commands[i], name)) > width)
            width = (int)strlen(name);
    }
    for (size_t i = 0; i < command_count; i++) {
        if (is_of(&commands[i], noun))
            fprintf(out, "  %-*s  %s\n", width, command_name(&commands[i], name), commands[i].help);
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
        "there, or the connection was lost; 4 a file cannot be read or is not what it should be.\n"
        "`verify` and `repair` run without a daemon, and `verify` ends with 1 if there is "
        "damage.\n",
        out);
}

/* The noun of several commands was given without a verb, or with one that there is not. */
static int incomplete(const char *noun, const char *verb, const char *next)
{
    bool help = next && (strcmp(next, "--help") == 0 || strcmp(next, "-?") == 0);

    if (help) {
        printf("Usage: evendraw %s COMMAND [ARGUMENT...] [OPTION...]\n\n", noun);
    } else if (verb) {
        fprintf(stderr, "evendraw: no command '%s %s'; there are\n", noun, verb);
    } else {
        fprintf(stderr, "evendraw: say what to do with %s:\n", noun);
    }
    print_commands(help ? stdout : stderr, noun);
    return help ? EXIT_OK : EXIT_USAGE;
}

static const struct command *find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->noun, noun) == 0 &&
            (!command->verb || (verb && strcmp(command->verb, verb) == 0)))
            return command;
    }
    return NULL;
}

static bool is_noun(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, word) == 0)
            return true;
    }
    return false;
}

static int run(struct cli *cli, const struct command *command, int argc, char **argv)
{
    assert(command->run || (command->methods[0] && command->print));
    cli->command = command;
    cli->params = json_object();
    if (command->patient)
        cli->time_limit_ms = EVD_NO_TIME_LIMIT;
    if (command->run)
        return command->run(cli, argc, argv);
    options_parse(cli, argc, argv, NULL);
    return cli_show(cli, command_ask(cli), command->print);
}

/* Runs the command whose words begin at argv[1]. */
static int dispatch(struct cli *cli, int argc, char **argv)
{
    const char *noun = argv[1], *next = argc > 2 ? argv[2] : NULL;
    const char *verb = next && next[0] != '-' ? next : NULL;
    const struct command *command = find(noun, verb);
    int words = command && command->verb ? 2 : 1;
    char name[COMMAND_NAME], called[COMMAND_NAME + 16];

    if (!command && is_noun(noun))
        return incomplete(noun, verb, next);
    if (!command) {
        fprintf(stderr, "evendraw: no command '%s'; `evendraw --help` lists them\n", noun);
        return EXIT_USAGE;
    }
    snprintf(called, sizeof(called), "evendraw %s", command_name(command, name));
    argv[words] = called; /* what usage messages call it */
    return run(cli, command, argc - words, argv + words);
}

/* ---- what may come before the command ---- */

enum { KEY_COMPLETION = 0x100 };

static error_t parse_first(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case '?':
        print_help(stdout);
        exit(EXIT_OK);
    case 'V':
        printf("evendraw %s\n", evd_version());
        exit(EXIT_OK);
    case KEY_COMPLETION:
        print_completion();
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
        {"completion", KEY_COMPLETION, NULL, 0, NULL, 0}, /* no help shows it */
        {0}};
    static const struct argp argp = {
        .options = options, .parser = parse_first, .children = common_children};
    int command = argc;

    argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, &command, cli);
    return command;
}

int main(int argc, char **argv)
{
    struct cli cli = {.command = NULL};
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
    json_decref(cli.params);
    /* An answer that could not be written (a full disk) must not look like a success. */
    if (fflush(stdout) != 0 && status == EXIT_OK && errno != EPIPE) {
        perror("evendraw: cannot write the answer");
        status = EXIT_INPUT;
    }
    return status;
}
