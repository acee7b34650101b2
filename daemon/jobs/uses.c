/* Counts who uses ephemeral jobs and owned datasets (uses.h). */
#include "jobs/uses.h"

#include <stdlib.h>
#include "jobs/datasets.h"
#include "jobs/entry.h"

#define AWAIT_MS 3600000u

/* ---- uses ---- */

static struct use *find(struct session *session, const struct job_entry *entry,
                        const struct dataset *dataset)
{
    struct use *use;

    TAILQ_FOREACH(use, &session->uses, in_session) {
        if (use->entry == entry && use->dataset == dataset)
            return use;
    }
    return NULL;
}

static struct use *use_new(struct session *session, struct job_entry *entry,
                           struct dataset *dataset, struct evd_error *err)
{
    struct use *use = calloc(1, sizeof(*use));

    if (!use) {
        error_no_memory(err);
        return NULL;
    }
    session->server->jobs->used += sizeof(*use);
    *use = (struct use){.session = session, .entry = entry, .dataset = dataset};
    TAILQ_INSERT_HEAD(&session->uses, use, in_session);
    return use;
}

int use_job(struct session *session, struct job_entry *entry, struct evd_error *err)
{
    struct use *use;

    if (entry->ephemeral == 0 || find(session, entry, NULL))
        return EVD_OK;
    use = use_new(session, entry, NULL, err);
    if (!use)
        return err->code;
    TAILQ_INSERT_HEAD(&entry->uses, use, in_entry);
    entry->expires_at = UINT64_MAX;
    return EVD_OK;
}

int use_dataset(struct session *session, struct dataset *dataset, struct evd_error *err)
{
    if (find(session, NULL, dataset))
        return EVD_OK;
    if (!use_new(session, NULL, dataset, err))
        return err->code;
    dataset->users++;
    return EVD_OK;
}

static void use_end(struct use *use)
{
    struct jobs *jobs = use->session->server->jobs;
    struct job_entry *entry = use->entry;

    TAILQ_REMOVE(&use->session->uses, use, in_session);
    if (entry) {
        TAILQ_REMOVE(&entry->uses, use, in_entry);
        if (TAILQ_EMPTY(&entry->uses))
            entry_expire_in(entry, entry->ephemeral);
    } else {
        dataset_release(jobs, use->dataset);
    }
    jobs->used -= sizeof(*use);
    free(use);
}

void use_dataset_end(struct session *session, struct dataset *dataset)
{
    struct use *use = find(session, NULL, dataset);

    if (use)
        use_end(use);
}

void uses_end(struct session *session)
{
    while (!TAILQ_EMPTY(&session->uses))
        use_end(TAILQ_FIRST(&session->uses));
}

void uses_end_of_job(struct job_entry *entry)
{
    while (!TAILQ_EMPTY(&entry->uses))
        use_end(TAILQ_FIRST(&entry->uses));
}

void uses_await(struct job_entry *entry)
{
    if (entry->ephemeral > 0)
        entry_expire_in(entry, entry->ephemeral > AWAIT_MS ? entry->ephemeral : AWAIT_MS);
}
