/* `evendraw backup`: a copy of the daemon's database, made by the daemon while it goes on. */
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"

struct args {
    struct cli *cli;
    const char *path;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->path, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name the file to write");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The daemon lives in another folder. NULL without memory or folder. */
static json_t *absolute(const char *path)
{
    char *here;
    json_t *text;

    if (path[0] == '/')
        return json_string(path);
    here = getcwd(NULL, 0);
    text = here ? json_sprintf("%s/%s", here, path) : NULL;
    free(here);
    return text;
}

static void print_copy(const json_t *answer, const void *args)
{
    text_t bytes;

    (void)args;
    printf("%s, %s\n", field_text(answer, "path"), text_bytes(bytes, field_u64(answer, "bytes")));
}

int command_backup(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse,
        .args_doc = "FILE",
        .doc = "Have the daemon copy its database to FILE, on its own machine, while it goes on "
               "serving. Nothing is overwritten, and the daemon must be asked by its Unix socket. "
               "To go back to the copy, stop evendrawd and start it on the copy as its database.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *path, *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    path = absolute(args.path);
    if (path == NULL)
        return cli_error(cli, EXIT_USAGE, "%s: no absolute UTF-8 path can be made of it",
                         args.path);
    cli->time_limit_ms = EVD_NO_TIME_LIMIT; /* as long as the disk needs */
    answer = cli_call(cli, "server.backup", json_pack("{s:o}", "path", path));
    return cli_show(cli, answer, print_copy, &args);
}
