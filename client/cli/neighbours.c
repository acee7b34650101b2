/*
 * `evendraw neighbours`: the nearest neighbours of a dataset's samples, from a file of features,
 * are attached to the dataset. The daemon says the labels; neighbours_find.c searches.
 */
#include "neighbours.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "classes.h"
#include "commands.h"
#include "print.h"
#include "proto/limits.h"

/* Of a sample: so many neighbours without --k, as imbalanced-learn has it. */
#define DEFAULT_K 5

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
     "What it is called there, with one of --within-class and --all (default: class, all)",
     option_text, .param = "name"},
    {"allow-short", 0, NULL,
     "Also where a class has too few samples for K neighbours; SMOTE cannot fill it up then",
     option_flag, FIELD(struct neighbours, allow_short)},
    {"threads", 't', "N", "Search with so many threads (default: one for each processor)",
     NUMBER(1, 1024), FIELD(struct neighbours, threads)},
    {0},
};

void check_neighbours(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct neighbours *n = fields;

    if (params_have(cli, "name") && n->within_class == n->all)
        argp_error(state, "--name is for one search: give --within-class or --all with it");
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
              field_u64(n->cli->params, "k"), n->samples);
    return false;
}

static bool open_features(struct neighbours *n)
{
    const struct source_matrix *shape = &n->features.shape;

    if (!features_open(&n->features, n->cli, n->path))
        return false;
    if (shape->d > EVD_NEIGHBOURS_MAX_D) {
        cli_error(n->cli, EXIT_INPUT,
                  "%s: has %" PRIu64 " columns, and at most %u can be searched: reduce them first, "
                  "by principal components for instance",
                  n->path, shape->d, EVD_NEIGHBOURS_MAX_D);
        return false;
    }
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
    return true;
}

/* Which version it is, from here on, and how many samples that has. */
static bool find_dataset(struct neighbours *n)
{
    json_t *params = n->cli->params, *asked = json_object(), *info;

    json_object_set(asked, "dataset", json_object_get(params, "dataset"));
    if (params_have(n->cli, "version"))
        json_object_set(asked, "version", json_object_get(params, "version"));
    info = cli_call(n->cli, "dataset.info", asked);
    if (!info)
        return false;
    n->version = (uint32_t)field_u64(info, "version");
    n->samples = field_u64(info, "samples");
    params_set_u64(params, "version", n->version);
    if (n->samples != n->features.shape.n)
        cli_error(n->cli, EXIT_INPUT,
                  "%s: holds %s, and %s has %s: a row is needed for each, those without a label "
                  "too (--dataset-version names an older version)",
                  n->path, text_items(n->features.shape.n, "row"), field_dataset(info),
                  text_items(n->samples, "sample"));
    json_decref(info);
    return n->samples == n->features.shape.n;
}

static bool read_labels(struct neighbours *n)
{
    uint64_t places = n->samples * n->search.k;
    int code;

    n->labels = calloc(n->samples, sizeof(*n->labels));
    n->index = calloc(places, sizeof(*n->index));
    n->distance = calloc(places, sizeof(*n->distance));
    if (!n->labels || !n->index || !n->distance)
        return no_memory(n);
    code = evd_dataset_labels(n->cli->client, field_text(n->cli->params, "dataset"), n->version, 0,
                              n->labels, n->samples);
    if (code != EVD_OK) {
        cli_failed(n->cli, code);
        return false;
    }
    n->search.labels = n->labels;
    n->digest = evd_features_digest(&n->search);
    return true;
}

/* ---- classes that are too small ---- */

static json_t *read_classes(struct neighbours *n)
{
    static const char *const arrays[] = {"class", "count", NULL};

    return cli_call_pages(n->cli, "dataset.stats",
                          json_pack("{s:O, s:I}", "dataset",
                                    json_object_get(n->cli->params, "dataset"), "version",
                                    (json_int_t)n->version),
                          arrays);
}

static bool complain(struct neighbours *n, uint64_t count, uint64_t members, const char *whom,
                     const char *others)
{
    char smaller[48] = "";

    if (n->allow_short) {
        fprintf(stderr,
                "evendraw: warning: %s %s%s: of these samples fewer neighbours are stored, and "
                "SMOTE will refuse to fill up what is so small\n",
                whom, text_items(members, "sample"), others);
        return true;
    }
    if (members > 1)
        snprintf(smaller, sizeof(smaller), "--k %" PRIu64 ", ", members - 1);
    cli_error(n->cli, EXIT_INPUT,
              "%s %s%s, and %" PRIu64 " are needed for %u neighbours of each: give %smore samples, "
              "or --allow-short if those may have fewer neighbours",
              whom, text_items(members, "sample"), others, count, n->search.k, smaller);
    return false;
}

/* SMOTE's rule, and imbalanced-learn's error: a class has k + 1 samples, or none. */
static bool check_counts(struct neighbours *n, int scope, const json_t *classes)
{
    uint64_t needed = (uint64_t)n->search.k + 1, least = UINT64_MAX, count = 0, which = 0;
    char whom[TEXT_SIZE + 16], others[64] = "";

    if (scope == EVD_SCOPE_ALL) {
        uint64_t labelled = field_u64(classes, "labelled");

        return labelled == 0 || labelled >= needed ||
               complain(n, needed, labelled, "with a label there are only", "");
    }
    for (uint64_t c = 0; c < field_u64(classes, "classes"); c++) {
        uint64_t members = class_u64(classes, "count", c);

        if (members == 0 || members >= needed)
            continue;
        count++;
        if (members < least) {
            least = members;
            which = c;
        }
    }
    if (count == 0)
        return true;
    if (count > 1)
        snprintf(others, sizeof(others), " (and %s too few)",
                 count == 2 ? "another class has"
                            : text_of("%s others have", text_count(count - 1)));
    snprintf(whom, sizeof(whom), "class \"%.200s\" has only", class_name(classes, which));
    return complain(n, needed, least, whom, others);
}

static bool check_short(struct neighbours *n, int scope)
{
    json_t *classes = read_classes(n);
    bool ok = classes && check_counts(n, scope, classes);

    json_decref(classes);
    return ok;
}

/* ---- what is attached ---- */

static const char *name_of(const struct neighbours *n, int scope)
{
    return params_have(n->cli, "name") ? field_text(n->cli->params, "name") : scope_word(scope);
}

static json_t *attachment_terms(const struct neighbours *n)
{
    char digest[17];

    snprintf(digest, sizeof(digest), "%016" PRIx64, n->digest);
    return json_pack("{s:s, s:s, s:I, s:I, s:b, s:s}", "features", digest, "type",
                     n->features.shape.size == sizeof(double) ? "float64" : "float32", "d",
                     (json_int_t)n->search.d, "n", (json_int_t)n->samples, "exact", 1, "library",
                     evd_version());
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key));
}

/* Is what has the name there what would be found? MAYBE: nobody said of which features it is. */
enum match { OTHER, SAME, MAYBE };

static enum match compare(const json_t *there, const json_t *params)
{
    const json_t *a = json_object_get(there, "terms"), *b = json_object_get(params, "terms");

    if (json_object_get(there, "damage") || !same(there, params, "kind") ||
        !same(there, params, "k") || !same(there, params, "scope") ||
        !same(there, params, "metric"))
        return OTHER;
    if (!same(a, b, "type") || !same(a, b, "exact") || !json_object_get(a, "features"))
        return MAYBE;
    return same(a, b, "features") ? SAME : OTHER;
}

/* False after a message. *there: what is there already, or NULL: search for it. */
static bool find_attached(struct neighbours *n, const json_t *params, json_t **there)
{
    json_t *answer, *row, *asked = json_object();
    bool ok = true;
    size_t i;

    *there = NULL;
    json_object_set(asked, "dataset", json_object_get(params, "dataset"));
    json_object_set(asked, "version", json_object_get(params, "version"));
    answer = cli_call(n->cli, "attachment.list", asked);
    json_array_foreach(json_object_get(answer, "attachments"), i, row)
    {
        if (!same(row, params, "name"))
            continue;
        enum match match = compare(row, params);
        if (match == SAME)
            *there = json_incref(row);
        if (match == OTHER) {
            ok = false;
            cli_error(n->cli, EXIT_REFUSED,
                      "%s has another attachment '%s' already, of other features or made "
                      "otherwise: give this one another --name, or remove that one by `evendraw "
                      "dataset detach %s %s`",
                      field_dataset(answer), field_text(row, "name"), field_text(answer, "dataset"),
                      field_text(row, "name"));
        }
    }
    ok = ok && answer;
    json_decref(answer);
    return ok;
}

static json_t *send(struct neighbours *n, const json_t *params)
{
    char *text = json_dumps(params, JSON_COMPACT), *info = NULL;
    evd_attachment *attachment = NULL;
    json_t *answer = NULL;
    int code;

    if (!text) {
        no_memory(n);
        return NULL;
    }
    code = evd_attachment_begin(n->cli->client, text, &attachment);
    free(text);
    if (code == EVD_OK) {
        code = evd_attachment_append(attachment, n->index, n->search.k * sizeof(*n->index),
                                     n->distance, n->samples);
        if (code == EVD_OK)
            code = evd_attachment_commit(attachment, &info);
        else
            evd_attachment_abort(attachment);
    }
    if (code != EVD_OK)
        cli_failed(n->cli, code);
    else if (!(answer = json_loads(info, 0, NULL)))
        no_memory(n);
    evd_free(info);
    return answer;
}

/* NULL after a message. *found: it was searched for. */
static json_t *attach(struct neighbours *n, int scope, bool *found)
{
    json_t *params = json_deep_copy(n->cli->params), *there = NULL, *later = NULL;

    json_object_set_new(params, "name", json_string(name_of(n, scope)));
    json_object_set_new(params, "kind", json_string("neighbours"));
    json_object_set_new(params, "scope", json_string(scope_word(scope)));
    json_object_set_new(params, "terms", attachment_terms(n));
    *found = false;
    if (find_attached(n, params, &there) && !there && neighbours_find(n, scope)) {
        *found = true;
        /* It may have taken long: asking once more connects again where the daemon was restarted.
         */
        if (find_attached(n, params, &later))
            there = later ? later : send(n, params);
    }
    json_decref(params);
    return there;
}

/* ---- the command ---- */

static void report(const struct neighbours *n, const json_t *info, bool first, bool found)
{
    if (first)
        printf("%s: %s of %s\n", field_dataset(info), text_items(n->samples, "sample"),
               text_items(n->search.d, "feature"));
    printf("  %s: %s nearest %s, %s%s", field_text(info, "name"), field_count(info, "k"),
           strcmp(field_text(info, "scope"), "class") == 0 ? "within the class" : "among all",
           field_text(info, "metric"), found ? "" : " (was there already)");
    if (field_u64(info, "lacking") > 0)
        printf("; %s with fewer", field_items(info, "lacking", "sample"));
    fputc('\n', stdout);
    fflush(stdout); /* the next one may take long */
}

/* Into `list`. False after a message. */
static bool attach_all(struct neighbours *n, const int *scopes, int count, json_t *list)
{
    for (int i = 0; i < count; i++) {
        if (!check_short(n, scopes[i]))
            return false;
    }
    for (int i = 0; i < count; i++) {
        bool found;
        json_t *info = attach(n, scopes[i], &found);

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
                                        (json_int_t)n->version, "attachments", list));
    json_decref(list);
    return EXIT_OK;
}

int run_neighbours(struct cli *cli, int argc, char **argv)
{
    struct neighbours n = {.cli = cli};
    int status;

    options_parse(cli, argc, argv, &n);
    if (!open_features(&n))
        return cli->status;
    status = find_dataset(&n) && read_labels(&n) ? attach_and_tell(&n) : cli->status;
    features_close(&n.features);
    free(n.labels);
    free(n.index);
    free(n.distance);
    return status;
}
