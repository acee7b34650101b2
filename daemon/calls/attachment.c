/* attachment.list, attachment.read and attachment.drop. */
#include <stdlib.h>
#include "calls/handlers.h"
#include "calls/page.h"
#include "calls/replies.h"
#include "jobs/attachments.h"
#include "jobs/datasets.h"
#include "server/task.h"

int do_attachment_list(struct call *call, const struct params_attachment_list *p)
{
    const struct dataset *dataset =
        datasets_find(call->server->jobs, p->dataset, p->version, &call->err);
    msgpack_packer *pk;
    uint32_t count = 0;

    if (!dataset)
        return call->err.code;
    for (uint32_t i = 0; i < dataset->attachment_count; i++)
        count += !dataset->attachments[i]->dropping;
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_array(pk, "attachments", count);
    for (uint32_t i = 0; i < dataset->attachment_count; i++) {
        if (dataset->attachments[i]->dropping)
            continue;
        pack_map_begin(pk);
        reply_attachment(pk, dataset, dataset->attachments[i]);
        pack_map_end(pk);
    }
    return answer_end(&call->ticket);
}

/* ---- attachment.read ---- */

/* Distances are wanted, and a thread waits for the database. */
struct attachment_read {
    struct task task; /* first */
    struct store *store;
    struct dataset *dataset;
    struct attachment *attachment; /* in use meanwhile, as is the dataset */
    struct span span;
    void *distances;
};

static size_t distances_bytes(const struct attachment *attachment, const struct span *span)
{
    return (size_t)span->count * attachment_distance_bytes(&attachment->form);
}

/* In blocks: rows are in another form in memory. */
static void pack_rows(msgpack_packer *pk, const struct attachment *attachment,
                      const struct span *span)
{
    uint32_t row = attachment_row_bytes(&attachment->form), n;
    uint8_t block[4096];

    pack_key(pk, "rows");
    msgpack_pack_bin(pk, (size_t)span->count * row);
    for (uint32_t done = 0; done < span->count; done += n) {
        n = sizeof(block) / row;
        n = n < span->count - done ? n : span->count - done;
        attachment_rows(attachment, span->first + done, n, block);
        msgpack_pack_bin_body(pk, block, (size_t)n * row);
    }
}

static void reply_rows(msgpack_packer *pk, const struct dataset *dataset,
                       const struct attachment *attachment, const struct span *span,
                       const void *distances)
{
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_cstr(pk, "name", attachment->name);
    pack_key_hex(pk, "digest", attachment->digest);
    pack_key_u64(pk, "samples", attachment->samples);
    pack_key_u64(pk, "row", attachment_row_bytes(&attachment->form));
    pack_key_u64(pk, "first", span->first);
    pack_key_u64(pk, "count", span->count);
    pack_rows(pk, attachment, span);
    if (distances)
        pack_key_bin(pk, "distances", distances, distances_bytes(attachment, span));
}

static void read_fini(struct task *task)
{
    struct attachment_read *read = (struct attachment_read *)task;

    free(read->distances);
    read->attachment->uses--;
    dataset_release(task->server->jobs, read->dataset);
}

static void read_run(struct task *task)
{
    struct attachment_read *read = (struct attachment_read *)task;
    const struct store_span span = {read->attachment->id, read->span.first, read->span.count,
                                    attachment_distance_bytes(&read->attachment->form)};

    task->err.code = store_read_distances(read->store, &span, read->distances, &task->err);
}

static int read_done(struct task *task)
{
    struct attachment_read *read = (struct attachment_read *)task;

    if (task->err.code != EVD_OK)
        return task->err.code;
    reply_rows(task_answer(task), read->dataset, read->attachment, &read->span, read->distances);
    return task_done(task);
}

static int read_distances(struct call *call, struct dataset *dataset, struct attachment *attachment,
                          const struct span *span)
{
    struct attachment_read *read = task_new(call, sizeof(*read), NULL, read_fini);

    if (!read)
        return call->err.code;
    read->store = call->server->store;
    read->dataset = dataset;
    read->attachment = attachment;
    read->span = *span;
    attachment->uses++;
    dataset->users++;
    read->distances = malloc(distances_bytes(attachment, span) + 1);
    if (!read->distances)
        return task_begin(&read->task, error_no_memory(&read->task.err), call);
    return task_begin(&read->task, task_work(&read->task, span->count, read_run, read_done), call);
}

/* As many of the samples as an answer has room for. */
static void shorten(struct span *span, const struct attachment_form *form, bool distances)
{
    uint32_t bytes = attachment_row_bytes(form);

    if (distances)
        bytes += attachment_distance_bytes(form);
    if (span->count > EVD_MAX_PIECE / bytes)
        span->count = EVD_MAX_PIECE / bytes;
}

int do_attachment_read(struct call *call, const struct params_attachment_read *p)
{
    struct jobs *jobs = call->server->jobs;
    struct dataset *dataset = datasets_find(jobs, p->dataset, p->version, &call->err);
    struct attachment *attachment =
        dataset ? attachments_find(jobs, dataset, p->name, &call->err) : NULL;
    struct span span;

    if (!attachment || span_of(p->first, p->has_count ? p->count : EVD_MAX_LABELS,
                               attachment->samples, &span, &call->err) != EVD_OK)
        return call->err.code;
    if (p->distances && attachment->form.kind != ATTACHMENT_NEIGHBOURS)
        return error_set(&call->err, EVD_E_BAD_VALUE, "distances",
                         "only neighbours have distances: leave it out");
    shorten(&span, &attachment->form, p->distances);
    if (p->distances)
        return read_distances(call, dataset, attachment, &span);
    reply_rows(answer_begin(&call->ticket), dataset, attachment, &span, NULL);
    return answer_end(&call->ticket);
}

/* ---- attachment.drop ---- */

struct attachment_drop {
    struct task task; /* first */
    struct store_op op;
    struct dataset *dataset;       /* the task is a user of it */
    struct attachment *attachment; /* NULL once it is gone */
};

static void drop_fini(struct task *task)
{
    struct attachment_drop *drop = (struct attachment_drop *)task;

    if (drop->attachment)
        drop->attachment->dropping = false;
    dataset_release(task->server->jobs, drop->dataset);
}

static int dropped(struct task *task)
{
    struct attachment_drop *drop = (struct attachment_drop *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_cstr(pk, "dataset", drop->dataset->name);
    pack_key_u64(pk, "version", drop->dataset->version);
    pack_key_cstr(pk, "name", drop->attachment->name);
    dataset_detach(drop->dataset, drop->attachment);
    drop->attachment = NULL;
    return task_done(task);
}

int do_attachment_drop(struct call *call, const struct params_attachment_drop *p)
{
    struct jobs *jobs = call->server->jobs;
    struct dataset *dataset = datasets_find(jobs, p->dataset, p->version, &call->err);
    struct attachment *attachment =
        dataset ? attachments_find_any(jobs, dataset, p->name, &call->err) : NULL;
    struct attachment_drop *drop;

    if (!attachment)
        return call->err.code;
    if (attachment->uses > 0)
        return error_set(
            &call->err, EVD_E_CONFLICT, attachment->name,
            "attachment \"%s\" of dataset \"%s\" version %u is in use (strategies that "
            "jobs have on record, and who reads it: %u): drop those jobs first, or have "
            "them forget (\"retain_epochs\")",
            attachment->name, dataset->name, dataset->version, attachment->uses);
    drop = task_new(call, sizeof(*drop), NULL, drop_fini);
    if (!drop)
        return call->err.code;
    drop->dataset = dataset;
    dataset->users++;
    drop->attachment = attachment;
    attachment->dropping = true;
    drop->op.kind = STORE_ATTACHMENT_DROP;
    drop->op.attachment.id = attachment->id;
    return task_begin(&drop->task, task_store(&drop->task, &drop->op, dropped), call);
}
