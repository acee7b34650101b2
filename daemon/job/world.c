/*
 * The world: how many ranks a job has, each with its cursor (a shared job has one). Called when a
 * job is made or restored, and when a rank attaches with another number than there was.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "job/internal.h"

int world_check(const struct job_config *config, uint32_t size, struct evd_error *err)
{
    uint32_t replicas = config->replicas;

    if (size == 0 || size > EVD_MAX_WORLD)
        return error_set(err, EVD_E_LIMIT, "world_size", "world_size must be 1 to %u",
                         EVD_MAX_WORLD);
    if (size % replicas)
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "world_size %" PRIu32 " is not a multiple of the job's replicas %" PRIu32
                         ", the number of consecutive ranks that get the same slice",
                         size, replicas);
    if (config->batch_size % (size / replicas))
        return error_set(err, EVD_E_BAD_VALUE, "world_size",
                         "batch_size %" PRIu32 ", that of the global batch, cannot be cut into "
                         "%" PRIu32 " equal slices, as many as world_size %" PRIu32 " asks for",
                         config->batch_size, size / replicas, size);
    return EVD_OK;
}

static void cursor_init(struct cursor *cursor, uint32_t rank, uint32_t span, uint32_t reach,
                        uint64_t *words)
{
    size_t each = span / 64;

    assert(span % 64 == 0 && (span & (span - 1)) == 0);
    *cursor = (struct cursor){.rank = rank,
                              .span = span,
                              .reach = reach > 0 && reach < span ? reach : span,
                              .supply = 1,
                              .acked = words,
                              .returned = words + each,
                              .packed = (uint8_t *)(words + 2 * each)};
    TAILQ_INIT(&cursor->streams);
    TAILQ_INIT(&cursor->queue);
}

/* What cursors need, allocated before anything is changed. */
struct world {
    uint32_t size, span;
    struct cursor *cursors;
    uint64_t *memory;
    struct job_progress *rows;
};

static size_t cursor_words(uint32_t span)
{
    return 3 * (size_t)span / 64; /* acked, returned, packed */
}

static uint32_t span_of(const struct job *job)
{
    return job->config.mode == JOB_RANKED ? JOB_RANK_SPAN : JOB_SPAN;
}

size_t job_world_memory(const struct job *job, uint32_t world_size)
{
    return world_size * (sizeof(struct cursor) + sizeof(struct job_progress) +
                         cursor_words(span_of(job)) * sizeof(uint64_t));
}

static int world_alloc(struct world *world, const struct job *job, uint32_t size,
                       struct evd_error *err)
{
    uint32_t span = span_of(job);

    *world = (struct world){.size = size,
                            .span = span,
                            .cursors = calloc(size, sizeof(*world->cursors)),
                            .memory = calloc(size, cursor_words(span) * sizeof(*world->memory)),
                            .rows = calloc(size, sizeof(*world->rows))};
    if (world->cursors && world->memory && world->rows)
        return EVD_OK;
    free(world->cursors);
    free(world->memory);
    free(world->rows);
    return error_set(err, EVD_E_NO_MEMORY, "", "no memory for the job's progress");
}

/* New cursors in place of those there are, all of them at one position. */
static void world_begin(struct job *job, const struct world *world, struct job_position at)
{
    uint32_t in_force = history_certain(&job->history, at);

    assert(job->streams == 0 && job->pump_next == job->pump_end);
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        assert(job->history.items[job->cursors[i].low_revision].users > 0);
        job->history.items[job->cursors[i].low_revision].users--;
    }
    for (uint32_t i = 0; i < world->size; i++) {
        struct cursor *cursor = &world->cursors[i];

        cursor_init(cursor, i, world->span, job->config.reach,
                    world->memory + i * cursor_words(world->span));
        cursor_move(cursor, &job->history, at);
        cursor->low_revision = in_force;
    }
    job->history.items[in_force].users += world->size;
    history_release(&job->history);
    free(job->cursors);
    free(job->cursor_memory);
    free(job->progress.rows);
    job->cursors = world->cursors;
    job->cursor_memory = world->memory;
    job->cursor_count = world->size;
    job->progress.rows = world->rows;
    job->config.world_size = job->config.mode == JOB_RANKED ? world->size : 0;
    job->world_at = at;
}

int world_set(struct job *job, uint32_t size, struct evd_error *err)
{
    struct world world;
    int code = world_alloc(&world, job, size, err);

    if (!code)
        world_begin(job, &world, job->start);
    return code;
}

/* The lowest step that any rank has not done. */
static struct job_position lowest(const struct job *job)
{
    struct job_position low = cursor_low(&job->cursors[0]);

    for (uint32_t i = 1; i < job->cursor_count; i++) {
        if (position_before(cursor_low(&job->cursors[i]), low))
            low = cursor_low(&job->cursors[i]);
    }
    return low;
}

int world_change(struct job *job, uint32_t size, struct evd_error *err)
{
    struct job_position frontier = job_frontier(job);
    struct world world;
    int code = world_alloc(&world, job, size, err);

    if (code)
        return code;
    assert(job->config.mode == JOB_RANKED && job->lost == job->streams);
    /* Those whose connection was lost cannot come back as what they were. */
    for (uint32_t i = 0; i < job->cursor_count; i++) {
        while (!TAILQ_EMPTY(&job->cursors[i].streams))
            stream_gone(job, TAILQ_FIRST(&job->cursors[i].streams));
    }
    world_begin(job, &world, job->config.guarantee == JOB_AT_MOST_ONCE ? frontier : lowest(job));
    if (position_before(job->floor, frontier))
        job->floor = frontier;
    progress_changed(job);
    return EVD_OK;
}
