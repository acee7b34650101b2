/*
 * evd_select of evendraw.h: what is asked for is checked, the method marks what is kept, and what
 * came of it is reported.
 */
#include <fenv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/select.h"
#include "proto/limits.h"

static const struct method {
    const char *name;
    int (*run)(struct select *s);
    const char *takes; /* members of the options */
} methods[] = {
    [EVD_SELECT_TOMEK] = {"tomek", select_tomek, "features metric"},
    [EVD_SELECT_ENN] = {"enn", select_enn, "features metric k vote"},
    [EVD_SELECT_RENN] = {"renn", select_renn, "features metric k vote max_iterations"},
    [EVD_SELECT_ALLKNN] = {"allknn", select_allknn, "features metric k vote allow_minority"},
    [EVD_SELECT_NCR] = {"ncr", select_ncr, "features metric k vote threshold"},
    [EVD_SELECT_NEARMISS_1] = {"nearmiss-1", select_nearmiss_1, "features metric k target_counts"},
    [EVD_SELECT_NEARMISS_2] = {"nearmiss-2", select_nearmiss_2, "features metric k target_counts"},
    [EVD_SELECT_NEARMISS_3] = {"nearmiss-3", select_nearmiss_3,
                               "features metric k target_counts candidates"},
    [EVD_SELECT_CNN] = {"cnn", select_cnn, "features metric first seeds seed"},
    [EVD_SELECT_OSS] = {"oss", select_oss, "features metric first seeds seed"},
    [EVD_SELECT_INSTANCE_HARDNESS] = {"instance-hardness", select_hard,
                                      "probabilities target_counts"},
};
#define METHODS ((int)(sizeof(methods) / sizeof(methods[0])))

int evd_select_takes(int method, const char *member)
{
    const size_t len = strlen(member);

    if (method < 0 || method >= METHODS || len == 0)
        return 0;
    for (const char *at = methods[method].takes; *at; at += strcspn(at, " ")) {
        at += *at == ' ';
        if (strncmp(at, member, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
            return 1;
    }
    return 0;
}

const char *evd_select_word(const char *member, int i)
{
    static const struct {
        const char *member, *words[4];
    } lists[] = {
        {"targets", {"not minority", "not majority", "majority", "all"}},
        {"vote", {"all", "mode"}},
        {"metric", {"euclidean", "cosine"}},
    };

    if (strcmp(member, "method") == 0)
        return i >= 0 && i < METHODS ? methods[i].name : NULL;
    for (size_t list = 0; list < sizeof(lists) / sizeof(lists[0]) && i >= 0 && i < 4; list++) {
        if (strcmp(member, lists[list].member) == 0)
            return lists[list].words[i];
    }
    return NULL;
}

/* ---- for the methods ---- */

void select_warn(struct select *s, const char *format, ...)
{
    char *warning = s->result->warning;
    const size_t size = sizeof(s->result->warning), used = strlen(warning);
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(warning + used, size - used, format, args);
    va_end(args);
    if (length < 0 || (size_t)length + 1 >= size - used)
        warning[used] = '\0';
    else
        strcpy(warning + used + length, " ");
}

const char *select_class(struct select *s, uint32_t c)
{
    char *text = s->called[s->calls++ % 4].text;
    const char *name =
        s->options->class_names && c < s->classes ? s->options->class_names[c] : NULL;
    int length = 80; /* bytes of a name; no character is cut in two */

    if (!name)
        snprintf(text, sizeof(s->called[0].text), "class %u", c);
    else if (strlen(name) <= (size_t)length)
        snprintf(text, sizeof(s->called[0].text), "class \"%s\"", name);
    else {
        while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
        snprintf(text, sizeof(s->called[0].text), "class \"%.*s...\"", length, name);
    }
    return text;
}

bool select_cancelled(const struct select *s)
{
    return s->options->cancel && __atomic_load_n(s->options->cancel, __ATOMIC_RELAXED);
}

/* What searches and units of work call: their own progress becomes that of the whole. */
static void tell(void *arg, uint64_t done, uint64_t total)
{
    struct select *s = arg;

    s->stage = total;
    if (s->options->progress)
        s->options->progress(s->options->arg, s->done + done, s->done + total);
}

void select_tell(struct select *s, uint64_t done, uint64_t total)
{
    const uint64_t now = knn_now();

    if (now - s->rows.ticked < knn_tick_every)
        return;
    s->rows.ticked = now;
    tell(s, done, total);
}

void select_stage_end(struct select *s, uint64_t total)
{
    s->done += total;
    s->stage = 0;
}

/* ---- what is asked for ---- */

static int check_limits(struct select *s, const evd_select_options *o)
{
    struct evd_error *err = &s->rows.error;

    if (o->n == 0 || o->n > EVD_NEIGHBOURS_MAX_ROWS)
        return error_set(err, EVD_E_LIMIT, "n", "%llu rows: from 1 to %u can be selected from",
                         (unsigned long long)o->n, EVD_NEIGHBOURS_MAX_ROWS);
    if (o->classes == 0 || o->classes > EVD_MAX_CLASSES)
        return error_set(err, EVD_E_LIMIT, "classes", "%u classes: there can be from 1 to %u",
                         o->classes, EVD_MAX_CLASSES);
    if (o->k == 0 || o->k > EVD_NEIGHBOURS_MAX_K)
        return error_set(err, EVD_E_LIMIT, "k", "k is %u: it can be from 1 to %u", o->k,
                         EVD_NEIGHBOURS_MAX_K);
    if (o->candidates == 0 || o->candidates > EVD_NEIGHBOURS_MAX_K)
        return error_set(err, EVD_E_LIMIT, "candidates", "candidates is %u: it can be from 1 to %u",
                         o->candidates, EVD_NEIGHBOURS_MAX_K);
    if (o->max_iterations == 0 || o->seeds == 0)
        return error_set(err, EVD_E_LIMIT, "", "max_iterations and seeds are 1 at least");
    if (!(o->threshold > 0 && o->threshold < 1))
        return error_set(err, EVD_E_LIMIT, "threshold", "threshold is %g: it is between 0 and 1",
                         o->threshold);
    if (o->threads > KNN_MAX_THREADS)
        return error_set(err, EVD_E_LIMIT, "threads", "%u threads: at most %d can be used",
                         o->threads, KNN_MAX_THREADS);
    if (evd_select_takes(o->method, "features") && (o->d == 0 || o->d > EVD_NEIGHBOURS_MAX_D))
        return error_set(err, EVD_E_LIMIT, "d", "%u columns: from 1 to %u can be searched", o->d,
                         EVD_NEIGHBOURS_MAX_D);
    return EVD_OK;
}

static int check_options(struct select *s, const evd_select_options *o)
{
    struct evd_error *err = &s->rows.error;

    if (!o || !o->labels || !s->keep)
        return error_set(err, EVD_E_USAGE, "", "options, labels and keep must be given");
    if (o->method < 0 || o->method >= METHODS || o->targets < EVD_TARGETS_NOT_MINORITY ||
        o->targets > EVD_TARGETS_LIST || (o->vote != EVD_VOTE_ALL && o->vote != EVD_VOTE_MODE) ||
        (o->type != EVD_FEATURES_F32 && o->type != EVD_FEATURES_F64) ||
        (o->metric != EVD_METRIC_EUCLIDEAN && o->metric != EVD_METRIC_COSINE))
        return error_set(err, EVD_E_USAGE, "",
                         "method, targets, vote, type or metric is not one of EVD_SELECT_*, "
                         "EVD_TARGETS_*, EVD_VOTE_*, EVD_FEATURES_*, EVD_METRIC_*");
    if (evd_select_takes(o->method, "features") ? !o->features : !o->probabilities)
        return error_set(err, EVD_E_USAGE, "",
                         evd_select_takes(o->method, "features")
                             ? "this method needs features"
                             : "instance hardness needs probabilities: for each sample, how "
                               "probable a model that was not trained on it finds its own class");
    if (o->target_counts &&
        (o->targets != EVD_TARGETS_LIST || !evd_select_takes(o->method, "target_counts")))
        return error_set(err, EVD_E_USAGE, "target_counts",
                         "how many samples each class keeps can be said with EVD_TARGETS_LIST to "
                         "nearmiss and instance hardness; other methods find that themselves");
    return check_limits(s, o);
}

/* ---- the rows ---- */

/* Makes s->rows what distances are asked of, and looks at every row that has a label. */
static int rows_begin(struct select *s)
{
    const evd_select_options *o = s->options;
    struct knn_search *rows = &s->rows;

    s->ask = (evd_neighbours_options)EVD_NEIGHBOURS_OPTIONS_INIT;
    s->ask.features = o->features;
    s->ask.labels = o->labels;
    s->ask.n = o->n;
    s->ask.d = o->d;
    s->ask.type = o->type;
    s->ask.metric = o->metric;
    s->ask.threads = o->threads;
    s->ask.progress = tell;
    s->ask.arg = s;
    s->ask.cancel = o->cancel;
    rows->options = &s->ask;
    rows->features = o->features;
    rows->n = s->n;
    rows->d = o->d;
    rows->wide = o->type == EVD_FEATURES_F64;
    rows->threads = knn_threads(o->threads);
    if (select_workers_new(s) != EVD_OK)
        return rows->error.code;
    if (!evd_select_takes(o->method, "features"))
        return EVD_OK;
    if (o->metric == EVD_METRIC_COSINE) {
        rows->factor = knn_alloc(rows, s->n, sizeof(double));
        if (rows->factor == NULL)
            return rows->error.code;
    }
    return knn_check(rows);
}

static int tables_new(struct select *s)
{
    struct knn_search *rows = &s->rows;

    s->members = knn_alloc(rows, s->classes, sizeof(*s->members));
    s->living = knn_alloc(rows, s->classes, sizeof(*s->living));
    s->wanted = knn_alloc(rows, s->classes, sizeof(*s->wanted));
    s->target = knn_alloc(rows, s->classes, sizeof(*s->target));
    s->labels = knn_alloc(rows, s->n, sizeof(*s->labels));
    if (!s->members || !s->living || !s->wanted || !s->target || !s->labels)
        return rows->error.code;
    memcpy(s->labels, s->options->labels, s->n * sizeof(*s->labels));
    for (uint32_t row = 0; row < s->n; row++)
        s->keep[row] = s->labels[row] != EVD_NO_LABEL;
    return EVD_OK;
}

static void release(struct select *s)
{
    void *const memory[] = {
        s->members, s->living, s->wanted, s->target,      s->labels, s->table,        s->distance,
        s->ranks,   s->order,  s->starts, s->rows.factor, s->packed, s->rows.workers,
    };

    for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
        free(memory[i]);
}

/* ---- what came of it ---- */

static void report(struct select *s, uint64_t *counts)
{
    uint32_t gone = 0, first = 0;

    memset(s->living, 0, s->classes * sizeof(*s->living));
    for (uint32_t row = 0; row < s->n; row++)
        if (s->keep[row]) {
            s->living[s->options->labels[row]]++;
            s->result->kept++;
        }
    for (uint32_t c = 0; c < s->classes; c++)
        if (s->members[c] > 0 && s->living[c] == 0 && gone++ == 0)
            first = c;
    if (gone == 1)
        select_warn(s, "No sample of %s is kept.", select_class(s, first));
    else if (gone > 1)
        select_warn(s, "No sample of %s is kept, nor of %u other class%s.", select_class(s, first),
                    gone - 1, gone == 2 ? "" : "es");
    if (counts)
        memcpy(counts, s->living, s->classes * sizeof(*counts));
}

static int run(struct select *s, uint64_t *counts)
{
    const evd_select_options *o = s->options;
    int code;

    if (check_options(s, o) != EVD_OK)
        return s->rows.error.code;
    s->n = (uint32_t)o->n;
    s->classes = o->classes;
    if (tables_new(s) != EVD_OK || select_count(s) != EVD_OK ||
        select_targets(s, s->members) != EVD_OK)
        return s->rows.error.code;
    code = rows_begin(s);
    if (code == EVD_OK)
        code = methods[o->method].run(s);
    if (code == EVD_OK) {
        report(s, counts);
        if (o->progress)
            o->progress(o->arg, s->done, s->done);
    }
    return code;
}

int evd_select(const evd_select_options *options, uint8_t *keep, uint64_t *counts,
               evd_select_result *result)
{
    evd_select_result unwanted;
    struct select s = {.options = options,
                       .result = result ? result : &unwanted,
                       .keep = keep,
                       .rows.resumed = -1};
    fenv_t environment;
    size_t used;
    int code;

    memset(s.result, 0, sizeof(*s.result));
    s.result->smallest = EVD_NO_LABEL;
    /* As in evd_neighbours: doubles are rounded as everywhere. */
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    code = run(&s, counts);
    release(&s);
    fesetenv(&environment);
    if (code > 0)
        memcpy(s.result->message, s.rows.error.message, sizeof(s.result->message));
    used = strlen(s.result->warning);
    if (used > 0)
        s.result->warning[used - 1] = '\0'; /* the space for a further sentence */
    return code;
}
