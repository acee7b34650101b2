/* job.create and job.update: a strategy is built, recorded, and drawn by. */
#include <string.h>
#include "calls/handlers.h"
#include "calls/job_drop.h"
#include "calls/job_join.h"
#include "calls/replies.h"
#include "codec/terms.h"
#include "jobs/datasets.h"
#include "jobs/expiry.h"
#include "jobs/jobs.h"
#include "jobs/update.h"
#include "jobs/uses.h"

/* ---- job.create ---- */

struct creation {
    struct build build; /* first */
    struct store_op op;
    struct job_entry *old; /* the job in whose place this one comes, held; NULL: none */
    enum job_status old_status;
};

/* The name is free again, or the old job's, if it came to nothing. */
static void creation_fini(struct task *task)
{
    struct creation *creation = (struct creation *)task;
    struct job_entry *old = creation->old;

    if (task->entry->status == JOB_STATUS_CREATING)
        jobs_remove(task->entry);
    if (old && old->status == JOB_STATUS_DROPPING)
        entry_enter(old, creation->old_status);
    if (old)
        entry_unref(old);
    build_fini(task);
}

static int create_stored(struct task *task)
{
    struct creation *creation = (struct creation *)task;
    struct job_entry *entry = task->entry;

    if (task->err.code != EVD_OK)
        return task->err.code;
    creation->build.record.stored_bytes = creation->op.revision.stored_bytes;
    records_add(&entry->records, &creation->build.record, 0);
    creation->build.record = (struct revision){0};
    if (creation->old)
        job_discard(creation->old);
    entry_enter(entry, JOB_STATUS_LIVE);
    use_dataset_end(task->ticket.session, entry->dataset);
    reply_created(task_answer(task), entry);
    return task_done(task);
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
        .ephemeral = entry->ephemeral,
        .retain_epochs = entry->retain_epochs,
        .replaces = creation->old ? creation->old->id : 0,
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
    if (job_new(&entry->job, &entry->config, build->plan, &task->err) != EVD_OK)
        return task->err.code;
    build->plan = NULL; /* the job's now */
    return create_store(creation);
}

/* For an entry whose name is reserved; in place of `old`, if there is one. */
static int create_start(struct call *call, struct job_entry *entry, struct job_entry *old,
                        const struct params_job_create *p)
{
    struct job_terms terms = terms_given(p);
    struct creation *creation;
    struct task *task;

    entry->created = server_wall(call->server);
    entry->id = call->server->jobs->next_id++;
    entry->seed = p->seed;
    entry->ephemeral = p->ephemeral;
    entry->retain_epochs = p->retain_epochs;
    if (terms_decode(&terms, &entry->config, &entry->last_batch, &call->err) != EVD_OK ||
        use_job(call->session, entry, &call->err) != EVD_OK)
        return call->err.code;
    creation = build_new(call, sizeof(*creation), entry, p->strategy, 0, call->session->client,
                         creation_fini);
    if (!creation)
        return call->err.code;
    if (old) {
        creation->old = old;
        creation->old_status = old->status;
        entry_ref(old);
        entry_enter(old, JOB_STATUS_DROPPING);
    }
    task = &creation->build.task;
    return task_begin(task, task_work(task, build_cost(&creation->build), build_run, create_built),
                      call);
}

static int create(struct call *call, struct dataset *dataset, struct job_entry *old,
                  const struct params_job_create *p)
{
    struct job_entry *entry = jobs_insert(call->server->jobs, p->name, dataset);
    int code;

    if (!entry)
        return error_no_memory(&call->err);
    entry_ref(entry);
    code = create_start(call, entry, old, p);
    if (code && entry->status == JOB_STATUS_CREATING)
        jobs_remove(entry);
    entry_unref(entry);
    return code;
}

int do_job_create(struct call *call, const struct params_job_create *p)
{
    struct jobs *jobs = call->server->jobs;
    enum if_exists if_exists;
    struct dataset *dataset;
    struct job_entry *entry;

    if (name_check(p->name, "name", &call->err) != EVD_OK ||
        if_exists_decode(p, &if_exists, &call->err) != EVD_OK)
        return call->err.code;
    entry = jobs_find(jobs, p->name);
    if (!entry && jobs->job_count >= EVD_MAX_JOBS && expiry_make_room(jobs))
        return error_set(&call->err, EVD_E_BUSY, "jobs",
                         "there are %u jobs, and one that nobody uses makes room: ask again",
                         EVD_MAX_JOBS);
    if (!entry && jobs->job_count >= EVD_MAX_JOBS)
        return error_set(&call->err, EVD_E_LIMIT, "jobs",
                         "there are %u jobs, and more are not allowed: drop some", EVD_MAX_JOBS);
    if (entry && job_joinable(entry, if_exists, &call->err) != EVD_OK)
        return call->err.code;
    if (entry && if_exists == IF_EXISTS_ATTACH)
        return job_join(call, entry);
    dataset = datasets_find(jobs, p->dataset, p->version, &call->err);
    if (!dataset)
        return call->err.code;
    if (!entry || if_exists == IF_EXISTS_RESTART)
        return create(call, dataset, entry, p);
    if (job_compare(entry, dataset, p, &call->err) != EVD_OK)
        return call->err.code;
    return job_join(call, entry);
}

/* ---- job.update ---- */

static int updated(struct task *task)
{
    const struct update *update = (struct update *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_cstr(pk, "job", task->entry->name);
    pack_key_u64(pk, "revision", update->revision);
    pack_position(pk, update->at);
    pack_key_array(pk, "cancelled", update->cancelled_count);
    for (uint32_t i = 0; i < update->cancelled_count; i++)
        msgpack_pack_uint32(pk, update->cancelled[i]);
    return task_done(task);
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
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct moment moment = {0};
    struct update *update;

    if (!entry || when_decode(p, &moment, &call->err) != EVD_OK)
        return call->err.code;
    if (entry->change)
        return error_set(&call->err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed by somebody else: try again when it is done",
                         entry->name);
    update = update_new(call, sizeof(*update), entry, p->strategy, moment, call->session->client,
                        updated, update_fini);
    return update ? update_start(update, call) : call->err.code;
}
