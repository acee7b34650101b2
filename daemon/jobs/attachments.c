/* Finds attachments of datasets, and counts what they take (attachments.h). Called by
 * calls/attachment*.c, datasets.c and load_attachment.c. */
#include "jobs/attachments.h"

#include <stdio.h>
#include "jobs/datasets.h"
#include "jobs/names.h"

static struct attachment *shown(const struct dataset *dataset, struct evd_str name)
{
    struct attachment *attachment = dataset_attachment(dataset, name);

    return attachment && !attachment->dropping ? attachment : NULL;
}

#define ANY_KIND -1

/* The newest other version of the dataset that has one of that name and kind; 0: none. */
static uint32_t other_version(const struct jobs *jobs, const struct dataset *dataset,
                              struct evd_str name, int kind)
{
    struct evd_str own = {dataset->name, (uint32_t)strlen(dataset->name)};

    for (uint32_t i = jobs->dataset_count; i-- > 0;) {
        const struct dataset *other = jobs->datasets[i].dataset;
        const struct attachment *attachment;

        if (other == dataset || jobs->datasets[i].dropping || name_compare(other->name, own) != 0)
            continue;
        attachment = shown(other, name);
        if (attachment && (kind == ANY_KIND || (int)attachment->form.kind == kind))
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
    version = other_version(jobs, dataset, name, ANY_KIND);
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

/* "it has "a", "b"", as far as there is room. */
static void list_kind(const struct dataset *dataset, enum attachment_kind kind, char *out,
                      size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < dataset->attachment_count && len < size; i++) {
        const struct attachment *attachment = dataset->attachments[i];

        if (attachment->form.kind == kind && !attachment->dropping && !attachment->damage)
            len += (size_t)snprintf(out + len, size - len, len ? ", \"%s\"" : "it has \"%s\"",
                                    attachment->name);
    }
    if (len == 0)
        snprintf(out, size, "it has none");
    else if (len >= size)
        snprintf(out + size - 4, 4, "...");
}

/* The command of evendraw that makes such. */
static const char *maker_of(enum attachment_kind kind)
{
    if (kind == ATTACHMENT_NEIGHBOURS)
        return "neighbours";
    return kind == ATTACHMENT_SELECTION ? "select" : "folds";
}

struct attachment *attachments_find_kind(struct jobs *jobs, const struct dataset *dataset,
                                         struct evd_str name, enum attachment_kind kind,
                                         struct evd_error *err)
{
    struct attachment *attachment = attachments_find(jobs, dataset, name, err);
    char known[128], older[80] = "", maker[128] = "", detail[EVD_MAX_NAME + 1] = "";
    uint32_t version;

    if (attachment || err->code != EVD_E_NOT_FOUND)
        return attachment;
    list_kind(dataset, kind, known, sizeof(known));
    version = other_version(jobs, dataset, name, kind);
    if (version > 0)
        snprintf(older, sizeof(older),
                 "; version %u has one, but its labels may be others: make it again", version);
    snprintf(maker, sizeof(maker), "; \"evendraw %s %.64s%s\" makes %s", maker_of(kind),
             dataset->name, kind == ATTACHMENT_FOLDS ? "" : " FEATURES.npy",
             kind == ATTACHMENT_SELECTION ? "one" : "them");
    if (name.len <= EVD_MAX_NAME)
        str_copy(detail, name);
    error_set(err, EVD_E_NOT_FOUND, detail,
              "dataset \"%.64s\" version %u has no attachment \"%.64s\" of the kind \"%s\": %s%s%s",
              dataset->name, dataset->version, detail, attachment_kind_word(kind), known, older,
              maker);
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
