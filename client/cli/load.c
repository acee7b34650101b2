/*
 * `evendraw load`: labels of a file or folder become a dataset, or several parts of one. Its
 * options, the order of events and what is reported; load_classes.c and load_send.c do the work.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "print.h"
#include "source_options.h"

/* A commit builds the dataset first, which takes long for 10^9 labels. */
#define TIME_LIMIT_MS 600000

/* ---- options ---- */

static void parse_ratio(const struct given *given)
{
    char *end;
    double ratio = strtod(given->text, &end);

    if (end == given->text || *end != '\0' || !(ratio >= 1 && ratio <= 1e12))
        argp_error(given->state, "--long-tail: '%s' is not a ratio from 1 to 10^12, such as 100",
                   given->text);
    *(double *)given_field(given) = ratio;
}

#define ONE_DIVISION "give --split or --folds, and each once"

static void parse_split(const struct given *given)
{
    struct split *split = given_field(given);
    const char *wrong = split->count > 0 ? ONE_DIVISION : split_parse(split, given->text);

    if (wrong)
        argp_error(given->state, "--split: %s", wrong);
}

static void parse_folds(const struct given *given)
{
    struct split *split = given_field(given);

    if (split->count > 0)
        argp_error(given->state, "--folds: " ONE_DIVISION);
    else
        split_folds(split, (uint32_t)given_number(given, given->text, 2, SPLIT_PARTS));
}

/* Adds a weight column; what it reads from is the caller's to say. */
static struct load_weights *add_weights(const struct given *given, char *name)
{
    struct load_args *args = given->fields;

    for (uint32_t i = 0; i < args->weights_count; i++) {
        if (strcmp(args->weights[i].name, name) == 0)
            argp_error(given->state, "the weight column '%s' is given twice", name);
    }
    if (args->weights_count == LOAD_COLUMNS)
        argp_error(given->state, "a dataset has at most %u weight columns", LOAD_COLUMNS);
    args->weights[args->weights_count].name = name;
    return &args->weights[args->weights_count++];
}

static void parse_weights(const struct given *given)
{
    char *equals = strchr(given->text, '=');

    if (!equals || equals == given->text) {
        argp_error(given->state, "--weights: '%s' is not COLUMN=FILE", given->text);
        return;
    }
    *equals = '\0';
    add_weights(given, given->text)->path = equals + 1;
}

static void parse_weight_column(const struct given *given)
{
    char *equals = strchr(given->text, '=');

    if (equals == given->text)
        argp_error(given->state, "--weight-column: '%s' is not COLUMN or COLUMN=CELLS",
                   given->text);
    if (equals)
        *equals = '\0';
    add_weights(given, given->text)->column = equals ? equals + 1 : given->text;
}

#define SOURCE_IS_MISSING                                                                          \
    "give a name for the dataset, and a file or folder (or - for standard input)"

const struct cli_option load_options[] = {
    {ARGUMENT("NAME"), option_text, FIELD(struct load_args, name), .missing = SOURCE_IS_MISSING,
     .words = "@datasets"},
    {ARGUMENT("SOURCE"), option_text, FIELD(struct load_args, source.path),
     .missing = SOURCE_IS_MISSING, .words = "@files"},
    {"column", 'c', "NAME|N",
     "Tables: the column with the labels, by its name or its number: 1 is the first, -1 the last; "
     "JSON lines: the field; NPZ: the array (by its name)",
     option_text, FIELD(struct load_args, source.column)},
    SOURCE_OPTIONS(struct load_args, source),
    {"one-hot", 0, "A,B,C|all",
     "Tables: the class of a row is the one of these columns that holds 1, the others hold 0; all: "
     "of the columns after the first, those with 0 or 1 in the first row",
     option_text, FIELD(struct load_args, source.one_hot)},
    {"extensions", 'x', "LIST",
     "Folders: endings of the files that are samples (default: those of torchvision's ImageFolder)",
     option_text, FIELD(struct load_args, source.extensions)},
    {"class-names", 'n', "A,B,C|@FILE",
     "Names for labels that are numbers from 0 on: a list, or a file with one name a line",
     option_text, FIELD(struct load_args, class_names), .words = "@files"},
    {"unlabelled", 'u', "LABEL",
     "A label that means that a sample has none; an empty one: texts such as NA are classes",
     option_text, FIELD(struct load_args, unlabelled)},
    {"long-tail", 't', "RATIO",
     "Keep a long-tailed part: the largest class as it is, the smallest RATIO times fewer; the "
     "other samples lose their label",
     parse_ratio, FIELD(struct load_args, long_tail)},
    {"split", 0, "PART=SHARE,...",
     "Make a dataset NAME-PART for each part, such as train=0.8,val=0.2, with the labels of that "
     "share of the samples",
     parse_split, FIELD(struct load_args, split)},
    {"stratify", 0, NULL, "Split every class in these shares", option_flag,
     FIELD(struct load_args, stratify)},
    {"folds", 0, "K",
     "Make datasets for cross-validation, of each class as even as can be: K times NAME-foldI with "
     "a K-th of the samples and NAME-restI with all the others, I from 0 on",
     parse_folds, FIELD(struct load_args, split)},
    {"group", 0, "COLUMN",
     "CSV and TSV, with --split or --folds: samples with the same cell there (of one patient, of "
     "one scene) are in one part only; classes are as even in the parts as groups allow, and "
     "--seed has no part in it",
     option_text, FIELD(struct load_args, source.group_column)},
    {"seed", 'r', "N", "Chooses the samples of --long-tail, --split and --folds (default: 0)",
     NUMBER(0, UINT64_MAX), FIELD(struct load_args, seed)},
    {"weights", 0, "COLUMN=FILE", "A weight for each sample: NPY, or one number a line",
     parse_weights, .words = "@files"},
    {"weight-column", 0, "COLUMN[=CELLS]",
     "CSV: the same from the cells under CELLS (default: under COLUMN)",
     .parse = parse_weight_column},
    {0},
};

void check_load(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct load_args *args = fields;

    (void)cli;
    if (args->stratify && args->split.count == 0)
        argp_error(state, "--stratify is for --split: say which parts");
    if (args->source.one_hot && args->source.column)
        argp_error(state, "--one-hot and --column exclude each other");
    if (args->source.one_hot && args->class_names)
        argp_error(state,
                   "--one-hot and --class-names exclude each other: a class is called as its "
                   "column");
    if (args->source.delimiter == DELIMITER_BLANK && args->source.quote == QUOTE_DOUBLE)
        argp_error(state, "--quote=double is for cells between characters, not between blanks");
    if (args->source.group_column && args->split.count == 0)
        argp_error(state, "--group is for --split and --folds: say which parts");
    if (args->source.group_column && args->long_tail > 0)
        argp_error(state, "--group and --long-tail do not go together: the long tail would leave "
                          "parts of groups");
}

/* ---- the report ---- */

static const char *order_of(const struct load *load)
{
    if (load->source->classes)
        return "in the order of their columns";
    return load->names ? "as named" : load->numeric ? "in numeric order" : "in byte order";
}

/* May -1 mean that a sample has no label? It is the only number below 0, beside several classes. */
static bool has_minus_one(const struct load *load)
{
    const struct labels *labels = &load->labels;

    return load->numeric && labels->class_count > 2 && strcmp(labels->classes[0], "-1") == 0;
}

static void report_unlabelled(const struct load *load)
{
    if (load->marked > 0)
        printf("  %s labelled '%s'%s, taken as without a label%s\n",
               text_items(load->marked, "sample"), load->marked_as,
               load->args->unlabelled ? "" : " or the like",
               load->args->unlabelled ? "" : " (--unlabelled= makes it a class)");
    if (has_minus_one(load))
        printf("  -1 is a class (--unlabelled=-1 if it means that a sample has no label)\n");
    if (load->empty > 0)
        printf("  %s without a label: never drawn, but counted in the indices\n",
               text_items(load->empty, "sample"));
}

static void report_parts(const struct load *load, uint64_t lost)
{
    for (uint32_t p = 0; p < load->part_count; p++) {
        const struct load_part *part = &load->parts[p];
        printf("  %s, version %u: %s with a label", part->name,
               (unsigned)field_u64(part->info, "version"), text_items(part->labelled, "sample"));
        if (part->classes < load->labels.class_count)
            printf(", none of %s", text_items(load->labels.class_count - part->classes, "class"));
        fputc('\n', stdout);
    }
    if (lost > 0)
        printf("  %s with a label %s in no part\n", text_items(lost, "sample"),
               lost == 1 ? "is" : "are");
}

static void report(const struct load *load)
{
    uint64_t kept = load->kept, labelled = load->samples - load->empty - load->marked;
    bool divided = load->args->split.count > 0;

    fputs(load->args->name, stdout);
    if (!divided)
        printf(", version %u", (unsigned)field_u64(load->parts[0].info, "version"));
    printf(": %s, %s (%s)\n", text_items(load->samples, "sample"),
           text_items(load->labels.class_count, "class"), order_of(load));
    report_unlabelled(load);
    if (load->source->group_column)
        printf("  %s, each in one part\n", text_items(load->groups.names.count, "group"));
    if (divided)
        report_parts(load, labelled - kept);
    else if (load->longtail)
        printf("  long tail: %s with a label are left, %s lost it\n", text_items(kept, "sample"),
               text_count(labelled - kept));
    for (uint32_t i = 0; i < load->args->weights_count; i++)
        printf("  with weights: column '%s'\n", load->args->weights[i].name);
}

static int print_answer(struct cli *cli, struct load *load)
{
    json_t *list, *about = load->source->about;

    if (load->args->split.count == 0) {
        json_object_set(load->parts[0].info, "source", about);
        return cli_print_json(cli, json_incref(load->parts[0].info));
    }
    list = json_array();
    for (uint32_t p = 0; p < load->part_count; p++)
        json_array_append(list, load->parts[p].info);
    return cli_print_json(cli, json_pack("{s:o, s:O}", "datasets", list, "source", about));
}

/* ---- the command ---- */

static int run(struct cli *cli, struct load *load)
{
    if (load->source->group_column && !load->source->format->table) {
        source_error(load->source, "has no columns for --group: that is for tables, CSV and TSV");
        return cli->status;
    }
    if (!cli_connect(cli) || !load_classes(load) || !load_send(load))
        return cli->status;
    if (cli->json)
        return print_answer(cli, load);
    report(load);
    return EXIT_OK;
}

static void load_fini(struct load *load)
{
    load_abort(load);
    for (uint32_t p = 0; p < SPLIT_DATASETS; p++) {
        free(load->parts[p].name);
        free(load->parts[p].buffer);
        json_decref(load->parts[p].info);
    }
    labels_fini(&load->labels);
    free(load->longtail);
    groups_fini(&load->groups);
    free(load->need);
    free(load->met_labels);
    free(load->met);
    free(load->names);
    free(load->names_text);
}

int run_load(struct cli *cli, int argc, char **argv)
{
    struct load_args args = {.cli = cli, .source = {.cli = cli, .doing = "reading"}};
    struct load load = {.args = &args, .source = &args.source};
    int status;

    options_parse(cli, argc, argv, &args);
    cli->time_limit_ms = TIME_LIMIT_MS;
    if (!source_open(&args.source))
        return cli->status;
    labels_init(&load.labels);
    groups_init(&load.groups);
    status = run(cli, &load);
    load_fini(&load);
    source_close(&args.source);
    return status;
}
