/* Updates, from a built plan to a recorded revision (update.h). Called by job.update, and by
 * reports that an adaptive strategy follows. */
#include "jobs/update.h"

#include <assert.h>
#include <stdlib.h>
#include "jobs/drive.h"
#include "jobs/retention.h"

void update_fini(struct task *task)
{
    struct update *update = (struct update *)task;

    if (task->entry->change == &update->change) {
        task->entry->change = NULL;
        retention_changed(task->entry);
    }
    free(update->cancelled);
    build_fini(task);
}

static int update_built(struct task *task)
{
    struct update *update = (struct update *)task;
    struct job_entry *entry = task->entry;
    struct plan *plan = update->build.plan;
    struct job_event event = {
        .kind = JOB_UPDATE,
        .update = {.plan = plan,
                   .revision = update->build.input.revision,
                   .when = update->moment.when,
                   .at = update->moment.at,
                   .token = (uint64_t)(uintptr_t)&update->change},
    };
    struct evd_error err;

    if (entry->status != JOB_STATUS_LIVE)
        return error_set(&task->err, EVD_E_CONFLICT, entry->name, "job \"%s\" is being dropped",
                         entry->name);
    if (build_check(&update->build) != EVD_OK)
        return task->err.code;
    update->change.plan = plan;
    plan_ref(plan);
    if (entry_drive(entry, &event, &err) == EVD_OK)
        return EVD_OK; /* the update may have ended by now */
    plan_unref(plan);
    task->err = err;
    return err.code;
}

static int update_stored(struct task *task)
{
    struct update *update = (struct update *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_REVISION_STORED, .revision_stored = {task->err.code}};
    struct evd_error err;

    if (task->err.code == EVD_OK) {
        update->build.record.stored_bytes = update->op.revision.stored_bytes;
        records_add(&entry->records, &update->build.record, update->op.revision.keep_revision);
        update->build.record = (struct revision){0};
    }
    entry_drive(entry, &event, &err); /* ends the update */
    return EVD_OK;
}

/* Notes which revisions will go; false without memory. */
static bool note_cancelled(struct update *update, uint32_t keep)
{
    const struct records *records = &update->build.task.entry->records;

    update->cancelled = calloc(records->revision_count + 1, sizeof(update->cancelled[0]));
    if (!update->cancelled)
        return false;
    for (uint32_t i = 0; i < records->revision_count; i++) {
        if (records->revisions[i].number > keep)
            update->cancelled[update->cancelled_count++] = records->revisions[i].number;
    }
    return true;
}

static struct update *update_of(struct change *change)
{
    return (struct update *)((char *)change - offsetof(struct update, change));
}

static int update_store(struct change *change, const struct job_effect *effect)
{
    struct update *update = update_of(change);
    struct task *task = &update->build.task;
    struct job_entry *entry = task->entry;
    struct revision *record = &update->build.record;
    uint32_t keep = effect->store_revision.keep_revision;

    if (!note_cancelled(update, keep))
        return error_no_memory(&task->err);
    record->generation = effect->store_revision.generation;
    record->number = effect->store_revision.revision;
    record->at = effect->store_revision.at;
    record->shape = effect->store_revision.shape;
    record->digest = plan_digest(effect->store_revision.plan);
    record->created = server_wall(entry->jobs->server);
    update->op.kind = STORE_REVISION_ADD;
    update->op.job.id = entry->id;
    update->op.revision = store_revision_of(entry, record, keep);
    return task_store(task, &update->op, update_stored);
}

static void update_ended(struct change *change, const struct job_effect *effect)
{
    struct update *update = update_of(change);
    struct task *task = &update->build.task;
    struct evd_error why = task->err;

    task->entry->change = NULL;
    entry_page(task->entry);
    retention_changed(task->entry);
    update->revision = effect->updated.revision;
    update->at = effect->updated.at;
    task->err.code = EVD_OK;
    if (effect->updated.code != EVD_OK)
        error_set(&task->err, effect->updated.code, task->entry->name,
                  "the change of job \"%s\" could not be stored: %s; its old strategy goes on",
                  task->entry->name, why.message);
    task_go(task, update->ended);
}

void *update_new(struct call *call, size_t size, struct job_entry *entry,
                 const msgpack_object *strategy, struct moment moment, const char *author,
                 task_step *ended, void (*fini)(struct task *))
{
    struct update *update =
        build_new(call, size, entry, strategy, job_next_revision(entry->job), author, fini);

    if (!update)
        return NULL;
    if (entry_check_history(entry, update->build.record.strategy_bytes, &call->err) != EVD_OK) {
        task_free(&update->build.task);
        return NULL;
    }
    update->moment = moment;
    update->ended = ended;
    update->change = (struct change){.store = update_store, .ended = update_ended};
    return update;
}

int update_start(struct update *update, struct call *call)
{
    struct task *task = &update->build.task;

    assert(!task->entry->change);
    task->entry->change = &update->change;
    return task_begin(task, task_work(task, build_cost(&update->build), build_run, update_built),
                      call);
}
