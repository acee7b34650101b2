/* job.trace and job.batch: what was served, drawn again from the history, on a pool thread. */
#include <inttypes.h>
#include "calls/replies.h"
#include "calls/columns.h"
#include "calls/handlers.h"
#include "job/position.h"
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "replay/trace.h"

/* ---- job.trace ---- */

struct trace_call {
    struct task task; /* first; of the job */
    struct trace trace;
    bool ranked;
};

static void trace_call_fini(struct task *task)
{
    trace_fini(&((struct trace_call *)task)->trace);
}

static int trace_answer(struct trace_call *call)
{
    const struct trace *trace = &call->trace;
    msgpack_packer *pk = task_answer(&call->task);

    pack_key_cstr(pk, "job", call->task.entry->name);
    pack_key_u64(pk, "sample", trace->sample);
    pack_key_u64(pk, "first", trace->first);
    pack_key_bool(pk, "more", trace->more);
    pack_key_position(pk, "since", trace->since);
    pack_key_array(pk, "steps", trace->found);
    for (uint32_t i = 0; i < trace->found; i++) {
        const struct finding *finding = &trace->findings[i];

        msgpack_pack_array(pk, 6);
        msgpack_pack_uint32(pk, finding->generation);
        msgpack_pack_uint64(pk, finding->at.epoch);
        msgpack_pack_uint64(pk, finding->at.step);
        if (call->ranked)
            msgpack_pack_uint32(pk, finding->rank);
        else
            msgpack_pack_nil(pk);
        msgpack_pack_uint32(pk, finding->revision);
        msgpack_pack_uint32(pk, finding->count);
    }
    return task_done(&call->task);
}

static void trace_work(struct task *task)
{
    if (trace_run(&((struct trace_call *)task)->trace, &task->err) != EVD_OK)
        return;
}

/* One generation after the other, until there is no more. */
static int trace_next(struct task *task)
{
    struct trace_call *call = (struct trace_call *)task;
    struct job_entry *entry = task->entry;
    struct plan_base base = entry_plan_base(entry);
    bool any;

    if (task->err.code != EVD_OK)
        return task->err.code;
    if (!entry->job)
        return error_set(&task->err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped",
                         entry->name);
    if (call->trace.unfinished)
        return task_work(task, trace_cost(&call->trace), trace_work, trace_next);
    base.cancel = &task->work.cancelled;
    if (trace_take(&call->trace, &base, &entry->records, entry->job, &any, &task->err) != EVD_OK)
        return task->err.code;
    return any ? task_work(task, trace_cost(&call->trace), trace_work, trace_next)
               : trace_answer(call);
}

static int trace_start(struct task *task)
{
    struct trace_call *call = (struct trace_call *)task;
    struct job_entry *entry = task->entry;

    call->ranked = entry->config.mode == JOB_RANKED;
    if (!entry_note_world(entry))
        return error_no_memory(&task->err);
    if (trace_init(&call->trace, &entry->records, entry->job, &task->err) != EVD_OK)
        return task->err.code;
    return trace_next(task);
}

int do_job_trace(struct call *call, const struct params_job_trace *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct trace_call *trace;

    if (!entry)
        return call->err.code;
    if (p->sample >= entry->dataset->index.samples)
        return error_set(&call->err, EVD_E_BAD_VALUE, "sample",
                         "the dataset has %" PRIu64
                         " samples, numbered from 0: there is no %" PRIu64,
                         entry->dataset->index.samples, p->sample);
    trace = task_new(call, sizeof(*trace), entry, trace_call_fini);
    if (!trace)
        return call->err.code;
    trace->trace.sample = p->sample;
    trace->trace.first = p->first;
    return task_begin(&trace->task, trace_start(&trace->task), call);
}

/* ---- job.batch ---- */

struct again {
    struct task task; /* first; of the job */
    struct line line;
    struct job_position at;
    uint32_t generation, rank, world, replicas, columns;
    bool whole; /* no rank's slice but the global batch */
    struct drawing drawing;
    struct replay_step step;
    uint32_t n;
};

static void again_fini(struct task *task)
{
    struct again *again = (struct again *)task;

    line_fini(&again->line);
    drawing_fini(&again->drawing);
}

static void again_run(struct task *task)
{
    struct again *again = (struct again *)task;

    if (line_step(&again->line, again->at, &again->step, &task->err) != EVD_OK ||
        entry_check_columns(task->entry, again->columns, again->step.plan, &task->err) != EVD_OK)
        return;
    task->err.code = drawing_step(&again->drawing, &again->step, again->rank / again->replicas,
                                  again->world / again->replicas, &again->n, &task->err);
}

static void pack_column(msgpack_packer *pk, enum column column, const void *values, uint32_t n)
{
    pack_key_array(pk, column_name(column), n);
    for (uint32_t i = 0; i < n; i++) {
        if (column_table[column].is_float)
            msgpack_pack_float(pk, ((const float *)values)[i]);
        else if (column_table[column].size == sizeof(uint64_t))
            msgpack_pack_uint64(pk, ((const uint64_t *)values)[i]);
        else
            msgpack_pack_uint32(pk, ((const uint32_t *)values)[i]);
    }
}

static int again_drawn(struct task *task)
{
    struct again *again = (struct again *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_cstr(pk, "job", task->entry->name);
    pack_key_u64(pk, "generation", again->generation);
    pack_position(pk, again->at);
    pack_key_u64(pk, "steps", again->step.shape.steps);
    pack_key_u64(pk, "revision", again->step.revision);
    if (!again->whole) {
        pack_key_u64(pk, "rank", again->rank);
        pack_key_u64(pk, "world_size", again->world);
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (again->columns & 1u << i)
            pack_column(pk, (enum column)i, again->drawing.columns[i], again->n);
    }
    return task_done(task);
}

/* Which part of which step; refused if it was not handed out. */
static int batch_decode_call(const struct params_job_batch *p, struct again *again,
                             struct evd_error *err)
{
    struct job_entry *entry = again->task.entry;
    struct batch_format format = {.columns = 1u << COLUMN_index};
    struct job_config config;
    struct job_state state;

    job_state(entry->job, &state);
    config = state.config;
    again->generation = p->has_generation ? p->generation : records_generation(&entry->records);
    if (again->generation > records_generation(&entry->records))
        return error_set(err, EVD_E_NOT_FOUND, "generation",
                         "there is no generation %u of job \"%s\": job.history shows what there is",
                         again->generation, entry->name);
    if (!position_before(again->at, records_end(&entry->records, again->generation, state.next)))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " was not handed out", again->at.epoch,
                         again->at.step);
    again->whole = !p->has_rank;
    again->replicas = again->whole ? 1 : config.replicas;
    again->world = 1;
    if (!again->whole) {
        config.world_size = p->has_world_size
                                ? p->world_size
                                : records_world(&entry->records, again->generation, again->at);
        if (config.mode != JOB_RANKED || config.world_size == 0)
            return error_set(err, EVD_E_BAD_VALUE, "rank",
                             "there are no ranks at this step: leave \"rank\" out");
        if (job_config_check(&config, err) != EVD_OK)
            return err->code;
        if (p->rank >= config.world_size)
            return error_set(err, EVD_E_BAD_VALUE, "rank", "\"rank\" must be below world_size %u",
                             config.world_size);
        again->rank = p->rank;
        again->world = config.world_size;
    }
    if (columns_decode(p->columns, &format, err) != EVD_OK)
        return err->code;
    again->columns = format.columns;
    return EVD_OK;
}

static int again_start(struct task *task)
{
    struct again *again = (struct again *)task;
    struct job_entry *entry = task->entry;
    struct plan_base base = entry_plan_base(entry);

    base.cancel = &task->work.cancelled;
    if (!drawing_init(&again->drawing, again->columns, entry->config.batch_size))
        return error_no_memory(&task->err);
    if (line_take(&again->line, &base, &entry->records, entry->job, again->generation, again->at,
                  &task->err) != EVD_OK)
        return task->err.code;
    return task_work(task, line_cost(&again->line, again->at, again->at), again_run, again_drawn);
}

int do_job_batch(struct call *call, const struct params_job_batch *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct again *again;

    if (!entry)
        return call->err.code;
    again = task_new(call, sizeof(*again), entry, again_fini);
    if (!again)
        return call->err.code;
    again->at = (struct job_position){p->epoch, p->step};
    if (!entry_note_world(entry))
        error_no_memory(&call->err);
    else if (batch_decode_call(p, again, &call->err) == EVD_OK)
        return task_begin(&again->task, again_start(&again->task), call);
    task_free(&again->task);
    return call->err.code;
}
