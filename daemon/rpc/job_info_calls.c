/* job.info, job.list, job.drop: what asks and what ends. */
#include "rpc/core.h"
#include "rpc/replies.h"

#include <stdlib.h>

int do_job_info(struct call *call, const struct params_job_info *p)
{
    struct job_entry *entry = entry_find(call->rpc, p->job);

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = entry_find_live(call->rpc, p->job, &call->err);
    if (!entry)
        return call->err.code;
    reply_job(answer_begin(&call->ticket), entry);
    answer_end(&call->ticket);
    return EVD_OK;
}

static bool listed(const struct job_entry *entry)
{
    return entry->status != JOB_STATUS_CREATING;
}

int do_job_list(struct call *call, const struct params_job_list *p)
{
    struct rpc *rpc = call->rpc;
    msgpack_packer *pk = answer_begin(&call->ticket);
    uint32_t count = 0;

    (void)p;
    for (uint32_t i = 0; i < rpc->job_count; i++)
        count += listed(rpc->jobs[i]);
    pack_key_array(pk, "jobs", count);
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        if (listed(rpc->jobs[i]))
            reply_job_row(pk, rpc->jobs[i]);
    }
    answer_end(&call->ticket);
    return EVD_OK;
}

/* ---- job.drop ---- */

struct drop {
    struct store_op op;
    struct ticket ticket;
    struct job_entry *entry; /* held */
    enum job_status before;
};

static void drop_answer(struct drop *drop, const struct evd_error *err)
{
    if (err->code != EVD_OK) {
        ticket_error(&drop->ticket, err);
    } else {
        msgpack_packer *pk = answer_begin(&drop->ticket);

        pack_key_cstr(pk, "job", drop->entry->name);
        ticket_end(&drop->ticket);
    }
    entry_unref(drop->entry);
    free(drop);
}

static void drop_stored(struct store_op *op)
{
    struct drop *drop = op->owner;
    struct job_entry *entry = drop->entry;

    if (op->error.code != EVD_OK) {
        entry->status = drop->before;
    } else {
        while (entry->streams) {
            rpc_stream_closed(entry->streams, EVD_E_NOT_FOUND,
                              "the job was dropped: there is nothing more to come");
            rpc_stream_gone(entry->streams); /* its worker goes with the job */
        }
        while (entry->acks)
            ack_answer(entry->acks, EVD_E_NOT_FOUND);
        entry_remove(entry);
    }
    drop_answer(drop, &op->error);
}

static struct job_entry *find_droppable(struct call *call, const struct params_job_drop *p)
{
    struct job_entry *entry = entry_find(call->rpc, p->job);
    struct job_state state;

    if (!entry || entry->status != JOB_STATUS_FAILED)
        entry = entry_find_live(call->rpc, p->job, &call->err);
    if (!entry)
        return NULL;
    if (p->force || !entry->job)
        return entry;
    if (entry->update || entry->seek) {
        error_set(&call->err, EVD_E_CONFLICT, entry->name,
                  "job \"%s\" is being changed: try again when that is done, or use \"force\"",
                  entry->name);
        return NULL;
    }
    job_state(entry->job, &state);
    if (state.streams > 0) {
        error_set(&call->err, EVD_E_CONFLICT, entry->name,
                  "workers are attached to job \"%s\": stop them first, or use \"force\"",
                  entry->name);
        return NULL;
    }
    return entry;
}

int do_job_drop(struct call *call, const struct params_job_drop *p)
{
    struct job_entry *entry = find_droppable(call, p);
    struct drop *drop;

    if (!entry)
        return call->err.code;
    drop = calloc(1, sizeof(*drop));
    if (!drop)
        return rpc_no_memory(&call->err);
    drop->op.kind = STORE_JOB_DROP;
    drop->op.job.id = entry->id;
    drop->op.done = drop_stored;
    drop->op.owner = drop;
    if (rpc_submit(call->rpc, &drop->op, &call->err) != EVD_OK) {
        free(drop);
        return call->err.code;
    }
    drop->ticket = ticket_keep(call);
    drop->entry = entry;
    drop->before = entry->status;
    entry->status = JOB_STATUS_DROPPING;
    entry_ref(entry);
    return EVD_OK;
}
