/* job.report and job.confusion: what workers predicted, counted. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include "calls/adaptive.h"
#include "calls/handlers.h"
#include "calls/page.h"
#include "calls/scored.h"
#include "codec/report.h"
#include "jobs/jobs.h"
#include "jobs/memory.h"
#include "server/scrap.h"

/* Cells of the matrix in one answer. */
#define CELLS_AT_ONCE 131072u

/* ---- job.report ---- */

static uint32_t slices_of(const struct job_config *config)
{
    uint32_t replicas = config->replicas ? config->replicas : 1;

    if (config->mode != JOB_RANKED)
        return 1;
    return config->world_size / replicas;
}

/* Which slice of which step; CONFLICT or BAD_VALUE if the job cannot have handed it out. */
static int place_report(const struct params_job_report *p, const struct job_entry *entry,
                        const struct job_state *state, struct feedback_at *at,
                        struct evd_error *err)
{
    const struct job_config *config = &state->config;
    uint32_t ranks = config->mode == JOB_RANKED ? config->world_size : 1;
    uint64_t steps = job_shape(entry->job, p->epoch).steps;
    bool never = p->epoch > state->next.epoch || p->epoch > JOB_MAX_EPOCH;

    if (p->has_generation && p->generation != state->generation)
        return error_set(err, EVD_E_CONFLICT, "generation",
                         "job.report: generation %u of job \"%s\" is over: it is in generation %u",
                         p->generation, entry->name, state->generation);
    if (p->rank >= ranks)
        return error_set(err, EVD_E_BAD_VALUE, "rank",
                         "job.report: there is no rank %u of job \"%s\", which has %u", p->rank,
                         entry->name, ranks);
    if (never || (steps > 0 && p->step >= steps))
        return error_set(err, EVD_E_BAD_VALUE, never ? "epoch" : "step",
                         "job.report: step %" PRIu64 " of epoch %" PRIu64
                         " was never handed out by job \"%s\": report the position that came with "
                         "the batch",
                         p->step, p->epoch, entry->name);
    *at = (struct feedback_at){
        .generation = state->generation,
        .epoch = p->epoch,
        .step = p->step,
        .slice = config->mode == JOB_RANKED ? p->rank / (ranks / slices_of(config)) : 0,
    };
    return EVD_OK;
}

static void discard(void *server, void *what, size_t bytes, void (*dispose)(void *))
{
    scrap_free(server, what, bytes, dispose);
}

static struct feedback *feedback_new(struct server *server)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));

    if (feedback)
        feedback->waste = (struct feedback_waste){discard, server};
    return feedback;
}

/* Room to count an epoch's reports, if this is its first. */
static int reserve_epoch(struct job_entry *entry, struct feedback_at at, struct evd_error *err)
{
    const struct feedback_epoch *row =
        entry->feedback ? feedback_find(entry->feedback, at.epoch) : NULL;

    if (row && row->generation == at.generation)
        return EVD_OK;
    if (memory_room(entry->jobs, confusion_needs(entry->dataset->index.classes),
                    "counting what is reported of an epoch", err) != EVD_OK)
        return err->code;
    if (!entry->feedback)
        entry->feedback = feedback_new(entry->jobs->server);
    return entry->feedback ? EVD_OK : error_no_memory(err);
}

/* Bytes that the scores of a report may take beside the bins: none that are refused to others. */
static size_t score_room(const struct job_entry *entry, struct feedback_at at,
                         const struct confusion_batch *batch)
{
    size_t needs = batch->score ? feedback_score_bytes(entry->feedback, at, batch->n) : 0;

    return needs > 0 && needs > memory_spare(entry->jobs) ? 0 : needs;
}

static int report_count(const struct params_job_report *p, struct job_entry *entry,
                        struct report *report, struct evd_error *err)
{
    struct report_samples samples;
    int code = report_decode(p, entry->dataset, entry->config.batch_size, &samples, err);

    if (code == EVD_OK)
        code = reserve_epoch(entry, report->at, err);
    if (code == EVD_OK) {
        size_t room = score_room(entry, report->at, &samples.batch);

        entry->jobs->reported -= feedback_memory(entry->feedback);
        code = feedback_report(entry->feedback, entry->dataset->index.classes, report->at, room,
                               &samples.batch, &report->counted, err);
        entry->jobs->reported += feedback_memory(entry->feedback);
    }
    report_fini(&samples);
    return code;
}

/* How many slices of the epoch's steps have samples; 0: not known. In a last step that is not whole
 * one rank after the other gets one. */
static uint64_t units_of(struct epoch_shape shape, uint32_t slices)
{
    uint32_t last = shape.last_size < slices ? shape.last_size : slices;

    return shape.steps > 0 ? (shape.steps - 1) * slices + last : 0;
}

int do_job_report(struct call *call, const struct params_job_report *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct feedback_epoch *row;
    struct report *report;
    struct feedback_at at;
    struct job_state state;
    uint32_t slices;

    if (!entry)
        return call->err.code;
    job_state(entry->job, &state);
    if (place_report(p, entry, &state, &at, &call->err) != EVD_OK ||
        !(report = task_new(call, sizeof(*report), entry, NULL)))
        return call->err.code;
    report->at = at;
    report->rank = p->rank;
    report_hold(report);
    if (report_count(p, entry, report, &call->err) != EVD_OK) {
        task_free(&report->task);
        return call->err.code;
    }
    row = feedback_find(entry->feedback, at.epoch);
    slices = slices_of(&state.config);
    if (report->counted && row && row->generation == at.generation)
        adaptive_follow(call, report, row, units_of(job_shape(entry->job, at.epoch), slices),
                        slices);
    report_release(report);
    return EVD_OK;
}

/* ---- job.confusion ---- */

/* The page may not hold more of the matrix than an answer can. */
static void page_cut(struct page *page, const struct confusion *counts)
{
    uint32_t most = counts->cells ? CELLS_AT_ONCE / counts->classes : EVD_MAX_PAGE;

    if (page->count > most)
        page->count = most;
}

static void pack_key_real(msgpack_packer *pk, const char *key, double value)
{
    if (isnan(value))
        pack_key_nil(pk, key);
    else
        pack_key_f64(pk, key, value);
}

static void pack_scores(msgpack_packer *pk, const char *key, struct confusion_scores scores)
{
    pack_key_map(pk, key);
    pack_key_f64(pk, "precision", scores.precision);
    pack_key_f64(pk, "recall", scores.recall);
    pack_key_f64(pk, "f1", scores.f1);
    pack_map_end(pk);
}

static void pack_summary(msgpack_packer *pk, const struct confusion *counts)
{
    struct confusion_summary summary;

    confusion_summarise(counts, &summary);
#define PACK(type, name) pack_key_f64(pk, #name, summary.name);
    EVD_METRICS(PACK)
#undef PACK
    pack_scores(pk, "macro", summary.macro);
    pack_scores(pk, "weighted", summary.weighted);
    pack_key_real(pk, "mean_loss", summary.loss);
}

static void pack_counts(msgpack_packer *pk, const char *key, const uint64_t *values, size_t n)
{
    pack_key_array(pk, key, n);
    for (size_t i = 0; i < n; i++)
        msgpack_pack_uint64(pk, values[i]);
}

static void pack_classes(msgpack_packer *pk, const struct confusion *counts,
                         const struct page *page)
{
    pack_counts(pk, "support", counts->support + page->first, page->count);
    pack_counts(pk, "predicted", counts->predicted + page->first, page->count);
    pack_key_array(pk, "precision", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, confusion_class(counts, page->first + i).precision);
    pack_key_array(pk, "recall", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, confusion_class(counts, page->first + i).recall);
    pack_key_array(pk, "f1", page->count);
    for (uint32_t i = 0; i < page->count; i++)
        msgpack_pack_double(pk, confusion_class(counts, page->first + i).f1);
    if (!counts->losses)
        return;
    pack_key_array(pk, "loss", page->count);
    for (uint32_t i = 0; i < page->count; i++) {
        double loss = confusion_class_loss(counts, page->first + i);

        if (isnan(loss))
            msgpack_pack_nil(pk);
        else
            msgpack_pack_double(pk, loss);
    }
}

static void pack_matrix(msgpack_packer *pk, const struct confusion *counts, const struct page *page)
{
    pack_key_array(pk, "matrix", page->count);
    for (uint32_t i = 0; i < page->count; i++) {
        const uint64_t *row = counts->cells + (size_t)(page->first + i) * counts->classes;

        msgpack_pack_array(pk, counts->classes);
        for (uint32_t c = 0; c < counts->classes; c++)
            msgpack_pack_uint64(pk, row[c]);
    }
}

static void pack_thresholds(msgpack_packer *pk, const struct confusion *counts)
{
    struct confusion_threshold at[CONFUSION_THRESHOLDS];
    uint32_t best = confusion_thresholds(counts, at);

    pack_key_map(pk, "thresholds");
    pack_key_array(pk, "threshold", CONFUSION_THRESHOLDS);
    for (uint32_t k = 0; k < CONFUSION_THRESHOLDS; k++)
        msgpack_pack_double(pk, at[k].threshold);
    pack_key_array(pk, "true_positive", CONFUSION_THRESHOLDS);
    for (uint32_t k = 0; k < CONFUSION_THRESHOLDS; k++)
        msgpack_pack_uint64(pk, at[k].true_positive);
    pack_key_array(pk, "false_positive", CONFUSION_THRESHOLDS);
    for (uint32_t k = 0; k < CONFUSION_THRESHOLDS; k++)
        msgpack_pack_uint64(pk, at[k].false_positive);
    pack_key_map(pk, "best");
    pack_key_f64(pk, "threshold", at[best].threshold);
    pack_key_f64(pk, "precision", at[best].scores.precision);
    pack_key_f64(pk, "recall", at[best].scores.recall);
    pack_key_f64(pk, "f1", at[best].scores.f1);
    pack_map_end(pk);
    pack_map_end(pk);
}

static void pack_epochs(msgpack_packer *pk, const struct feedback *feedback)
{
    pack_key_array(pk, "epochs", feedback->count);
    for (uint32_t i = 0; i < feedback->count; i++) {
        const struct feedback_epoch *row = feedback->epochs[i];

        pack_map_begin(pk);
        pack_key_u64(pk, "generation", row->generation);
        pack_key_u64(pk, "epoch", row->epoch);
        pack_key_u64(pk, "reports", row->tally.count);
        pack_key_u64(pk, "samples", row->confusion.samples);
        pack_map_end(pk);
    }
}

/* row: NULL for all epochs together. */
static void reply_confusion(msgpack_packer *pk, const struct job_entry *entry,
                            const struct feedback_epoch *row, const struct confusion *counts,
                            const struct page *page)
{
    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset->name);
    pack_key_u64(pk, "version", entry->dataset->version);
    pack_key_u64(pk, "classes", counts->classes);
    pack_key_u64(pk, "first", page->first);
    if (row) {
        pack_key_u64(pk, "generation", row->generation);
        pack_key_u64(pk, "epoch", row->epoch);
    }
    pack_epochs(pk, entry->feedback);
    pack_key_u64(pk, "samples", counts->samples);
    pack_summary(pk, counts);
    pack_class_names(pk, entry->dataset, page);
    pack_classes(pk, counts, page);
    if (counts->cells)
        pack_matrix(pk, counts, page);
    if (counts->scored)
        pack_thresholds(pk, counts);
}

/* The matrix only as far as it is in the page. */
static int merge_all(const struct feedback *feedback, const struct page *page,
                     struct confusion *sum, struct evd_error *err)
{
    bool whole = confusion_init(sum, feedback->epochs[0]->confusion.classes);

    if (!whole)
        return error_no_memory(err);
    for (uint32_t i = 0; whole && i < feedback->count; i++)
        whole = confusion_merge(sum, &feedback->epochs[i]->confusion, page->first, page->count);
    if (whole)
        return EVD_OK;
    confusion_fini(sum);
    return error_no_memory(err);
}

int do_job_confusion(struct call *call, const struct params_job_confusion *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    const struct feedback_epoch *row = NULL;
    struct confusion sum = {0};
    const struct confusion *counts = &sum;
    struct page page;
    const struct epochs_ask ask = {"job.confusion", p->has_epoch, p->has_all && p->all, p->epoch};

    if (!entry || page_of(p->first, p->has_count ? p->count : EVD_MAX_PAGE,
                          entry->dataset->index.classes, &page, &call->err) != EVD_OK)
        return call->err.code;
    if (epochs_find(entry, &ask, &row, &call->err) != EVD_OK)
        return call->err.code;
    page_cut(&page, &entry->feedback->epochs[0]->confusion);
    if (row)
        counts = &row->confusion;
    else if (merge_all(entry->feedback, &page, &sum, &call->err) != EVD_OK)
        return call->err.code;
    reply_confusion(answer_begin(&call->ticket), entry, row, counts, &page);
    answer_end(&call->ticket);
    confusion_fini(&sum);
    return EVD_OK;
}
