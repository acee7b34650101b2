/* Finds attachments of datasets, and counts what they take (attachments.h). Called by
 * calls/attachment*.c, datasets.c and load_attachment.c. */
#include "jobs/attachments.h"

#include "jobs/datasets.h"
#include "jobs/names.h"

static struct attachment *shown(const struct dataset *dataset, struct evd_str name)
{
    struct attachment *attachment = dataset_attachment(dataset, name);

    return attachment && !attachment->dropping ? attachment : NULL;
}

/* The newest other version of the dataset that has one of that name; 0: none. */
static uint32_t other_version(const struct jobs *jobs, const struct dataset *dataset,
                              struct evd_str name)
{
    struct evd_str own = {dataset->name, (uint32_t)strlen(dataset->name)};

    for (uint32_t i = jobs->dataset_count; i-- > 0;) {
        const struct dataset *other = jobs->datasets[i].dataset;

        if (other != dataset && !jobs->datasets[i].dropping &&
            name_compare(other->name, own) == 0 && shown(other, name))
            return other->version;
    }
    return 0;
}

struct attachment *attachments_find_any(struct jobs *jobs, const struct dataset *dataset,
                                        struct evd_str name, struct evd_error *err)
{
    struct attachment *attachment = shown(dataset, name);
    char detail[EVD_MAX_NAME + 1] = "";
    uint32_t version;

    if (attachment)
        return attachment;
    if (name.len <= EVD_MAX_NAME)
        str_copy(detail, name);
    version = other_version(jobs, dataset, name);
    if (version > 0)
        error_set(err, EVD_E_NOT_FOUND, detail,
                  "dataset \"%s\" version %u has no attachment \"%s\", but version %u has one: its "
                  "labels may be others, so make it again for this version",
                  dataset->name, dataset->version, detail, version);
    else
        error_set(err, EVD_E_NOT_FOUND, detail,
                  "dataset \"%s\" version %u has no attachment \"%s\": attachment.list shows what "
                  "it has",
                  dataset->name, dataset->version, detail);
    return NULL;
}

struct attachment *attachments_find(struct jobs *jobs, const struct dataset *dataset,
                                    struct evd_str name, struct evd_error *err)
{
    struct attachment *attachment = attachments_find_any(jobs, dataset, name, err);

    if (!attachment || !attachment->damage)
        return attachment;
    error_set(err, EVD_E_STORE, attachment->name, "%s", attachment->damage);
    return NULL;
}

bool attachments_add(struct jobs *jobs, struct dataset *dataset, struct attachment *attachment)
{
    if (!dataset_attach(dataset, attachment))
        return false;
    jobs->attached += attachment_memory(attachment);
    return true;
}

void attachments_remove(struct jobs *jobs, struct dataset *dataset, struct attachment *attachment)
{
    jobs->attached -= attachment_memory(attachment);
    dataset_detach(dataset, attachment);
}
