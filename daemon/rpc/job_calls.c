/* job.create and job.update: a strategy is built, recorded, and drawn by. */
#include "rpc/build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "codec/terms.h"
#include "rpc/replies.h"
#include "rpc/report.h"

/* ---- job.create ---- */

struct creation {
    struct build build; /* first */
    struct store_op op;
};

/* The name is free again if it came to nothing. */
static void creation_fini(struct task *task)
{
    if (task->entry->status == JOB_STATUS_CREATING)
        entry_remove(task->entry);
    build_fini(task);
}

static int create_stored(struct task *task)
{
    struct creation *creation = (struct creation *)task;
    struct job_entry *entry = task->entry;

    if (task->err.code != EVD_OK)
        return task->err.code;
    records_add(&entry->records, &creation->build.record, 0);
    creation->build.record = (struct revision){0};
    entry->status = JOB_STATUS_LIVE;
    reply_job(task_answer(task), entry);
    return task_done(task);
}

/* The revision as the store takes it. */
static struct store_revision store_revision_of(const struct job_entry *entry,
                                               const struct revision *record, uint32_t keep)
{
    return (struct store_revision){
        .job = entry->id,
        .generation = record->generation,
        .revision = record->number,
        .keep_revision = keep,
        .epoch = record->at.epoch,
        .step = record->at.step,
        .shape_steps = record->shape.steps,
        .shape_last = record->shape.last_size,
        .strategy = record->strategy,
        .strategy_bytes = record->strategy_bytes,
        .digest = record->digest,
        .created = record->created,
        .author = record->author,
    };
}

static int create_store(struct creation *creation)
{
    struct task *task = &creation->build.task;
    struct job_entry *entry = task->entry;
    struct job_position mark = job_mark(entry->job);

    creation->op.kind = STORE_JOB_CREATE;
    creation->op.job = (struct store_job){
        .id = entry->id,
        .name = entry->name,
        .dataset = entry->dataset->id,
        .batch_size = entry->config.batch_size,
        .world_size = entry->config.world_size,
        .replicas = entry->config.replicas,
        .time_to_run = entry->config.time_to_run,
        .grace = entry->config.grace,
        .guarantee = guarantee_word(entry->config.guarantee),
        .seed = entry->seed,
        .created = entry->created,
        .mode = mode_word(entry->config.mode),
        .last_batch = last_batch_word(entry->last_batch),
        .mark_epoch = mark.epoch,
        .mark_step = mark.step,
        .attended = job_attended(entry->job),
    };
    creation->op.revision = store_revision_of(entry, &creation->build.record, 0);
    return task_store(task, &creation->op, create_stored);
}

static int create_built(struct task *task)
{
    struct creation *creation = (struct creation *)task;
    struct build *build = &creation->build;
    struct job_entry *entry = task->entry;

    if (build_check(build) != EVD_OK)
        return task->err.code;
    build->record.created = entry->created;
    build->record.digest = plan_digest(build->plan);
    build->record.shape = plan_epoch(build->plan, 0);
    if (job_new(&entry->job, &entry->config, build->plan, entry_effect, entry, &task->err) !=
        EVD_OK)
        return task->err.code;
    build->plan = NULL; /* the job's now */
    return create_store(creation);
}

static int create_build(struct task *task)
{
    return task_work(task, build_run, create_built);
}

/* For an entry whose name is reserved. */
static int create_start(struct call *call, struct job_entry *entry,
                        const struct params_job_create *p)
{
    const struct job_terms terms = {
        .mode = p->mode,
        .last_batch = p->last_batch,
        .guarantee = p->guarantee,
        .batch_size = p->batch_size,
        .world_size = p->world_size,
        .replicas = p->replicas,
        .has_time_to_run = p->has_time_to_run,
        .time_to_run = p->time_to_run,
        .has_grace = p->has_grace,
        .grace = p->grace,
        .seed = p->seed,
    };
    struct creation *creation;

    entry->created = call->rpc->host.wall(call->rpc->host.arg);
    entry->id = call->rpc->next_id++;
    entry->seed = p->seed;
    if (terms_decode(&terms, &entry->config, &entry->last_batch, &call->err) != EVD_OK)
        return call->err.code;
    creation = build_new(call, sizeof(*creation), entry, p->strategy, 0, call->session->client,
                         creation_fini);
    return creation ? task_begin(&creation->build.task, create_build, call) : call->err.code;
}

int do_job_create(struct call *call, const struct params_job_create *p)
{
    struct rpc *rpc = call->rpc;
    struct dataset *dataset;
    struct job_entry *entry;
    int code;

    if (name_check(p->name, "name", &call->err) != EVD_OK)
        return call->err.code;
    entry = entry_find(rpc, p->name);
    if (entry)
        return error_set(&call->err, EVD_E_EXISTS, entry->name,
                         "there is a job \"%s\" already: take another name, or drop it first",
                         entry->name);
    if (rpc->job_count >= EVD_MAX_JOBS)
        return error_set(&call->err, EVD_E_LIMIT, "jobs",
                         "there are %u jobs, and more are not allowed: drop some", EVD_MAX_JOBS);
    dataset = datasets_find(rpc, p->dataset, p->version, &call->err);
    if (!dataset)
        return call->err.code;
    entry = entry_insert(rpc, p->name, dataset);
    if (!entry)
        return error_no_memory(&call->err);
    entry_ref(entry);
    code = create_start(call, entry, p);
    if (code && entry->status == JOB_STATUS_CREATING)
        entry_remove(entry);
    entry_unref(entry);
    return code;
}

/* ---- job.update ---- */

struct update {
    struct build build; /* first */
    struct store_op op;
    struct moment moment;
    uint32_t *cancelled; /* the revisions that it takes the place of */
    uint32_t cancelled_count;
    bool built;            /* the plan is the loop thread's to look at */
    struct report *report; /* what it follows from, if that was no request; released in the end */
};

static void update_fini(struct task *task)
{
    struct update *update = (struct update *)task;

    if (task->entry->update == update)
        task->entry->update = NULL;
    if (update->report)
        report_release(update->report);
    free(update->cancelled);
    build_fini(task);
}

const struct plan *update_plan(const struct job_entry *entry)
{
    return entry->update && entry->update->built ? entry->update->build.plan : NULL;
}

static int update_stored(struct task *task)
{
    struct update *update = (struct update *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {.kind = JOB_REVISION_STORED, .code = task->err.code};
    struct evd_error err;

    if (task->err.code == EVD_OK) {
        records_add(&entry->records, &update->build.record, update->op.revision.keep_revision);
        update->build.record = (struct revision){0};
    }
    entry_drive(entry, &event, &err); /* answers, and ends the update */
    return EVD_OK;
}

/* Notes which revisions will go; false without memory. */
static bool note_cancelled(struct update *update, uint32_t keep)
{
    const struct job_entry *entry = update->build.task.entry;

    update->cancelled = calloc(entry->records.revision_count + 1, sizeof(update->cancelled[0]));
    if (!update->cancelled)
        return false;
    for (uint32_t i = 0; i < entry->records.revision_count; i++) {
        if (entry->records.revisions[i].number > keep)
            update->cancelled[update->cancelled_count++] = entry->records.revisions[i].number;
    }
    return true;
}

int update_store(struct job_entry *entry, const struct job_effect *effect)
{
    struct update *update = entry->update;
    struct task *task = &update->build.task;
    struct revision *record = &update->build.record;

    if (!note_cancelled(update, effect->keep_revision))
        return error_no_memory(&task->err);
    record->generation = effect->generation;
    record->number = effect->revision;
    record->at = effect->at;
    record->shape = effect->shape;
    record->digest = plan_digest(effect->plan);
    record->created = entry->rpc->host.wall(entry->rpc->host.arg);
    update->op.kind = STORE_REVISION_ADD;
    update->op.job.id = entry->id;
    update->op.revision = store_revision_of(entry, record, effect->keep_revision);
    return task_store(task, &update->op, update_stored);
}

void update_answer(struct job_entry *entry, const struct job_effect *effect)
{
    struct update *update = entry->update;
    struct task *task = &update->build.task;
    struct evd_error err;
    msgpack_packer *pk;

    entry->update = NULL;
    if (effect->code != EVD_OK) {
        error_set(&err, effect->code, entry->name,
                  "the change of job \"%s\" could not be stored%s%s: its old strategy goes on",
                  entry->name, update->op.error.message[0] ? ": " : "", update->op.error.message);
        task_fail(task, &err);
        return;
    }
    pk = task_answer(task);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "revision", effect->revision);
    pack_key_u64(pk, "epoch", effect->at.epoch);
    pack_key_u64(pk, "step", effect->at.step);
    pack_key_array(pk, "cancelled", update->cancelled_count);
    for (uint32_t i = 0; i < update->cancelled_count; i++)
        msgpack_pack_uint32(pk, update->cancelled[i]);
    task_done(task);
}

static int update_built(struct task *task)
{
    struct update *update = (struct update *)task;
    struct job_entry *entry = task->entry;
    struct job_event event = {
        .kind = JOB_UPDATE,
        .plan = update->build.plan,
        .revision = update->build.input.revision,
        .when = update->moment.when,
        .at = update->moment.at,
        .token = 1, /* there is one update at a time */
    };
    struct evd_error err;

    if (entry->status != JOB_STATUS_LIVE)
        return error_set(&task->err, EVD_E_CONFLICT, entry->name, "job \"%s\" is being dropped",
                         entry->name);
    if (build_check(&update->build) != EVD_OK)
        return task->err.code;
    update->built = true;
    plan_ref(event.plan);
    if (entry_drive(entry, &event, &err) == EVD_OK)
        return EVD_OK; /* the update may have ended by now */
    plan_unref(event.plan);
    task->err = err;
    return err.code;
}

static int update_build(struct task *task)
{
    return task_work(task, build_run, update_built);
}

int update_start(struct call *call, struct job_entry *entry, const msgpack_object *strategy,
                 struct moment moment, struct report *report)
{
    struct update *update =
        build_new(call, sizeof(*update), entry, strategy, job_next_revision(entry->job),
                  report ? ADAPTIVE_AUTHOR : call->session->client, update_fini);

    if (!update)
        return call->err.code;
    update->moment = moment;
    if (report) {
        /* What follows a report is the job's own affair: it goes on without the reporter. */
        update->build.task.payer = NULL;
        update->report = report;
        report_hold(report);
    }
    assert(!entry->update);
    entry->update = update;
    return task_begin(&update->build.task, update_build, call);
}

static int when_decode(const struct params_job_update *p, struct moment *moment,
                       struct evd_error *err)
{
    bool at = p->has_when && str_is(p->when, "at");

    if (at && (!p->has_epoch || !p->has_step))
        return error_set(err, EVD_E_MISSING_FIELD, p->has_epoch ? "step" : "epoch",
                         "job.update: \"when\": \"at\" needs \"epoch\" and \"step\"");
    if (!at && (p->has_epoch || p->has_step))
        return error_set(err, EVD_E_BAD_VALUE, p->has_epoch ? "epoch" : "step",
                         "job.update: \"epoch\" and \"step\" go only with \"when\": \"at\"");
    moment->at = (struct job_position){p->epoch, p->step};
    if (at)
        moment->when = JOB_AT;
    else if (!p->has_when || str_is(p->when, "now"))
        moment->when = JOB_NOW;
    else if (str_is(p->when, "epoch"))
        moment->when = JOB_NEXT_EPOCH;
    else
        return error_set(err, EVD_E_BAD_VALUE, "when",
                         "job.update: \"when\" must be \"now\", \"epoch\" or \"at\"");
    return EVD_OK;
}

int do_job_update(struct call *call, const struct params_job_update *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    struct moment moment = {0};

    if (!entry || when_decode(p, &moment, &call->err) != EVD_OK)
        return call->err.code;
    if (entry->update || entry->seek)
        return error_set(&call->err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed by somebody else: try again when it is done",
                         entry->name);
    return update_start(call, entry, p->strategy, moment, NULL);
}
