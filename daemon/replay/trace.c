/* Searching a job's history for a sample (trace.h). Called by job.trace. */
#include "replay/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "job/position.h"

int trace_init(struct trace *trace, const struct records *records, const struct job *job,
               struct evd_error *err)
{
    struct job_state state;

    job_state(job, &state);
    trace->ranked = state.config.mode == JOB_RANKED;
    trace->replicas = state.config.replicas;
    trace->last = records_generation(records);
    trace->reached = state.next;
    trace->worlds = calloc(records->world_count + 1, sizeof(trace->worlds[0]));
    if (!trace->worlds ||
        !drawing_init(&trace->drawing, 1u << COLUMN_index, state.config.batch_size))
        return error_no_memory(err);
    if (records->world_count > 0)
        memcpy(trace->worlds, records->worlds, records->world_count * sizeof(trace->worlds[0]));
    trace->world_count = records->world_count;
    return EVD_OK;
}

void trace_fini(struct trace *trace)
{
    line_fini(&trace->line);
    free(trace->worlds);
    drawing_fini(&trace->drawing);
}

/* What is forgotten is not searched, and the answer says so. */
static void skip_forgotten(struct trace *trace, const struct records *records)
{
    struct job_position since = records_since(records, trace->generation);

    if (!position_before(trace->from, since))
        return;
    trace->from = position_before(since, trace->to) ? since : trace->to;
    if (position_before(trace->since, trace->from))
        trace->since = trace->from;
}

int trace_take(struct trace *trace, const struct plan_base *base, const struct records *records,
               const struct job *job, bool *any, struct evd_error *err)
{
    *any = false;
    for (; trace->generation <= trace->last && !trace->more && !*any; trace->generation++) {
        trace->from = records_begin(records, trace->generation);
        trace->to = trace->reached;
        if (trace->generation < trace->last)
            trace->to = records_end(records, trace->generation, trace->reached);
        skip_forgotten(trace, records);
        *any = position_before(trace->from, trace->to);
    }
    if (!*any)
        return EVD_OK;
    line_fini(&trace->line);
    return line_take(&trace->line, base, records, job, trace->generation - 1, trace->from, err);
}

uint64_t trace_cost(const struct trace *trace)
{
    return line_cost(&trace->line, trace->from, trace->to);
}

/* ---- on a pool thread ---- */

static uint32_t world_at(const struct trace *trace, struct job_position at)
{
    for (uint32_t i = trace->world_count; i-- > 0;) {
        if (trace->worlds[i].generation == trace->generation - 1 &&
            !position_before(at, trace->worlds[i].at))
            return trace->worlds[i].world_size;
    }
    return 1;
}

/* A finding, unless it is one of those to be passed over. EVD_E_LIMIT: there is no more room. */
static int note(struct trace *trace, const struct replay_step *step, uint32_t rank, uint32_t count)
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
        (struct finding){trace->generation - 1, rank, step->revision, count, step->at};
    return EVD_OK;
}

/* *count: how often the slice has it. */
static int search(struct trace *trace, const struct replay_step *step, uint32_t slice,
                  uint32_t slices, uint32_t *count, struct evd_error *err)
{
    const uint64_t *index = trace->drawing.columns[COLUMN_index];
    uint32_t n;

    if (drawing_step(&trace->drawing, step, slice, slices, &n, err) != EVD_OK)
        return err->code;
    *count = 0;
    for (uint32_t i = 0; i < n; i++)
        *count += index[i] == trace->sample;
    return EVD_OK;
}

static int visit(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct trace *trace = arg;
    uint32_t slices = world_at(trace, step->at) / trace->replicas;
    uint32_t count = 0;
    int code;

    if (trace->left == 0) {
        trace->unfinished = true;
        trace->from = step->at;
        return EVD_E_LIMIT;
    }
    trace->left -=
        trace->left < trace->line.base.batch_size ? trace->left : trace->line.base.batch_size;
    code = search(trace, step, 0, 1, &count, err);
    if (code || count == 0)
        return code;
    if (!trace->ranked)
        return note(trace, step, 0, count);
    for (uint32_t slice = 0; code == EVD_OK && slice < slices; slice++) {
        code = search(trace, step, slice, slices, &count, err);
        if (!code && count > 0)
            code = note(trace, step, slice * trace->replicas, count);
    }
    return code;
}

int trace_run(struct trace *trace, struct evd_error *err)
{
    const struct replay_history history = line_history(&trace->line);
    int code;

    trace->line.sweeps = true;
    trace->unfinished = false;
    trace->left = LINE_STRETCH;
    code = replay_steps(&history, trace->from, trace->to, visit, trace, err);

    if (trace->more || trace->unfinished)
        err->code = code = EVD_OK; /* it was stopped for want of room, or after a stretch */
    return code;
}
