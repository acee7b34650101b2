/* `evendraw replay`: the batches of a job once more, as they were recorded. */
#include <stdlib.h>
#include <string.h>
#include "batches.h"
#include "commands.h"
#include "proto/batch.h"

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
    void *data[COLUMN_COUNT];
};

static void columns_fini(struct columns *columns)
{
    for (int c = 0; c < COLUMN_COUNT; c++)
        free(columns->data[c]);
}

static bool columns_reserve(struct columns *columns, size_t n)
{
    bool all = true;

    if (n <= columns->room && columns->data[COLUMN_index])
        return true;
    columns_fini(columns);
    *columns = (struct columns){.room = (uint32_t)n};
    for (int c = 0; c < COLUMN_COUNT; c++) {
        columns->data[c] = calloc(n + 1, column_table[c].size);
        all &= columns->data[c] != NULL;
    }
    return all;
}

/* The column as the answer has it, or NULL where it is not there, whole. */
static const void *column_of(const json_t *answer, const struct columns *columns,
                             enum column column, uint32_t n)
{
    const struct column_desc *desc = &column_table[column];
    const json_t *values = json_object_get(answer, desc->name);
    void *to = columns->data[column];

    if (!json_is_array(values) || json_array_size(values) != n)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);

        if (desc->is_float)
            ((float *)to)[i] = (float)json_number_value(value);
        else if (desc->size == sizeof(uint64_t))
            ((uint64_t *)to)[i] = value_u64(value);
        else
            ((uint32_t *)to)[i] = (uint32_t)value_u64(value);
    }
    return to;
}

/* n is the length of the answer's index. */
static evd_batch batch_of(const json_t *answer, const struct columns *columns, uint32_t n)
{
    return (evd_batch){.epoch = field_u64(answer, "epoch"),
                       .step = field_u64(answer, "step"),
                       .generation = (uint32_t)field_u64(answer, "generation"),
                       .revision = (uint32_t)field_u64(answer, "revision"),
                       .n = n,
#define BATCH_COLUMN(id, name, type, of_samples) .id = column_of(answer, columns, COLUMN_##id, n),
                       EVD_COLUMNS(BATCH_COLUMN)
#undef BATCH_COLUMN
    };
}

/* ---- asking ---- */

static json_t *columns_asked(const struct output_format *format)
{
    json_t *names = json_array();

    for (int c = 0; c < COLUMN_COUNT; c++) {
        if (format->columns >> c & 1)
            json_array_append_new(names, json_string(column_name((enum column)c)));
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
