/* One job's entry: its life, and what can be asked of it (entry.h). */
#include "jobs/entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/datasets.h"

struct job_entry *entry_new(struct jobs *jobs, struct evd_str name, struct dataset *dataset)
{
    struct job_entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->jobs = jobs;
    entry->refs = 1;
    entry->flush_at = UINT64_MAX;
    entry->expires_at = UINT64_MAX;
    TAILQ_INIT(&entry->acks);
    TAILQ_INIT(&entry->uses);
    str_copy(entry->name, name);
    entry->name_len = name.len;
    entry->dataset = dataset;
    entry->config.reach = (uint32_t)jobs->server->host.limits.outstanding;
    if (dataset)
        dataset->users++;
    return entry;
}

void entry_enter(struct job_entry *entry, enum job_status to)
{
    static const uint8_t from[] = {
        [JOB_STATUS_CREATING] = 0,
        [JOB_STATUS_LIVE] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_DROPPING,
        [JOB_STATUS_FAILED] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_DROPPING,
        [JOB_STATUS_DROPPING] = 1u << JOB_STATUS_LIVE | 1u << JOB_STATUS_FAILED,
        /* From any of them, when the daemon ends. */
        [JOB_STATUS_DROPPED] = 1u << JOB_STATUS_CREATING | 1u << JOB_STATUS_LIVE |
                               1u << JOB_STATUS_FAILED | 1u << JOB_STATUS_DROPPING,
    };

    assert(from[to] & 1u << entry->status);
    entry->status = to;
}

void entry_expire_in(struct job_entry *entry, uint64_t ms)
{
    struct server *server = entry->jobs->server;

    entry->expires_at = server_now(server) + ms;
    server_wake_at(server, entry->expires_at);
}

void entry_ref(struct job_entry *entry)
{
    entry->refs++;
}

void entry_unref(struct job_entry *entry)
{
    assert(entry->refs > 0);
    if (--entry->refs > 0)
        return;
    assert(entry->stream_count == 0 && TAILQ_EMPTY(&entry->acks));
    assert(TAILQ_EMPTY(&entry->uses));
    entry->jobs->ops->entry_free(entry);
    records_fini(&entry->records);
    free(entry->streams);
    if (entry->dataset)
        dataset_release(entry->jobs, entry->dataset);
    free(entry);
}

struct plan_base entry_plan_base(const struct job_entry *entry)
{
    return (struct plan_base){
        .dataset = entry->dataset,
        .seed = entry->seed,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
        .budget = &entry->jobs->budget,
    };
}

struct position_owner entry_position_owner(const struct job_entry *entry)
{
    return (struct position_owner){entry->name, entry->id, entry->dataset->checksum,
                                   &entry->records};
}

bool entry_note_world(struct job_entry *entry)
{
    return records_note_world(&entry->records, entry->job, entry->world_author,
                              server_wall(entry->jobs->server));
}

int entry_check_columns(const struct job_entry *entry, uint32_t columns, const struct plan *plan,
                        struct evd_error *err)
{
    uint32_t known = plan_columns_known(plan), missing = columns & ~known;
    char list[64] = "";

    if (!missing)
        return EVD_OK;
    for (uint32_t rest = known; rest; rest &= rest - 1) {
        size_t len = strlen(list);

        snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
                 column_name((enum column)__builtin_ctz(rest)));
    }
    return error_set(err, EVD_E_STRATEGY, "columns",
                     "job \"%s\": this strategy cannot answer the column \"%s\" that a worker "
                     "reads; it has %s",
                     entry->name, column_name((enum column)__builtin_ctz(missing)), list);
}

uint32_t entry_columns_read(const struct job_entry *entry)
{
    uint32_t columns = 0;

    for (int i = 0; i < COLUMN_COUNT; i++)
        columns |= entry->readers[i] > 0 ? 1u << i : 0;
    return columns;
}

uint64_t entry_memory(const struct job_entry *entry)
{
    uint64_t bytes = 0;

    if (!entry->job)
        return 0;
    for (uint32_t i = job_revisions(entry->job); i-- > 0;) {
        const struct plan *plan = job_revision(entry->job, i).plan;

        if (!plan)
            break;
        bytes += plan_memory(plan);
    }
    return bytes;
}
