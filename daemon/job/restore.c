#include <inttypes.h>
#include "job/internal.h"

int job_restore_revision(struct job *job, uint32_t revision, struct job_position at,
                         struct plan *plan, struct evd_error *err)
{
    const struct revision *last = &job->history.items[job->history.count - 1];
    struct revision next = {.number = revision, .at = at, .plan = plan};
    int code;

    if (revision <= last->number || position_before(at, last->at))
        return error_set(err, EVD_E_STORE, "revision",
                         "revision %" PRIu32 " is out of order in the database", revision);
    next.shape = at.step == 0 ? plan_epoch(plan, at.epoch) : history_shape(&job->history, at.epoch);
    if (at.step >= next.shape.steps)
        return error_set(err, EVD_E_STORE, "revision",
                         "revision %" PRIu32 " begins at step %" PRIu64 " of epoch %" PRIu64
                         ", which has %" PRIu64 " steps",
                         revision, at.step, at.epoch, next.shape.steps);
    if (!history_reserve(&job->history))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another revision");
    code = revision_place(&next, err);
    if (code)
        return code;
    history_append(&job->history, next);
    for (uint32_t i = 0; i < job->cursor_count; i++)
        cursor_settle(&job->cursors[i], &job->history);
    return EVD_OK;
}

static bool stored_bit(const struct job_progress *progress, uint64_t i)
{
    return i / 8 < progress->acked_bytes && progress->acked[i / 8] >> (i % 8) & 1;
}

/* Steps are handed out in order, so all below an acknowledged one were handed out before: they came
 * back. What was handed out above the last acknowledged one is not known any more. */
static void restore_bits(struct cursor *cursor, const struct job_progress *progress, uint64_t bits)
{
    cursor->low = progress->low.step;
    cursor->next = progress->low.step + bits;
    for (uint64_t i = 0; i < bits; i++) {
        uint64_t step = progress->low.step + i;

        if (stored_bit(progress, i))
            cursor_ack(cursor, step);
        else
            cursor_return(cursor, step);
    }
}

int job_restore_progress(struct job *job, uint32_t world, const struct job_progress *progress,
                         struct evd_error *err)
{
    uint64_t bits = (uint64_t)progress->acked_bytes * 8;
    struct epoch_shape shape = history_shape(&job->history, progress->low.epoch);
    struct cursor *cursor;
    int code;

    if (!job->cursors && (code = job_set_world(job, world, err)))
        return code;
    while (bits > 0 && !stored_bit(progress, bits - 1))
        bits--;
    if (progress->rank >= job->cursor_count || progress->low.step > shape.steps ||
        bits > shape.steps - progress->low.step || bits > job->cursors[progress->rank].span)
        return error_set(err, EVD_E_STORE, "progress",
                         "the progress of rank %" PRIu32 " in the database does not fit the job: "
                         "epoch %" PRIu64 " step %" PRIu64 " and %" PRIu64 " more of %" PRIu64,
                         progress->rank, progress->low.epoch, progress->low.step, bits,
                         shape.steps);
    job->generation = progress->generation;
    cursor = &job->cursors[progress->rank];
    cursor->epoch = progress->low.epoch;
    cursor->shape = shape;
    restore_bits(cursor, progress, bits);
    if (cursor_at_end(cursor))
        cursor_next_epoch(cursor);
    cursor_settle(cursor, &job->history);
    return EVD_OK;
}
