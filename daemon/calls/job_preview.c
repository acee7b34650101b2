/*
 * job.preview: what a strategy would do, for a job that is or one that is not. It goes the way of
 * job.create and job.update up to the plan, and no further.
 */
#include <stdlib.h>
#include "calls/columns.h"
#include "calls/handlers.h"
#include "calls/page.h"
#include "calls/replies.h"
#include "codec/terms.h"
#include "jobs/build.h"
#include "jobs/datasets.h"
#include "jobs/jobs.h"

struct preview {
    struct build build; /* first */
    struct page page;
    uint64_t epoch; /* which one to look at */
    double *share;  /* of its draws, by class */
    double *coverage;
};

static void preview_fini(struct task *task)
{
    struct preview *preview = (struct preview *)task;

    free(preview->share);
    free(preview->coverage);
    build_fini(task);
}

/* Where a plan has tables of samples, what they are expected to give is read from them once more.
 */
static uint64_t preview_cost(const struct preview *preview)
{
    return 2 * build_cost(&preview->build);
}

static void preview_run(struct task *task)
{
    struct preview *preview = (struct preview *)task;

    build_run(task);
    if (task->err.code != EVD_OK)
        return;
    plan_expected(preview->build.plan, preview->epoch, preview->share);
    plan_coverage(preview->build.plan, preview->epoch, preview->coverage);
}

/* For each class of the page, `scale` times what `values` has, by a member if so wanted. */
static void pack_column(msgpack_packer *pk, const char *key, const struct preview *preview,
                        const double *values, double scale, bool by_member)
{
    const struct page *page = &preview->page;

    pack_key_array(pk, key, page->count);
    for (uint32_t c = page->first; c < page->first + page->count; c++) {
        uint64_t members = class_size(plan_index(preview->build.plan), c);
        double by = by_member && members > 0 ? (double)members : 1;

        msgpack_pack_double(pk, values[c] * scale / by);
    }
}

static void reply_preview(msgpack_packer *pk, const struct preview *preview)
{
    const struct build *build = &preview->build;
    const struct dataset *dataset = build->task.entry->dataset;
    uint32_t batch_size = build->task.entry->config.batch_size;
    struct epoch_shape shape = plan_epoch(build->plan, preview->epoch);
    uint32_t first =
        shape.steps == 1 ? shape.last_size : batch_size; /* samples of the first step */
    uint64_t samples = (shape.steps - 1) * batch_size + shape.last_size;

    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_raw(pk, "strategy", build->record.strategy, build->record.strategy_bytes);
    pack_key_u64(pk, "batch_size", batch_size);
    pack_key_u64(pk, "epoch", preview->epoch);
    pack_key_u64(pk, "steps", shape.steps);
    pack_key_u64(pk, "samples", samples);
    pack_key_u64(pk, "memory", plan_memory(build->plan));
    pack_key_f64(pk, "build_ms", build->task.work.milliseconds);
    pack_key_columns(pk, "columns", plan_columns_known(build->plan));
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "first", preview->page.first);
    pack_class_names(pk, dataset, &preview->page);
    pack_class_counts(pk, plan_index(build->plan), &preview->page);
    pack_column(pk, "drawn", preview, preview->share, (double)samples, false);
    pack_column(pk, "repeats", preview, preview->share, (double)samples, true);
    pack_column(pk, "coverage", preview, preview->coverage, 1, false);
    pack_column(pk, "per_batch", preview, preview->share, first, false);
}

static int preview_built(struct task *task)
{
    struct preview *preview = (struct preview *)task;

    if (build_check(&preview->build) != EVD_OK)
        return task->err.code;
    reply_preview(task_answer(task), preview);
    return task_done(task);
}

/* The job's own terms are not for the request to change. */
static int job_alone(const struct params_job_preview *p, struct evd_error *err)
{
    const struct {
        bool given;
        const char *name;
    } others[] = {
        {p->has_dataset, "dataset"},
        {p->has_version, "version"},
        {p->has_batch_size, "batch_size"},
        {p->has_mode, "mode"},
        {p->has_world_size, "world_size"},
        {p->has_last_batch, "last_batch"},
        {p->has_seed, "seed"},
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i].given)
            return error_set(err, EVD_E_BAD_VALUE, others[i].name,
                             "job.preview: \"%s\" is the job's own: give it only with \"dataset\" "
                             "and without \"job\"",
                             others[i].name);
    }
    return EVD_OK;
}

/* An entry that is in no table: what job.create would make of these terms. */
static struct job_entry *entry_of_terms(struct jobs *jobs, const struct params_job_preview *p,
                                        struct evd_error *err)
{
    static const struct evd_str nameless = {"", 0};
    const struct job_terms terms = {
        .mode = p->mode,
        .last_batch = p->last_batch,
        .batch_size = p->batch_size,
        .world_size = p->world_size,
        .seed = p->seed,
    };
    struct dataset *dataset;
    struct job_entry *entry;

    if (!p->has_dataset || !p->has_batch_size) {
        const char *missing = p->has_dataset ? "batch_size" : "dataset";

        error_set(err, EVD_E_MISSING_FIELD, missing,
                  "job.preview needs \"job\", or \"dataset\" and \"batch_size\": \"%s\" is missing",
                  missing);
        return NULL;
    }
    dataset = datasets_find(jobs, p->dataset, p->version, err);
    if (!dataset)
        return NULL;
    entry = entry_new(jobs, nameless, dataset);
    if (!entry) {
        error_no_memory(err);
        return NULL;
    }
    entry->seed = p->seed;
    if (terms_decode(&terms, &entry->config, &entry->last_batch, err) == EVD_OK)
        return entry;
    entry_unref(entry);
    return NULL;
}

/* For the caller to entry_unref. */
static struct job_entry *entry_asked(struct call *call, const struct params_job_preview *p)
{
    struct job_entry *entry;

    if (!p->has_job)
        return entry_of_terms(call->server->jobs, p, &call->err);
    entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    if (!entry || job_alone(p, &call->err) != EVD_OK)
        return NULL;
    entry_ref(entry);
    return entry;
}

static int preview_start(struct task *task)
{
    struct preview *preview = (struct preview *)task;
    const struct job_entry *entry = task->entry;
    uint32_t classes = entry->dataset->index.classes;
    struct job_state state;

    preview->share = calloc(classes, sizeof(preview->share[0]));
    preview->coverage = calloc(classes, sizeof(preview->coverage[0]));
    if (!preview->share || !preview->coverage)
        return error_no_memory(&task->err);
    if (entry->job) {
        job_state(entry->job, &state);
        preview->epoch = state.next.epoch;
    }
    return task_work(task, preview_cost(preview), preview_run, preview_built);
}

static int preview_of(struct call *call, struct job_entry *entry,
                      const struct params_job_preview *p)
{
    uint32_t revision = entry->job ? job_next_revision(entry->job) : 0;
    struct page page = {0};
    struct preview *preview;

    if (page_of(p->first, p->has_count ? p->count : EVD_MAX_PAGE, entry->dataset->index.classes,
                &page, &call->err) != EVD_OK)
        return call->err.code;
    preview = build_new(call, sizeof(*preview), entry, p->strategy, revision, call->session->client,
                        preview_fini);
    if (!preview)
        return call->err.code;
    preview->page = page;
    return task_begin(&preview->build.task, preview_start(&preview->build.task), call);
}

int do_job_preview(struct call *call, const struct params_job_preview *p)
{
    struct job_entry *entry = entry_asked(call, p);
    int code;

    if (!entry)
        return call->err.code;
    code = preview_of(call, entry, p);
    entry_unref(entry);
    return code;
}
