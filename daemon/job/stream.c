#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

static int check_window(uint32_t window, struct evd_error *err)
{
    if (window <= EVD_MAX_WINDOW)
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "window",
                     "window %" PRIu32 " is too large: a stream has at most %u batches out", window,
                     EVD_MAX_WINDOW);
}

/* Whether somebody is attached whose connection is not lost. */
static bool attended(const struct stream_list *streams)
{
    const struct job_stream *stream;

    TAILQ_FOREACH(stream, streams, in_streams)
    {
        if (!stream->lost)
            return true;
    }
    return false;
}

static bool anybody_attached(const struct job *job)
{
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        if (attended(&job->cursors[i].streams))
            return true;
    }
    return false;
}

static int check_rank(const struct job *job, const struct job_event *event, uint32_t world,
                      struct evd_error *err)
{
    if (world == 0)
        return error_set(err, EVD_E_MISSING_FIELD, "world_size",
                         "this is a ranked job and nobody has said how many ranks it has: give "
                         "world_size");
    if (job->cursors && world != job->cursor_count && anybody_attached(job))
        return error_set(err, EVD_E_CONFLICT, "world_size",
                         "this job runs with world_size %" PRIu32 ", not %" PRIu32
                         ": attach with that, or stop all its workers first",
                         job->config.world_size, world);
    if (event->rank >= world)
        return error_set(err, EVD_E_BAD_VALUE, "rank",
                         "rank %" PRIu32 " of world_size %" PRIu32
                         " does not exist: ranks count from 0",
                         event->rank, world);
    if (event->rank < job->cursor_count && attended(&job->cursors[event->rank].streams))
        return error_set(err, EVD_E_CONFLICT, "rank",
                         "rank %" PRIu32
                         " is attached already: give each worker a rank of its own, "
                         "or close the other stream first",
                         event->rank);
    return job_check_world(&job->config, world, err);
}

static int check_open(const struct job *job, const struct job_event *event, uint32_t world,
                      struct evd_error *err)
{
    int code = check_window(event->window, err);

    if (code)
        return code;
    if (event->held > EVD_MAX_HOLDING)
        return error_set(err, EVD_E_LIMIT, "holding", "a worker holds at most %u batches",
                         EVD_MAX_HOLDING);
    if (job->config.mode == JOB_RANKED)
        return check_rank(job, event, world, err);
    if (event->rank || event->world)
        return error_set(err, EVD_E_BAD_VALUE, event->world ? "world_size" : "rank",
                         "this is a shared job, whose workers have no ranks: leave rank and "
                         "world_size out, or make a ranked job");
    return EVD_OK;
}

/* Leases what the worker still has and may keep; returns how many, at the front of `holding`. */
static uint32_t claim(struct job *job, struct job_stream *stream, struct job_position *holding,
                      uint32_t n)
{
    uint32_t granted = 0;

    if (job->config.guarantee == JOB_AT_MOST_ONCE || job->seek.active)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!cursor_claim(stream->cursor, &job->history, holding[i], job->floor))
            continue;
        lease_add(job, stream, holding[i].step);
        holding[granted++] = holding[i];
    }
    return granted;
}

static void attach(struct job *job, struct job_stream *stream, struct job_event *event)
{
    struct cursor *cursor = &job->cursors[event->rank];

    /* Whoever takes a rank takes it from the one whose connection was lost. */
    if (job->config.mode == JOB_RANKED && !TAILQ_EMPTY(&cursor->streams))
        stream_gone(job, TAILQ_FIRST(&cursor->streams));
    stream->cursor = cursor;
    stream->owner = event->owner;
    stream->window = event->window;
    TAILQ_INSERT_TAIL(&cursor->streams, stream, in_streams);
    job->streams++;
    event->stream = stream;
    event->held = claim(job, stream, event->holding, event->held);
    if (event->held > 0 && !job_attended(job))
        progress_attendance(job);
    stream_settle(stream);
    stream_pump(job, cursor);
}

int stream_open(struct job *job, struct job_event *event, struct evd_error *err)
{
    uint32_t known = job->cursors ? job->cursor_count : job->config.world_size;
    uint32_t world = event->world ? event->world : known;
    int code = check_open(job, event, world, err);
    uint32_t room = event->window > event->held ? event->window : event->held;
    struct job_stream *stream;

    if (code)
        return code;
    stream = calloc(1, sizeof(*stream));
    if (!stream || !lease_reserve(stream, room)) {
        free(stream);
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another stream");
    }
    if (!job->cursors)
        code = job_set_world(job, world, err);
    else if (job->config.mode == JOB_RANKED && world != job->cursor_count)
        code = job_change_world(job, world, err);
    if (code) {
        free(stream->leases);
        free(stream);
        return code;
    }
    attach(job, stream, event);
    return EVD_OK;
}

int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    int code = check_window(event->window, err);

    if (code)
        return code;
    if (!lease_reserve(stream, event->window))
        return error_set(err, EVD_E_NO_MEMORY, "window", "no memory for a larger window");
    stream->window = event->window;
    stream->stalled = false;
    stream_resend(job, stream);
    stream_pump(job, stream->cursor);
    return EVD_OK;
}

int stream_ready(struct job *job, const struct job_event *event)
{
    event->stream->blocked = false;
    stream_resend(job, event->stream);
    stream_pump(job, event->stream->cursor);
    return EVD_OK;
}

void stream_free(struct job *job, struct job_stream *stream)
{
    struct cursor *cursor = stream->cursor;

    TAILQ_REMOVE(&cursor->streams, stream, in_streams);
    if (stream->hungry)
        TAILQ_REMOVE(&cursor->hungry, stream, in_hungry);
    job->streams--;
    job->lost -= stream->lost;
    free(stream->leases);
    free(stream);
}

/* The stream ends; what it held goes to others. */
static void end(struct job *job, struct job_stream *stream)
{
    struct cursor *cursor = stream->cursor;

    lease_drop_all(job, stream);
    stream_free(job, stream);
    stream_end_epoch(job, cursor);
    /* Before long, so that who comes back at once need not wait for a write. */
    if (job->streams == 0 && job_may_doubt(job))
        progress_changed(job);
}

void stream_gone(struct job *job, struct job_stream *stream)
{
    struct job_effect effect = {.kind = JOB_GONE, .owner = stream->owner};

    end(job, stream);
    job_emit(job, &effect);
}

int stream_close(struct job *job, struct job_event *event)
{
    struct cursor *cursor = event->stream->cursor;

    end(job, event->stream);
    event->stream = NULL;
    stream_pump(job, cursor);
    return EVD_OK;
}

int stream_lost(struct job *job, struct job_event *event)
{
    struct job_stream *stream = event->stream;

    if (job->config.grace == 0 || job->config.guarantee == JOB_AT_MOST_ONCE)
        return stream_close(job, event);
    stream->lost = true;
    job->lost++;
    stream->lost_until = job->now + job->config.grace;
    job_wake_at(job, stream->lost_until);
    stream_settle(stream);
    return EVD_OK;
}

int stream_resume(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    int code = check_window(event->window, err);

    if (code)
        return code;
    if (!lease_reserve(stream, event->window))
        return error_set(err, EVD_E_NO_MEMORY, "window", "no memory for a larger window");
    stream->owner = event->owner;
    stream->window = event->window;
    job->lost -= stream->lost;
    stream->lost = stream->blocked = stream->stalled = false;
    stream->drained = 0;
    stream->touched = job->now;
    stream->resend = stream->count;
    stream_resend(job, stream);
    stream_pump(job, stream->cursor);
    return EVD_OK;
}

void stream_tick(struct job *job)
{
    job->in_doubt &= job->now < job->doubt_until;
    job->deadline = job->in_doubt ? job->doubt_until : UINT64_MAX;
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];
        struct job_stream *stream = TAILQ_FIRST(&cursor->streams), *next;

        for (; stream; stream = next) {
            next = TAILQ_NEXT(stream, in_streams);
            lease_expire(job, stream);
            if (stream->lost && stream->lost_until <= job->now) {
                stream_gone(job, stream);
                continue;
            }
            job_wake_at(job, lease_deadline(job, stream));
            if (stream->lost)
                job_wake_at(job, stream->lost_until);
        }
        stream_end_epoch(job, cursor);
        stream_pump(job, cursor);
    }
}
