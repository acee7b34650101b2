/* Drops ephemeral jobs and owned datasets that nobody uses (expiry.h). */
#include "jobs/expiry.h"

#include "jobs/datasets.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"

/* ---- jobs ---- */

struct expiry {
    struct task task; /* first; of the job's entry */
    struct store_op op;
    enum job_status before;
};

static void expiry_fini(struct task *task)
{
    struct expiry *expiry = (struct expiry *)task;

    if (task->entry->status != JOB_STATUS_DROPPING)
        return;
    entry_enter(task->entry, expiry->before);
    entry_expire_in(task->entry, RETRY_MS);
}

static int expired(struct task *task)
{
    if (task->err.code != EVD_OK)
        return task->err.code;
    server_tell(task->server, "job \"%s\": nobody uses it any more, so it is dropped",
                task->entry->name);
    jobs_remove(task->entry);
    task_free(task);
    return EVD_OK;
}

static int expiry_store(struct task *task)
{
    struct expiry *expiry = (struct expiry *)task;

    expiry->before = task->entry->status;
    entry_enter(task->entry, JOB_STATUS_DROPPING);
    expiry->op.kind = STORE_JOB_DROP;
    expiry->op.job.id = task->entry->id;
    return task_store(task, &expiry->op, expired);
}

/* A lost worker may come back while its grace period lasts, and a change is to end first. */
static bool idle(const struct job_entry *entry)
{
    return (entry->status == JOB_STATUS_LIVE || entry->status == JOB_STATUS_FAILED) &&
           !entry->change && entry->stream_count == 0 && TAILQ_EMPTY(&entry->acks);
}

static void expire(struct job_entry *entry)
{
    struct expiry *expiry = NULL;

    if (idle(entry))
        expiry = task_new_unasked(entry->jobs->server, sizeof(*expiry), entry, expiry_fini);
    if (!expiry) {
        entry_expire_in(entry, RETRY_MS);
        return;
    }
    entry->expires_at = UINT64_MAX;
    task_go(&expiry->task, expiry_store);
}

/* Nobody has used it since its last user left; after a restart it is not known whether they have.
 */
static bool left_alone(const struct job_entry *entry, uint64_t now)
{
    return entry->expires_at <= now + entry->ephemeral && idle(entry);
}

/* Is something going already? */
static bool going(const struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        if (jobs->jobs[i]->ephemeral > 0 && jobs->jobs[i]->status == JOB_STATUS_DROPPING)
            return true;
    }
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        const struct dataset_entry *entry = &jobs->datasets[i];

        if (entry->dropping || (entry->dataset->owned && entry->dataset->users == 0))
            return true;
    }
    return false;
}

bool expiry_make_room(struct jobs *jobs)
{
    uint64_t now = server_now(jobs->server);
    struct job_entry *next = NULL;

    if (going(jobs))
        return true;
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        struct job_entry *entry = jobs->jobs[i];

        if (left_alone(entry, now) && (!next || entry->expires_at < next->expires_at))
            next = entry;
    }
    if (next)
        expire(next);
    return next != NULL;
}

/* ---- datasets ---- */

struct removal {
    struct task task; /* first */
    struct store_op op;
    struct dataset *dataset; /* NULL once it is gone */
};

static void removal_fini(struct task *task)
{
    struct removal *removal = (struct removal *)task;

    if (removal->dataset)
        datasets_not_dropped(task->server->jobs, removal->dataset);
}

static int removed(struct task *task)
{
    struct removal *removal = (struct removal *)task;
    struct jobs *jobs = task->server->jobs;

    if (task->err.code != EVD_OK)
        return task->err.code;
    datasets_remove(jobs, datasets_entry(jobs, removal->dataset));
    removal->dataset = NULL;
    task_free(task);
    return EVD_OK;
}

static int removal_store(struct task *task)
{
    struct removal *removal = (struct removal *)task;

    removal->op.kind = STORE_DATASET_DROP;
    removal->op.dataset.id = removal->dataset->id;
    return task_store(task, &removal->op, removed);
}

static void drop_unused(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        struct dataset_entry *entry = &jobs->datasets[i];
        struct removal *removal;

        if (!entry->dataset->owned || entry->dataset->users > 0 || entry->dropping)
            continue;
        removal = task_new_unasked(jobs->server, sizeof(*removal), NULL, removal_fini);
        if (!removal) {
            datasets_sweep_in(jobs, RETRY_MS);
            return;
        }
        removal->dataset = entry->dataset;
        entry->dropping = true;
        task_go(&removal->task, removal_store);
    }
}

/* ---- time ---- */

uint64_t expiry_tick(struct jobs *jobs, uint64_t now)
{
    uint64_t next = UINT64_MAX;

    /* Who has to leave since the daemon stops comes back when it does. */
    if (jobs->server->phase != SERVER_SERVING)
        return UINT64_MAX;
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        if (jobs->jobs[i]->expires_at <= now)
            expire(jobs->jobs[i]);
        if (jobs->jobs[i]->expires_at < next)
            next = jobs->jobs[i]->expires_at;
    }
    if (jobs->unused_at <= now) {
        jobs->unused_at = UINT64_MAX;
        drop_unused(jobs);
    }
    return next < jobs->unused_at ? next : jobs->unused_at;
}
