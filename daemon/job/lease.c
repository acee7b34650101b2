#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

/* The i-th lease of a stream, the oldest first. */
static struct lease *lease_at(const struct job_stream *stream, uint32_t i)
{
    return &stream->leases[(stream->head + i) & (stream->capacity - 1)];
}

uint64_t lease_step(const struct job_stream *stream, uint32_t i)
{
    return lease_at(stream, i)->step;
}

bool lease_reserve(struct job_stream *stream, uint32_t window)
{
    uint32_t capacity = 1;
    struct lease *leases;

    if (stream->leases && window <= stream->capacity)
        return true;
    while (capacity < window)
        capacity *= 2;
    leases = malloc(capacity * sizeof(*leases));
    if (!leases)
        return false;
    for (uint32_t i = 0; i < stream->count; i++)
        leases[i] = *lease_at(stream, i);
    free(stream->leases);
    stream->leases = leases;
    stream->head = 0;
    stream->capacity = capacity;
    return true;
}

void lease_add(struct job *job, struct job_stream *stream, uint64_t step)
{
    *lease_at(stream, stream->count++) = (struct lease){step, job->now};
    stream->cursor->leases++;
    job->outstanding++;
    if (job->config.time_to_run)
        job_wake_at(job, job->now + job->config.time_to_run);
}

/* Which lease it is, or stream->count. Workers acknowledge in order, so it is nearly always the
 * first; the window bounds the rest. */
static uint32_t lease_find(const struct job_stream *stream, uint64_t step)
{
    uint32_t i = 0;

    while (i < stream->count && lease_step(stream, i) != step)
        i++;
    return i;
}

static void lease_remove(struct job *job, struct job_stream *stream, uint32_t i)
{
    if (i >= stream->count - stream->resend)
        stream->resend--;
    for (; i > 0; i--)
        *lease_at(stream, i) = *lease_at(stream, i - 1);
    stream->head = (stream->head + 1) & (stream->capacity - 1);
    stream->count--;
    stream->cursor->leases--;
    job->outstanding--;
}

/* It ends without having been acknowledged. */
static void lease_drop(struct job *job, struct job_stream *stream, uint32_t i)
{
    if (job->config.guarantee == JOB_AT_LEAST_ONCE)
        cursor_return(stream->cursor, lease_step(stream, i));
    lease_remove(job, stream, i);
}

void lease_drop_all(struct job *job, struct job_stream *stream)
{
    while (stream->count > 0)
        lease_drop(job, stream, 0);
}

uint64_t lease_deadline(const struct job *job, const struct job_stream *stream)
{
    uint64_t since;

    if (job->config.time_to_run == 0 || stream->count == 0)
        return UINT64_MAX;
    since = lease_at(stream, 0)->since;
    return (since > stream->touched ? since : stream->touched) + job->config.time_to_run;
}

void lease_expire(struct job *job, struct job_stream *stream)
{
    while (lease_deadline(job, stream) <= job->now) {
        lease_drop(job, stream, 0);
        job->expired++;
        stream->stalled = true;
    }
    stream_settle(stream);
}

/* ---- what a worker says about its leases ---- */

/* A step handed out before: is it acknowledged? */
static bool is_done(const struct cursor *cursor, struct job_position at)
{
    return position_before(at, cursor_low(cursor)) || cursor_acked(cursor, at.step);
}

static int refuse(const struct job *job, const struct job_event *event, struct evd_error *err)
{
    const struct cursor *cursor = event->stream->cursor;
    struct job_position next = cursor_next(cursor);

    if (event->generation != job->generation)
        return error_set(err, EVD_E_CONFLICT, "generation",
                         "generation %" PRIu32 " is not this job's (%" PRIu32
                         "): the batch is void, take the next one",
                         event->generation, job->generation);
    if (!position_before(event->at, next))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " is not handed out yet",
                         event->at.epoch, event->at.step);
    if (is_done(cursor, event->at))
        return error_set(err, EVD_E_CONFLICT, "acknowledged",
                         "epoch %" PRIu64 " step %" PRIu64 " is acknowledged already",
                         event->at.epoch, event->at.step);
    return error_set(err, EVD_E_CONFLICT, "step",
                     "this stream does not hold epoch %" PRIu64 " step %" PRIu64
                     ": its time ran out, or it went to another worker",
                     event->at.epoch, event->at.step);
}

/* The leases that an acknowledgement or a release names: *n from *first on. */
static int named(const struct job *job, const struct job_event *event, uint32_t *first, uint32_t *n,
                 struct evd_error *err)
{
    const struct job_stream *stream = event->stream;
    uint32_t i = lease_find(stream, event->at.step);

    if (event->generation != job->generation || event->at.epoch != stream->cursor->epoch ||
        i == stream->count)
        return refuse(job, event, err);
    *first = event->through ? 0 : i;
    *n = i + 1 - *first;
    return EVD_OK;
}

static uint32_t slice_size(const struct job *job, const struct cursor *cursor, uint64_t step)
{
    uint32_t slices = job->cursor_count / job->config.replicas;
    struct plan_slice slice = {cursor->epoch, step, cursor->shape,
                               cursor->rank / job->config.replicas, slices};

    if (step + 1 < cursor->shape.steps)
        return job->config.batch_size / slices;
    return plan_slice_size(job->history.items[cursor_revision(cursor, &job->history, step)].plan,
                           &slice);
}

static void acknowledge(struct job *job, struct job_stream *stream, uint32_t i)
{
    struct cursor *cursor = stream->cursor;
    uint64_t step = lease_step(stream, i);

    stream->acked_steps++;
    stream->acked_samples += slice_size(job, cursor, step);
    if (job->config.guarantee == JOB_AT_LEAST_ONCE)
        cursor_ack(cursor, step);
    lease_remove(job, stream, i);
}

/* Acknowledged already, perhaps by this worker on a connection that took the answer with it: the
 * refusal says that it is certain, so it must not come before that is true. */
static bool is_repeated(const struct job *job, const struct job_event *event)
{
    return event->token && event->generation == job->generation && !progress_durable(job) &&
           is_done(event->stream->cursor, event->at);
}

int lease_ack(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    struct cursor *cursor = stream->cursor;
    uint32_t first, n;
    int code = named(job, event, &first, &n, err);
    bool again = code == EVD_E_CONFLICT && is_repeated(job, event);

    if (code && !again)
        return code;
    if (event->token && !progress_reserve(&job->progress))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to confirm an acknowledgement");
    if (again) {
        progress_note(job, event->token, EVD_E_EXISTS);
        progress_settle(job);
        return EVD_OK;
    }
    while (n-- > 0)
        acknowledge(job, stream, first);
    progress_note(job, event->token, EVD_OK);
    stream_end_epoch(job, cursor);
    cursor_settle(cursor, &job->history);
    stream_settle(stream);
    stream_pump(job, cursor);
    progress_settle(job);
    return EVD_OK;
}

int lease_touch(struct job *job, const struct job_event *event)
{
    event->stream->touched = job->now;
    return EVD_OK;
}

int lease_release(struct job *job, struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    struct cursor *cursor = stream->cursor;
    uint32_t first, n;
    int code = named(job, event, &first, &n, err);

    if (code)
        return code;
    event->held = n;
    while (n-- > 0)
        lease_drop(job, stream, first);
    stream_end_epoch(job, cursor);
    stream_settle(stream);
    stream_pump(job, cursor);
    return EVD_OK;
}
