/* Reads attachments back into their datasets, and keeps what is damaged as what it is
 * (load_attachment.h). */
#include "jobs/load_attachment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/facts.h"
#include "jobs/attachments.h"
#include "jobs/datasets.h"

static struct evd_str text_of(const char *text)
{
    return (struct evd_str){text, (uint32_t)strlen(text)};
}

static int damaged(const struct attachment_load *load, const char *what, struct evd_error *err)
{
    return error_set(err, EVD_E_STORE, load->name, "%s", what);
}

static struct dataset *find_dataset(const struct jobs *jobs, uint64_t id)
{
    for (uint32_t i = 0; i < jobs->dataset_count; i++) {
        if (jobs->datasets[i].dataset->id == id)
            return jobs->datasets[i].dataset;
    }
    return NULL;
}

/* False: it is none that can have been written. */
static bool read_form(struct attachment_form *form, const struct store_attachment *row,
                      const struct dataset *dataset)
{
    int kind = attachment_kind_find(text_of(row->kind));
    uint32_t most = kind == ATTACHMENT_NEIGHBOURS ? EVD_MAX_NEIGHBOURS
                    : kind == ATTACHMENT_FOLDS    ? EVD_MAX_FOLDS
                                                  : 1;

    if (kind < 0 || row->width == 0 || row->width > most || strlen(row->metric) > EVD_MAX_NAME)
        return false;
    *form = (struct attachment_form){.kind = (enum attachment_kind)kind,
                                     .width = row->width,
                                     .by_class = strcmp(row->scope, "class") == 0};
    strcpy(form->metric, row->metric);
    return strcmp(attachment_scope_word(form), row->scope) == 0 &&
           row->samples == dataset->index.samples;
}

/* Its name, or one in place of it. */
static bool read_name(struct attachment_load *load)
{
    struct evd_str name = text_of(load->row.name);
    struct evd_error err;
    bool valid = name_check_stored(name, "attachment", &err) == EVD_OK &&
                 !(load->dataset && dataset_attachment(load->dataset, name));

    if (valid)
        str_copy(load->name, name);
    else
        snprintf(load->name, sizeof(load->name), "damaged-%" PRIu64, load->row.id);
    return valid;
}

/* What it points to is gone when the row is. */
static int keep_facts(struct attachment_load *load, struct evd_error *err)
{
    void *facts = malloc(load->row.facts_bytes);

    if (!facts)
        return error_no_memory(err);
    memcpy(facts, load->row.facts, load->row.facts_bytes);
    attachment_builder_say(load->builder, facts, load->row.facts_bytes);
    return EVD_OK;
}

int attachment_load_begin(struct attachment_load *load, const struct store_attachment *attachment,
                          struct evd_error *err)
{
    load->row = *attachment;
    load->form = (struct attachment_form){0};
    load->dataset = find_dataset(load->jobs, attachment->dataset);
    if (!read_name(load))
        return damaged(load, "its name is not valid, or there is another of it", err);
    if (!load->dataset || load->dataset->damage)
        return damaged(load, "its dataset is damaged, or not there", err);
    if (!read_form(&load->form, attachment, load->dataset))
        return damaged(load, "it is of no form that there is", err);
    if (facts_check(attachment->facts, attachment->facts_bytes, err) != EVD_OK)
        return err->code;
    load->builder = attachment_builder_new(&load->form, attachment->samples);
    return load->builder ? keep_facts(load, err) : error_no_memory(err);
}

int attachment_load_rows(struct attachment_load *load, const struct store_rows *rows,
                         struct evd_error *err)
{
    uint64_t end = attachment_builder_samples(load->builder) + rows->n;
    int code = attachment_builder_append(load->builder, rows->rows, rows->rows_bytes,
                                         rows->distances, rows->distances_bytes, err);

    /* What the builder says is meant for who sends an attachment. */
    if (code == EVD_OK ? attachment_builder_samples(load->builder) != end : code != EVD_E_NO_MEMORY)
        return damaged(load, "rows or distances in it are not valid", err);
    return code;
}

int attachment_load_end(struct attachment_load *load, struct evd_error *err)
{
    struct attachment *attachment;
    int code = attachment_build(load->builder, load->dataset, NULL, &attachment, err);

    if (code != EVD_OK)
        return code == EVD_E_NO_MEMORY ? code : damaged(load, "rows in it are not valid", err);
    load->builder = NULL;
    str_copy(attachment->name, text_of(load->name));
    attachment->id = load->row.id;
    attachment->created = load->row.created;
    if (attachment->digest != load->row.digest)
        code = damaged(load, "its digest is another", err);
    else if (!attachments_add(load->jobs, load->dataset, attachment))
        code = error_no_memory(err);
    if (code != EVD_OK)
        attachment_free(attachment);
    return code;
}

/* Only what it is called and like is known of it. */
static struct attachment *without_rows(const struct attachment_load *load, const char *why)
{
    struct attachment *attachment = calloc(1, sizeof(*attachment));

    if (!attachment)
        return NULL;
    str_copy(attachment->name, text_of(load->name));
    attachment->id = load->row.id;
    attachment->created = load->row.created;
    attachment->digest = load->row.digest;
    attachment->samples = load->row.samples;
    attachment->form = load->form;
    attachment->facts = malloc(1);
    attachment->damage = strdup(why);
    if (!attachment->facts || !attachment->damage) {
        attachment_free(attachment);
        return NULL;
    }
    *(uint8_t *)attachment->facts = 0x80; /* nothing */
    attachment->facts_bytes = 1;
    return attachment;
}

int attachment_load_damaged(struct attachment_load *load, const struct evd_error *why,
                            struct evd_error *err)
{
    const struct dataset *dataset = load->dataset;
    struct attachment *attachment;
    char text[sizeof(why->message) + 2 * EVD_MAX_NAME + 160];

    attachment_builder_free(load->builder);
    load->builder = NULL;
    if (dataset && dataset->damage) /* it goes with that, or comes back with it */
        return EVD_OK;
    if (!dataset) {
        server_warn(load->jobs->server,
                    "attachment \"%s\" in the database is of a dataset that is not there",
                    load->name);
        return EVD_OK;
    }
    snprintf(
        text, sizeof(text),
        "attachment \"%s\" of dataset \"%s\" version %u is damaged in the database (%s): restore "
        "the file from a backup, or drop the attachment and make it again",
        load->name, dataset->name, dataset->version, why->message);
    attachment = without_rows(load, text);
    if (!attachment || !attachments_add(load->jobs, load->dataset, attachment)) {
        attachment_free(attachment);
        return error_no_memory(err);
    }
    server_warn(load->jobs->server, "%s", text);
    return EVD_OK;
}
