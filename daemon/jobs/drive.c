/* Hands events to a job's core, and carries out what comes of them. Called by calls/, by timers,
 * and when the store has answered. */
#include "jobs/drive.h"

#include <assert.h>
#include <inttypes.h>
#include "jobs/progress.h"
#include "server/trace.h"

/* Progress that nobody waits for is stored after so many milliseconds. */
#define FLUSH_MS 100u

/* ---- what TRACE shows ---- */

static const char *const event_words[] = {
    [JOB_OPEN] = "open",
    [JOB_CREDIT] = "credit",
    [JOB_ACK] = "ack",
    [JOB_TOUCH] = "touch",
    [JOB_RELEASE] = "release",
    [JOB_CLOSE] = "close",
    [JOB_LOST] = "lost",
    [JOB_RESUME] = "resume",
    [JOB_READY] = "ready",
    [JOB_UPDATE] = "update",
    [JOB_REVISION_STORED] = "revision stored",
    [JOB_SEEK] = "seek",
    [JOB_SEEK_STORED] = "seek stored",
    [JOB_PROGRESS_STORED] = "progress stored",
    [JOB_FLUSH] = "flush",
    [JOB_TICK] = "tick",
    [JOB_DRAIN] = "drain",
};

static const char *const effect_words[] = {
    [JOB_DELIVER] = "deliver",
    [JOB_EPOCH_END] = "epoch end",
    [JOB_DRAINED] = "drained",
    [JOB_REVISION] = "revision",
    [JOB_MOVED] = "moved",
    [JOB_GONE] = "gone",
    [JOB_STORE_REVISION] = "store revision",
    [JOB_STORE_SEEK] = "store seek",
    [JOB_STORE_PROGRESS] = "store progress",
    [JOB_UPDATED] = "updated",
    [JOB_SOUGHT] = "sought",
    [JOB_ACKED] = "acked",
    [JOB_DIRTY] = "dirty",
};

_Static_assert(sizeof(event_words) / sizeof(event_words[0]) == JOB_DRAIN + 1 &&
                   sizeof(effect_words) / sizeof(effect_words[0]) == JOB_DIRTY + 1,
               "a word for each kind");

static void trace_effect(const struct job_entry *entry, const struct job_effect *effect)
{
    const struct plan_slice *slice = &effect->deliver.slice;

    if (effect->kind == JOB_DELIVER)
        TRACE(entry->jobs->server, entry->name,
              "job %s:   deliver epoch %" PRIu64 " step %" PRIu64 " slice %" PRIu32, entry->name,
              slice->epoch, slice->step, slice->rank);
    else
        TRACE(entry->jobs->server, entry->name, "job %s:   %s", entry->name,
              effect_words[effect->kind]);
}

/* ---- one event ---- */

static void flush_later(struct job_entry *entry)
{
    struct server *server = entry->jobs->server;

    entry->flush_at = server_now(server) + FLUSH_MS;
    server_wake_at(server, entry->flush_at);
}

static int progress_stored(struct task *task)
{
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_PROGRESS_STORED, .progress_stored = {task->err.code}};
    struct evd_error err;

    progress_ended(task);
    if (entry->job)
        entry_drive(entry, &event, &err);
    task_free(task);
    return EVD_OK;
}

/* Returns EVD_OK, or why the store did not even take what it was asked to store. */
static int carry_out_effect(struct job_entry *entry, const struct job_effect *effect)
{
    switch (effect->kind) {
    case JOB_STORE_REVISION:
    case JOB_STORE_SEEK:
        return entry->change->store(entry->change, effect);
    case JOB_STORE_PROGRESS:
        return progress_send(entry, progress_stored);
    case JOB_UPDATED:
        assert(entry->change == (struct change *)(uintptr_t)effect->updated.token);
        entry->change->ended(entry->change, effect);
        break;
    case JOB_SOUGHT:
        assert(entry->change == (struct change *)(uintptr_t)effect->sought.token);
        entry->change->ended(entry->change, effect);
        break;
    case JOB_ACKED:
        task_resume((struct task *)(uintptr_t)effect->acked.token, effect->acked.code);
        break;
    case JOB_DIRTY:
        flush_later(entry);
        break;
    case JOB_DELIVER:
    case JOB_EPOCH_END:
    case JOB_DRAINED:
    case JOB_REVISION:
    case JOB_MOVED:
    case JOB_GONE:
        entry->jobs->ops->stream_effect(entry->job, effect);
        break;
    }
    return EVD_OK;
}

/* The answer of a store that refused. */
static struct job_event refusal(const struct job_effect *effect, int code)
{
    switch (effect->kind) {
    case JOB_STORE_REVISION:
        return (struct job_event){.kind = JOB_REVISION_STORED, .revision_stored = {code}};
    case JOB_STORE_SEEK:
        return (struct job_event){.kind = JOB_SEEK_STORED, .seek_stored = {code}};
    default:
        return (struct job_event){.kind = JOB_PROGRESS_STORED, .progress_stored = {code}};
    }
}

/* True: the store refused what it was asked for, which is the next event. (One update asks for one
 * thing at most.) */
static bool carry_out(struct job_entry *entry, struct job_update *update, struct job_event *next)
{
    bool refused = false;

    while (job_next_effect(entry->job, update)) {
        int code;

        trace_effect(entry, &update->effect);
        code = carry_out_effect(entry, &update->effect);
        if (code == EVD_OK)
            continue;
        *next = refusal(&update->effect, code);
        next->now = server_now(entry->jobs->server);
        refused = true;
    }
    return refused;
}

int entry_step(struct job_entry *entry, struct job_event *event, struct job_update *update,
               struct evd_error *err)
{
    struct job_event next;
    struct job_update then;
    struct evd_error ignored;
    bool refused;
    int code;

    event->now = server_now(entry->jobs->server);
    code = job_step(entry->job, event, update, err);
    TRACE(entry->jobs->server, entry->name, "job %s: %s%s%s", entry->name, event_words[event->kind],
          code ? ": refused: " : "", code ? err->message : "");
    refused = carry_out(entry, update, &next);
    while (refused) {
        int answered = job_step(entry->job, &next, &then, &ignored);

        assert(answered == EVD_OK);
        (void)answered;
        refused = carry_out(entry, &then, &next);
    }
    server_wake_at(entry->jobs->server, job_deadline(entry->job));
    return code;
}

int entry_drive(struct job_entry *entry, struct job_event *event, struct evd_error *err)
{
    struct job_update update;

    return entry_step(entry, event, &update, err);
}

/* ---- time ---- */

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
        server_warn(entry->jobs->server,
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
