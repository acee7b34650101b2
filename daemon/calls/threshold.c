/* job.threshold and job.curve: what follows from the scores that were reported of two classes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "calls/handlers.h"
#include "calls/scored.h"
#include "jobs/jobs.h"
#include "proto/numbers.h"
#include "proto/pack.h"

/* What was asked for is checked before anything is looked up; then both go the same way. */
static int begin(struct scored *scored, const struct epochs_ask *ask, bool both, task_run *run,
                 task_step *done, struct call *call)
{
    int code = scored_take(scored, ask, both);

    if (code == EVD_OK)
        code = task_work(&scored->task, scored_cost(scored), run, done);
    return task_begin(&scored->task, code, call);
}

static int unknown_word(const char *field, struct evd_str word, const char *known,
                        struct evd_error *err)
{
    return error_set(err, EVD_E_BAD_VALUE, field, "there is no %s \"%.*s\": there are %s", field,
                     word.len < 64 ? (int)word.len : 64, word.data, known);
}

/* ---- job.threshold ---- */

struct threshold_task {
    struct scored scored; /* first */
    uint32_t count;
    struct objective asked[OBJECTIVE_COUNT];
    struct threshold best[OBJECTIVE_COUNT];
    bool found[OBJECTIVE_COUNT];
};

/* The field that an objective takes; NULL: it takes none. */
static const char *const terms[OBJECTIVE_COUNT] = {
    [OBJECTIVE_F_BETA] = "beta",
    [OBJECTIVE_COST] = "cost",
    [OBJECTIVE_PRECISION_AT_RECALL] = "recall",
    [OBJECTIVE_RECALL_AT_PRECISION] = "precision",
};

static bool has_term(const struct params_job_threshold *p, enum objective_kind kind)
{
    switch (kind) {
    case OBJECTIVE_F_BETA:
        return p->has_beta;
    case OBJECTIVE_COST:
        return p->has_cost;
    case OBJECTIVE_PRECISION_AT_RECALL:
        return p->has_recall;
    case OBJECTIVE_RECALL_AT_PRECISION:
        return p->has_precision;
    default:
        return true;
    }
}

/* So great a cost may be, or a gain: the sum over all samples is a number still. */
#define MOST_COST 1e100

static int read_cost(const msgpack_object *object, double cost[2][2], struct evd_error *err)
{
    const msgpack_object_array *rows = &object->via.array;

    for (uint32_t i = 0; i < 4; i++) {
        const msgpack_object *row;

        if (object->type != MSGPACK_OBJECT_ARRAY || rows->size != 2)
            break;
        row = &rows->ptr[i / 2];
        if (row->type != MSGPACK_OBJECT_ARRAY || row->via.array.size != 2 ||
            !number_f64(&row->via.array.ptr[i % 2], &cost[i / 2][i % 2]))
            break;
        if (!(fabs(cost[i / 2][i % 2]) <= MOST_COST))
            return error_set(err, EVD_E_BAD_VALUE, "cost",
                             "\"cost\" must be finite numbers from %g to %g, not %g", -MOST_COST,
                             MOST_COST, cost[i / 2][i % 2]);
        if (i == 3)
            return EVD_OK;
    }
    return error_set(err, EVD_E_BAD_TYPE, "cost",
                     "\"cost\" must be two arrays of two numbers: what a sample of class 0 costs "
                     "that is taken for class 0 and for class 1, then the same of class 1, such as "
                     "[[0, 1], [10, 0]]");
}

static int check_share(const char *field, double value, struct evd_error *err)
{
    if (value >= 0 && value <= 1)
        return EVD_OK;
    return error_set(err, EVD_E_BAD_VALUE, field, "\"%s\" must be from 0 to 1, not %g", field,
                     value);
}

static int read_objective(const struct params_job_threshold *p, enum objective_kind kind,
                          struct objective *out, struct evd_error *err)
{
    *out = (struct objective){.kind = kind};
    switch (kind) {
    case OBJECTIVE_F_BETA:
        out->beta = p->beta;
        if (!(p->beta > 0 && p->beta <= 1e6))
            return error_set(err, EVD_E_BAD_VALUE, "beta",
                             "\"beta\" must be over 0 and at most 1000000 (2: recall counts twice "
                             "as much as precision), not %g",
                             p->beta);
        return EVD_OK;
    case OBJECTIVE_COST:
        return read_cost(p->cost, out->cost, err);
    case OBJECTIVE_PRECISION_AT_RECALL:
        out->least = p->recall;
        return check_share("recall", p->recall, err);
    case OBJECTIVE_RECALL_AT_PRECISION:
        out->least = p->precision;
        return check_share("precision", p->precision, err);
    default:
        return EVD_OK;
    }
}

static int unknown_objective(struct evd_str name, struct evd_error *err)
{
    char known[160] = "";
    size_t len = 0;

    for (int i = 0; i < OBJECTIVE_COUNT && len < sizeof(known); i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, i ? ", %s" : "%s",
                                objective_name((enum objective_kind)i));
    return unknown_word("objective", name, known, err);
}

/* One, or without a name those whose terms are given. */
static int read_objectives(const struct params_job_threshold *p, struct threshold_task *out,
                           struct evd_error *err)
{
    int only = p->has_objective ? objective_find(p->objective) : -1;

    if (p->has_objective && only < 0)
        return unknown_objective(p->objective, err);
    for (int i = 0; i < OBJECTIVE_COUNT; i++) {
        bool given = has_term(p, (enum objective_kind)i);

        if (only == i && !given)
            return error_set(err, EVD_E_MISSING_FIELD, terms[i],
                             "job.threshold: the objective \"%s\" needs \"%s\"",
                             objective_name((enum objective_kind)i), terms[i]);
        if (only >= 0 && only != i && given && terms[i])
            return error_set(
                err, EVD_E_BAD_VALUE, terms[i],
                "job.threshold: \"%s\" goes only with the objective \"%s\", or without "
                "\"objective\"",
                terms[i], objective_name((enum objective_kind)i));
        if (!given || (only >= 0 && only != i))
            continue;
        if (read_objective(p, (enum objective_kind)i, &out->asked[out->count++], err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

static void pack_terms(msgpack_packer *pk, const struct objective *asked)
{
    pack_key_cstr(pk, "objective", objective_name(asked->kind));
    if (asked->kind == OBJECTIVE_F_BETA)
        pack_key_f64(pk, "beta", asked->beta);
    if (asked->kind == OBJECTIVE_PRECISION_AT_RECALL ||
        asked->kind == OBJECTIVE_RECALL_AT_PRECISION)
        pack_key_f64(pk, "least", asked->least);
    if (asked->kind != OBJECTIVE_COST)
        return;
    pack_key_array(pk, "cost", 2);
    for (int i = 0; i < 2; i++) {
        msgpack_pack_array(pk, 2);
        msgpack_pack_double(pk, asked->cost[i][0]);
        msgpack_pack_double(pk, asked->cost[i][1]);
    }
}

static void pack_objective(msgpack_packer *pk, const struct objective *asked,
                           const struct threshold *best)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"threshold", best->threshold},
        {"value", best->value},
        {"precision", best->scores.precision},
        {"recall", best->scores.recall},
        {"f1", best->scores.f1},
        {"balanced_accuracy", best->balanced_accuracy},
    };

    pack_map_begin(pk);
    pack_terms(pk, asked);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_key_f64(pk, numbers[i].key, numbers[i].value);
    pack_key_u64(pk, "true_positive", best->true_positives);
    pack_key_u64(pk, "false_positive", best->false_positives);
    pack_key_u64(pk, "true_negative", best->true_negatives);
    pack_key_u64(pk, "false_negative", best->false_negatives);
    pack_map_end(pk);
}

/* No threshold does. */
static void pack_none(msgpack_packer *pk, const struct objective *asked)
{
    static const char *const keys[] = {
        "threshold",         "value",         "precision",      "recall",        "f1",
        "balanced_accuracy", "true_positive", "false_positive", "true_negative", "false_negative"};

    pack_map_begin(pk);
    pack_terms(pk, asked);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        pack_key_nil(pk, keys[i]);
    pack_map_end(pk);
}

static void threshold_run(struct task *task)
{
    struct threshold_task *threshold = (struct threshold_task *)task;

    if (scored_order(&threshold->scored) != EVD_OK)
        return;
    for (uint32_t i = 0; i < threshold->count; i++)
        threshold->found[i] =
            objective_best(&threshold->scored.curve, &threshold->asked[i], &threshold->best[i]);
}

static int threshold_done(struct task *task)
{
    struct threshold_task *threshold = (struct threshold_task *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    scored_keep(&threshold->scored);
    pk = task_answer(task);
    pack_scored(pk, &threshold->scored);
    pack_key_array(pk, "objectives", threshold->count);
    for (uint32_t i = 0; i < threshold->count; i++) {
        if (threshold->found[i])
            pack_objective(pk, &threshold->asked[i], &threshold->best[i]);
        else
            pack_none(pk, &threshold->asked[i]);
    }
    return task_done(task);
}

int do_job_threshold(struct call *call, const struct params_job_threshold *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    const struct epochs_ask ask = {"job.threshold", p->has_epoch, p->has_all && p->all, p->epoch};
    struct threshold_task *threshold;

    if (!entry || !(threshold = task_new(call, sizeof(*threshold), entry, scored_fini)))
        return call->err.code;
    if (read_objectives(p, threshold, &call->err) != EVD_OK) {
        task_free(&threshold->scored.task);
        return call->err.code;
    }
    return begin(&threshold->scored, &ask, true, threshold_run, threshold_done, call);
}

/* ---- job.curve ---- */

/* Points of a curve in one answer, with three numbers each: they are written on the loop thread, in
 * two or three milliseconds. */
#define POINTS_AT_ONCE 16384u

enum curve_kind { PRECISION_RECALL, ROC, CALIBRATION };

static const char *const curve_names[] = {
    [PRECISION_RECALL] = "precision-recall", [ROC] = "roc", [CALIBRATION] = "calibration"};

struct curve_task {
    struct scored scored; /* first */
    enum curve_kind kind;
    uint32_t bins;
    bool quantiles;
    uint64_t points;
    double area;
    struct curve_page page;
    struct calibration *calibration;
};

static void curve_fini(struct task *task)
{
    struct curve_task *curve = (struct curve_task *)task;

    free(curve->page.threshold);
    free(curve->page.x);
    free(curve->page.y);
    free(curve->calibration);
    scored_fini(task);
}

static int read_binning(const struct params_job_curve *p, struct curve_task *out,
                        struct evd_error *err)
{
    out->bins = p->has_bins ? p->bins : 10;
    if (out->kind != CALIBRATION && (p->has_bins || p->has_binning))
        return error_set(err, EVD_E_BAD_VALUE, p->has_bins ? "bins" : "binning",
                         "job.curve: \"bins\" and \"binning\" go only with the kind "
                         "\"calibration\"");
    if (out->bins < 1 || out->bins > CALIBRATION_MOST_BINS)
        return error_set(err, EVD_E_BAD_VALUE, "bins", "\"bins\" must be from 1 to %u, not %u",
                         CALIBRATION_MOST_BINS, out->bins);
    out->quantiles = p->has_binning && str_is(p->binning, "quantile");
    if (p->has_binning && !out->quantiles && !str_is(p->binning, "uniform"))
        return unknown_word("binning", p->binning, "uniform, quantile", err);
    return EVD_OK;
}

static int read_curve(const struct params_job_curve *p, struct curve_task *out,
                      struct evd_error *err)
{
    int kind = 0;

    while (kind <= CALIBRATION && !str_is(p->kind, curve_names[kind]))
        kind++;
    if (kind > CALIBRATION)
        return unknown_word("kind", p->kind, "precision-recall, roc, calibration", err);
    out->kind = (enum curve_kind)kind;
    out->page.first = p->first;
    out->page.count = p->has_count ? p->count : POINTS_AT_ONCE;
    if (out->page.count > POINTS_AT_ONCE)
        return error_set(err, EVD_E_LIMIT, "count",
                         "\"count\" is at most %u: ask for the rest with \"first\"",
                         POINTS_AT_ONCE);
    return read_binning(p, out, err);
}

static int cut_page(struct curve_task *curve, struct evd_error *err)
{
    struct curve_page *page = &curve->page;

    if (page->first > curve->points)
        return error_set(err, EVD_E_BAD_VALUE, "first",
                         "\"first\" is %llu, but there are %llu points, counted from 0",
                         (unsigned long long)page->first, (unsigned long long)curve->points);
    if (page->count > curve->points - page->first)
        page->count = curve->points - page->first;
    return EVD_OK;
}

static bool page_new(struct curve_page *page)
{
    page->threshold = calloc(page->count + 1, sizeof(double));
    page->x = calloc(page->count + 1, sizeof(double));
    page->y = calloc(page->count + 1, sizeof(double));
    return page->threshold && page->x && page->y;
}

static void curve_run(struct task *task)
{
    struct curve_task *curve = (struct curve_task *)task;
    const struct curve *of = &curve->scored.curve;

    if (scored_order(&curve->scored) != EVD_OK)
        return;
    if (curve->kind == CALIBRATION) {
        curve->calibration = calloc(1, sizeof(*curve->calibration));
        if (!curve->calibration) {
            error_no_memory(&task->err);
            return;
        }
        curve_calibrate(of, curve->bins, curve->quantiles, curve->calibration);
        curve->points = curve->calibration->count;
        cut_page(curve, &task->err);
        return;
    }
    curve->points = curve->kind == ROC ? curve_roc_points(of) : curve_precision_recall_points(of);
    if (cut_page(curve, &task->err) != EVD_OK)
        return;
    if (!page_new(&curve->page))
        error_no_memory(&task->err);
    else
        curve->area = curve->kind == ROC ? curve_roc(of, &curve->page)
                                         : curve_precision_recall(of, &curve->page);
}

static void pack_reals(msgpack_packer *pk, const char *key, const double *values, uint64_t n)
{
    pack_key_array(pk, key, n);
    for (uint64_t i = 0; i < n; i++) {
        if (isnan(values[i]))
            msgpack_pack_nil(pk);
        else
            msgpack_pack_double(pk, values[i]);
    }
}

static void pack_calibration(msgpack_packer *pk, const struct calibration *bins,
                             const struct curve_page *page)
{
    pack_key_f64(pk, "brier", bins->brier);
    pack_key_f64(pk, "calibration_error", bins->error);
    pack_reals(pk, "predicted", bins->predicted + page->first, page->count);
    pack_reals(pk, "observed", bins->observed + page->first, page->count);
    pack_key_array(pk, "count", page->count);
    for (uint64_t i = 0; i < page->count; i++)
        msgpack_pack_uint64(pk, bins->samples[page->first + i]);
}

static int curve_done(struct task *task)
{
    struct curve_task *curve = (struct curve_task *)task;
    const struct curve_page *page = &curve->page;
    bool roc = curve->kind == ROC;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    scored_keep(&curve->scored);
    pk = task_answer(task);
    pack_scored(pk, &curve->scored);
    pack_key_cstr(pk, "kind", curve_names[curve->kind]);
    pack_key_u64(pk, "points", curve->points);
    pack_key_u64(pk, "first", page->first);
    if (curve->kind == CALIBRATION) {
        pack_calibration(pk, curve->calibration, page);
        return task_done(task);
    }
    pack_key_f64(pk, "area", curve->area);
    pack_reals(pk, "threshold", page->threshold, page->count);
    pack_reals(pk, roc ? "false_positive_rate" : "recall", page->x, page->count);
    pack_reals(pk, roc ? "true_positive_rate" : "precision", page->y, page->count);
    return task_done(task);
}

int do_job_curve(struct call *call, const struct params_job_curve *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    const struct epochs_ask ask = {"job.curve", p->has_epoch, p->has_all && p->all, p->epoch};
    struct curve_task *curve;

    if (!entry || !(curve = task_new(call, sizeof(*curve), entry, curve_fini)))
        return call->err.code;
    if (read_curve(p, curve, &call->err) != EVD_OK) {
        task_free(&curve->scored.task);
        return call->err.code;
    }
    return begin(&curve->scored, &ask, curve->kind != CALIBRATION, curve_run, curve_done, call);
}
