#include "rpc/core.h"

#include <stdlib.h>
#include <string.h>
#include "rpc/build.h"
#include "rpc/replies.h"

/* ---- job.create ---- */

static void create_fail(struct build *build, const struct evd_error *err)
{
    entry_remove(build->entry);
    build_fail(build, err);
}

static void create_stored(struct store_op *op)
{
    struct build *build = op->owner;
    struct job_entry *entry = build->entry;

    if (op->error.code != EVD_OK) {
        struct evd_error err = op->error;

        create_fail(build, &err);
        return;
    }
    entry_record(entry, &build->record, 0);
    build->record = (struct revision){0};
    entry->status = JOB_STATUS_LIVE;
    reply_job(answer_begin(&build->ticket), entry);
    ticket_end(&build->ticket);
    build_free(build);
}

/* The revision as the store takes it. */
static void fill_store_revision(struct build *build, uint32_t keep)
{
    const struct revision *record = &build->record;

    build->op.revision = (struct store_revision){
        .job = build->entry->id,
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

static int create_store(struct build *build, struct evd_error *err)
{
    struct job_entry *entry = build->entry;
    struct job_position mark = job_mark(entry->job);

    build->op.kind = STORE_JOB_CREATE;
    build->op.done = create_stored;
    build->op.owner = build;
    build->op.job = (struct store_job){
        .id = entry->id,
        .name = entry->name,
        .dataset = entry->dataset->id,
        .batch_size = entry->config.batch_size,
        .world_size = entry->config.world_size,
        .replicas = entry->config.replicas,
        .time_to_run = entry->config.time_to_run,
        .grace = entry->config.grace,
        .guarantee = job_guarantee_word(entry->config.guarantee),
        .seed = entry->seed,
        .created = entry->created,
        .mode = job_mode_word(entry->config.mode),
        .last_batch = job_last_word(entry->last_batch),
        .mark_epoch = mark.epoch,
        .mark_step = mark.step,
        .attended = job_attended(entry->job),
    };
    fill_store_revision(build, 0);
    return rpc_submit(entry->rpc, &build->op, err);
}

static void create_built(struct rpc_work *work)
{
    struct build *build = (struct build *)work;
    struct job_entry *entry = build->entry;
    struct plan *plan = build->plan;
    struct evd_error err;

    if (build_check(build, &err) != EVD_OK) {
        create_fail(build, &err);
        return;
    }
    build->record.created = entry->created;
    build->record.digest = plan_digest(plan);
    build->record.shape = plan_epoch(plan, 0);
    if (job_new(&entry->job, &entry->config, plan, entry_effect, entry, &err) != EVD_OK) {
        create_fail(build, &err);
        return;
    }
    build->plan = NULL; /* the job's now */
    if (create_store(build, &err) != EVD_OK)
        create_fail(build, &err);
}

int do_job_create(struct call *call, const struct params_job_create *p)
{
    struct rpc *rpc = call->rpc;
    struct dataset *dataset;
    struct job_entry *entry;
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
    struct build *build;

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
        return rpc_no_memory(&call->err);
    entry->created = rpc->host.wall(rpc->host.arg);
    entry->id = rpc->next_id++;
    if (job_terms_take(entry, &terms, &call->err) != EVD_OK ||
        !(build = build_new(call, entry, p->strategy, 0)) ||
        build_send(build, create_built, &call->err) != EVD_OK) {
        entry_remove(entry);
        return call->err.code;
    }
    return EVD_OK;
}

/* ---- job.update ---- */

static void update_fail(struct build *build, const struct evd_error *err)
{
    build->entry->update = NULL;
    build_fail(build, err);
}

static void update_stored(struct store_op *op)
{
    struct build *build = op->owner;
    struct job_entry *entry = build->entry;
    struct job_event event = {.kind = JOB_REVISION_STORED, .code = op->error.code};
    struct evd_error err;

    if (op->error.code == EVD_OK) {
        entry_record(entry, &build->record, op->revision.keep_revision);
        build->record = (struct revision){0};
    }
    entry_drive(entry, &event, &err); /* answers, and ends the build */
}

/* Notes which revisions will go; false without memory. */
static bool note_cancelled(struct build *build, uint32_t keep)
{
    const struct job_entry *entry = build->entry;

    build->cancelled = calloc(entry->revision_count + 1, sizeof(build->cancelled[0]));
    if (!build->cancelled)
        return false;
    for (uint32_t i = 0; i < entry->revision_count; i++) {
        if (entry->revisions[i].number > keep)
            build->cancelled[build->cancelled_count++] = entry->revisions[i].number;
    }
    return true;
}

int update_store(struct job_entry *entry, const struct job_effect *effect)
{
    struct build *build = entry->update;
    struct revision *record = &build->record;
    struct evd_error err;

    if (!note_cancelled(build, effect->keep_revision))
        return rpc_no_memory(&err);
    record->generation = effect->generation;
    record->number = effect->revision;
    record->at = effect->at;
    record->shape = effect->shape;
    record->digest = plan_digest(effect->plan);
    record->created = entry->rpc->host.wall(entry->rpc->host.arg);
    build->op.kind = STORE_REVISION_ADD;
    build->op.done = update_stored;
    build->op.owner = build;
    build->op.job.id = entry->id;
    fill_store_revision(build, effect->keep_revision);
    return rpc_submit(entry->rpc, &build->op, &err);
}

void update_answer(struct job_entry *entry, const struct job_effect *effect)
{
    struct build *build = entry->update;
    struct evd_error err;
    msgpack_packer *pk;

    entry->update = NULL;
    if (effect->code != EVD_OK) {
        error_set(&err, effect->code, entry->name,
                  "the change of job \"%s\" could not be stored%s%s: its old strategy goes on",
                  entry->name, build->op.error.message[0] ? ": " : "", build->op.error.message);
        build_fail(build, &err);
        return;
    }
    pk = answer_begin(&build->ticket);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "revision", effect->revision);
    pack_key_u64(pk, "epoch", effect->at.epoch);
    pack_key_u64(pk, "step", effect->at.step);
    pack_key_array(pk, "cancelled", build->cancelled_count);
    for (uint32_t i = 0; i < build->cancelled_count; i++)
        msgpack_pack_uint32(pk, build->cancelled[i]);
    ticket_end(&build->ticket);
    build_free(build);
}

static void update_built(struct rpc_work *work)
{
    struct build *build = (struct build *)work;
    struct job_entry *entry = build->entry;
    struct job_event event = {
        .kind = JOB_UPDATE,
        .plan = build->plan,
        .revision = build->input.revision,
        .when = build->moment.when,
        .at = build->moment.at,
        .token = 1, /* there is one update at a time */
    };
    struct evd_error err;

    if (entry->status != JOB_STATUS_LIVE) {
        error_set(&err, EVD_E_CONFLICT, entry->name, "job \"%s\" is being dropped", entry->name);
        update_fail(build, &err);
        return;
    }
    if (build_check(build, &err) != EVD_OK) {
        update_fail(build, &err);
        return;
    }
    build->built = true;
    /* The build may end within this call. */
    plan_ref(event.plan);
    if (entry_drive(entry, &event, &err) != EVD_OK) {
        plan_unref(event.plan);
        update_fail(build, &err);
    }
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

int update_send(struct build *build, struct evd_error *err)
{
    struct job_entry *entry = build->entry;

    entry->update = build;
    if (build_send(build, update_built, err) == EVD_OK)
        return EVD_OK;
    entry->update = NULL;
    return err->code;
}

int do_job_update(struct call *call, const struct params_job_update *p)
{
    struct job_entry *entry = entry_find_live(call->rpc, p->job, &call->err);
    struct moment moment = {0};
    struct build *build;

    if (!entry || when_decode(p, &moment, &call->err) != EVD_OK)
        return call->err.code;
    if (entry->update || entry->seek)
        return error_set(&call->err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed by somebody else: try again when it is done",
                         entry->name);
    build = build_new(call, entry, p->strategy, job_next_revision(entry->job));
    if (!build)
        return call->err.code;
    build->moment = moment;
    return update_send(build, &call->err);
}
