/* Events into the job core, effects out of it. */
#include "rpc/core.h"
#include "rpc/build.h"
#include "rpc/seek.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- progress ---- */

struct progress_write {
    struct store_op op;
    struct job_entry *entry;
    struct world_record world; /* if op.world says so */
    struct store_progress rows[];
};

static void progress_done(struct store_op *op)
{
    struct progress_write *write = op->owner;
    struct job_entry *entry = write->entry;
    struct job_event event = {.kind = JOB_PROGRESS_STORED, .code = op->error.code};
    struct evd_error err;

    if (op->error.code == EVD_OK && write->op.world.author)
        records_world_stored(&entry->records, &write->world);
    free(write);
    if (entry->job)
        entry_drive(entry, &event, &err);
    entry_unref(entry);
}

static void take_world(struct progress_write *write)
{
    struct job_entry *entry = write->entry;
    const struct world_record *unstored = records_unstored_world(&entry->records);
    struct world_record *world = &write->world;

    if (!unstored)
        return;
    *world = *unstored;
    write->op.world = (struct store_world){
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
static struct progress_write *progress_take(struct job_entry *entry)
{
    const struct job_progress *rows;
    uint32_t count = job_progress(entry->job, &rows);
    struct job_position mark = job_mark(entry->job);
    struct progress_write *write;
    struct job_state state;
    size_t bytes = 0;
    uint8_t *bits;

    for (uint32_t i = 0; i < count; i++)
        bytes += rows[i].acked_bytes;
    write = calloc(1, sizeof(*write) + count * sizeof(write->rows[0]) + bytes);
    if (!write || !entry_note_world(entry)) {
        free(write);
        return NULL;
    }
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
    write->entry = entry;
    write->op.kind = STORE_PROGRESS_PUT;
    write->op.job.id = entry->id;
    write->op.job.world_size = state.config.world_size;
    write->op.job.mark_epoch = mark.epoch;
    write->op.job.mark_step = mark.step;
    write->op.job.attended = job_attended(entry->job);
    take_world(write);
    write->op.progress = write->rows;
    write->op.progress_count = count;
    write->op.done = progress_done;
    write->op.owner = write;
    return write;
}

/* Returns why the progress could not even be queued. */
static int progress_submit(struct job_entry *entry)
{
    struct progress_write *write = progress_take(entry);
    struct evd_error err;

    if (!write)
        return EVD_E_NO_MEMORY;
    if (rpc_submit(entry->rpc, &write->op, &err) != EVD_OK) {
        free(write);
        return err.code;
    }
    entry_ref(entry);
    return EVD_OK;
}

void entry_flush(struct job_entry *entry)
{
    struct job_event event = {.kind = JOB_FLUSH};
    struct evd_error err;

    if (entry->flush_at == UINT64_MAX || !entry->job)
        return;
    entry->flush_at = UINT64_MAX;
    entry_drive(entry, &event, &err);
}

/* Leases that run out are news: a worker hangs, or time_to_run is too short. */
static void tick(struct job_entry *entry)
{
    struct job_event event = {.kind = JOB_TICK};
    struct job_state before, after;
    struct evd_error err;

    job_state(entry->job, &before);
    entry_drive(entry, &event, &err);
    job_state(entry->job, &after);
    if (after.expired > before.expired)
        rpc_log(entry->rpc, true,
                "job \"%s\": %" PRIu64 " batches were not acknowledged within %" PRIu32
                " ms (time_to_run); job.workers says who has stalled",
                entry->name, after.expired - before.expired, entry->config.time_to_run);
}

uint64_t entry_tick(struct job_entry *entry, uint64_t now)
{
    uint64_t deadline;

    if (!entry->job)
        return UINT64_MAX;
    if (entry->flush_at <= now)
        entry_flush(entry);
    if (job_deadline(entry->job) <= now)
        tick(entry);
    deadline = job_deadline(entry->job);
    return entry->flush_at < deadline ? entry->flush_at : deadline;
}

/* ---- acknowledgements that wait for a commit ---- */

static void ack_unlink(struct ack *ack)
{
    if (ack->prev)
        ack->prev->next = ack->next;
    else
        ack->entry->acks = ack->next;
    if (ack->next)
        ack->next->prev = ack->prev;
}

void ack_drop(struct ack *ack)
{
    ack_unlink(ack);
    session_unref(ack->ticket.session);
    free(ack);
}

static void ack_error(const struct ack *ack, int code, struct evd_error *err)
{
    if (code == EVD_E_EXISTS)
        error_set(err, EVD_E_CONFLICT, "acknowledged",
                  "epoch %" PRIu64 " step %" PRIu64 " is acknowledged already", ack->at.epoch,
                  ack->at.step);
    else if (code == EVD_E_CONFLICT)
        error_set(err, EVD_E_CONFLICT, "generation",
                  "the job was moved by job.seek before the acknowledgement was stored: the batch "
                  "is void, take the next one");
    else
        error_set(err, code, ack->entry->name,
                  "the acknowledgement was taken but could not be stored (%s): it is tried again, "
                  "and is not certain until a later one is answered",
                  error_name(code));
}

void ack_answer(struct ack *ack, int code)
{
    msgpack_packer *pk;
    struct evd_error err;

    ack_unlink(ack);
    if (code == EVD_OK) {
        pk = answer_begin(&ack->ticket);
        pack_key_u64(pk, "stream", ack->stream);
        pack_key_u64(pk, "epoch", ack->at.epoch);
        pack_key_u64(pk, "step", ack->at.step);
        ticket_end(&ack->ticket);
    } else {
        ack_error(ack, code, &err);
        ticket_error(&ack->ticket, &err);
    }
    free(ack);
}

/* ---- effects ---- */

bool entry_effect(void *arg, const struct job_effect *effect)
{
    struct job_entry *entry = arg;

    switch (effect->kind) {
    case JOB_DELIVER:
        return rpc_stream_deliver(effect->owner, effect);
    case JOB_EPOCH_END:
        rpc_stream_epoch_end(effect->owner, effect);
        break;
    case JOB_DRAINED:
        rpc_stream_drained(effect->owner, effect);
        break;
    case JOB_REVISION:
        rpc_stream_revision(effect->owner, effect);
        break;
    case JOB_STORE_REVISION:
        entry->revision_refused = update_store(entry, effect);
        break;
    case JOB_UPDATED:
        update_answer(entry, effect);
        break;
    case JOB_STORE_PROGRESS:
        entry->store_progress = true;
        break;
    case JOB_ACKED:
        ack_answer((struct ack *)(uintptr_t)effect->token, effect->code);
        break;
    case JOB_DIRTY:
        entry->flush_at = rpc_now(entry->rpc) + RPC_FLUSH_MS;
        rpc_wake_at(entry->rpc, entry->flush_at);
        break;
    case JOB_MOVED:
        rpc_stream_moved(effect->owner, effect);
        break;
    case JOB_GONE:
        rpc_stream_gone(effect->owner);
        break;
    case JOB_STORE_SEEK:
        entry->seek_refused = seek_store(entry, effect);
        break;
    case JOB_SOUGHT:
        seek_answer(entry, effect);
        break;
    }
    return true;
}

/* What the job core asked for and may answer only after job_step: asking the job for its progress,
 * and the news that the store took nothing. */
static void follow_up(struct job_entry *entry)
{
    struct evd_error err;

    while (entry->store_progress || entry->revision_refused || entry->seek_refused) {
        struct job_event event = {.now = rpc_now(entry->rpc)};

        if (entry->store_progress) {
            entry->store_progress = false;
            event.kind = JOB_PROGRESS_STORED;
            event.code = progress_submit(entry);
            if (event.code == EVD_OK)
                continue;
        } else if (entry->revision_refused) {
            event.kind = JOB_REVISION_STORED;
            event.code = entry->revision_refused;
            entry->revision_refused = EVD_OK;
        } else {
            event.kind = JOB_SEEK_STORED;
            event.code = entry->seek_refused;
            entry->seek_refused = EVD_OK;
        }
        job_step(entry->job, &event, &err);
    }
}

int entry_drive(struct job_entry *entry, struct job_event *event, struct evd_error *err)
{
    int code;

    event->now = rpc_now(entry->rpc);
    code = job_step(entry->job, event, err);
    follow_up(entry);
    rpc_wake_at(entry->rpc, job_deadline(entry->job));
    return code;
}
