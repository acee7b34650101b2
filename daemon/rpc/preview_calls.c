/*
 * job.preview: what a strategy would do, for a job that is or one that is not. It goes the way of
 * job.create and job.update up to the plan, and no further.
 */
#include "rpc/build.h"
#include "rpc/replies.h"

#include <stdlib.h>

struct preview {
    struct page page;
    uint64_t epoch; /* which one to look at */
    double *share;  /* of its draws, by class */
    double *coverage;
};

void preview_free(struct preview *preview)
{
    if (!preview)
        return;
    free(preview->share);
    free(preview->coverage);
    free(preview);
}

static void preview_study(struct build *build)
{
    struct preview *preview = build->preview;

    plan_expected(build->plan, preview->epoch, preview->share);
    plan_coverage(build->plan, preview->epoch, preview->coverage);
}

static void pack_columns(msgpack_packer *pk, const struct plan *plan)
{
    uint32_t columns = plan_columns_known(plan);

    pack_key_array(pk, "columns", (size_t)__builtin_popcount(columns));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (columns & 1u << i)
            pack_cstr(pk, column_name((enum column)i));
    }
}

/* For each class of the page, `scale` times what `values` has, by a member if so wanted. */
static void pack_column(msgpack_packer *pk, const char *key, const struct build *build,
                        const double *values, double scale, bool by_member)
{
    const struct page *page = &build->preview->page;

    pack_key_array(pk, key, page->count);
    for (uint32_t c = page->first; c < page->first + page->count; c++) {
        uint64_t members = dataset_class_count(build->entry->dataset, c);
        double by = by_member && members > 0 ? (double)members : 1;

        msgpack_pack_double(pk, values[c] * scale / by);
    }
}

static void reply_preview(msgpack_packer *pk, const struct build *build)
{
    const struct preview *preview = build->preview;
    const struct dataset *dataset = build->entry->dataset;
    uint32_t batch_size = build->entry->config.batch_size;
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
    pack_key_f64(pk, "build_ms", build->work.milliseconds);
    pack_columns(pk, build->plan);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "first", preview->page.first);
    pack_class_names(pk, dataset, &preview->page);
    pack_class_counts(pk, dataset, &preview->page);
    pack_column(pk, "drawn", build, preview->share, (double)samples, false);
    pack_column(pk, "repeats", build, preview->share, (double)samples, true);
    pack_column(pk, "coverage", build, preview->coverage, 1, false);
    pack_column(pk, "per_batch", build, preview->share, first, false);
}

static void preview_built(struct rpc_work *work)
{
    struct build *build = (struct build *)work;
    struct evd_error err;

    if (build_check(build, &err) != EVD_OK) {
        build_fail(build, &err);
        return;
    }
    reply_preview(answer_begin(&build->ticket), build);
    ticket_end(&build->ticket);
    build_free(build);
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
static struct job_entry *entry_of_terms(struct rpc *rpc, const struct params_job_preview *p,
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
    dataset = datasets_find(rpc, p->dataset, p->version, err);
    if (!dataset)
        return NULL;
    entry = entry_new(rpc, nameless, dataset);
    if (!entry) {
        rpc_no_memory(err);
        return NULL;
    }
    if (job_terms_take(entry, &terms, err) == EVD_OK)
        return entry;
    entry_unref(entry);
    return NULL;
}

/* For the caller to entry_unref. */
static struct job_entry *entry_asked(struct call *call, const struct params_job_preview *p)
{
    struct job_entry *entry;

    if (!p->has_job)
        return entry_of_terms(call->rpc, p, &call->err);
    entry = entry_find_live(call->rpc, p->job, &call->err);
    if (!entry || job_alone(p, &call->err) != EVD_OK)
        return NULL;
    entry_ref(entry);
    return entry;
}

static int preview_prepare(struct build *build, const struct page *page, struct evd_error *err)
{
    uint32_t classes = build->entry->dataset->index.classes;
    struct preview *preview = calloc(1, sizeof(*preview));
    struct job_state state;

    if (!preview)
        return rpc_no_memory(err);
    build->preview = preview;
    build->study = preview_study;
    preview->page = *page;
    preview->share = calloc(classes, sizeof(preview->share[0]));
    preview->coverage = calloc(classes, sizeof(preview->coverage[0]));
    if (!preview->share || !preview->coverage)
        return rpc_no_memory(err);
    if (build->entry->job) {
        job_state(build->entry->job, &state);
        preview->epoch = state.next.epoch;
    }
    return EVD_OK;
}

static int preview_start(struct call *call, struct job_entry *entry,
                         const struct params_job_preview *p)
{
    uint32_t revision = entry->job ? job_next_revision(entry->job) : 0;
    struct page page = {0};
    struct build *build;

    if (page_of(p->has_first, p->first, p->has_count, p->count, entry->dataset->index.classes,
                &page, &call->err) != EVD_OK)
        return call->err.code;
    build = build_new(call, entry, p->strategy, revision);
    if (!build)
        return call->err.code;
    if (preview_prepare(build, &page, &call->err) == EVD_OK)
        return build_send(build, preview_built, &call->err);
    session_unref(build->ticket.session);
    build_free(build);
    return call->err.code;
}

int do_job_preview(struct call *call, const struct params_job_preview *p)
{
    struct job_entry *entry = entry_asked(call, p);
    int code;

    if (!entry)
        return call->err.code;
    code = preview_start(call, entry, p);
    entry_unref(entry);
    return code;
}
