/* attachment.create, attachment.append and attachment.commit: rows arrive in pieces, and become a
 * table over the samples of a dataset. A draft like that of a dataset (jobs/draft.h). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "calls/draft_write.h"
#include "calls/handlers.h"
#include "calls/replies.h"
#include "codec/facts.h"
#include "jobs/attachments.h"
#include "jobs/datasets.h"
#include "jobs/memory.h"

struct upload {
    struct draft_write write;      /* first */
    struct dataset *dataset;       /* create: the task is a user of it */
    uint32_t row;                  /* create: bytes of a row */
    struct attachment *attachment; /* commit: the task's until it is the dataset's */
    uint64_t samples;              /* append: in all, with this piece */
    char bytes[];                  /* create: the metric, and facts; append: rows, and distances */
};

static void upload_fini(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    attachment_free(upload->attachment);
    if (upload->dataset)
        dataset_release(task->server->jobs, upload->dataset);
}

static struct upload *upload_new(struct call *call, struct draft *draft, enum store_kind kind,
                                 size_t bytes)
{
    return draft_write_new(call, draft, kind, sizeof(struct upload) + bytes, upload_fini);
}

/* ---- attachment.create ---- */

/* Which fields a kind has; all of them are needed. */
enum { HAS_K = 1, HAS_SCOPE = 2, HAS_METRIC = 4, HAS_FOLDS = 8 };

static int check_fields(enum attachment_kind kind, const struct params_attachment_create *p,
                        struct evd_error *err)
{
    static const unsigned wanted[] = {
        [ATTACHMENT_NEIGHBOURS] = HAS_K | HAS_SCOPE | HAS_METRIC,
        [ATTACHMENT_SELECTION] = 0,
        [ATTACHMENT_FOLDS] = HAS_FOLDS,
    };
    const struct {
        const char *name;
        unsigned bit;
        bool given;
    } fields[] = {{"k", HAS_K, p->has_k},
                  {"scope", HAS_SCOPE, p->has_scope},
                  {"metric", HAS_METRIC, p->has_metric},
                  {"folds", HAS_FOLDS, p->has_folds}};

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        bool needed = wanted[kind] & fields[i].bit;

        if (needed && !fields[i].given)
            return error_set(err, EVD_E_MISSING_FIELD, fields[i].name,
                             "attachment.create: \"%s\" need \"%s\"", attachment_kind_word(kind),
                             fields[i].name);
        if (!needed && fields[i].given)
            return error_set(err, EVD_E_BAD_VALUE, fields[i].name,
                             "attachment.create: \"%s\" have no \"%s\"", attachment_kind_word(kind),
                             fields[i].name);
    }
    return EVD_OK;
}

static int read_neighbours(const struct params_attachment_create *p, const struct dataset *dataset,
                           struct attachment_form *form, struct evd_error *err)
{
    if (p->k == 0)
        return error_set(err, EVD_E_BAD_VALUE, "k", "\"k\" is 0: a sample needs a neighbour");
    if (p->k > EVD_MAX_NEIGHBOURS)
        return error_set(err, EVD_E_LIMIT, "k", "\"k\" is %u: at most %u neighbours of a sample",
                         p->k, EVD_MAX_NEIGHBOURS);
    if (!str_is(p->scope, "class") && !str_is(p->scope, "all"))
        return error_set(err, EVD_E_BAD_VALUE, "scope", "\"scope\" must be \"all\" or \"class\"");
    if (dataset->index.samples > EVD_NO_PLACE)
        return error_set(err, EVD_E_LIMIT, "dataset",
                         "neighbours are numbered with 32 bits, and this dataset has more samples");
    if (name_check(p->metric, "metric", err) != EVD_OK)
        return err->code;
    form->width = p->k;
    form->by_class = str_is(p->scope, "class");
    str_copy(form->metric, p->metric);
    return EVD_OK;
}

static int read_folds(const struct params_attachment_create *p, struct attachment_form *form,
                      struct evd_error *err)
{
    if (p->folds < 2)
        return error_set(err, EVD_E_BAD_VALUE, "folds", "\"folds\" is %u: there are two at least",
                         p->folds);
    if (p->folds > EVD_MAX_FOLDS)
        return error_set(err, EVD_E_LIMIT, "folds", "\"folds\" is %u: at most %u are kept",
                         p->folds, EVD_MAX_FOLDS);
    form->width = p->folds;
    return EVD_OK;
}

static int read_form(const struct params_attachment_create *p, const struct dataset *dataset,
                     struct attachment_form *form, struct evd_error *err)
{
    int kind = attachment_kind_find(p->kind);

    if (kind < 0)
        return error_set(err, EVD_E_BAD_VALUE, "kind",
                         "\"kind\" must be \"neighbours\", \"selection\" or \"folds\"");
    *form = (struct attachment_form){.kind = (enum attachment_kind)kind, .width = 1};
    if (check_fields(form->kind, p, err) != EVD_OK)
        return err->code;
    if (kind == ATTACHMENT_NEIGHBOURS)
        return read_neighbours(p, dataset, form, err);
    return kind == ATTACHMENT_FOLDS ? read_folds(p, form, err) : EVD_OK;
}

static int check_room(struct jobs *jobs, const struct dataset *dataset, struct evd_error *err)
{
    if (dataset->attachment_count + drafts_of(jobs, dataset) < EVD_MAX_ATTACHMENTS)
        return EVD_OK;
    return error_set(
        err, EVD_E_LIMIT, "attachments",
        "dataset \"%s\" version %u has %u attachments, with those that are being sent, "
        "and more are not allowed: drop some",
        dataset->name, dataset->version, EVD_MAX_ATTACHMENTS);
}

/* There must be memory for all of it, though it is taken piece by piece. */
static struct attachment_builder *begin_rows(struct jobs *jobs, const struct attachment_form *form,
                                             uint64_t samples, const msgpack_object *terms,
                                             struct evd_error *err)
{
    struct attachment_builder *builder;
    size_t bytes;
    void *facts;

    if (facts_encode(terms, &facts, &bytes, err) != EVD_OK)
        return NULL;
    builder = attachment_builder_new(form, samples);
    if (!builder) {
        free(facts);
        error_no_memory(err);
        return NULL;
    }
    attachment_builder_say(builder, facts, bytes);
    if (memory_room(jobs,
                    attachment_builder_memory(builder) + attachment_builder_more(builder, samples),
                    "this attachment", err) == EVD_OK)
        return builder;
    attachment_builder_free(builder);
    return NULL;
}

/* Of the draft only its number and name are sure: what came behind may have ended it. */
static int created(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    const struct dataset *dataset = upload->dataset;
    msgpack_packer *pk;

    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_u64(pk, "draft", upload->write.draft->number);
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_cstr(pk, "name", upload->write.draft->name);
    pack_key_u64(pk, "samples", dataset->index.samples);
    pack_key_u64(pk, "row", upload->row);
    return task_done(task);
}

/* What the store is told is copied: the draft's builder may go before it is written. */
static int create_store(struct call *call, struct draft *draft)
{
    const struct attachment_form *form = attachment_builder_form(draft->rows);
    size_t metric = strlen(form->metric) + 1, bytes = 0;
    const void *facts = attachment_builder_facts(draft->rows, &bytes);
    struct upload *upload = upload_new(call, draft, STORE_ATTACHMENT_CREATE, metric + bytes);

    if (!upload) {
        draft_free(draft);
        return call->err.code;
    }
    upload->dataset = draft->of;
    upload->dataset->users++;
    upload->row = attachment_row_bytes(form);
    memcpy(upload->bytes, form->metric, metric);
    memcpy(upload->bytes + metric, facts, bytes);
    upload->write.op.attachment = (struct store_attachment){
        .id = draft->id,
        .dataset = draft->of->id,
        .name = draft->name,
        .kind = attachment_kind_word(form->kind),
        .width = form->width,
        .scope = attachment_scope_word(form),
        .metric = upload->bytes,
        .facts = upload->bytes + metric,
        .facts_bytes = bytes,
    };
    return task_begin(&upload->write.task, draft_write_send(&upload->write, created), call);
}

int do_attachment_create(struct call *call, const struct params_attachment_create *p)
{
    struct jobs *jobs = call->server->jobs;
    struct dataset *dataset = datasets_find(jobs, p->dataset, p->version, &call->err);
    struct attachment_builder *rows;
    struct attachment_form form;
    struct draft *draft;

    if (!dataset || name_check(p->name, "name", &call->err) != EVD_OK ||
        read_form(p, dataset, &form, &call->err) != EVD_OK ||
        draft_write_room(call->session, &call->err) != EVD_OK ||
        check_room(jobs, dataset, &call->err) != EVD_OK)
        return call->err.code;
    rows = begin_rows(jobs, &form, dataset->index.samples, p->terms, &call->err);
    if (!rows)
        return call->err.code;
    draft = draft_new_attachment(call->session, dataset, p->name, rows);
    if (!draft)
        return error_no_memory(&call->err);
    memory_update(jobs);
    return create_store(call, draft);
}

/* ---- attachment.append ---- */

static int appended(struct task *task)
{
    struct upload *upload = (struct upload *)task;

    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    pack_key_u64(task_answer(task), "samples", upload->samples);
    return task_done(task);
}

static int bin_of(const msgpack_object *object, const char *field, struct evd_str *out,
                  struct evd_error *err)
{
    *out = (struct evd_str){"", 0};
    if (!object)
        return EVD_OK;
    if (object->type != MSGPACK_OBJECT_BIN)
        return error_set(err, EVD_E_BAD_TYPE, field, "\"%s\" must be bin, little-endian", field);
    *out = (struct evd_str){object->via.bin.ptr, object->via.bin.size};
    return EVD_OK;
}

/* Takes the rows into the builder; they go to the store as they came. */
static struct upload *append_take(struct call *call, struct draft *draft,
                                  const struct params_attachment_append *p)
{
    uint64_t first = attachment_builder_samples(draft->rows), n;
    struct evd_str rows, distances;
    struct upload *upload;

    if (bin_of(p->rows, "rows", &rows, &call->err) != EVD_OK ||
        bin_of(p->distances, "distances", &distances, &call->err) != EVD_OK)
        return NULL;
    n = rows.len / attachment_row_bytes(attachment_builder_form(draft->rows));
    if (memory_room(draft->jobs, attachment_builder_more(draft->rows, n),
                    "this piece of an attachment", &call->err) != EVD_OK ||
        attachment_builder_append(draft->rows, rows.data, rows.len, distances.data, distances.len,
                                  &call->err) != EVD_OK)
        return NULL;
    upload = upload_new(call, draft, STORE_ATTACHMENT_APPEND, (size_t)rows.len + distances.len);
    if (!upload)
        return NULL;
    memcpy(upload->bytes, rows.data, rows.len);
    memcpy(upload->bytes + rows.len, distances.data, distances.len);
    upload->samples = first + n;
    upload->write.op.rows = (struct store_rows){
        .attachment = draft->id,
        .first_sample = first,
        .n = n,
        .rows = upload->bytes,
        .rows_bytes = rows.len,
        .distances = upload->bytes + rows.len,
        .distances_bytes = distances.len,
    };
    draft_count(draft);
    memory_update(draft->jobs);
    return upload;
}

int do_attachment_append(struct call *call, const struct params_attachment_append *p)
{
    struct draft *draft = draft_find(call->session, p->draft, true, &call->err);
    struct upload *upload;

    if (!draft)
        return call->err.code;
    upload = append_take(call, draft, p);
    if (upload && upload->write.op.rows.n > 0)
        return task_begin(&upload->write.task, draft_write_send(&upload->write, appended), call);
    if (upload)
        return task_begin(&upload->write.task, appended(&upload->write.task), call);
    draft_doom(draft);
    return call->err.code;
}

/* ---- attachment.commit ---- */

/* The name is taken. The same script run twice sends the same again, and is answered the same. */
static int settle(struct upload *upload)
{
    struct task *task = &upload->write.task;
    struct draft *draft = upload->write.draft;
    const struct dataset *dataset = draft->of;
    const struct attachment *mine = upload->attachment;
    struct evd_str name = {draft->name, (uint32_t)strlen(draft->name)};
    const struct attachment *there = dataset_attachment(dataset, name);
    bool same = there && !there->damage && there->digest == mine->digest &&
                there->form.kind == mine->form.kind && there->form.width == mine->form.width;

    if (same)
        reply_attachment(task_answer(task), dataset, there);
    else
        error_set(&task->err, EVD_E_EXISTS, draft->name,
                  "dataset \"%s\" version %u has another attachment \"%s\" already: drop that one "
                  "first, or send this one under another name",
                  dataset->name, dataset->version, draft->name);
    draft_not_stored(draft);
    return same ? task_done(task) : task->err.code;
}

static int committed(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct draft *draft = upload->write.draft;
    struct dataset *dataset = draft->of;
    struct attachment *attachment = upload->attachment;

    if (task->err.code == EVD_E_EXISTS && draft->error.code == EVD_OK) {
        task->err.code = EVD_OK;
        return settle(upload);
    }
    if (task->err.code == EVD_OK)
        task->err = draft->error; /* an earlier piece, whose answer came after all was built */
    if (task->err.code == EVD_OK && !attachments_add(task->server->jobs, dataset, attachment))
        error_no_memory(&task->err);
    if (draft_write_result(&upload->write) != EVD_OK)
        return task->err.code;
    upload->attachment = NULL; /* the dataset's now */
    reply_attachment(task_answer(task), dataset, attachment);
    draft_free(draft);
    return task_done(task);
}

static void commit_run(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct draft *draft = upload->write.draft;
    int code = attachment_build(draft->rows, draft->of, &task->work.cancelled, &upload->attachment,
                                &task->err);

    if (code == EVD_OK)
        draft->rows = NULL;
    else if (code == EVD_E_SHUTTING_DOWN)
        error_given_up(&task->err);
}

static int commit_built(struct task *task)
{
    struct upload *upload = (struct upload *)task;
    struct draft *draft = upload->write.draft;
    struct attachment *attachment = upload->attachment;
    struct evd_str name = {draft->name, (uint32_t)strlen(draft->name)};
    const struct attachment *there;

    if (draft_write_built(&upload->write) != EVD_OK)
        return task->err.code;
    draft_takes(draft, sizeof(*draft) + attachment_memory(attachment));
    attachment->id = draft->id;
    memcpy(attachment->name, draft->name, sizeof(attachment->name));
    attachment->created = draft->created;
    there = dataset_attachment(draft->of, name);
    if (there && !there->dropping)
        return settle(upload);
    upload->write.op.attachment = (struct store_attachment){.id = attachment->id,
                                                            .created = attachment->created,
                                                            .samples = attachment->samples,
                                                            .digest = attachment->digest};
    return draft_write_send(&upload->write, committed);
}

static int commit_start(struct upload *upload)
{
    struct task *task = &upload->write.task;
    struct draft *draft = upload->write.draft;
    const struct attachment_form *form = attachment_builder_form(draft->rows);
    uint64_t width = form->kind == ATTACHMENT_NEIGHBOURS ? form->width : 1;

    if (task_work(task, draft->of->index.samples * width, commit_run, commit_built) != EVD_OK)
        return task->err.code;
    draft_building(draft);
    return EVD_OK;
}

int do_attachment_commit(struct call *call, const struct params_attachment_commit *p)
{
    struct draft *draft = draft_find(call->session, p->draft, true, &call->err);
    struct upload *upload;
    uint64_t samples;

    if (!draft)
        return call->err.code;
    samples = attachment_builder_samples(draft->rows);
    if (p->has_samples && p->samples != samples)
        return error_set(&call->err, EVD_E_BAD_VALUE, "samples",
                         "%" PRIu64 " rows were sent, not %" PRIu64
                         ": send the rest, or start again",
                         samples, p->samples);
    upload = upload_new(call, draft, STORE_ATTACHMENT_COMMIT, 0);
    return upload ? task_begin(&upload->write.task, commit_start(upload), call) : call->err.code;
}
