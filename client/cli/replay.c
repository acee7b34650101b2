/* `evendraw replay`: the batches of a job once more, as they were recorded. */
#include <stdlib.h>
#include <string.h>
#include "batches.h"

struct position {
    uint64_t epoch, step;
};

struct args {
    struct cli *cli;
    const char *job;
    struct batch_format format;
    struct position from, to;
    uint64_t rank, world_size, generation;
    bool has_from, has_to, has_rank, has_generation;
};

enum { OPTION_FROM = 0x2000, OPTION_TO };

static const struct argp_option options[] = {
    {"from", OPTION_FROM, "EPOCH:STEP", 0, "The first step", 0},
    {"to", OPTION_TO, "EPOCH:STEP", 0, "The last step", 0},
    {"rank", 'r', "R", 0, "The slices of this rank of a ranked job (default: whole steps)", 0},
    {"world-size", 'W', "W", 0, "Of how many ranks (default: as the job had it)", 0},
    {"generation", 'g', "N", 0, "As it was before a seek (default: as it is now)", 0},
    {0}};

static struct position parse_position(struct argp_state *state, const char *option,
                                      const char *text)
{
    const char *colon = strchr(text, ':');
    char epoch[24];

    if (colon == NULL || (size_t)(colon - text) >= sizeof(epoch)) {
        argp_error(state, "%s: '%s' is not EPOCH:STEP, such as 0:12", option, text);
        return (struct position){0};
    }
    snprintf(epoch, sizeof(epoch), "%.*s", (int)(colon - text), text);
    return (struct position){cli_number(state, option, epoch, 0, INT64_MAX),
                             cli_number(state, option, colon + 1, 0, INT64_MAX)};
}

static void check(struct argp_state *state, const struct args *args)
{
    if (args->job == NULL)
        cli_no_job(state);
    else if (!args->has_from || !args->has_to)
        argp_error(state, "--from and --to say which steps, such as --from 0:0 --to 0:99");
    else if (args->to.epoch < args->from.epoch ||
             (args->to.epoch == args->from.epoch && args->to.step < args->from.step))
        argp_error(state, "--to is before --from");
    else if (args->world_size > 0 && !args->has_rank)
        argp_error(state, "--world-size goes with --rank");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        batch_parse_init(state, &args->format);
        return 0;
    case OPTION_FROM:
        args->from = parse_position(state, "--from", arg);
        args->has_from = true;
        return 0;
    case OPTION_TO:
        args->to = parse_position(state, "--to", arg);
        args->has_to = true;
        return 0;
    case 'r':
        args->rank = cli_number(state, "--rank", arg, 0, INT32_MAX);
        args->has_rank = true;
        return 0;
    case 'W':
        args->world_size = cli_number(state, "--world-size", arg, 1, UINT32_MAX);
        return 0;
    case 'g':
        args->generation = cli_number(state, "--generation", arg, 0, UINT32_MAX);
        args->has_generation = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->job, 1);
        return 0;
    case ARGP_KEY_END:
        check(state, args);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- from JSON to a batch ---- */

/* The memory behind a batch's columns, which the next batch uses again. */
struct columns {
    uint32_t room; /* samples */
    uint64_t *index, *augment_seed;
    uint32_t *label, *repeat;
    float *probability;
};

static void columns_fini(struct columns *columns)
{
    free(columns->index);
    free(columns->augment_seed);
    free(columns->label);
    free(columns->repeat);
    free(columns->probability);
}

static bool columns_reserve(struct columns *columns, size_t n)
{
    if (n <= columns->room && columns->index != NULL)
        return true;
    columns_fini(columns);
    *columns = (struct columns){
        .room = (uint32_t)n,
        .index = calloc(n + 1, sizeof(*columns->index)),
        .augment_seed = calloc(n + 1, sizeof(*columns->augment_seed)),
        .label = calloc(n + 1, sizeof(*columns->label)),
        .repeat = calloc(n + 1, sizeof(*columns->repeat)),
        .probability = calloc(n + 1, sizeof(*columns->probability)),
    };
    return columns->index && columns->augment_seed && columns->label && columns->repeat &&
           columns->probability;
}

/* True if the answer has that column, whole. */
static bool whole(const json_t *values, uint32_t n)
{
    return json_is_array(values) && json_array_size(values) == n;
}

static evd_batch batch_of(const json_t *answer, const struct columns *columns, uint32_t n)
{
    const json_t *index = json_object_get(answer, "index");
    const json_t *label = json_object_get(answer, "label");
    const json_t *probability = json_object_get(answer, "probability");
    const json_t *repeat = json_object_get(answer, "repeat");
    const json_t *augment_seed = json_object_get(answer, "augment_seed");

    for (uint32_t i = 0; i < n; i++) {
        columns->index[i] = value_u64(json_array_get(index, i));
        columns->label[i] = (uint32_t)value_u64(json_array_get(label, i));
        columns->probability[i] = (float)json_number_value(json_array_get(probability, i));
        columns->repeat[i] = (uint32_t)value_u64(json_array_get(repeat, i));
        columns->augment_seed[i] = value_u64(json_array_get(augment_seed, i));
    }
    return (evd_batch){
        .epoch = field_u64(answer, "epoch"),
        .step = field_u64(answer, "step"),
        .generation = (uint32_t)field_u64(answer, "generation"),
        .revision = (uint32_t)field_u64(answer, "revision"),
        .n = n,
        .index = columns->index,
        .label = whole(label, n) ? columns->label : NULL,
        .probability = whole(probability, n) ? columns->probability : NULL,
        .repeat = whole(repeat, n) ? columns->repeat : NULL,
        .augment_seed = whole(augment_seed, n) ? columns->augment_seed : NULL,
    };
}

/* ---- asking ---- */

static json_t *request(const struct args *args, struct position at)
{
    json_t *params = json_pack("{s:s}", "job", args->job);
    json_t *names = json_array();

    params_u64(params, "epoch", at.epoch);
    params_u64(params, "step", at.step);
    if (args->has_rank)
        params_u64(params, "rank", args->rank);
    if (args->world_size > 0)
        params_u64(params, "world_size", args->world_size);
    if (args->has_generation)
        params_u64(params, "generation", args->generation);
    for (size_t i = 0; i < BATCH_COLUMNS; i++) {
        if (args->format.columns & batch_columns[i].bit)
            json_array_append_new(names, json_string(batch_columns[i].name));
    }
    json_object_set_new(params, "columns", names);
    return params;
}

/* Writes the batch at *at, and moves *at to the step after it. */
static int replay_step(const struct args *args, struct columns *columns, struct position *at,
                       bool *gone)
{
    json_t *answer = cli_call(args->cli, "job.batch", request(args, *at));
    size_t n = json_array_size(json_object_get(answer, "index"));
    evd_batch batch;
    int status;

    if (answer == NULL)
        return args->cli->status;
    if (n > UINT32_MAX || !columns_reserve(columns, n)) {
        json_decref(answer);
        return cli_error(args->cli, EXIT_REFUSED, "no memory for a batch of %zu samples", n);
    }
    batch = batch_of(answer, columns, (uint32_t)n);
    status = batch_write(args->cli, &args->format, &batch, gone);
    if (++at->step >= field_u64(answer, "steps"))
        *at = (struct position){at->epoch + 1, 0};
    json_decref(answer);
    return status;
}

int command_replay(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB",
        .doc = "Write the batches of some steps of a job once more, as they were handed out: the "
               "same bytes that `evendraw pull` wrote, but for \"redelivered\". They are drawn "
               "again from the job's "
               "history; nothing changes.\v" BATCH_FORMATS "\n\n"
               "Example: evendraw replay train --from 0:0 --to 0:99 --columns label",
        .children = batch_children};
    struct args args = {.cli = cli};
    struct columns columns = {0};
    struct position at;
    int status = EXIT_OK;
    bool gone = false;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    at = args.from;
    while (status == EXIT_OK && !gone &&
           (at.epoch < args.to.epoch || (at.epoch == args.to.epoch && at.step <= args.to.step)))
        status = replay_step(&args, &columns, &at, &gone);
    columns_fini(&columns);
    return status;
}
