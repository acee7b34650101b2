/* Jobs back from the store (restore.h). */
#include "jobs/restore.h"

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
#include "replay/plan.h"

struct loaded_progress {
    struct job_entry *entry;
    struct job_progress row;
    struct loaded_progress *next;
    uint8_t bits[];
};

static struct evd_str text_of(const char *text)
{
    return (struct evd_str){text, (uint32_t)strlen(text)};
}

/* What is met first is why it is out of service. */
static void spoil(struct job_entry *entry, const char *what)
{
    if (entry->failure.code == EVD_OK)
        error_set(&entry->failure, EVD_E_STORE, entry->name,
                  "what the database has of it is damaged (%s): restore the file from a backup, or "
                  "drop the job and create it anew",
                  what);
}

/* What is refused here was taken when it was stored. */
static int said_as_damage(const struct job_entry *entry, struct evd_error *err)
{
    struct evd_error why = *err;

    if (why.code == EVD_OK || why.code == EVD_E_NO_MEMORY || why.code == EVD_E_STORE)
        return why.code;
    return error_set(err, EVD_E_STORE, entry->name,
                     "what the database has of it is damaged, or of another version (%s): restore "
                     "the file from a backup, or drop the job and create it anew",
                     why.message);
}

/* ---- rows ---- */

static struct dataset *dataset_by_id(const struct jobs *jobs, uint64_t id)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        if (jobs->datasets[i].dataset->id == id)
            return jobs->datasets[i].dataset;
    }
    return NULL;
}

static void take_row(struct job_entry *entry, const struct store_job *job)
{
    struct evd_error why = {0};

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
    entry->retain_epochs = job->retain_epochs;
    if (terms_parse_words(text_of(job->mode), text_of(job->last_batch), text_of(job->guarantee),
                          &entry->config, &entry->last_batch, &why) != EVD_OK)
        spoil(entry, why.message);
    if (job->replicas == 0)
        spoil(entry, "no replica of a rank at all");
}

int restore_job_row(void *arg, const struct store_job *job, struct evd_error *err)
{
    struct restoring *restoring = arg;
    char substitute[EVD_MAX_NAME + 1];
    struct evd_str name = text_of(job->name);
    const char *wrong = NULL;

    if (name_check_stored(name, "job", err) != EVD_OK)
        wrong = "its name is not valid";
    else if (jobs_find(restoring->jobs, name))
        wrong = "there is another job of its name";
    if (wrong) {
        snprintf(substitute, sizeof(substitute), "damaged-%" PRIu64, job->id);
        name = text_of(substitute);
    }
    restoring->entry =
        jobs_insert(restoring->jobs, name, dataset_by_id(restoring->jobs, job->dataset));
    if (!restoring->entry)
        return error_no_memory(err);
    if (wrong)
        spoil(restoring->entry, wrong);
    take_row(restoring->entry, job);
    return EVD_OK;
}

int restore_damaged_row(void *arg, uint64_t job, const struct evd_error *why, struct evd_error *err)
{
    struct restoring *restoring = arg;

    (void)job;
    (void)err;
    spoil(restoring->entry, why->message);
    return EVD_OK;
}

/* Authors go to clients as they are. */
static const char *readable_author(const struct restoring *restoring, const char *author)
{
    if (str_utf8(text_of(author)) && strlen(author) <= EVD_MAX_NAME)
        return author;
    server_warn(restoring->jobs->server, "job \"%s\": an author's name is damaged in the database",
                restoring->entry->name);
    return "";
}

int restore_seek_row(void *arg, const struct store_seek *seek, struct evd_error *err)
{
    struct restoring *restoring = arg;
    struct records *records = &restoring->entry->records;
    struct seek_record record = {
        .parent = seek->parent,
        .keep = seek->keep_revision,
        .at = {seek->epoch, seek->step},
        .left = {seek->left_epoch, seek->left_step},
        .follow = strcmp(seek->mode, "follow") == 0,
        .created = seek->created,
    };

    if (seek->generation != records->seek_count + 1 || seek->parent >= seek->generation ||
        seek->epoch > JOB_MAX_EPOCH || seek->left_epoch > JOB_MAX_EPOCH + UINT64_C(1) ||
        (!record.follow && strcmp(seek->mode, "replay") != 0)) {
        spoil(restoring->entry, "a seek in its history cannot be");
        return EVD_OK;
    }
    record.author = strdup(readable_author(restoring, seek->author));
    if (!record.author || !records_reserve(records)) {
        free(record.author);
        return error_no_memory(err);
    }
    records->seeks[records->seek_count++] = record;
    return EVD_OK;
}

int restore_world_row(void *arg, const struct store_world *world, struct evd_error *err)
{
    struct restoring *restoring = arg;
    struct records *records = &restoring->entry->records;
    struct world_record record = {
        .generation = world->generation,
        .world_size = world->world_size,
        .at = {world->epoch, world->step},
        .created = world->created,
    };

    if (world->generation > records->seek_count || world->world_size == 0 ||
        world->world_size > EVD_MAX_WORLD || world->epoch > JOB_MAX_EPOCH + UINT64_C(1)) {
        spoil(restoring->entry, "a number of ranks in its history cannot be");
        return EVD_OK;
    }
    snprintf(record.author, sizeof(record.author), "%s", readable_author(restoring, world->author));
    return records_add_world(records, &record) ? EVD_OK : error_no_memory(err);
}

/* Of a large strategy it is only noted what it is (entry_page). Of a damaged one nothing is kept:
 * what is not there is neither sent nor drawn by. */
static int keep_strategy(const struct restoring *restoring, const struct store_revision *revision,
                         struct revision *record, struct evd_error *err)
{
    const struct store_forgotten *forgotten = revision->forgotten;
    int code;

    if (forgotten) {
        record->forgotten = true;
        record->strategy_bytes = forgotten->bytes;
        record->strategy_hash = forgotten->hash;
        if (str_utf8(text_of(forgotten->kind)) && strlen(forgotten->kind) < sizeof(record->kind))
            snprintf(record->kind, sizeof(record->kind), "%s", forgotten->kind);
        return EVD_OK;
    }
    code = recorded_check(revision->strategy, revision->strategy_bytes, err);
    if (code != EVD_OK && code != EVD_E_STORE)
        return code;
    if (code == EVD_OK && !entry_hold_recorded(restoring->entry, revision->strategy,
                                               revision->strategy_bytes, &record->held))
        return error_no_memory(err);
    record->stored_bytes = revision->stored_bytes;
    revision_describe(record, revision->strategy, code == EVD_OK ? revision->strategy_bytes : 0);
    if (record->strategy_bytes > STRATEGY_STAYS)
        return EVD_OK;
    record->strategy = malloc(record->strategy_bytes ? record->strategy_bytes : 1);
    if (!record->strategy)
        return error_no_memory(err);
    if (code == EVD_OK)
        memcpy(record->strategy, revision->strategy, revision->strategy_bytes);
    else
        server_warn(restoring->jobs->server, "job \"%s\", revision %" PRIu32 ": %s",
                    restoring->entry->name, revision->revision, err->message);
    return EVD_OK;
}

int restore_revision_row(void *arg, const struct store_revision *revision, struct evd_error *err)
{
    struct restoring *restoring = arg;
    struct records *records = &restoring->entry->records;
    struct revision record = {
        .generation = revision->generation,
        .number = revision->revision,
        .at = {revision->epoch, revision->step},
        .shape = {revision->shape_steps, revision->shape_last},
        .digest = revision->digest,
        .created = revision->created,
    };

    if (revision->generation > records->seek_count || revision->revision == UINT32_MAX ||
        revision->epoch > JOB_MAX_EPOCH) {
        spoil(restoring->entry, "a revision in its history cannot be");
        return EVD_OK;
    }
    if (keep_strategy(restoring, revision, &record, err) != EVD_OK) {
        revision_fini(&record);
        return err->code;
    }
    record.author = strdup(readable_author(restoring, revision->author));
    if (!record.author || !records_reserve(records)) {
        revision_fini(&record);
        return error_no_memory(err);
    }
    records->revisions[records->revision_count++] = record;
    return EVD_OK;
}

int restore_progress_row(void *arg, uint64_t job, const struct store_progress *progress,
                         struct evd_error *err)
{
    struct restoring *restoring = arg;
    struct loaded_progress *loaded = malloc(sizeof(*loaded) + progress->acked_bytes);

    (void)job;
    if (!loaded)
        return error_no_memory(err);
    loaded->entry = restoring->entry;
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
    if (!restoring->entry->loaded_progress)
        restoring->entry->loaded_progress = loaded;
    *restoring->last = loaded;
    restoring->last = &loaded->next;
    return EVD_OK;
}

/* ---- plans and progress of one job ---- */

/* Histories are told by what is recorded, batches by the plan. */
static int check_shape(const struct job_entry *entry, const struct revision *record,
                       struct evd_error *err)
{
    struct epoch_shape shape = job_revision(entry->job, job_revisions(entry->job) - 1).shape;

    if (shape.steps == record->shape.steps && shape.last_size == record->shape.last_size)
        return EVD_OK;
    return error_set(err, EVD_E_STORE, entry->name,
                     "its epochs do not have the steps that the database says (revision %" PRIu32
                     "): restore the file from a backup, or drop the job and create it anew",
                     record->number);
}

/* Its plan, as recorded: placed by nobody, and announced to what draws by it. */
static int restore_plan(struct job_entry *entry, const struct revision *record, struct plan **plan,
                        struct evd_error *err)
{
    struct plan_base base = entry_plan_base(entry);
    void *strategy = NULL;
    size_t bytes;
    int code;

    base.held = record->held;
    if (revision_is_away(record) &&
        base.recorded.read(base.recorded.arg, record->generation, record->number, &strategy, &bytes,
                           err) != EVD_OK)
        return err->code;
    code = revision_plan(&base, strategy ? strategy : record->strategy, record->strategy_bytes,
                         record->number, record->digest, plan, err);
    free(strategy);
    if (code == EVD_OK && !jobs_prepare(entry->jobs, *plan)) {
        plan_unref(*plan);
        code = error_no_memory(err);
    }
    return code;
}

/* `past`: it or a later one is forgotten, so that nothing is drawn by it. */
static int restore_revision(struct job_entry *entry, const struct revision *record, bool past,
                            struct evd_error *err)
{
    struct job_revision_info info = {record->number, record->at, record->shape, NULL};
    int code;

    if (!past && restore_plan(entry, record, &info.plan, err) != EVD_OK)
        return err->code;
    if (entry->job)
        code = job_restore_revision(entry->job, &info, err);
    else if (past)
        code = job_restore_past(&entry->job, &entry->config, record->shape, err);
    else
        code = job_new(&entry->job, &entry->config, info.plan, err);
    if (code != EVD_OK)
        plan_unref(info.plan);
    return code != EVD_OK ? code : check_shape(entry, record, err);
}

/* How many of the line are the last forgotten one and all before it. */
static uint32_t count_past(const struct records *records)
{
    uint32_t past = 0;

    for (uint32_t i = 0; i < records->revision_count; i++) {
        if (records->revisions[i].forgotten)
            past = i + 1;
    }
    return past;
}

static bool world_fits(const struct job_entry *entry)
{
    const struct records *records = &entry->records;
    const struct world_record *world =
        records->world_count ? &records->worlds[records->world_count - 1] : NULL;

    return !world || world->generation != records_generation(records) ||
           world->world_size == entry->config.world_size;
}

/* From where on the job's history is needed: the lowest step that a rank has not done, and before
 * that the number of steps of the epoch before it, if its revision did not record them. */
static struct job_position needed_from(const struct job_entry *entry)
{
    const struct loaded_progress *progress = entry->loaded_progress;
    struct job_position start = records_begin(&entry->records, records_generation(&entry->records));
    struct job_position low = {UINT64_MAX, 0};
    uint32_t rows = 0, ranks = entry->config.mode == JOB_SHARED ? 1 : entry->config.world_size;
    bool recorded = false;

    for (; progress && progress->entry == entry; progress = progress->next) {
        rows++;
        if (position_before(progress->row.low, low))
            low = progress->row.low;
    }
    if (rows == 0 || rows != ranks)
        return start;
    for (uint32_t i = 0; i < entry->records.revision_count; i++)
        recorded |= entry->records.revisions[i].at.epoch + 1 == low.epoch;
    if (low.epoch > JOB_MAX_EPOCH) /* through with the last one: what is later is refused */
        low = (struct job_position){JOB_MAX_EPOCH, 0};
    else if (low.epoch > 0 && !recorded)
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

static int restore_job(struct job_entry *entry, struct evd_error *err)
{
    const struct loaded_progress *progress = entry->loaded_progress;
    struct job_restored restored;
    struct job_position from;
    uint32_t past;

    if (!entry->dataset)
        return error_set(err, EVD_E_STORE, entry->name, "its dataset is not in the database");
    if (entry->dataset->damage)
        return error_set(err, EVD_E_STORE, entry->name, "%s", entry->dataset->damage);
    if (entry->records.revision_count == 0)
        return error_set(err, EVD_E_STORE, entry->name, "it has no strategy in the database");
    if (!records_reserve(&entry->records))
        return error_no_memory(err);
    records_loaded(&entry->records);
    from = needed_from(entry);
    past = count_past(&entry->records);
    for (uint32_t i = 0; i < entry->records.revision_count; i++) {
        if (restore_revision(entry, &entry->records.revisions[i], i < past, err) != EVD_OK)
            return err->code;
        job_restore_release(entry->job, from);
    }
    if (!world_fits(entry))
        return error_set(err, EVD_E_STORE, entry->name,
                         "the database has %" PRIu32 " ranks of it, and another number in its "
                         "history: restore the file from a backup, or drop the job and create it "
                         "anew",
                         entry->config.world_size);
    restored = restored_of(entry, from);
    if (job_restore_generation(entry->job, &restored, err) != EVD_OK)
        return err->code;
    for (; progress && progress->entry == entry; progress = progress->next) {
        if (job_restore_progress(entry->job, entry->config.world_size, &progress->row, err) !=
            EVD_OK)
            return err->code;
    }
    job_restore_end(entry->job);
    if (entry_bring(entry, err) != EVD_OK)
        return err->code;
    entry_enter(entry, JOB_STATUS_LIVE);
    return EVD_OK;
}

void restore_jobs(struct restoring *restoring)
{
    for (uint32_t i = 0; i < restoring->jobs->job_count; i++) {
        struct job_entry *entry = restoring->jobs->jobs[i];

        if (entry->failure.code == EVD_OK)
            restore_job(entry, &entry->failure);
        entry->loaded_progress = NULL;
        if (entry->failure.code == EVD_OK)
            continue;
        said_as_damage(entry, &entry->failure);
        server_warn(restoring->jobs->server, "job \"%s\" is out of service: %s", entry->name,
                    entry->failure.message);
        entry_enter(entry, JOB_STATUS_FAILED);
        job_free(entry->job);
        entry->job = NULL;
    }
}

void restore_end(struct restoring *restoring)
{
    while (restoring->first) {
        struct loaded_progress *next = restoring->first->next;

        free(restoring->first);
        restoring->first = next;
    }
}
