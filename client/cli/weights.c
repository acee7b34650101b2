/* `evendraw weights`: class weights for a loss, for a dataset or for what a job serves. */
#include "cli.h"

#include <stdlib.h>

struct args {
    struct cli *cli;
    const char *dataset, *job, *kind;
    uint64_t version; /* 0: the newest */
    double beta;
    bool has_beta, all;
};

static const struct argp_option options[] = {
    {"job", 'j', "JOB", 0, "For what this job's strategy draws, instead of a dataset", 0},
    {"dataset-version", 'v', "N", 0, "Which version of the dataset (default: the newest)", 0},
    {"kind", 'k', "KIND", 0,
     "balanced (default), inverse, sqrt-inverse, effective, pos-weight or log-prior", 0},
    {"beta", 'b', "B", 0, "Of effective (default: 0.999)", 0},
    {"all", 'a', NULL, 0, "Every class, in class order, however many there are", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;
    char *end;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'j':
        args->job = arg;
        return 0;
    case 'v':
        args->version = cli_number(state, "--dataset-version", arg, 1, UINT32_MAX);
        return 0;
    case 'k':
        args->kind = arg;
        return 0;
    case 'b':
        args->beta = strtod(arg, &end);
        args->has_beta = true;
        if (end == arg || *end != '\0' || !(args->beta >= 0 && args->beta < 1))
            argp_error(state, "--beta: '%s' is not a number from 0 to below 1", arg);
        return 0;
    case 'a':
        args->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->dataset, 1);
        return 0;
    case ARGP_KEY_END:
        if ((args->dataset == NULL) == (args->job == NULL))
            argp_error(state, "name a dataset, or a job with --job");
        else if (args->job && args->version)
            argp_error(state,
                       "--dataset-version is for datasets: leave it out, a job knows its own");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_weights(const json_t *answer, const void *input)
{
    static const char *const titles[] = {"CLASS", "IN DATASET", "SHARE", "WEIGHT"};
    static const bool right[] = {false, true, true, true};
    const struct args *args = input;
    struct table *table = table_new(titles, right, 4);
    const char *share = args->job ? "present" : "share";
    struct shown shown;
    text_t text;

    printf("%s weights for %s, version %u%s%s\n\n", field_text(answer, "weights"),
           field_text(answer, "dataset"), (unsigned)field_u64(answer, "version"),
           args->job ? ", as drawn by job " : "", args->job ? args->job : "");
    shown_init(&shown, json_object_get(answer, "count"), args->all);
    for (size_t row = 0; row < shown.n; row++) {
        size_t c = shown.class[row];

        if (row == shown.gap)
            table_gap(table, shown_between(&shown, text));
        table_add(table, class_name(answer, c));
        table_add(table, text_count(text, class_u64(answer, "count", c)));
        table_add(table, text_share(text, json_number_value(class_item(answer, share, c)), 2));
        table_add(table, text_number(text, class_item(answer, "weight", c)));
    }
    table_print(table);
    shown_note(&shown);
    shown_fini(&shown);
}

int command_weights(struct cli *cli, int argc, char **argv)
{
    static const char *const of_dataset[] = {"class", "count", "share", "weight", NULL};
    static const char *const of_job[] = {"class", "count",  "present", "served",
                                         "share", "weight", NULL};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[DATASET]",
        .doc = "Class weights for a loss: for a dataset of N labelled samples in C classes, of "
               "which a class has n, or, with --job, for what the job's present strategy draws, so "
               "that what the sampling corrects is not corrected twice.\v"
               "balanced: N / (C n), as scikit-learn. inverse: 1 / n. sqrt-inverse: 1 / sqrt(n). "
               "effective: (1 - beta) / (1 - beta^n), scaled to the sum C. pos-weight: (N - n) / "
               "n. log-prior: log(n / N). --json prints them in full precision.\n\n"
               "Example: evendraw weights fashion --kind effective --beta 0.9999 --json",
        .children = cli_children};
    struct args args = {.cli = cli, .kind = "balanced"};
    json_t *params, *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    params = json_pack("{s:s, s:s}", args.job ? "job" : "dataset",
                       args.job ? args.job : args.dataset, "weights", args.kind);
    if (args.version > 0)
        params_u64(params, "version", args.version);
    if (args.has_beta)
        json_object_set_new(params, "beta", json_real(args.beta));
    answer = pages_call(cli, args.job ? "job.stats" : "dataset.stats", params,
                        args.job ? of_job : of_dataset);
    return cli_show(cli, answer, print_weights, &args);
}
