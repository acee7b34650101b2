/* The table of jobs, sorted by name; and what is done to all of them. Called by calls/ and load.c.
 */
#include "jobs/jobs.h"

#include <assert.h>
#include "jobs/datasets.h"
#include "jobs/draft.h"
#include "jobs/drive.h"
#include "jobs/names.h"
#include "jobs/uses.h"

static const size_t column_width[COLUMN_COUNT] = {
#define COLUMN_WIDTH(id, name, type, of_samples) [COLUMN_##id] = sizeof(type),
    EVD_COLUMNS(COLUMN_WIDTH)
#undef COLUMN_WIDTH
};

/* Workers are numbered on from where the clock stands at the start, as if so many (a power of two)
 * had come each second: so their numbers are above those of an earlier daemon, and a client that
 * goes on with a list of that one misses none. */
#define WORKERS_A_SECOND 20

struct jobs *jobs_new(struct server *server, const struct jobs_ops *ops)
{
    struct jobs *jobs = calloc(1, sizeof(*jobs));

    if (!jobs)
        return NULL;
    jobs->server = server;
    jobs->ops = ops;
    jobs->next_id = 1;
    jobs->last_worker = server_wall(server) << WORKERS_A_SECOND;
    jobs->unused_at = UINT64_MAX;
    TAILQ_INIT(&jobs->orphans);
    atomic_init(&jobs->budget.used, 0);
    atomic_init(&jobs->budget.limit, UINT64_MAX); /* what is stored is loaded whatever it takes */
    for (int i = 0; i < COLUMN_COUNT; i++) {
        jobs->columns[i] = aligned_alloc(64, EVD_MAX_BATCH * column_width[i]);
        if (!jobs->columns[i]) {
            jobs_free(jobs);
            return NULL;
        }
    }
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    assert(jobs->stream_count == 0);
    while (jobs->job_count > 0) {
        struct job_entry *entry = jobs->jobs[jobs->job_count - 1];

        while (!TAILQ_EMPTY(&entry->acks))
            task_resume(TAILQ_FIRST(&entry->acks), EVD_E_SHUTTING_DOWN);
        jobs_remove(entry);
    }
    drafts_free(jobs);
    while (jobs->dataset_count > 0)
        datasets_remove(jobs, &jobs->datasets[jobs->dataset_count - 1]);
    free(jobs->jobs);
    free(jobs->datasets);
    free(jobs->scratch);
    for (int i = 0; i < COLUMN_COUNT; i++)
        free(jobs->columns[i]);
    free(jobs);
}

bool jobs_prepare(struct jobs *jobs, const struct plan *plan)
{
    size_t size = (plan_scratch_size(plan) + 63) / 64 * 64;
    void *scratch;

    if (size <= jobs->scratch_size)
        return true;
    scratch = aligned_alloc(64, size);
    if (!scratch)
        return false;
    free(jobs->scratch);
    jobs->scratch = scratch;
    jobs->scratch_size = size;
    return true;
}

uint64_t jobs_tick(struct jobs *jobs, uint64_t now)
{
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < jobs->job_count; i++) {
        uint64_t due = entry_tick(jobs->jobs[i], now);

        if (due < next)
            next = due;
    }
    drafts_tick(jobs);
    return next;
}

void jobs_drain(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->job_count; i++) {
        struct job_event event = {.kind = JOB_DRAIN};
        struct evd_error err;

        if (jobs->jobs[i]->job)
            entry_drive(jobs->jobs[i], &event, &err);
    }
}

void jobs_flush(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->job_count; i++)
        entry_flush(jobs->jobs[i]);
}

/* ---- by name ---- */

/* Where the names begin that come after this one; `least` 0: or are this one. A name is there twice
 * while a job takes another's place, which comes first. */
static uint32_t bound(const struct jobs *jobs, struct evd_str name, int least)
{
    uint32_t low = 0, high = jobs->job_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (name_compare(jobs->jobs[middle]->name, name) >= least)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t jobs_after(const struct jobs *jobs, struct evd_str name)
{
    return bound(jobs, name, 1);
}

struct job_entry *jobs_find(struct jobs *jobs, struct evd_str name)
{
    uint32_t at = bound(jobs, name, 0);

    if (at == jobs->job_count || name_compare(jobs->jobs[at]->name, name) != 0)
        return NULL;
    return jobs->jobs[at];
}

struct job_entry *jobs_find_live(struct jobs *jobs, struct evd_str name, struct evd_error *err)
{
    struct job_entry *entry = jobs_find(jobs, name);
    char detail[EVD_MAX_NAME + 1] = "";

    if (entry && entry->status == JOB_STATUS_LIVE)
        return entry;
    if (name.len <= EVD_MAX_NAME)
        str_copy(detail, name);
    if (!entry || entry->status == JOB_STATUS_CREATING)
        error_set(err, EVD_E_NOT_FOUND, detail,
                  "there is no job \"%s\": job.list shows what there is", detail);
    else if (entry->status == JOB_STATUS_FAILED)
        error_set(err, entry->failure.code, detail, "job \"%s\" is out of service: %s", detail,
                  entry->failure.message);
    else
        error_set(err, EVD_E_CONFLICT, detail, "job \"%s\" is being dropped", detail);
    return NULL;
}

struct job_entry *jobs_insert(struct jobs *jobs, struct evd_str name, struct dataset *dataset)
{
    struct job_entry **grown =
        table_grow(jobs->jobs, jobs->job_count, &jobs->job_cap, sizeof(struct job_entry *));
    struct job_entry *entry;
    uint32_t at;

    if (!grown)
        return NULL;
    jobs->jobs = grown;
    entry = entry_new(jobs, name, dataset);
    if (!entry)
        return NULL;
    at = jobs_after(jobs, name);
    memmove(&grown[at + 1], &grown[at], (jobs->job_count - at) * sizeof(struct job_entry *));
    grown[at] = entry;
    jobs->job_count++;
    return entry;
}

void jobs_remove(struct job_entry *entry)
{
    struct jobs *jobs = entry->jobs;
    uint32_t at = 0;

    assert(entry->status != JOB_STATUS_DROPPED);
    while (jobs->jobs[at] != entry)
        at++;
    memmove(&jobs->jobs[at], &jobs->jobs[at + 1],
            (jobs->job_count - at - 1) * sizeof(struct job_entry *));
    jobs->job_count--;
    entry_enter(entry, JOB_STATUS_DROPPED);
    uses_end_of_job(entry);
    job_free(entry->job);
    entry->job = NULL;
    tasks_of_dropped(jobs->server, entry);
    entry_unref(entry);
}
