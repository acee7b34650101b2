/* dataset.create, dataset.append and dataset.commit. */
#include "rpc/draft.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rpc/replies.h"

/* ---- one write to the store on behalf of a draft ---- */

struct draft_write {
    struct store_op op;
    struct ticket ticket;
    struct draft *draft;
    struct dataset *dataset; /* commit: what becomes visible */
    uint64_t samples;        /* append: in all, with this chunk */
    uint32_t classes;
    uint32_t label_count;
    uint32_t labels[]; /* append: the chunk, then its class names */
};

static struct draft_write *write_new(struct call *call, struct draft *draft, enum store_kind kind,
                                     size_t labels, size_t names)
{
    struct draft_write *write = malloc(sizeof(*write) + labels * sizeof(write->labels[0]) + names);

    if (!write)
        return NULL;
    memset(write, 0, sizeof(*write));
    write->op.kind = kind;
    write->op.owner = write;
    write->ticket = call->ticket;
    write->draft = draft;
    write->label_count = (uint32_t)labels;
    return write;
}

/* On an error the caller answers; the write is gone and the draft doomed. */
static int write_submit(struct call *call, struct draft_write *write)
{
    struct draft *draft = write->draft;

    if (rpc_submit(call->rpc, &write->op, &call->err) == EVD_OK) {
        session_ref(call->session);
        return EVD_OK;
    }
    free(write);
    draft_doom(draft);
    return call->err.code;
}

/* The store refused: the one who sent it hears, and the draft is no more. */
static bool write_failed(struct draft_write *write)
{
    const struct evd_error *first = &write->draft->error;

    if (write->op.error.code == EVD_OK)
        return false;
    ticket_error(&write->ticket, first->code ? first : &write->op.error);
    draft_doom(write->draft);
    free(write);
    return true;
}

/* ---- class names and labels from a request ---- */

static int add_classes(struct draft *draft, const msgpack_object *classes, struct evd_error *err)
{
    if (!classes || classes->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (classes->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "classes",
                         "\"classes\" must be an array of class names");
    for (uint32_t i = 0; i < classes->via.array.size; i++) {
        const msgpack_object *name = &classes->via.array.ptr[i];
        struct evd_str text;

        if (name->type != MSGPACK_OBJECT_STR)
            return error_set(err, EVD_E_BAD_TYPE, "classes",
                             "\"classes\" must be an array of class names");
        text = (struct evd_str){name->via.str.ptr, name->via.str.size};
        if (dataset_builder_class(draft->builder, text, err) != EVD_OK)
            return err->code;
        draft->named = true;
    }
    return EVD_OK;
}

static int labels_count(const msgpack_object *labels, size_t *count, struct evd_error *err)
{
    *count = 0;
    if (!labels || labels->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (labels->type == MSGPACK_OBJECT_ARRAY) {
        *count = labels->via.array.size;
        return EVD_OK;
    }
    if (labels->type != MSGPACK_OBJECT_BIN)
        return error_set(err, EVD_E_BAD_TYPE, "labels",
                         "\"labels\" must be bin of little-endian u32, or an array of integers and "
                         "nil");
    if (labels->via.bin.size % 4 != 0)
        return error_set(err, EVD_E_BAD_VALUE, "labels",
                         "\"labels\" is %u bytes long, which is no multiple of 4",
                         labels->via.bin.size);
    *count = labels->via.bin.size / 4;
    return EVD_OK;
}

static int labels_copy(const msgpack_object *labels, uint32_t *to, size_t count,
                       struct evd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *value;

        if (labels->type == MSGPACK_OBJECT_BIN) {
            const uint8_t *b = (const uint8_t *)labels->via.bin.ptr + i * 4;

            to[i] =
                (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
            continue;
        }
        value = &labels->via.array.ptr[i];
        if (value->type == MSGPACK_OBJECT_NIL)
            to[i] = EVD_UNLABELLED;
        else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 < EVD_UNLABELLED)
            to[i] = (uint32_t)value->via.u64;
        else
            return error_set(err, EVD_E_BAD_TYPE, "labels",
                             "\"labels\": value %zu is neither a class number nor nil", i);
    }
    return EVD_OK;
}

/* ---- dataset.create ---- */

static void created_stored(struct store_op *op)
{
    struct draft_write *write = op->owner;
    msgpack_packer *pk;

    if (write_failed(write))
        return;
    pk = answer_begin(&write->ticket);
    msgpack_pack_map(pk, 3);
    pack_key_u64(pk, "draft", write->draft->number);
    pack_key_cstr(pk, "name", write->draft->name);
    pack_key_u64(pk, "version", write->draft->version);
    ticket_end(&write->ticket);
    free(write);
}

/* The first of two writes of dataset.create: the second answers. */
static void created_part(struct store_op *op)
{
    struct draft_write *write = op->owner;

    if (op->error.code != EVD_OK)
        write->draft->error = op->error;
    session_unref(write->ticket.session);
    free(write);
}

/* The draft and, where class names came along, those; the answer comes with the last. */
static int create_store(struct call *call, struct draft *draft)
{
    size_t bytes = 0;
    const char *names = dataset_builder_names(draft->builder, 0, &bytes);
    struct draft_write *create = write_new(call, draft, STORE_DRAFT_CREATE, 0, 0);
    struct draft_write *classes = write_new(call, draft, STORE_DRAFT_APPEND, 0, bytes);

    if (!create || !classes) {
        free(create);
        free(classes);
        draft_free(draft);
        return rpc_no_memory(&call->err);
    }
    create->op.dataset = (struct store_dataset){
        .id = draft->id, .name = draft->name, .version = draft->version, .created = draft->created};
    create->op.done = bytes > 0 ? created_part : created_stored;
    memcpy(classes->labels, names, bytes);
    classes->op.chunk.dataset = draft->id;
    classes->op.chunk.class_names = (const char *)classes->labels;
    classes->op.chunk.class_names_bytes = bytes;
    classes->op.done = created_stored;
    if (bytes == 0 || write_submit(call, create) != EVD_OK) {
        free(classes);
        return bytes > 0 ? call->err.code : write_submit(call, create);
    }
    return write_submit(call, classes);
}

int do_dataset_create(struct call *call, const struct params_dataset_create *p)
{
    struct rpc *rpc = call->rpc;
    struct draft *draft;

    if (name_check(p->name, "name", &call->err) != EVD_OK)
        return call->err.code;
    if (call->session->draft_count == EVD_MAX_DRAFTS)
        return error_set(&call->err, EVD_E_LIMIT, "drafts",
                         "this connection is sending %u datasets already: commit one first",
                         EVD_MAX_DRAFTS);
    if (rpc->dataset_count + drafts_count(rpc) >= EVD_MAX_DATASETS)
        return error_set(&call->err, EVD_E_LIMIT, "datasets",
                         "there are %u dataset versions, and more are not allowed: drop some",
                         EVD_MAX_DATASETS);
    draft = draft_new(call->session, p->name);
    if (!draft)
        return rpc_no_memory(&call->err);
    if (add_classes(draft, p->classes, &call->err) != EVD_OK) {
        draft_free(draft);
        return call->err.code;
    }
    return create_store(call, draft);
}

/* ---- dataset.append ---- */

static void append_stored(struct store_op *op)
{
    struct draft_write *write = op->owner;
    msgpack_packer *pk;

    if (write_failed(write))
        return;
    pk = answer_begin(&write->ticket);
    msgpack_pack_map(pk, 2);
    pack_key_u64(pk, "samples", write->samples);
    pack_key_u64(pk, "classes", write->classes);
    ticket_end(&write->ticket);
    free(write);
}

/* Without names from the peer, the classes are the numbers that occur, and those below them. */
static int number_classes(struct draft *draft, const uint32_t *labels, size_t n,
                          struct evd_error *err)
{
    uint32_t have = dataset_builder_classes(draft->builder), need = have;
    char text[16];

    if (draft->named)
        return EVD_OK;
    for (size_t i = 0; i < n; i++) {
        if (labels[i] != EVD_UNLABELLED && labels[i] >= need)
            need = labels[i] + 1;
    }
    if (need > EVD_MAX_CLASSES)
        return error_set(err, EVD_E_LIMIT, "labels",
                         "label %u is too large: a dataset has at most %u classes, numbered from 0",
                         need - 1, EVD_MAX_CLASSES);
    for (; have < need; have++) {
        int len = snprintf(text, sizeof(text), "%u", have);

        if (dataset_builder_class(draft->builder, (struct evd_str){text, (uint32_t)len}, err) !=
            EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

/* Takes the request into the builder and copies what was new for the store. */
static int append_take(struct call *call, struct draft *draft,
                       const struct params_dataset_append *p, uint32_t *labels, size_t count,
                       struct draft_write **out)
{
    uint32_t first_class = dataset_builder_classes(draft->builder);
    uint64_t first_sample = dataset_builder_samples(draft->builder);
    struct draft_write *write;
    const char *names;
    size_t bytes = 0;

    if (add_classes(draft, p->classes, &call->err) != EVD_OK ||
        labels_copy(p->labels, labels, count, &call->err) != EVD_OK ||
        number_classes(draft, labels, count, &call->err) != EVD_OK ||
        dataset_builder_labels(draft->builder, labels, count, &call->err) != EVD_OK)
        return call->err.code;
    names = dataset_builder_names(draft->builder, first_class, &bytes);
    write = write_new(call, draft, STORE_DRAFT_APPEND, count, bytes);
    if (!write)
        return rpc_no_memory(&call->err);
    memcpy(write->labels, labels, count * sizeof(labels[0]));
    memcpy(write->labels + count, names, bytes);
    write->op.chunk = (struct store_chunk){
        .dataset = draft->id,
        .first_sample = first_sample,
        .labels = write->labels,
        .n = count,
        .first_class = first_class,
        .class_names = (const char *)(write->labels + count),
        .class_names_bytes = bytes,
    };
    write->op.done = append_stored;
    write->samples = dataset_builder_samples(draft->builder);
    write->classes = dataset_builder_classes(draft->builder);
    *out = write;
    return EVD_OK;
}

int do_dataset_append(struct call *call, const struct params_dataset_append *p)
{
    struct draft *draft = draft_find(call->session, p->draft, &call->err);
    struct draft_write *write = NULL;
    uint32_t *labels;
    size_t count;

    if (!draft)
        return call->err.code;
    if (labels_count(p->labels, &count, &call->err) != EVD_OK) {
        draft_doom(draft);
        return call->err.code;
    }
    labels = malloc(count > 0 ? count * sizeof(labels[0]) : 1);
    if (!labels)
        rpc_no_memory(&call->err);
    else
        append_take(call, draft, p, labels, count, &write);
    free(labels);
    if (!write) {
        draft_doom(draft);
        return call->err.code;
    }
    return write_submit(call, write);
}

/* ---- dataset.commit ---- */

struct commit {
    struct rpc_work work; /* first */
    struct draft_write *write;
    struct evd_error err; /* of dataset_build */
};

static void commit_stored(struct store_op *op)
{
    struct draft_write *write = op->owner;
    struct draft *draft = write->draft;
    struct rpc *rpc = draft->rpc;

    draft->storing = false;
    if (write->op.error.code == EVD_OK && !datasets_insert(rpc, write->dataset))
        rpc_no_memory(&write->op.error);
    if (op->error.code != EVD_OK) {
        dataset_free(write->dataset);
        write_failed(write);
        return;
    }
    reply_dataset(answer_begin(&write->ticket), write->dataset);
    ticket_end(&write->ticket);
    draft_free(draft);
    free(write);
}

static void commit_run(struct rpc_work *work)
{
    struct commit *commit = (struct commit *)work;
    struct draft_write *write = commit->write;

    commit->err.code = EVD_OK;
    if (dataset_build(write->draft->builder, &write->dataset, &commit->err) == EVD_OK)
        write->draft->builder = NULL;
}

static void commit_store(struct draft_write *write)
{
    struct draft *draft = write->draft;
    struct dataset *dataset = write->dataset;

    dataset->id = draft->id;
    memcpy(dataset->name, draft->name, sizeof(dataset->name));
    dataset->version = draft->version;
    dataset->created = draft->created;
    write->op.dataset = (struct store_dataset){
        .id = dataset->id,
        .name = dataset->name,
        .version = dataset->version,
        .created = dataset->created,
        .samples = dataset->index.samples,
        .labelled = dataset->index.labelled,
        .classes = dataset->index.classes,
        .checksum = dataset->checksum,
    };
    write->op.done = commit_stored;
    draft->storing = true;
    if (rpc_submit(draft->rpc, &write->op, &write->op.error) != EVD_OK) {
        draft->storing = false;
        dataset_free(dataset);
        write_failed(write);
    }
}

static void commit_built(struct rpc_work *work)
{
    struct commit *commit = (struct commit *)work;
    struct draft_write *write = commit->write;
    struct draft *draft = write->draft;

    draft->building = false;
    write->op.error = commit->err;
    free(commit);
    if (!draft->session) { /* its connection is gone */
        dataset_free(write->dataset);
        session_unref(write->ticket.session);
        free(write);
        draft_try_drop(draft);
    } else if (!write_failed(write)) {
        commit_store(write);
    }
}

static int commit_start(struct call *call, struct draft *draft)
{
    struct rpc *rpc = call->rpc;
    struct commit *commit = calloc(1, sizeof(*commit));
    struct draft_write *write = write_new(call, draft, STORE_DRAFT_COMMIT, 0, 0);
    int code;

    if (!commit || !write) {
        free(commit);
        free(write);
        return rpc_no_memory(&call->err);
    }
    commit->work.run = commit_run;
    commit->work.done = commit_built;
    commit->write = write;
    code = rpc->host.work(rpc->host.arg, &commit->work);
    if (code != EVD_OK) {
        free(commit);
        free(write);
        return error_set(&call->err, code, "", "no thread could be had for the class index");
    }
    session_ref(call->session);
    draft->committing = draft->building = true;
    return EVD_OK;
}

int do_dataset_commit(struct call *call, const struct params_dataset_commit *p)
{
    struct draft *draft = draft_find(call->session, p->draft, &call->err);
    uint64_t samples;

    if (!draft)
        return call->err.code;
    samples = dataset_builder_samples(draft->builder);
    if (p->has_samples && p->samples != samples)
        return error_set(&call->err, EVD_E_BAD_VALUE, "samples",
                         "%" PRIu64 " samples were sent, not %" PRIu64 ": send the rest, or start "
                         "again",
                         samples, p->samples);
    return commit_start(call, draft);
}
