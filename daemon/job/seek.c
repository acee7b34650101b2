/*
 * Seeks: the job at another position under another history. JOB_SEEK checks the new history and has
 * it stored; JOB_SEEK_STORED moves the job there.
 */
#include <assert.h>
#include <inttypes.h>
#include "job/internal.h"

/* Steps that workers hold whose connections are not lost. */
static uint32_t held_by_workers(const struct job *job)
{
    const struct job_stream *stream = NULL;
    uint32_t held = 0;

    while ((stream = stream_next(job, stream)))
        held += stream->lost ? 0 : stream->count;
    return held;
}

static int seek_check(const struct job *job, const struct job_event *event, struct evd_error *err)
{
    uint32_t held = held_by_workers(job);

    if (job->change != CHANGE_NONE)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another change of this job is being stored: try again when it is done");
    if (event->seek.generation != job->generation || event->seek.revision != job->next_revision)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another change of this job was faster: send this one again");
    if (event->seek.at.epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_BAD_VALUE, "epoch", "epoch is at most %" PRIu32, JOB_MAX_EPOCH);
    if (held > 0 && !event->seek.force)
        return error_set(err, EVD_E_CONFLICT, "workers",
                         "workers hold %" PRIu32 " batches of this job: stop them first, or use "
                         "\"force\", which voids their batches",
                         held);
    return EVD_OK;
}

/* The history of the new generation, with the references of the event. */
static int make_history(struct history *history, const struct job_event *event,
                        struct evd_error *err)
{
    for (uint32_t i = 0; i < event->seek.line_count; i++) {
        const struct job_revision_info *info = &event->seek.line[i];

        if (!history_reserve(history)) {
            history_disown(history);
            history_fini(history);
            return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another history");
        }
        history_append(history, (struct history_item){.number = info->revision,
                                                      .at = info->at,
                                                      .shape = info->shape,
                                                      .plan = info->plan});
    }
    history->held = history_in_force(history, event->seek.at);
    return EVD_OK;
}

int seek_begin(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct history history = {0};
    int code = seek_check(job, event, err);

    if (!code)
        code = make_history(&history, event, err);
    if (code)
        return code;
    job_change_to(job, CHANGE_SEEK);
    job->seek = (struct pending_seek){.token = event->seek.token,
                                      .at = event->seek.at,
                                      .mark = progress_mark_after(job, event->seek.at),
                                      .attended = job->streams > 0,
                                      .history = history};
    job_emit(job, (struct job_effect){.kind = JOB_STORE_SEEK,
                                      .store_seek = {.at = job->seek.at,
                                                     .left = job_reached(job),
                                                     .mark = job->seek.mark,
                                                     .attended = job->seek.attended}});
    return EVD_OK;
}

/* Nobody holds anything, and all go on at the new position. */
static void move(struct job *job)
{
    struct job_position at = job->seek.at;
    uint32_t in_force, newest;

    history_fini(&job->history);
    job->history = job->seek.history;
    job->generation++;
    job_doubt_to(job, DOUBT_NONE);
    newest = job->history.items[job->history.count - 1].number;
    if (job->next_revision <= newest)
        job->next_revision = newest + 1;
    job->start = job->floor = job->world_at = at;
    in_force = history_in_force(&job->history, at);
    assert(in_force == job->history.held && job->history.items[in_force].plan);
    job->history.items[in_force].users = job->cursor_count;
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];
        struct job_stream *stream;

        TAILQ_FOREACH(stream, &cursor->streams, in_streams) {
            lease_drop_all(job, stream);
            stream->stalled = false;
        }
        assert(cursor->leases == 0);
        cursor_move(cursor, &job->history, at);
        cursor->low_revision = in_force;
    }
    assert(job->outstanding == 0);
}

/* Streams take steps again, or what they are to be sent again. */
static void queue_all(struct job *job)
{
    struct job_stream *stream = NULL;

    while ((stream = stream_next(job, stream)))
        stream_queue(job, stream);
}

static void tell_moved(struct job *job)
{
    const struct job_stream *stream = NULL;

    while ((stream = stream_next(job, stream))) {
        if (!stream->lost)
            job_emit(job, (struct job_effect){.kind = JOB_MOVED,
                                              .moved = {.owner = stream->owner,
                                                        .generation = job->generation,
                                                        .at = job->seek.at}});
    }
}

int seek_stored(struct job *job, int code, struct evd_error *err)
{
    if (job->change != CHANGE_SEEK)
        return error_set(err, EVD_E_INTERNAL, "", "a seek was stored that nobody asked for");
    job_change_to(job, CHANGE_NONE);
    if (code)
        history_fini(&job->seek.history);
    else
        move(job);
    job->seek.history = (struct history){0};
    queue_all(job);
    job_emit(job, (struct job_effect){.kind = JOB_SOUGHT,
                                      .sought = {.token = job->seek.token,
                                                 .code = code,
                                                 .generation = job->generation,
                                                 .at = job->seek.at}});
    if (!code)
        tell_moved(job);
    progress_resume(job, !code);
    job_pump_all(job);
    return EVD_OK;
}
