/*
 * Forgets strategies, as many in one transaction as take little time (retention.h). A kill between
 * two of them leaves what the next progress that is stored continues with.
 */
#include "jobs/retention.h"

#include <string.h>
#include "replay/retention.h"

#define SLICE 16u

/* One write, which nobody asked for in a request. */
struct forgetting {
    struct task task; /* first; of the job */
    struct store_op op;
    struct store_forgotten rows[SLICE];
    char kinds[SLICE][sizeof(((struct revision *)NULL)->kind)];
};

static int forgotten(struct task *task)
{
    const struct forgetting *forgetting = (const struct forgetting *)task;
    struct job_entry *entry = task->entry;
    bool stored = task->err.code == EVD_OK;

    for (size_t i = 0; i < forgetting->op.forgotten_count; i++)
        retention_end(&entry->records, forgetting->rows[i].generation, forgetting->rows[i].revision,
                      stored);
    entry->forgetting = false;
    entry_ref(entry);
    task_free(task);
    if (stored)
        retention_follow(entry);
    entry_unref(entry);
    return EVD_OK;
}

/* From now on nothing is drawn by them, so that no seek goes back to what will be gone. */
static void fill(struct forgetting *forgetting, struct revision *const *revisions, uint32_t count)
{
    struct job_entry *entry = forgetting->task.entry;

    forgetting->op.kind = STORE_FORGET;
    forgetting->op.job.id = entry->id;
    forgetting->op.forgotten = forgetting->rows;
    forgetting->op.forgotten_count = count;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(forgetting->kinds[i], revisions[i]->kind, sizeof(forgetting->kinds[i]));
        forgetting->rows[i] = (struct store_forgotten){
            .generation = revisions[i]->generation,
            .revision = revisions[i]->number,
            .bytes = revisions[i]->strategy_bytes,
            .hash = revisions[i]->strategy_hash,
            .kind = forgetting->kinds[i],
        };
    }
    retention_note(&entry->records, revisions, count);
}

void retention_follow(struct job_entry *entry)
{
    uint64_t epoch = entry->stored_epoch;
    struct revision *revisions[SLICE];
    struct forgetting *forgetting;
    uint32_t count;

    /* A change may be about to make the job draw by one of them: when it is over. */
    if (entry->retain_epochs == 0 || epoch <= entry->retain_epochs ||
        epoch == entry->settled_epoch || entry->forgetting || entry->change ||
        entry->status != JOB_STATUS_LIVE)
        return;
    count = retention_find(&entry->records, epoch - entry->retain_epochs, revisions, SLICE);
    if (count == 0) {
        entry->settled_epoch = epoch;
        return;
    }
    forgetting = task_new_unasked(entry->jobs->server, sizeof(*forgetting), entry, NULL);
    if (!forgetting)
        return;
    fill(forgetting, revisions, count);
    entry->forgetting = true;
    if (task_store(&forgetting->task, &forgetting->op, forgotten) != EVD_OK)
        forgotten(&forgetting->task);
}

void retention_changed(struct job_entry *entry)
{
    entry->settled_epoch = 0;
    retention_follow(entry);
}
