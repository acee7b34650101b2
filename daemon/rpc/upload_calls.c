/* dataset.create, dataset.append and dataset.commit. */
#include "rpc/draft.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rpc/chunk.h"
#include "rpc/replies.h"

/* ---- one write to the store on behalf of a draft ---- */

struct draft_write {
    struct store_op op;
    struct ticket ticket;
    struct draft *draft;
    struct dataset *dataset; /* commit: what becomes visible */
    uint64_t samples;        /* append: in all, with this chunk */
    uint32_t classes;
    struct chunk chunk; /* append */
    char names[];       /* of new classes */
};

/* `names`: class names that the draft has got, or NULL. */
static struct draft_write *write_new(struct call *call, struct draft *draft, enum store_kind kind,
                                     const char *names, size_t bytes)
{
    struct draft_write *write = calloc(1, sizeof(*write) + bytes);

    if (!write)
        return NULL;
    write->op.kind = kind;
    write->op.owner = write;
    write->ticket = call->ticket;
    write->draft = draft;
    if (bytes > 0)
        memcpy(write->names, names, bytes);
    return write;
}

static void write_free(struct draft_write *write)
{
    if (!write)
        return;
    chunk_fini(&write->chunk);
    free(write);
}

/* On an error the caller answers; the write is gone and the draft doomed. */
static int write_submit(struct call *call, struct draft_write *write)
{
    struct draft *draft = write->draft;

    if (rpc_submit(call->rpc, &write->op, &call->err) == EVD_OK) {
        session_ref(call->session);
        return EVD_OK;
    }
    write_free(write);
    draft_doom(draft);
    return call->err.code;
}

/* The store refused: the one who sent it hears why, as do all who sent what came after it, and the
 * draft is no more. */
static bool write_failed(struct draft_write *write)
{
    struct evd_error *first = &write->draft->error;

    if (write->op.error.code == EVD_OK)
        return false;
    if (first->code == EVD_OK)
        *first = write->op.error;
    ticket_error(&write->ticket, first);
    draft_doom(write->draft);
    write_free(write);
    return true;
}

/* ---- class names from a request ---- */

static int add_classes(struct draft *draft, const msgpack_object *classes, struct evd_error *err)
{
    if (!classes || classes->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (classes->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "classes",
                         "\"classes\" must be an array of class names");
    if (!draft->named && classes->via.array.size > 0 && dataset_builder_classes(draft->builder) > 0)
        return error_set(err, EVD_E_CONFLICT, "classes",
                         "labels came before any class name, so the classes are numbers: send the "
                         "names first, with dataset.create or the first dataset.append");
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

/* ---- dataset.create ---- */

static void created_stored(struct store_op *op)
{
    struct draft_write *write = op->owner;
    msgpack_packer *pk;

    if (write_failed(write))
        return;
    pk = answer_begin(&write->ticket);
    pack_key_u64(pk, "draft", write->draft->number);
    pack_key_cstr(pk, "name", write->draft->name);
    pack_key_u64(pk, "version", write->draft->version);
    ticket_end(&write->ticket);
    write_free(write);
}

/* The first of two writes of dataset.create: the second answers. */
static void created_part(struct store_op *op)
{
    struct draft_write *write = op->owner;

    if (op->error.code != EVD_OK)
        write->draft->error = op->error;
    session_unref(write->ticket.session);
    write_free(write);
}

/* The draft and, where class names came along, those; the answer comes with the last. */
static int create_store(struct call *call, struct draft *draft)
{
    size_t bytes = 0;
    const char *names = dataset_builder_names(draft->builder, 0, &bytes);
    struct draft_write *create = write_new(call, draft, STORE_DRAFT_CREATE, NULL, 0);
    struct draft_write *classes = write_new(call, draft, STORE_DRAFT_APPEND, names, bytes);

    if (!create || !classes) {
        write_free(create);
        write_free(classes);
        draft_free(draft);
        return rpc_no_memory(&call->err);
    }
    create->op.dataset = (struct store_dataset){
        .id = draft->id, .name = draft->name, .version = draft->version, .created = draft->created};
    create->op.done = bytes > 0 ? created_part : created_stored;
    classes->op.chunk.dataset = draft->id;
    classes->op.chunk.class_names = classes->names;
    classes->op.chunk.class_names_bytes = bytes;
    classes->op.done = created_stored;
    if (bytes == 0 || write_submit(call, create) != EVD_OK) {
        write_free(classes);
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
    draft->memory = dataset_builder_memory(draft->builder);
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
    pack_key_u64(pk, "samples", write->samples);
    pack_key_u64(pk, "classes", write->classes);
    ticket_end(&write->ticket);
    write_free(write);
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
    /* As many as a request can name, so that one label does not make a million. */
    if (need - have > EVD_MAX_NODES)
        return error_set(err, EVD_E_LIMIT, "labels",
                         "label %u would make %u classes at once, and %u may be: send the names of "
                         "the classes first, or check the labels",
                         need - 1, need - have, EVD_MAX_NODES);
    for (; have < need; have++) {
        int len = snprintf(text, sizeof(text), "%u", have);

        if (dataset_builder_class(draft->builder, (struct evd_str){text, (uint32_t)len}, err) !=
            EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

/* Takes the chunk into the builder; what was new goes to the store. */
static struct draft_write *append_take(struct call *call, struct draft *draft,
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
    struct draft_write *write;
    const char *names;

    if (memory_room(call->rpc,
                    chunk->label_count * sizeof(uint32_t) + chunk->weight_count * sizeof(double),
                    "this piece of a dataset", &call->err) != EVD_OK ||
        add_classes(draft, class_names, &call->err) != EVD_OK ||
        number_classes(draft, chunk->labels, chunk->label_count, &call->err) != EVD_OK ||
        dataset_builder_labels(builder, chunk->labels, chunk->label_count, &call->err) != EVD_OK)
        return NULL;
    if (column.len > 0 && dataset_builder_weights(builder, column, chunk->weights,
                                                  chunk->weight_count, &call->err) != EVD_OK)
        return NULL;
    draft->memory = dataset_builder_memory(builder);
    memory_settle(call->rpc);
    names = dataset_builder_names(builder, store.first_class, &store.class_names_bytes);
    write = write_new(call, draft, STORE_DRAFT_APPEND, names, store.class_names_bytes);
    if (!write) {
        rpc_no_memory(&call->err);
        return NULL;
    }
    write->chunk = *chunk;
    *chunk = (struct chunk){0};
    if (store.column)
        store.column = write->chunk.column;
    store.class_names = write->names;
    write->op.chunk = store;
    write->op.done = append_stored;
    write->samples = dataset_builder_samples(builder);
    write->classes = dataset_builder_classes(builder);
    return write;
}

int do_dataset_append(struct call *call, const struct params_dataset_append *p)
{
    struct draft *draft = draft_find(call->session, p->draft, &call->err);
    struct draft_write *write = NULL;
    struct chunk chunk;

    if (!draft)
        return call->err.code;
    if (chunk_decode(p, &chunk, &call->err) == EVD_OK)
        write = append_take(call, draft, p->classes, &chunk);
    chunk_fini(&chunk);
    if (write)
        return write_submit(call, write);
    draft_doom(draft);
    return call->err.code;
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
    write_free(write);
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
    draft->memory = write->dataset ? dataset_memory(write->dataset) : 0;
    write->op.error = commit->err;
    free(commit);
    if (!draft->session) { /* its connection is gone, or an earlier piece was not stored */
        dataset_free(write->dataset);
        draft->memory = 0;
        ticket_error(&write->ticket, &draft->error);
        write_free(write);
        draft_try_drop(draft);
    } else if (!write_failed(write) && write->dataset) {
        commit_store(write);
    }
}

static int commit_start(struct call *call, struct draft *draft)
{
    struct rpc *rpc = call->rpc;
    struct commit *commit = calloc(1, sizeof(*commit));
    struct draft_write *write = write_new(call, draft, STORE_DRAFT_COMMIT, NULL, 0);
    uint64_t more = dataset_builder_samples(draft->builder) * sizeof(uint32_t); /* member table */
    int code;

    if (memory_room(rpc, more, "the class index of this dataset", &call->err) != EVD_OK) {
        free(commit);
        write_free(write);
        return call->err.code;
    }
    if (!commit || !write) {
        free(commit);
        write_free(write);
        return rpc_no_memory(&call->err);
    }
    commit->work.run = commit_run;
    commit->work.done = commit_built;
    commit->write = write;
    code = rpc->host.work(rpc->host.arg, &commit->work);
    if (code != EVD_OK) {
        free(commit);
        write_free(write);
        return error_set(&call->err, code, "", "no thread could be had for the class index");
    }
    session_ref(call->session);
    draft->committing = draft->building = true;
    draft->memory += more;
    memory_settle(rpc);
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
