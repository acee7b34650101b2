/* job.info and job.list. */
#include "calls/handlers.h"
#include "calls/replies.h"
#include "calls/shown.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"

static void answer_info(msgpack_packer *pk, const struct job_entry *entry,
                        const struct revision *const *revisions, uint32_t count,
                        const struct shown *shown)
{
    (void)revisions;
    (void)count;
    reply_job(pk, entry, shown);
}

int do_job_info(struct call *call, const struct params_job_info *p)
{
    static const struct show info = {reply_job_shows, answer_info};
    struct job_entry *entry = jobs_find(call->server->jobs, p->job);

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    if (!entry)
        return call->err.code;
    return show(call, entry, &info);
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
