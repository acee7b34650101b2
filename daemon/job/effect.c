/*
 * Effects out of the job core: job_next_effect, which callers loop over after each job_step, and
 * the queue behind it. Most effects are known when job_step returns and wait in the queue. Batches
 * do not: whether a stream takes one more is known only when the caller has sent the one before, so
 * each is handed out when it is asked for.
 */
#include <assert.h>
#include <stdlib.h>
#include "job/internal.h"

bool effects_reserve(struct job *job, uint32_t streams, uint32_t waiters)
{
    struct effects *effects = &job->effects;
    uint32_t needed = streams + waiters + EFFECTS_BESIDES;
    uint32_t capacity = effects->capacity ? effects->capacity : 2 * EFFECTS_BESIDES;
    struct job_effect *items;

    if (needed <= effects->capacity)
        return true;
    while (capacity < needed)
        capacity *= 2;
    items = realloc(effects->items, capacity * sizeof(*items));
    if (!items)
        return false;
    effects->items = items;
    effects->capacity = capacity;
    return true;
}

void job_emit(struct job *job, struct job_effect effect)
{
    struct effects *effects = &job->effects;

    assert(effects->count < effects->capacity);
    effects->items[effects->count++] = effect;
}

static bool effects_take(struct effects *effects, struct job_effect *effect)
{
    assert(effects->next <= effects->count);
    if (effects->next == effects->count) {
        effects->next = effects->count = 0;
        return false;
    }
    *effect = effects->items[effects->next++];
    return true;
}

void job_pump(struct job *job, const struct cursor *cursor)
{
    job->pump_next = (uint32_t)(cursor - job->cursors);
    job->pump_end = job->pump_next + 1;
    assert(job->pump_end <= job->cursor_count);
}

void job_pump_all(struct job *job)
{
    job->pump_next = 0;
    job->pump_end = job->cursor_count;
}

bool job_idle(const struct job *job)
{
    return job->effects.next == job->effects.count && job->pump_next == job->pump_end &&
           !job->commit_due;
}

bool job_next_effect(struct job *job, struct job_update *update)
{
    while (!effects_take(&job->effects, &update->effect)) {
        if (job->pump_next < job->pump_end) {
            struct cursor *cursor = &job->cursors[job->pump_next];

            if (deliver_next(job, cursor, &update->effect))
                return true;
            deliver_end(job, cursor);
            job->pump_next++;
        } else if (job->commit_due) {
            job->commit_due = false;
            progress_commit(job);
        } else {
            assert(job_idle(job));
#ifdef EVD_CHECKED
            job_check(job);
#endif
            return false;
        }
    }
    return true;
}
