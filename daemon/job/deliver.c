#include "job/internal.h"

void stream_settle(struct job_stream *stream)
{
    bool hungry = !stream->blocked && !stream->stalled && !stream->lost && stream->resend == 0 &&
                  stream->count < stream->window;
    struct stream_list *list = &stream->cursor->hungry;

    if (hungry && !stream->hungry)
        TAILQ_INSERT_TAIL(list, stream, in_hungry);
    else if (!hungry && stream->hungry)
        TAILQ_REMOVE(list, stream, in_hungry);
    stream->hungry = hungry;
}

static void deliver(struct job *job, struct job_stream *stream, uint64_t step, uint32_t revision,
                    bool redelivered)
{
    const struct cursor *cursor = stream->cursor;
    const struct revision *strategy = &job->history.items[revision];
    struct job_effect effect = {
        .kind = JOB_DELIVER,
        .owner = stream->owner,
        .revision = strategy->number,
        .at = {cursor->epoch, step},
        .shape = cursor->shape,
        .plan = strategy->plan,
        .slice = {.epoch = cursor->epoch,
                  .step = step,
                  .shape = cursor->shape,
                  .rank = cursor->rank / job->config.replicas,
                  .world = job->cursor_count / job->config.replicas},
        .redelivered = redelivered,
    };

    stream->served_steps++;
    job->redelivered += redelivered;
    if (!job_emit(job, &effect))
        stream->blocked = true;
}

static void hand_out(struct job *job, struct job_stream *stream, const struct taken_step *taken)
{
    struct cursor *cursor = stream->cursor;
    struct job_position at = {cursor->epoch, taken->step};

    lease_add(job, stream, taken->step);
    /* To the end of the queue: everybody gets one before anybody gets a second. */
    TAILQ_REMOVE(&cursor->hungry, stream, in_hungry);
    stream->hungry = false;
    deliver(job, stream, taken->step, taken->revision,
            taken->returned || position_before(at, job->floor));
    stream_settle(stream);
    if (job->config.guarantee == JOB_AT_MOST_ONCE) {
        cursor_ack(cursor, taken->step);
        cursor_settle(cursor, &job->history);
        progress_changed(job);
    }
}

/* Does a worker hold steps that is not there, and may not come back? */
static bool lost_holds(const struct job *job, const struct cursor *cursor)
{
    const struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        if (job->lost == 0)
            break;
        if (stream->lost && stream->count > 0)
            return true;
    }
    return false;
}

/* Who would take a step and finds none left hears so, once. */
static void tell_drained(struct job *job, struct cursor *cursor)
{
    struct job_effect effect = {
        .kind = JOB_DRAINED, .at = {cursor->epoch, cursor->shape.steps}, .shape = cursor->shape};
    struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->hungry, in_hungry)
    {
        if (stream->drained == cursor->supply)
            continue;
        stream->drained = cursor->supply;
        effect.owner = stream->owner;
        job_emit(job, &effect);
    }
}

void stream_pump(struct job *job, struct cursor *cursor)
{
    struct job_position limit = update_limit(job);
    struct job_stream *stream;
    struct taken_step taken;

    if (!job_serves(job)) {
        if (!job->draining && !job->progress.failing)
            progress_keep_ahead(job, cursor);
        return;
    }
    while ((stream = TAILQ_FIRST(&cursor->hungry)) &&
           cursor_take(cursor, &job->history, limit, job->in_doubt, &taken))
        hand_out(job, stream, &taken);
    if (cursor_drained(cursor) && !lost_holds(job, cursor))
        tell_drained(job, cursor);
    progress_keep_ahead(job, cursor);
}

void stream_pump_all(struct job *job)
{
    for (uint32_t i = 0; i < job->cursor_count; i++)
        stream_pump(job, &job->cursors[i]);
}

void stream_awake(struct job *job, struct job_stream *stream)
{
    if (!stream->stalled)
        return;
    stream->stalled = false;
    stream_settle(stream);
    stream_pump(job, stream->cursor);
}

/* What a worker that came back holds; these are no new leases. */
void stream_resend(struct job *job, struct job_stream *stream)
{
    const struct cursor *cursor = stream->cursor;

    while (stream->resend > 0 && stream->window > 0 && !stream->blocked && !stream->lost &&
           !job->seek.active) {
        uint64_t step = lease_step(stream, stream->count - stream->resend--);

        deliver(job, stream, step, cursor_revision(cursor, &job->history, step), true);
    }
    stream_settle(stream);
}

void stream_end_epoch(struct job *job, struct cursor *cursor)
{
    struct job_effect effect = {
        .kind = JOB_EPOCH_END, .at = {cursor->epoch, cursor->shape.steps}, .shape = cursor->shape};
    struct job_stream *stream;

    if (!cursor_at_end(cursor) || cursor->leases > 0)
        return;
    cursor_next_epoch(cursor);
    cursor_settle(cursor, &job->history);
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        stream->window = 0;
        stream_settle(stream);
    }
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        effect.owner = stream->owner;
        if (!stream->lost)
            job_emit(job, &effect);
    }
}
