/*
 * Updates: another strategy from one step on. JOB_UPDATE finds that step and has the revision
 * stored; JOB_REVISION_STORED makes it hold.
 */
#include <assert.h>
#include <inttypes.h>
#include "job/internal.h"

/* The step from which an update holds. */
static int update_position(const struct job *job, const struct job_event *event,
                           struct job_position *out, struct evd_error *err)
{
    struct job_position first = job_frontier(job);

    *out = first;
    if (event->update.when == JOB_NEXT_EPOCH && first.step > 0)
        *out = (struct job_position){first.epoch + 1, 0};
    if (event->update.when == JOB_AT)
        *out = event->update.at;
    if (out->epoch > JOB_MAX_EPOCH && event->update.when != JOB_AT)
        return error_set(err, EVD_E_LIMIT, "epoch",
                         "an update would begin behind epoch %" PRIu32
                         ", which is the last: seek to "
                         "an epoch before, or make a new job",
                         JOB_MAX_EPOCH);
    if (out->epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_BAD_VALUE, "epoch", "epoch is at most %" PRIu32, JOB_MAX_EPOCH);
    if (event->update.when == JOB_AT && position_before(event->update.at, first))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " is handed out already: the first step "
                         "that can still change is epoch %" PRIu64 " step %" PRIu64,
                         event->update.at.epoch, event->update.at.step, first.epoch, first.step);
    return EVD_OK;
}

/* Revisions that begin after the first step not handed out have not begun: an update takes their
 * place. Returns how many stay. */
static uint32_t update_keeps(const struct job *job)
{
    return history_in_force(&job->history, job_frontier(job)) + 1;
}

/* The shape of the epoch in which the update begins: its own if it begins the epoch, else the one
 * that the revisions that stay give it. */
static int update_shape(const struct job *job, const struct plan *plan, struct job_position at,
                        uint32_t keep, struct epoch_shape *out, struct evd_error *err)
{
    struct history kept = job->history;

    kept.count = keep;
    *out = at.step == 0 ? plan_epoch(plan, at.epoch) : history_shape(&kept, at.epoch);
    if (out->steps == 0)
        return error_set(err, EVD_E_STRATEGY, "strategy",
                         "with this strategy epoch %" PRIu64 " has not one whole batch: take a "
                         "smaller batch_size or another strategy",
                         at.epoch);
    if (at.step >= out->steps)
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " has %" PRIu64 " steps: name a step below that",
                         at.epoch, out->steps);
    return EVD_OK;
}

static int update_check(const struct job *job, const struct job_event *event, struct evd_error *err)
{
    uint32_t number = job_next_revision(job);

    if (job->change != CHANGE_NONE)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another change of this job is being stored: try again when it is done");
    if (event->update.revision != number)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another update of this job was faster (the next revision is %" PRIu32
                         "): send this one again",
                         number);
    if (number > EVD_MAX_REVISIONS)
        return error_set(err, EVD_E_LIMIT, "job",
                         "a job has at most %u revisions: go on with a new job", EVD_MAX_REVISIONS);
    return EVD_OK;
}

/* Nothing beyond the mark, and nothing behind the last epoch. And until it is known whether a
 * revision is durable, nothing that depends on it: no step it would hold for, and none of a
 * revision that it would cancel. */
struct job_position update_limit(const struct job *job)
{
    const struct history *history = &job->history;
    struct job_position limit = job->progress.mark;
    struct job_position end = {JOB_MAX_EPOCH + UINT64_C(1), 0};

    if (position_before(end, limit))
        limit = end;
    if (job->change != CHANGE_UPDATE)
        return limit;
    if (position_before(job->update.revision.at, limit))
        limit = job->update.revision.at;
    if (history->certain < history->count &&
        position_before(history->items[history->certain].at, limit))
        limit = history->items[history->certain].at;
    return limit;
}

int update_begin(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct history_item revision = {.number = event->update.revision, .plan = event->update.plan};
    uint32_t keep = update_keeps(job);
    int code = update_check(job, event, err);

    if (!code)
        code = update_position(job, event, &revision.at, err);
    if (!code)
        code = update_shape(job, revision.plan, revision.at, keep, &revision.shape, err);
    if (code)
        return code;
    if (!history_reserve(&job->history))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another revision");
    code = history_place(&revision, err);
    if (code)
        return code;
    assert(keep > job->history.held && keep <= job->history.count);
    job_change_to(job, CHANGE_UPDATE);
    job->update = (struct pending_update){.token = event->update.token, .revision = revision};
    job->history.certain = keep;
    job_emit(job, (struct job_effect){
                      .kind = JOB_STORE_REVISION,
                      .store_revision = {.generation = job->generation,
                                         .revision = revision.number,
                                         .keep_revision = job->history.items[keep - 1].number,
                                         .at = revision.at,
                                         .shape = revision.shape,
                                         .plan = revision.plan}});
    return EVD_OK;
}

/* The revision is durable: from now on it holds. */
static void update_apply(struct job *job)
{
    assert(job->update.revision.number >= job->next_revision);
    assert(!position_before(job->update.revision.at, job_frontier(job)));
    history_cut(&job->history, job->history.certain);
    history_append(&job->history, job->update.revision);
    job->next_revision = job->update.revision.number + 1;
}

/* It is not: what was recorded before goes on. */
static void update_cancel(struct job *job)
{
    plan_unref(job->update.revision.plan);
    job->history.certain = job->history.count;
}

static void tell_revision(struct job *job, const struct history_item *revision)
{
    const struct job_stream *stream = NULL;

    while ((stream = stream_next(job, stream))) {
        if (!stream->lost)
            job_emit(job, (struct job_effect){.kind = JOB_REVISION,
                                              .revision = {.owner = stream->owner,
                                                           .revision = revision->number,
                                                           .at = revision->at}});
    }
}

int update_stored(struct job *job, int code, struct evd_error *err)
{
    const struct history_item *revision = &job->update.revision;

    if (job->change != CHANGE_UPDATE)
        return error_set(err, EVD_E_INTERNAL, "", "a revision was stored that nobody asked for");
    job_change_to(job, CHANGE_NONE);
    if (code)
        update_cancel(job);
    else
        update_apply(job);
    for (uint32_t i = 0; i < job->cursor_count; i++)
        cursor_follow(&job->cursors[i], &job->history);
    job_emit(job, (struct job_effect){.kind = JOB_UPDATED,
                                      .updated = {.token = job->update.token,
                                                  .code = code,
                                                  .revision = revision->number,
                                                  .at = revision->at}});
    if (!code)
        tell_revision(job, revision);
    job_pump_all(job);
    return EVD_OK;
}
