/* `evendraw job create`. */
#include "cli.h"

struct args {
    struct cli *cli;
    const char *name, *dataset, *last_batch;
    json_t *strategy; /* NULL: the daemon's default */
    uint64_t version, batch_size, seed, world_size;
    bool has_seed, ranked;
};

static const struct argp_option options[] = {
    {"dataset", 'd', "NAME", 0, "Draw from this dataset", 0},
    {"dataset-version", 'v', "N", 0, "Which version of it (default: the newest)", 0},
    {"batch-size", 'b', "G", 0, "Samples of a step, of all workers together", 0},
    {"strategy", 'S', "KIND", 0,
     "How classes are drawn: a kind (`evendraw strategies` explains them; default: uniform), or a "
     "JSON object",
     0},
    {"set", 'p', "PARAM=VALUE", 0,
     "A parameter of the strategy, such as weight=inverse; repeat for more", 0},
    {"seed", 'r', "N", 0, "The same seed draws the same batches (default: 0)", 0},
    {"ranked", 'R', NULL, 0,
     "Every rank gets its slice of every step (DDP); otherwise each step "
     "goes to one worker",
     0},
    {"world-size", 'W', "W", 0, "Ranks of a ranked job (default: what the first rank says)", 0},
    {"last-batch", 'l', "HOW", 0, "The incomplete step at an epoch's end: short, drop or pad", 0},
    {0}};

static void check(struct argp_state *state, const struct args *args)
{
    if (args->name == NULL)
        argp_error(state, "name the job");
    else if (args->dataset == NULL)
        argp_error(state, "--dataset is missing: name the dataset to draw from");
    else if (args->batch_size == 0)
        argp_error(state, "--batch-size is missing: how many samples are a step?");
    else if (args->world_size > 0 && !args->ranked)
        argp_error(state, "--world-size is for ranked jobs: add --ranked");
    strategy_check(state, args->strategy);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'd':
        args->dataset = arg;
        return 0;
    case 'v':
        args->version = cli_number(state, "--dataset-version", arg, 1, UINT32_MAX);
        return 0;
    case 'b':
        args->batch_size = cli_number(state, "--batch-size", arg, 1, UINT32_MAX);
        return 0;
    case 'S':
        strategy_choose(state, &args->strategy, arg);
        return 0;
    case 'p':
        strategy_set(state, &args->strategy, arg);
        return 0;
    case 'r':
        args->seed = cli_number(state, "--seed", arg, 0, INT64_MAX);
        args->has_seed = true;
        return 0;
    case 'R':
        args->ranked = true;
        return 0;
    case 'W':
        args->world_size = cli_number(state, "--world-size", arg, 1, UINT32_MAX);
        return 0;
    case 'l':
        args->last_batch = arg;
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

static json_t *request(const struct args *args)
{
    json_t *params = json_pack("{s:s, s:s, s:I, s:s, s:o*}", "name", args->name, "dataset",
                               args->dataset, "batch_size", (json_int_t)args->batch_size, "mode",
                               args->ranked ? "ranked" : "shared", "strategy", args->strategy);

    if (args->version > 0)
        json_object_set_new(params, "version", json_integer((json_int_t)args->version));
    if (args->has_seed)
        json_object_set_new(params, "seed", json_integer((json_int_t)args->seed));
    if (args->world_size > 0)
        json_object_set_new(params, "world_size", json_integer((json_int_t)args->world_size));
    if (args->last_batch != NULL)
        json_object_set_new(params, "last_batch", json_string(args->last_batch));
    return params;
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
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *answer;
    text_t text;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer = cli_call(cli, "job.create", request(&args));
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    printf("job %s on %s, version %u: %s steps of %u samples an epoch\n", args.name, args.dataset,
           (unsigned)field_u64(answer, "version"), text_count(text, field_u64(answer, "steps")),
           (unsigned)args.batch_size);
    json_decref(answer);
    return EXIT_OK;
}
