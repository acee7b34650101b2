/* The life of a stream, of a session and of a job (stream.h). Called by stream.open and
 * stream.close, by what happens to its session, and by what happens to its job. */
#include "calls/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/drive.h"
#include "jobs/names.h"

void stream_enter(struct stream *stream, enum stream_state to)
{
    static const uint8_t from[] = {
        [STREAM_OPEN] = 1u << STREAM_OPEN | 1u << STREAM_FULL | 1u << STREAM_LOST,
        [STREAM_FULL] = 1u << STREAM_OPEN | 1u << STREAM_FULL | 1u << STREAM_OWING,
        [STREAM_OWING] = 1u << STREAM_OPEN | 1u << STREAM_FULL,
        [STREAM_LOST] = 1u << STREAM_OPEN | 1u << STREAM_FULL,
    };

    assert(from[to] & 1u << stream->state);
    stream->state = to;
}

struct stream *stream_find(struct session *session, uint32_t number, struct evd_error *err)
{
    for (uint32_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i]->number == number)
            return session->streams[i];
    }
    error_set(err, EVD_E_NOT_FOUND, "stream",
              "this connection has no stream %u: it was closed, or never opened", number);
    return NULL;
}

/* ---- of which session, of which job ---- */

static void join_session(struct stream *stream, struct session *session)
{
    assert(session->stream_count < EVD_MAX_STREAMS);
    stream->session = session;
    stream->number = ++session->last_stream;
    session->streams[session->stream_count++] = stream;
    session_note_streams(session);
}

static void leave_session(struct stream *stream)
{
    struct session *session = stream->session;
    uint32_t at = 0;

    while (session->streams[at] != stream)
        at++;
    session->streams[at] = session->streams[session->stream_count - 1];
    session_stream_gone(session);
}

bool streams_reserve(struct job_entry *entry)
{
    struct stream **grown = table_grow(entry->streams, entry->stream_count, &entry->stream_cap,
                                       sizeof(entry->streams[0]));

    if (grown)
        entry->streams = grown;
    return grown != NULL;
}

uint32_t streams_after(const struct job_entry *entry, uint64_t serial)
{
    uint32_t low = 0, high = entry->stream_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (entry->streams[middle]->serial > serial)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The job knows which columns its workers read. */
void stream_set_format(struct stream *stream, const struct batch_format *format)
{
    for (int i = 0; i < COLUMN_COUNT; i++) {
        stream->entry->readers[i] -= stream->format.columns >> i & 1;
        stream->entry->readers[i] += format->columns >> i & 1;
    }
    stream->format = *format;
}

void stream_weigh(struct stream *stream)
{
    struct jobs *jobs = stream->entry->jobs;
    struct job_stream_info info;

    job_stream_info(stream->worker, &info);
    jobs->streamed -= stream->memory;
    stream->memory = sizeof(*stream) + sizeof(stream->entry->streams[0]) + info.memory;
    jobs->streamed += stream->memory;
}

void stream_attach(struct stream *stream, struct session *session)
{
    struct job_entry *entry = stream->entry;

    join_session(stream, session);
    stream->serial = ++entry->jobs->last_worker;
    assert(entry->stream_count < entry->stream_cap);
    entry->streams[entry->stream_count++] = stream;
    entry->jobs->stream_count++;
    stream_weigh(stream);
}

void stream_move(struct stream *stream, struct session *session)
{
    leave_session(stream);
    join_session(stream, session);
}

static void leave_job(struct stream *stream)
{
    struct job_entry *entry = stream->entry;
    uint32_t after = streams_after(entry, stream->serial);

    assert(entry->streams[after - 1] == stream);
    memmove(&entry->streams[after - 1], &entry->streams[after],
            (entry->stream_count - after) * sizeof(entry->streams[0]));
    entry->stream_count--;
}

static void detach(struct stream *stream)
{
    static const struct batch_format none;

    stream_set_format(stream, &none);
    leave_session(stream);
    leave_job(stream);
    stream->entry->jobs->stream_count--;
    stream->entry->jobs->streamed -= stream->memory;
}

/* ---- its end ---- */

void stream_forget_late(struct stream *stream)
{
    if (stream->state != STREAM_OWING)
        return;
    plan_unref(stream->late.plan);
    stream_enter(stream, STREAM_FULL);
}

void stream_discard(struct stream *stream)
{
    stream_forget_late(stream);
    detach(stream);
    free(stream);
}

void stream_shut(struct stream *stream)
{
    struct job_event event = {.kind = JOB_CLOSE, .close = {stream->worker}};
    struct evd_error err;

    stream_forget_late(stream);
    detach(stream);
    entry_drive(stream->entry, &event, &err);
    free(stream);
}

/* Its connection is gone: it waits for the job's grace period, if there is one. */
static void lose(struct stream *stream)
{
    struct job_event event = {.kind = JOB_LOST, .lost = {stream->worker}};
    struct job_update update;
    struct evd_error err;

    stream_forget_late(stream);
    stream_enter(stream, STREAM_LOST);
    entry_step(stream->entry, &event, &update, &err);
    if (!update.stream)
        stream_discard(stream);
}

void streams_lose(struct session *session, bool resumable)
{
    for (uint32_t i = session->stream_count; i-- > 0;) {
        struct stream *stream = session->streams[i];

        if (!resumable)
            stream_shut(stream);
        else if (stream->state != STREAM_LOST)
            lose(stream);
    }
}

void streams_free(struct server *server)
{
    while (!TAILQ_EMPTY(&server->lost))
        stream_shut(TAILQ_FIRST(&server->lost)->streams[0]);
}

bool streams_working(const struct session *session)
{
    bool working = false;

    for (uint32_t i = 0; i < session->stream_count; i++) {
        struct job_stream_info info;

        job_stream_info(session->streams[i]->worker, &info);
        if (info.stalled)
            return false;
        working = working || info.acked_steps > 0;
    }
    return working;
}

uint32_t streams_outstanding(const struct server *server)
{
    const struct session *session;
    uint32_t held = 0;

    TAILQ_FOREACH(session, &server->sessions, in_list) {
        for (uint32_t i = 0; i < session->stream_count; i++) {
            struct job_stream_info info;

            job_stream_info(session->streams[i]->worker, &info);
            held += info.held;
        }
    }
    return held;
}
