/* `evendraw preview`: what a strategy would do, without creating or changing anything. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct args {
    struct cli *cli;
    const char *dataset, *job;
    struct terms terms;
    bool all;
};

static const struct argp_option options[] = {
    {"job", 'j', "JOB", 0, "Preview a change of this job's strategy, instead of a new job", 0},
    {"all", 'a', NULL, 0, "Every class, in class order, however many there are", 0},
    {0}};

static void check(struct argp_state *state, const struct args *args)
{
    if ((args->dataset == NULL) == (args->job == NULL))
        argp_error(state, "name a dataset, or a job with --job");
    else if (args->dataset)
        terms_check(state, &args->terms);
    else if (terms_of_new_job(&args->terms))
        argp_error(state, "with --job only --strategy and --set can be given: the rest is the "
                          "job's own");
    else if (args->terms.strategy == NULL)
        argp_error(state, "--strategy is missing: what should the job change to?");
    else
        strategy_check(state, args->terms.strategy);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        terms_parse_init(state, &args->terms);
        return 0;
    case 'j':
        args->job = arg;
        return 0;
    case 'a':
        args->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->dataset, 1);
        return 0;
    case ARGP_KEY_END:
        if (args->dataset && args->terms.strategy == NULL)
            strategy_choose(state, &args->terms.strategy,
                            "uniform"); /* as of a job created without */
        check(state, args);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_summary(const json_t *answer)
{
    char *strategy = json_dumps(json_object_get(answer, "strategy"), JSON_COMPACT);
    const json_t *column;
    text_t steps, samples, memory;
    size_t i;

    printf("%s, version %u, batches of %u, %s\n", field_text(answer, "dataset"),
           (unsigned)field_u64(answer, "version"), (unsigned)field_u64(answer, "batch_size"),
           strategy ? strategy : "");
    free(strategy);
    printf("  epoch %llu: %s, %s\n", (unsigned long long)field_u64(answer, "epoch"),
           text_items(steps, field_u64(answer, "steps"), "step"),
           text_items(samples, field_u64(answer, "samples"), "sample"));
    printf("  needs %s of memory, built in %.3g ms; columns: index",
           text_bytes(memory, field_u64(answer, "memory")), field_f64(answer, "build_ms"));
    json_array_foreach(json_object_get(answer, "columns"), i, column)
    {
        if (json_is_string(column) && strcmp(json_string_value(column), "index") != 0)
            printf(", %s", json_string_value(column));
    }
    fputs("\n\n", stdout);
}

/* An expected number. */
static const char *text_expected(text_t out, const json_t *value)
{
    double number = json_number_value(value);

    if (number >= 1000)
        return text_count(out, (uint64_t)(number + 0.5));
    snprintf(out, sizeof(text_t), "%.4g", number);
    return out;
}

static void print_classes(const json_t *answer, bool all)
{
    static const char *const titles[] = {"CLASS",   "IN DATASET", "DRAWN",
                                         "REPEATS", "COVERAGE",   "PER BATCH"};
    static const char *const numbers[] = {"drawn", "repeats", "coverage", "per_batch"};
    static const bool right[] = {false, true, true, true, true, true};
    struct table *table = table_new(titles, right, 6);
    struct shown shown;
    text_t text;

    shown_init(&shown, json_object_get(answer, "count"), all);
    for (size_t row = 0; row < shown.n; row++) {
        size_t c = shown.class[row];

        if (row == shown.gap)
            table_gap(table, shown_between(&shown, text));
        table_add(table, class_name(answer, c));
        table_add(table, text_count(text, class_u64(answer, "count", c)));
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            const json_t *value = class_item(answer, numbers[i], c);
            bool share = strcmp(numbers[i], "coverage") == 0;
            table_add(table, share ? text_share(text, json_number_value(value), 1)
                                   : text_expected(text, value));
        }
    }
    table_print(table);
    shown_note(&shown);
    shown_fini(&shown);
}

static void print_preview(const json_t *answer, const void *args)
{
    print_summary(answer);
    print_classes(answer, ((const struct args *)args)->all);
}

int command_preview(struct cli *cli, int argc, char **argv)
{
    static const char *const arrays[] = {"class",    "count",     "drawn", "repeats",
                                         "coverage", "per_batch", NULL};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[DATASET]",
        .doc = "What a strategy would do, without creating or changing anything: the length of an "
               "epoch, and for every class what an epoch draws, how often a sample of it comes "
               "(REPEATS), the share of its samples that come at all (COVERAGE), and what a batch "
               "holds. What is refused here, `job create` and `job set` refuse with the same "
               "words.\v"
               "Examples:\n"
               "evendraw preview fashion --batch-size 256 --strategy stratified --set "
               "proportions=equal\n"
               "evendraw preview --job train --strategy weighted --set weight=sqrt-inverse",
        .children = terms_children};
    struct args args = {.cli = cli};
    json_t *params;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s}", args.job ? "job" : "dataset", args.job ? args.job : args.dataset);
    terms_add(params, &args.terms);
    return cli_show(cli, pages_call(cli, "job.preview", params, arrays), print_preview, &args);
}
