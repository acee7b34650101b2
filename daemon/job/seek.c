#include <inttypes.h>
#include "job/internal.h"

/* Steps that workers hold whose connections are not lost. */
static uint32_t held_by_workers(const struct job *job)
{
    const struct job_stream *stream;
    uint32_t held = 0;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        TAILQ_FOREACH(stream, &job->cursors[i].streams, in_streams)
        held += stream->lost ? 0 : stream->count;
    }
    return held;
}

static int seek_check(const struct job *job, const struct job_event *event, struct evd_error *err)
{
    uint32_t held = held_by_workers(job);

    if (job->update.active || job->seek.active)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another change of this job is being stored: try again when it is done");
    if (event->generation != job->generation || event->revision != job->next_revision)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "another change of this job was faster: send this one again");
    if (event->at.epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_BAD_VALUE, "epoch", "epoch is at most %" PRIu32, JOB_MAX_EPOCH);
    if (held > 0 && !event->force)
        return error_set(err, EVD_E_CONFLICT, "job",
                         "workers hold %" PRIu32 " batches of this job: stop them first, or use "
                         "\"force\", which voids their batches",
                         held);
    return EVD_OK;
}

int seek_begin(struct job *job, const struct job_event *event, struct evd_error *err)
{
    struct history line = {0};
    struct job_effect effect = {.kind = JOB_STORE_SEEK, .at = event->at};
    int code = seek_check(job, event, err);

    if (code)
        return code;
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct job_revision_info *info = &event->line[i];

        if (!history_reserve(&line)) {
            history_disown(&line);
            history_fini(&line);
            return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another history");
        }
        history_append(&line,
                       (struct revision){info->revision, 0, info->at, info->shape, info->plan});
    }
    line.held = history_in_force(&line, event->at);
    job->seek = (struct seek){.active = true,
                              .token = event->token,
                              .at = event->at,
                              .mark = progress_mark_after(job, event->at),
                              .attended = job->streams > 0,
                              .history = line};
    effect.left = job_reached(job);
    effect.mark = job->seek.mark;
    effect.attended = job->seek.attended;
    job_emit(job, &effect);
    return EVD_OK;
}

/* Nobody holds anything, and all go on at the new position. */
static void move(struct job *job)
{
    struct job_position at = job->seek.at;
    uint32_t in_force;

    history_fini(&job->history);
    job->history = job->seek.history;
    job->generation++;
    job->in_doubt = false;
    job->next_revision = job->history.items[job->history.count - 1].number + 1 > job->next_revision
                             ? job->history.items[job->history.count - 1].number + 1
                             : job->next_revision;
    job->start = job->floor = job->world_at = at;
    in_force = history_in_force(&job->history, at);
    job->history.items[in_force].users = job->cursor_count;
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];
        struct job_stream *stream;

        TAILQ_FOREACH(stream, &cursor->streams, in_streams)
        {
            lease_drop_all(job, stream);
            stream->stalled = false;
            stream_settle(stream);
        }
        cursor_move(cursor, &job->history, at);
        cursor->low_revision = in_force;
    }
}

static void announce(struct job *job)
{
    struct job_effect effect = {.kind = JOB_MOVED, .at = job->seek.at};
    struct job_stream *stream;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        TAILQ_FOREACH(stream, &job->cursors[i].streams, in_streams)
        {
            effect.owner = stream->owner;
            if (!stream->lost)
                job_emit(job, &effect);
        }
    }
}

int seek_stored(struct job *job, int code, struct evd_error *err)
{
    struct job_effect effect = {
        .kind = JOB_SOUGHT, .token = job->seek.token, .code = code, .at = job->seek.at};

    if (!job->seek.active)
        return error_set(err, EVD_E_INTERNAL, "", "a seek was stored that nobody asked for");
    if (code)
        history_fini(&job->seek.history);
    else
        move(job);
    job->seek.history = (struct history){0};
    job->seek.active = false;
    job_emit(job, &effect);
    if (!code)
        announce(job);
    progress_resume(job, !code);
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct job_stream *stream;

        TAILQ_FOREACH(stream, &job->cursors[i].streams, in_streams)
        stream_resend(job, stream);
    }
    stream_pump_all(job);
    return EVD_OK;
}
