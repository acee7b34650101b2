/*
 * The invariants of a job that is at rest, between two events. Called after every event in debug
 * and sanitizer builds, and by the tests in all builds.
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

static void check_history(const struct job *job)
{
    const struct history *history = &job->history;
    uint64_t users = 0;

    CHECK(history->held < history->certain && history->certain <= history->count);
    CHECK(job->change == CHANGE_UPDATE || history->certain == history->count);
    for (uint32_t i = 0; i < history->count; i++) {
        const struct history_item *revision = &history->items[i];

        CHECK((revision->plan != NULL) == (i >= history->held));
        CHECK(revision->at.step < revision->shape.steps);
        CHECK(i == 0 || revision[-1].number < revision->number);
        CHECK(i == 0 || !position_before(revision->at, revision[-1].at));
        users += revision->users;
    }
    CHECK(users == job->cursor_count);
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

/* Each step from low to next is in exactly one state: acknowledged, returned, or leased to one
 * stream. (At-most-once, all are acknowledged, those leased as well.) */
static void check_steps(const struct cursor *cursor, bool at_most_once)
{
    uint64_t first = cursor->low / 64, end = (cursor->next + 63) / 64; /* words of bits */
    uint64_t seen[JOB_SPAN / 64], returned = 0, others = 0, held = 0;
    const struct job_stream *stream;

    CHECK(cursor->low <= cursor->known && cursor->known <= cursor->next);
    CHECK(cursor->next - cursor->low <= cursor->span);
    CHECK(cursor->next == 0 || cursor->next <= cursor->shape.steps);
    if (end - first > cursor->span / 64)
        end = first + cursor->span / 64; /* the last word is the first one */
    for (uint64_t i = first; i < end; i++) {
        uint64_t at = i & (cursor->span / 64 - 1);

        CHECK(!(cursor->acked[at] & cursor->returned[at]));
        seen[at] = cursor->acked[at] | cursor->returned[at];
        returned += count_bits(cursor->returned[at]);
        others += count_bits(seen[at]);
    }
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        if (!at_most_once)
            check_leases(stream, seen);
        held += stream->count;
    }
    CHECK(held == cursor->leases);
    CHECK(returned == cursor->returned_count);
    CHECK(at_most_once ? cursor->next == cursor->low : others + held == cursor->next - cursor->low);
    CHECK(cursor->next == cursor->low || !cursor_acked(cursor, cursor->low));
}

static void check_stream(const struct job *job, const struct job_stream *stream)
{
    CHECK(stream->count <= stream->capacity && stream->resend <= stream->count);
    CHECK(stream->turn == stream_turn(job, stream) && stream->turn != TURN_RESEND);
    CHECK(job->deadline <= lease_deadline(job, stream));
    CHECK(!stream->lost || job->deadline <= stream->lost_until);
    CHECK(!stream->exclusive ||
          (TAILQ_FIRST(&stream->cursor->streams) == stream && !TAILQ_NEXT(stream, in_streams)));
}

static void check_cursor(const struct job *job, const struct cursor *cursor)
{
    const struct history *history = &job->history;
    struct cursor copy = *cursor;
    const struct job_stream *stream;
    struct taken_step taken;
    uint32_t in_force;

    check_steps(cursor, job->config.guarantee == JOB_AT_MOST_ONCE);
    in_force = history_in_force(history, cursor_low(cursor));
    if (in_force >= history->certain)
        in_force = history->certain - 1;
    CHECK(cursor->low_revision == in_force);
    CHECK(cursor->low_revision >= history->held);
    CHECK(!position_before(cursor_next(cursor), history->items[cursor->next_revision].at));
    CHECK(!cursor_at_end(cursor) || cursor->leases > 0);
    TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
        CHECK(stream->cursor == cursor);
        check_stream(job, stream);
    }
    if (!job_serves(job) || TAILQ_EMPTY(&cursor->queue))
        return;
    /* Nobody waits for a step that could be handed out. */
    CHECK(cursor->returned_count == 0 || job->doubt != DOUBT_NONE);
    CHECK(!cursor_take(&copy, history, update_limit(job), job->doubt != DOUBT_NONE, &taken));
}

void job_check(const struct job *job)
{
    uint32_t streams = 0, outstanding = 0;
    bool held_back = job->progress.writing || job->change == CHANGE_SEEK;
    const struct job_stream *stream;

    CHECK(job_idle(job));
    check_history(job);
    CHECK(job->config.mode == JOB_RANKED || job->cursor_count == 1);
    CHECK(job->config.mode == JOB_SHARED || job->config.world_size == job->cursor_count);
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        const struct cursor *cursor = &job->cursors[i];

        check_cursor(job, cursor);
        TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
            streams++;
            outstanding += stream->count;
        }
    }
    CHECK(streams == job->streams && outstanding == job->outstanding);
    CHECK(held_back || job->progress.waiting.count == 0);
    CHECK(held_back || !job->progress.dirty || job->progress.announced);
    CHECK(job->outstanding == 0 || !job_may_doubt(job) || job_attended(job) ||
          job->progress.dirty || job->draining);
    CHECK(!position_before(job->progress.mark, job_reached(job)) || job->draining ||
          job->progress.mark.epoch < job_reached(job).epoch);
    CHECK(job->change != CHANGE_UPDATE ||
          !position_before(job->update.revision.at, job_frontier(job)));
}
