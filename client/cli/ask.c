#include "cli.h"

void params_u64(json_t *params, const char *key, uint64_t value)
{
    json_object_set_new(params, key, json_integer((json_int_t)value));
}

int cli_show(struct cli *cli, json_t *answer, answer_print *print, const void *args)
{
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    print(answer, args);
    json_decref(answer);
    return EXIT_OK;
}

static error_t parse_none(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, NULL, 0);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_job(int key, char *arg, struct argp_state *state)
{
    struct cli_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        cli_no_job(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_ask(struct cli *cli, int argc, char **argv, const char *doc, const char *method,
            answer_print *print)
{
    const struct argp argp = {.parser = parse_none, .doc = doc, .children = cli_children};
    struct cli_args args = {.cli = cli};

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    return cli_show(cli, cli_call(cli, method, json_object()), print, &args);
}

int cli_ask_job(struct cli *cli, int argc, char **argv, const char *doc, const char *method,
                answer_print *print)
{
    const struct argp argp = {
        .parser = parse_job, .args_doc = "JOB", .doc = doc, .children = cli_children};
    struct cli_args args = {.cli = cli};

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    return cli_show(cli, cli_call(cli, method, json_pack("{s:s}", "job", args.name)), print, &args);
}
