#include "rpc/core.h"
#include "rpc/build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- sending ---- */

static void *column_of(struct stream *stream, enum column column)
{
    return stream->format.columns & 1u << column ? stream->session->rpc->columns[column] : NULL;
}

/* Draws the batch and encodes it straight into the session's output. */
static void send_batch(struct stream *stream, const struct job_effect *effect)
{
    struct session *session = stream->session;
    struct rpc *rpc = session->rpc;
    const struct batch_head head = {
        .stream = stream->number,
        .job = {stream->entry->name, stream->entry->name_len},
        .generation = effect->generation,
        .epoch = effect->at.epoch,
        .step = effect->at.step,
        .revision = effect->revision,
        .redelivered = effect->redelivered,
    };
    bool narrow = !stream->format.wide_index;
    const struct plan_columns drawn = {
        .index = narrow ? NULL : rpc->columns[COLUMN_index],
        .index32 = narrow ? rpc->columns[COLUMN_index] : NULL,
        .label = column_of(stream, COLUMN_label),
        .probability = column_of(stream, COLUMN_probability),
        .repeat = column_of(stream, COLUMN_repeat),
        .augment_seed = column_of(stream, COLUMN_augment_seed),
    };
    struct batch_columns columns = {.narrow_index = narrow};

    stream->generation = effect->generation;
    for (int i = 0; i < COLUMN_COUNT; i++)
        columns.data[i] = column_of(stream, (enum column)i);
    columns.n = plan_draw(effect->plan, &effect->slice, &drawn, rpc->scratch);
    if (batch_encode(&session->port.out, &head, &stream->format, &columns) == EVD_OK)
        session_wrote(session);
    else
        session_hang_up(session); /* no memory: the step goes to others when it has closed */
}

static void send_late(struct stream *stream)
{
    if (!stream->owed)
        return;
    stream->owed = false;
    send_batch(stream, &stream->late);
    plan_unref((struct plan *)stream->late.plan);
}

/* Every stream of a full session may be handed one batch more before the job core knows; those are
 * drawn when the session has drained, so that its output stays bounded. */
bool rpc_stream_deliver(struct stream *stream, const struct job_effect *effect)
{
    struct session *session = stream->session;

    if (session->closing)
        return false;
    if (rpc_session_full(&session->port)) {
        send_late(stream);
        stream->late = *effect;
        plan_ref((struct plan *)effect->plan);
        stream->owed = true;
    } else {
        send_batch(stream, effect);
    }
    stream->blocked = stream->owed || rpc_session_full(&session->port);
    return !stream->blocked;
}

void rpc_stream_ready(struct stream *stream)
{
    struct job_event event = {.kind = JOB_READY, .stream = stream->worker};
    struct evd_error err;

    stream->blocked = false;
    send_late(stream);
    entry_drive(stream->entry, &event, &err);
}

static size_t notify(struct stream *stream, msgpack_packer *pk, const char *method, size_t fields)
{
    size_t mark;

    send_late(stream);
    mark = session_begin(stream->session, pk);
    message_notification(pk, method);
    msgpack_pack_map(pk, fields);
    pack_key_u64(pk, "stream", stream->number);
    pack_key_cstr(pk, "job", stream->entry->name);
    return mark;
}

static void notify_epoch(struct stream *stream, const struct job_effect *effect, const char *method)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, method, 5);

    pack_key_u64(&pk, "generation", effect->generation);
    pack_key_u64(&pk, "epoch", effect->at.epoch);
    pack_key_u64(&pk, "steps", effect->at.step);
    session_end(stream->session, mark);
}

void rpc_stream_epoch_end(struct stream *stream, const struct job_effect *effect)
{
    notify_epoch(stream, effect, "epoch_end");
}

void rpc_stream_drained(struct stream *stream, const struct job_effect *effect)
{
    notify_epoch(stream, effect, "drained");
}

void rpc_stream_revision(struct stream *stream, const struct job_effect *effect)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, "revision", 5);

    pack_key_u64(&pk, "revision", effect->revision);
    pack_key_u64(&pk, "epoch", effect->at.epoch);
    pack_key_u64(&pk, "step", effect->at.step);
    session_end(stream->session, mark);
}

void rpc_stream_closed(struct stream *stream, int code, const char *message)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, "closed", 6);

    pack_key_u64(&pk, "code", (uint64_t)code);
    pack_key_cstr(&pk, "message", message);
    pack_key_cstr(&pk, "name", error_name(code));
    pack_key_cstr(&pk, "detail", stream->entry->name);
    session_end(stream->session, mark);
}

bool rpc_stream_prepare(struct rpc *rpc, const struct plan *plan)
{
    size_t size = (plan_scratch_size(plan) + 63) / 64 * 64;
    void *scratch;

    if (size <= rpc->scratch_size)
        return true;
    scratch = aligned_alloc(64, size);
    if (!scratch)
        return false;
    free(rpc->scratch);
    rpc->scratch = scratch;
    rpc->scratch_size = size;
    return true;
}

/* ---- opening and closing ---- */

static struct stream *stream_find(struct session *session, uint32_t number, struct evd_error *err)
{
    for (uint32_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i]->number == number)
            return session->streams[i];
    }
    error_set(err, EVD_E_NOT_FOUND, "stream",
              "this connection has no stream %u: it was closed, or never opened", number);
    return NULL;
}

static void attach(struct stream *stream)
{
    struct session *session = stream->session;
    struct job_entry *entry = stream->entry;

    stream->number = ++session->last_stream;
    session->streams[session->stream_count++] = stream;
    stream->next = entry->streams;
    if (stream->next)
        stream->next->prev = stream;
    entry->streams = stream;
    session->rpc->stream_count++;
}

void rpc_stream_close(struct stream *stream)
{
    struct session *session = stream->session;
    struct job_entry *entry = stream->entry;
    struct job_event event = {.kind = JOB_CLOSE, .stream = stream->worker};
    struct evd_error err;
    uint32_t at = 0;

    while (session->streams[at] != stream)
        at++;
    session->streams[at] = session->streams[--session->stream_count];
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        entry->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    session->rpc->stream_count--;
    if (stream->owed)
        plan_unref((struct plan *)stream->late.plan);
    entry_drive(entry, &event, &err);
    free(stream);
}

static int columns_decode(const msgpack_object *object, struct batch_format *format,
                          struct evd_error *err)
{
    if (!object || object->type == MSGPACK_OBJECT_NIL)
        return EVD_OK;
    if (object->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "columns",
                         "stream.open: \"columns\" must be an array of column names");
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *name = &object->via.array.ptr[i];
        int column;

        if (name->type != MSGPACK_OBJECT_STR)
            return error_set(err, EVD_E_BAD_TYPE, "columns",
                             "stream.open: \"columns\" must be an array of column names");
        column = column_find(name->via.str.ptr, name->via.str.size);
        if (column < 0)
            return error_set(err, EVD_E_NOT_FOUND, "columns",
                             "stream.open: there is no column \"%.*s\": there are index, label, "
                             "probability, repeat and augment_seed",
                             name->via.str.size < 64 ? (int)name->via.str.size : 64,
                             name->via.str.ptr);
        format->columns |= 1u << column;
    }
    return EVD_OK;
}

int rpc_stream_columns(const struct job_entry *entry, uint32_t columns, const struct plan *plan,
                       struct evd_error *err)
{
    uint32_t missing = columns & ~plan_columns_known(plan);

    if (!missing)
        return EVD_OK;
    return error_set(
        err, EVD_E_STRATEGY, "columns",
        "job \"%s\": this strategy cannot answer the column \"%s\" that a worker reads",
        entry->name, column_name((enum column)__builtin_ctz(missing)));
}

/* Every plan that may yet draw for a new stream must know its columns. */
static int columns_check(const struct job_entry *entry, const struct batch_format *format,
                         struct evd_error *err)
{
    if (entry->update && entry->update->built &&
        rpc_stream_columns(entry, format->columns, entry->update->plan, err) != EVD_OK)
        return err->code;
    for (uint32_t i = job_revisions(entry->job); i-- > 0;) {
        const struct plan *plan = job_revision(entry->job, i).plan;

        if (!plan)
            break;
        if (rpc_stream_columns(entry, format->columns, plan, err) != EVD_OK)
            return err->code;
    }
    return EVD_OK;
}

static int format_decode(const struct params_stream_open *p, const struct job_entry *entry,
                         struct batch_format *format, struct evd_error *err)
{
    *format = (struct batch_format){
        .packed = p->has_encoding && str_is(p->encoding, "packed"),
        .wide_index = entry->dataset->index.samples > UINT64_C(1) << 32,
        .columns = 1u << COLUMN_index,
    };
    if (p->has_encoding && !format->packed && !str_is(p->encoding, "array"))
        return error_set(err, EVD_E_BAD_VALUE, "encoding",
                         "stream.open: \"encoding\" must be \"array\" or \"packed\"");
    if (columns_decode(p->columns, format, err) != EVD_OK)
        return err->code;
    return columns_check(entry, format, err);
}

/* The job core checks ranks against one another; here: what it is not told. */
static int placing_check(const struct params_stream_open *p, const struct job_entry *entry,
                         struct evd_error *err)
{
    if (p->has_window && p->window > EVD_MAX_WINDOW)
        return error_set(err, EVD_E_LIMIT, "window", "stream.open: \"window\" is at most %u",
                         EVD_MAX_WINDOW);
    if (entry->config.mode == JOB_SHARED && (p->has_rank || p->has_world_size))
        return error_set(err, EVD_E_BAD_VALUE, p->has_rank ? "rank" : "world_size",
                         "stream.open: job \"%s\" is shared, so its workers have no rank and no "
                         "world_size: leave both out, or create the job with mode \"ranked\"",
                         entry->name);
    if (entry->config.mode == JOB_RANKED && !p->has_rank)
        return error_set(err, EVD_E_MISSING_FIELD, "rank",
                         "stream.open: job \"%s\" is ranked: say which \"rank\" this worker is",
                         entry->name);
    return EVD_OK;
}

static void pack_stream(msgpack_packer *pk, struct stream *stream)
{
    const struct job_entry *entry = stream->entry;
    const struct dataset *dataset = entry->dataset;
    struct job_position at = job_next(entry->job, stream->rank);
    struct job_state state;

    job_state(entry->job, &state);
    stream->generation = state.generation;
    msgpack_pack_map(pk, 20);
    pack_key_u64(pk, "stream", stream->number);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "mode", entry->config.mode == JOB_RANKED ? "ranked" : "shared");
    pack_key_cstr(pk, "dataset", dataset->name);
    pack_key_u64(pk, "version", dataset->version);
    pack_key_u64(pk, "samples", dataset->index.samples);
    pack_key_u64(pk, "classes", dataset->index.classes);
    pack_key_u64(pk, "batch_size", entry->config.batch_size);
    pack_key_u64(pk, "world_size", state.config.world_size);
    pack_key_u64(pk, "rank", stream->rank);
    pack_key_u64(pk, "window", stream->window);
    pack_key_u64(pk, "generation", state.generation);
    pack_key_u64(pk, "epoch", at.epoch);
    pack_key_u64(pk, "step", at.step);
    pack_key_u64(pk, "steps", job_shape(entry->job, at.epoch).steps);
    pack_key_u64(pk, "revision", state.revision);
    pack_key_cstr(pk, "index_type", stream->format.wide_index ? "u64" : "u32");
    pack_key_u64(pk, "seed", entry->seed);
    pack_key_cstr(pk, "encoding", stream->format.packed ? "packed" : "array");
    pack_key_array(pk, "columns", (size_t)__builtin_popcount(stream->format.columns));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (stream->format.columns & 1u << i)
            pack_cstr(pk, column_name((enum column)i));
    }
}

int do_stream_open(struct call *call, const struct params_stream_open *p)
{
    struct session *session = call->session;
    struct evd_error *err = &call->err;
    struct job_event event = {.kind = JOB_OPEN};
    struct job_event credit = {.kind = JOB_CREDIT};
    struct job_entry *entry = entry_find_live(call->rpc, p->job, err);
    struct batch_format format;
    struct stream *stream;

    if (!entry || placing_check(p, entry, err) != EVD_OK ||
        format_decode(p, entry, &format, err) != EVD_OK)
        return err->code;
    if (session->stream_count == EVD_MAX_STREAMS)
        return error_set(err, EVD_E_LIMIT, "streams",
                         "stream.open: this connection has %u streams, and more are not allowed: "
                         "close one or open another connection",
                         EVD_MAX_STREAMS);
    stream = calloc(1, sizeof(*stream));
    if (!stream)
        return rpc_no_memory(err);
    stream->session = session;
    stream->entry = entry;
    stream->format = format;
    stream->rank = p->rank;
    stream->window = p->has_window ? p->window : EVD_DEFAULT_WINDOW;
    event.owner = stream;
    event.rank = p->rank;
    event.world = p->world_size;
    if (entry_drive(entry, &event, err) != EVD_OK) {
        free(stream);
        return err->code;
    }
    stream->worker = event.stream;
    attach(stream);
    /* It was opened with no window: the answer goes before the first batch. */
    pack_stream(answer_begin(&call->ticket), stream);
    answer_end(&call->ticket);
    credit.stream = stream->worker;
    credit.window = stream->window;
    if (stream->window > 0 && entry_drive(entry, &credit, err) != EVD_OK) {
        rpc_stream_closed(stream, err->code, err->message);
        rpc_stream_close(stream);
    }
    return EVD_OK;
}

int do_stream_credit(struct call *call, const struct params_stream_credit *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_CREDIT};
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    if (p->window > EVD_MAX_WINDOW)
        return error_set(&call->err, EVD_E_LIMIT, "window",
                         "stream.credit: \"window\" is at most %u", EVD_MAX_WINDOW);
    event.stream = stream->worker;
    event.window = p->window;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    stream->window = p->window;
    pk = answer_begin(&call->ticket);
    msgpack_pack_map(pk, 2);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "window", p->window);
    answer_end(&call->ticket);
    return EVD_OK;
}

static struct ack *ack_new(struct call *call, struct stream *stream,
                           const struct params_stream_ack *p)
{
    struct job_entry *entry = stream->entry;
    struct ack *ack = calloc(1, sizeof(*ack));

    if (!ack)
        return NULL;
    ack->ticket = ticket_keep(call);
    ack->entry = entry;
    ack->at = (struct job_position){p->epoch, p->step};
    ack->stream = p->stream;
    ack->next = entry->acks;
    if (ack->next)
        ack->next->prev = ack;
    entry->acks = ack;
    return ack;
}

int do_stream_ack(struct call *call, const struct params_stream_ack *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_ACK};
    struct ack *ack = NULL;

    if (!stream)
        return call->err.code;
    event.stream = stream->worker;
    event.at = (struct job_position){p->epoch, p->step};
    event.through = p->has_through && p->through;
    event.generation = p->has_generation ? p->generation : stream->generation;
    if (call->ticket.request) {
        ack = ack_new(call, stream, p);
        if (!ack)
            return rpc_no_memory(&call->err);
        event.token = (uint64_t)(uintptr_t)ack;
    }
    if (entry_drive(stream->entry, &event, &call->err) == EVD_OK)
        return EVD_OK;
    if (ack)
        ack_drop(ack);
    return call->err.code;
}

int do_stream_close(struct call *call, const struct params_stream_close *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    rpc_stream_close(stream);
    pk = answer_begin(&call->ticket);
    msgpack_pack_map(pk, 1);
    pack_key_u64(pk, "stream", p->stream);
    answer_end(&call->ticket);
    return EVD_OK;
}
