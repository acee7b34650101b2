/* What streams are sent: batches, and what happens to their job. Called by jobs/, for what the job
 * core wants done, and by the server when a session has room again. */
#include "calls/replies.h"
#include "calls/stream_send.h"

#include <assert.h>
#include <stdlib.h>
#include "jobs/drive.h"
#include "server/port.h"

/* ---- batches ---- */

static void *column_of(const struct stream *stream, enum column column)
{
    struct jobs *jobs = stream->entry->jobs;

    return stream->format.columns & 1u << column ? jobs->columns[column] : NULL;
}

/* Draws the batch and encodes it straight into the session's output. */
static void send_batch(struct stream *stream, const struct job_delivery *delivery)
{
    struct session *session = stream->session;
    struct jobs *jobs = stream->entry->jobs;
    const struct batch_head head = {
        .stream = stream->number,
        .job = {stream->entry->name, stream->entry->name_len},
        .generation = delivery->generation,
        .epoch = delivery->slice.epoch,
        .step = delivery->slice.step,
        .revision = delivery->revision,
        .redelivered = delivery->redelivered,
    };
    bool narrow = !stream->format.wide_index;
    const struct plan_columns drawn = {
        .index = narrow ? NULL : jobs->columns[COLUMN_index],
        .index32 = narrow ? jobs->columns[COLUMN_index] : NULL,
        .label = column_of(stream, COLUMN_label),
        .probability = column_of(stream, COLUMN_probability),
        .repeat = column_of(stream, COLUMN_repeat),
        .augment_seed = column_of(stream, COLUMN_augment_seed),
        .augment_strength = column_of(stream, COLUMN_augment_strength),
        .mix_index = narrow ? NULL : column_of(stream, COLUMN_mix_index),
        .mix_index32 = narrow ? column_of(stream, COLUMN_mix_index) : NULL,
        .mix_label = column_of(stream, COLUMN_mix_label),
        .mix_lambda = column_of(stream, COLUMN_mix_lambda),
        .mix_label_lambda = column_of(stream, COLUMN_mix_label_lambda),
    };
    struct batch_columns columns = {.narrow_index = narrow};

    stream->generation = delivery->generation;
    for (int i = 0; i < COLUMN_COUNT; i++)
        columns.data[i] = column_of(stream, (enum column)i);
    columns.n = plan_draw(delivery->plan, &delivery->slice, &drawn, jobs->scratch);
    stream->served_samples += columns.n;
    if (batch_encode(&session->port.out, &head, &stream->format, &columns) == EVD_OK)
        session_wrote(session);
    else
        session_hang_up(session); /* no memory: the step goes to others when it has closed */
}

static void send_late(struct stream *stream)
{
    if (stream->state == STREAM_OWING)
        send_batch(stream, &stream->late);
    stream_forget_late(stream);
}

/* Every stream of a full session may be handed one batch more before the job core knows; those are
 * drawn when the session has drained, so that its output stays bounded. Whether it takes more. */
static bool deliver(struct stream *stream, const struct job_delivery *delivery)
{
    struct session *session = stream->session;

    if (session_ending(session))
        return false;
    if (session_full(&session->port)) {
        send_late(stream);
        stream->late = *delivery;
        plan_ref(delivery->plan);
        stream_enter(stream, STREAM_OWING);
        return false;
    }
    send_batch(stream, delivery);
    stream_enter(stream, session_full(&session->port) ? STREAM_FULL : STREAM_OPEN);
    return stream->state == STREAM_OPEN;
}

void streams_ready(struct session *session)
{
    /* A stream cannot vanish meanwhile, since only frames and the host close streams. */
    for (uint32_t i = 0; i < session->stream_count && !session_full(&session->port); i++) {
        struct stream *stream = session->streams[i];
        struct job_event event = {.kind = JOB_READY, .ready = {stream->worker}};
        struct evd_error err;

        if (stream->state != STREAM_FULL && stream->state != STREAM_OWING)
            continue;
        send_late(stream);
        stream_enter(stream, STREAM_OPEN);
        entry_drive(stream->entry, &event, &err);
    }
}

/* ---- notifications ---- */

/* Begins one about the stream, whose map has more entries. */
static size_t notify(struct stream *stream, msgpack_packer *pk, const char *method)
{
    size_t mark;

    send_late(stream);
    mark = session_notify(stream->session, method, pk);
    pack_key_u64(pk, "stream", stream->number);
    pack_key_cstr(pk, "job", stream->entry->name);
    return mark;
}

static void say_epoch(struct stream *stream, const struct job_epoch *epoch, const char *method)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, method);

    pack_key_u64(&pk, "generation", epoch->generation);
    pack_key_u64(&pk, "epoch", epoch->epoch);
    pack_key_u64(&pk, "steps", epoch->steps);
    session_notified(stream->session, &pk, mark);
}

void stream_say_epoch_end(struct stream *stream, const struct job_epoch *epoch)
{
    say_epoch(stream, epoch, "epoch_end");
}

static void say_revision(struct stream *stream, uint32_t revision, struct job_position at)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, "revision");

    pack_key_u64(&pk, "revision", revision);
    pack_position(&pk, at);
    session_notified(stream->session, &pk, mark);
}

static void say_moved(struct stream *stream, uint32_t generation, struct job_position at)
{
    msgpack_packer pk;
    size_t mark;

    stream_forget_late(stream);
    stream->generation = generation;
    mark = notify(stream, &pk, "seek");
    pack_key_u64(&pk, "generation", generation);
    pack_position(&pk, at);
    session_notified(stream->session, &pk, mark);
}

void stream_say_closed(struct stream *stream, int code, const char *message)
{
    msgpack_packer pk;
    size_t mark = notify(stream, &pk, "closed");

    pack_key_u64(&pk, "code", (uint64_t)code);
    pack_key_cstr(&pk, "message", message);
    pack_key_cstr(&pk, "name", error_name(code));
    pack_key_cstr(&pk, "detail", stream->entry->name);
    session_notified(stream->session, &pk, mark);
}

void streams_say(struct server *server, int code, const char *message)
{
    struct session *session;

    TAILQ_FOREACH(session, &server->sessions, in_list) {
        for (uint32_t i = 0; i < session->stream_count; i++)
            stream_say_closed(session->streams[i], code, message);
    }
}

/* ---- what the job core wants ---- */

void stream_effect(struct job *job, const struct job_effect *effect)
{
    struct stream *stream;

    switch (effect->kind) {
    case JOB_DELIVER:
        stream = effect->deliver.owner;
        if (!deliver(stream, &effect->deliver))
            job_stream_full(job, stream->worker);
        return;
    case JOB_EPOCH_END:
        say_epoch(effect->epoch_end.owner, &effect->epoch_end, "epoch_end");
        return;
    case JOB_DRAINED:
        say_epoch(effect->drained.owner, &effect->drained, "drained");
        return;
    case JOB_REVISION:
        say_revision(effect->revision.owner, effect->revision.revision, effect->revision.at);
        return;
    case JOB_MOVED:
        say_moved(effect->moved.owner, effect->moved.generation, effect->moved.at);
        return;
    case JOB_GONE:
        stream_discard(effect->gone.owner);
        return;
    default:
        assert(!"an effect for a stream");
    }
}
