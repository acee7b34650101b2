/*
 * Progress: what the store knows of the job, who waits until it knows more, and the mark. Group
 * commit: one write is under way at a time, and the next one answers everybody who came meanwhile.
 * lease.c says what changed, deliver.c asks for the mark to be kept ahead of the workers.
 */
#include <assert.h>
#include <stdlib.h>
#include "job/internal.h"

bool progress_reserve(struct job *job)
{
    struct waiters *waiting = &job->progress.waiting;
    uint32_t capacity = waiting->capacity ? waiting->capacity * 2 : 16;
    struct waiter *items;

    if (waiting->count < waiting->capacity)
        return true;
    if (!effects_reserve(job, job->streams, capacity))
        return false;
    items = realloc(waiting->items, capacity * sizeof(*items));
    if (!items)
        return false;
    waiting->items = items;
    waiting->capacity = capacity;
    return true;
}

/* The mark is put this many steps ahead: few enough that little is passed over or redelivered
 * after a crash, many enough that a write is done before they are handed out, and that writes take
 * no time worth mentioning: half a stride lasts about MARK_MS. */
#define STRIDE_LEAST 64u
#define MARK_MS      100u

struct job_position progress_mark_after(const struct job *job, struct job_position at)
{
    at.step += job->progress.stride;
    return at;
}

/* Its first workers need not wait for a write. At most once they do: what nobody asked for would be
 * passed over after a crash. */
void progress_init(struct job *job)
{
    job->progress.stride = STRIDE_LEAST;
    if (job->config.guarantee == JOB_AT_LEAST_ONCE) {
        job->progress.mark = progress_mark_after(job, job->start);
        job->progress.attended = true;
    }
}

/* The stride grows when workers used half of it in less than MARK_MS, and shrinks when they used
 * little of it in more. Looks when half a stride is handed out or MARK_MS have passed, whichever is
 * first. */
static void adapt_stride(struct progress *progress, struct job_position reached, uint64_t now)
{
    bool same_epoch = reached.epoch == progress->marked_at.epoch;
    uint64_t advance = reached.step - (same_epoch ? progress->marked_at.step : 0);
    bool early = now - progress->marked < MARK_MS;

    if (advance >= progress->stride / 2) {
        if (early && progress->stride <= JOB_STRIDE_MOST / 4)
            progress->stride *= 4;
    } else if (early) {
        return;
    } else if (advance < progress->stride / 16 && progress->stride > STRIDE_LEAST) {
        progress->stride /= 2;
    }
    progress->marked_at = reached;
    progress->marked = now;
}

/* How far steps may have been handed out. The end of an epoch is not yet the beginning of the next:
 * its steps may come back for long. */
static struct job_position reached_within(const struct job *job)
{
    struct job_position reached = job->floor;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct job_position next = {job->cursors[i].epoch, job->cursors[i].next};

        if (position_before(reached, next))
            reached = next;
    }
    return reached;
}

static void put_mark(struct job *job)
{
    struct progress *progress = &job->progress;
    struct job_position reached = reached_within(job);

    assert(progress->stride >= STRIDE_LEAST && progress->stride <= JOB_STRIDE_MOST);
    if (job->config.guarantee == JOB_AT_LEAST_ONCE)
        adapt_stride(progress, reached, job->now);
    progress->marking = reached;
    progress->attending = job->draining ? job->outstanding > 0 : job->streams > 0;
    if (job->draining)
        return;
    progress->marking = progress_mark_after(job, reached);
    if (position_before(progress->marking, progress->mark))
        progress->marking = progress->mark;
}

static bool may_write(const struct job *job)
{
    return !job->progress.writing && job->change != CHANGE_SEEK;
}

static void start_write(struct job *job)
{
    struct progress *progress = &job->progress;
    struct waiters swap = progress->written;

    assert(may_write(job) && swap.count == 0);
    progress->written = progress->waiting;
    progress->waiting = swap;
    progress->writing = true;
    progress->dirty = false;
    put_mark(job);
    job_emit(job, (struct job_effect){.kind = JOB_STORE_PROGRESS});
}

/* Without anybody waiting, a write can wait for a timer. */
static void announce(struct job *job)
{
    if (!job->progress.dirty || job->progress.announced)
        return;
    job->progress.announced = true;
    job_emit(job, (struct job_effect){.kind = JOB_DIRTY});
}

/* A write begins at once, if it may and somebody waits for it. */
static void write_or_announce(struct job *job, bool awaited)
{
    if (awaited && may_write(job))
        start_write(job);
    else
        announce(job);
}

void progress_note(struct job *job, uint64_t token, int code)
{
    struct waiters *waiting = &job->progress.waiting;

    job->progress.dirty = true;
    job->commit_due = true;
    assert(!token || waiting->count < waiting->capacity);
    if (token)
        waiting->items[waiting->count++] = (struct waiter){token, code};
}

bool progress_durable(const struct job *job)
{
    return !job->progress.dirty && !job->progress.writing;
}

void progress_changed(struct job *job)
{
    job->progress.dirty = true;
    announce(job);
}

void progress_commit(struct job *job)
{
    if (job->progress.waiting.count == 0)
        announce(job);
    else if (may_write(job))
        start_write(job);
}

void progress_keep_ahead(struct job *job, const struct cursor *cursor)
{
    const struct progress *progress = &job->progress;
    struct job_position mark = progress->writing ? progress->marking : progress->mark;
    bool enough = cursor->epoch < mark.epoch;

    if (cursor->epoch == mark.epoch && cursor->next < mark.step)
        enough = mark.step - cursor->next > progress->stride / 2 ||
                 (cursor->shape.steps > 0 && cursor->shape.steps <= mark.step);
    if (job_may_doubt(job) && !job_attended(job))
        enough = false;
    /* Not before somebody waits for it: what is never asked for is never in doubt. So an epoch
     * begins with a commit. It must: its steps are handed out only when the store knows that the
     * one before is done, and therefore can be claimed after a crash. */
    if (!enough && may_write(job) && !TAILQ_EMPTY(&cursor->streams) &&
        (cursor->next > 0 || !TAILQ_EMPTY(&cursor->queue)))
        start_write(job);
}

void progress_attendance(struct job *job)
{
    if (!job_may_doubt(job))
        return;
    assert(job->streams > 0);
    job->progress.dirty = true;
    write_or_announce(job, true);
}

void progress_flush(struct job *job)
{
    struct progress *progress = &job->progress;

    progress->announced = false;
    if (progress->dirty && may_write(job))
        start_write(job);
}

void progress_drain(struct job *job)
{
    job->draining = true;
    job->progress.dirty = true;
    if (may_write(job))
        start_write(job);
}

/* Everybody who waits hears `code`, or if that is EVD_OK, what was noted. */
static void answer(struct job *job, struct waiters *waiters, int code)
{
    for (uint32_t i = 0; i < waiters->count; i++) {
        const struct waiter *waiter = &waiters->items[i];

        job_emit(job, (struct job_effect){
                          .kind = JOB_ACKED,
                          .acked = {.token = waiter->token, .code = code ? code : waiter->code}});
    }
    waiters->count = 0;
}

void progress_resume(struct job *job, bool moved)
{
    struct progress *progress = &job->progress;

    assert(job->change == CHANGE_NONE);
    if (moved) {
        progress->mark = progress->marking = job->seek.mark;
        progress->attended = progress->attending = job->seek.attended;
        progress->marked_at = job->seek.at;
        /* The seek was a write, of all there is: nothing is left to be tried again. */
        progress->dirty = progress->failing = false;
        answer(job, &progress->waiting, EVD_E_CONFLICT);
    }
    write_or_announce(job, progress->waiting.count > 0);
}

int progress_stored(struct job *job, int code, struct evd_error *err)
{
    struct progress *progress = &job->progress;

    if (!progress->writing)
        return error_set(err, EVD_E_INTERNAL, "", "a write of progress ended that never began");
    assert(progress->written.count <= progress->written.capacity);
    progress->writing = false;
    progress->failing = code != EVD_OK;
    if (code) {
        progress->dirty = true;
    } else {
        assert(!position_before(progress->marking, progress->mark) || job->draining);
        progress->mark = progress->marking;
        progress->attended = progress->attending;
    }
    answer(job, &progress->written, code);
    write_or_announce(job,
                      progress->waiting.count > 0 || (job->draining && progress->dirty && !code));
    if (!code)
        job_pump_all(job);
    return EVD_OK;
}

void progress_fini(struct progress *progress)
{
    free(progress->waiting.items);
    free(progress->written.items);
    free(progress->rows);
}
