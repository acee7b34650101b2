/*
 * `evendraw neighbours`: the nearest neighbours of a dataset's samples, from a file of features,
 * are attached to the dataset. The daemon says the labels; neighbours_find.c searches.
 */
#include "neighbours.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "classes.h"
#include "commands.h"
#include "print.h"
#include "proto/limits.h"

/* Of a sample: so many neighbours without --k, as imbalanced-learn has it. */
#define DEFAULT_K 5
/* With --approximate. */
#define DEFAULT_RECALL 0.95

static const char *const metrics[] = {
    [EVD_METRIC_EUCLIDEAN] = "euclidean",
    [EVD_METRIC_COSINE] = "cosine",
};

static const char *scope_word(int scope)
{
    return scope == EVD_SCOPE_CLASS ? "class" : "all";
}

/* ---- options ---- */

static void parse_metric(const struct given *given)
{
    if (strcmp(given->text, "euclidean") != 0 && strcmp(given->text, "cosine") != 0)
        argp_error(given->state, "--metric: '%s' is neither euclidean nor cosine", given->text);
    given_param(given, json_string(given->text));
}

static void parse_recall(const struct given *given)
{
    struct neighbours *n = given->fields;
    char *end;

    n->recall = strtod(given->text, &end);
    if (end == given->text || *end || !(n->recall > 0 && n->recall < 1))
        argp_error(given->state, "--recall: '%s' is not a number between 0 and 1", given->text);
}

const struct cli_option neighbours_options[] = {
    {ARGUMENT("FEATURES.npy"), option_text, FIELD(struct neighbours, path),
     .missing = "name the file with the features: an .npy with a row for each sample",
     .words = "@files"},
    {"k", 'k', "K", "So many neighbours of each sample (default: 5)", NUMBER(1, EVD_MAX_NEIGHBOURS),
     .param = "k"},
    {"within-class", 'c', NULL, "Only among samples of the same class, as SMOTE needs them",
     option_flag, FIELD(struct neighbours, within_class)},
    {"all", 'a', NULL, "Only among all samples with a label, as cleaning needs them", option_flag,
     FIELD(struct neighbours, all)},
    {"metric", 'm', "METRIC", "euclidean (default) or cosine", parse_metric, .param = "metric",
     .words = "euclidean cosine"},
    {"name", 'n', "NAME",
     "What it is called there, with one of --within-class and --all (default: class and all; of "
     "another metric with its name behind, as class-cosine)",
     option_text, .param = "name"},
    {"allow-short", 0, NULL,
     "Also where a class has too few samples for K neighbours; SMOTE cannot fill it up then",
     option_flag, FIELD(struct neighbours, allow_short)},
    {"approximate", 'x', NULL,
     "Find most of them, of many samples several times faster; the recall is measured and printed. "
     "Where that is no faster the search is exact",
     option_flag, FIELD(struct neighbours, approximate)},
    {"recall", 'r', "SHARE",
     "With --approximate: at least this share of the exact neighbours (default: 0.95)",
     parse_recall, FIELD(struct neighbours, recall)},
    {"threads", 't', "N", "Search with so many threads (default: one for each processor)",
     NUMBER(1, 1024), FIELD(struct neighbours, threads)},
    {0},
};

void check_neighbours(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct neighbours *n = fields;

    if (params_have(cli, "name") && n->within_class == n->all)
        argp_error(state, "--name is for one search: give --within-class or --all with it");
    if (n->recall > 0 && !n->approximate)
        argp_error(state, "--recall is of an approximate search: give --approximate with it");
    if (!params_have(cli, "k"))
        params_set_u64(cli->params, "k", DEFAULT_K);
    if (!params_have(cli, "metric"))
        json_object_set_new(cli->params, "metric", json_string(metrics[EVD_METRIC_EUCLIDEAN]));
}

/* ---- what is searched ---- */

static bool no_memory(struct neighbours *n)
{
    cli_error(n->cli, EXIT_INPUT,
              "no memory for %" PRIu64 " neighbours of %" PRIu64 " samples: give a smaller --k",
              field_u64(n->cli->params, "k"), n->to.samples);
    return false;
}

static bool open_features(struct neighbours *n)
{
    const struct source_matrix *shape = &n->features.shape;

    if (!features_open(&n->features, n->cli, n->path))
        return false;
    n->search = (evd_neighbours_options)EVD_NEIGHBOURS_OPTIONS_INIT;
    n->search.features = n->features.values;
    n->search.n = shape->n;
    n->search.d = (uint32_t)shape->d;
    n->search.type = shape->size == sizeof(double) ? EVD_FEATURES_F64 : EVD_FEATURES_F32;
    n->search.k = (uint32_t)field_u64(n->cli->params, "k");
    n->search.metric = strcmp(field_text(n->cli->params, "metric"), metrics[EVD_METRIC_COSINE]) == 0
                           ? EVD_METRIC_COSINE
                           : EVD_METRIC_EUCLIDEAN;
    n->search.threads = (uint32_t)n->threads;
    if (n->approximate)
        n->search.recall = n->recall > 0 ? n->recall : DEFAULT_RECALL;
    return true;
}

/* NULL: no memory. */
static json_t *terms_of(const struct neighbours *n, const evd_neighbours_result *result)
{
    char *text = evd_neighbours_terms(&n->search, result);
    json_t *terms = text ? json_loads(text, 0, NULL) : NULL;

    evd_free(text);
    return terms;
}

static bool read_labels(struct neighbours *n)
{
    uint64_t places = n->to.samples * n->search.k;

    if (!attached_labels(&n->to))
        return false;
    n->search.labels = n->to.labels;
    n->index = calloc(places, sizeof(*n->index));
    n->distance = calloc(places, sizeof(*n->distance));
    if (n->index && n->distance)
        n->terms = terms_of(n, NULL);
    if (!n->terms)
        return no_memory(n);
    n->digest = strtoull(field_text(n->terms, "features"), NULL, 16);
    return true;
}

/* ---- classes that are too small ---- */

static void warn_short(const char *whom, const char *others)
{
    fprintf(stderr,
            "evendraw: warning: %s%s: of these samples fewer neighbours are stored, and SMOTE will "
            "refuse to fill up what is so small\n",
            whom, others);
}

static bool refuse_short(struct neighbours *n, uint32_t members, const char *whom,
                         const char *others)
{
    char smaller[48] = "";

    if (members > 1)
        snprintf(smaller, sizeof(smaller), "--k %u, ", members - 1);
    cli_error(n->cli, EXIT_INPUT,
              "%s%s, and %u are needed for %u neighbours of each: give %smore samples, or "
              "--allow-short if those may have fewer neighbours",
              whom, others, n->search.k + 1, n->search.k, smaller);
    return false;
}

/* "class "dog" has only 3 samples". */
static bool say_short(struct neighbours *n, const evd_neighbours_result *found, char *whom,
                      size_t size)
{
    const char *samples = text_items(found->short_members, "sample");
    json_t *class;

    if (found->short_class == EVD_NO_LABEL) {
        snprintf(whom, size, "with a label there are only %s", samples);
        return true;
    }
    class = attached_class(&n->to, found->short_class);
    if (class)
        snprintf(whom, size, "class \"%.200s\" has only %s", class_name(class, 0), samples);
    json_decref(class);
    return class != NULL;
}

/* SMOTE's rule, and imbalanced-learn's error: a class has k + 1 samples, or none. */
static bool check_short(struct neighbours *n)
{
    char whom[TEXT_SIZE + 64], others[64] = "";
    evd_neighbours_result found;
    int code = evd_neighbours_check(&n->search, &found);

    if (code == EVD_OK)
        return true;
    if (found.short_classes == 0) {
        cli_error(n->cli, EXIT_INPUT, "%s: %s", n->path, found.message);
        return false;
    }
    if (!say_short(n, &found, whom, sizeof(whom)))
        return false;
    if (found.short_classes > 1)
        snprintf(others, sizeof(others), " (and %s too few)",
                 found.short_classes == 2
                     ? "another class has"
                     : text_of("%s others have", text_count(found.short_classes - 1)));
    if (!n->allow_short)
        return refuse_short(n, found.short_members, whom, others);
    warn_short(whom, others);
    return true;
}

/* ---- what is attached ---- */

static bool compute(void *arg, json_t *params, struct attached_rows *rows)
{
    struct neighbours *n = arg;
    evd_neighbours_result result;

    rows->rows = n->index;
    rows->bytes = n->search.k * sizeof(*n->index);
    rows->distances = n->distance;
    if (!neighbours_find(n, &result))
        return false;
    return json_object_set_new(params, "terms", terms_of(n, &result)) == 0 || no_memory(n);
}

/* NULL after a message. *found: it was searched for. */
static json_t *attach_one(struct neighbours *n, bool *found)
{
    json_t *params = json_deep_copy(n->cli->params);
    const char *scope = scope_word(n->search.scope);
    const bool usual = n->search.metric == EVD_METRIC_EUCLIDEAN; /* those that SMOTE looks for */

    if (!params_have(n->cli, "name"))
        json_object_set_new(params, "name",
                            usual ? json_string(scope)
                                  : json_sprintf("%s-%s", scope, metrics[n->search.metric]));
    json_object_set_new(params, "kind", json_string("neighbours"));
    json_object_set_new(params, "scope", json_string(scope));
    json_object_set(params, "terms", n->terms);
    return attach(&n->to, params, compute, n, found);
}

/* ---- the command ---- */

static void print_recall(const json_t *terms, bool found)
{
    const json_t *recall = json_object_get(terms, "recall");
    const json_t *low = json_object_get(terms, "recall_low");
    const json_t *high = json_object_get(terms, "recall_high");

    if (json_is_true(json_object_get(terms, "exact")))
        printf(", exact%s", found ? ": an approximate search would take as long" : "");
    else
        printf(", recall %.3f", json_number_value(recall));
    if (low && high)
        printf(" (%.3f to %.3f)", json_number_value(low), json_number_value(high));
}

static void report(struct neighbours *n, const json_t *info, bool first, bool found)
{
    if (first)
        printf("%s: %s of %s\n", field_dataset(info), text_items(n->to.samples, "sample"),
               text_items(n->search.d, "feature"));
    printf("  %s: %s nearest %s, %s", field_text(info, "name"), field_count(info, "k"),
           strcmp(field_text(info, "scope"), "class") == 0 ? "within the class" : "among all",
           field_text(info, "metric"));
    if (n->approximate)
        print_recall(json_object_get(info, "terms"), found);
    if (!found)
        fputs(" (was there already)", stdout);
    if (field_u64(info, "lacking") > 0)
        printf("; %s with fewer", field_items(info, "lacking", "sample"));
    fputc('\n', stdout);
    /* The next one may take long. What cannot be written is not tried again at the end. */
    if (fflush(stdout) != 0 && errno != EPIPE)
        cli_error(n->cli, EXIT_INPUT, "cannot write the answer: %s", strerror(errno));
}

/* Into `list`. False after a message. */
static bool attach_all(struct neighbours *n, const int *scopes, int count, json_t *list)
{
    for (int i = 0; i < count; i++) {
        n->search.scope = scopes[i];
        if (!check_short(n))
            return false;
    }
    for (int i = 0; i < count; i++) {
        bool found;
        json_t *info;

        n->search.scope = scopes[i];
        info = attach_one(n, &found);
        if (!info)
            return false;
        if (!n->cli->json)
            report(n, info, i == 0, found);
        json_array_append_new(list, info);
    }
    return true;
}

static int attach_and_tell(struct neighbours *n)
{
    static const int scopes[] = {EVD_SCOPE_CLASS, EVD_SCOPE_ALL};
    bool both = n->within_class == n->all;
    json_t *list = json_array();

    if (!attach_all(n, both || n->within_class ? scopes : scopes + 1, both ? 2 : 1, list)) {
        json_decref(list);
        return n->cli->status;
    }
    if (n->cli->json)
        return cli_print_json(n->cli,
                              json_pack("{s:O, s:I, s:o}", "dataset",
                                        json_object_get(n->cli->params, "dataset"), "version",
                                        (json_int_t)n->to.version, "attachments", list));
    json_decref(list);
    return n->cli->status;
}

int run_neighbours(struct cli *cli, int argc, char **argv)
{
    struct neighbours n = {.cli = cli};
    int status;

    options_parse(cli, argc, argv, &n);
    if (!open_features(&n))
        return cli->status;
    status = attached_find(&n.to, cli) && attached_fits(&n.to, n.path, n.features.shape.n) &&
                     read_labels(&n)
                 ? attach_and_tell(&n)
                 : cli->status;
    features_close(&n.features);
    attached_fini(&n.to);
    json_decref(n.terms);
    free(n.index);
    free(n.distance);
    return status;
}
