/*
 * Streams: workers that attach, leave, get lost and come back. job_step calls it.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

struct job_stream *stream_next(const struct job *job, const struct job_stream *stream)
{
    struct job_stream *next = stream ? TAILQ_NEXT(stream, in_streams) : NULL;
    uint32_t i = stream ? (uint32_t)(stream->cursor - job->cursors) + 1 : 0;

    for (; !next && i < job->cursor_count; i++)
        next = TAILQ_FIRST(&job->cursors[i].streams);
    return next;
}

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

    TAILQ_FOREACH(stream, streams, in_streams) {
        if (!stream->lost)
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
    if (job->cursors && world != job->cursor_count && job->streams > job->lost)
        return error_set(err, EVD_E_CONFLICT, "world_size",
                         "this job runs with world_size %" PRIu32 ", not %" PRIu32
                         ": attach with that, or stop all its workers first",
                         job->config.world_size, world);
    if (event->open.rank >= world)
        return error_set(err, EVD_E_BAD_VALUE, "rank",
                         "rank %" PRIu32 " of world_size %" PRIu32
                         " does not exist: ranks count from 0",
                         event->open.rank, world);
    if (event->open.rank < job->cursor_count && attended(&job->cursors[event->open.rank].streams))
        return error_set(err, EVD_E_CONFLICT, "rank",
                         "rank %" PRIu32
                         " is attached already: give each worker a rank of its own, "
                         "or close the other stream first",
                         event->open.rank);
    return world_check(&job->config, world, err);
}

/* A worker that wants a shared job for itself, and one that would join it. */
static int check_alone(const struct job *job, bool exclusive, struct evd_error *err)
{
    const struct job_stream *stream;

    if (!job->cursors)
        return EVD_OK;
    TAILQ_FOREACH(stream, &job->cursors[0].streams, in_streams) {
        if (!stream->lost && (exclusive || stream->exclusive))
            return error_set(err, EVD_E_CONFLICT, "exclusive",
                             "%s: close the other one first, or give each a job of its own",
                             stream->exclusive ? "somebody reads this job alone"
                                               : "this worker wants to read the job alone, and "
                                                 "somebody is attached to it");
    }
    return EVD_OK;
}

static int check_open(const struct job *job, const struct job_event *event, uint32_t world,
                      struct evd_error *err)
{
    int code = check_window(event->open.window, err);

    if (code)
        return code;
    if (event->open.held > EVD_MAX_HOLDING)
        return error_set(err, EVD_E_LIMIT, "holding", "a worker holds at most %u batches",
                         EVD_MAX_HOLDING);
    if (job->config.mode == JOB_RANKED)
        return check_rank(job, event, world, err);
    if (event->open.rank || event->open.world)
        return error_set(err, EVD_E_BAD_VALUE, event->open.world ? "world_size" : "rank",
                         "this is a shared job, whose workers have no ranks: leave rank and "
                         "world_size out, or make a ranked job");
    return check_alone(job, event->open.exclusive, err);
}

/* Leases what the worker still has and may keep; returns how many steps that are. */
static uint32_t claim(struct job *job, struct job_stream *stream,
                      const struct job_position *holding, uint32_t n)
{
    if (job->config.guarantee == JOB_AT_MOST_ONCE || job->change == CHANGE_SEEK)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (cursor_claim(stream->cursor, &job->history, holding[i], job->floor))
            lease_add(job, stream, holding[i].step);
    }
    return stream->count;
}

static void attach(struct job *job, struct job_stream *stream, const struct job_event *event)
{
    struct cursor *cursor = &job->cursors[event->open.rank];
    bool alone = job->config.mode == JOB_RANKED || event->open.exclusive;
    struct job_stream *other;

    assert(event->open.rank < job->cursor_count);
    /* Those whose connections were lost make place for one that has to be alone, as does a lost one
     * that had to be. */
    while ((other = TAILQ_FIRST(&cursor->streams)) && (alone || other->exclusive))
        stream_gone(job, other);
    stream->cursor = cursor;
    stream->owner = event->open.owner;
    stream->window = event->open.window;
    stream->exclusive = alone;
    TAILQ_INSERT_TAIL(&cursor->streams, stream, in_streams);
    job->streams++;
    if (claim(job, stream, event->open.holding, event->open.held) > 0 && !job_attended(job))
        progress_attendance(job);
    stream_queue(job, stream);
    job_pump(job, cursor);
}

/* Memory for a stream, its leases and the effects it causes; NULL: there is none. */
static struct job_stream *stream_new(struct job *job, uint32_t room)
{
    const struct progress *progress = &job->progress;
    uint32_t waiting = progress->waiting.capacity, written = progress->written.capacity;
    struct job_stream *stream = calloc(1, sizeof(*stream));

    if (stream && lease_reserve(stream, room) &&
        effects_reserve(job, job->streams + 1, waiting > written ? waiting : written))
        return stream;
    if (stream)
        free(stream->leases);
    free(stream);
    return NULL;
}

int stream_open(struct job *job, const struct job_event *event, struct job_update *update,
                struct evd_error *err)
{
    uint32_t known = job->cursors ? job->cursor_count : job->config.world_size;
    uint32_t world = event->open.world ? event->open.world : known;
    uint32_t window = event->open.window, held = event->open.held;
    int code = check_open(job, event, world, err);
    struct job_stream *stream;

    if (code)
        return code;
    stream = stream_new(job, window > held ? window : held);
    if (!stream)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another stream");
    if (!job->cursors)
        code = world_set(job, world, err);
    else if (job->config.mode == JOB_RANKED && world != job->cursor_count)
        code = world_change(job, world, err);
    if (code) {
        free(stream->leases);
        free(stream);
        return code;
    }
    attach(job, stream, event);
    update->stream = stream;
    update->held = stream->count;
    return EVD_OK;
}

/* A new window, for a worker that takes steps again. */
static int new_window(struct job_stream *stream, uint32_t window, struct evd_error *err)
{
    int code = check_window(window, err);

    if (code)
        return code;
    if (!lease_reserve(stream, window))
        return error_set(err, EVD_E_NO_MEMORY, "window", "no memory for a larger window");
    assert(window <= stream->capacity);
    stream->window = window;
    stream->stalled = false;
    return EVD_OK;
}

int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->credit.stream;
    int code;

    if (event->credit.window > 0 && stream->cursor->epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_LIMIT, "epoch",
                         "this job is at its end, behind epoch %" PRIu32
                         ": seek to an epoch before, or make a new job",
                         JOB_MAX_EPOCH);
    code = new_window(stream, event->credit.window, err);
    if (code)
        return code;
    stream_queue(job, stream);
    job_pump(job, stream->cursor);
    return EVD_OK;
}

void stream_ready(struct job *job, struct job_stream *stream)
{
    assert(!stream->lost);
    stream->full = false;
    stream_queue(job, stream);
    job_pump(job, stream->cursor);
}

void stream_free(struct job *job, struct job_stream *stream)
{
    struct cursor *cursor = stream->cursor;

    assert(job->streams > 0 && job->lost >= stream->lost);
    TAILQ_REMOVE(&cursor->streams, stream, in_streams);
    if (stream->turn != TURN_NONE)
        TAILQ_REMOVE(&cursor->queue, stream, in_queue);
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
    void *owner = stream->owner;

    assert(stream->lost);
    end(job, stream);
    job_emit(job, (struct job_effect){.kind = JOB_GONE, .gone = {.owner = owner}});
}

void stream_close(struct job *job, struct job_stream *stream)
{
    struct cursor *cursor = stream->cursor;

    end(job, stream);
    job_pump(job, cursor);
}

bool stream_lost(struct job *job, struct job_stream *stream)
{
    assert(!stream->lost);
    if (job->config.grace == 0 || job->config.guarantee == JOB_AT_MOST_ONCE) {
        stream_close(job, stream);
        return false;
    }
    stream->lost = true;
    job->lost++;
    stream->lost_until = job->now + job->config.grace;
    job_wake_at(job, stream->lost_until);
    stream_queue(job, stream);
    return true;
}

int stream_resume(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->resume.stream;
    int code = new_window(stream, event->resume.window, err);

    if (code)
        return code;
    assert(stream->lost && job->lost > 0);
    job->lost--;
    stream->owner = event->resume.owner;
    stream->lost = stream->full = false;
    stream->drained = 0;
    stream->touched = job->now;
    stream->resend = stream->count;
    stream_queue(job, stream);
    job_pump(job, stream->cursor);
    return EVD_OK;
}

void stream_tick(struct job *job)
{
    if (job->doubt == DOUBT_RUNS && job->doubt_until <= job->now)
        job_doubt_to(job, DOUBT_NONE);
    job->deadline = job->doubt == DOUBT_RUNS ? job->doubt_until : UINT64_MAX;
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
    }
    job_pump_all(job);
}
