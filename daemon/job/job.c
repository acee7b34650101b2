/*
 * The job as a whole: making one, taking an event (job_step), and everything that can be asked. Its
 * caller is jobs/drive.c; what an event does is in the other files.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

int job_config_check(const struct job_config *config, struct evd_error *err)
{
    if (config->batch_size == 0 || config->batch_size > EVD_MAX_BATCH)
        return error_set(err, EVD_E_LIMIT, "batch_size", "batch_size must be 1 to %u",
                         EVD_MAX_BATCH);
    if (config->mode == JOB_SHARED && config->world_size)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "a shared job has no ranks: leave world_size out, or choose mode ranked");
    if (config->mode == JOB_SHARED && config->replicas > 1)
        return error_set(err, EVD_E_BAD_VALUE, "replicas",
                         "a shared job has no ranks to be replicas: leave replicas out, or choose "
                         "mode ranked");
    if (config->replicas > EVD_MAX_WORLD)
        return error_set(err, EVD_E_LIMIT, "replicas", "replicas must be 1 to %u", EVD_MAX_WORLD);
    return config->world_size ? world_check(config, config->world_size, err) : EVD_OK;
}

/* Revision 0 begins at the beginning. */
static int first_revision(struct job *job, struct history_item first, struct evd_error *err)
{
    if (first.shape.steps == 0)
        return error_set(err, EVD_E_STRATEGY, "batch_size",
                         "not even one batch of %" PRIu32 " can be drawn: take a smaller "
                         "batch_size or another strategy",
                         job->config.batch_size);
    if (!history_reserve(&job->history) || !effects_reserve(job, 0, 0))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another job");
    history_append(&job->history, first);
    job->next_revision = 1;
    return EVD_OK;
}

static int make(struct job **out, const struct job_config *given, struct history_item first,
                struct evd_error *err)
{
    struct job_config config = *given;
    struct job *job;
    int code;

    if (config.replicas == 0)
        config.replicas = 1;
    code = job_config_check(&config, err);
    if (code)
        return code;
    job = calloc(1, sizeof(*job));
    if (!job)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another job");
    job->config = config;
    job->deadline = UINT64_MAX;
    progress_init(job);
    code = first_revision(job, first, err);
    if (!code && (config.mode == JOB_SHARED || config.world_size))
        code = world_set(job, config.mode == JOB_SHARED ? 1 : config.world_size, err);
    if (!code && first.plan)
        code = history_place(&job->history.items[0], err);
    if (code) {
        history_disown(&job->history);
        job_free(job);
        return code;
    }
    *out = job;
    return EVD_OK;
}

int job_new(struct job **out, const struct job_config *config, struct plan *plan,
            struct evd_error *err)
{
    struct history_item first = {.plan = plan, .shape = plan_epoch(plan, 0)};

    return make(out, config, first, err);
}

int job_restore_past(struct job **out, const struct job_config *config, struct epoch_shape shape,
                     struct evd_error *err)
{
    struct history_item first = {.shape = shape};

    return make(out, config, first, err);
}

void job_free(struct job *job)
{
    if (!job)
        return;
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        while (!TAILQ_EMPTY(&job->cursors[i].streams))
            stream_free(job, TAILQ_FIRST(&job->cursors[i].streams));
    }
    if (job->change == CHANGE_UPDATE)
        plan_unref(job->update.revision.plan);
    history_fini(&job->seek.history);
    history_fini(&job->history);
    progress_fini(&job->progress);
    free(job->cursors);
    free(job->cursor_memory);
    free(job->effects.items);
    free(job);
}

/* The clock, and what begins with the first event after a restart. */
static void pass_time(struct job *job, uint64_t now)
{
    if (now > job->now)
        job->now = now;
    if (job->doubt != DOUBT_WAITS)
        return;
    job_doubt_to(job, DOUBT_RUNS);
    job->doubt_until = job->now + job->config.grace;
    job_wake_at(job, job->doubt_until);
}

int job_step(struct job *job, const struct job_event *event, struct job_update *update,
             struct evd_error *err)
{
    assert(job_idle(job)); /* the effects of the event before are carried out */
    pass_time(job, event->now);
    update->stream = NULL;
    update->held = 0;
    switch (event->kind) {
    case JOB_OPEN:
        return stream_open(job, event, update, err);
    case JOB_CREDIT:
        return stream_credit(job, event, err);
    case JOB_ACK:
        return lease_ack(job, event, err);
    case JOB_TOUCH:
        lease_touch(job, event->touch.stream);
        return EVD_OK;
    case JOB_RELEASE:
        return lease_release(job, event, update, err);
    case JOB_CLOSE:
        stream_close(job, event->close.stream);
        return EVD_OK;
    case JOB_LOST:
        update->stream = stream_lost(job, event->lost.stream) ? event->lost.stream : NULL;
        return EVD_OK;
    case JOB_RESUME:
        return stream_resume(job, event, err);
    case JOB_READY:
        stream_ready(job, event->ready.stream);
        return EVD_OK;
    case JOB_UPDATE:
        return update_begin(job, event, err);
    case JOB_REVISION_STORED:
        return update_stored(job, event->revision_stored.code, err);
    case JOB_SEEK:
        return seek_begin(job, event, err);
    case JOB_SEEK_STORED:
        return seek_stored(job, event->seek_stored.code, err);
    case JOB_PROGRESS_STORED:
        return progress_stored(job, event->progress_stored.code, err);
    case JOB_FLUSH:
        progress_flush(job);
        return EVD_OK;
    case JOB_TICK:
        stream_tick(job);
        return EVD_OK;
    case JOB_DRAIN:
        progress_drain(job);
        return EVD_OK;
    }
    return error_set(err, EVD_E_INTERNAL, "", "an event that there is not");
}

void job_change_to(struct job *job, enum job_change change)
{
    assert((job->change == CHANGE_NONE) != (change == CHANGE_NONE));
    job->change = change;
}

void job_doubt_to(struct job *job, enum job_doubt doubt)
{
    static const enum job_doubt before[] = {[DOUBT_WAITS] = DOUBT_NONE, [DOUBT_RUNS] = DOUBT_WAITS};

    assert(doubt == DOUBT_NONE || job->doubt == before[doubt]);
    assert(doubt == DOUBT_NONE || job_may_doubt(job));
    job->doubt = doubt;
}

bool job_serves(const struct job *job)
{
    return !job->draining && !job->progress.failing && job->change != CHANGE_SEEK &&
           (!job_may_doubt(job) || (job->progress.attended && job_attended(job)));
}

bool job_may_doubt(const struct job *job)
{
    return job->config.mode == JOB_SHARED && job->config.guarantee == JOB_AT_LEAST_ONCE &&
           job->config.grace > 0;
}

void job_wake_at(struct job *job, uint64_t deadline)
{
    if (deadline < job->deadline)
        job->deadline = deadline;
}

/* The furthest cursor's. */
static struct job_position furthest(const struct job *job,
                                    struct job_position (*of)(const struct cursor *))
{
    struct job_position first = job->start;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct job_position next = of(&job->cursors[i]);

        if (position_before(first, next))
            first = next;
    }
    return first;
}

struct job_position job_reached(const struct job *job)
{
    return furthest(job, cursor_known);
}

struct job_position job_frontier(const struct job *job)
{
    struct job_position at = furthest(job, cursor_next);
    uint64_t steps;

    if (!position_before(at, job->floor))
        return at;
    at = job->floor;
    steps = history_shape(&job->history, at.epoch).steps;
    if (steps > 0 && at.step >= steps)
        at = (struct job_position){at.epoch + 1, 0};
    return at;
}

/* ---- asking ---- */

uint32_t job_progress(struct job *job, const struct job_progress **rows)
{
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];
        uint32_t bytes = cursor_pack(cursor);

        job->progress.rows[i] = (struct job_progress){.rank = cursor->rank,
                                                      .generation = job->generation,
                                                      .low = cursor_low(cursor),
                                                      .acked = cursor->packed,
                                                      .acked_bytes = bytes};
    }
    *rows = job->progress.rows;
    return job->cursor_count;
}

struct job_position job_mark(const struct job *job)
{
    return job->progress.writing ? job->progress.marking : job->progress.mark;
}

bool job_attended(const struct job *job)
{
    return job->progress.writing ? job->progress.attending : job->progress.attended;
}

uint64_t job_deadline(const struct job *job)
{
    return job->deadline;
}

void job_state(const struct job *job, struct job_state *out)
{
    struct job_position next = job_reached(job), low = next;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        if (position_before(cursor_low(&job->cursors[i]), low))
            low = cursor_low(&job->cursors[i]);
    }
    *out = (struct job_state){
        .config = job->config,
        .generation = job->generation,
        .revision = job->history.items[history_in_force(&job->history, next)].number,
        .next = next,
        .low = low,
        .shape = history_shape(&job->history, next.epoch),
        .streams = job->streams - job->lost,
        .outstanding = job->outstanding,
        .updating = job->change != CHANGE_NONE,
        .failing = job->progress.failing,
        .world_at = job->world_at,
        .redelivered = job->redelivered,
        .expired = job->expired,
    };
}

uint32_t job_ranks(const struct job *job)
{
    return job->cursor_count;
}

struct job_position job_next(const struct job *job, uint32_t rank)
{
    if (rank >= job->cursor_count)
        return job->start;
    return cursor_known(&job->cursors[rank]);
}

/* How many steps lie between; over more than one epoch's end they are counted as if it were one. */
static uint64_t steps_between(struct job_position from, struct job_position to, uint64_t steps)
{
    if (!position_before(from, to))
        return 0;
    return from.epoch == to.epoch ? to.step - from.step : steps - from.step + to.step;
}

uint64_t job_stream_lag(const struct job_stream *stream, struct job_position next)
{
    const struct cursor *cursor = stream->cursor;
    struct job_position oldest = cursor_next(cursor);

    if (stream->count > 0)
        oldest = job_stream_lease(stream, 0);
    return steps_between(oldest, next, cursor->shape.steps);
}

size_t job_memory(const struct job *job)
{
    return sizeof(*job) + job_world_memory(job, job->cursor_count) +
           job->history.capacity * sizeof(*job->history.items) +
           job->effects.capacity * sizeof(*job->effects.items);
}

void job_stream_info(const struct job_stream *stream, struct job_stream_info *out)
{
    const struct cursor *cursor = stream->cursor;

    *out = (struct job_stream_info){
        .lost = stream->lost,
        .stalled = stream->stalled,
        .window = stream->window,
        .held = stream->count,
        .low = cursor_low(cursor),
        .ended_steps = cursor->ended_steps,
        .served_steps = stream->served_steps,
        .acked_steps = stream->acked_steps,
        .acked_samples = stream->acked_samples,
        .memory = sizeof(*stream) + stream->capacity * sizeof(*stream->leases),
    };
}

struct job_position job_stream_lease(const struct job_stream *stream, uint32_t i)
{
    assert(i < stream->count);
    return (struct job_position){stream->cursor->epoch, lease_step(stream, i)};
}

struct job_position job_stream_first(const struct job_stream *stream)
{
    if (stream->resend > 0)
        return job_stream_lease(stream, stream->count - stream->resend);
    return cursor_first(stream->cursor);
}

uint32_t job_revisions(const struct job *job)
{
    return job->history.count;
}

struct job_revision_info job_revision(const struct job *job, uint32_t i)
{
    const struct history_item *revision = &job->history.items[i];

    return (struct job_revision_info){.revision = revision->number,
                                      .at = revision->at,
                                      .shape = revision->shape,
                                      .plan = revision->plan};
}

uint32_t job_next_revision(const struct job *job)
{
    return job->next_revision;
}

struct epoch_shape job_shape(const struct job *job, uint64_t epoch)
{
    return history_shape(&job->history, epoch);
}
