/* What datasets, attachments, drafts, jobs with what is recorded of them, plans, reports and uses
 * take together, and the limit there may be. */
#include "jobs/memory.h"

#include "jobs/entry.h"

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
    return jobs_memory(jobs) + jobs->dataset_bytes + jobs->attached + jobs->drafted +
           jobs->reported + jobs->used;
}

uint64_t memory_used(const struct jobs *jobs)
{
    return data_memory(jobs) + atomic_load(&jobs->budget.used);
}

/* What there is room for besides so much. */
static uint64_t spare(const struct jobs *jobs, uint64_t used)
{
    uint64_t limit = jobs->server->host.limits.memory;

    if (limit == 0)
        return UINT64_MAX;
    return used < limit ? limit - used : 0;
}

uint64_t memory_spare(const struct jobs *jobs)
{
    return spare(jobs, memory_used(jobs));
}

void memory_count(const struct jobs *jobs, struct holds *out)
{
    out->datasets = jobs->dataset_bytes;
    out->attachments = jobs->attached;
    out->drafts = jobs->drafted;
    out->jobs = jobs_memory(jobs);
    out->strategies = atomic_load(&jobs->budget.used);
    out->reports = jobs->reported + jobs->server->scrapped;
    out->uses = jobs->used;
}

void memory_update(struct jobs *jobs)
{
    atomic_store(&jobs->budget.limit, spare(jobs, data_memory(jobs)));
}

int memory_room(struct jobs *jobs, uint64_t more, const char *what, struct evd_error *err)
{
    uint64_t used, limit = jobs->server->host.limits.memory;

    if (more == 0 || limit == 0)
        return EVD_OK;
    used = memory_used(jobs);
    if (more <= spare(jobs, used))
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "memory",
                     "%s needs %.1f MB more, and datasets and jobs take %.1f of the %.1f MB they "
                     "may have: drop some, or start evendrawd with a larger --memory-limit",
                     what, (double)more / 1e6, (double)used / 1e6, (double)limit / 1e6);
}
