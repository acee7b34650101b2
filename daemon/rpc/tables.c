#include "rpc/core.h"

#include <stdlib.h>
#include <string.h>

/* A peer's name may hold anything, NUL and far more bytes than ours. */
static int compare(const char *known, struct evd_str name)
{
    size_t len = strlen(known);
    int order = memcmp(known, name.data, len < name.len ? len : name.len);

    return order ? order : (len > name.len) - (len < name.len);
}

/* Room for one more element; *cap is doubled as needed. NULL without memory. */
static void *grow(void *array, uint32_t count, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? *cap * 2 : 16;
    void *grown;

    if (count < *cap)
        return array;
    grown = realloc(array, more * size);
    if (grown)
        *cap = more;
    return grown;
}

/* ---- datasets: sorted by name, then version ---- */

struct dataset *datasets_find(struct rpc *rpc, struct evd_str name, uint32_t version,
                              struct evd_error *err)
{
    char detail[EVD_MAX_NAME + 1] = "";
    bool other = false;

    for (uint32_t i = rpc->dataset_count; i-- > 0;) {
        struct dataset *dataset = rpc->datasets[i].dataset;

        if (rpc->datasets[i].dropping || compare(dataset->name, name) != 0)
            continue;
        if (version == 0 || dataset->version == version)
            return dataset;
        other = true;
    }
    if (name.len <= EVD_MAX_NAME)
        str_copy(detail, name);
    if (other)
        error_set(err, EVD_E_NOT_FOUND, detail,
                  "dataset \"%s\" has no version %u: dataset.list shows what there is", detail,
                  version);
    else
        error_set(err, EVD_E_NOT_FOUND, detail,
                  "there is no dataset \"%s\": dataset.list shows what there is", detail);
    return NULL;
}

uint32_t datasets_highest(struct rpc *rpc, struct evd_str name)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < rpc->dataset_count; i++) {
        const struct dataset *dataset = rpc->datasets[i].dataset;

        if (compare(dataset->name, name) == 0 && dataset->version > highest)
            highest = dataset->version;
    }
    return highest;
}

bool datasets_insert(struct rpc *rpc, struct dataset *dataset)
{
    struct evd_str name = {dataset->name, (uint32_t)strlen(dataset->name)};
    struct dataset_entry *grown =
        grow(rpc->datasets, rpc->dataset_count, &rpc->dataset_cap, sizeof(*grown));
    uint32_t at = rpc->dataset_count;

    if (!grown)
        return false;
    rpc->datasets = grown;
    while (at > 0) {
        const struct dataset *before = grown[at - 1].dataset;
        int order = compare(before->name, name);

        if (order < 0 || (order == 0 && before->version < dataset->version))
            break;
        at--;
    }
    memmove(&grown[at + 1], &grown[at], (rpc->dataset_count - at) * sizeof(*grown));
    grown[at] = (struct dataset_entry){.dataset = dataset};
    rpc->dataset_count++;
    return true;
}

struct dataset_entry *datasets_entry(struct rpc *rpc, const struct dataset *dataset)
{
    for (uint32_t i = 0; i < rpc->dataset_count; i++) {
        if (rpc->datasets[i].dataset == dataset)
            return &rpc->datasets[i];
    }
    return NULL;
}

void datasets_remove(struct rpc *rpc, struct dataset_entry *entry)
{
    size_t at = (size_t)(entry - rpc->datasets);

    dataset_free(entry->dataset);
    memmove(entry, entry + 1, (rpc->dataset_count - at - 1) * sizeof(*entry));
    rpc->dataset_count--;
}

/* ---- jobs: sorted by name ---- */

struct job_entry *entry_find(struct rpc *rpc, struct evd_str name)
{
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        if (compare(rpc->jobs[i]->name, name) == 0)
            return rpc->jobs[i];
    }
    return NULL;
}

struct job_entry *entry_find_live(struct rpc *rpc, struct evd_str name, struct evd_error *err)
{
    struct job_entry *entry = entry_find(rpc, name);
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

struct job_entry *entry_new(struct rpc *rpc, struct evd_str name, struct dataset *dataset)
{
    struct job_entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->rpc = rpc;
    entry->refs = 1;
    entry->flush_at = UINT64_MAX;
    str_copy(entry->name, name);
    entry->name_len = name.len;
    entry->dataset = dataset;
    entry->config.reach = (uint32_t)rpc->host.limits.outstanding;
    if (dataset)
        dataset->users++;
    return entry;
}

struct job_entry *entry_insert(struct rpc *rpc, struct evd_str name, struct dataset *dataset)
{
    struct job_entry **grown =
        grow(rpc->jobs, rpc->job_count, &rpc->job_cap, sizeof(struct job_entry *));
    struct job_entry *entry;
    uint32_t at = rpc->job_count;

    if (!grown)
        return NULL;
    rpc->jobs = grown;
    entry = entry_new(rpc, name, dataset);
    if (!entry)
        return NULL;
    while (at > 0 && compare(grown[at - 1]->name, name) > 0)
        at--;
    memmove(&grown[at + 1], &grown[at], (rpc->job_count - at) * sizeof(struct job_entry *));
    grown[at] = entry;
    rpc->job_count++;
    return entry;
}

void entry_remove(struct job_entry *entry)
{
    struct rpc *rpc = entry->rpc;
    uint32_t at = 0;

    while (rpc->jobs[at] != entry)
        at++;
    memmove(&rpc->jobs[at], &rpc->jobs[at + 1],
            (rpc->job_count - at - 1) * sizeof(struct job_entry *));
    rpc->job_count--;
    entry->status = JOB_STATUS_DROPPED;
    job_free(entry->job);
    entry->job = NULL;
    entry_unref(entry);
}

void entry_ref(struct job_entry *entry)
{
    entry->refs++;
}

void entry_unref(struct job_entry *entry)
{
    if (--entry->refs > 0)
        return;
    records_fini(&entry->records);
    job_stats_free(entry->stats);
    entry->rpc->reported -= feedback_memory(entry->feedback);
    feedback_free(entry->feedback);
    adaptive_free(entry->adaptive);
    if (entry->dataset)
        entry->dataset->users--;
    free(entry);
}

struct plan_base entry_plan_base(const struct job_entry *entry)
{
    return (struct plan_base){
        .dataset = entry->dataset,
        .seed = entry->seed,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
        .budget = &entry->rpc->budget,
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
                              entry->rpc->host.wall(entry->rpc->host.arg));
}
