/* job.info, and job.list in pages. */
#include "calls/handlers.h"
#include "calls/page.h"
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

/* What one answer looks at: where a job is, is asked of each of its ranks. */
#define RANKS_AT_ONCE (4u * EVD_MAX_WORLD)

/* A page of rows: those are counted before the first is packed. */
struct job_rows {
    const struct job_entry *entry[EVD_MAX_ROWS];
    uint32_t count;
    bool more;
};

/* Up to `count` jobs from `at` on in the table; fewer, but one, if they have many ranks. */
static void rows_take(struct job_rows *rows, const struct jobs *jobs, uint32_t at, uint32_t count)
{
    uint32_t ranks = 0;

    rows->count = 0;
    for (; at < jobs->job_count; at++) {
        const struct job_entry *entry = jobs->jobs[at];

        if (entry->status == JOB_STATUS_CREATING)
            continue;
        ranks += entry->job ? job_ranks(entry->job) : 0;
        if (rows->count == count || (rows->count > 0 && ranks > RANKS_AT_ONCE))
            break;
        rows->entry[rows->count++] = entry;
    }
    rows->more = at < jobs->job_count;
}

int do_job_list(struct call *call, const struct params_job_list *p)
{
    const struct jobs *jobs = call->server->jobs;
    struct job_rows rows;
    msgpack_packer *pk;
    uint32_t count;

    if (rows_of(p->has_count, p->count, &count, &call->err) != EVD_OK)
        return call->err.code;
    rows_take(&rows, jobs, p->has_after ? jobs_after(jobs, p->after) : 0, count);
    pk = answer_begin(&call->ticket);
    pack_key_array(pk, "jobs", rows.count);
    for (uint32_t i = 0; i < rows.count; i++)
        reply_job_row(pk, rows.entry[i]);
    pack_key_bool(pk, "more", rows.more);
    return answer_end(&call->ticket);
}
