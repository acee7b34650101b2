/* `evendraw job set`: a new strategy while the job runs. */
#include "cli.h"

#include <inttypes.h>

struct args {
    struct cli *cli;
    const char *name, *when;
    json_t *strategy;
    uint64_t epoch, step;
    bool has_epoch, has_step;
};

static const struct argp_option options[] = {
    {"strategy", 'S', "KIND", 0, "The new strategy: a kind, or a JSON object", 0},
    {"set", 'p', "PARAM=VALUE", 0, "A parameter of it; repeat for more", 0},
    {"when", 'w', "WHEN", 0,
     "now (default: the first step not yet handed out), epoch (the next one), or at", 0},
    {"epoch", 'e', "N", 0, "With --when at", 0},
    {"step", 'n', "N", 0, "With --when at (default: 0)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'S':
        strategy_choose(state, &args->strategy, arg);
        return 0;
    case 'p':
        strategy_set(state, &args->strategy, arg);
        return 0;
    case 'w':
        args->when = arg;
        return 0;
    case 'e':
        args->epoch = cli_number(state, "--epoch", arg, 0, INT64_MAX);
        args->has_epoch = true;
        return 0;
    case 'n':
        args->step = cli_number(state, "--step", arg, 0, INT64_MAX);
        args->has_step = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_END:
        if (args->name == NULL)
            cli_no_job(state);
        else if (args->strategy == NULL)
            argp_error(state,
                       "--strategy is missing: what should the job draw by? (`evendraw strategies` "
                       "lists them)");
        strategy_check(state, args->strategy);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_revision(const json_t *answer, const void *args)
{
    (void)args;
    printf("job %s: revision %" PRIu64 " from epoch %" PRIu64 " step %" PRIu64 "\n",
           field_text(answer, "job"), field_u64(answer, "revision"), field_u64(answer, "epoch"),
           field_u64(answer, "step"));
}

int command_job_set(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME",
        .doc = "Change a job's strategy while it runs, for all its workers at the same step.\v"
               "Example: evendraw job set train --strategy stratified --set proportions=equal",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    if (args.when == NULL && args.has_epoch)
        args.when = "at";
    params = json_pack("{s:s, s:o, s:s*}", "job", args.name, "strategy", args.strategy, "when",
                       args.when);
    if (args.has_epoch)
        params_u64(params, "epoch", args.epoch);
    if (args.has_step || args.has_epoch)
        params_u64(params, "step", args.step);
    return cli_show(cli, cli_call(cli, "job.update", params), print_revision, &args);
}
