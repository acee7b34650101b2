/* `evendraw job position` and `evendraw job seek`: checkpoints. */
#include <inttypes.h>
#include "cli.h"

/* ---- job position ---- */

static void print_position(const json_t *position, const void *args)
{
    (void)args;
    printf("%s\n", field_text(position, "token"));
}

int command_job_position(struct cli *cli, int argc, char **argv)
{
    return cli_ask_job(cli, argc, argv,
                       "Print a token for a job's position, to be kept with a checkpoint of the "
                       "model: `evendraw job seek JOB --token TOKEN` goes back to it. --json shows "
                       "the position in numbers too.",
                       "job.position", print_position);
}

/* ---- job seek ---- */

struct args {
    struct cli *cli;
    const char *name, *token, *mode;
    uint64_t epoch, step;
    bool has_epoch, has_step, force;
};

static const struct argp_option options[] = {
    {"token", 't', "TOKEN", 0, "To the position that `evendraw job position` printed", 0},
    {"epoch", 'e', "N", 0, "To this epoch", 0},
    {"step", 'n', "N", 0, "To this step of it (default: 0)", 0},
    {"mode", 'm', "MODE", 0,
     "replay (default): with the strategies it had from there on; follow: with the newest one", 0},
    {"force", 'f', NULL, 0, "Even while workers hold batches, which are then void", 0},
    {0}};

static void check(struct argp_state *state, const struct args *args)
{
    if (args->name == NULL)
        cli_no_job(state);
    else if (!args->token == !args->has_epoch)
        argp_error(state, "where to? give --token TOKEN, or --epoch N and --step N");
    else if (args->token && args->has_step)
        argp_error(state, "--step goes with --epoch: a token says the step");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 't':
        args->token = arg;
        return 0;
    case 'e':
        args->epoch = cli_number(state, "--epoch", arg, 0, INT64_MAX);
        args->has_epoch = true;
        return 0;
    case 'n':
        args->step = cli_number(state, "--step", arg, 0, INT64_MAX);
        args->has_step = true;
        return 0;
    case 'm':
        args->mode = arg;
        return 0;
    case 'f':
        args->force = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_END:
        check(state, args);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_seek(const json_t *answer, const void *args)
{
    (void)args;
    printf("job %s: generation %" PRIu64 " from epoch %" PRIu64 " step %" PRIu64
           ", revision %" PRIu64 "\n",
           field_text(answer, "job"), field_u64(answer, "generation"), field_u64(answer, "epoch"),
           field_u64(answer, "step"), field_u64(answer, "revision"));
}

int command_job_seek(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB",
        .doc = "Move a job to another position, back or ahead, for all its workers: a new "
               "generation of its history begins there. A token of another job, or of another "
               "version of the dataset, is refused.\v"
               "Example: evendraw job seek train --epoch 3",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params =
        json_pack("{s:s, s:s*, s:s*}", "job", args.name, "token", args.token, "mode", args.mode);
    if (args.has_epoch) {
        params_u64(params, "epoch", args.epoch);
        params_u64(params, "step", args.step);
    }
    if (args.force)
        json_object_set_new(params, "force", json_true());
    return cli_show(cli, cli_call(cli, "job.seek", params), print_seek, &args);
}
