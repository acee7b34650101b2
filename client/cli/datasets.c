/* `evendraw datasets` and `evendraw dataset rm`. */
#include "cli.h"

struct args {
    struct cli *cli;
    const char *name;
    uint64_t version; /* 0: the newest */
};

/* ---- datasets ---- */

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one argument too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_list(const json_t *list)
{
    static const char *const titles[] = {"DATASET", "VERSION", "SAMPLES", "LABELLED",
                                         "CLASSES", "JOBS",    "MEMORY",  "CREATED"};
    static const bool right[] = {false, true, true, true, true, true, true, false};
    struct table *table = table_new(titles, right, 8);
    const json_t *dataset;
    text_t text;
    size_t i;

    json_array_foreach(list, i, dataset)
    {
        table_add(table, field_text(dataset, "dataset"));
        table_add(table, text_count(text, field_u64(dataset, "version")));
        table_add(table, text_count(text, field_u64(dataset, "samples")));
        table_add(table, text_count(text, field_u64(dataset, "labelled")));
        table_add(table, text_count(text, field_u64(dataset, "classes")));
        table_add(table, text_count(text, field_u64(dataset, "jobs")));
        table_add(table, text_bytes(text, field_u64(dataset, "memory")));
        table_add(table, text_time(text, field_u64(dataset, "created")));
    }
    table_print(table);
    if (json_array_size(list) == 0)
        fputs("no datasets yet: `evendraw load NAME FILE` makes one\n", stderr);
}

int command_datasets(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {.parser = parse_list,
                                     .doc = "List the datasets: every version the daemon holds.",
                                     .children = cli_children};
    struct args args = {.cli = cli};
    json_t *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer = cli_call(cli, "dataset.list", NULL);
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    print_list(json_object_get(answer, "datasets"));
    json_decref(answer);
    return EXIT_OK;
}

/* ---- dataset rm ---- */

static error_t parse_rm(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'v':
        args->version = cli_number(state, "--dataset-version", arg, 1, UINT32_MAX);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a dataset");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_dataset_rm(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"dataset-version", 'v', "N", 0, "Which version (default: the newest)", 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_rm,
        .args_doc = "NAME",
        .doc = "Remove a version of a dataset. Refused while a job uses it.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *params, *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s}", "dataset", args.name);
    if (args.version > 0)
        json_object_set_new(params, "version", json_integer((json_int_t)args.version));
    answer = cli_call(cli, "dataset.drop", params);
    if (answer == NULL)
        return cli->status;
    if (cli->json)
        return cli_print_json(cli, answer);
    printf("removed %s, version %u\n", args.name, (unsigned)field_u64(answer, "version"));
    json_decref(answer);
    return EXIT_OK;
}
