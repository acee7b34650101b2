/*
 * `evendraw select`: which samples of a dataset to draw from, by a method of imbalanced-learn or as
 * somebody has chosen, attached to the dataset.
 */
#include "select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "classes.h"
#include "commands.h"
#include "search.h"

/* ---- options ---- */

static void parse_target(const struct given *given)
{
    struct select *s = given->fields;
    json_t *text = json_string(given->text);

    if (!s->listed)
        s->listed = json_array();
    if (json_array_append_new(s->listed, text) < 0)
        argp_error(given->state, "--target: it is not UTF-8");
}

static void parse_share(const struct given *given)
{
    char *end;
    double value = strtod(given->text, &end);

    if (end == given->text || *end != '\0' || !(value > 0 && value < 1))
        argp_error(given->state, "--threshold: '%s' is not a number between 0 and 1", given->text);
    *(double *)given_field(given) = value;
}

const struct cli_option select_options[] = {
    {ARGUMENT("FEATURES.npy"), option_text, FIELD(struct select, path), .words = "@files"},
    {"method", 'm', "METHOD", "How it selects: below is what there is", option_text,
     FIELD(struct select, method),
     .words = "tomek enn renn allknn ncr nearmiss-1 nearmiss-2 nearmiss-3 cnn oss "
              "instance-hardness"},
    {"targets", 'T', "WHICH",
     "Which classes may lose samples: not-minority (default: all but the smallest), not-majority, "
     "majority or all",
     option_text, FIELD(struct select, targets), .words = "not-minority not-majority majority all"},
    {"target", 'c', "CLASS[=N]",
     "A class that may lose samples; repeat for more. nearmiss-* and instance-hardness: keep N of "
     "it",
     parse_target, FIELD(struct select, listed)},
    {"k", 'k', "K", "Neighbours of each sample (enn, renn, allknn, ncr, nearmiss-*; default: 3)",
     NUMBER(1, EVD_NEIGHBOURS_MAX_K), FIELD(struct select, k)},
    {"vote", 0, "VOTE",
     "Who is against a sample: all (default: any neighbour of another class) or mode (most of "
     "them); enn, renn, allknn, ncr",
     option_text, FIELD(struct select, vote), .words = "all mode"},
    {"metric", 0, "METRIC", "euclidean (default) or cosine", option_text,
     FIELD(struct select, metric), .words = "euclidean cosine"},
    {"max-iterations", 0, "N", "Rounds of renn (default: 100)", NUMBER(1, UINT32_MAX),
     FIELD(struct select, max_iterations)},
    {"allow-minority", 0, NULL, "allknn goes on whatever becomes smaller than the smallest class",
     option_flag, FIELD(struct select, allow_minority)},
    {"threshold", 0, "SHARE",
     "ncr: also classes with more than this share of all samples (default: 0.5)", parse_share,
     FIELD(struct select, threshold)},
    {"candidates", 0, "N", "Of nearmiss-3 (default: 3)", NUMBER(1, EVD_NEIGHBOURS_MAX_K),
     FIELD(struct select, candidates)},
    {"seeds", 0, "N", "cnn, oss: samples of each class to begin with (default: 1)",
     NUMBER(1, UINT32_MAX), FIELD(struct select, seeds)},
    {"seed", 'r', "N", "cnn, oss: the same seed begins with the same (default: 0)",
     NUMBER(0, INT64_MAX), FIELD(struct select, seed)},
    {"probabilities", 0, "FILE.npy", "Of instance-hardness, instead of features", option_text,
     FIELD(struct select, probabilities_path), .words = "@files"},
    {"keep", 0, "FILE",
     "Instead of a method: the samples in FILE, as numbers or as a 0 or 1 for each (.npy, or one "
     "a line)",
     option_text, FIELD(struct select, keep_path), .words = "@files"},
    {"name", 'n', "NAME", "What it is called there (default: as the method)", option_text,
     .param = "name"},
    {"threads", 't', "N", "Search with so many threads (default: one for each processor)",
     NUMBER(1, 1024), FIELD(struct select, threads)},
    {0},
};

/* The words of the library have blanks where the command line has dashes. */
static bool same_word(const char *theirs, const char *word)
{
    for (; *theirs && (*theirs == *word || (*theirs == ' ' && *word == '-')); theirs++)
        word++;
    return *theirs == *word;
}

int select_word(const char *member, const char *word)
{
    const char *theirs;

    for (int i = 0; (theirs = evd_select_word(member, i)); i++) {
        if (same_word(theirs, word))
            return i;
    }
    return -1;
}

static void check_word(struct argp_state *state, const char *member, const char *word)
{
    char text[200] = "";
    size_t len = 0;

    if (!word || select_word(member, word) >= 0)
        return;
    for (int i = 0; evd_select_word(member, i) && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "",
                                evd_select_word(member, i));
    argp_error(state, "--%s: '%s' is none of %s", member, word, text);
}

/* What the method does not look at would be given in vain. */
static void check_taken(struct argp_state *state, const struct select *s, int method)
{
    const struct {
        const char *option, *member;
        bool given;
    } options[] = {
        {"FEATURES.npy", "features", s->path},
        {"--metric", "metric", s->metric},
        {"--k", "k", s->k != NOT_GIVEN},
        {"--vote", "vote", s->vote},
        {"--max-iterations", "max_iterations", s->max_iterations != NOT_GIVEN},
        {"--allow-minority", "allow_minority", s->allow_minority},
        {"--threshold", "threshold", s->threshold > 0},
        {"--candidates", "candidates", s->candidates != NOT_GIVEN},
        {"--seeds", "seeds", s->seeds != NOT_GIVEN},
        {"--seed", "seed", s->seed != NOT_GIVEN},
        {"--probabilities", "probabilities", s->probabilities_path},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i].given && !evd_select_takes(method, options[i].member))
            argp_error(state, "%s: %s does not look at it, leave it out", options[i].option,
                       s->method);
    }
    if (!s->path && evd_select_takes(method, "features"))
        argp_error(state, "name the file with the features: an .npy with a row for each sample");
    if (!s->probabilities_path && evd_select_takes(method, "probabilities"))
        argp_error(state, "--probabilities is missing: how probable a model that was not trained "
                          "on a sample finds its class");
}

static void check_keep(struct argp_state *state, const struct cli *cli, const struct select *s)
{
    if (s->path || s->targets || s->listed || s->metric || s->k != NOT_GIVEN || s->vote ||
        s->max_iterations != NOT_GIVEN || s->allow_minority || s->threshold > 0 ||
        s->candidates != NOT_GIVEN || s->seeds != NOT_GIVEN || s->seed != NOT_GIVEN ||
        s->probabilities_path)
        argp_error(state, "--keep: nothing is computed, so give nothing but --name with it");
    if (!params_have(cli, "name"))
        argp_error(state, "--name is missing: name what --keep chooses");
}

void check_select(struct argp_state *state, struct cli *cli, const void *fields)
{
    const struct select *s = fields;

    if (!s->method == !s->keep_path)
        argp_error(state, "give a --method, or the samples to --keep");
    if (s->keep_path) {
        check_keep(state, cli, s);
        return;
    }
    check_word(state, "method", s->method);
    check_word(state, "targets", s->targets);
    check_word(state, "metric", s->metric);
    check_word(state, "vote", s->vote);
    if (s->targets && s->listed)
        argp_error(state, "--target names classes, and so does --targets: give one of them");
    check_taken(state, s, select_word("method", s->method));
    if (!params_have(cli, "name"))
        json_object_set_new(cli->params, "name", json_string(s->method));
}

/* ---- what is selected ---- */

static bool run(struct select *s)
{
    struct search search;
    char doing[64];
    int code;

    snprintf(doing, sizeof(doing), "selecting by %s", s->method);
    s->keep = calloc(s->to.samples, 1);
    if (!s->keep) {
        cli_error(s->cli, EXIT_INPUT, "no memory for a mask of %" PRIu64 " samples", s->to.samples);
        return false;
    }
    s->options.progress = search_show;
    s->options.arg = &search;
    s->options.cancel = &search_stopped;
    search_begin(&search, doing, s->path ? s->path : s->probabilities_path);
    code = evd_select(&s->options, s->keep, NULL, &s->result);
    search_end(&search);
    if (code == EVD_CANCELLED) {
        fputs("evendraw: stopped: the same command begins anew\n", stderr);
        s->cli->status = search_raise();
    } else if (code != EVD_OK) {
        cli_error(s->cli, EXIT_INPUT, "%s: %s", s->path ? s->path : s->probabilities_path,
                  s->result.message);
    }
    return code == EVD_OK;
}

/* What was selected is of the features that its terms say. */
static bool check_unchanged(struct select *s, const json_t *params)
{
    char *text = evd_select_terms(&s->options);
    json_t *terms = text ? json_loads(text, 0, NULL) : NULL;
    const bool same = json_equal(terms, json_object_get(params, "terms"));

    if (!same)
        cli_error(s->cli, EXIT_INPUT,
                  "%s: was changed while it was read: leave it alone, and select again",
                  s->path ? s->path : s->probabilities_path);
    json_decref(terms);
    evd_free(text);
    return same;
}

static bool compute(void *arg, json_t *params, struct attached_rows *rows)
{
    struct select *s = arg;

    if (!s->keep && (!run(s) || !check_unchanged(s, params)))
        return false;
    rows->rows = s->keep;
    rows->bytes = sizeof(*s->keep);
    return true;
}

/* Of how it is made; of rows that were given, which ones. */
static json_t *terms_of(const struct select *s)
{
    char *text, digest[17];
    json_t *terms;

    if (s->keep) {
        snprintf(digest, sizeof(digest), "%016" PRIx64, XXH3_64bits(s->keep, s->to.samples));
        return json_pack("{s:s, s:s}", "method", "rows", "rows", digest);
    }
    text = evd_select_terms(&s->options);
    terms = text ? json_loads(text, 0, NULL) : NULL;
    evd_free(text);
    return terms;
}

/* NULL after a message. *found: it was not there. */
static json_t *attach_it(struct select *s, bool *found)
{
    json_t *params = json_deep_copy(s->cli->params);

    json_object_set_new(params, "kind", json_string("selection"));
    if (json_object_set_new(params, "terms", terms_of(s)) < 0) {
        cli_error(s->cli, EXIT_INPUT, "no memory for what is to be attached");
        json_decref(params);
        return NULL;
    }
    return attach(&s->to, params, compute, s, found);
}

/* ---- what is reported ---- */

/* Where it was there already, what it keeps is read back. */
static bool read_back(struct select *s)
{
    int code;

    if (s->keep)
        return true;
    s->keep = calloc(s->to.samples, 1);
    if (!s->keep)
        return false;
    code =
        evd_attachment_read(s->cli->client, field_text(s->cli->params, "dataset"), s->to.version,
                            field_text(s->cli->params, "name"), 0, s->keep, 1, NULL, s->to.samples);
    if (code != EVD_OK)
        cli_failed(s->cli, code);
    return code == EVD_OK;
}

/* How many of each class are kept, beside how many there are. */
static bool count_kept(struct select *s)
{
    uint64_t *counts = calloc((size_t)s->to.classes + 1, sizeof(*counts));
    json_t *kept = json_array();

    if (counts && !s->classes)
        s->classes = attached_classes(&s->to);
    if (!counts || !s->classes || !read_back(s)) {
        free(counts);
        json_decref(kept);
        return false;
    }
    for (uint64_t i = 0; i < s->to.samples; i++) {
        if (s->keep[i] && s->to.labels[i] < s->to.classes)
            counts[s->to.labels[i]]++;
    }
    for (uint32_t c = 0; c < s->to.classes; c++)
        json_array_append_new(kept, json_integer((json_int_t)counts[c]));
    free(counts);
    return json_object_set_new(s->classes, "kept", kept) == 0;
}

static void print_selection(const struct select *s, const json_t *info, bool found)
{
    static const struct column columns[] = {{"CLASS", NULL, LEFT, NULL},
                                            {"SAMPLES", "count", RIGHT, cell_count},
                                            {"KEPT", "kept", RIGHT, cell_count},
                                            {0}};

    printf("%s: %s keeps %s of %s with a label%s\n\n", field_dataset(info),
           field_text(info, "name"), field_count(info, "kept"),
           field_items(s->classes, "labelled", "sample"), found ? "" : " (was there already)");
    print_classes(s->classes, columns, s->cli->all_classes);
    if (s->result.warning[0])
        fprintf(stderr, "evendraw: warning: %s\n", s->result.warning);
}

/* Takes over the map. */
static int tell(struct select *s, json_t *info, bool found)
{
    static const char *const arrays[] = {"class", "count", "kept"};
    json_t *classes;

    if (!count_kept(s)) {
        json_decref(info);
        return s->cli->status ? s->cli->status
                              : cli_error(s->cli, EXIT_INPUT, "no memory to count what is kept");
    }
    if (!s->cli->json) {
        print_selection(s, info, found);
        json_decref(info);
        return EXIT_OK;
    }
    classes = json_object();
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        json_object_set(classes, arrays[i], json_object_get(s->classes, arrays[i]));
    json_object_set_new(info, "classes", classes);
    json_object_set_new(info, "warning", json_string(s->result.warning));
    return cli_print_json(s->cli, info);
}

/* ---- the command ---- */

static bool prepare(struct select *s)
{
    const char *path = s->path ? s->path : s->probabilities_path;

    if (s->keep_path)
        return attached_find(&s->to, s->cli) && attached_labels(&s->to) && select_keep(s);
    s->features.shape.probabilities = !s->path;
    s->opened = features_open(&s->features, s->cli, path);
    return s->opened && attached_find(&s->to, s->cli) &&
           attached_fits(&s->to, path, s->features.shape.n) && attached_labels(&s->to) &&
           select_ask(s);
}

int run_select(struct cli *cli, int argc, char **argv)
{
    struct select s = {.cli = cli,
                       .k = NOT_GIVEN,
                       .max_iterations = NOT_GIVEN,
                       .candidates = NOT_GIVEN,
                       .seeds = NOT_GIVEN,
                       .seed = NOT_GIVEN};
    json_t *info = NULL;
    bool found = false;

    options_parse(cli, argc, argv, &s);
    if (prepare(&s))
        info = attach_it(&s, &found);
    if (info)
        tell(&s, info, found);
    if (s.opened)
        features_close(&s.features);
    attached_fini(&s.to);
    select_ask_fini(&s);
    free(s.keep);
    return cli->status;
}
