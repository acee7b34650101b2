/*
 * The table of datasets: committed versions, sorted by name, then version.
 */
#ifndef JOBS_DATASETS_H
#define JOBS_DATASETS_H

#include "jobs/state.h"

struct dataset_entry {
    struct dataset *dataset;
    bool dropping; /* until the store has answered; nobody finds it */
};

/* version 0: the newest. NULL and NOT_FOUND, or STORE if it is damaged. */
struct dataset *datasets_find(struct jobs *jobs, struct evd_str name, uint32_t version,
                              struct evd_error *err);
/* The same, damaged or not: to tell of it, or to drop it. */
struct dataset *datasets_find_any(struct jobs *jobs, struct evd_str name, uint32_t version,
                                  struct evd_error *err);
/* The highest version that there is, 0: none. */
uint32_t datasets_highest(const struct jobs *jobs, struct evd_str name);
/* Where in the table those begin that come after this version, whether it is there or not. */
uint32_t datasets_after(const struct jobs *jobs, struct evd_str name, uint32_t version);
/* Takes the dataset over; false without memory. */
bool datasets_insert(struct jobs *jobs, struct dataset *dataset) MUST_CHECK;
/* One user less of a dataset, and perhaps none any more. */
void dataset_release(struct jobs *jobs, struct dataset *dataset);
/* The store could not drop it: it is as it was, and tried again if it was to go by itself. */
void datasets_not_dropped(struct jobs *jobs, struct dataset *dataset);
/* In so many ms, owned ones without a user are looked for (expiry.h). */
void datasets_sweep_in(struct jobs *jobs, uint64_t ms);
/* One whose checksum says that it holds the same; NULL: none. */
struct dataset *datasets_twin(const struct jobs *jobs, const struct dataset *dataset);
struct dataset_entry *datasets_entry(struct jobs *jobs, const struct dataset *dataset);
void datasets_remove(struct jobs *jobs, struct dataset_entry *entry);

#endif
