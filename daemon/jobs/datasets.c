/* The table of datasets, sorted by name, then version. Called by calls/ and load.c. */
#include "jobs/datasets.h"

#include <assert.h>
#include "dataset/attachment.h"
#include "jobs/names.h"

struct dataset *datasets_find_any(struct jobs *jobs, struct evd_str name, uint32_t version,
                                  struct evd_error *err)
{
    char detail[EVD_MAX_NAME + 1] = "";
    bool other = false;

    for (uint32_t i = jobs->dataset_count; i-- > 0;) {
        struct dataset *dataset = jobs->datasets[i].dataset;

        if (jobs->datasets[i].dropping || name_compare(dataset->name, name) != 0)
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

struct dataset *datasets_find(struct jobs *jobs, struct evd_str name, uint32_t version,
                              struct evd_error *err)
{
    struct dataset *dataset = datasets_find_any(jobs, name, version, err);

    if (!dataset || !dataset->damage)
        return dataset;
    error_set(err, EVD_E_STORE, dataset->name, "%s", dataset->damage);
    return NULL;
}

uint32_t datasets_highest(const struct jobs *jobs, struct evd_str name)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        const struct dataset *dataset = jobs->datasets[i].dataset;

        if (name_compare(dataset->name, name) == 0 && dataset->version > highest)
            highest = dataset->version;
    }
    return highest;
}

uint32_t datasets_after(const struct jobs *jobs, struct evd_str name, uint32_t version)
{
    uint32_t low = 0, high = jobs->dataset_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct dataset *dataset = jobs->datasets[middle].dataset;
        int order = name_compare(dataset->name, name);

        if (order > 0 || (order == 0 && dataset->version > version))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool datasets_insert(struct jobs *jobs, struct dataset *dataset)
{
    struct evd_str name = {dataset->name, (uint32_t)strlen(dataset->name)};
    struct dataset_entry *grown =
        table_grow(jobs->datasets, jobs->dataset_count, &jobs->dataset_cap, sizeof(*grown));
    uint32_t at;

    if (!grown)
        return false;
    jobs->datasets = grown;
    at = datasets_after(jobs, name, dataset->version);
    memmove(&grown[at + 1], &grown[at], (jobs->dataset_count - at) * sizeof(*grown));
    grown[at] = (struct dataset_entry){.dataset = dataset};
    jobs->dataset_count++;
    jobs->dataset_bytes += dataset_memory(dataset);
    return true;
}

void dataset_release(struct jobs *jobs, struct dataset *dataset)
{
    assert(dataset->users > 0);
    if (--dataset->users == 0 && dataset->owned)
        datasets_sweep_in(jobs, 0);
}

void datasets_sweep_in(struct jobs *jobs, uint64_t ms)
{
    jobs->unused_at = server_now(jobs->server) + ms;
    server_wake_at(jobs->server, jobs->unused_at);
}

void datasets_not_dropped(struct jobs *jobs, struct dataset *dataset)
{
    datasets_entry(jobs, dataset)->dropping = false;
    if (dataset->owned)
        datasets_sweep_in(jobs, RETRY_MS);
}

struct dataset *datasets_twin(const struct jobs *jobs, const struct dataset *dataset)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        struct dataset *other = jobs->datasets[i].dataset;

        if (other->checksum == dataset->checksum && !jobs->datasets[i].dropping && !other->damage)
            return other;
    }
    return NULL;
}

struct dataset_entry *datasets_entry(struct jobs *jobs, const struct dataset *dataset)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        if (jobs->datasets[i].dataset == dataset)
            return &jobs->datasets[i];
    }
    return NULL;
}

void datasets_remove(struct jobs *jobs, struct dataset_entry *entry)
{
    struct dataset *dataset = entry->dataset;
    size_t at = (size_t)(entry - jobs->datasets);

    for (uint32_t i = 0; i < dataset->attachment_count; i++)
        jobs->attached -= attachment_memory(dataset->attachments[i]);
    dataset_detach_all(dataset);
    jobs->dataset_bytes -= dataset_memory(dataset);
    dataset_free(dataset);
    memmove(entry, entry + 1, (jobs->dataset_count - at - 1) * sizeof(*entry));
    jobs->dataset_count--;
}
