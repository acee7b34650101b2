/* `evendraw job create`. */
#include "cli.h"

struct args {
    struct cli *cli;
    const char *name, *dataset;
    struct terms terms;
};

static const struct argp_option options[] = {
    {"dataset", 'd', "NAME", 0, "Draw from this dataset", 0}, {0}};

static void check(struct argp_state *state, const struct args *args)
{
    if (args->name == NULL)
        argp_error(state, "name the job");
    else if (args->dataset == NULL)
        argp_error(state, "--dataset is missing: name the dataset to draw from");
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
    params = json_pack("{s:s, s:s}", "name", args.name, "dataset", args.dataset);
    terms_add(params, &args.terms);
    return cli_show(cli, cli_call(cli, "job.create", params), print_created, &args);
}
