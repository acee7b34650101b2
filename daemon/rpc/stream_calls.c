/* stream.open and stream.close. */
#include "rpc/core.h"
#include "rpc/build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream *rpc_stream_find(struct session *session, uint32_t number, struct evd_error *err)
{
    for (uint32_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i]->number == number)
            return session->streams[i];
    }
    error_set(err, EVD_E_NOT_FOUND, "stream",
              "this connection has no stream %u: it was closed, or never opened", number);
    return NULL;
}

static void add_to_session(struct stream *stream, struct session *session)
{
    stream->session = session;
    stream->number = ++session->last_stream;
    session->streams[session->stream_count++] = stream;
}

static void take_from_session(struct stream *stream)
{
    struct session *session = stream->session;
    uint32_t at = 0;

    while (session->streams[at] != stream)
        at++;
    session->streams[at] = session->streams[--session->stream_count];
    if (session->lost && session->stream_count == 0)
        session_forget(session);
}

static void attach(struct stream *stream, struct session *session)
{
    struct job_entry *entry = stream->entry;

    add_to_session(stream, session);
    stream->next = entry->streams;
    if (stream->next)
        stream->next->prev = stream;
    entry->streams = stream;
    session->rpc->stream_count++;
}

static void detach(struct stream *stream)
{
    struct rpc *rpc = stream->session->rpc;

    take_from_session(stream);
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        stream->entry->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    rpc->stream_count--;
}

static void drop_owed(struct stream *stream)
{
    if (stream->owed)
        plan_unref((struct plan *)stream->late.plan);
    stream->owed = false;
}

void rpc_stream_close(struct stream *stream)
{
    struct job_event event = {.kind = JOB_CLOSE, .stream = stream->worker};
    struct evd_error err;

    detach(stream);
    drop_owed(stream);
    entry_drive(stream->entry, &event, &err);
    free(stream);
}

void rpc_stream_lost(struct stream *stream)
{
    struct job_event event = {.kind = JOB_LOST, .stream = stream->worker};
    struct evd_error err;

    stream->lost = true;
    drop_owed(stream);
    entry_drive(stream->entry, &event, &err);
    if (event.stream)
        return;
    detach(stream);
    free(stream);
}

void rpc_stream_gone(struct stream *stream)
{
    detach(stream);
    free(stream);
}

int rpc_columns_decode(const msgpack_object *object, struct batch_format *format,
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
    uint32_t known = plan_columns_known(plan), missing = columns & ~known;
    char list[64] = "";

    if (!missing)
        return EVD_OK;
    for (uint32_t rest = known; rest; rest &= rest - 1) {
        size_t len = strlen(list);

        snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
                 column_name((enum column)__builtin_ctz(rest)));
    }
    return error_set(err, EVD_E_STRATEGY, "columns",
                     "job \"%s\": this strategy cannot answer the column \"%s\" that a worker "
                     "reads; it has %s",
                     entry->name, column_name((enum column)__builtin_ctz(missing)), list);
}

/* Every plan that may yet draw for a new stream must know its columns. */
static int columns_check(const struct job_entry *entry, const struct batch_format *format,
                         struct evd_error *err)
{
    const struct plan *next = update_plan(entry);

    if (next && rpc_stream_columns(entry, format->columns, next, err) != EVD_OK)
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
    if (rpc_columns_decode(p->columns, format, err) != EVD_OK)
        return err->code;
    return columns_check(entry, format, err);
}

/* The job core checks ranks against one another; here: what it is not told. */
static int placing_check(const struct params_stream_open *p, const struct job_entry *entry,
                         struct evd_error *err)
{
    const struct rpc_limits *limits = &entry->rpc->host.limits;

    if (p->has_window && p->window > limits->window)
        return error_set(err, EVD_E_LIMIT, "window", "stream.open: \"window\" is at most %u",
                         (unsigned)limits->window);
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

/* `holding`: an array of [epoch, step]; of another generation it is void. */
static int holding_decode(const struct params_stream_open *p, const struct job_entry *entry,
                          struct job_event *event, struct evd_error *err)
{
    const msgpack_object *object = p->holding;

    if (!object)
        return EVD_OK;
    if (object->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "holding",
                         "stream.open: \"holding\" must be an array of [epoch, step]");
    if (object->via.array.size > EVD_MAX_HOLDING)
        return error_set(err, EVD_E_LIMIT, "holding",
                         "stream.open: a worker holds at most %u batches", EVD_MAX_HOLDING);
    event->holding = calloc(object->via.array.size + 1, sizeof(event->holding[0]));
    if (!event->holding)
        return error_no_memory(err);
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *pair = &object->via.array.ptr[i];

        if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2 ||
            pair->via.array.ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
            pair->via.array.ptr[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return error_set(err, EVD_E_BAD_TYPE, "holding",
                             "stream.open: \"holding\" must be an array of [epoch, step]");
        event->holding[i] =
            (struct job_position){pair->via.array.ptr[0].via.u64, pair->via.array.ptr[1].via.u64};
    }
    if (!p->has_generation || p->generation == records_generation(&entry->records))
        event->held = object->via.array.size;
    return EVD_OK;
}

static void pack_held(msgpack_packer *pk, const struct job_event *event)
{
    pack_key_array(pk, "held", event->held);
    for (uint32_t i = 0; i < event->held; i++) {
        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, event->holding[i].epoch);
        msgpack_pack_uint64(pk, event->holding[i].step);
    }
}

static void pack_stream(msgpack_packer *pk, struct stream *stream, const struct job_event *event)
{
    const struct job_entry *entry = stream->entry;
    const struct dataset *dataset = entry->dataset;
    struct job_position at = job_next(entry->job, stream->rank);
    struct job_state state;

    job_state(entry->job, &state);
    stream->generation = state.generation;
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
    pack_key_bool(pk, "resumed", event->kind == JOB_RESUME);
    pack_held(pk, event);
    pack_key_array(pk, "columns", (size_t)__builtin_popcount(stream->format.columns));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (stream->format.columns & 1u << i)
            pack_cstr(pk, column_name((enum column)i));
    }
}

/* The lost stream that the worker means; NULL and *err if nobody can have it any more. */
static struct stream *find_lost(struct call *call, const struct params_stream_open *p,
                                const struct job_entry *entry)
{
    struct session *previous = call->session->previous;

    for (uint32_t i = 0; previous && i < previous->stream_count; i++) {
        struct stream *stream = previous->streams[i];

        if (stream->number == p->resume && stream->lost && stream->entry == entry &&
            stream->rank == p->rank)
            return stream;
    }
    error_set(&call->err, EVD_E_NOT_FOUND, "resume",
              "there is no stream %u to be resumed: its grace period is over, or this connection "
              "resumed no session; open it afresh",
              p->resume);
    return NULL;
}

static int resume(struct stream *stream, struct session *session, struct job_event *event,
                  struct evd_error *err)
{
    event->kind = JOB_RESUME;
    event->stream = stream->worker;
    event->held = 0;
    if (entry_drive(stream->entry, event, err) != EVD_OK)
        return err->code;
    take_from_session(stream);
    add_to_session(stream, session);
    stream->lost = stream->blocked = false;
    return EVD_OK;
}

static struct stream *open_afresh(struct call *call, const struct params_stream_open *p,
                                  struct job_entry *entry, struct job_event *event)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (!stream) {
        error_no_memory(&call->err);
        return NULL;
    }
    stream->session = call->session;
    stream->entry = entry;
    stream->rank = p->rank;
    event->owner = stream;
    event->rank = p->rank;
    event->world = p->world_size;
    memcpy(entry->world_author, call->session->client, sizeof(entry->world_author));
    if (entry_drive(entry, event, &call->err) != EVD_OK) {
        free(stream);
        return NULL;
    }
    stream->worker = event->stream;
    attach(stream, call->session);
    return stream;
}

/* A new stream, or the one that was lost; without a window, so that the answer goes first. */
static struct stream *open_stream(struct call *call, const struct params_stream_open *p,
                                  struct job_entry *entry, struct job_event *event)
{
    struct stream *stream;

    if (!p->has_resume)
        return open_afresh(call, p, entry, event);
    stream = find_lost(call, p, entry);
    if (!stream)
        return NULL;
    event->owner = stream;
    return resume(stream, call->session, event, &call->err) == EVD_OK ? stream : NULL;
}

/* A worker that was away when its epoch ended hears it now, and has no window. */
static bool missed_the_end(struct stream *stream, const struct params_stream_open *p)
{
    struct job_effect effect = {.generation = stream->generation, .at.epoch = p->epoch};
    struct job_stream_info info;

    job_stream_info(stream->worker, &info);
    if (!p->has_epoch || info.low.epoch <= p->epoch)
        return false;
    effect.at.step = info.low.epoch == p->epoch + 1 ? info.ended_steps : 0;
    rpc_stream_epoch_end(stream, &effect);
    return true;
}

int do_stream_open(struct call *call, const struct params_stream_open *p)
{
    const struct rpc_limits *limits = &call->rpc->host.limits;
    struct evd_error *err = &call->err;
    struct job_event event = {.kind = JOB_OPEN};
    struct job_event credit = {.kind = JOB_CREDIT};
    struct job_entry *entry = entry_find_live(call->rpc, p->job, err);
    struct batch_format format;
    struct stream *stream;

    if (!entry || placing_check(p, entry, err) != EVD_OK ||
        format_decode(p, entry, &format, err) != EVD_OK)
        return err->code;
    if (call->session->stream_count >= limits->streams)
        return error_set(err, EVD_E_LIMIT, "streams",
                         "stream.open: this connection has %u streams, and more are not allowed: "
                         "close one or open another connection",
                         (unsigned)limits->streams);
    stream = holding_decode(p, entry, &event, err) == EVD_OK ? open_stream(call, p, entry, &event)
                                                             : NULL;
    if (!stream) {
        free(event.holding);
        return err->code;
    }
    stream->format = format;
    stream->window = p->has_window                         ? p->window
                     : limits->window < EVD_DEFAULT_WINDOW ? (uint32_t)limits->window
                                                           : EVD_DEFAULT_WINDOW;
    pack_stream(answer_begin(&call->ticket), stream, &event);
    answer_end(&call->ticket);
    free(event.holding);
    if (missed_the_end(stream, p) || stream->window == 0)
        return EVD_OK;
    credit.stream = stream->worker;
    credit.window = stream->window;
    if (entry_drive(entry, &credit, err) != EVD_OK) {
        rpc_stream_closed(stream, err->code, err->message);
        rpc_stream_close(stream);
    }
    return EVD_OK;
}

int do_stream_close(struct call *call, const struct params_stream_close *p)
{
    struct stream *stream = rpc_stream_find(call->session, p->stream, &call->err);
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    rpc_stream_close(stream);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    answer_end(&call->ticket);
    return EVD_OK;
}
