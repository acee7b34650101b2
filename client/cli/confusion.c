/* `evendraw confusion`: what was reported to a job, as a matrix of true against predicted classes.
 */
#include "confusion.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "cli.h"

struct args {
    struct cli *cli;
    const char *name, *csv, *svg;
    uint64_t epoch;
    bool has_epoch, together, all;
};

enum { OPTION_CSV = 0x100, OPTION_SVG, OPTION_TOGETHER };

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
    case OPTION_TOGETHER:
        args->together = true;
        return 0;
    case OPTION_CSV:
        args->csv = arg;
        return 0;
    case OPTION_SVG:
        args->svg = arg;
        return 0;
    case 'a':
        args->all = true;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, &args->name, 1);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name the job (`evendraw job ls` lists them)");
        return 0;
    case ARGP_KEY_END:
        if (args->has_epoch && args->together)
            argp_error(state, "--epoch and --together exclude each other");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

double confusion_share(const json_t *answer, size_t label, size_t predicted)
{
    uint64_t support = (uint64_t)json_integer_value(confusion_item(answer, "support", label));

    double share = support ? (double)confusion_cell(answer, label, predicted) / (double)support : 0;

    return share < 1 ? share : 1;
}

bool confusion_has_matrix(const json_t *answer)
{
    return json_array_size(json_object_get(answer, "matrix")) > 0;
}

static void print_average(const json_t *answer, const char *key)
{
    const json_t *scores = json_object_get(answer, key);

    printf("  %-8s  precision %.4f, recall %.4f, F1 %.4f\n", key, field_f64(scores, "precision"),
           field_f64(scores, "recall"), field_f64(scores, "f1"));
}

static void print_summary(const json_t *answer)
{
    const json_t *loss = json_object_get(answer, "mean_loss");
    const json_t *best = json_object_get(json_object_get(answer, "thresholds"), "best");
    text_t samples;

    printf("job %s on %s, version %" PRIu64, field_text(answer, "job"),
           field_text(answer, "dataset"), field_u64(answer, "version"));
    if (json_object_get(answer, "epoch") != NULL)
        printf(", epoch %" PRIu64, field_u64(answer, "epoch"));
    else
        printf(", all epochs together");
    printf(": %s reported\n", text_items(samples, field_u64(answer, "samples"), "sample"));
    printf("  accuracy %.4f, balanced accuracy %.4f", field_f64(answer, "accuracy"),
           field_f64(answer, "balanced_accuracy"));
    if (json_is_number(loss))
        printf(", mean loss %.4f", json_number_value(loss));
    putchar('\n');
    print_average(answer, "macro");
    print_average(answer, "weighted");
    if (best != NULL)
        printf("  best F1 of class %s: %.4f with scores from %.3f on\n", confusion_name(answer, 1),
               field_f64(best, "f1"), field_f64(best, "threshold"));
    putchar('\n');
}

static void add_real(struct table *table, const json_t *answer, const char *key, size_t class)
{
    const json_t *value = confusion_item(answer, key, class);
    text_t text;

    if (json_is_number(value))
        snprintf(text, sizeof(text), "%.4f", json_number_value(value));
    else
        snprintf(text, sizeof(text), "-");
    table_add(table, text);
}

static void print_classes(const json_t *answer, bool all)
{
    static const char *const titles[] = {"CLASS", "SAMPLES", "PRECISION", "RECALL", "F1", "LOSS"};
    static const bool right[] = {false, true, true, true, true, true};
    bool losses = json_object_get(answer, "loss") != NULL;
    struct table *table = table_new(titles, right, losses ? 6 : 5);
    struct shown shown;
    text_t text;

    shown_init(&shown, json_object_get(answer, "support"), all);
    for (size_t row = 0; row < shown.n; row++) {
        size_t c = shown.class[row];

        if (row == shown.gap)
            table_gap(table, shown_between(&shown, text));
        table_add(table, confusion_name(answer, c));
        table_add(table, text_count(text, (uint64_t)json_integer_value(
                                              confusion_item(answer, "support", c))));
        add_real(table, answer, "precision", c);
        add_real(table, answer, "recall", c);
        add_real(table, answer, "f1", c);
        if (losses)
            add_real(table, answer, "loss", c);
    }
    table_print(table);
    shown_note(&shown);
    shown_fini(&shown);
}

/* Writes a file whole, or says why not. */
static bool write_file(struct cli *cli, const char *path, void (*write)(FILE *, const json_t *),
                       const json_t *answer)
{
    FILE *out = fopen(path, "w");
    bool failed = out == NULL;

    if (out != NULL) {
        write(out, answer);
        failed = ferror(out) != 0;
        failed = fclose(out) != 0 || failed;
    }
    if (failed)
        cli->status = cli_error(cli, EXIT_INPUT, "cannot write %s: %s", path, strerror(errno));
    return !failed;
}

static json_t *ask(struct cli *cli, const struct args *args)
{
    static const char *const arrays[] = {"class",     "support", "matrix", "loss", "predicted",
                                         "precision", "recall",  "f1",     NULL};
    json_t *params = json_pack("{s:s}", "job", args->name);

    if (args->has_epoch)
        json_object_set_new(params, "epoch", json_integer((json_int_t)args->epoch));
    if (args->together)
        json_object_set_new(params, "all", json_true());
    return pages_call(cli, "job.confusion", params, arrays);
}

int command_confusion(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"epoch", 'e', "N", 0, "Of this epoch (default: the newest that was reported)", 0},
        {"together", OPTION_TOGETHER, NULL, 0, "Of all epochs the daemon has, together", 0},
        {"csv", OPTION_CSV, "FILE", 0, "Also write the matrix as CSV", 0},
        {"svg", OPTION_SVG, "FILE", 0, "Also draw the matrix as an SVG heat map", 0},
        {"all", 'a', NULL, 0, "Every class in the table, however many there are", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "JOB",
        .doc = "Draw what was reported to a job (job.report) as a matrix of true against predicted "
               "classes, with precision, recall and F1 of each class and their averages.",
        .children = cli_children};
    struct args args = {.cli = cli};
    json_t *answer;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    answer = ask(cli, &args);
    if (answer == NULL)
        return cli->status;
    if (args.svg != NULL && !confusion_has_matrix(answer)) {
        json_decref(answer);
        return cli_error(cli, EXIT_REFUSED,
                         "there is no matrix to draw for so many classes: use --csv or --json");
    }
    if ((args.csv != NULL && !write_file(cli, args.csv, confusion_write_csv, answer)) ||
        (args.svg != NULL && !write_file(cli, args.svg, confusion_write_svg, answer))) {
        json_decref(answer);
        return cli->status;
    }
    if (cli->json)
        return cli_print_json(cli, answer);
    print_summary(answer);
    confusion_draw(answer);
    print_classes(answer, args.all);
    json_decref(answer);
    return EXIT_OK;
}
