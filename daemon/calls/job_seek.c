/* job.position and job.seek: where a job is, as a token, and how it gets there again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "calls/replies.h"
#include "calls/handlers.h"
#include "job/position.h"
#include "jobs/jobs.h"
#include "jobs/seek.h"
#include "replay/line.h"
#include "server/task.h"

int do_job_position(struct call *call, const struct params_job_position *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    char text[TOKEN_SIZE];
    struct position_owner owner;
    struct position position;
    struct job_state state;
    msgpack_packer *pk;

    if (!entry)
        return call->err.code;
    job_state(entry->job, &state);
    if (state.low.epoch > JOB_MAX_EPOCH)
        return error_set(&call->err, EVD_E_LIMIT, "epoch",
                         "job \"%s\" is at its end, behind epoch %" PRIu32
                         ": there is no position to come back to",
                         entry->name, JOB_MAX_EPOCH);
    owner = entry_position_owner(entry);
    position = (struct position){state.generation, state.low};
    if (!position_write(&owner, &position, text))
        return error_no_memory(&call->err);
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_cstr(pk, "dataset", entry->dataset->name);
    pack_key_u64(pk, "version", entry->dataset->version);
    pack_key_u64(pk, "generation", state.generation);
    pack_position(pk, state.low);
    pack_key_cstr(pk, "token", text);
    return answer_end(&call->ticket);
}

/* ---- job.seek ---- */

static int sought(struct task *task)
{
    const struct seek *seek = (struct seek *)task;
    const struct job_entry *entry = task->entry;
    struct job_state state;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    job_state(entry->job, &state);
    pk = task_answer(task);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "generation", seek->generation);
    pack_position(pk, seek->at);
    pack_key_u64(pk, "revision", state.revision);
    return task_done(task);
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

int do_job_seek(struct call *call, const struct params_job_seek *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct seek *seek;
    struct position to;
    bool follow;

    if (!entry || mode_decode(p, &follow, &call->err) != EVD_OK ||
        target_decode(p, entry, &to, &call->err) != EVD_OK)
        return call->err.code;
    if (entry->change)
        return error_set(&call->err, EVD_E_CONFLICT, entry->name,
                         "job \"%s\" is being changed by somebody else: try again when it is done",
                         entry->name);
    if (entry->records.seek_count >= EVD_MAX_SEEKS)
        return error_set(&call->err, EVD_E_LIMIT, entry->name,
                         "a job has at most %u seeks: go on with a new job", EVD_MAX_SEEKS);
    seek = seek_new(call, entry, &to, follow, p->force, sought);
    return seek ? seek_start(seek, call) : call->err.code;
}
