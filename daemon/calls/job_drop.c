/* job.drop: a job ends, with all that its workers had of it (job_drop.h). */
#include "calls/job_drop.h"

#include "calls/handlers.h"
#include "calls/stream_send.h"
#include "jobs/jobs.h"
#include "server/task.h"

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

void job_discard(struct job_entry *entry)
{
    while (entry->stream_count > 0) {
        struct stream *stream = entry->streams[entry->stream_count - 1];

        stream_say_closed(stream, EVD_E_NOT_FOUND,
                          "the job was dropped: there is nothing more to come");
        stream_discard(stream); /* its worker goes with the job */
    }
    while (!TAILQ_EMPTY(&entry->acks))
        task_resume(TAILQ_FIRST(&entry->acks), EVD_E_NOT_FOUND);
    jobs_remove(entry);
}

static int dropped(struct task *task)
{
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    job_discard(task->entry);
    pk = task_answer(task);
    pack_key_cstr(pk, "job", task->entry->name);
    return task_done(task);
}

int job_droppable(const struct job_entry *entry, struct evd_error *err)
{
    struct job_state state;

    if (!entry->job)
        return EVD_OK;
    if (entry->change)
        return error_set(err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed: try again when that is done, or use "
                         "\"force\" of job.drop",
                         entry->name);
    job_state(entry->job, &state);
    if (state.streams > 0)
        return error_set(err, EVD_E_CONFLICT, entry->name,
                         "workers are attached to job \"%s\": stop them first, or use \"force\" of "
                         "job.drop",
                         entry->name);
    return EVD_OK;
}

int do_job_drop(struct call *call, const struct params_job_drop *p)
{
    struct job_entry *entry = jobs_find(call->server->jobs, p->job);
    struct job_drop *drop;

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    if (!entry || (!p->force && job_droppable(entry, &call->err) != EVD_OK))
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
