/*
 * `evendraw folds`: a dataset's samples are put into folds for cross-validation, by the labels that
 * the daemon has, and the folds are attached to it.
 */
#include "folds.h"

#include <inttypes.h>
#include <stdlib.h>
#include "classes.h"
#include "commands.h"
#include "source_options.h"

/* Without --k, as scikit-learn has it. */
#define DEFAULT_K 5
/* With more folds than that a table has the fewest and the most samples of one. */
#define TABLE_FOLDS 10u

/* ---- options ---- */

const struct cli_option folds_options[] = {
    {"k", 'k', "K", "So many folds (default: 5)", NUMBER(2, EVD_FOLDS_MAX),
     FIELD(struct folding, k)},
    {"groups", 'g', "FILE",
     "Samples of one group (a patient, a scene) are all in one fold: a group for each sample, in "
     "a file as `evendraw load` reads them (one a line, .npy, CSV, ...); --seed has no part in it",
     option_text, FIELD(struct folding, groups_of.path), .words = "@files"},
    {"column", 'c', "NAME|N", "Of a table of --groups: the column with the groups", option_text,
     FIELD(struct folding, groups_of.column)},
    SOURCE_OPTIONS(struct folding, groups_of),
    {"labels", 'l', "FILE.npy",
     "Samples with several labels each: a matrix of 0 and 1, a row for each sample, a column for "
     "each label",
     option_text, FIELD(struct folding, labels_path), .words = "@files"},
    {"probabilities", 'p', "FILE.npy",
     "As many hard samples in each fold: how probable a model that was not trained on a sample "
     "finds its class (or each class); --seed has no part in it",
     option_text, FIELD(struct folding, probabilities_path), .words = "@files"},
    {"seed", 'r', "N", "The same seed makes the same folds (default: 0)", NUMBER(0, INT64_MAX),
     FIELD(struct folding, seed)},
    {"name", 'n', "NAME", "What they are called there (default: cvK, such as cv5)", option_text,
     .param = "name"},
    {0},
};

void check_folds(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct folding *f = fields;

    if (!f->groups_of.path + !f->labels_path + !f->probabilities_path < 2)
        argp_error(state, "--groups, --labels and --probabilities exclude each other");
    if ((f->groups_of.column || source_options_given(&f->groups_of)) && !f->groups_of.path)
        argp_error(state, "--column, --format, --delimiter, --no-header and --quote say how the "
                          "file of --groups is read: give that, too");
    if (!params_have(cli, "name"))
        json_object_set_new(cli->params, "name", json_sprintf("cv%" PRIu64, f->k));
}

/* ---- the folds ---- */

static const char *path_of(const struct folding *f)
{
    if (f->groups_of.path)
        return f->groups_of.path;
    return f->labels_path ? f->labels_path : f->probabilities_path;
}

static bool make(struct folding *f)
{
    const char *path = path_of(f);
    int code;

    f->fold = calloc(f->to.samples, sizeof(*f->fold));
    f->counts = calloc((size_t)f->options.classes * f->options.folds + 1, sizeof(*f->counts));
    if (!f->fold || !f->counts) {
        cli_error(f->cli, EXIT_INPUT, "no memory for folds of %" PRIu64 " samples", f->to.samples);
        return false;
    }
    code = evd_folds(&f->options, f->fold, f->counts, &f->result);
    if (code != EVD_OK)
        cli_error(f->cli, EXIT_INPUT, "%s%s%s", path ? path : "", path ? ": " : "",
                  f->result.message);
    return code == EVD_OK;
}

static bool compute(void *arg, json_t *params, struct attached_rows *rows)
{
    const struct folding *f = arg;

    (void)params;
    rows->rows = f->fold;
    rows->bytes = sizeof(*f->fold);
    return true;
}

/* NULL after a message. *found: they were not there. */
static json_t *attach_them(struct folding *f, bool *found)
{
    json_t *params = json_deep_copy(f->cli->params);
    char *text = evd_folds_terms(&f->options, f->fold);
    json_t *terms = text ? json_loads(text, 0, NULL) : NULL;

    evd_free(text);
    json_object_set_new(params, "kind", json_string("folds"));
    params_set_u64(params, "folds", f->options.folds);
    if (json_object_set_new(params, "terms", terms) < 0) {
        cli_error(f->cli, EXIT_INPUT, "no memory for what is to be attached");
        json_decref(params);
        return NULL;
    }
    return attach(&f->to, params, compute, f, found);
}

/* ---- what is reported ---- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* Of the names of labels, which have none: their numbers. */
static json_t *name_labels(uint32_t n)
{
    json_t *names = json_array();

    for (uint32_t i = 0; i < n; i++)
        json_array_append_new(names, json_sprintf("%u", i));
    return names;
}

/* What there is of each class: its name, how many samples, and how many are in each fold. NULL
 * after a message. */
static json_t *classes_of(struct folding *f)
{
    uint32_t n = f->options.classes, k = f->options.folds;
    json_t *found, *names, *count = json_array(), *folds = json_array();

    if (f->labels_path) {
        names = name_labels(n);
    } else {
        found = attached_classes(&f->to);
        if (!found)
            return NULL;
        names = json_incref(json_object_get(found, "class"));
        json_decref(found);
    }
    for (uint32_t c = 0; c < n; c++) {
        json_t *row = json_array();
        uint64_t sum = 0;

        for (uint32_t i = 0; i < k; i++) {
            json_array_append_new(row, number(f->counts[(size_t)c * k + i]));
            sum += f->counts[(size_t)c * k + i];
        }
        json_array_append_new(folds, row);
        json_array_append_new(count, number(sum));
    }
    return json_pack("{s:o, s:o, s:o}", "class", names, "count", count, "folds", folds);
}

/* Arrays that a table shows: a fold's counts, or, of many folds, the fewest and the most. */
static void add_columns(json_t *classes, const char (*keys)[8], uint32_t columns, uint32_t k)
{
    const json_t *folds = json_object_get(classes, "folds");

    for (uint32_t i = 0; i < columns; i++)
        json_object_set_new(classes, keys[i], json_array());
    for (size_t c = 0; c < json_array_size(folds); c++) {
        const json_t *row = json_array_get(folds, c);
        uint64_t least = UINT64_MAX, most = 0;

        for (uint32_t i = 0; i < k; i++) {
            uint64_t count = value_u64(json_array_get(row, i));

            least = count < least ? count : least;
            most = count > most ? count : most;
            if (columns == k)
                json_array_append_new(json_object_get(classes, keys[i]), number(count));
        }
        if (columns != k) {
            json_array_append_new(json_object_get(classes, keys[0]), number(least));
            json_array_append_new(json_object_get(classes, keys[1]), number(most));
        }
    }
}

static void print_table(const struct folding *f, json_t *classes)
{
    uint32_t k = f->options.folds, columns = k <= TABLE_FOLDS ? k : 2;
    char keys[TABLE_FOLDS][8] = {"FEWEST", "MOST"};
    struct column table[TABLE_FOLDS + 3] = {
        {f->labels_path ? "LABEL" : "CLASS", NULL, LEFT, NULL},
        {"SAMPLES", "count", RIGHT, cell_count},
    };

    for (uint32_t i = 0; i < columns; i++) {
        if (columns == k)
            snprintf(keys[i], sizeof(keys[i]), "FOLD %u", i % TABLE_FOLDS);
        table[2 + i] = (struct column){keys[i], keys[i], RIGHT, cell_count};
    }
    add_columns(classes, (const char(*)[8])keys, columns, k);
    print_classes(classes, table, f->cli->all_classes);
}

static void warn_absent(const struct folding *f, const json_t *classes)
{
    const evd_folds_result *r = &f->result;
    const char *what = f->labels_path ? "label" : "class";

    if (r->absent == 0)
        return;
    fprintf(stderr,
            "evendraw: warning: %u of %u folds %s no sample of %s \"%s\", which has %s: measures "
            "of it are missing there",
            r->absent_folds, f->options.folds, r->absent_folds == 1 ? "has" : "have", what,
            class_name(classes, r->absent_class), text_items(r->absent_members, "sample"));
    if (r->absent > 1)
        fprintf(stderr, "; %s %s not in every fold",
                text_items(r->absent - 1, f->labels_path ? "other label" : "other class"),
                r->absent > 2 ? "are" : "is");
    fputc('\n', stderr);
}

/* That draws from all but the first fold, as a word of a command. */
static const char *strategy_of(const json_t *info)
{
    char *name = cli_json(json_object_get(info, "name"), JSON_ENCODE_ANY);
    const char *word = text_word(text_of("{\"kind\": \"uniform\", \"from\": {\"folds\": %s, "
                                         "\"without\": 0}}",
                                         name ? name : "\"\""));

    free(name);
    return word;
}

static void report(const struct folding *f, const json_t *info, json_t *classes, bool found)
{
    const char *name = field_text(info, "name");

    printf("%s: %s puts %s", field_dataset(info), name, text_items(f->result.samples, "sample"));
    if (f->groups_of.path)
        printf(" of %s", text_items(f->result.groups, "group"));
    printf(" into %u folds%s\n\n", f->options.folds, found ? "" : " (was there already)");
    print_table(f, classes);
    printf(
        "\nA job draws from all but fold 0 with --strategy %s, from fold 0 alone with \"only\"\n",
        strategy_of(info));
    warn_absent(f, classes);
}

/* Takes over the map. */
static int tell(struct folding *f, json_t *info, bool found)
{
    json_t *classes = classes_of(f);

    if (classes && f->cli->json) {
        json_object_set(info, "classes", classes);
        params_set_u64(info, "absent", f->result.absent);
        cli_print_json(f->cli, json_incref(info));
    } else if (classes) {
        report(f, info, classes, found);
    }
    json_decref(classes);
    json_decref(info);
    return f->cli->status;
}

/* ---- the command ---- */

int run_folds(struct cli *cli, int argc, char **argv)
{
    struct folding f = {.cli = cli, .k = DEFAULT_K};
    json_t *info = NULL;
    bool found = false;

    options_parse(cli, argc, argv, &f);
    if (attached_find(&f.to, cli) && attached_labels(&f.to) && folds_ask(&f) && make(&f))
        info = attach_them(&f, &found);
    if (info)
        tell(&f, info, found);
    attached_fini(&f.to);
    folds_ask_fini(&f);
    free(f.fold);
    free(f.counts);
    return cli->status;
}
