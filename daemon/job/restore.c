/*
 * Restoring a job from what the store had of it, before any event. The daemon calls it when it
 * starts; nothing read here is trusted.
 */
#include <assert.h>
#include <inttypes.h>
#include "job/internal.h"

/* Of the epoch in which it begins. What its plan does not say is as it was stored. */
static struct epoch_shape shape_at(const struct job *job, const struct job_revision_info *revision)
{
    const struct history_item *last = &job->history.items[job->history.count - 1];

    if (revision->plan && revision->at.step == 0)
        return plan_epoch(revision->plan, revision->at.epoch);
    if (!revision->plan || (!last->plan && last->at.epoch != revision->at.epoch))
        return revision->shape;
    return history_shape(&job->history, revision->at.epoch);
}

int job_restore_revision(struct job *job, const struct job_revision_info *revision,
                         struct evd_error *err)
{
    const struct history_item *last = &job->history.items[job->history.count - 1];
    struct history_item next = {.number = revision->revision,
                                .at = revision->at,
                                .plan = revision->plan,
                                .shape = shape_at(job, revision)};

    if (next.number <= last->number || position_before(next.at, last->at))
        return error_set(err, EVD_E_STORE, "revision",
                         "revision %" PRIu32 " is out of order in the database", next.number);
    if (!next.plan && last->plan)
        return error_set(err, EVD_E_STORE, "revision",
                         "revision %" PRIu32 " is forgotten in the database, and one before it "
                         "is not",
                         next.number);
    if (next.at.step >= next.shape.steps)
        return error_set(err, EVD_E_STORE, "revision",
                         "revision %" PRIu32 " begins in the database at step %" PRIu64
                         " of epoch %" PRIu64 ", which has %" PRIu64 " steps",
                         next.number, next.at.step, next.at.epoch, next.shape.steps);
    if (!history_reserve(&job->history))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another revision");
    if (next.plan && history_place(&next, err) != EVD_OK)
        return err->code;
    history_append(&job->history, next);
    job->next_revision = next.number + 1;
    return EVD_OK;
}

void job_restore_release(struct job *job, struct job_position from)
{
    struct history *history = &job->history;

    while (history->held + 1 < history->count &&
           !position_before(from, history->items[history->held + 1].at)) {
        struct history_item *item = &history->items[history->held++];

        item[1].users += item->users; /* cursors, which are nowhere yet */
        item->users = 0;
        plan_unref(item->plan);
        item->plan = NULL;
    }
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        if (job->cursors[i].low_revision < history->held)
            job->cursors[i].low_revision = history->held;
    }
}

int job_restore_generation(struct job *job, const struct job_restored *restored,
                           struct evd_error *err)
{
    int code;

    if (restored->start.epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_STORE, "seek",
                         "the database has this job at epoch %" PRIu64 ", beyond the last",
                         restored->start.epoch);
    if (restored->mark.epoch > JOB_MAX_EPOCH + UINT64_C(1) ||
        restored->mark.step >
            history_shape(&job->history, restored->mark.epoch).steps + JOB_STRIDE_MOST)
        return error_set(err, EVD_E_STORE, "progress",
                         "the database says that this job was at step %" PRIu64 " of epoch %" PRIu64
                         ", which there is not",
                         restored->mark.step, restored->mark.epoch);
    if (!job->history.items[history_in_force(&job->history, restored->start)].plan)
        return error_set(err, EVD_E_STORE, "revision",
                         "the strategy in force at epoch %" PRIu64 " step %" PRIu64
                         " is forgotten in the database",
                         restored->start.epoch, restored->start.step);
    job->generation = restored->generation;
    job->start = restored->start;
    job->floor = job->progress.mark = restored->mark;
    job->progress.attended = restored->attended;
    job->progress.marked_at = restored->mark;
    if (restored->next_revision > job->next_revision)
        job->next_revision = restored->next_revision;
    if (job->cursors && (code = world_set(job, job->cursor_count, err)))
        return code;
    job->world_at = restored->world_at;
    return EVD_OK;
}

static bool stored_bit(const struct job_progress *progress, uint64_t i)
{
    return i / 8 < progress->acked_bytes && progress->acked[i / 8] >> (i % 8) & 1;
}

/* Steps are handed out in order, so all below an acknowledged one were handed out before: they came
 * back. What was handed out above the last acknowledged one is not known any more, but is below the
 * mark. */
static void restore_bits(struct cursor *cursor, const struct job_progress *progress, uint64_t bits)
{
    uint64_t low = cursor->low;

    assert(cursor->next == low && bits <= cursor->span);
    cursor->next = cursor->known = low + bits;
    for (uint64_t i = 0; i < bits; i++) {
        if (stored_bit(progress, i))
            cursor_ack(cursor, low + i);
        else
            cursor_return(cursor, low + i);
    }
}

/* Its cursors, where there are none yet; a restored job keeps what it says of its world. */
static int restore_world(struct job *job, uint32_t world, struct evd_error *err)
{
    struct job_position world_at = job->world_at;
    int code = job->cursors ? EVD_OK : world_set(job, world, err);

    job->world_at = world_at;
    return code;
}

int job_restore_progress(struct job *job, uint32_t world, const struct job_progress *progress,
                         struct evd_error *err)
{
    uint64_t bits = (uint64_t)progress->acked_bytes * 8, epoch = progress->low.epoch;
    struct epoch_shape shape = history_shape(&job->history, epoch);
    struct cursor *cursor;
    int code = restore_world(job, world, err);

    if (code)
        return code;
    while (bits > 0 && !stored_bit(progress, bits - 1))
        bits--;
    if (progress->rank >= job->cursor_count || epoch > JOB_MAX_EPOCH + UINT64_C(1) ||
        progress->low.step > shape.steps || bits > shape.steps - progress->low.step ||
        bits > job->cursors[progress->rank].span || progress->generation != job->generation ||
        position_before(progress->low, job->start))
        return error_set(err, EVD_E_STORE, "progress",
                         "the progress of rank %" PRIu32 " in the database does not fit the job: "
                         "epoch %" PRIu64 " step %" PRIu64 " and %" PRIu64 " more of %" PRIu64,
                         progress->rank, progress->low.epoch, progress->low.step, bits,
                         shape.steps);
    cursor = &job->cursors[progress->rank];
    cursor_move(cursor, &job->history, progress->low);
    if (cursor->epoch == epoch) /* not at its end */
        cursor->shape = shape;
    restore_bits(cursor, progress, bits);
    /* Databases of earlier versions have no marks. */
    if (position_before(job->progress.mark, cursor_next(cursor)))
        job->progress.mark = cursor_next(cursor);
    return EVD_OK;
}

void job_restore_end(struct job *job)
{
    assert(job->streams == 0 && job_idle(job));
    if (!job->cursors && job->config.guarantee == JOB_AT_MOST_ONCE)
        job->start = job_frontier(job); /* as below, once there are cursors */
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];

        /* What may have been handed out at most once was. */
        if (job->config.guarantee == JOB_AT_MOST_ONCE &&
            position_before(cursor_low(cursor), job->floor))
            cursor_move(cursor, &job->history, job->floor);
        else if (cursor_at_end(cursor))
            cursor_next_epoch(cursor);
    }
    for (uint32_t i = 0; i < job->cursor_count; i++)
        cursor_follow(&job->cursors[i], &job->history);
    /* Of a shared job, anybody could take what somebody else still holds. */
    if (job->progress.attended && job_may_doubt(job) && job->cursor_count > 0) {
        cursor_doubt(&job->cursors[0], &job->history, job->floor);
        if (job->cursors[0].returned_count > 0)
            job_doubt_to(job, DOUBT_WAITS);
    }
}
