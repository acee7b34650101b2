#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

int job_check_world(const struct job_config *config, uint32_t world, struct evd_error *err)
{
    uint32_t replicas = config->replicas;

    if (world == 0 || world > EVD_MAX_WORLD)
        return error_set(err, EVD_E_LIMIT, "world_size", "world_size must be 1 to %u",
                         EVD_MAX_WORLD);
    if (world % replicas)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "world_size %" PRIu32 " is not a multiple of the job's replicas %" PRIu32
                         ", the number of consecutive ranks that get the same slice",
                         world, replicas);
    if (config->batch_size % (world / replicas))
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "batch_size %" PRIu32 ", that of the global batch, cannot be cut into "
                         "%" PRIu32 " equal slices, as many as world_size %" PRIu32 " asks for",
                         config->batch_size, world / replicas, world);
    return EVD_OK;
}

static void cursor_init(struct cursor *cursor, uint32_t rank, uint32_t span, uint32_t reach,
                        uint64_t *words)
{
    size_t each = span / 64;

    *cursor = (struct cursor){.rank = rank,
                              .span = span,
                              .reach = reach > 0 && reach < span ? reach : span,
                              .supply = 1,
                              .acked = words,
                              .returned = words + each,
                              .packed = (uint8_t *)(words + 2 * each)};
    TAILQ_INIT(&cursor->streams);
    TAILQ_INIT(&cursor->hungry);
}

/* New cursors in place of those there are, all of them at one position. */
static int make_cursors(struct job *job, uint32_t world, struct job_position at,
                        struct evd_error *err)
{
    bool ranked = job->config.mode == JOB_RANKED;
    uint32_t span = ranked ? JOB_RANK_SPAN : JOB_SPAN;
    size_t words = 3 * (size_t)span / 64; /* acked, returned, packed */
    struct cursor *cursors = calloc(world, sizeof(*cursors));
    uint64_t *memory = calloc(world, words * sizeof(*memory));
    struct job_progress *rows = calloc(world, sizeof(*rows));
    uint32_t in_force = history_certain(&job->history, at);

    if (!cursors || !memory || !rows) {
        free(cursors);
        free(memory);
        free(rows);
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory for the job's progress");
    }
    for (uint32_t i = 0; i < job->cursor_count; i++)
        job->history.items[job->cursors[i].low_revision].users--;
    for (uint32_t i = 0; i < world; i++) {
        cursor_init(&cursors[i], i, span, job->config.reach, memory + i * words);
        cursor_move(&cursors[i], &job->history, at);
        cursors[i].low_revision = in_force;
    }
    job->history.items[in_force].users += world;
    history_release(&job->history);
    free(job->cursors);
    free(job->cursor_memory);
    free(job->progress.rows);
    job->cursors = cursors;
    job->cursor_memory = memory;
    job->cursor_count = world;
    job->progress.rows = rows;
    job->config.world_size = ranked ? world : 0;
    job->world_at = at;
    return EVD_OK;
}

int job_set_world(struct job *job, uint32_t world, struct evd_error *err)
{
    return make_cursors(job, world, job->start, err);
}

int job_change_world(struct job *job, uint32_t world, struct evd_error *err)
{
    struct job_position low = cursor_low(&job->cursors[0]);
    struct job_position frontier = job_frontier(job);
    int code;

    /* Those whose connection was lost cannot come back as what they were. */
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        while (!TAILQ_EMPTY(&job->cursors[i].streams))
            stream_gone(job, TAILQ_FIRST(&job->cursors[i].streams));
        if (position_before(cursor_low(&job->cursors[i]), low))
            low = cursor_low(&job->cursors[i]);
    }
    if (job->config.guarantee == JOB_AT_MOST_ONCE)
        low = frontier;
    code = make_cursors(job, world, low, err);
    if (code)
        return code;
    if (position_before(job->floor, frontier))
        job->floor = frontier;
    progress_changed(job);
    return EVD_OK;
}
