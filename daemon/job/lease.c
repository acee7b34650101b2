/*
 * Leases: the steps a stream holds, until its worker acknowledges or releases them, their time runs
 * out, or the stream ends. job_step calls it with what workers say; deliver.c and stream.c add
 * leases and end them.
 */
#include <assert.h>
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
    assert(i < stream->count);
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
    assert((capacity & (capacity - 1)) == 0 && stream->count <= capacity);
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
    assert(stream->count < stream->capacity);
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
    assert(i < stream->count && stream->cursor->leases > 0 && job->outstanding > 0);
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
    assert(stream->resend == 0);
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
    stream_queue(job, stream);
}

/* ---- what a worker says about its leases ---- */

/* The leases that an acknowledgement or a release names. */
struct named {
    struct job_stream *stream;
    uint32_t generation;
    struct job_position at;
    uint32_t first, count; /* found: so many, from its first-th on */
};

/* A step handed out before: is it acknowledged? */
static bool is_done(const struct cursor *cursor, struct job_position at)
{
    return position_before(at, cursor_low(cursor)) || cursor_acked(cursor, at.step);
}

static int refuse(const struct job *job, const struct named *named, struct evd_error *err)
{
    const struct cursor *cursor = named->stream->cursor;
    struct job_position at = named->at;

    if (named->generation != job->generation)
        return error_set(err, EVD_E_CONFLICT, "generation",
                         "generation %" PRIu32 " is not this job's (%" PRIu32
                         "): the batch is void, take the next one",
                         named->generation, job->generation);
    if (!position_before(at, cursor_next(cursor)))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " is not handed out yet", at.epoch,
                         at.step);
    if (is_done(cursor, at))
        return error_set(err, EVD_E_CONFLICT, "acknowledged",
                         "epoch %" PRIu64 " step %" PRIu64 " is acknowledged already", at.epoch,
                         at.step);
    return error_set(err, EVD_E_CONFLICT, "step",
                     "this stream does not hold epoch %" PRIu64 " step %" PRIu64
                     ": its time ran out, or it went to another worker",
                     at.epoch, at.step);
}

/* Finds them; what its worker says is a sign of life. */
static int find_named(struct job *job, struct named *named, bool through, struct evd_error *err)
{
    struct job_stream *stream = named->stream;
    uint32_t i = lease_find(stream, named->at.step);

    assert(!stream->lost);
    stream_awake(job, stream);
    if (named->generation != job->generation || named->at.epoch != stream->cursor->epoch ||
        i == stream->count)
        return refuse(job, named, err);
    named->first = through ? 0 : i;
    named->count = i + 1 - named->first;
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

    assert(job->config.guarantee == JOB_AT_LEAST_ONCE || step < cursor->low);
    stream->acked_steps++;
    stream->acked_samples += slice_size(job, cursor, step);
    if (job->config.guarantee == JOB_AT_LEAST_ONCE)
        cursor_ack(cursor, step);
    lease_remove(job, stream, i);
}

/* Acknowledged already, perhaps by this worker on a connection that took the answer with it: the
 * refusal says that it is certain, so it must not come before that is true. */
static bool is_repeated(const struct job *job, const struct named *named)
{
    return named->generation == job->generation && !progress_durable(job) &&
           is_done(named->stream->cursor, named->at);
}

int lease_ack(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->ack.stream;
    struct cursor *cursor = stream->cursor;
    uint64_t token = event->ack.token;
    struct named named = {
        .stream = stream, .generation = event->ack.generation, .at = event->ack.at};
    int code = find_named(job, &named, event->ack.through, err);
    bool again = code == EVD_E_CONFLICT && token && is_repeated(job, &named);

    if (code && !again)
        return code;
    if (token && !progress_reserve(job))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to confirm an acknowledgement");
    progress_note(job, token, again ? EVD_E_EXISTS : EVD_OK);
    if (again)
        return EVD_OK;
    for (uint32_t i = 0; i < named.count; i++)
        acknowledge(job, stream, named.first);
    stream_end_epoch(job, cursor);
    cursor_follow(cursor, &job->history);
    stream_queue(job, stream);
    job_pump(job, cursor);
    return EVD_OK;
}

void lease_touch(struct job *job, struct job_stream *stream)
{
    assert(!stream->lost);
    stream_awake(job, stream);
    stream->touched = job->now;
}

int lease_release(struct job *job, const struct job_event *event, struct job_update *update,
                  struct evd_error *err)
{
    struct job_stream *stream = event->release.stream;
    struct cursor *cursor = stream->cursor;
    struct named named = {
        .stream = stream, .generation = event->release.generation, .at = event->release.at};
    int code = find_named(job, &named, event->release.through, err);

    if (code)
        return code;
    for (uint32_t i = 0; i < named.count; i++)
        lease_drop(job, stream, named.first);
    update->held = named.count;
    stream_end_epoch(job, cursor);
    stream_queue(job, stream);
    job_pump(job, cursor);
    return EVD_OK;
}
