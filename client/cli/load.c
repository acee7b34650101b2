/* `evendraw load`: labels of a file or folder become a dataset, or several parts of one. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

/* A commit builds the dataset first, which takes long for 10^9 labels. */
#define TIME_LIMIT_MS 600000

/* ---- arguments ---- */

enum { OPTION_SPLIT = 0x2000, OPTION_STRATIFY, OPTION_WEIGHTS, OPTION_WEIGHT_COLUMN };

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "idx, npy, csv, tsv, lines or folders (default: by content)", 0},
    {"column", 'c', "NAME", 0,
     "CSV and TSV: the column with the labels (blanks around a cell are dropped)", 0},
    {"delimiter", 'd', "CHARACTER", 0, "CSV: between the cells (default: by suffix)", 0},
    {"extensions", 'x', "LIST", 0,
     "Folders: endings of the files that are samples (default: those of torchvision's ImageFolder)",
     0},
    {"class-names", 'n', "A,B,C|@FILE", 0,
     "Names for labels that are numbers from 0 on: a list, or a file with one name a line", 0},
    {"unlabelled", 'u', "LABEL", 0,
     "The label of samples that have none (default: -1 in NPY, otherwise no label)", 0},
    {"long-tail", 't', "RATIO", 0,
     "Keep a long-tailed part: the largest class as it is, the smallest "
     "RATIO times fewer; the other samples lose their label",
     0},
    {"split", OPTION_SPLIT, "PART=SHARE,...", 0,
     "Make a dataset NAME-PART for each part, such as train=0.8,val=0.2, with the labels of that "
     "share of the samples",
     0},
    {"stratify", OPTION_STRATIFY, NULL, 0, "Split every class in these shares", 0},
    {"seed", 'r', "N", 0, "Chooses the samples of --long-tail and --split (default: 0)", 0},
    {"weights", OPTION_WEIGHTS, "COLUMN=FILE", 0,
     "A weight for each sample: NPY, or one number a line", 0},
    {"weight-column", OPTION_WEIGHT_COLUMN, "COLUMN[=CELLS]", 0,
     "CSV: the same from the cells under CELLS (default: under COLUMN)", 0},
    {0}};

static void parse_format(struct argp_state *state, struct source *source, const char *text)
{
    source->format = source_format_named(text);
    if (!source->format)
        argp_error(state, "--format: '%s' is none of idx, npy, csv, tsv, lines, folders", text);
    else if (source->format->delimiter)
        source->delimiter = source->format->delimiter;
}

static void parse_delimiter(struct argp_state *state, struct source *source, const char *text)
{
    if (strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0)
        source->delimiter = '\t';
    else if (strlen(text) == 1 && text[0] != '"' && text[0] != '\n')
        source->delimiter = text[0];
    else
        argp_error(state, "--delimiter: give one character, or tab");
}

static double parse_ratio(struct argp_state *state, const char *text)
{
    char *end;
    double ratio = strtod(text, &end);

    if (end == text || *end != '\0' || !(ratio >= 1 && ratio <= 1e12))
        argp_error(state, "--long-tail: '%s' is not a ratio from 1 to 10^12, such as 100", text);
    return ratio;
}

static void parse_weights(struct argp_state *state, struct load_args *args, char *text, bool file)
{
    char *equals = strchr(text, '=');
    struct load_weights *weights = &args->weights[args->weights_count];

    if (equals == text || (file && equals == NULL)) {
        argp_error(state,
                   file ? "--weights: '%s' is not COLUMN=FILE"
                        : "--weight-column: '%s' is not COLUMN or COLUMN=CELLS",
                   text);
        return;
    }
    if (equals != NULL)
        *equals++ = '\0';
    for (uint32_t i = 0; i < args->weights_count; i++) {
        if (strcmp(args->weights[i].name, text) == 0)
            argp_error(state, "the weight column '%s' is given twice", text);
    }
    if (args->weights_count == LOAD_COLUMNS) {
        argp_error(state, "a dataset has at most %u weight columns", LOAD_COLUMNS);
        return;
    }
    weights->name = text;
    weights->path = file ? equals : NULL;
    weights->column = file ? NULL : equals ? equals : text;
    args->weights_count++;
}

static void parse_split(struct argp_state *state, struct load_args *args, char *text)
{
    const char *wrong = split_parse(&args->split, text);

    if (wrong != NULL)
        argp_error(state, "--split: %s", wrong);
}

static void check(struct argp_state *state, const struct load_args *args)
{
    if (args->positional[1] == NULL)
        argp_error(state, "give a name for the dataset, and a file or folder (or - for standard "
                          "input)");
    else if (args->stratify && args->split.count == 0)
        argp_error(state, "--stratify is for --split: say which parts");
}

static error_t parse_choice(int key, char *arg, struct argp_state *state)
{
    struct load_args *args = state->input;

    switch (key) {
    case 't':
        args->long_tail = parse_ratio(state, arg);
        return 0;
    case 'r':
        args->seed = cli_number(state, "--seed", arg, 0, UINT64_MAX);
        return 0;
    case OPTION_SPLIT:
        parse_split(state, args, arg);
        return 0;
    case OPTION_STRATIFY:
        args->stratify = true;
        return 0;
    case OPTION_WEIGHTS:
    case OPTION_WEIGHT_COLUMN:
        parse_weights(state, args, arg, key == OPTION_WEIGHTS);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct load_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        cli_parse_init(state);
        return 0;
    case 'f':
        parse_format(state, &args->source, arg);
        return 0;
    case 'c':
        args->source.column = arg;
        return 0;
    case 'd':
        parse_delimiter(state, &args->source, arg);
        return 0;
    case 'x':
        args->source.extensions = arg;
        return 0;
    case 'n':
        args->class_names = arg;
        return 0;
    case 'u':
        args->unlabelled = arg;
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, args->positional, 2);
        return 0;
    case ARGP_KEY_END:
        check(state, args);
        return 0;
    default:
        return parse_choice(key, arg, state);
    }
}

/* ---- the report ---- */

static const char *order_of(const struct load *load)
{
    return load->names ? "as named" : load->numeric ? "in numeric order" : "in byte order";
}

static void report_unlabelled(const struct load *load)
{
    const char *label = load->args->unlabelled ? load->args->unlabelled : "-1";
    text_t text;

    if (load->marked > 0)
        printf("  %s labelled '%s', taken as without a label%s\n",
               text_items(text, load->marked, "sample"), label,
               load->args->unlabelled ? "" : " (--unlabelled= makes it a class)");
    if (load->empty > 0)
        printf("  %s without a label: never drawn, but counted in the indices\n",
               text_items(text, load->empty, "sample"));
}

static void report_parts(const struct load *load, uint64_t lost)
{
    text_t text;

    for (uint32_t p = 0; p < load->part_count; p++) {
        const struct load_part *part = &load->parts[p];
        printf("  %s, version %u: %s with a label", part->name,
               (unsigned)field_u64(part->info, "version"),
               text_items(text, part->labelled, "sample"));
        if (part->classes < load->labels.class_count)
            printf(", none of %s",
                   text_items(text, load->labels.class_count - part->classes, "class"));
        fputc('\n', stdout);
    }
    if (lost > 0)
        printf("  %s with a label %s in no part\n", text_items(text, lost, "sample"),
               lost == 1 ? "is" : "are");
}

static void report(const struct load *load)
{
    uint64_t kept = 0, labelled = load->samples - load->empty - load->marked;
    text_t one, two;

    for (uint32_t p = 0; p < load->part_count; p++)
        kept += load->parts[p].labelled;
    fputs(load->args->positional[0], stdout);
    if (load->groups == NULL)
        printf(", version %u", (unsigned)field_u64(load->parts[0].info, "version"));
    printf(": %s, %s (%s)\n", text_items(one, load->samples, "sample"),
           text_items(two, load->labels.class_count, "class"), order_of(load));
    report_unlabelled(load);
    if (load->groups != NULL)
        report_parts(load, labelled - kept);
    else if (load->longtail != NULL)
        printf("  long tail: %s with a label are left, %s lost it\n",
               text_items(one, kept, "sample"), text_count(two, labelled - kept));
    for (uint32_t i = 0; i < load->args->weights_count; i++)
        printf("  with weights: column '%s'\n", load->args->weights[i].name);
}

static int print_answer(struct cli *cli, struct load *load)
{
    json_t *list;

    if (load->groups == NULL)
        return cli_print_json(cli, json_incref(load->parts[0].info));
    list = json_array();
    for (uint32_t p = 0; p < load->part_count; p++)
        json_array_append(list, load->parts[p].info);
    return cli_print_json(cli, json_pack("{s:o}", "datasets", list));
}

/* ---- the command ---- */

static int run(struct cli *cli, struct load *load)
{
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
    for (uint32_t p = 0; p < SPLIT_PARTS; p++) {
        free(load->parts[p].name);
        free(load->parts[p].buffer);
        json_decref(load->parts[p].info);
    }
    labels_fini(&load->labels);
    free(load->longtail);
    free(load->groups);
    free(load->met);
    free(load->names);
    free(load->names_text);
}

int command_load(struct cli *cli, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME SOURCE",
        .doc =
            "Send the labels of a dataset: sample i is the i-th label of SOURCE. Loading a name "
            "again makes its next version.\v"
            "SOURCE is IDX (the MNIST family), a NumPy array (.npy) of whole numbers, CSV or TSV "
            "with a header line, text with one label a line, or a folder of class folders; - is "
            "standard input; gzip is recognised. An empty cell or line, and -1 in a NumPy array, "
            "is a sample without a label: it keeps its index and is never drawn. Labels that are "
            "all whole numbers become classes in numeric order, others in byte order. The samples "
            "of a folder are numbered as torchvision's ImageFolder numbers them, and so are its "
            "classes.\n\n"
            "--long-tail keeps n_max * RATIO^(-c/(C-1)) samples, rounded but at least one, of the "
            "c-th largest of C classes (c = 0, 1, ...; equally large ones in class order), the "
            "same "
            "ones for the same seed.\n\n"
            "--split makes datasets over the same indices, of which each sample has its label in "
            "one at most; what shares below 1 leave over is in none. It follows --long-tail. Of n "
            "samples (with --stratify: of a class) a part gets n * SHARE rounded down; the few "
            "samples this leaves go to the parts, and to none, whose n * SHARE had the largest "
            "fractions, equal ones in the order given. If one dataset fails, none is made.\n\n"
            "Example: evendraw load pets labels.npy --split train=0.8,val=0.2 --stratify",
        .children = cli_children};
    struct load_args args = {.cli = cli, .source = {.cli = cli, .doing = "reading"}};
    struct load load = {.args = &args, .source = &args.source};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    cli->time_limit_ms = TIME_LIMIT_MS;
    args.source.path = args.positional[1];
    if (!source_open(&args.source))
        return cli->status;
    labels_init(&load.labels);
    status = run(cli, &load);
    load_fini(&load);
    source_close(&args.source);
    return status;
}
