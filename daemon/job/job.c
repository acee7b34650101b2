#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

static int check_config(const struct job_config *config, struct evd_error *err)
{
    if (config->batch_size == 0 || config->batch_size > EVD_MAX_BATCH)
        return error_set(err, EVD_E_LIMIT, "batch_size", "batch_size must be 1 to %u",
                         EVD_MAX_BATCH);
    if (config->mode == JOB_SHARED && config->world_size)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "a shared job has no ranks: leave world_size out, or choose mode ranked");
    return EVD_OK;
}

static int check_world(const struct job_config *config, uint32_t world, struct evd_error *err)
{
    if (world == 0 || world > EVD_MAX_WORLD)
        return error_set(err, EVD_E_LIMIT, "world_size", "world_size must be 1 to %u",
                         EVD_MAX_WORLD);
    if (config->batch_size % world)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "world_size %" PRIu32 " does not divide the job's batch_size %" PRIu32
                         ", which is that of the global batch",
                         world, config->batch_size);
    return EVD_OK;
}

static void cursor_init(struct cursor *cursor, uint32_t rank, uint32_t world, uint32_t span,
                        uint64_t *words)
{
    size_t each = span / 64;

    *cursor = (struct cursor){.rank = rank,
                              .world = world,
                              .span = span,
                              .acked = words,
                              .returned = words + each,
                              .packed = (uint8_t *)(words + 2 * each)};
    TAILQ_INIT(&cursor->streams);
    TAILQ_INIT(&cursor->hungry);
}

int job_set_world(struct job *job, uint32_t world, struct evd_error *err)
{
    bool ranked = job->config.mode == JOB_RANKED;
    uint32_t span = ranked ? JOB_RANK_SPAN : JOB_SPAN;
    size_t words = 3 * (size_t)span / 64; /* acked, returned, packed */
    uint32_t first;
    int code = check_world(&job->config, world, err);

    if (code)
        return code;
    job->cursors = calloc(world, sizeof(*job->cursors));
    job->cursor_memory = calloc(world, words * sizeof(uint64_t));
    job->progress.rows = calloc(world, sizeof(*job->progress.rows));
    if (!job->cursors || !job->cursor_memory || !job->progress.rows) {
        free(job->cursors);
        free(job->cursor_memory);
        free(job->progress.rows);
        job->cursors = NULL;
        job->cursor_memory = NULL;
        job->progress.rows = NULL;
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for the job's progress");
    }
    first = history_in_force(&job->history, (struct job_position){0, 0});
    for (uint32_t i = 0; i < world; i++) {
        cursor_init(&job->cursors[i], i, world, span, (uint64_t *)job->cursor_memory + i * words);
        job->cursors[i].low_revision = first;
    }
    job->history.items[first].users = world;
    job->cursor_count = world;
    job->config.world_size = ranked ? world : 0;
    return EVD_OK;
}

/* Revision 0 begins at the beginning. */
static int first_revision(struct job *job, struct plan *plan, struct evd_error *err)
{
    struct revision first = {.plan = plan, .shape = plan_epoch(plan, 0)};

    if (first.shape.steps == 0)
        return error_set(err, EVD_E_STRATEGY, "batch_size",
                         "not even one batch of %" PRIu32 " can be drawn: take a smaller "
                         "batch_size or another strategy",
                         job->config.batch_size);
    if (!history_reserve(&job->history))
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another job");
    history_append(&job->history, first);
    return EVD_OK;
}

int job_new(struct job **out, const struct job_config *config, struct plan *plan, job_sink sink,
            void *sink_arg, struct evd_error *err)
{
    int code = check_config(config, err);
    struct job *job;

    if (!code && config->world_size)
        code = check_world(config, config->world_size, err);
    if (code)
        return code;
    job = calloc(1, sizeof(*job));
    if (!job)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for another job");
    job->config = *config;
    job->sink = sink;
    job->sink_arg = sink_arg;
    code = first_revision(job, plan, err);
    if (!code && (config->mode == JOB_SHARED || config->world_size))
        code = job_set_world(job, config->mode == JOB_SHARED ? 1 : config->world_size, err);
    if (!code)
        code = revision_place(&job->history.items[0], err);
    if (code) {
        history_disown(&job->history);
        job_free(job);
        return code;
    }
    *out = job;
    return EVD_OK;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        while (!TAILQ_EMPTY(&job->cursors[i].streams))
            stream_free(job, TAILQ_FIRST(&job->cursors[i].streams));
    }
    if (job->update.active)
        plan_unref(job->update.revision.plan);
    history_fini(&job->history);
    progress_fini(&job->progress);
    free(job->cursors);
    free(job->cursor_memory);
    free(job);
}

int job_step(struct job *job, struct job_event *event, struct evd_error *err)
{
    switch (event->kind) {
    case JOB_OPEN:
        return stream_open(job, event, err);
    case JOB_CREDIT:
        return stream_credit(job, event, err);
    case JOB_ACK:
        return stream_ack(job, event, err);
    case JOB_CLOSE:
        return stream_close(job, event);
    case JOB_READY:
        return stream_ready(job, event);
    case JOB_UPDATE:
        return update_begin(job, event, err);
    case JOB_REVISION_STORED:
        return update_stored(job, event->code, err);
    case JOB_PROGRESS_STORED:
        return progress_stored(job, event->code, err);
    case JOB_FLUSH:
        progress_flush(job);
        return EVD_OK;
    }
    return error_set(err, EVD_E_INTERNAL, "", "unknown event");
}

bool job_emit(struct job *job, struct job_effect *effect)
{
    effect->generation = job->generation;
    return job->sink(job->sink_arg, effect);
}

struct job_position job_frontier(const struct job *job)
{
    struct job_position first = {0, 0};

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct job_position next = cursor_next(&job->cursors[i]);

        if (position_before(first, next))
            first = next;
    }
    return first;
}

/* ---- asking ---- */

uint32_t job_progress(struct job *job, const struct job_progress **rows)
{
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        struct cursor *cursor = &job->cursors[i];
        uint32_t bytes = cursor_pack(cursor);

        job->progress.rows[i] = (struct job_progress){.rank = cursor->rank,
                                                      .generation = job->generation,
                                                      .low = cursor_low(cursor),
                                                      .acked = cursor->packed,
                                                      .acked_bytes = bytes};
    }
    *rows = job->progress.rows;
    return job->cursor_count;
}

void job_state(const struct job *job, struct job_state *out)
{
    struct job_position next = job_frontier(job), low = next;

    for (uint32_t i = 0; i < job->cursor_count; i++) {
        if (position_before(cursor_low(&job->cursors[i]), low))
            low = cursor_low(&job->cursors[i]);
    }
    *out = (struct job_state){
        .config = job->config,
        .generation = job->generation,
        .revision = job->history.items[history_in_force(&job->history, next)].number,
        .next = next,
        .low = low,
        .shape = history_shape(&job->history, next.epoch),
        .streams = job->streams,
        .outstanding = job->outstanding,
        .updating = job->update.active,
    };
}

struct job_position job_next(const struct job *job, uint32_t rank)
{
    if (rank >= job->cursor_count)
        return (struct job_position){0, 0};
    return cursor_next(&job->cursors[rank]);
}

uint32_t job_revisions(const struct job *job)
{
    return job->history.count;
}

struct job_revision_info job_revision(const struct job *job, uint32_t i)
{
    const struct revision *revision = &job->history.items[i];

    return (struct job_revision_info){.revision = revision->number,
                                      .at = revision->at,
                                      .shape = revision->shape,
                                      .plan = revision->plan};
}

uint32_t job_next_revision(const struct job *job)
{
    return job->history.items[job->history.count - 1].number + 1;
}

struct epoch_shape job_shape(const struct job *job, uint64_t epoch)
{
    return history_shape(&job->history, epoch);
}
