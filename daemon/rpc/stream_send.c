/* What streams are sent: batches, and what happens to their job. */
#include "rpc/core.h"

#include <stdlib.h>

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
    stream->served_samples += columns.n;
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

/* Begins a notification of the stream's, whose map has more entries. */
static size_t notify(struct stream *stream, msgpack_packer *pk, const char *method)
{
    size_t mark;

    send_late(stream);
    mark = session_begin(stream->session, pk);
    message_notification(pk, method);
    pack_map_begin(pk);
    pack_map_of(pk, method);
    pack_key_u64(pk, "stream", stream->number);
    pack_key_cstr(pk, "job", stream->entry->name);
    return mark;
}

static void notify_end(struct stream *stream, msgpack_packer *pk, size_t mark)
{
    pack_map_end(pk);
    session_end(stream->session, mark);
}

static void notify_epoch(struct stream *stream, const struct job_effect *effect, const char *method)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, method);

    pack_key_u64(&pk, "generation", effect->generation);
    pack_key_u64(&pk, "epoch", effect->at.epoch);
    pack_key_u64(&pk, "steps", effect->at.step);
    notify_end(stream, &pk, mark);
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
    size_t mark = notify(stream, &pk, "revision");

    pack_key_u64(&pk, "revision", effect->revision);
    pack_key_u64(&pk, "epoch", effect->at.epoch);
    pack_key_u64(&pk, "step", effect->at.step);
    notify_end(stream, &pk, mark);
}

void rpc_stream_moved(struct stream *stream, const struct job_effect *effect)
{
    msgpack_packer pk;
    size_t mark;

    /* What was still to be drawn for it is void. */
    if (stream->owed)
        plan_unref((struct plan *)stream->late.plan);
    stream->owed = false;
    stream->generation = effect->generation;
    mark = notify(stream, &pk, "seek");
    pack_key_u64(&pk, "generation", effect->generation);
    pack_key_u64(&pk, "epoch", effect->at.epoch);
    pack_key_u64(&pk, "step", effect->at.step);
    notify_end(stream, &pk, mark);
}

void rpc_stream_closed(struct stream *stream, int code, const char *message)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, "closed");

    pack_key_u64(&pk, "code", (uint64_t)code);
    pack_key_cstr(&pk, "message", message);
    pack_key_cstr(&pk, "name", error_name(code));
    pack_key_cstr(&pk, "detail", stream->entry->name);
    notify_end(stream, &pk, mark);
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
