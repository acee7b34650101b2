/* job.info, job.list, job.drop: what asks and what ends. */
#include "calls/handlers.h"
#include "calls/replies.h"
#include "calls/stream_send.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "server/task.h"

int do_job_info(struct call *call, const struct params_job_info *p)
{
    struct job_entry *entry = jobs_find(call->server->jobs, p->job);

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    if (!entry)
        return call->err.code;
    reply_job(answer_begin(&call->ticket), entry);
    return answer_end(&call->ticket);
}

static bool listed(const struct job_entry *entry)
{
    return entry->status != JOB_STATUS_CREATING;
}

int do_job_list(struct call *call, const struct params_job_list *p)
{
    struct jobs *jobs = call->server->jobs;
    msgpack_packer *pk = answer_begin(&call->ticket);
    uint32_t count = 0;

    (void)p;
    for (uint32_t i = 0; i < jobs->job_count; i++)
        count += listed(jobs->jobs[i]);
    pack_key_array(pk, "jobs", count);
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        if (listed(jobs->jobs[i]))
            reply_job_row(pk, jobs->jobs[i]);
    }
    return answer_end(&call->ticket);
}

/* ---- job.drop ---- */

struct job_drop {
    struct task task; /* first; of the job's entry */
    struct store_op op;
    enum job_status before;
};

static void drop_fini(struct task *task)
{
    struct job_drop *drop = (struct job_drop *)task;

    if (task->entry->status == JOB_STATUS_DROPPING)
        entry_enter(task->entry, drop->before);
}

static int dropped(struct task *task)
{
    struct job_entry *entry = task->entry;
    struct stream *stream;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    while ((stream = TAILQ_FIRST(&entry->streams))) {
        stream_say_closed(stream, EVD_E_NOT_FOUND,
                          "the job was dropped: there is nothing more to come");
        stream_discard(stream); /* its worker goes with the job */
    }
    while (!TAILQ_EMPTY(&entry->acks))
        task_resume(TAILQ_FIRST(&entry->acks), EVD_E_NOT_FOUND);
    jobs_remove(entry);
    pk = task_answer(task);
    pack_key_cstr(pk, "job", entry->name);
    return task_done(task);
}

static struct job_entry *find_droppable(struct call *call, const struct params_job_drop *p)
{
    struct job_entry *entry = jobs_find(call->server->jobs, p->job);
    struct job_state state;

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    if (!entry)
        return NULL;
    if (p->force || !entry->job)
        return entry;
    if (entry->change) {
        error_set(&call->err, EVD_E_CONFLICT, entry->name,
                  "job \"%s\" is being changed: try again when that is done, or use \"force\"",
                  entry->name);
        return NULL;
    }
    job_state(entry->job, &state);
    if (state.streams > 0) {
        error_set(&call->err, EVD_E_CONFLICT, entry->name,
                  "workers are attached to job \"%s\": stop them first, or use \"force\"",
                  entry->name);
        return NULL;
    }
    return entry;
}

int do_job_drop(struct call *call, const struct params_job_drop *p)
{
    struct job_entry *entry = find_droppable(call, p);
    struct job_drop *drop;

    if (!entry)
        return call->err.code;
    drop = task_new(call, sizeof(*drop), entry, drop_fini);
    if (!drop)
        return call->err.code;
    drop->before = entry->status;
    entry_enter(entry, JOB_STATUS_DROPPING);
    drop->op.kind = STORE_JOB_DROP;
    drop->op.job.id = entry->id;
    return task_begin(&drop->task, task_store(&drop->task, &drop->op, dropped), call);
}
