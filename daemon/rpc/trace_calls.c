/* job.trace and job.batch: what was served, drawn again from the history, on a pool thread. */
#include "rpc/line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Working memory for drawing. */
struct drawing {
    void *columns[COLUMN_COUNT]; /* those wanted; the index always */
    void *scratch;
    size_t scratch_size;
};

static bool drawing_init(struct drawing *drawing, uint32_t columns, uint32_t batch_size)
{
    *drawing = (struct drawing){0};
    for (int i = 0; i < COLUMN_COUNT; i++) {
        if (!(columns & 1u << i))
            continue;
        drawing->columns[i] = calloc(batch_size, sizeof(uint64_t));
        if (!drawing->columns[i])
            return false;
    }
    return true;
}

static void drawing_fini(struct drawing *drawing)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        free(drawing->columns[i]);
    free(drawing->scratch);
}

/* The number of samples, or UINT32_MAX without memory. */
static uint32_t draw(struct drawing *drawing, const struct replay_step *step, uint32_t rank,
                     uint32_t world)
{
    const struct plan_columns columns = {
        .index = drawing->columns[COLUMN_index],
        .label = drawing->columns[COLUMN_label],
        .probability = drawing->columns[COLUMN_probability],
        .repeat = drawing->columns[COLUMN_repeat],
        .augment_seed = drawing->columns[COLUMN_augment_seed],
    };
    const struct plan_slice slice = {step->at.epoch, step->at.step, step->shape, rank, world};
    size_t size = (plan_scratch_size(step->plan) + 63) / 64 * 64;

    if (size > drawing->scratch_size) {
        free(drawing->scratch);
        drawing->scratch = aligned_alloc(64, size);
        drawing->scratch_size = drawing->scratch ? size : 0;
        if (!drawing->scratch)
            return UINT32_MAX;
    }
    return plan_draw(step->plan, &slice, &columns, drawing->scratch);
}

/* ---- job.trace ---- */

struct finding {
    uint32_t generation, rank, revision;
    struct job_position at;
};

struct trace {
    struct rpc_work work; /* first */
    struct ticket ticket;
    struct job_entry *entry; /* held */
    uint64_t sample;
    uint32_t first, passed;
    bool more;
    /* One generation after the other, so that the loop thread prepares one at a time. */
    uint32_t generation, last;
    struct job_position reached; /* in the last */
    struct line line;
    struct job_position from, to;
    struct world_record *worlds; /* a copy */
    uint32_t world_count;
    uint32_t replicas;
    bool ranked;
    struct drawing drawing;
    struct finding findings[EVD_MAX_PAGE];
    uint32_t found;
    struct evd_error err;
};

static void trace_free(struct trace *trace)
{
    line_fini(&trace->line);
    free(trace->worlds);
    drawing_fini(&trace->drawing);
    entry_unref(trace->entry);
    free(trace);
}

static uint32_t world_at(const struct trace *trace, struct job_position at)
{
    for (uint32_t i = trace->world_count; i-- > 0;) {
        if (trace->worlds[i].generation == trace->generation &&
            !rpc_before(at, trace->worlds[i].at))
            return trace->worlds[i].world_size;
    }
    return 1;
}

/* A finding, unless it is one of those to be passed over. EVD_E_LIMIT: there is no more room. */
static int note(struct trace *trace, const struct replay_step *step, uint32_t rank)
{
    if (trace->passed < trace->first) {
        trace->passed++;
        return EVD_OK;
    }
    if (trace->found == EVD_MAX_PAGE) {
        trace->more = true;
        return EVD_E_LIMIT;
    }
    trace->findings[trace->found++] =
        (struct finding){trace->generation, rank, step->revision, step->at};
    return EVD_OK;
}

static int search(struct trace *trace, const struct replay_step *step, uint32_t slice,
                  uint32_t slices, bool *found, struct evd_error *err)
{
    const uint64_t *index = trace->drawing.columns[COLUMN_index];
    uint32_t n = draw(&trace->drawing, step, slice, slices);

    if (n == UINT32_MAX)
        return rpc_no_memory(err);
    *found = false;
    for (uint32_t i = 0; i < n && !*found; i++)
        *found = index[i] == trace->sample;
    return EVD_OK;
}

static int trace_step(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct trace *trace = arg;
    uint32_t slices = world_at(trace, step->at) / trace->replicas;
    bool found = false;
    int code = search(trace, step, 0, 1, &found, err);

    if (code || !found)
        return code;
    if (!trace->ranked)
        return note(trace, step, 0);
    for (uint32_t slice = 0; code == EVD_OK && slice < slices; slice++) {
        code = search(trace, step, slice, slices, &found, err);
        if (!code && found)
            code = note(trace, step, slice * trace->replicas);
    }
    return code;
}

static void trace_run(struct rpc_work *work)
{
    struct trace *trace = (struct trace *)work;
    const struct replay_history history = line_history(&trace->line);
    int code = replay_steps(&history, trace->from, trace->to, trace_step, trace, &trace->err);

    trace->err.code = trace->more ? EVD_OK : code;
}

static void trace_answer(struct trace *trace)
{
    msgpack_packer *pk = answer_begin(&trace->ticket);

    pack_key_cstr(pk, "job", trace->entry->name);
    pack_key_u64(pk, "sample", trace->sample);
    pack_key_u64(pk, "first", trace->first);
    pack_key_bool(pk, "more", trace->more);
    pack_key_array(pk, "steps", trace->found);
    for (uint32_t i = 0; i < trace->found; i++) {
        const struct finding *finding = &trace->findings[i];

        msgpack_pack_array(pk, 5);
        msgpack_pack_uint32(pk, finding->generation);
        msgpack_pack_uint64(pk, finding->at.epoch);
        msgpack_pack_uint64(pk, finding->at.step);
        if (trace->ranked)
            msgpack_pack_uint32(pk, finding->rank);
        else
            msgpack_pack_nil(pk);
        msgpack_pack_uint32(pk, finding->revision);
    }
    ticket_end(&trace->ticket);
    trace_free(trace);
}

static void trace_done(struct rpc_work *work);

/* Has its generation searched, or the next in which anything was handed out; answers if there is
 * none. On an error, that is still owed. */
static int trace_search(struct trace *trace, struct evd_error *err)
{
    struct job_entry *entry = trace->entry;

    if (!entry->job)
        return error_set(err, EVD_E_NOT_FOUND, entry->name, "job \"%s\" was dropped", entry->name);
    for (; trace->generation <= trace->last; trace->generation++) {
        trace->from = records_begin(entry, trace->generation);
        trace->to = trace->reached;
        if (trace->generation < trace->last)
            trace->to = records_end(entry, trace->generation, trace->reached);
        if (rpc_before(trace->from, trace->to))
            break;
    }
    if (trace->generation > trace->last) {
        trace_answer(trace);
        return EVD_OK;
    }
    line_fini(&trace->line);
    if (line_take(&trace->line, entry, trace->generation, trace->from, err) != EVD_OK)
        return err->code;
    trace->line.base.cancel = &trace->work.cancelled;
    trace->work.run = trace_run;
    trace->work.done = trace_done;
    return work_send(entry->rpc, trace->ticket.session, &trace->work, err);
}

static void trace_done(struct rpc_work *work)
{
    struct trace *trace = (struct trace *)work;

    if (trace->more)
        trace->generation = trace->last;
    trace->generation++;
    if (trace->err.code == EVD_OK && trace_search(trace, &trace->err) == EVD_OK)
        return;
    ticket_error(&trace->ticket, &trace->err);
    trace_free(trace);
}

static int trace_prepare(struct trace *trace, struct evd_error *err)
{
    struct job_entry *entry = trace->entry;
    struct job_state state;

    job_state(entry->job, &state);
    trace->ranked = state.config.mode == JOB_RANKED;
    trace->replicas = state.config.replicas;
    trace->last = records_generation(entry);
    trace->reached = state.next;
    trace->worlds = calloc(entry->world_count + 1, sizeof(trace->worlds[0]));
    if (!trace->worlds ||
        !drawing_init(&trace->drawing, 1u << COLUMN_index, entry->config.batch_size))
        return rpc_no_memory(err);
    if (entry->world_count > 0)
        memcpy(trace->worlds, entry->worlds, entry->world_count * sizeof(trace->worlds[0]));
    trace->world_count = entry->world_count;
    return trace_search(trace, err);
}

int do_job_trace(struct call *call, const struct params_job_trace *p)
{
    struct rpc *rpc = call->rpc;
    struct job_entry *entry = entry_find_live(rpc, p->job, &call->err);
    struct trace *trace;

    if (!entry)
        return call->err.code;
    if (p->sample >= entry->dataset->index.samples)
        return error_set(&call->err, EVD_E_BAD_VALUE, "sample",
                         "the dataset has %" PRIu64
                         " samples, numbered from 0: there is no %" PRIu64,
                         entry->dataset->index.samples, p->sample);
    trace = calloc(1, sizeof(*trace));
    if (!trace || !records_note_world(entry)) {
        free(trace);
        return rpc_no_memory(&call->err);
    }
    trace->entry = entry;
    trace->sample = p->sample;
    trace->first = p->first;
    entry_ref(entry);
    trace->ticket = ticket_keep(call);
    if (trace_prepare(trace, &call->err) == EVD_OK)
        return EVD_OK;
    session_unref(call->session);
    trace_free(trace);
    return call->err.code;
}

/* ---- job.batch ---- */

struct again {
    struct rpc_work work; /* first */
    struct ticket ticket;
    struct job_entry *entry; /* held */
    struct line line;
    struct job_position at;
    uint32_t generation, rank, world, replicas, columns;
    bool whole; /* no rank's slice but the global batch */
    struct drawing drawing;
    struct replay_step step;
    uint32_t n;
    struct evd_error err;
};

static void again_free(struct again *again)
{
    line_fini(&again->line);
    drawing_fini(&again->drawing);
    entry_unref(again->entry);
    free(again);
}

static void again_run(struct rpc_work *work)
{
    struct again *again = (struct again *)work;

    again->err.code = EVD_OK;
    if (line_step(&again->line, again->at, &again->step, &again->err) != EVD_OK ||
        rpc_stream_columns(again->entry, again->columns, again->step.plan, &again->err) != EVD_OK)
        return;
    again->n = draw(&again->drawing, &again->step, again->rank / again->replicas,
                    again->world / again->replicas);
    if (again->n == UINT32_MAX)
        rpc_no_memory(&again->err);
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

static void again_done(struct rpc_work *work)
{
    struct again *again = (struct again *)work;
    msgpack_packer *pk;

    if (again->err.code != EVD_OK) {
        ticket_error(&again->ticket, &again->err);
        again_free(again);
        return;
    }
    pk = answer_begin(&again->ticket);
    pack_key_cstr(pk, "job", again->entry->name);
    pack_key_u64(pk, "generation", again->generation);
    pack_key_u64(pk, "epoch", again->at.epoch);
    pack_key_u64(pk, "step", again->at.step);
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
    ticket_end(&again->ticket);
    again_free(again);
}

/* Which part of which step; refused if it was not handed out. */
static int batch_decode_call(const struct params_job_batch *p, struct again *again,
                             struct evd_error *err)
{
    struct job_entry *entry = again->entry;
    struct batch_format format = {.columns = 1u << COLUMN_index};
    struct job_config config;
    struct job_state state;

    job_state(entry->job, &state);
    config = state.config;
    again->generation = p->has_generation ? p->generation : records_generation(entry);
    if (again->generation > records_generation(entry))
        return error_set(err, EVD_E_NOT_FOUND, "generation",
                         "there is no generation %u of job \"%s\": job.history shows what there is",
                         again->generation, entry->name);
    if (!rpc_before(again->at, records_end(entry, again->generation, state.next)))
        return error_set(err, EVD_E_BAD_VALUE, "step",
                         "epoch %" PRIu64 " step %" PRIu64 " was not handed out", again->at.epoch,
                         again->at.step);
    again->whole = !p->has_rank;
    again->replicas = again->whole ? 1 : config.replicas;
    again->world = 1;
    if (!again->whole) {
        config.world_size =
            p->has_world_size ? p->world_size : records_world(entry, again->generation, again->at);
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
    if (rpc_columns_decode(p->columns, &format, err) != EVD_OK)
        return err->code;
    again->columns = format.columns;
    return EVD_OK;
}

int do_job_batch(struct call *call, const struct params_job_batch *p)
{
    struct rpc *rpc = call->rpc;
    struct job_entry *entry = entry_find_live(rpc, p->job, &call->err);
    struct again *again;
    int code;

    if (!entry)
        return call->err.code;
    again = calloc(1, sizeof(*again));
    if (!again || !records_note_world(entry)) {
        free(again);
        return rpc_no_memory(&call->err);
    }
    again->work.run = again_run;
    again->work.done = again_done;
    again->entry = entry;
    again->at = (struct job_position){p->epoch, p->step};
    entry_ref(entry);
    code = batch_decode_call(p, again, &call->err);
    if (!code && !drawing_init(&again->drawing, again->columns, entry->config.batch_size))
        code = rpc_no_memory(&call->err);
    if (!code)
        code = line_take(&again->line, entry, again->generation, again->at, &call->err);
    again->line.base.cancel = &again->work.cancelled;
    if (!code)
        code = work_send(rpc, call->session, &again->work, &call->err);
    if (code == EVD_OK)
        again->ticket = ticket_keep(call);
    else
        again_free(again);
    return code;
}
