#include "rpc/build.h"

#include <stdlib.h>
#include <string.h>
#include "rpc/strategy_codec.h"

int plan_error(int code, const struct sampler_error *refused, struct evd_error *err)
{
    if (code == PLAN_NO_MEMORY)
        return rpc_no_memory(err);
    if (code == PLAN_CANCELLED)
        return work_cancelled(err);
    return error_set(err, code == PLAN_LIMIT ? EVD_E_LIMIT : EVD_E_STRATEGY, refused->detail, "%s",
                     refused->message);
}

static void build_run(struct rpc_work *work)
{
    struct build *build = (struct build *)work;

    build->code = plan_build(&build->plan, &build->input, &build->refused);
    if (build->code == PLAN_OK && build->study)
        build->study(build);
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

/* Every sample once in each epoch: only one strategy does that, and only from its beginning. */
static int exact_check(const struct job_entry *entry, const struct strategy *strategy,
                       uint32_t revision, struct evd_error *err)
{
    if (entry->last_batch != LAST_EXACT)
        return EVD_OK;
    if (strcmp(strategy->kind->name, "uniform") != 0)
        return error_set(err, EVD_E_STRATEGY, "last_batch",
                         "\"last_batch\": \"exact\" goes only with the strategy \"uniform\", which "
                         "gives every sample once");
    if (revision > 0)
        return error_set(err, EVD_E_STRATEGY, "last_batch",
                         "an exact job gives every sample once in each epoch: its strategy cannot "
                         "be changed");
    return EVD_OK;
}

struct build *build_new(struct call *call, struct job_entry *entry, const msgpack_object *strategy,
                        uint32_t revision)
{
    struct build *build = calloc(1, sizeof(*build));

    call->err.code = EVD_OK;
    if (!build) {
        rpc_no_memory(&call->err);
        return NULL;
    }
    if (strategy_decode(strategy, entry->dataset, &build->strategy, &call->err) != EVD_OK) {
        free(build);
        return NULL;
    }
    if (exact_check(entry, &build->strategy, revision, &call->err) != EVD_OK) {
        strategy_fini(&build->strategy);
        free(build);
        return NULL;
    }
    build->entry = entry;
    entry_ref(entry);
    build->ticket = ticket_keep(call);
    if (record_prepare(build, call->session->client, &call->err) != EVD_OK) {
        session_unref(build->ticket.session);
        build_free(build);
        return NULL;
    }
    build->input = (struct plan_input){
        .index = &entry->dataset->index,
        .strategy = &build->strategy,
        .seed = entry->seed,
        .revision = revision,
        .batch_size = entry->config.batch_size,
        .last_batch = entry->last_batch,
        .weights = strategy_column(&build->strategy, entry->dataset),
        .cancel = &build->work.cancelled,
        .budget = &entry->rpc->budget,
    };
    return build;
}

int build_send(struct build *build, void (*built)(struct rpc_work *), struct evd_error *err)
{
    /* What follows a report is the job's own affair: it goes on without the reporter. */
    struct session *session = build->wait ? NULL : build->ticket.session;

    build->work.run = build_run;
    build->work.done = built;
    if (work_send(build->entry->rpc, session, &build->work, err) == EVD_OK)
        return EVD_OK;
    session_unref(build->ticket.session);
    build_free(build);
    return err->code;
}

int build_check(const struct build *build, struct evd_error *err)
{
    struct job_entry *entry = build->entry;
    int code = EVD_OK;

    if (build->code != PLAN_OK)
        return plan_error(build->code, &build->refused, err);
    if (!rpc_stream_prepare(entry->rpc, build->plan) || !entry_reserve(entry))
        return rpc_no_memory(err);
    if (plan_epoch(build->plan, 0).steps == 0)
        return error_set(err, EVD_E_STRATEGY, "batch_size",
                         "with this strategy an epoch has not one whole batch of %u: take a "
                         "smaller batch_size or another strategy",
                         entry->config.batch_size);
    for (struct stream *s = entry->streams; code == EVD_OK && s; s = s->next)
        code = rpc_stream_columns(entry, s->format.columns, build->plan, err);
    return code;
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
    preview_free(build->preview);
    report_release(build->wait);
    free(build->cancelled);
    entry_unref(build->entry);
    free(build);
}
