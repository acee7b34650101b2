/* Seeks, from a position to a job that has moved there (seek.h). Called by job.seek. */
#include "jobs/seek.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "job/position.h"
#include "jobs/build.h"
#include "jobs/drive.h"
#include "jobs/jobs.h"
#include "jobs/progress.h"
#include "jobs/retention.h"

static void seek_fini(struct task *task)
{
    struct seek *seek = (struct seek *)task;

    if (task->entry->change == &seek->change) {
        task->entry->change = NULL;
        retention_changed(task->entry);
    }
    line_fini(&seek->line);
    plan_unref(seek->plan);
    revision_fini(&seek->follow);
    free(seek->record.author);
    free(seek->infos);
    free(seek->rows);
}

/* ---- on the pool thread ---- */

/* The end of an epoch is the beginning of the next. */
static int find_step(struct seek *seek, struct replay_step *step)
{
    struct job_position *at = &seek->record.at;

    if (line_step(&seek->line, *at, step, &seek->task.err) == EVD_OK)
        return EVD_OK;
    if (seek->task.err.code != EVD_E_BAD_VALUE || at->step != step->shape.steps)
        return seek->task.err.code;
    if (at->epoch >= JOB_MAX_EPOCH)
        return error_set(&seek->task.err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " is the last, and has %" PRIu64
                         " steps: there is nothing behind them",
                         at->epoch, at->step);
    *at = (struct job_position){at->epoch + 1, 0};
    seek->task.err.code = EVD_OK;
    return line_step(&seek->line, *at, step, &seek->task.err);
}

static int build_follow(struct seek *seek, const struct replay_step *step)
{
    struct revision *follow = &seek->follow;
    struct sampler_error refused;
    struct job_position at = seek->record.at;
    struct plan_base base = seek->line.base;
    int code;

    base.held = follow->held;
    if (revision_build(&base, follow->strategy, follow->strategy_bytes, follow->number, &seek->plan,
                       &seek->task.err) != EVD_OK)
        return seek->task.err.code;
    follow->at = at;
    follow->shape = at.step > 0 ? step->shape : plan_epoch(seek->plan, at.epoch);
    follow->digest = plan_digest(seek->plan);
    if (follow->shape.steps == 0)
        return error_set(&seek->task.err, EVD_E_STRATEGY, "strategy",
                         "with the newest strategy epoch %" PRIu64 " has not one whole batch",
                         at.epoch);
    code = plan_place(seek->plan, at.epoch, at.step, follow->shape, &refused);
    return code == PLAN_OK ? EVD_OK : plan_error(code, &refused, &seek->task.err);
}

static void seek_run(struct task *task)
{
    struct seek *seek = (struct seek *)task;
    struct line *line = &seek->line;
    struct replay_step step;
    uint32_t first, kept = line->count;

    if (find_step(seek, &step) != EVD_OK)
        return;
    first = line_in_force(line, seek->record.at);
    if (seek->record.follow) {
        kept = first + 1;
        /* The newest may be in force there as it is. */
        if (line->revisions[first].revision != seek->newest && build_follow(seek, &step) != EVD_OK)
            return;
    }
    for (uint32_t i = first; i < kept && !seek->plan; i++) {
        if (line_strategy(line, i, &seek->task.err) != EVD_OK ||
            !line_plan(line, i, &seek->task.err))
            return;
    }
    seek->record.keep = line->revisions[kept - 1].revision;
    seek->count = kept + (seek->plan != NULL);
    seek->infos = calloc(seek->count, sizeof(seek->infos[0]));
    if (!seek->infos) {
        error_no_memory(&seek->task.err);
        return;
    }
    for (uint32_t i = 0; i < kept; i++) {
        const struct replay_revision *revision = &line->revisions[i];
        bool over = i < first || seek->plan;

        seek->infos[i] = (struct job_revision_info){
            revision->revision, revision->at, revision->shape, over ? NULL : line->plans[i].plan};
    }
    if (seek->plan)
        seek->infos[kept] = (struct job_revision_info){seek->follow.number, seek->follow.at,
                                                       seek->follow.shape, seek->plan};
}

/* ---- on the loop thread ---- */

/* Everybody continues there, with nothing acknowledged after it. */
static bool fill_rows(struct seek *seek)
{
    const struct job_progress *progress;
    uint32_t count = job_progress(seek->task.entry->job, &progress);

    seek->rows = calloc(count ? count : 1, sizeof(seek->rows[0]));
    if (!seek->rows)
        return false;
    for (uint32_t i = 0; i < count; i++)
        seek->rows[i] = (struct store_progress){.rank = progress[i].rank,
                                                .generation = seek->generation + 1,
                                                .epoch = seek->record.at.epoch,
                                                .step = seek->record.at.step};
    seek->op.progress = seek->rows;
    seek->op.progress_count = count;
    return true;
}

/* How many ranks it continues with, and how many there were before, if no progress said so. */
static bool fill_worlds(struct seek *seek, uint32_t world_size)
{
    struct job_entry *entry = seek->task.entry;
    const struct world_record *unstored;

    if (!entry_note_world(entry))
        return false;
    unstored = records_unstored_world(&entry->records);
    if (unstored) {
        seek->left_world = *unstored;
        seek->op.left_world = store_world_of(entry, &seek->left_world);
    }
    if (entry->config.mode != JOB_RANKED || world_size == 0)
        return true;
    seek->world = (struct world_record){.generation = seek->generation + 1,
                                        .world_size = world_size,
                                        .at = seek->record.at,
                                        .created = seek->record.created};
    memcpy(seek->world.author, entry->world_author, sizeof(seek->world.author));
    seek->op.world = store_world_of(entry, &seek->world);
    return true;
}

/* What it goes on by is in memory again. */
static void bring_strategies(struct seek *seek)
{
    for (uint32_t i = 0; i < seek->line.count; i++) {
        struct line_plan *plan = &seek->line.plans[i];

        if (plan->strategy)
            records_bring(&seek->task.entry->records, seek->line.revisions[i].revision,
                          &plan->strategy);
    }
}

static int seek_stored(struct task *task)
{
    struct seek *seek = (struct seek *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_SEEK_STORED, .seek_stored = {task->err.code}};
    struct evd_error err;

    if (!entry->job)
        return error_set(&task->err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped",
                         entry->name);
    if (task->err.code == EVD_OK) {
        if (seek->op.left_world.author)
            records_world_stored(&entry->records, &seek->left_world);
        seek->follow.stored_bytes = seek->op.revision.stored_bytes;
        records_seek(&entry->records, &seek->record, seek->plan ? &seek->follow : NULL);
        seek->record.author = NULL;
        if (seek->plan)
            seek->follow = (struct revision){0};
        bring_strategies(seek);
        entry->stored_epoch = seek->record.at.epoch;
        if (seek->op.world.author && records_add_world(&entry->records, &seek->world))
            entry->records.world_stored = true;
    }
    entry_drive(entry, &event, &err); /* ends the seek */
    return EVD_OK;
}

static struct seek *seek_of(struct change *change)
{
    return (struct seek *)((char *)change - offsetof(struct seek, change));
}

static int seek_store(struct change *change, const struct job_effect *effect)
{
    struct seek *seek = seek_of(change);
    struct job_entry *entry = seek->task.entry;
    struct job_position left = effect->store_seek.left;
    struct job_state state;

    job_state(entry->job, &state);
    seek->record.left = left;
    seek->record.created = seek->follow.created = server_wall(entry->jobs->server);
    seek->follow.generation = seek->generation + 1;
    seek->op.kind = STORE_SEEK_ADD;
    seek->op.job = (struct store_job){.id = entry->id,
                                      .world_size = state.config.world_size,
                                      .mark_epoch = effect->store_seek.mark.epoch,
                                      .mark_step = effect->store_seek.mark.step,
                                      .attended = effect->store_seek.attended};
    seek->op.seek = (struct store_seek){.job = entry->id,
                                        .generation = seek->generation + 1,
                                        .parent = seek->record.parent,
                                        .keep_revision = seek->record.keep,
                                        .epoch = seek->record.at.epoch,
                                        .step = seek->record.at.step,
                                        .left_epoch = left.epoch,
                                        .left_step = left.step,
                                        .mode = seek->record.follow ? "follow" : "replay",
                                        .created = seek->record.created,
                                        .author = seek->record.author};
    if (seek->plan)
        seek->op.revision = store_revision_of(entry, &seek->follow, 0);
    if (!fill_worlds(seek, state.config.world_size) || !fill_rows(seek))
        return error_no_memory(&seek->task.err);
    return task_store(&seek->task, &seek->op, seek_stored);
}

static void seek_ended(struct change *change, const struct job_effect *effect)
{
    struct seek *seek = seek_of(change);
    struct task *task = &seek->task;
    struct evd_error why = task->err;

    task->entry->change = NULL;
    entry_page(task->entry);
    retention_changed(task->entry);
    seek->generation = effect->sought.generation;
    seek->at = effect->sought.at;
    task->err.code = EVD_OK;
    if (effect->sought.code != EVD_OK)
        error_set(&task->err, effect->sought.code, task->entry->name,
                  "the seek of job \"%s\" could not be stored: %s; it stays where it is",
                  task->entry->name, why.message);
    task_go(task, seek->ended);
}

static int seek_built(struct task *task)
{
    struct seek *seek = (struct seek *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_SEEK,
                              .seek = {.at = seek->record.at,
                                       .line = seek->infos,
                                       .line_count = seek->count,
                                       .generation = seek->generation,
                                       .revision = seek->follow.number,
                                       .force = seek->force,
                                       .token = (uint64_t)(uintptr_t)&seek->change}};
    struct evd_error err;

    if (task->err.code != EVD_OK)
        return task->err.code;
    if (entry->status != JOB_STATUS_LIVE)
        return error_set(&task->err, EVD_E_CONFLICT, entry->name, "job \"%s\" is being dropped",
                         entry->name);
    if (seek->plan && entry_check_history(entry, seek->follow.strategy_bytes, &task->err) != EVD_OK)
        return task->err.code;
    if (!records_reserve(&entry->records) || (seek->plan && !jobs_prepare(entry->jobs, seek->plan)))
        return error_no_memory(&task->err);
    for (uint32_t i = 0; i < seek->count; i++) {
        const struct plan *plan = seek->infos[i].plan;

        if (plan &&
            entry_check_columns(entry, entry_columns_read(entry), plan, &task->err) != EVD_OK)
            return task->err.code;
    }
    for (uint32_t i = 0; i < seek->count; i++) {
        if (seek->infos[i].plan)
            plan_ref(seek->infos[i].plan);
    }
    if (entry_drive(entry, &event, &err) == EVD_OK)
        return EVD_OK; /* the seek may have ended by now */
    for (uint32_t i = 0; i < seek->count; i++)
        plan_unref(seek->infos[i].plan);
    task->err = err;
    return err.code;
}

/* What the pool thread needs of the job as it is now. */
static int seek_prepare(struct seek *seek, struct evd_error *err)
{
    struct job_entry *entry = seek->task.entry;
    const struct revision *newest = &entry->records.revisions[entry->records.revision_count - 1];
    const char *author = seek->task.ticket.session->client;
    struct plan_base base = entry_plan_base(entry);

    base.cancel = &seek->task.work.cancelled;
    seek->generation = records_generation(&entry->records);
    seek->record.author = strdup(author);
    seek->newest = newest->number;
    seek->follow.number = job_next_revision(entry->job);
    seek->follow.author = strdup(author);
    seek->follow.strategy = malloc(newest->strategy_bytes);
    if (!seek->record.author || !seek->follow.author || !seek->follow.strategy ||
        !plan_hold_same(newest->held, &seek->follow.held))
        return error_no_memory(err);
    memcpy(seek->follow.strategy, newest->strategy, newest->strategy_bytes);
    revision_describe(&seek->follow, newest->strategy, newest->strategy_bytes);
    return line_take(&seek->line, &base, &entry->records, entry->job, seek->record.parent,
                     seek->record.at, err);
}

int seek_start(struct seek *seek, struct call *call)
{
    struct task *task = &seek->task;
    int code = seek_prepare(seek, &task->err);

    assert(!task->entry->change);
    if (code == EVD_OK) {
        task->entry->change = &seek->change;
        code = task_work(task, line_cost(&seek->line, seek->record.at, seek->record.at), seek_run,
                         seek_built);
    }
    return task_begin(task, code, call);
}

struct seek *seek_new(struct call *call, struct job_entry *entry, const struct position *to,
                      bool follow, bool force, task_step *ended)
{
    struct seek *seek = task_new(call, sizeof(*seek), entry, seek_fini);

    if (!seek)
        return NULL;
    seek->ended = ended;
    seek->change = (struct change){.store = seek_store, .ended = seek_ended};
    seek->force = force;
    seek->record.parent = to->generation;
    seek->record.at = to->at;
    seek->record.follow = follow;
    return seek;
}
