#include <stdlib.h>
#include "job/internal.h"

bool progress_reserve(struct progress *progress)
{
    struct tokens *waiting = &progress->waiting;
    uint32_t capacity = waiting->capacity ? waiting->capacity * 2 : 16;
    uint64_t *items;

    if (waiting->count < waiting->capacity)
        return true;
    items = realloc(waiting->items, capacity * sizeof(*items));
    if (!items)
        return false;
    waiting->items = items;
    waiting->capacity = capacity;
    return true;
}

/* Group commit: one write is under way at a time, and the next one answers everybody who came
 * meanwhile. */
static void start_write(struct job *job)
{
    struct progress *progress = &job->progress;
    struct job_effect effect = {.kind = JOB_STORE_PROGRESS};
    struct tokens swap = progress->written;

    progress->written = progress->waiting;
    progress->waiting = swap;
    progress->writing = true;
    progress->dirty = false;
    job_emit(job, &effect);
}

/* Without anybody waiting, a write can wait for a timer. */
static void announce(struct job *job)
{
    struct job_effect effect = {.kind = JOB_DIRTY};

    if (!job->progress.dirty || job->progress.announced)
        return;
    job->progress.announced = true;
    job_emit(job, &effect);
}

void progress_acked(struct job *job, uint64_t token)
{
    struct progress *progress = &job->progress;

    progress->dirty = true;
    if (token)
        progress->waiting.items[progress->waiting.count++] = token;
    if (progress->waiting.count == 0)
        announce(job);
    else if (!progress->writing)
        start_write(job);
}

void progress_flush(struct job *job)
{
    struct progress *progress = &job->progress;

    progress->announced = false;
    if (progress->dirty && !progress->writing)
        start_write(job);
}

int progress_stored(struct job *job, int code, struct evd_error *err)
{
    struct progress *progress = &job->progress;

    if (!progress->writing)
        return error_set(err, EVD_E_INTERNAL, "", "a write of progress ended that never began");
    progress->writing = false;
    if (code)
        progress->dirty = true;
    for (uint32_t i = 0; i < progress->written.count; i++) {
        struct job_effect effect = {
            .kind = JOB_ACKED, .token = progress->written.items[i], .code = code};

        job_emit(job, &effect);
    }
    progress->written.count = 0;
    if (progress->waiting.count)
        start_write(job);
    else
        announce(job);
    return EVD_OK;
}

void progress_fini(struct progress *progress)
{
    free(progress->waiting.items);
    free(progress->written.items);
    free(progress->rows);
}
