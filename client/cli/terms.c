#include "cli.h"

static const struct argp_option options[] = {
    {"dataset-version", 'v', "N", 0, "Which version of the dataset (default: the newest)", 0},
    {"batch-size", 'b', "G", 0, "Samples of a step, of all workers together", 0},
    {"strategy", 'S', "KIND", 0,
     "How classes are drawn: a kind (`evendraw strategies` explains them; default: uniform), or a "
     "JSON object",
     0},
    {"set", 'p', "PARAM=VALUE", 0,
     "A parameter of the strategy, such as weight=inverse; repeat for more", 0},
    {"seed", 'r', "N", 0, "The same seed draws the same batches (default: 0)", 0},
    {"ranked", 'R', NULL, 0,
     "Every rank gets its slice of every step (DDP); otherwise each step goes to one worker", 0},
    {"world-size", 'W', "W", 0, "Ranks of a ranked job (default: what the first rank says)", 0},
    {"last-batch", 'l', "HOW", 0,
     "The incomplete step at an epoch's end: short, drop, pad or "
     "exact (ranked, uniform: every sample once)",
     0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct terms *terms = state->input;

    switch (key) {
    case 'v':
        terms->version = cli_number(state, "--dataset-version", arg, 1, UINT32_MAX);
        return 0;
    case 'b':
        terms->batch_size = cli_number(state, "--batch-size", arg, 1, UINT32_MAX);
        return 0;
    case 'S':
        strategy_choose(state, &terms->strategy, arg);
        return 0;
    case 'p':
        strategy_set(state, &terms->strategy, arg);
        return 0;
    case 'r':
        terms->seed = cli_number(state, "--seed", arg, 0, INT64_MAX);
        terms->has_seed = true;
        return 0;
    case 'R':
        terms->ranked = true;
        return 0;
    case 'W':
        terms->world_size = cli_number(state, "--world-size", arg, 1, UINT32_MAX);
        return 0;
    case 'l':
        terms->last_batch = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp terms_argp = {.options = options, .parser = parse};

const struct argp_child terms_children[] = {
    {&cli_common_argp, 0, "Common options:", 1},
    {&terms_argp, 0, NULL, 0},
    {0},
};

void terms_parse_init(struct argp_state *state, struct terms *terms)
{
    cli_parse_init(state);
    state->child_inputs[1] = terms;
}

bool terms_of_new_job(const struct terms *terms)
{
    return terms->version || terms->batch_size || terms->has_seed || terms->ranked ||
           terms->world_size || terms->last_batch;
}

void terms_check(struct argp_state *state, const struct terms *terms)
{
    if (terms->batch_size == 0)
        argp_error(state, "--batch-size is missing: how many samples are a step?");
    else if (terms->world_size > 0 && !terms->ranked)
        argp_error(state, "--world-size is for ranked jobs: add --ranked");
    strategy_check(state, terms->strategy);
}

void terms_add(json_t *params, const struct terms *terms)
{
    if (terms->strategy != NULL)
        json_object_set_new(params, "strategy", terms->strategy);
    if (terms->last_batch != NULL)
        json_object_set_new(params, "last_batch", json_string(terms->last_batch));
    if (terms->ranked)
        json_object_set_new(params, "mode", json_string("ranked"));
    if (terms->batch_size > 0)
        params_u64(params, "batch_size", terms->batch_size);
    if (terms->version > 0)
        params_u64(params, "version", terms->version);
    if (terms->has_seed)
        params_u64(params, "seed", terms->seed);
    if (terms->world_size > 0)
        params_u64(params, "world_size", terms->world_size);
}
