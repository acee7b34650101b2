/* dataset.create, dataset.append and dataset.commit: labels arrive in pieces, and become a dataset.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "calls/draft_take.h"
#include "calls/draft_write.h"
#include "calls/handlers.h"
#include "calls/replies.h"
#include "codec/chunk.h"
#include "jobs/datasets.h"
#include "jobs/expiry.h"
#include "jobs/memory.h"
#include "jobs/uses.h"
#include "proto/numbers.h"

/* ---- one write to the store on behalf of a draft ---- */

struct upload {
    struct draft_write write; /* first */
    struct dataset *dataset;  /* commit: the task's until it is in the table */
    struct dataset *twin; /* commit: perhaps the same, loaded earlier; the task is a user of it */
    uint64_t samples;     /* append: in all, with this chunk */
    uint32_t classes;
    struct chunk chunk; /* append */
    char names[];       /* of new classes */
};

static void upload_fini(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    chunk_fini(&upload->chunk);
    dataset_free(upload->dataset);
    if (upload->twin)
        dataset_release(task->server->jobs, upload->twin);
}

/* `names`: class names that the draft has got, or NULL. */
static struct upload *upload_new(struct call *call, struct draft *draft, enum store_kind kind,
                                 const char *names, size_t bytes)
{
    struct upload *upload =
        draft_write_new(call, draft, kind, sizeof(struct upload) + bytes, upload_fini);

    if (upload && bytes > 0)
        memcpy(upload->names, names, bytes);
    return upload;
}

/* ---- dataset.create ---- */

static int created(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    msgpack_packer *pk;

    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_u64(pk, "draft", upload->write.draft->number);
    pack_key_cstr(pk, "name", upload->write.draft->name);
    pack_key_u64(pk, "version", upload->write.draft->version);
    return task_done(task);
}

/* Where class names follow, the answer comes with those. */
static int created_part(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    if (task->err.code != EVD_OK)
        upload->write.draft->error = task->err;
    task_free(task);
    return EVD_OK;
}

/* The draft, and its class names where some came along. */
static int create_store(struct call *call, struct draft *draft)
{
    size_t bytes = 0;
    const char *names = dataset_builder_names(draft->builder, 0, &bytes);
    struct upload *create = upload_new(call, draft, STORE_DRAFT_CREATE, NULL, 0);
    struct upload *classes = upload_new(call, draft, STORE_DRAFT_APPEND, names, bytes);

    if (!create || !classes) {
        if (create)
            task_free(&create->write.task);
        if (classes)
            task_free(&classes->write.task);
        draft_free(draft);
        return call->err.code;
    }
    create->write.op.dataset = (struct store_dataset){
        .id = draft->id, .name = draft->name, .version = draft->version, .created = draft->created};
    classes->write.op.chunk.dataset = draft->id;
    classes->write.op.chunk.class_names = classes->names;
    classes->write.op.chunk.class_names_bytes = bytes;
    if (bytes == 0) {
        task_free(&classes->write.task);
        return task_begin(&create->write.task, draft_write_send(&create->write, created), call);
    }
    if (task_begin(&create->write.task, draft_write_send(&create->write, created_part), call) ==
        EVD_OK)
        return task_begin(&classes->write.task, draft_write_send(&classes->write, created), call);
    task_free(&classes->write.task);
    return call->err.code;
}

static int check_room(struct jobs *jobs, struct evd_error *err)
{
    if (jobs->dataset_count + drafts_count(jobs) < EVD_MAX_DATASETS)
        return EVD_OK;
    if (expiry_make_room(jobs))
        return error_set(err, EVD_E_BUSY, "datasets",
                         "there are %u dataset versions, and one that nobody uses makes room: ask "
                         "again",
                         EVD_MAX_DATASETS);
    return error_set(err, EVD_E_LIMIT, "datasets",
                     "there are %u dataset versions, and more are not allowed: drop some",
                     EVD_MAX_DATASETS);
}

int do_dataset_create(struct call *call, const struct params_dataset_create *p)
{
    struct jobs *jobs = call->server->jobs;
    struct draft *draft;

    if (name_check(p->name, "name", &call->err) != EVD_OK)
        return call->err.code;
    if (draft_write_room(call->session, &call->err) != EVD_OK ||
        check_room(jobs, &call->err) != EVD_OK)
        return call->err.code;
    draft = draft_new(call->session, p->name);
    if (!draft)
        return error_no_memory(&call->err);
    draft->owned = p->owned;
    if (draft_take(draft, p->classes, NULL, &call->err) != EVD_OK) {
        draft_free(draft);
        return call->err.code;
    }
    return create_store(call, draft);
}

/* ---- dataset.append ---- */

static int appended(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    msgpack_packer *pk;

    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_u64(pk, "samples", upload->samples);
    pack_key_u64(pk, "classes", upload->classes);
    return task_done(task);
}

/* Takes the chunk into the builder; what was new goes to the store. */
static struct upload *append_take(struct call *call, struct draft *draft,
                                  const msgpack_object *class_names, struct chunk *chunk)
{
    struct dataset_builder *builder = draft->builder;
    struct evd_str column = {chunk->column, (uint32_t)strlen(chunk->column)};
    struct store_chunk store = {
        .dataset = draft->id,
        .first_sample = dataset_builder_samples(builder),
        .labels = chunk->labels,
        .n = chunk->label_count,
        .first_class = dataset_builder_classes(builder),
        .column = chunk->weight_count > 0 ? chunk->column : NULL,
        .first_weight = dataset_builder_column(builder, column),
        .weights = chunk->weights,
        .weights_n = chunk->weight_count,
    };
    struct upload *upload;
    const char *names;

    if (draft_take(draft, class_names, chunk, &call->err) != EVD_OK)
        return NULL;
    names = dataset_builder_names(builder, store.first_class, &store.class_names_bytes);
    upload = upload_new(call, draft, STORE_DRAFT_APPEND, names, store.class_names_bytes);
    if (!upload)
        return NULL;
    upload->chunk = *chunk;
    *chunk = (struct chunk){0};
    if (store.column)
        store.column = upload->chunk.column;
    store.class_names = upload->names;
    upload->write.op.chunk = store;
    upload->samples = dataset_builder_samples(builder);
    upload->classes = dataset_builder_classes(builder);
    return upload;
}

int do_dataset_append(struct call *call, const struct params_dataset_append *p)
{
    struct draft *draft = draft_find(call->session, p->draft, false, &call->err);
    struct upload *upload = NULL;
    struct chunk chunk;

    if (!draft)
        return call->err.code;
    if (chunk_decode(p, &chunk, &call->err) == EVD_OK)
        upload = append_take(call, draft, p->classes, &chunk);
    chunk_fini(&chunk);
    if (upload)
        return task_begin(&upload->write.task, draft_write_send(&upload->write, appended), call);
    draft_doom(draft);
    return call->err.code;
}

/* ---- dataset.commit ---- */

/* An owned dataset is its connection's until a job has it; and what nobody waits for any more is
 * looked through at once. */
static int hold(struct task *task, struct dataset *dataset)
{
    struct session *session = task->ticket.session;
    int code = EVD_OK;

    if (!dataset->owned)
        return EVD_OK;
    dataset->users++;
    if (session_connected(session))
        code = use_dataset(session, dataset, &task->err);
    dataset_release(task->server->jobs, dataset);
    return code;
}

static int committed(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct dataset *dataset = upload->dataset;

    if (task->err.code == EVD_OK)
        task->err = upload->write.draft
                        ->error; /* an earlier piece, whose answer came after all was built */
    if (task->err.code == EVD_OK && !datasets_insert(task->server->jobs, dataset))
        error_no_memory(&task->err);
    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    upload->dataset = NULL; /* the table's now */
    draft_free(upload->write.draft);
    if (hold(task, dataset) != EVD_OK)
        return task->err.code;
    reply_dataset(task_answer(task), dataset);
    return task_done(task);
}

static int commit_store(struct upload *upload)
{
    const struct dataset *dataset = upload->dataset;

    upload->write.op.dataset = (struct store_dataset){
        .id = dataset->id,
        .name = dataset->name,
        .version = dataset->version,
        .created = dataset->created,
        .samples = dataset->index.samples,
        .labelled = dataset->index.labelled,
        .classes = dataset->index.classes,
        .checksum = dataset->checksum,
        .owned = dataset->owned,
    };
    return draft_write_send(&upload->write, committed);
}

/* ---- an owned dataset that is there already is not kept a second time ---- */

static void compare_run(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    if (!dataset_equal(upload->dataset, upload->twin, &task->work.cancelled))
        error_set(&task->err, EVD_E_NOT_FOUND, "", "another dataset of the same checksum");
}

static int compared(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    if (task->err.code != EVD_OK)
        return commit_store(upload);
    task->err =
        upload->write.draft->error; /* an earlier piece: its answer said that the draft is gone */
    draft_not_stored(upload->write.draft);
    if (task->err.code != EVD_OK || hold(task, upload->twin) != EVD_OK)
        return task->err.code;
    reply_dataset(task_answer(task), upload->twin);
    return task_done(task);
}

/* Where there may be such a one, a pool thread looks; if that cannot be, it is kept. */
static int commit_or_compare(struct upload *upload)
{
    struct task *task = &upload->write.task;
    struct dataset *twin =
        upload->dataset->owned ? datasets_twin(task->server->jobs, upload->dataset) : NULL;

    if (!twin)
        return commit_store(upload);
    upload->twin = twin;
    twin->users++;
    if (task_work(task, upload->dataset->index.samples, compare_run, compared) == EVD_OK)
        return EVD_OK;
    return commit_store(upload);
}

#define COMMIT_COST 4 /* of each sample: counted, put with its class, and summed up */

static void commit_run(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct draft *draft = upload->write.draft;

    int code = dataset_build(draft->builder, &task->work.cancelled, &upload->dataset, &task->err);

    if (code == EVD_OK)
        draft->builder = NULL;
    else if (code == EVD_E_SHUTTING_DOWN)
        error_given_up(&task->err);
}

static int commit_built(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct draft *draft = upload->write.draft;
    struct dataset *dataset = upload->dataset;

    if (draft_write_built(&upload->write) != EVD_OK)
        return task->err.code;
    draft_takes(draft, sizeof(*draft) + dataset_memory(dataset));
    dataset->id = draft->id;
    memcpy(dataset->name, draft->name, sizeof(dataset->name));
    dataset->version = draft->version;
    dataset->created = draft->created;
    dataset->owned = draft->owned;
    return commit_or_compare(upload);
}

static int commit_start(struct upload *upload)
{
    struct task *task = &upload->write.task;
    struct draft *draft = upload->write.draft;
    uint64_t more = dataset_builder_index(draft->builder);

    if (memory_room(task->server->jobs, more, "the class index of this dataset", &task->err) !=
            EVD_OK ||
        task_work(task, COMMIT_COST * dataset_builder_samples(draft->builder), commit_run,
                  commit_built) != EVD_OK)
        return task->err.code;
    draft_building(draft);
    draft_takes(draft, draft->memory + more);
    memory_update(task->server->jobs);
    return EVD_OK;
}

int do_dataset_commit(struct call *call, const struct params_dataset_commit *p)
{
    struct draft *draft = draft_find(call->session, p->draft, false, &call->err);
    struct upload *upload;
    uint64_t samples;

    if (!draft)
        return call->err.code;
    samples = dataset_builder_samples(draft->builder);
    if (p->has_samples && p->samples != samples)
        return error_set(&call->err, EVD_E_BAD_VALUE, "samples",
                         "%" PRIu64 " samples were sent, not %" PRIu64 ": send the rest, or start "
                         "again",
                         samples, p->samples);
    upload = upload_new(call, draft, STORE_DRAFT_COMMIT, NULL, 0);
    return upload ? task_begin(&upload->write.task, commit_start(upload), call) : call->err.code;
}
