/* `evendraw confusion`: what was reported to a job, as a matrix of true against predicted classes.
 */
#include "confusion.h"

#include <inttypes.h>
#include <string.h>
#include "commands.h"
#include "output.h"
#include "proto/answers.h"

struct args {
    const char *csv, *svg; /* files to write; NULL: none */
};

const struct cli_option confusion_options[] = {
    {"epoch", 'e', "N", "Of this epoch (default: the newest that was reported)",
     NUMBER(0, INT64_MAX), .param = "epoch"},
    {"together", 0, NULL, "Of all epochs the daemon has, together", option_flag, .param = "all"},
    {"csv", 0, "FILE", "Also write the matrix as CSV", option_text, FIELD(struct args, csv),
     .words = "@files"},
    {"svg", 0, "FILE", "Also draw the matrix as an SVG heat map", option_text,
     FIELD(struct args, svg), .words = "@files"},
    {"all", 'a', NULL, "Every class in the table, however many there are",
     .parse = parse_all_classes},
    {0},
};

void check_confusion(struct argp_state *state, struct cli *cli, const void *fields)
{
    (void)fields;
    if (params_have(cli, "epoch") && params_have(cli, "all"))
        argp_error(state, "--epoch and --together exclude each other");
}

uint64_t confusion_cell(const json_t *answer, size_t label, size_t predicted)
{
    return value_u64(json_array_get(class_item(answer, "matrix", label), predicted));
}

double confusion_share(const json_t *answer, size_t label, size_t predicted)
{
    uint64_t support = class_u64(answer, "support", label);

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

#define METRIC_KEY(type, key) #key,

/* Whatever is one number for all classes: "  accuracy 0.9500, balanced accuracy 0.9000". */
static void print_metrics(const json_t *answer)
{
    static const char *const metrics[] = {EVD_METRICS(METRIC_KEY) "mean_loss", NULL};

    for (size_t i = 0; metrics[i]; i++) {
        if (!json_is_number(json_object_get(answer, metrics[i]))) /* no loss was reported */
            continue;
        fputs(i ? ", " : "  ", stdout);
        for (const char *c = metrics[i]; *c; c++)
            putchar(*c == '_' ? ' ' : *c);
        printf(" %.4f", field_f64(answer, metrics[i]));
    }
    putchar('\n');
}

static void print_summary(const json_t *answer)
{
    const json_t *best = json_object_get(json_object_get(answer, "thresholds"), "best");

    printf("job %s on %s", field_text(answer, "job"), field_dataset(answer));
    if (json_object_get(answer, "epoch"))
        printf(", epoch %" PRIu64, field_u64(answer, "epoch"));
    else
        printf(", all epochs together");
    printf(": %s reported\n", field_items(answer, "samples", "sample"));
    print_metrics(answer);
    print_average(answer, "macro");
    print_average(answer, "weighted");
    if (best)
        printf("  best F1 of class %s: %.4f with scores from %.3f on\n", class_name(answer, 1),
               field_f64(best, "f1"), field_f64(best, "threshold"));
    putchar('\n');
}

static void print_confusion(const json_t *answer, const struct cli *cli)
{
    struct column columns[] = {{"CLASS", NULL, LEFT, NULL},
                               {"SAMPLES", "support", RIGHT, cell_count},
                               {"PRECISION", "precision", RIGHT, cell_score},
                               {"RECALL", "recall", RIGHT, cell_score},
                               {"F1", "f1", RIGHT, cell_score},
                               {"LOSS", "loss", RIGHT, cell_score},
                               {0}};

    if (!json_object_get(answer, "loss"))
        columns[5] = columns[6];
    print_summary(answer);
    confusion_draw(answer);
    print_classes(answer, columns, cli->all_classes);
}

int run_confusion(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    json_t *answer;

    options_parse(cli, argc, argv, &args);
    answer = command_ask(cli);
    if (!answer)
        return cli->status;
    if (args.svg && !confusion_has_matrix(answer)) {
        json_decref(answer);
        return cli_error(cli, EXIT_REFUSED,
                         "there is no matrix to draw for so many classes: use --csv or --json");
    }
    if ((args.csv && !output_write(cli, args.csv, confusion_write_csv, answer)) ||
        (args.svg && !output_write(cli, args.svg, confusion_write_svg, answer))) {
        json_decref(answer);
        return cli->status;
    }
    return cli_show(cli, answer, print_confusion);
}
