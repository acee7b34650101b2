/* `evendraw replay`: the batches of a job once more, as they were recorded. */
#include <stdlib.h>
#include <string.h>
#include "batches.h"
#include "commands.h"

struct step {
    uint64_t epoch, step;
};

struct args {
    struct output_format format;
    struct step from, to;
};

static void parse_position(const struct given *given)
{
    struct step *position = given_field(given);
    char *colon = strchr(given->text, ':');

    if (!colon) {
        argp_error(given->state, "--%s: '%s' is not EPOCH:STEP, such as 0:12", given->option->name,
                   given->text);
        return;
    }
    *colon = '\0';
    position->epoch = given_number(given, given->text, 0, INT64_MAX);
    position->step = given_number(given, colon + 1, 0, INT64_MAX);
}

#define STEPS_ARE_MISSING "--from and --to say which steps, such as --from 0:0 --to 0:99"

const struct cli_option replay_options[] = {
    {"from", 0, "EPOCH:STEP", "The first step", parse_position, FIELD(struct args, from),
     .missing = STEPS_ARE_MISSING},
    {"to", 0, "EPOCH:STEP", "The last step", parse_position, FIELD(struct args, to),
     .missing = STEPS_ARE_MISSING},
    {"rank", 'r', "R", "The slices of this rank of a ranked job (default: whole steps)",
     NUMBER(0, INT32_MAX), .param = "rank"},
    {"world-size", 'W', "W", "Of how many ranks (default: as the job had it)",
     NUMBER(1, UINT32_MAX), .param = "world_size"},
    {"generation", 'g', "N", "As it was before a seek (default: as it is now)",
     NUMBER(0, UINT32_MAX), .param = "generation"},
    {0},
};

static bool is_before(struct step a, struct step b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.step < b.step;
}

void check_replay(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct args *args = fields;

    if (is_before(args->to, args->from))
        argp_error(state, "--to is before --from");
    else if (params_have(cli, "world_size") && !params_have(cli, "rank"))
        argp_error(state, "--world-size goes with --rank");
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
    if (n <= columns->room && columns->index)
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

static json_t *columns_asked(const struct output_format *format)
{
    json_t *names = json_array();

    for (const struct batch_column *column = batch_columns; column->name; column++) {
        if (format->columns & column->bit)
            json_array_append_new(names, json_string(column->name));
    }
    return names;
}

/* Writes the batch at *at, and moves *at to the step after it. */
static int replay_step(struct cli *cli, const struct output_format *format, struct columns *columns,
                       struct step *at, bool *gone)
{
    json_t *answer;
    evd_batch batch;
    size_t n;
    int status;

    params_set_u64(cli->params, "epoch", at->epoch);
    params_set_u64(cli->params, "step", at->step);
    answer = cli_call(cli, cli->command->methods[0], json_incref(cli->params));
    if (!answer)
        return cli->status;
    n = json_array_size(json_object_get(answer, "index"));
    if (n > UINT32_MAX || !columns_reserve(columns, n)) {
        json_decref(answer);
        return cli_error(cli, EXIT_REFUSED, "no memory for a batch of %zu samples", n);
    }
    batch = batch_of(answer, columns, (uint32_t)n);
    status = batch_write(cli, format, &batch, gone);
    if (++at->step >= field_u64(answer, "steps"))
        *at = (struct step){at->epoch + 1, 0};
    json_decref(answer);
    return status;
}

int run_replay(struct cli *cli, int argc, char **argv)
{
    struct args args = {.format = {.raw = false}};
    struct columns columns = {0};
    struct step at;
    int status = EXIT_OK;
    bool gone = false;

    options_parse(cli, argc, argv, &args);
    json_object_set_new(cli->params, "columns", columns_asked(&args.format));
    at = args.from;
    while (status == EXIT_OK && !gone && !is_before(args.to, at))
        status = replay_step(cli, &args.format, &columns, &at, &gone);
    columns_fini(&columns);
    return status;
}
