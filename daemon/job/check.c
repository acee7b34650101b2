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
    CHECK(job->update.active || history->certain == history->count);
    for (uint32_t i = 0; i < history->count; i++) {
        const struct revision *revision = &history->items[i];

        CHECK((revision->plan != NULL) == (i >= history->held));
        CHECK(revision->at.step < revision->shape.steps);
        CHECK(i == 0 || revision[-1].number < revision->number);
        CHECK(i == 0 || !position_before(revision->at, revision[-1].at));
        users += revision->users;
    }
    CHECK(users == job->cursor_count);
}

/* Each step from low to next is in exactly one state: acknowledged, returned, or leased to one
 * stream. (At-most-once, all are acknowledged, those leased as well.) */
static void check_steps(const struct cursor *cursor, bool at_most_once)
{
    uint64_t acked = 0, returned = 0, held = 0;
    const struct job_stream *stream;

    CHECK(cursor->low <= cursor->known && cursor->known <= cursor->next);
    CHECK(cursor->low <= cursor->next && cursor->next - cursor->low <= cursor->span);
    CHECK(cursor->next == 0 || cursor->next <= cursor->shape.steps);
    for (uint64_t step = cursor->low; step < cursor->next; step++) {
        CHECK(!(cursor_acked(cursor, step) && cursor_returned(cursor, step)));
        acked += cursor_acked(cursor, step);
        returned += cursor_returned(cursor, step);
    }
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        for (uint32_t i = 0; i < stream->count; i++) {
            uint64_t step = lease_step(stream, i);

            CHECK(step < cursor->next);
            CHECK(at_most_once || (step >= cursor->low && !cursor_acked(cursor, step) &&
                                   !cursor_returned(cursor, step)));
            for (uint32_t j = 0; j < i; j++)
                CHECK(lease_step(stream, j) != step);
        }
        held += stream->count;
    }
    CHECK(returned == cursor->returned_count);
    CHECK(held == cursor->leases);
    CHECK(at_most_once ? cursor->next == cursor->low
                       : acked + returned + held == cursor->next - cursor->low);
    CHECK(cursor->next == cursor->low || !cursor_acked(cursor, cursor->low));
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
    TAILQ_FOREACH(stream, &cursor->streams, in_streams)
    {
        CHECK(stream->cursor == cursor && stream->count <= stream->capacity);
        CHECK(stream->resend <= stream->count);
        CHECK(stream->hungry == (!stream->blocked && !stream->stalled && !stream->lost &&
                                 stream->resend == 0 && stream->count < stream->window));
        CHECK(job->deadline <= lease_deadline(job, stream));
        CHECK(!stream->lost || job->deadline <= stream->lost_until);
    }
    if (!job_serves(job) || TAILQ_EMPTY(&cursor->hungry))
        return;
    /* Nobody waits for a step that could be handed out. */
    CHECK(cursor->returned_count == 0 || job->in_doubt);
    CHECK(!cursor_take(&copy, history, update_limit(job), job->in_doubt, &taken));
}

void job_check(const struct job *job)
{
    uint32_t streams = 0, outstanding = 0;
    bool held_back = job->progress.writing || job->seek.active;
    const struct job_stream *stream;

    check_history(job);
    CHECK(job->config.mode == JOB_RANKED || job->cursor_count == 1);
    CHECK(job->config.mode == JOB_SHARED || job->config.world_size == job->cursor_count);
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        const struct cursor *cursor = &job->cursors[i];

        check_cursor(job, cursor);
        TAILQ_FOREACH(stream, &cursor->streams, in_streams)
        {
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
    CHECK(!job->update.active || !position_before(job->update.revision.at, job_frontier(job)));
}
