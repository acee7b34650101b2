#include "rpc/build.h"

#include <stdlib.h>
#include <string.h>
#include "rpc/strategy_codec.h"

int plan_error(int code, const struct sampler_error *refused, struct evd_error *err)
{
    if (code == PLAN_NO_MEMORY)
        return rpc_no_memory(err);
    return error_set(err, EVD_E_STRATEGY, refused->detail, "%s", refused->message);
}

static void build_run(struct rpc_work *work)
{
    struct build *build = (struct build *)work;

    build->code = plan_build(&build->plan, &build->input, &build->refused);
}

/* The author, and the strategy as it will be recorded. */
static int record_prepare(struct build *build, const char *author, struct evd_error *err)
{
    struct revision *record = &build->record;
    struct evd_buf encoded;

    buf_init(&encoded, EVD_MAX_REPLY_FRAME);
    strategy_encode(&build->strategy, build->entry->dataset, &encoded);
    record->author = strdup(author);
    if (encoded.failed || !record->author) {
        buf_fini(&encoded);
        return rpc_no_memory(err);
    }
    record->strategy = encoded.data;
    record->strategy_bytes = encoded.len;
    return EVD_OK;
}

int build_start(struct call *call, struct job_entry *entry, const msgpack_object *strategy,
                uint32_t revision, void (*built)(struct rpc_work *), struct build **out)
{
    struct rpc *rpc = call->rpc;
    struct build *build = calloc(1, sizeof(*build));
    int code;

    if (!build)
        return rpc_no_memory(&call->err);
    if (strategy_decode(strategy, entry->dataset, &build->strategy, &call->err) != EVD_OK) {
        free(build);
        return call->err.code;
    }
    build->entry = entry;
    entry_ref(entry);
    if (record_prepare(build, call->session->client, &call->err) != EVD_OK)
        goto fail;
    build->input = (struct plan_input){
        .index = &entry->dataset->index,
        .strategy = &build->strategy,
        .seed = entry->seed,
        .revision = revision,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
    };
    build->work.run = build_run;
    build->work.done = built;
    build->ticket = ticket_keep(call);
    *out = build;
    code = rpc->host.work(rpc->host.arg, &build->work);
    if (code == EVD_OK)
        return EVD_OK;
    session_unref(build->ticket.session);
    error_set(&call->err, code, "", "no thread could be had for building the plan: try again");
fail:
    build_free(build);
    return call->err.code;
}

int build_result(const struct build *build, struct evd_error *err)
{
    if (build->code != PLAN_OK)
        return plan_error(build->code, &build->refused, err);
    if (!rpc_stream_prepare(build->entry->rpc, build->plan) || !entry_reserve(build->entry))
        return rpc_no_memory(err);
    return EVD_OK;
}

void build_fail(struct build *build, const struct evd_error *err)
{
    ticket_error(&build->ticket, err);
    build_free(build);
}

void build_free(struct build *build)
{
    strategy_fini(&build->strategy);
    plan_unref(build->plan);
    revision_fini(&build->record);
    entry_unref(build->entry);
    free(build);
}
