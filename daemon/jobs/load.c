/* Reading back what is stored: datasets, then jobs with their plans. */
#include "jobs/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/recorded.h"
#include "codec/terms.h"
#include "job/position.h"
#include "jobs/datasets.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "jobs/uses.h"

/* Progress is told after the job it belongs to, and needed when that is restored. */
struct loaded_progress {
    struct job_entry *entry;
    struct job_progress row;
    struct loaded_progress *next;
    uint8_t bits[];
};

struct load {
    struct jobs *jobs;
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

    load->dataset = *dataset;
    if (name_check_stored(text_of(dataset->name), "dataset", err) != EVD_OK) {
        snprintf(load->name, sizeof(load->name), "damaged-%" PRIu64, dataset->id);
        return error_set(err, EVD_E_STORE, load->name, "its name is not valid");
    }
    str_copy(load->name, text_of(dataset->name));
    load->builder = dataset_builder_new();
    return load->builder ? EVD_OK : error_no_memory(err);
}

static int add_chunk(struct load *load, const struct store_chunk *chunk, struct evd_error *err)
{
    struct evd_str name;

    for (size_t at = 0; at < chunk->class_names_bytes; at += name.len + 1) {
        name = text_of(chunk->class_names + at);
        if (dataset_builder_class(load->builder, name, err) != EVD_OK)
            return err->code;
    }
    if (chunk->column)
        return dataset_builder_weights(load->builder, text_of(chunk->column), chunk->weights,
                                       chunk->weights_n, err);
    return dataset_builder_labels(load->builder, chunk->labels, chunk->n, err);
}

/* What the builder says is meant for who sends a dataset. */
static int said_as_damage(const struct load *load, int code, struct evd_error *err)
{
    if (code == EVD_OK || code == EVD_E_NO_MEMORY)
        return code;
    return error_set(err, EVD_E_STORE, load->name,
                     "class names, labels or weights in it are not valid");
}

static int load_dataset_chunk(void *arg, const struct store_chunk *chunk, struct evd_error *err)
{
    struct load *load = arg;

    return said_as_damage(load, add_chunk(load, chunk, err), err);
}

static void name_dataset(const struct load *load, struct dataset *dataset)
{
    str_copy(dataset->name, text_of(load->name));
    dataset->id = load->dataset.id;
    dataset->version = load->dataset.version;
    dataset->created = load->dataset.created;
    dataset->owned = load->dataset.owned;
}

static int load_dataset_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    struct load *load = arg;
    struct dataset *dataset = calloc(1, sizeof(*dataset));
    char text[sizeof(why->message) + EVD_MAX_NAME + 160];

    dataset_builder_free(load->builder);
    load->builder = NULL;
    if (!dataset)
        return error_no_memory(err);
    name_dataset(load, dataset);
    dataset->checksum = load->dataset.checksum;
    dataset->index.samples = load->dataset.samples;
    dataset->index.labelled = load->dataset.labelled;
    dataset->index.classes = load->dataset.classes;
    snprintf(text, sizeof(text),
             "dataset \"%s\" version %u is damaged in the database (%s): restore the file from a "
             "backup, or drop the dataset and its jobs and load it again",
             load->name, load->dataset.version, why->message);
    dataset->damage = strdup(text);
    if (!dataset->damage || !datasets_insert(load->jobs, dataset)) {
        dataset_free(dataset);
        return error_no_memory(err);
    }
    server_warn(load->jobs->server, "%s", text);
    return EVD_OK;
}

static int load_dataset_end(void *arg, struct evd_error *err)
{
    struct load *load = arg;
    struct dataset *dataset;

    if (dataset_build(load->builder, NULL, &dataset, err) != EVD_OK)
        return said_as_damage(load, err->code, err);
    load->builder = NULL;
    name_dataset(load, dataset);
    if (dataset->checksum != load->dataset.checksum) {
        dataset_free(dataset);
        return error_set(err, EVD_E_STORE, load->name, "its checksum is another");
    }
    if (datasets_insert(load->jobs, dataset))
        return EVD_OK;
    dataset_free(dataset);
    return error_no_memory(err);
}

/* ---- jobs ---- */

static struct dataset *dataset_by_id(const struct jobs *jobs, uint64_t id)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        if (jobs->datasets[i].dataset->id == id)
            return jobs->datasets[i].dataset;
    }
    return NULL;
}

static struct job_entry *job_by_id(const struct jobs *jobs, uint64_t id)
{
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        if (jobs->jobs[i]->id == id)
            return jobs->jobs[i];
    }
    return NULL;
}

static int load_job(void *arg, const struct store_job *job, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry;

    if (name_check_stored(text_of(job->name), "job", err) != EVD_OK)
        return err->code;
    entry = jobs_insert(load->jobs, text_of(job->name), dataset_by_id(load->jobs, job->dataset));
    if (!entry)
        return error_no_memory(err);
    entry->id = job->id;
    entry->config.batch_size = job->batch_size;
    entry->config.world_size = job->world_size;
    entry->seed = job->seed;
    entry->created = job->created;
    entry->config.replicas = job->replicas;
    entry->config.time_to_run = job->time_to_run;
    entry->config.grace = job->grace;
    entry->loaded_mark = (struct job_position){job->mark_epoch, job->mark_step};
    entry->loaded_attended = job->attended;
    entry->records.world_stored = true;
    entry->ephemeral = job->ephemeral;
    /* Words of another version: a matter of this job only. */
    terms_parse_words(text_of(job->mode), text_of(job->last_batch), text_of(job->guarantee),
                      &entry->config, &entry->last_batch, &entry->failure);
    return EVD_OK;
}

/* Authors go to clients as they are. */
static const char *readable_author(const struct load *load, const struct job_entry *entry,
                                   const char *author)
{
    if (str_utf8(text_of(author)))
        return author;
    server_warn(load->jobs->server, "job \"%s\": an author's name is damaged in the database",
                entry->name);
    return "";
}

static int load_seek(void *arg, const struct store_seek *seek, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry = job_by_id(load->jobs, seek->job);
    struct seek_record record = {
        .parent = seek->parent,
        .keep = seek->keep_revision,
        .at = {seek->epoch, seek->step},
        .left = {seek->left_epoch, seek->left_step},
        .follow = strcmp(seek->mode, "follow") == 0,
        .created = seek->created,
    };

    if (!entry || seek->generation != entry->records.seek_count + 1 ||
        seek->parent >= seek->generation)
        return error_set(err, EVD_E_STORE, "", "the database has a seek that fits no job");
    record.author = strdup(readable_author(load, entry, seek->author));
    if (!record.author || !records_reserve(&entry->records)) {
        free(record.author);
        return error_no_memory(err);
    }
    entry->records.seeks[entry->records.seek_count++] = record;
    return EVD_OK;
}

static int load_world(void *arg, const struct store_world *world, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry = job_by_id(load->jobs, world->job);
    struct world_record record = {
        .generation = world->generation,
        .world_size = world->world_size,
        .at = {world->epoch, world->step},
        .created = world->created,
    };

    if (!entry)
        return error_set(err, EVD_E_STORE, "", "the database has a world size of no job");
    snprintf(record.author, sizeof(record.author), "%s",
             readable_author(load, entry, world->author));
    return records_add_world(&entry->records, &record) ? EVD_OK : error_no_memory(err);
}

/* Of a large strategy it is only noted what it is (entry_page). Of a damaged one nothing is kept:
 * what is not there is neither sent nor drawn by. */
static int keep_strategy(const struct load *load, const struct job_entry *entry,
                         const struct store_revision *revision, struct revision *record,
                         struct evd_error *err)
{
    int code = recorded_check(revision->strategy, revision->strategy_bytes, err);

    if (code != EVD_OK && code != EVD_E_STORE)
        return code;
    revision_describe(record, revision->strategy, code == EVD_OK ? revision->strategy_bytes : 0);
    if (record->strategy_bytes > STRATEGY_STAYS)
        return EVD_OK;
    record->strategy = malloc(record->strategy_bytes ? record->strategy_bytes : 1);
    if (!record->strategy)
        return error_no_memory(err);
    if (code == EVD_OK)
        memcpy(record->strategy, revision->strategy, revision->strategy_bytes);
    else
        server_warn(load->jobs->server, "job \"%s\", revision %" PRIu32 ": %s", entry->name,
                    revision->revision, err->message);
    return EVD_OK;
}

static int load_revision(void *arg, const struct store_revision *revision, struct evd_error *err)
{
    struct load *load = arg;
    struct job_entry *entry = job_by_id(load->jobs, revision->job);
    struct revision record = {
        .generation = revision->generation,
        .number = revision->revision,
        .at = {revision->epoch, revision->step},
        .shape = {revision->shape_steps, revision->shape_last},
        .digest = revision->digest,
        .created = revision->created,
    };

    if (!entry)
        return error_set(err, EVD_E_STORE, "", "the database has a revision of no job");
    if (keep_strategy(load, entry, revision, &record, err) != EVD_OK)
        return err->code;
    record.author = strdup(readable_author(load, entry, revision->author));
    if (!record.author || !records_reserve(&entry->records)) {
        revision_fini(&record);
        return error_no_memory(err);
    }
    entry->records.revisions[entry->records.revision_count++] = record;
    return EVD_OK;
}

static int load_progress(void *arg, uint64_t job, const struct store_progress *progress,
                         struct evd_error *err)
{
    struct load *load = arg;
    struct loaded_progress *loaded = malloc(sizeof(*loaded) + progress->acked_bytes);

    if (!loaded)
        return error_no_memory(err);
    loaded->entry = job_by_id(load->jobs, job);
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

static int restore_revision(struct job_entry *entry, const struct revision *record,
                            struct evd_error *err)
{
    struct plan_base base = entry_plan_base(entry);
    struct plan *plan = NULL;
    void *strategy = NULL;
    size_t bytes;
    int code;

    if (revision_is_away(record) &&
        base.recorded.read(base.recorded.arg, record->generation, record->number, &strategy, &bytes,
                           err) != EVD_OK)
        return err->code;
    code = revision_plan(&base, strategy ? strategy : record->strategy, record->strategy_bytes,
                         record->number, record->digest, &plan, err);
    free(strategy);
    if (code != EVD_OK)
        return code;
    if (!jobs_prepare(entry->jobs, plan))
        code = error_no_memory(err);
    else if (!entry->job)
        code = job_new(&entry->job, &entry->config, plan, err);
    else
        code = job_restore_revision(entry->job, record->number, record->at, plan, err);
    if (code != EVD_OK)
        plan_unref(plan);
    return code;
}

/* From where on the job's history is needed: the lowest step that a rank has not done, and before
 * that the number of steps of the epoch before it, if its revision did not record them. */
static struct job_position needed_from(const struct job_entry *entry,
                                       const struct loaded_progress *progress)
{
    struct job_position start = records_begin(&entry->records, records_generation(&entry->records));
    struct job_position low = {UINT64_MAX, 0};
    uint32_t rows = 0, ranks = entry->config.mode == JOB_SHARED ? 1 : entry->config.world_size;
    bool recorded = false;

    for (; progress; progress = progress->next) {
        if (progress->entry != entry)
            continue;
        rows++;
        if (position_before(progress->row.low, low))
            low = progress->row.low;
    }
    if (rows == 0 || rows != ranks || low.epoch > JOB_MAX_EPOCH)
        return start;
    for (uint32_t i = 0; i < entry->records.revision_count; i++)
        recorded |= entry->records.revisions[i].at.epoch + 1 == low.epoch;
    if (low.epoch > 0 && !recorded)
        low = (struct job_position){low.epoch - 1, 0};
    return position_before(low, start) ? start : low;
}

static struct job_restored restored_of(const struct job_entry *entry, struct job_position from)
{
    uint32_t generation = records_generation(&entry->records);
    const struct world_record *world =
        entry->records.world_count ? &entry->records.worlds[entry->records.world_count - 1] : NULL;
    struct job_restored restored = {.generation = generation,
                                    .start = from,
                                    .mark = entry->loaded_mark,
                                    .attended = entry->loaded_attended};

    restored.world_at = world && world->generation == generation
                            ? world->at
                            : records_begin(&entry->records, generation);
    for (uint32_t i = 0; i < entry->records.past_count; i++) {
        if (entry->records.past[i].number >= restored.next_revision)
            restored.next_revision = entry->records.past[i].number + 1;
    }
    return restored;
}

/* *err: what is wrong with it so far; afterwards, why it cannot serve. */
static int restore_job(struct job_entry *entry, const struct loaded_progress *progress,
                       struct evd_error *err)
{
    struct job_restored restored;
    struct job_position from;

    if (err->code != EVD_OK)
        return err->code;
    if (!entry->dataset)
        return error_set(err, EVD_E_STORE, entry->name, "its dataset is not in the database");
    if (entry->dataset->damage)
        return error_set(err, EVD_E_STORE, entry->name, "%s", entry->dataset->damage);
    if (entry->records.revision_count == 0)
        return error_set(err, EVD_E_STORE, entry->name, "it has no strategy in the database");
    if (!records_reserve(&entry->records))
        return error_no_memory(err);
    records_loaded(&entry->records);
    from = needed_from(entry, progress);
    for (uint32_t i = 0; i < entry->records.revision_count; i++) {
        if (restore_revision(entry, &entry->records.revisions[i], err) != EVD_OK)
            return err->code;
        job_restore_release(entry->job, from);
    }
    restored = restored_of(entry, from);
    if (job_restore_generation(entry->job, &restored, err) != EVD_OK)
        return err->code;
    for (; progress; progress = progress->next) {
        if (progress->entry == entry && job_restore_progress(entry->job, entry->config.world_size,
                                                             &progress->row, err) != EVD_OK)
            return err->code;
    }
    job_restore_end(entry->job);
    if (entry_bring(entry, err) != EVD_OK)
        return err->code;
    entry_enter(entry, JOB_STATUS_LIVE);
    return EVD_OK;
}

static void restore_jobs(struct load *load)
{
    for (uint32_t i = 0; i < load->jobs->job_count; i++) {
        struct job_entry *entry = load->jobs->jobs[i];

        if (restore_job(entry, load->first, &entry->failure) == EVD_OK)
            continue;
        server_warn(load->jobs->server, "job \"%s\" is out of service: %s", entry->name,
                    entry->failure.message);
        entry_enter(entry, JOB_STATUS_FAILED);
        job_free(entry->job);
        entry->job = NULL;
    }
}

/* Whoever used ephemeral jobs comes back, or does not; datasets that were sent for jobs that never
 * came to be go. */
static void await_users(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->job_count; i++)
        uses_await(jobs->jobs[i]);
    datasets_sweep_in(jobs, 0);
}

int jobs_load(struct jobs *jobs, struct evd_error *err)
{
    struct load load = {.jobs = jobs, .last = &load.first};
    const struct store_reader reader = {
        .arg = &load,
        .dataset_begin = load_dataset_begin,
        .dataset_chunk = load_dataset_chunk,
        .dataset_end = load_dataset_end,
        .dataset_damaged = load_dataset_damaged,
        .job = load_job,
        .seek = load_seek,
        .revision = load_revision,
        .world = load_world,
        .progress = load_progress,
    };
    int code = store_load(jobs->server->store, &reader, &jobs->next_id, err);

    if (code == EVD_OK)
        restore_jobs(&load);
    if (code == EVD_OK) {
        await_users(jobs);
        server_tell(jobs->server, "loaded %" PRIu32 " datasets and %" PRIu32 " jobs",
                    jobs->dataset_count, jobs->job_count);
    }
    dataset_builder_free(load.builder);
    while (load.first) {
        struct loaded_progress *next = load.first->next;

        free(load.first);
        load.first = next;
    }
    return code;
}
