/*
 * Handing out: which stream is given which step next, and what the workers of a cursor hear when
 * there is nothing left or an epoch is over. effect.c asks for one batch after another.
 */
#include <assert.h>
#include "job/internal.h"

enum stream_turn stream_turn(const struct job *job, const struct job_stream *stream)
{
    if (stream->full || stream->lost)
        return TURN_NONE;
    if (stream->resend > 0)
        return stream->window > 0 && job->change != CHANGE_SEEK ? TURN_RESEND : TURN_NONE;
    return !stream->stalled && stream->count < stream->window ? TURN_STEP : TURN_NONE;
}

void stream_queue(struct job *job, struct job_stream *stream)
{
    struct stream_list *queue = &stream->cursor->queue;
    enum stream_turn turn = stream_turn(job, stream);

    if (turn == stream->turn)
        return;
    assert(stream->turn != TURN_STEP || turn == TURN_NONE);
    if (stream->turn != TURN_NONE)
        TAILQ_REMOVE(queue, stream, in_queue);
    if (turn == TURN_RESEND)
        TAILQ_INSERT_HEAD(queue, stream, in_queue);
    else if (turn == TURN_STEP)
        TAILQ_INSERT_TAIL(queue, stream, in_queue);
    stream->turn = turn;
}

void stream_awake(struct job *job, struct job_stream *stream)
{
    if (!stream->stalled)
        return;
    stream->stalled = false;
    stream_queue(job, stream);
    job_pump(job, stream->cursor);
}

void job_stream_full(struct job *job, struct job_stream *stream)
{
    assert(!stream->lost);
    stream->full = true;
    stream_queue(job, stream);
    assert(stream->turn == TURN_NONE);
}

static void deliver(struct job *job, struct job_stream *stream, uint64_t step, uint32_t revision,
                    bool redelivered, struct job_effect *effect)
{
    const struct cursor *cursor = stream->cursor;
    const struct history_item *strategy = &job->history.items[revision];

    assert(strategy->plan && step < cursor->shape.steps);
    assert(!position_before((struct job_position){cursor->epoch, step}, strategy->at));
    assert(!stream->full && !stream->lost);
    stream->served_steps++;
    job->redelivered += redelivered;
    effect->kind = JOB_DELIVER;
    effect->deliver = (struct job_delivery){
        .owner = stream->owner,
        .plan = strategy->plan,
        .slice = {.epoch = cursor->epoch,
                  .step = step,
                  .shape = cursor->shape,
                  .rank = cursor->rank / job->config.replicas,
                  .world = job->cursor_count / job->config.replicas},
        .generation = job->generation,
        .revision = strategy->number,
        .redelivered = redelivered,
    };
}

/* A step that the worker holds already, and may have lost with its connection: no new lease. */
static void resend(struct job *job, struct job_stream *stream, struct job_effect *effect)
{
    const struct cursor *cursor = stream->cursor;
    uint64_t step = lease_step(stream, stream->count - stream->resend);

    assert(stream->resend > 0 && stream->resend <= stream->count);
    stream->resend--;
    stream_queue(job, stream);
    deliver(job, stream, step, cursor_revision(cursor, &job->history, step), true, effect);
}

static void hand_out(struct job *job, struct job_stream *stream, const struct taken_step *taken,
                     struct job_effect *effect)
{
    struct cursor *cursor = stream->cursor;
    struct job_position at = {cursor->epoch, taken->step};

    assert(stream->turn == TURN_STEP && stream->count < stream->window);
    assert(!position_before(at, job->start) && position_before(at, job->progress.mark));
    lease_add(job, stream, taken->step);
    /* To the end of the queue: everybody gets one before anybody gets a second. */
    TAILQ_REMOVE(&cursor->queue, stream, in_queue);
    stream->turn = TURN_NONE;
    stream_queue(job, stream);
    deliver(job, stream, taken->step, taken->revision,
            taken->returned || position_before(at, job->floor), effect);
    if (job->config.guarantee == JOB_AT_MOST_ONCE) {
        cursor_ack(cursor, taken->step);
        progress_changed(job);
    }
}

bool deliver_next(struct job *job, struct cursor *cursor, struct job_effect *effect)
{
    struct job_stream *stream = TAILQ_FIRST(&cursor->queue);
    struct taken_step taken;

    /* The batch before was done when it was handed out; only now that it is drawn may its plan go.
     */
    if (job->config.guarantee == JOB_AT_MOST_ONCE)
        cursor_follow(cursor, &job->history);
    if (!stream)
        return false;
    if (stream->turn == TURN_RESEND) {
        resend(job, stream, effect);
        return true;
    }
    if (!job_serves(job) ||
        !cursor_take(cursor, &job->history, update_limit(job), job->doubt != DOUBT_NONE, &taken))
        return false;
    hand_out(job, stream, &taken, effect);
    return true;
}

/* Does a worker hold steps that is not there, and may not come back? */
static bool lost_holds(const struct job *job, const struct cursor *cursor)
{
    const struct job_stream *stream;

    if (job->lost == 0)
        return false;
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        if (stream->lost && stream->count > 0)
            return true;
    }
    return false;
}

static struct job_epoch epoch_of(const struct job *job, const struct job_stream *stream)
{
    const struct cursor *cursor = stream->cursor;

    return (struct job_epoch){stream->owner, job->generation, cursor->epoch, cursor->shape.steps};
}

static void tell_drained(struct job *job, struct cursor *cursor)
{
    struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->queue, in_queue) {
        if (stream->drained == cursor->supply)
            continue;
        stream->drained = cursor->supply;
        job_emit(job, (struct job_effect){.kind = JOB_DRAINED, .drained = epoch_of(job, stream)});
    }
}

void deliver_end(struct job *job, struct cursor *cursor)
{
    bool serves = job_serves(job);

    if (serves && cursor_drained(cursor) && !lost_holds(job, cursor))
        tell_drained(job, cursor);
    if (serves || !(job->draining || job->progress.failing))
        progress_keep_ahead(job, cursor);
}

void stream_end_epoch(struct job *job, struct cursor *cursor)
{
    struct job_stream *stream;

    if (!cursor_at_end(cursor) || cursor->leases > 0)
        return;
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        stream->window = 0;
        stream_queue(job, stream);
        if (!stream->lost)
            job_emit(job, (struct job_effect){.kind = JOB_EPOCH_END,
                                              .epoch_end = epoch_of(job, stream)});
    }
    cursor_next_epoch(cursor);
    cursor_follow(cursor, &job->history);
}
