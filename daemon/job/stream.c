#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

/* The i-th step a stream holds, the oldest first. */
static uint64_t *held_slot(const struct job_stream *stream, uint32_t i)
{
    return &stream->held[(stream->head + i) & (stream->capacity - 1)];
}

uint64_t stream_held(const struct job_stream *stream, uint32_t i)
{
    return *held_slot(stream, i);
}

/* Which of the held steps it is, or stream->count. Workers acknowledge in order, so it is nearly
 * always the first; the window bounds the rest. */
static uint32_t held_find(const struct job_stream *stream, uint64_t step)
{
    uint32_t i = 0;

    while (i < stream->count && stream_held(stream, i) != step)
        i++;
    return i;
}

static void held_remove(struct job_stream *stream, uint32_t i)
{
    for (; i > 0; i--)
        *held_slot(stream, i) = *held_slot(stream, i - 1);
    stream->head = (stream->head + 1) & (stream->capacity - 1);
    stream->count--;
}

/* Room for as many held steps as the window allows, so that handing out never allocates. */
static bool held_reserve(struct job_stream *stream, uint32_t window)
{
    uint32_t capacity = 1;
    uint64_t *held;

    if (stream->held && window <= stream->capacity)
        return true;
    while (capacity < window)
        capacity *= 2;
    held = malloc(capacity * sizeof(*held));
    if (!held)
        return false;
    for (uint32_t i = 0; i < stream->count; i++)
        held[i] = stream_held(stream, i);
    free(stream->held);
    stream->held = held;
    stream->head = 0;
    stream->capacity = capacity;
    return true;
}

/* Puts the stream among those that take a step, or takes it out, as its state now says. */
static void settle(struct job_stream *stream)
{
    bool hungry = !stream->blocked && stream->count < stream->window;
    struct stream_list *list = &stream->cursor->hungry;

    if (hungry && !stream->hungry)
        TAILQ_INSERT_TAIL(list, stream, in_hungry);
    else if (!hungry && stream->hungry)
        TAILQ_REMOVE(list, stream, in_hungry);
    stream->hungry = hungry;
}

static void deliver(struct job *job, struct job_stream *stream, const struct taken_step *taken)
{
    struct cursor *cursor = stream->cursor;
    const struct revision *revision = &job->history.items[taken->revision];
    struct job_effect effect = {.kind = JOB_DELIVER,
                                .owner = stream->owner,
                                .revision = revision->number,
                                .at = {cursor->epoch, taken->step},
                                .shape = cursor->shape,
                                .plan = revision->plan,
                                .slice = {.epoch = cursor->epoch,
                                          .step = taken->step,
                                          .shape = cursor->shape,
                                          .rank = cursor->rank,
                                          .world = cursor->world},
                                .redelivered = taken->redelivered};

    *held_slot(stream, stream->count++) = taken->step;
    job->outstanding++;
    /* To the end of the queue: everybody gets one before anybody gets a second. */
    TAILQ_REMOVE(&cursor->hungry, stream, in_hungry);
    stream->hungry = false;
    if (!job_emit(job, &effect))
        stream->blocked = true;
    settle(stream);
}

/* Who would take a step and finds none left hears so, once. */
static void tell_drained(struct job *job, struct cursor *cursor)
{
    struct job_effect effect = {
        .kind = JOB_DRAINED, .at = {cursor->epoch, cursor->shape.steps}, .shape = cursor->shape};
    struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->hungry, in_hungry)
    {
        if (stream->drained)
            continue;
        stream->drained = true;
        effect.owner = stream->owner;
        job_emit(job, &effect);
    }
}

void stream_pump(struct job *job, struct cursor *cursor)
{
    struct job_position limit = update_limit(job);
    struct job_stream *stream;
    struct taken_step taken;

    while ((stream = TAILQ_FIRST(&cursor->hungry)) &&
           cursor_take(cursor, &job->history, limit, &taken))
        deliver(job, stream, &taken);
    if (cursor_drained(cursor))
        tell_drained(job, cursor);
}

static int check_window(uint32_t window, struct evd_error *err)
{
    if (window <= EVD_MAX_WINDOW)
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "window",
                     "window %" PRIu32 " is too large: a stream has at most %u batches out", window,
                     EVD_MAX_WINDOW);
}

static int check_rank(const struct job *job, const struct job_event *event, uint32_t world,
                      struct evd_error *err)
{
    if (world == 0)
        return error_set(err, EVD_E_MISSING_FIELD, "world_size",
                         "this is a ranked job and nobody has said how many ranks it has: give "
                         "world_size");
    if (job->config.world_size && event->world && event->world != job->config.world_size)
        return error_set(err, EVD_E_CONFLICT, "world_size",
                         "this job runs with world_size %" PRIu32 ", not %" PRIu32
                         ": attach with that, or make another job",
                         job->config.world_size, event->world);
    if (event->rank >= world)
        return error_set(err, EVD_E_BAD_VALUE, "rank",
                         "rank %" PRIu32 " of world_size %" PRIu32
                         " does not exist: ranks count from 0",
                         event->rank, world);
    if (job->cursors && !TAILQ_EMPTY(&job->cursors[event->rank].streams))
        return error_set(err, EVD_E_CONFLICT, "rank",
                         "rank %" PRIu32
                         " is attached already: give each worker a rank of its own, "
                         "or close the other stream first",
                         event->rank);
    return EVD_OK;
}

int stream_open(struct job *job, struct job_event *event, struct evd_error *err)
{
    bool ranked = job->config.mode == JOB_RANKED;
    uint32_t world = job->config.world_size ? job->config.world_size : event->world;
    int code = check_window(event->window, err);
    struct job_stream *stream;

    if (code)
        return code;
    if (!ranked && (event->rank || event->world))
        return error_set(err, EVD_E_BAD_VALUE, event->world ? "world_size" : "rank",
                         "this is a shared job, whose workers have no ranks: leave rank and "
                         "world_size out, or make a ranked job");
    if (ranked && (code = check_rank(job, event, world, err)))
        return code;
    stream = calloc(1, sizeof(*stream));
    if (!stream || !held_reserve(stream, event->window)) {
        free(stream);
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another stream");
    }
    if (!job->cursors && (code = job_set_world(job, world, err))) {
        free(stream->held);
        free(stream);
        return code;
    }
    stream->cursor = &job->cursors[event->rank];
    stream->owner = event->owner;
    stream->window = event->window;
    TAILQ_INSERT_TAIL(&stream->cursor->streams, stream, in_streams);
    job->streams++;
    event->stream = stream;
    settle(stream);
    stream_pump(job, stream->cursor);
    return EVD_OK;
}

int stream_credit(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    int code = check_window(event->window, err);

    if (code)
        return code;
    if (!held_reserve(stream, event->window))
        return error_set(err, EVD_E_NO_MEMORY, "window", "no memory for a larger window");
    stream->window = event->window;
    settle(stream);
    stream_pump(job, stream->cursor);
    return EVD_OK;
}

int stream_ready(struct job *job, const struct job_event *event)
{
    event->stream->blocked = false;
    settle(event->stream);
    stream_pump(job, event->stream->cursor);
    return EVD_OK;
}

/* Everything of the epoch is done: every worker of the cursor hears it and stops there. */
static void end_epoch(struct job *job, struct cursor *cursor)
{
    struct job_effect effect = {
        .kind = JOB_EPOCH_END, .at = {cursor->epoch, cursor->shape.steps}, .shape = cursor->shape};
    struct job_stream *stream;

    cursor_next_epoch(cursor);
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        stream->window = 0;
        stream->drained = false;
        settle(stream);
    }
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        effect.owner = stream->owner;
        job_emit(job, &effect);
    }
}

static int refuse_ack(const struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_position next = cursor_next(event->stream->cursor);

    if (event->generation != job->generation)
        return error_set(err, EVD_E_CONFLICT, "generation",
                         "generation %" PRIu32 " is not this job's (%" PRIu32
                         "): the batch is void, take the next one",
                         event->generation, job->generation);
    if (!position_before(event->at, next))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " is not handed out yet",
                         event->at.epoch, event->at.step);
    return error_set(err, EVD_E_CONFLICT, "step",
                     "this stream does not hold epoch %" PRIu64 " step %" PRIu64
                     ": it is acknowledged already, or went to another worker",
                     event->at.epoch, event->at.step);
}

int stream_ack(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct job_stream *stream = event->stream;
    struct cursor *cursor = stream->cursor;
    uint32_t i = held_find(stream, event->at.step);
    uint32_t n = event->through ? i + 1 : 1;

    if (event->generation != job->generation || event->at.epoch != cursor->epoch ||
        i == stream->count)
        return refuse_ack(job, event, err);
    if (event->token && !progress_reserve(&job->progress))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to confirm an acknowledgement");

    for (uint32_t j = 0; j < n; j++) {
        uint32_t k = event->through ? 0 : i;

        cursor_ack(cursor, stream_held(stream, k));
        held_remove(stream, k);
    }
    job->outstanding -= n;
    if (cursor_at_end(cursor))
        end_epoch(job, cursor);
    cursor_settle(cursor, &job->history);
    settle(stream);
    stream_pump(job, cursor);
    progress_acked(job, event->token);
    return EVD_OK;
}

void stream_free(struct job *job, struct job_stream *stream)
{
    TAILQ_REMOVE(&stream->cursor->streams, stream, in_streams);
    if (stream->hungry)
        TAILQ_REMOVE(&stream->cursor->hungry, stream, in_hungry);
    job->streams--;
    job->outstanding -= stream->count;
    free(stream->held);
    free(stream);
}

/* There are steps again. */
static void forget_drained(struct cursor *cursor)
{
    struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    stream->drained = false;
}

int stream_close(struct job *job, struct job_event *event)
{
    struct job_stream *stream = event->stream;
    struct cursor *cursor = stream->cursor;

    for (uint32_t i = 0; i < stream->count; i++)
        cursor_return(cursor, stream_held(stream, i));
    if (stream->count)
        forget_drained(cursor);
    stream_free(job, stream);
    event->stream = NULL;
    stream_pump(job, cursor);
    return EVD_OK;
}
