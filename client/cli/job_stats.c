/* `evendraw job stats`: what a job asked for and what it served, class by class. */
#include "cli.h"

#include <inttypes.h>

struct args {
    struct cli *cli;
    const char *name;
    uint64_t epoch;
    bool has_epoch, all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'e':
        args->epoch = cli_number(state, "--epoch", arg, 0, INT64_MAX);
        args->has_epoch = true;
        return 0;
    case 'a':
        args->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        cli_no_job(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void add_share(struct table *table, const json_t *stats, const char *key, size_t i)
{
    const json_t *value = class_item(stats, key, i);
    text_t text;

    table_add(table, json_is_number(value) ? text_share(text, json_number_value(value), 2) : "-");
}

static void print_classes(const json_t *stats, bool all)
{
    static const char *const titles[] = {"CLASS", "IN DATASET", "ASKED", "SERVED", "SAMPLES"};
    static const bool right[] = {false, true, true, true, true};
    struct table *table = table_new(titles, right, 5);
    struct shown shown;
    text_t text;

    shown_init(&shown, json_object_get(stats, "count"), all);
    for (size_t row = 0; row < shown.n; row++) {
        size_t i = shown.class[row];

        if (row == shown.gap)
            table_gap(table, shown_between(&shown, text));
        table_add(table, class_name(stats, i));
        table_add(table, text_count(text, class_u64(stats, "count", i)));
        add_share(table, stats, "asked", i);
        add_share(table, stats, "share", i);
        table_add(table, text_count(text, class_u64(stats, "served", i)));
    }
    table_print(table);
    shown_note(&shown);
    shown_fini(&shown);
}

static void print_stats(const json_t *stats, const void *args)
{
    const json_t *epoch;
    text_t steps, samples;
    size_t i;

    printf("job %s on %s, version %" PRIu64 ": %s steps served, %s samples",
           field_text(stats, "job"), field_text(stats, "dataset"), field_u64(stats, "version"),
           text_count(steps, field_u64(stats, "steps")),
           text_count(samples, field_u64(stats, "samples")));
    if (json_object_get(stats, "epoch") != NULL)
        printf(" in epoch %" PRIu64, field_u64(stats, "epoch"));
    fputs("\n\n", stdout);
    print_classes(stats, ((const struct args *)args)->all);
    fputc('\n', stdout);
    json_array_foreach(json_object_get(stats, "epochs"), i, epoch)
    {
        printf("  epoch %" PRIu64 ": %s steps, %s samples\n", field_u64(epoch, "epoch"),
               text_count(steps, field_u64(epoch, "steps")),
               text_count(samples, field_u64(epoch, "samples")));
    }
}

int command_job_stats(struct cli *cli, int argc, char **argv)
{
    static const char *const arrays[] = {"class", "count", "asked", "served", "share", NULL};
    static const struct argp_option options[] = {
        {"epoch", 'e', "N", 0, "Count what this epoch served (default: all)", 0},
        {"all", 'a', NULL, 0, "Every class, in class order, however many there are", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME",
        .doc =
            "Compare, class by class, what a job's strategies asked for, each while it held, with "
            "what was handed out.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s}", "job", args.name);
    if (args.has_epoch)
        params_u64(params, "epoch", args.epoch);
    return cli_show(cli, pages_call(cli, "job.stats", params, arrays), print_stats, &args);
}
