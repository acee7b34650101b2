/* Reading back what is stored: datasets here, then attachments (load_attachment.c) and jobs with
 * their plans (restore.c). */
#include "jobs/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/datasets.h"
#include "jobs/jobs.h"
#include "jobs/load_attachment.h"
#include "jobs/restore.h"
#include "jobs/uses.h"

struct load {
    struct restoring restoring; /* first */
    struct jobs *jobs;
    struct store_dataset dataset; /* being read; its name is in `name` */
    char name[EVD_MAX_NAME + 1];
    struct dataset_builder *builder;
    struct attachment_load attachment;
};

static struct evd_str text_of(const char *text)
{
    return (struct evd_str){text, (uint32_t)strlen(text)};
}

/* ---- datasets ---- */

static int load_dataset_begin(void *arg, const struct store_dataset *dataset, struct evd_error *err)
{
    struct load *load = arg;
    const char *wrong = NULL;

    load->dataset = *dataset;
    if (name_check_stored(text_of(dataset->name), "dataset", err) != EVD_OK)
        wrong = "its name is not valid";
    else if (dataset->version == 0)
        wrong = "it has no version";
    else if (datasets_find_any(load->jobs, text_of(dataset->name), dataset->version, err))
        wrong = "there is another of its name and version";
    if (wrong) {
        snprintf(load->name, sizeof(load->name), "damaged-%" PRIu64, dataset->id);
        return error_set(err, EVD_E_STORE, load->name, "%s", wrong);
    }
    str_copy(load->name, text_of(dataset->name));
    load->builder = dataset_builder_new();
    return load->builder ? EVD_OK : error_no_memory(err);
}

static int add_chunk(struct load *load, const struct store_chunk *chunk, struct evd_error *err)
{
    struct evd_str name;

    for (size_t at = 0; at < chunk->class_names_bytes; at += name.len + 1) {
        name = text_of(chunk->class_names + at);
        if (dataset_builder_class(load->builder, name, err) != EVD_OK)
            return err->code;
    }
    if (chunk->column)
        return dataset_builder_weights(load->builder, text_of(chunk->column), chunk->weights,
                                       chunk->weights_n, err);
    return dataset_builder_labels(load->builder, chunk->labels, chunk->n, err);
}

/* What the builder says is meant for who sends a dataset. */
static int said_as_damage(const struct load *load, int code, struct evd_error *err)
{
    if (code == EVD_OK || code == EVD_E_NO_MEMORY)
        return code;
    return error_set(err, EVD_E_STORE, load->name,
                     "class names, labels or weights in it are not valid");
}

static int load_dataset_chunk(void *arg, const struct store_chunk *chunk, struct evd_error *err)
{
    struct load *load = arg;

    return said_as_damage(load, add_chunk(load, chunk, err), err);
}

static void name_dataset(const struct load *load, struct dataset *dataset)
{
    str_copy(dataset->name, text_of(load->name));
    dataset->id = load->dataset.id;
    dataset->version = load->dataset.version;
    dataset->created = load->dataset.created;
    dataset->owned = load->dataset.owned;
}

static int load_dataset_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    struct load *load = arg;
    struct dataset *dataset = calloc(1, sizeof(*dataset));
    char text[sizeof(why->message) + EVD_MAX_NAME + 160];

    dataset_builder_free(load->builder);
    load->builder = NULL;
    if (!dataset)
        return error_no_memory(err);
    name_dataset(load, dataset);
    dataset->checksum = load->dataset.checksum;
    dataset->index.samples = load->dataset.samples;
    dataset->index.labelled = load->dataset.labelled;
    dataset->index.classes = load->dataset.classes;
    snprintf(text, sizeof(text),
             "dataset \"%s\" version %u is damaged in the database (%s): restore the file from a "
             "backup, or drop the dataset and its jobs and load it again",
             load->name, load->dataset.version, why->message);
    dataset->damage = strdup(text);
    if (!dataset->damage || !datasets_insert(load->jobs, dataset)) {
        dataset_free(dataset);
        return error_no_memory(err);
    }
    server_warn(load->jobs->server, "%s", text);
    return EVD_OK;
}

static int load_dataset_end(void *arg, struct evd_error *err)
{
    struct load *load = arg;
    struct dataset *dataset;

    if (dataset_build(load->builder, NULL, &dataset, err) != EVD_OK)
        return said_as_damage(load, err->code, err);
    load->builder = NULL;
    name_dataset(load, dataset);
    if (dataset->checksum != load->dataset.checksum ||
        dataset->index.labelled != load->dataset.labelled) {
        dataset_free(dataset);
        return error_set(err, EVD_E_STORE, load->name, "its checksum is another");
    }
    if (datasets_insert(load->jobs, dataset))
        return EVD_OK;
    dataset_free(dataset);
    return error_no_memory(err);
}

/* ---- attachments ---- */

static int load_attachment_begin(void *arg, const struct store_attachment *attachment,
                                 struct evd_error *err)
{
    return attachment_load_begin(&((struct load *)arg)->attachment, attachment, err);
}

static int load_attachment_rows(void *arg, const struct store_rows *rows, struct evd_error *err)
{
    return attachment_load_rows(&((struct load *)arg)->attachment, rows, err);
}

static int load_attachment_end(void *arg, struct evd_error *err)
{
    return attachment_load_end(&((struct load *)arg)->attachment, err);
}

static int load_attachment_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    return attachment_load_damaged(&((struct load *)arg)->attachment, why, err);
}

/* ---- all of it ---- */

/* Whoever used ephemeral jobs comes back, or does not; datasets that were sent for jobs that never
 * came to be go. */
static void await_users(struct jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->job_count; i++)
        uses_await(jobs->jobs[i]);
    datasets_sweep_in(jobs, 0);
}

int jobs_load(struct jobs *jobs, struct evd_error *err)
{
    struct load load = {.jobs = jobs,
                        .restoring = {jobs, NULL, NULL, &load.restoring.first},
                        .attachment.jobs = jobs};
    const struct store_reader reader = {
        .arg = &load,
        .dataset_begin = load_dataset_begin,
        .dataset_chunk = load_dataset_chunk,
        .dataset_end = load_dataset_end,
        .dataset_damaged = load_dataset_damaged,
        .attachment_begin = load_attachment_begin,
        .attachment_rows = load_attachment_rows,
        .attachment_end = load_attachment_end,
        .attachment_damaged = load_attachment_damaged,
        .job = restore_job_row,
        .seek = restore_seek_row,
        .revision = restore_revision_row,
        .world = restore_world_row,
        .progress = restore_progress_row,
        .job_damaged = restore_damaged_row,
    };
    int code = store_load(jobs->server->store, &reader, &jobs->next_id, err);

    if (code == EVD_OK)
        restore_jobs(&load.restoring);
    if (code == EVD_OK) {
        await_users(jobs);
        server_tell(jobs->server, "loaded %" PRIu32 " datasets and %" PRIu32 " jobs",
                    jobs->dataset_count, jobs->job_count);
    }
    dataset_builder_free(load.builder);
    attachment_builder_free(load.attachment.builder);
    restore_end(&load.restoring);
    return code;
}
