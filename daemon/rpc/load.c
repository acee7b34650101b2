/* Reading back what is stored: datasets, then jobs with their plans. */
#include "rpc/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "rpc/build.h"
#include "rpc/replies.h"
#include "rpc/strategy_codec.h"

struct loaded_progress {
    struct job_entry *entry;
    struct job_progress row;
    struct loaded_progress *next;
    uint8_t bits[];
};

struct load {
    struct rpc *rpc;
    struct store_dataset dataset; /* being read; its name is in `name` */
    char name[EVD_MAX_NAME + 1];
    struct dataset_builder *builder;
    struct loaded_progress *first, **last;
};

static struct evd_str text_of(const char *text)
{
    return (struct evd_str){text, (uint32_t)strlen(text)};
}

/* ---- datasets ---- */

static int load_dataset_begin(void *arg, const struct store_dataset *dataset, struct evd_error *err)
{
    struct load *load = arg;

    if (name_check(text_of(dataset->name), "dataset", err) != EVD_OK)
        return err->code;
    load->dataset = *dataset;
    rpc_name_copy(load->name, text_of(dataset->name));
    load->builder = dataset_builder_new();
    return load->builder ? EVD_OK : rpc_no_memory(err);
}

static int load_dataset_chunk(void *arg, const struct store_chunk *chunk, struct evd_error *err)
{
    struct load *load = arg;
    const char *name = chunk->class_names;

    while (name < chunk->class_names + chunk->class_names_bytes) {
        struct evd_str text = text_of(name);

        if (dataset_builder_class(load->builder, text, err) != EVD_OK)
            return err->code;
        name += text.len + 1;
    }
    if (chunk->column)
        return dataset_builder_weights(load->builder, text_of(chunk->column), chunk->weights,
                                       chunk->weights_n, err);
    return dataset_builder_labels(load->builder, chunk->labels, chunk->n, err);
}

static int load_dataset_end(void *arg, struct evd_error *err)
{
    struct load *load = arg;
    struct dataset *dataset;

    if (dataset_build(load->builder, &dataset, err) != EVD_OK)
        return err->code;
    load->builder = NULL;
    rpc_name_copy(dataset->name, text_of(load->name));
    dataset->id = load->dataset.id;
    dataset->version = load->dataset.version;
    dataset->created = load->dataset.created;
    if (dataset->checksum != load->dataset.checksum) {
        dataset_free(dataset);
        return error_set(err, EVD_E_STORE, load->name,
                         "dataset \"%s\" version %u is damaged in the database (its checksum is "
                         "another): restore the file from a backup",
                         load->name, load->dataset.version);
    }
    if (datasets_insert(load->rpc, dataset))
        return EVD_OK;
    dataset_free(dataset);
    return rpc_no_memory(err);
}

/* ---- jobs ---- */

static struct dataset *dataset_by_id(struct rpc *rpc, uint64_t id)
{
    for (uint32_t i = 0; i < rpc->dataset_count; i++) {
        if (rpc->datasets[i].dataset->id == id)
            return rpc->datasets[i].dataset;
    }
    return NULL;
}

static struct job_entry *job_by_id(struct rpc *rpc, uint64_t id)
{
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        if (rpc->jobs[i]->id == id)
            return rpc->jobs[i];
    }
    return NULL;
}

static int load_job(void *arg, const struct store_job *job, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry;

    if (name_check(text_of(job->name), "job", err) != EVD_OK)
        return err->code;
    entry = entry_insert(load->rpc, text_of(job->name), dataset_by_id(load->rpc, job->dataset));
    if (!entry)
        return rpc_no_memory(err);
    entry->id = job->id;
    entry->config.batch_size = job->batch_size;
    entry->config.world_size = job->world_size;
    entry->seed = job->seed;
    entry->created = job->created;
    return job_words_parse(text_of(job->mode), text_of(job->last_batch), entry, err);
}

static int load_revision(void *arg, const struct store_revision *revision, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry = job_by_id(load->rpc, revision->job);
    struct revision record = {
        .generation = revision->generation,
        .number = revision->revision,
        .at = {revision->epoch, revision->step},
        .shape = {revision->shape_steps, revision->shape_last},
        .digest = revision->digest,
        .created = revision->created,
        .strategy_bytes = revision->strategy_bytes,
    };

    if (!entry)
        return error_set(err, EVD_E_STORE, "", "the database has a revision of no job");
    record.author = strdup(revision->author);
    record.strategy = malloc(revision->strategy_bytes ? revision->strategy_bytes : 1);
    if (!record.author || !record.strategy || !entry_reserve(entry)) {
        revision_fini(&record);
        return rpc_no_memory(err);
    }
    memcpy(record.strategy, revision->strategy, revision->strategy_bytes);
    entry_record(entry, &record, UINT32_MAX);
    return EVD_OK;
}

static int load_progress(void *arg, uint64_t job, const struct store_progress *progress,
                         struct evd_error *err)
{
    struct load *load = arg;
    struct loaded_progress *loaded = malloc(sizeof(*loaded) + progress->acked_bytes);

    if (!loaded)
        return rpc_no_memory(err);
    loaded->entry = job_by_id(load->rpc, job);
    loaded->row = (struct job_progress){
        .rank = progress->rank,
        .generation = progress->generation,
        .low = {progress->epoch, progress->step},
        .acked = loaded->bits,
        .acked_bytes = (uint32_t)progress->acked_bytes,
    };
    if (progress->acked_bytes > 0)
        memcpy(loaded->bits, progress->acked, progress->acked_bytes);
    loaded->next = NULL;
    *load->last = loaded;
    load->last = &loaded->next;
    return EVD_OK;
}

/* ---- plans and progress of one job ---- */

int revision_plan(const struct plan_base *base, const void *strategy, size_t strategy_bytes,
                  uint32_t number, uint64_t digest, struct plan **out, struct evd_error *err)
{
    struct sampler_error refused;
    struct strategy decoded;
    struct plan_input input = {
        .index = &base->dataset->index,
        .strategy = &decoded,
        .seed = base->seed,
        .revision = number,
        .batch_size = base->batch_size,
        .last_batch = base->last_batch,
    };
    int code;

    if (strategy_decode_bytes(strategy, strategy_bytes, base->dataset, &decoded, err) != EVD_OK)
        return err->code;
    input.weights = strategy_column(&decoded, base->dataset);
    code = plan_build(out, &input, &refused);
    strategy_fini(&decoded);
    if (code != PLAN_OK)
        return plan_error(code, &refused, err);
    if (plan_digest(*out) == digest)
        return EVD_OK;
    plan_unref(*out);
    *out = NULL;
    return error_set(err, EVD_E_STORE, "digest",
                     "revision %u would not draw what it drew before (the digest of its plan is "
                     "another, perhaps after a change of version): drop the job and create it anew",
                     number);
}

struct plan_base plan_base_of(const struct job_entry *entry)
{
    return (struct plan_base){
        .dataset = entry->dataset,
        .seed = entry->seed,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
    };
}

static int restore_revision(struct job_entry *entry, const struct revision *record,
                            struct evd_error *err)
{
    struct plan_base base = plan_base_of(entry);
    struct plan *plan = NULL;
    int code;

    if (revision_plan(&base, record->strategy, record->strategy_bytes, record->number,
                      record->digest, &plan, err) != EVD_OK)
        return err->code;
    if (!rpc_stream_prepare(entry->rpc, plan))
        code = rpc_no_memory(err);
    else if (!entry->job)
        code = job_new(&entry->job, &entry->config, plan, entry_effect, entry, err);
    else
        code = job_restore_revision(entry->job, record->number, record->at, plan, err);
    if (code != EVD_OK)
        plan_unref(plan);
    return code;
}

static int restore_job(struct job_entry *entry, const struct loaded_progress *progress,
                       struct evd_error *err)
{
    if (!entry->dataset)
        return error_set(err, EVD_E_STORE, entry->name, "its dataset is not in the database");
    if (entry->revision_count == 0)
        return error_set(err, EVD_E_STORE, entry->name, "it has no strategy in the database");
    for (uint32_t i = 0; i < entry->revision_count; i++) {
        if (restore_revision(entry, &entry->revisions[i], err) != EVD_OK)
            return err->code;
    }
    for (; progress; progress = progress->next) {
        if (progress->entry == entry && job_restore_progress(entry->job, entry->config.world_size,
                                                             &progress->row, err) != EVD_OK)
            return err->code;
    }
    job_restore_end(entry->job);
    entry->status = JOB_STATUS_LIVE;
    return EVD_OK;
}

static void restore_jobs(struct load *load)
{
    for (uint32_t i = 0; i < load->rpc->job_count; i++) {
        struct job_entry *entry = load->rpc->jobs[i];

        if (restore_job(entry, load->first, &entry->failure) == EVD_OK)
            continue;
        entry->status = JOB_STATUS_FAILED;
        job_free(entry->job);
        entry->job = NULL;
    }
}

int rpc_load(struct rpc *rpc, struct evd_error *err)
{
    struct load load = {.rpc = rpc, .last = &load.first};
    const struct store_reader reader = {
        .arg = &load,
        .dataset_begin = load_dataset_begin,
        .dataset_chunk = load_dataset_chunk,
        .dataset_end = load_dataset_end,
        .job = load_job,
        .revision = load_revision,
        .progress = load_progress,
    };
    int code = store_load(rpc->store, &reader, &rpc->next_id, err);

    if (code == EVD_OK)
        restore_jobs(&load);
    dataset_builder_free(load.builder);
    while (load.first) {
        struct loaded_progress *next = load.first->next;

        free(load.first);
        load.first = next;
    }
    return code;
}
