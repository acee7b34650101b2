/* `evendraw job create`. */
#include "cli.h"

struct args {
    struct cli *cli;
    const char *name, *dataset;
    struct terms terms;
    const char *guarantee;
    uint64_t time_to_run, grace, replicas;
    bool has_time_to_run, has_grace;
};

enum { OPTION_TIME_TO_RUN = 0x2000, OPTION_GRACE, OPTION_GUARANTEE };

static const struct argp_option options[] = {
    {"dataset", 'd', "NAME", 0, "Draw from this dataset", 0},
    {"replicas", 'k', "K", 0,
     "So many consecutive ranks of a ranked job get the same slice (default: 1)", 0},
    {"time-to-run", OPTION_TIME_TO_RUN, "TIME", 0,
     "A batch not acknowledged in this time goes to another worker: 30s, 10m (default), 0 for no "
     "limit",
     0},
    {"grace", OPTION_GRACE, "TIME", 0,
     "A worker whose connection is lost may come back in this time: 500ms, 2s (default)", 0},
    {"guarantee", OPTION_GUARANTEE, "GUARANTEE", 0, "at-least-once (default) or at-most-once", 0},
    {0}};

static void check(struct argp_state *state, const struct args *args)
{
    if (args->name == NULL)
        argp_error(state, "name the job");
    else if (args->dataset == NULL)
        argp_error(state, "--dataset is missing: name the dataset to draw from");
    else if (args->replicas > 0 && !args->terms.ranked)
        argp_error(state, "--replicas is for ranked jobs: add --ranked");
    terms_check(state, &args->terms);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        terms_parse_init(state, &args->terms);
        return 0;
    case 'd':
        args->dataset = arg;
        return 0;
    case 'k':
        args->replicas = cli_number(state, "--replicas", arg, 1, UINT32_MAX);
        return 0;
    case OPTION_TIME_TO_RUN:
        args->time_to_run = cli_duration(state, "--time-to-run", arg);
        args->has_time_to_run = true;
        return 0;
    case OPTION_GRACE:
        args->grace = cli_duration(state, "--grace", arg);
        args->has_grace = true;
        return 0;
    case OPTION_GUARANTEE:
        args->guarantee = arg;
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

static void print_created(const json_t *job, const void *args)
{
    text_t steps, samples;

    (void)args;
    printf("job %s on %s, version %u: %s of %s an epoch\n", field_text(job, "job"),
           field_text(job, "dataset"), (unsigned)field_u64(job, "version"),
           text_items(steps, field_u64(job, "steps"), "step"),
           text_items(samples, field_u64(job, "batch_size"), "sample"));
}

int command_job_create(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME",
        .doc = "Start a job: batches of a dataset, drawn by a strategy.\v"
               "Example: evendraw job create train --dataset fashion --batch-size 256 "
               "--strategy weighted --set weight=inverse",
        .children = terms_children};
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s, s:s, s:s*}", "name", args.name, "dataset", args.dataset, "guarantee",
                       args.guarantee);
    terms_add(params, &args.terms);
    if (args.replicas > 0)
        params_u64(params, "replicas", args.replicas);
    if (args.has_time_to_run)
        params_u64(params, "time_to_run", args.time_to_run);
    if (args.has_grace)
        params_u64(params, "grace", args.grace);
    return cli_show(cli, cli_call(cli, "job.create", params), print_created, &args);
}
