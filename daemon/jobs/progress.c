/* Stores how far a job's workers have come, when the job core asks for it. Called by drive.c. */
#include "jobs/progress.h"

#include <string.h>
#include "jobs/retention.h"

/* One write, which nobody asked for in a request. */
struct progress_write {
    struct task task; /* first; of the job */
    struct store_op op;
    struct world_record world; /* if op.world says so */
    struct store_progress rows[];
};

/* The lowest epoch in which a restart would find a rank. */
static uint64_t lowest_epoch(const struct progress_write *write)
{
    uint64_t epoch = write->op.progress_count > 0 ? UINT64_MAX : 0;

    for (size_t i = 0; i < write->op.progress_count; i++) {
        if (write->rows[i].epoch < epoch)
            epoch = write->rows[i].epoch;
    }
    return epoch;
}

void progress_ended(struct task *task)
{
    const struct progress_write *write = (const struct progress_write *)task;

    if (task->err.code != EVD_OK)
        return;
    if (write->op.world.author)
        records_world_stored(&task->entry->records, &write->world);
    task->entry->stored_epoch = lowest_epoch(write);
    retention_follow(task->entry);
}

struct store_world store_world_of(const struct job_entry *entry, const struct world_record *world)
{
    return (struct store_world){
        .job = entry->id,
        .generation = world->generation,
        .epoch = world->at.epoch,
        .step = world->at.step,
        .world_size = world->world_size,
        .created = world->created,
        .author = world->author,
    };
}

/* One allocation holds the operation, its rows and their bits. */
static struct progress_write *progress_fill(struct job_entry *entry)
{
    const struct job_progress *rows;
    uint32_t count = job_progress(entry->job, &rows);
    struct job_position mark = job_mark(entry->job);
    const struct world_record *unstored;
    struct progress_write *write;
    struct job_state state;
    size_t bytes = 0;
    uint8_t *bits;

    for (uint32_t i = 0; i < count; i++)
        bytes += rows[i].acked_bytes;
    if (!entry_note_world(entry))
        return NULL;
    unstored = records_unstored_world(&entry->records);
    write = task_new_unasked(entry->jobs->server,
                             sizeof(*write) + count * sizeof(write->rows[0]) + bytes, entry, NULL);
    if (!write)
        return NULL;
    bits = (uint8_t *)&write->rows[count];
    for (uint32_t i = 0; i < count; i++) {
        write->rows[i] = (struct store_progress){
            .rank = rows[i].rank,
            .generation = rows[i].generation,
            .epoch = rows[i].low.epoch,
            .step = rows[i].low.step,
            .acked = bits,
            .acked_bytes = rows[i].acked_bytes,
        };
        if (rows[i].acked_bytes > 0)
            memcpy(bits, rows[i].acked, rows[i].acked_bytes);
        bits += rows[i].acked_bytes;
    }
    job_state(entry->job, &state);
    write->op.kind = STORE_PROGRESS_PUT;
    write->op.job.id = entry->id;
    write->op.job.world_size = state.config.world_size;
    write->op.job.mark_epoch = mark.epoch;
    write->op.job.mark_step = mark.step;
    write->op.job.attended = job_attended(entry->job);
    if (unstored) { /* how many ranks there are goes along */
        write->world = *unstored;
        write->op.world = store_world_of(entry, &write->world);
    }
    write->op.progress = write->rows;
    write->op.progress_count = count;
    return write;
}

int progress_send(struct job_entry *entry, task_step *stored)
{
    struct progress_write *write = progress_fill(entry);
    int code = write ? task_store(&write->task, &write->op, stored) : EVD_E_NO_MEMORY;

    if (write && code)
        task_free(&write->task);
    return code;
}
