/* `evendraw threshold`: the best decision threshold of what was reported to a job, and curves. */
#include "threshold.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "classes.h"
#include "commands.h"
#include "proto/decimal.h"

struct args {
    const char *curve, *csv, *svg; /* which curve, and files to write; NULL: none */
};

/* Curves by what they may be called; the last name is the daemon's. */
static const struct curve {
    const char *called, *kind;
    const char *arrays[4]; /* of the daemon's answer */
} curves[] = {
    {"pr", "precision-recall", {"threshold", "recall", "precision"}},
    {"roc", "roc", {"threshold", "false_positive_rate", "true_positive_rate"}},
    {"calibration", "calibration", {"predicted", "observed", "count"}},
};
#define CURVES (sizeof(curves) / sizeof(curves[0]))

/* NULL: there is none of that name. */
static const struct curve *curve_find(const char *name)
{
    for (size_t i = 0; i < CURVES; i++) {
        if (strcmp(name, curves[i].called) == 0 || strcmp(name, curves[i].kind) == 0)
            return &curves[i];
    }
    return NULL;
}

/* ---- options ---- */

static double number_of(const struct given *given, const char *text, char **end)
{
    double number = strtod(text, end);

    if (*end == text || !isfinite(number))
        argp_error(given->state, "--%s: '%s' is not a number", given->option->name, given->text);
    return number;
}

static void parse_real(const struct given *given)
{
    char *end;
    double number = number_of(given, given->text, &end);

    if (*end != '\0')
        argp_error(given->state, "--%s: '%s' is not a number", given->option->name, given->text);
    given_param(given, json_real(number));
}

static void parse_cost(const struct given *given)
{
    double cost[4] = {0};
    char *at = given->text;

    for (int i = 0; i < 4; i++) {
        cost[i] = number_of(given, at, &at);
        if (*at != (i < 3 ? ',' : '\0'))
            argp_error(given->state, "--cost: '%s' is not four numbers such as 0,1,10,0",
                       given->text);
        at += i < 3;
    }
    given_param(given, json_pack("[[ff][ff]]", cost[0], cost[1], cost[2], cost[3]));
}

const struct cli_option threshold_options[] = {
    {"epoch", 'e', "N", "Of this epoch (default: the newest that was reported)",
     NUMBER(0, INT64_MAX), .param = "epoch"},
    {"together", 0, NULL, "Of all epochs the daemon has, together", option_flag, .param = "all"},
    {"objective", 'o', "NAME",
     "Only this one: f1, f-beta, balanced-accuracy, cost, precision-at-recall or "
     "recall-at-precision",
     option_text, .param = "objective",
     .words = "f1 f-beta balanced-accuracy cost precision-at-recall recall-at-precision"},
    {"beta", 'b', "B", "Of f-beta: recall counts B times as much as precision (default: 2)",
     parse_real, .param = "beta"},
    {"cost", 0, "A,B,C,D", "Of cost: what a sample costs, by its class and what it is taken for",
     parse_cost, .param = "cost"},
    {"recall", 0, "R", "Of precision-at-recall: the recall to be kept (default: 0.9)", parse_real,
     .param = "recall"},
    {"precision", 0, "P", "Of recall-at-precision: the precision to be kept (default: 0.9)",
     parse_real, .param = "precision"},
    {"curve", 'c', "KIND", "Which curve --svg and --csv write: pr (default), roc or calibration",
     option_text, FIELD(struct args, curve), .words = "pr roc calibration"},
    {"svg", 0, "FILE", "Draw the curve", option_text, FIELD(struct args, svg), .words = "@files"},
    {"csv", 0, "FILE", "Write the points of the curve", option_text, FIELD(struct args, csv),
     .words = "@files"},
    {0},
};

void check_threshold(struct argp_state *state, struct cli *cli, const void *fields)
{
    static const struct {
        const char *param, *objective;
        double value;
    } defaults[] = {{"beta", "f-beta", 2},
                    {"recall", "precision-at-recall", 0.9},
                    {"precision", "recall-at-precision", 0.9}};
    const struct args *args = fields;
    const char *only = field_text(cli->params, "objective");

    if (params_have(cli, "epoch") && params_have(cli, "all"))
        argp_error(state, "--epoch and --together exclude each other");
    if (args->curve && !curve_find(args->curve))
        argp_error(state, "--curve: '%s' is none of pr, roc and calibration", args->curve);
    if (args->curve && !args->svg && !args->csv && !cli->json)
        argp_error(state, "--curve needs --svg, --csv or --json: where is it to go?");
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (!params_have(cli, defaults[i].param) &&
            (*only == '\0' || strcmp(only, defaults[i].objective) == 0))
            json_object_set_new(cli->params, defaults[i].param, json_real(defaults[i].value));
    }
}

/* ---- for people ---- */

const json_t *threshold_chosen(const json_t *answer)
{
    const json_t *row = json_array_get(json_object_get(answer, "objectives"), 0);

    return json_is_number(json_object_get(row, "threshold")) ? row : NULL;
}

/* "f-beta, beta 2" */
static const char *cell_objective(const json_t *row)
{
    const char *name = field_text(row, "objective");

    if (json_object_get(row, "beta"))
        return text_of("%s, beta %g", name, field_f64(row, "beta"));
    if (json_object_get(row, "least"))
        return text_of("%s %g", name, field_f64(row, "least"));
    return name;
}

/* In full: it is to be used, and one that is rounded up leaves samples out. */
static const char *cell_threshold(const json_t *value)
{
    char text[DECIMAL_TEXT];

    return json_is_number(value) ? text_of("%s", decimal_text(json_number_value(value), text))
                                 : "-";
}

static void print_head(const json_t *answer)
{
    printf("job %s on %s", field_text(answer, "job"), field_dataset(answer));
    if (json_object_get(answer, "epoch"))
        printf(", epoch %" PRIu64, field_u64(answer, "epoch"));
    else
        printf(", all epochs together");
    printf(": %s with a score, %s of class %s\n\n", field_items(answer, "samples", "sample"),
           field_count(answer, "positives"), class_name(answer, 1));
}

static void print_threshold(const json_t *answer, const struct cli *cli)
{
    static const struct column columns[] = {{"OBJECTIVE", NULL, LEFT, cell_objective},
                                            {"THRESHOLD", "threshold", RIGHT, cell_threshold},
                                            {"VALUE", "value", RIGHT, cell_score},
                                            {"PRECISION", "precision", RIGHT, cell_score},
                                            {"RECALL", "recall", RIGHT, cell_score},
                                            {"F1", "f1", RIGHT, cell_score},
                                            {"BALANCED", "balanced_accuracy", RIGHT, cell_score},
                                            {0}};
    const json_t *chosen = threshold_chosen(answer);

    (void)cli;
    print_head(answer);
    print_rows(json_object_get(answer, "objectives"), columns);
    putchar('\n');
    if (chosen)
        print_wrapped(
            text_of("Take a sample for %s if its score is at least the threshold, for %s %s. "
                    "It fits the data it was chosen on: see on other data what it gives.",
                    class_name(answer, 1), field_text(chosen, "objective"),
                    cell_threshold(json_object_get(chosen, "threshold"))),
            0, 0);
    else
        print_wrapped("No threshold keeps that precision: ask for less, or train on.", 0, 0);
    if (json_is_false(json_object_get(answer, "exact")))
        print_wrapped(
            "More scores were reported than are kept as they came: each counts as the next "
            "lower multiple of 0.001.",
            0, 0);
}

/* ---- the command ---- */

/* Adds the curve of the same epoch to the answer; false after a message. */
static bool add_curve(struct cli *cli, const struct curve *curve, json_t *answer)
{
    json_t *params = json_pack("{ss}", "kind", curve->kind), *points;

    json_object_set(params, "job", json_object_get(cli->params, "job"));
    if (json_object_get(answer, "epoch"))
        json_object_set(params, "epoch", json_object_get(answer, "epoch"));
    else
        json_object_set_new(params, "all", json_true());
    points = cli_call_pages(cli, "job.curve", params, curve->arrays);
    if (points && !cli_same_scores(cli, answer, points)) {
        json_decref(points);
        return false;
    }
    return points && json_object_set_new(answer, "curve", points) == 0;
}

int run_threshold(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    json_t *answer;

    options_parse(cli, argc, argv, &args);
    if (!args.curve && (args.svg || args.csv))
        args.curve = curves[0].called;
    answer = command_ask(cli);
    if (!answer)
        return cli->status;
    if ((args.curve && !add_curve(cli, curve_find(args.curve), answer)) ||
        (args.csv && !output_write(cli, args.csv, threshold_write_csv, answer)) ||
        (args.svg && !output_write(cli, args.svg, threshold_write_svg, answer))) {
        json_decref(answer);
        return cli->status;
    }
    return cli_show(cli, answer, print_threshold);
}
