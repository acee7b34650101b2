/* job.position and job.seek: where a job is, as a token, and how it gets there again. */
#include "rpc/seek.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "job/position.h"
#include "replay/line.h"
#include "rpc/task.h"

int do_job_position(struct call *call, const struct params_job_position *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    char text[TOKEN_SIZE];
    struct position_owner owner;
    struct position position;
    struct job_state state;
    msgpack_packer *pk;

    if (!entry)
        return call->err.code;
    job_state(entry->job, &state);
    owner = entry_position_owner(entry);
    position = (struct position){state.generation, state.low};
    if (!position_write(&owner, &position, text))
        return error_no_memory(&call->err);
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset->name);
    pack_key_u64(pk, "version", entry->dataset->version);
    pack_key_u64(pk, "generation", state.generation);
    pack_key_u64(pk, "epoch", state.low.epoch);
    pack_key_u64(pk, "step", state.low.step);
    pack_key_cstr(pk, "token", text);
    answer_end(&call->ticket);
    return EVD_OK;
}

/* ---- job.seek ---- */

struct seek {
    struct task task;    /* first; of the job */
    struct line line;    /* of the parent */
    uint32_t generation; /* the job's when it was asked for */
    bool force;
    struct seek_record record;
    uint32_t newest;        /* the newest revision's number */
    struct revision follow; /* record.follow: its strategy, as the next revision */
    struct plan *plan;      /* of `follow`, unless it is in force there already */
    struct job_revision_info *infos;
    uint32_t count;
    struct store_op op;
    struct store_progress *rows;
    struct world_record world;
};

static void seek_fini(struct task *task)
{
    struct seek *seek = (struct seek *)task;

    if (task->entry->seek == seek)
        task->entry->seek = NULL;
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
    *at = (struct job_position){at->epoch + 1, 0};
    seek->task.err.code = EVD_OK;
    return line_step(&seek->line, *at, step, &seek->task.err);
}

static int build_follow(struct seek *seek, const struct replay_step *step)
{
    struct revision *follow = &seek->follow;
    struct sampler_error refused;
    struct job_position at = seek->record.at;
    int code;

    if (revision_build(&seek->line.base, follow->strategy, follow->strategy_bytes, follow->number,
                       &seek->plan, &seek->task.err) != EVD_OK)
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
        if (!line_plan(line, i, &seek->task.err))
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
static bool take_rows(struct seek *seek)
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

static void fill_world(struct seek *seek, uint32_t world_size)
{
    struct job_entry *entry = seek->task.entry;

    if (entry->config.mode != JOB_RANKED || world_size == 0)
        return;
    seek->world = (struct world_record){.generation = seek->generation + 1,
                                        .world_size = world_size,
                                        .at = seek->record.at,
                                        .created = seek->record.created};
    memcpy(seek->world.author, entry->world_author, sizeof(seek->world.author));
    seek->op.world = (struct store_world){.job = entry->id,
                                          .generation = seek->world.generation,
                                          .epoch = seek->world.at.epoch,
                                          .step = seek->world.at.step,
                                          .world_size = world_size,
                                          .created = seek->world.created,
                                          .author = seek->world.author};
}

static void fill_revision(struct seek *seek)
{
    const struct revision *follow = &seek->follow;

    if (!seek->plan)
        return;
    seek->op.revision = (struct store_revision){.job = seek->task.entry->id,
                                                .generation = follow->generation,
                                                .revision = follow->number,
                                                .epoch = follow->at.epoch,
                                                .step = follow->at.step,
                                                .shape_steps = follow->shape.steps,
                                                .shape_last = follow->shape.last_size,
                                                .strategy = follow->strategy,
                                                .strategy_bytes = follow->strategy_bytes,
                                                .digest = follow->digest,
                                                .created = follow->created,
                                                .author = follow->author};
}

static int seek_stored(struct task *task)
{
    struct seek *seek = (struct seek *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_SEEK_STORED, .code = task->err.code};
    struct evd_error err;

    if (!entry->job)
        return error_set(&task->err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped",
                         entry->name);
    if (task->err.code == EVD_OK) {
        records_seek(&entry->records, &seek->record, seek->plan ? &seek->follow : NULL);
        seek->record.author = NULL;
        if (seek->plan)
            seek->follow = (struct revision){0};
        if (seek->op.world.author && records_add_world(&entry->records, &seek->world))
            entry->records.world_stored = true;
    }
    entry_drive(entry, &event, &err); /* answers, and ends the seek */
    return EVD_OK;
}

int seek_store(struct job_entry *entry, const struct job_effect *effect)
{
    struct seek *seek = entry->seek;
    struct job_state state;

    job_state(entry->job, &state);
    seek->record.left = effect->left;
    seek->record.created = seek->follow.created = entry->rpc->host.wall(entry->rpc->host.arg);
    seek->follow.generation = seek->generation + 1;
    seek->op.kind = STORE_SEEK_ADD;
    seek->op.job = (struct store_job){.id = entry->id,
                                      .world_size = state.config.world_size,
                                      .mark_epoch = effect->mark.epoch,
                                      .mark_step = effect->mark.step,
                                      .attended = effect->attended};
    seek->op.seek = (struct store_seek){.job = entry->id,
                                        .generation = seek->generation + 1,
                                        .parent = seek->record.parent,
                                        .keep_revision = seek->record.keep,
                                        .epoch = seek->record.at.epoch,
                                        .step = seek->record.at.step,
                                        .left_epoch = effect->left.epoch,
                                        .left_step = effect->left.step,
                                        .mode = seek->record.follow ? "follow" : "replay",
                                        .created = seek->record.created,
                                        .author = seek->record.author};
    fill_revision(seek);
    fill_world(seek, state.config.world_size);
    if (!take_rows(seek))
        return EVD_E_NO_MEMORY;
    return task_store(&seek->task, &seek->op, seek_stored);
}

void seek_answer(struct job_entry *entry, const struct job_effect *effect)
{
    struct seek *seek = entry->seek;
    struct job_state state;
    struct evd_error err;
    msgpack_packer *pk;

    entry->seek = NULL;
    if (effect->code != EVD_OK) {
        error_set(&err, effect->code, entry->name,
                  "the seek of job \"%s\" could not be stored%s%s: it stays where it is",
                  entry->name, seek->op.error.message[0] ? ": " : "", seek->op.error.message);
        task_fail(&seek->task, &err);
        return;
    }
    job_state(entry->job, &state);
    pk = task_answer(&seek->task);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "generation", effect->generation);
    pack_key_u64(pk, "epoch", effect->at.epoch);
    pack_key_u64(pk, "step", effect->at.step);
    pack_key_u64(pk, "revision", state.revision);
    task_done(&seek->task);
}

static int seek_built(struct task *task)
{
    struct seek *seek = (struct seek *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_SEEK,
                              .at = seek->record.at,
                              .generation = seek->generation,
                              .revision = seek->follow.number,
                              .force = seek->force,
                              .line = seek->infos,
                              .line_count = seek->count,
                              .token = 1 /* there is one seek at a time */};
    struct evd_error err;

    if (task->err.code != EVD_OK)
        return task->err.code;
    if (entry->status != JOB_STATUS_LIVE)
        return error_set(&task->err, EVD_E_CONFLICT, entry->name, "job \"%s\" is being dropped",
                         entry->name);
    if (!records_reserve(&entry->records) ||
        (seek->plan && !rpc_stream_prepare(entry->rpc, seek->plan)))
        return error_no_memory(&task->err);
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

/* Where to, in which generation's history. */
static int target_decode(const struct params_job_seek *p, const struct job_entry *entry,
                         struct position *to, struct evd_error *err)
{
    struct position_owner owner = entry_position_owner(entry);

    if (p->has_token && (p->has_epoch || p->has_step))
        return error_set(err, EVD_E_BAD_VALUE, "token",
                         "job.seek: give \"token\", or \"epoch\" and \"step\", not both");
    if (p->has_token)
        return position_read(&owner, p->token, to, err);
    if (!p->has_epoch || !p->has_step)
        return error_set(err, EVD_E_MISSING_FIELD, p->has_epoch ? "step" : "epoch",
                         "job.seek: give \"token\", or \"epoch\" and \"step\"");
    if (p->epoch > JOB_MAX_EPOCH)
        return error_set(err, EVD_E_BAD_VALUE, "epoch", "epoch is at most %" PRIu32, JOB_MAX_EPOCH);
    *to = (struct position){records_generation(&entry->records), {p->epoch, p->step}};
    return EVD_OK;
}

static int mode_decode(const struct params_job_seek *p, bool *follow, struct evd_error *err)
{
    *follow = p->has_mode && str_is(p->mode, "follow");
    if (!p->has_mode || *follow || str_is(p->mode, "replay"))
        return EVD_OK;
    return error_set(err, EVD_E_BAD_VALUE, "mode",
                     "job.seek: \"mode\" must be \"replay\" (the recorded strategies again) or "
                     "\"follow\" (the newest strategy from there)");
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
    if (!seek->record.author || !seek->follow.author || !seek->follow.strategy)
        return error_no_memory(err);
    memcpy(seek->follow.strategy, newest->strategy, newest->strategy_bytes);
    seek->follow.strategy_bytes = newest->strategy_bytes;
    return line_take(&seek->line, &base, &entry->records, entry->job, seek->record.parent,
                     seek->record.at, err);
}

static int seek_start(struct task *task)
{
    struct seek *seek = (struct seek *)task;

    if (seek_prepare(seek, &task->err) != EVD_OK)
        return task->err.code;
    task->entry->seek = seek;
    return task_work(task, seek_run, seek_built);
}

int do_job_seek(struct call *call, const struct params_job_seek *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    struct seek *seek;
    struct position to;
    bool follow;

    if (!entry || mode_decode(p, &follow, &call->err) != EVD_OK ||
        target_decode(p, entry, &to, &call->err) != EVD_OK)
        return call->err.code;
    if (entry->update || entry->seek)
        return error_set(&call->err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed by somebody else: try again when it is done",
                         entry->name);
    if (entry->records.seek_count >= EVD_MAX_SEEKS)
        return error_set(&call->err, EVD_E_LIMIT, entry->name,
                         "a job has at most %u seeks: go on with a new job", EVD_MAX_SEEKS);
    seek = task_new(call, sizeof(*seek), entry, seek_fini);
    if (!seek)
        return call->err.code;
    seek->record.parent = to.generation;
    seek->record.at = to.at;
    seek->record.follow = follow;
    seek->force = p->force;
    return task_begin(&seek->task, seek_start, call);
}
