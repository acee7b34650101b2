/* What datasets, attachments, drafts, jobs with what is recorded of them, plans, reports and uses
 * take together, and the limit there may be. */
#include "jobs/memory.h"

#include "jobs/attachments.h"
#include "jobs/datasets.h"
#include "jobs/draft.h"
#include "jobs/entry.h"

static uint64_t datasets_memory(const struct jobs *jobs)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < jobs->dataset_count; i++)
        bytes += dataset_memory(jobs->datasets[i].dataset);
    return bytes;
}

/* Without their plans. */
static uint64_t jobs_memory(const struct jobs *jobs)
{
    uint64_t bytes = jobs->counted;

    for (uint32_t i = 0; i < jobs->job_count; i++) {
        const struct job *job = jobs->jobs[i]->job;

        bytes +=
            sizeof(*jobs->jobs[i]) + jobs->jobs[i]->records.bytes + (job ? job_memory(job) : 0);
    }
    return bytes;
}

static uint64_t data_memory(const struct jobs *jobs)
{
    return jobs_memory(jobs) + datasets_memory(jobs) + attachments_memory(jobs) +
           drafts_memory(jobs) + jobs->reported + jobs->used;
}

uint64_t memory_used(const struct jobs *jobs)
{
    return data_memory(jobs) + atomic_load(&jobs->budget.used);
}

uint64_t memory_spare(const struct jobs *jobs)
{
    uint64_t used = memory_used(jobs), limit = jobs->server->host.limits.memory;

    if (limit == 0)
        return UINT64_MAX;
    return used < limit ? limit - used : 0;
}

void memory_count(const struct jobs *jobs, struct holds *out)
{
    out->datasets = datasets_memory(jobs);
    out->attachments = attachments_memory(jobs);
    out->drafts = drafts_memory(jobs);
    out->jobs = jobs_memory(jobs);
    out->strategies = atomic_load(&jobs->budget.used);
    out->reports = jobs->reported + jobs->server->scrapped;
    out->uses = jobs->used;
}

void memory_update(struct jobs *jobs)
{
    uint64_t data = data_memory(jobs), limit = jobs->server->host.limits.memory;

    atomic_store(&jobs->budget.limit, limit == 0 ? UINT64_MAX : limit > data ? limit - data : 0);
}

int memory_room(struct jobs *jobs, uint64_t more, const char *what, struct evd_error *err)
{
    uint64_t used = memory_used(jobs), limit = jobs->server->host.limits.memory;

    if (more <= memory_spare(jobs))
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "memory",
                     "%s needs %.1f MB more, and datasets and jobs take %.1f of the %.1f MB they "
                     "may have: drop some, or start evendrawd with a larger --memory-limit",
                     what, (double)more / 1e6, (double)used / 1e6, (double)limit / 1e6);
}
