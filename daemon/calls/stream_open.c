/* stream.open and stream.close: workers come and go. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "calls/replies.h"
#include "calls/columns.h"
#include "calls/handlers.h"
#include "calls/stream_send.h"
#include "jobs/drive.h"
#include "jobs/jobs.h"
#include "jobs/memory.h"
#include "jobs/uses.h"
#include "proto/numbers.h"

/* Every plan that may yet draw for a new stream must know its columns. */
static int columns_check(const struct job_entry *entry, const struct batch_format *format,
                         struct evd_error *err)
{
    const struct plan *next = entry->change ? entry->change->plan : NULL;

    if (next && entry_check_columns(entry, format->columns, next, err) != EVD_OK)
        return err->code;
    for (uint32_t i = job_revisions(entry->job); i-- > 0;) {
        const struct plan *plan = job_revision(entry->job, i).plan;

        if (!plan)
            break;
        if (entry_check_columns(entry, format->columns, plan, err) != EVD_OK)
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
    const struct server_limits *limits = &entry->jobs->server->host.limits;

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

/* `holding`: an array of [epoch, step]; of another generation it is void. The array is the caller's
 * to free. */
static int holding_decode(const struct params_stream_open *p, const struct job_entry *entry,
                          struct job_position **out, uint32_t *count, struct evd_error *err)
{
    const msgpack_object *object = p->holding;
    struct job_position *holding;

    if (!object)
        return EVD_OK;
    if (object->type != MSGPACK_OBJECT_ARRAY)
        return error_set(err, EVD_E_BAD_TYPE, "holding",
                         "stream.open: \"holding\" must be an array of [epoch, step]");
    if (object->via.array.size > EVD_MAX_HOLDING)
        return error_set(err, EVD_E_LIMIT, "holding",
                         "stream.open: a worker holds at most %u batches", EVD_MAX_HOLDING);
    *out = holding = calloc(object->via.array.size + 1, sizeof(*holding));
    if (!holding)
        return error_no_memory(err);
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *pair = &object->via.array.ptr[i];

        if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2 ||
            !number_u64(&pair->via.array.ptr[0], UINT64_MAX, &holding[i].epoch) ||
            !number_u64(&pair->via.array.ptr[1], UINT64_MAX, &holding[i].step))
            return error_set(err, EVD_E_BAD_TYPE, "holding",
                             "stream.open: \"holding\" must be an array of [epoch, step]");
    }
    if (!p->has_generation || p->generation == records_generation(&entry->records))
        *count = object->via.array.size;
    return EVD_OK;
}

/* Of a new stream, the steps that it may keep. */
static void pack_held(msgpack_packer *pk, const struct job_stream *worker, uint32_t held)
{
    pack_key_array(pk, "held", held);
    for (uint32_t i = 0; i < held; i++) {
        struct job_position at = job_stream_lease(worker, i);

        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, at.epoch);
        msgpack_pack_uint64(pk, at.step);
    }
}

static void pack_stream(msgpack_packer *pk, struct stream *stream, bool resumed, uint32_t held)
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
    pack_position(pk, at);
    pack_key_u64(pk, "steps", job_shape(entry->job, at.epoch).steps);
    pack_key_position(pk, "first", job_stream_first(stream->worker));
    pack_key_u64(pk, "revision", state.revision);
    pack_key_cstr(pk, "index_type", stream->format.wide_index ? "u64" : "u32");
    pack_key_u64(pk, "seed", entry->seed);
    pack_key_cstr(pk, "encoding", stream->format.packed ? "packed" : "array");
    pack_key_bool(pk, "resumed", resumed);
    pack_held(pk, stream->worker, held);
    pack_key_columns(pk, "columns", stream->format.columns);
}

/* The lost stream that the worker means; NULL and *err if nobody can have it any more. */
static struct stream *find_lost(struct call *call, const struct params_stream_open *p,
                                const struct job_entry *entry)
{
    struct session *previous = call->session->previous;

    for (uint32_t i = 0; previous && i < previous->stream_count; i++) {
        struct stream *stream = previous->streams[i];

        if (stream->number == p->resume && stream->state == STREAM_LOST && stream->entry == entry &&
            stream->rank == p->rank)
            return stream;
    }
    error_set(&call->err, EVD_E_NOT_FOUND, "resume",
              "there is no stream %u to be resumed: its grace period is over, or this connection "
              "resumed no session; open it afresh",
              p->resume);
    return NULL;
}

/* The lost stream that the worker means, with the session that is there now; NULL and *err. */
static struct stream *resume(struct call *call, const struct params_stream_open *p,
                             struct job_entry *entry)
{
    struct stream *stream = find_lost(call, p, entry);
    struct job_event event = {.kind = JOB_RESUME};

    if (!stream)
        return NULL;
    event.resume.stream = stream->worker;
    event.resume.owner = stream;
    if (entry_drive(entry, &event, &call->err) != EVD_OK)
        return NULL;
    stream_move(stream, call->session);
    stream_enter(stream, STREAM_OPEN);
    return stream;
}

/* A new stream; *held: how many steps its worker says it holds, then how many it may keep. NULL and
 * *err. */
static struct stream *open_afresh(struct call *call, const struct params_stream_open *p,
                                  struct job_entry *entry, const struct job_position *holding,
                                  uint32_t *held)
{
    struct stream *stream = streams_reserve(entry) ? calloc(1, sizeof(*stream)) : NULL;
    struct job_event event = {.kind = JOB_OPEN,
                              .open = {.owner = stream,
                                       .rank = p->rank,
                                       .world = p->world_size,
                                       .exclusive = p->exclusive,
                                       .holding = holding,
                                       .held = *held}};
    struct job_update update;

    if (!stream) {
        error_no_memory(&call->err);
        return NULL;
    }
    stream->session = call->session;
    stream->entry = entry;
    stream->rank = p->rank;
    memcpy(entry->world_author, call->session->client, sizeof(entry->world_author));
    if (entry_step(entry, &event, &update, &call->err) != EVD_OK) {
        free(stream);
        return NULL;
    }
    stream->worker = update.stream;
    *held = update.held;
    stream_attach(stream, call->session);
    return stream;
}

/* A new stream, or the one that was lost; without a window, so that the answer goes first. */
static struct stream *open_stream(struct call *call, const struct params_stream_open *p,
                                  struct job_entry *entry, uint32_t *held)
{
    struct job_position *holding = NULL;
    struct stream *stream = NULL;

    *held = 0;
    if (holding_decode(p, entry, &holding, held, &call->err) == EVD_OK)
        stream =
            p->has_resume ? resume(call, p, entry) : open_afresh(call, p, entry, holding, held);
    if (p->has_resume)
        *held = 0;
    free(holding);
    return stream;
}

/* A worker that was away when its epoch ended hears it now, and has no window. */
static bool missed_the_end(struct stream *stream, const struct params_stream_open *p)
{
    struct job_epoch end = {.generation = stream->generation, .epoch = p->epoch};
    struct job_stream_info info;

    job_stream_info(stream->worker, &info);
    if (!p->has_epoch || info.low.epoch <= p->epoch)
        return false;
    end.steps = info.low.epoch == p->epoch + 1 ? info.ended_steps : 0;
    stream_say_epoch_end(stream, &end);
    return true;
}

/* Whether there is memory for the ranks that this one is among. */
static int check_room(const struct params_stream_open *p, const struct job_entry *entry,
                      struct evd_error *err)
{
    struct job_state state;

    job_state(entry->job, &state);
    if (entry->config.mode != JOB_RANKED || p->world_size <= state.config.world_size)
        return EVD_OK;
    return memory_room(entry->jobs, job_world_memory(entry->job, p->world_size),
                       "a job of so many ranks", err);
}

int do_stream_open(struct call *call, const struct params_stream_open *p)
{
    const struct server_limits *limits = &call->server->host.limits;
    struct evd_error *err = &call->err;
    struct job_event credit = {.kind = JOB_CREDIT};
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, err);
    struct batch_format format;
    struct stream *stream;
    uint32_t held;

    if (!entry || placing_check(p, entry, err) != EVD_OK ||
        format_decode(p, entry, &format, err) != EVD_OK)
        return err->code;
    if (call->session->stream_count >= limits->streams)
        return error_set(err, EVD_E_LIMIT, "streams",
                         "stream.open: this connection has %u streams, and more are not allowed: "
                         "close one or open another connection",
                         (unsigned)limits->streams);
    if ((!p->has_resume && check_room(p, entry, err) != EVD_OK) ||
        use_job(call->session, entry, err) != EVD_OK)
        return err->code;
    stream = open_stream(call, p, entry, &held);
    if (!stream)
        return err->code;
    stream_set_format(stream, &format);
    stream->window = p->has_window                         ? p->window
                     : limits->window < EVD_DEFAULT_WINDOW ? (uint32_t)limits->window
                                                           : EVD_DEFAULT_WINDOW;
    pack_stream(answer_begin(&call->ticket), stream, p->has_resume, held);
    answer_end(&call->ticket);
    if (missed_the_end(stream, p) || stream->window == 0)
        return EVD_OK;
    credit.credit.stream = stream->worker;
    credit.credit.window = stream->window;
    if (entry_drive(entry, &credit, err) != EVD_OK) {
        stream_say_closed(stream, err->code, err->message);
        stream_shut(stream);
        return EVD_OK;
    }
    stream_weigh(stream);
    return EVD_OK;
}

int do_stream_close(struct call *call, const struct params_stream_close *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    stream_shut(stream);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    return answer_end(&call->ticket);
}
