/* `evendraw datasets` and `evendraw dataset rm`. */
#include "cli.h"

/* ---- datasets ---- */

static void print_list(const json_t *answer, const void *args)
{
    const json_t *list = json_object_get(answer, "datasets");
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
    (void)args;
    table_print(table);
    if (json_array_size(list) == 0)
        fputs("no datasets yet: `evendraw load NAME FILE` makes one\n", stderr);
}

int command_datasets(struct cli *cli, int argc, char **argv)
{
    return cli_ask(cli, argc, argv, "List the datasets: every version the daemon holds.",
                   "dataset.list", print_list);
}

/* ---- dataset rm ---- */

struct args {
    struct cli *cli;
    const char *name;
    uint64_t version; /* 0: the newest */
};

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
        cli_no_dataset(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_removed(const json_t *answer, const void *args)
{
    (void)args;
    printf("removed %s, version %u\n", field_text(answer, "dataset"),
           (unsigned)field_u64(answer, "version"));
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
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s}", "dataset", args.name);
    if (args.version > 0)
        params_u64(params, "version", args.version);
    return cli_show(cli, cli_call(cli, "dataset.drop", params), print_removed, &args);
}
