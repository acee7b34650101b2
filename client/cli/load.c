/* `evendraw load`: labels of a file become a dataset. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "labels.h"
#include "longtail.h"
#include "source.h"

#define BUFFER_LABELS 65536u
#define MAX_CLASSES   (1u << 20) /* the daemon's limit, told before everything was read */

struct args {
    struct cli *cli;
    const char *positional[2]; /* name, source */
    struct source source;
    const char *class_names;
    double long_tail; /* 0: none */
    uint64_t seed;
};

/* ---- arguments ---- */

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "idx, csv, tsv or lines (default: by content and name)", 0},
    {"column", 'c', "NAME", 0, "CSV and TSV: the column with the labels", 0},
    {"delimiter", 'd', "CHARACTER", 0, "CSV: between the cells (default: by suffix)", 0},
    {"class-names", 'n', "A,B,C|@FILE", 0,
     "Names for labels that are numbers from 0 on: a list, or a file with one name a line", 0},
    {"long-tail", 't', "RATIO", 0,
     "Keep a long-tailed part: the largest class as it is, the smallest "
     "RATIO times fewer; the other samples lose their label",
     0},
    {"seed", 'r', "N", 0, "Chooses the samples that --long-tail keeps (default: 0)", 0},
    {0}};

static void parse_format(struct argp_state *state, struct source *source, const char *text)
{
    if (strcmp(text, "idx") == 0)
        source->format = SOURCE_IDX;
    else if (strcmp(text, "csv") == 0 || strcmp(text, "tsv") == 0)
        source->format = SOURCE_CSV;
    else if (strcmp(text, "lines") == 0 || strcmp(text, "text") == 0)
        source->format = SOURCE_LINES;
    else
        argp_error(state, "--format: '%s' is none of idx, csv, tsv, lines", text);
    if (strcmp(text, "tsv") == 0)
        source->delimiter = '\t';
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
        argp_error(state, "--long-tail: '%s' is not a ratio of 1 or more, such as 100", text);
    return ratio;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *args = state->input;

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
    case 'n':
        args->class_names = arg;
        return 0;
    case 't':
        args->long_tail = parse_ratio(state, arg);
        return 0;
    case 'r':
        args->seed = cli_number(state, "--seed", arg, 0, UINT64_MAX);
        return 0;
    case ARGP_KEY_ARG:
        cli_positional(state, arg, args->positional, 2);
        return 0;
    case ARGP_KEY_END:
        if (args->positional[1] == NULL)
            argp_error(state, "give a name for the dataset, and a file (or - for standard input)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- the first pass: which classes are there? ---- */

struct load {
    struct args *args;
    struct source *source;
    struct labels labels;
    char *names_text;   /* what names[] points into */
    const char **names; /* --class-names; NULL: none */
    uint32_t name_count;
    bool numeric;                    /* the classes' order */
    uint64_t unlabelled;             /* in the source */
    struct longtail_class *longtail; /* by class; NULL: keep everything */
    uint64_t samples, kept;
    evd_upload *upload;
    uint32_t *buffer;
    uint32_t buffered;
};

/* Would the daemon take it as a class's name? Said here, where the line is known. */
static bool check_label(struct source *source, const char *label, size_t len)
{
    json_t *text;

    if (len > EVD_NAME_LIMIT)
        return source_error(source,
                            "a label of %zu bytes, at most %d are allowed: is this the column (or "
                            "file) with the labels?",
                            len, EVD_NAME_LIMIT);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)label[i] < 0x20 || label[i] == 0x7f)
            return source_error(source, "a label with a control character: is this a text file?");
    }
    text = json_stringn(label, len);
    json_decref(text);
    return text != NULL || source_error(source, "a label that is not UTF-8: convert it with iconv");
}

static bool collect(void *arg, const char *text, size_t len)
{
    struct load *load = arg;
    struct label *label;

    load->samples++;
    if (len == 0) {
        load->unlabelled++;
        return true;
    }
    label = labels_find(&load->labels, text, len);
    if (label == NULL) {
        if (!check_label(load->source, text, len))
            return false;
        if (load->labels.count == MAX_CLASSES)
            return source_error(load->source,
                                "more than %u different labels: is this the column (or file) with "
                                "the labels?",
                                MAX_CLASSES);
        label = labels_add(&load->labels, text, len);
    }
    if (label == NULL)
        return source_error(load->source, "no memory for its labels");
    label->count++;
    return true;
}

/* ---- between the passes: order, names, long tail ---- */

/* Cuts text at every separator; names[] points into it. */
static bool split_names(struct load *load, char separator)
{
    size_t count = 1;
    char *at = load->names_text;

    for (const char *c = at; *c; c++)
        count += *c == separator;
    load->names = calloc(count, sizeof(*load->names));
    if (load->names == NULL)
        return false;
    while (at != NULL) {
        char *end = strchr(at, separator);
        if (end != NULL)
            *end = '\0';
        at[strcspn(at, "\r")] = '\0';
        if (end != NULL || *at != '\0') /* what follows the last newline is no name */
            load->names[load->name_count++] = at;
        at = end ? end + 1 : NULL;
    }
    return true;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    ssize_t len = -1;

    if (file != NULL) {
        len = getdelim(&text, &size, '\0', file);
        fclose(file);
    }
    if (len < 0) {
        free(text);
        text = NULL;
    }
    return text;
}

static bool read_names(struct load *load)
{
    const char *given = load->args->class_names;
    bool file = given && given[0] == '@';

    if (given == NULL)
        return true;
    errno = 0;
    load->names_text = file ? read_text(given + 1) : strdup(given);
    if (load->names_text != NULL && split_names(load, file ? '\n' : ','))
        return true;
    cli_error(load->args->cli, EXIT_INPUT, "--class-names: %s: %s", given,
              errno ? strerror(errno) : "is empty");
    return false;
}

static bool number_classes(struct load *load)
{
    const struct label *odd = NULL;
    bool ok;

    if (load->labels.count == 0) {
        load->source->line = 0;
        return source_error(load->source, "holds no label at all (%llu samples)",
                            (unsigned long long)load->samples);
    }
    if (load->names != NULL)
        odd = labels_rename(&load->labels, load->names, load->name_count, &ok);
    else
        ok = labels_order(&load->labels, &load->numeric);
    if (odd != NULL) {
        cli_error(load->args->cli, EXIT_INPUT,
                  "--class-names gives %u names, for the labels 0 to %u, but there is a label '%s'",
                  load->name_count, load->name_count - 1, odd->name);
        return false;
    }
    if (!ok)
        cli_error(load->args->cli, EXIT_INPUT, "no memory for %u classes", load->labels.count);
    return ok;
}

static bool plan_longtail(struct load *load)
{
    struct labels *labels = &load->labels;
    uint64_t *counts;

    if (load->args->long_tail == 0)
        return true;
    counts = calloc(labels->class_count + 1u, sizeof(*counts));
    for (uint32_t i = 0; counts && i < labels->count; i++)
        counts[labels->items[i].number] += labels->items[i].count;
    if (counts != NULL)
        load->longtail = longtail_plan(counts, labels->class_count, load->args->long_tail);
    free(counts);
    if (load->longtail == NULL)
        cli_error(load->args->cli, EXIT_INPUT, "no memory for %u classes", labels->class_count);
    return load->longtail != NULL;
}

/* ---- the second pass: sending ---- */

static bool send_buffer(struct load *load)
{
    int code = evd_dataset_append(load->upload, load->buffer, load->buffered);

    load->buffered = 0;
    if (code != EVD_OK)
        cli_failed(load->args->cli, code);
    return code == EVD_OK;
}

static bool send_label(void *arg, const char *text, size_t len)
{
    struct load *load = arg;
    struct label *label = len > 0 ? labels_find(&load->labels, text, len) : NULL;
    uint32_t number = EVD_NO_LABEL;

    if (len > 0 && (label == NULL || label->count-- == 0))
        return source_error(load->source, "it changed while it was read: load it again");
    if (label != NULL && (load->longtail == NULL || longtail_keep(&load->longtail[label->number],
                                                                  load->args->seed, load->samples)))
        number = label->number;
    load->samples++;
    load->kept += number != EVD_NO_LABEL;
    load->buffer[load->buffered++] = number;
    return load->buffered < BUFFER_LABELS || send_buffer(load);
}

static bool send_all(struct load *load, char **info)
{
    struct cli *cli = load->args->cli;
    uint64_t expected = load->samples;
    int code;

    load->buffer = malloc(BUFFER_LABELS * sizeof(*load->buffer));
    if (load->buffer == NULL) {
        cli_error(cli, EXIT_INPUT, "no memory for a buffer");
        return false;
    }
    code = evd_dataset_begin(cli->client, load->args->positional[0], load->labels.classes,
                             load->labels.class_count, &load->upload);
    if (code != EVD_OK) {
        cli_failed(cli, code);
        return false;
    }
    load->samples = 0;
    load->source->doing = "sending";
    if (!source_read(load->source, send_label, load) || !send_buffer(load))
        return false;
    if (load->samples != expected)
        return source_error(load->source, "it changed while it was read: load it again");
    code = evd_dataset_commit(load->upload, info);
    load->upload = NULL;
    if (code != EVD_OK)
        cli_failed(cli, code);
    return code == EVD_OK;
}

/* ---- the command ---- */

static int report(struct load *load, const char *info)
{
    json_t *answer = json_loads(info, 0, NULL);
    text_t one, two;

    if (load->args->cli->json)
        return cli_print_json(load->args->cli, answer);
    printf("%s, version %u: %s, %u %s (%s)\n", load->args->positional[0],
           (unsigned)field_u64(answer, "version"), text_items(one, load->samples, "sample"),
           load->labels.class_count, load->labels.class_count == 1 ? "class" : "classes",
           load->names     ? "as named"
           : load->numeric ? "in numeric order"
                           : "in byte order");
    if (load->unlabelled > 0)
        printf("  %s without a label: never drawn, but counted in the indices\n",
               text_items(one, load->unlabelled, "sample"));
    if (load->longtail != NULL)
        printf("  long tail: %s with a label are left, %s lost it\n",
               text_items(one, load->kept, "sample"),
               text_count(two, load->samples - load->unlabelled - load->kept));
    json_decref(answer);
    return EXIT_OK;
}

static int run(struct load *load)
{
    struct cli *cli = load->args->cli;
    char *info = NULL;
    int status;

    if (!read_names(load) || !cli_connect(cli) || !source_read(load->source, collect, load) ||
        !number_classes(load) || !plan_longtail(load) || !send_all(load, &info))
        return cli->status;
    status = report(load, info);
    evd_free(info);
    return status;
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
            "SOURCE is IDX (the MNIST family), CSV or TSV with a header line, or text with one "
            "label a line; - is standard input; gzip is recognised. An empty cell or line is a "
            "sample without a label: it keeps its index and is never drawn. Labels that are all "
            "whole numbers become classes in numeric order, others in byte order.\n\n"
            "--long-tail keeps n_max * RATIO^(-c/(C-1)) samples, rounded, of the c-th largest of "
            "C classes (c = 0, 1, ...; equally large ones in class order), the same ones for "
            "the same seed.",
        .children = cli_children};
    struct args args = {.cli = cli, .source = {.cli = cli, .doing = "reading"}};
    struct load load = {.args = &args, .source = &args.source};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &args);
    args.source.path = args.positional[1];
    if (!source_open(&args.source))
        return cli->status;
    labels_init(&load.labels);
    status = run(&load);
    evd_dataset_abort(load.upload);
    labels_fini(&load.labels);
    free(load.longtail);
    free(load.names);
    free(load.names_text);
    free(load.buffer);
    source_close(&args.source);
    return status;
}
