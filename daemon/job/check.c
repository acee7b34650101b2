/*
 * The invariants of a job that is at rest, between two events. Called after every event in debug
 * and sanitizer builds, and by the tests in all builds.
 *
 * What the job keeps although it follows from something else (counts, the turn of a stream, where
 * to look first) is found again here from what it follows from, and compared. What follows only
 * from all that happened before (what streams were served, what expired, `known`, what is durable)
 * tests/job/model.c counts on its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include "job/internal.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool same_shape(struct epoch_shape a, struct epoch_shape b)
{
    return a.steps == b.steps && a.last_size == b.last_size;
}

/* An epoch's shape is that of the revision at its first step; the first ones of it may be so old
 * that their plans are released. */
static void check_shape(const struct history *history, uint32_t i)
{
    const struct history_item *revision = &history->items[i];
    struct history before = *history;
    struct epoch_shape shape;

    if (revision->at.step == 0) {
        CHECK(!revision->plan ||
              same_shape(revision->shape, plan_epoch(revision->plan, revision->at.epoch)));
        return;
    }
    CHECK(i > 0);
    before.count = i;
    shape = history_shape(&before, revision->at.epoch);
    CHECK(shape.steps == 0 || same_shape(revision->shape, shape));
}

/* How many cursors are in a revision. */
static uint32_t count_users(const struct job *job, uint32_t i)
{
    uint32_t users = 0;

    for (uint32_t r = 0; r < job->cursor_count; r++)
        users += job->cursors[r].low_revision == i;
    return users;
}

static void check_history(const struct job *job)
{
    const struct history *history = &job->history;

    CHECK(history->held < history->certain && history->certain <= history->count);
    CHECK(job->change == CHANGE_UPDATE || history->certain == history->count);
    CHECK(history->certain == history->count ||
          !position_before(history->items[history->certain].at, job_frontier(job)));
    CHECK(job->next_revision > history->items[history->count - 1].number);
    CHECK(job->change != CHANGE_UPDATE || job->update.revision.number == job->next_revision);
    /* No plan is held longer than somebody needs it. */
    CHECK(job->cursor_count == 0 || history->items[history->held].users > 0);
    for (uint32_t i = 0; i < history->count; i++) {
        const struct history_item *revision = &history->items[i];

        CHECK((revision->plan != NULL) == (i >= history->held));
        CHECK(revision->at.step < revision->shape.steps);
        CHECK(i == 0 || revision[-1].number < revision->number);
        CHECK(i == 0 || !position_before(revision->at, revision[-1].at));
        CHECK(revision->users == (i < history->held ? 0 : count_users(job, i)));
        check_shape(history, i);
    }
}

/* The leases of a stream are of steps that nobody else has: not acknowledged, not come back, and no
 * bit in `seen` yet, where each gets one. */
static void check_leases(const struct job_stream *stream, uint64_t *seen)
{
    const struct cursor *cursor = stream->cursor;

    for (uint32_t i = 0; i < stream->count; i++) {
        uint64_t step = lease_step(stream, i), bit = step & (cursor->span - 1);

        CHECK(step >= cursor->low && step < cursor->next);
        CHECK(!(seen[bit / 64] >> (bit % 64) & 1));
        seen[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

static uint64_t count_bits(uint64_t word)
{
    return (uint64_t)__builtin_popcountll(word);
}

/* Of the bits of one word, those of steps from `from` to `end`, which are in it. */
static uint64_t bits_between(uint64_t from, uint64_t end)
{
    return (~UINT64_C(0) >> (64 - (end - from))) << (from % 64);
}

/* No bit is set but those of steps from low to next; in the words of these, whose bits `seen` gets,
 * and when an epoch begins in any. Returns how many there are. */
static uint64_t check_bits(const struct cursor *cursor, uint64_t *seen)
{
    uint64_t words = cursor->span / 64, first = cursor->low / 64;
    uint64_t set = 0, within = 0, returned = 0;

    for (uint64_t step = cursor->low, end; step < cursor->next; step = end) {
        uint64_t i = step / 64 & (words - 1);

        end = (step / 64 + 1) * 64 < cursor->next ? (step / 64 + 1) * 64 : cursor->next;
        CHECK(!(cursor->acked[i] & cursor->returned[i]));
        seen[i] = cursor->acked[i] | cursor->returned[i];
        within += count_bits(seen[i] & bits_between(step, end));
        if (step / 64 == first + words)
            continue; /* the last word is the first one */
        set += count_bits(seen[i]);
        returned += count_bits(cursor->returned[i]);
    }
    CHECK(within == set);
    CHECK(returned == cursor->returned_count);
    for (uint64_t i = 0; i < words && cursor->next == 0; i++)
        CHECK(!cursor->acked[i] && !cursor->returned[i]);
    return set;
}

/* The lowest step that came back is where it is looked for, and so is what was never handed out,
 * as far as is known: from `known` on all came back. */
static void check_returned(const struct cursor *cursor)
{
    uint64_t first = cursor->low;

    for (uint64_t step = cursor->known; step < cursor->next; step++)
        CHECK(cursor_returned(cursor, step));
    if (cursor->returned_count == 0)
        return;
    while (!cursor_returned(cursor, first))
        first++;
    CHECK(first >= cursor->returned_from && cursor_first(cursor).step == first);
}

/* Each step from low to next is in exactly one state: acknowledged, returned, or leased to one
 * stream. (At-most-once, all are acknowledged, those leased as well.) */
static void check_steps(const struct cursor *cursor, bool at_most_once)
{
    uint64_t seen[JOB_SPAN / 64], others, held = 0;
    const struct job_stream *stream;

    CHECK(cursor->span % 64 == 0 && (cursor->span & (cursor->span - 1)) == 0);
    CHECK(cursor->span <= JOB_SPAN && cursor->reach > 0 && cursor->reach <= cursor->span);
    CHECK(cursor->low <= cursor->known && cursor->known <= cursor->next);
    CHECK(cursor->next - cursor->low <= cursor->span);
    CHECK(cursor->next == 0 || cursor->next <= cursor->shape.steps);
    others = check_bits(cursor, seen);
    check_returned(cursor);
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        if (!at_most_once)
            check_leases(stream, seen);
        held += stream->count;
    }
    CHECK(held == cursor->leases);
    CHECK(at_most_once ? cursor->next == cursor->low : others + held == cursor->next - cursor->low);
    CHECK(cursor->next == cursor->low || !cursor_acked(cursor, cursor->low));
}

/* The lengths of the epoch and of the one before are those that the history says, where it still
 * can. */
static void check_epoch(const struct cursor *cursor, const struct history *history)
{
    uint64_t ended = 0;

    if (cursor->next > 0)
        CHECK(same_shape(cursor->shape, history_shape(history, cursor->epoch)));
    if (cursor->epoch > 0)
        ended = history_shape(history, cursor->epoch - 1).steps;
    CHECK(cursor->epoch > 0 || cursor->ended_steps == 0);
    CHECK(ended == 0 || cursor->ended_steps == ended);
}

/* The queue has those whose turn it is, and no others; who is to be sent something again is before
 * those that take another step. */
static void check_queue(const struct cursor *cursor)
{
    const struct job_stream *stream;
    uint32_t waiting = 0, queued = 0;
    bool steps = false;

    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
        waiting += stream->turn != TURN_NONE;
    TAILQ_FOREACH(stream, &cursor->queue, in_queue) {
        CHECK(stream->cursor == cursor && stream->turn != TURN_NONE);
        CHECK(stream->turn == TURN_STEP || !steps);
        steps |= stream->turn == TURN_STEP;
        queued++;
    }
    CHECK(queued == waiting);
}

/* The first lease is the one that ends first. */
static void check_ages(const struct job *job, const struct job_stream *stream)
{
    uint64_t before = 0;

    for (uint32_t i = 0; i < stream->count; i++) {
        uint64_t since = stream->leases[(stream->head + i) & (stream->capacity - 1)].since;

        CHECK(since >= before && since <= job->now);
        before = since;
    }
}

static void check_stream(const struct job *job, const struct job_stream *stream)
{
    check_ages(job, stream);
    CHECK(stream->count <= stream->capacity && stream->resend <= stream->count);
    CHECK((stream->capacity & (stream->capacity - 1)) == 0 && stream->head < stream->capacity);
    CHECK(stream->window <= stream->capacity);
    /* Who heard that nothing is left need not hear of anything since. */
    CHECK(stream->drained != stream->cursor->supply || cursor_drained(stream->cursor));
    CHECK(stream->turn == stream_turn(job, stream) && stream->turn != TURN_RESEND);
    CHECK(job->deadline <= lease_deadline(job, stream));
    CHECK(!stream->lost || job->deadline <= stream->lost_until);
    CHECK(!stream->exclusive ||
          (TAILQ_FIRST(&stream->cursor->streams) == stream && !TAILQ_NEXT(stream, in_streams)));
}

/* A worker whose connection is lost may give back what it holds. */
static bool lost_holds(const struct cursor *cursor)
{
    const struct job_stream *stream;

    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        if (stream->lost && stream->count > 0)
            return true;
    }
    return false;
}

static void check_cursor(const struct job *job, const struct cursor *cursor)
{
    const struct history *history = &job->history;
    struct cursor copy = *cursor;
    const struct job_stream *stream;
    struct taken_step taken;
    uint32_t in_force;

    check_steps(cursor, job->config.guarantee == JOB_AT_MOST_ONCE);
    check_epoch(cursor, history);
    check_queue(cursor);
    CHECK(!position_before(cursor_low(cursor), job->start));
    in_force = history_in_force(history, cursor_low(cursor));
    if (in_force >= history->certain)
        in_force = history->certain - 1;
    CHECK(cursor->low_revision == in_force);
    CHECK(cursor->low_revision >= history->held);
    CHECK(cursor->next_revision < history->count);
    CHECK(!position_before(cursor_next(cursor), history->items[cursor->next_revision].at));
    CHECK(!cursor_at_end(cursor) || cursor->leases > 0);
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        CHECK(stream->cursor == cursor);
        check_stream(job, stream);
    }
    if (!job_serves(job) || TAILQ_EMPTY(&cursor->queue))
        return;
    /* Nobody waits for a step that could be handed out, nor for one that there is not. */
    CHECK(cursor->returned_count == 0 || job->doubt != DOUBT_NONE);
    CHECK(!cursor_take(&copy, history, update_limit(job), job->doubt != DOUBT_NONE, &taken));
    TAILQ_FOREACH(stream, &cursor->queue, in_queue)
        CHECK(stream->drained == cursor->supply || !cursor_drained(cursor) || lost_holds(cursor));
}

/* What any event may cause finds room without an allocation; a write that ended owes nothing. */
static void check_room(const struct job *job)
{
    const struct waiters *waiting = &job->progress.waiting, *written = &job->progress.written;
    uint32_t most = waiting->capacity > written->capacity ? waiting->capacity : written->capacity;

    CHECK(waiting->count <= waiting->capacity && written->count <= written->capacity);
    CHECK(job->progress.writing || written->count == 0);
    CHECK(job->effects.capacity >= job->streams + most + EFFECTS_BESIDES);
}

void job_check(const struct job *job)
{
    uint32_t streams = 0, lost = 0, outstanding = 0;
    bool held_back = job->progress.writing || job->change == CHANGE_SEEK;
    const struct job_stream *stream;

    CHECK(job_idle(job));
    check_history(job);
    check_room(job);
    CHECK(job->config.mode == JOB_RANKED || job->cursor_count == 1);
    CHECK(job->config.mode == JOB_SHARED || job->config.world_size == job->cursor_count);
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        const struct cursor *cursor = &job->cursors[i];

        CHECK(cursor->rank == i);
        check_cursor(job, cursor);
        TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
            streams++;
            lost += stream->lost;
            outstanding += stream->count;
        }
    }
    CHECK(streams == job->streams && lost == job->lost && outstanding == job->outstanding);
    CHECK(job->doubt == DOUBT_NONE || job_may_doubt(job));
    CHECK(job->doubt != DOUBT_RUNS || job->deadline <= job->doubt_until);
    CHECK(held_back || job->progress.waiting.count == 0);
    CHECK(!job->progress.failing || job->progress.dirty || job->progress.writing);
    CHECK(held_back || !job->progress.dirty || job->progress.announced);
    CHECK(job->outstanding == 0 || !job_may_doubt(job) || job_attended(job) ||
          job->progress.dirty || job->draining);
    CHECK(!position_before(job->progress.mark, job_reached(job)) || job->draining ||
          job->progress.mark.epoch < job_reached(job).epoch);
    CHECK(job->change != CHANGE_UPDATE ||
          !position_before(job->update.revision.at, job_frontier(job)));
}
