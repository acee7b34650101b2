#include "rpc/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t column_width[COLUMN_COUNT] = {
#define COLUMN_WIDTH(id, name, type) [COLUMN_##id] = sizeof(type),
    EVD_COLUMNS(COLUMN_WIDTH)
#undef COLUMN_WIDTH
};

int rpc_new(struct rpc **out, const struct rpc_host *host, struct store *store,
            struct evd_error *err)
{
    struct rpc *rpc = calloc(1, sizeof(*rpc));

    if (!rpc)
        return error_no_memory(err);
    rpc->host = *host;
    rpc->store = store;
    rpc->started = host->now(host->arg);
    rpc->next_id = 1;
    rpc->tick_at = UINT64_MAX;
    TAILQ_INIT(&rpc->heavy);
    TAILQ_INIT(&rpc->orphans);
    atomic_init(&rpc->budget.used, 0);
    atomic_init(&rpc->budget.limit, UINT64_MAX); /* what is stored is loaded whatever it takes */
    message_init(&rpc->message);
    buf_init(&rpc->discard, RPC_SEND_LIMIT);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        rpc->columns[i] = aligned_alloc(64, EVD_MAX_BATCH * column_width[i]);
        if (!rpc->columns[i]) {
            rpc_free(rpc);
            return error_no_memory(err);
        }
    }
    *out = rpc;
    return EVD_OK;
}

int rpc_submit(struct rpc *rpc, struct store_op *op, struct evd_error *err)
{
    if (!rpc->store)
        return error_set(err, EVD_E_SHUTTING_DOWN, "", "the daemon is stopping");
    return store_submit(rpc->store, op, err);
}

void rpc_free(struct rpc *rpc)
{
    rpc->store = NULL; /* closed by the host before */
    while (rpc->sessions)
        rpc_session_close(&rpc->sessions->port);
    while (rpc->lost_sessions)
        rpc_stream_close(rpc->lost_sessions->streams[0]);
    while (rpc->job_count > 0)
        entry_remove(rpc->jobs[rpc->job_count - 1]);
    drafts_free(rpc);
    while (rpc->dataset_count > 0)
        datasets_remove(rpc, &rpc->datasets[rpc->dataset_count - 1]);
    free(rpc->jobs);
    free(rpc->datasets);
    free(rpc->scratch);
    for (int i = 0; i < COLUMN_COUNT; i++)
        free(rpc->columns[i]);
    buf_fini(&rpc->discard);
    message_fini(&rpc->message);
    free(rpc);
}

void rpc_log(struct rpc *rpc, bool warning, const char *format, ...)
{
    char text[1024];
    va_list ap;

    if (!warning && !rpc->host.verbose)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?'; /* a peer's name for something writes no lines of its own */
    }
    rpc->host.log(rpc->host.arg, warning, text);
}

static int dispatch(struct call *call, enum method method, const union params *params)
{
    switch (method) {
#define DISPATCH(id, ...)                                                                          \
    case METHOD_##id:                                                                              \
        return do_##id(call, &params->id);
        EVD_METHODS(DISPATCH)
#undef DISPATCH
    case METHOD_COUNT:
        break;
    }
    return error_set(&call->err, EVD_E_INTERNAL, "", "a method without a handler");
}

/* `method`: of enum method, or -1 if there is none of that name. */
static int handle(struct call *call, int method, const struct message *msg)
{
    struct rpc *rpc = call->rpc;

    if (method < 0)
        return method_unknown(msg->method, &call->err);
    call->ticket.method = method_table[method].name;
    if (!call->session->greeted && method != METHOD_hello)
        return error_set(&call->err, EVD_E_HELLO_REQUIRED, "hello",
                         "the first request of a connection must be hello {protocol: %u, client}",
                         EVD_PROTOCOL_VERSION);
    if (rpc->stopping || (rpc->draining && !(method_table[method].traits & METHOD_ENDING)))
        return error_set(&call->err, EVD_E_SHUTTING_DOWN, "", "the daemon is stopping");
    if (method_decode((enum method)method, msg->params, &rpc->params, &call->err) != EVD_OK)
        return call->err.code;
    return dispatch(call, (enum method)method, &rpc->params);
}

/* The job or dataset that a message of a method with these traits names. */
static struct evd_str subject(const struct message *msg, unsigned traits)
{
    const msgpack_object *params = msg->params->via.array.ptr;
    uint32_t fields = msg->params->via.array.size > 0 ? params->via.map.size : 0;

    for (uint32_t i = 0; i < fields; i++) {
        const msgpack_object_kv *field = &params->via.map.ptr[i];
        struct evd_str key = {field->key.via.str.ptr, field->key.via.str.size};

        if (field->key.type == MSGPACK_OBJECT_STR && field->val.type == MSGPACK_OBJECT_STR &&
            ((traits & METHOD_OF_JOB && str_is(key, "job")) ||
             (traits & METHOD_OF_DATASET && str_is(key, "dataset")) ||
             (traits & METHOD_OF_NAME && str_is(key, "name"))))
            return (struct evd_str){field->val.via.str.ptr, field->val.via.str.size};
    }
    return (struct evd_str){"", 0};
}

/* `code`: how handling it began; what takes time may still fail. */
static void log_call(const struct call *call, int method, const struct message *msg, int code)
{
    const struct session *session = call->session;
    unsigned traits = method < 0 ? 0 : method_table[method].traits;
    struct evd_str about = subject(msg, traits);

    if (!call->rpc->host.verbose || traits & METHOD_QUIET)
        return;
    rpc_log(call->rpc, false, "%s, %s: %s %.*s%s%s", session->peer, session->client,
            call->ticket.method, about.len < EVD_MAX_NAME ? (int)about.len : (int)EVD_MAX_NAME,
            about.data, code ? ": " : "", code ? call->err.message : "");
}

void rpc_frame(struct rpc_session *port, const uint8_t *bytes, size_t n)
{
    struct session *session = (struct session *)port;
    struct call call;
    bool has_id = false;
    struct message *msg = &session->rpc->message;
    int method, code;

    if (session->closing)
        return;
    session->heard = rpc_now(session->rpc);
    if (message_decode(msg, bytes, n, &has_id, &call.err) != EVD_OK) {
        rpc_reject(port, &call.err, has_id, msg->id);
        return;
    }
    if (msg->type == MESSAGE_RESPONSE) {
        error_set(&call.err, EVD_E_PROTOCOL, "",
                  "the daemon sends no requests: a response has no place here");
        rpc_reject(port, &call.err, false, 0);
        return;
    }
    call.rpc = session->rpc;
    call.session = session;
    call.ticket.session = session;
    call.ticket.request = msg->type == MESSAGE_REQUEST;
    call.ticket.id = msg->id;
    call.ticket.method = "";
    method = method_find(msg->method.data, msg->method.len);
    code = handle(&call, method, msg);
    log_call(&call, method, msg, code);
    if (code != EVD_OK)
        answer_error(&call.ticket, &call.err);
}

void rpc_reject(struct rpc_session *port, const struct evd_error *err, bool has_id, uint32_t id)
{
    struct session *session = (struct session *)port;
    struct ticket ticket = {.session = session, .request = has_id, .id = id, .method = ""};

    answer_error(&ticket, err);
    session_hang_up(session);
}

uint64_t rpc_now(const struct rpc *rpc)
{
    return rpc->host.now(rpc->host.arg);
}

void rpc_wake_at(struct rpc *rpc, uint64_t when)
{
    uint64_t now;

    if (when >= rpc->tick_at)
        return;
    rpc->tick_at = when;
    now = rpc_now(rpc);
    rpc->host.arm(rpc->host.arg, when > now ? when - now : 0);
}

void rpc_tick(struct rpc *rpc)
{
    uint64_t now = rpc_now(rpc), next = UINT64_MAX;

    rpc->tick_at = UINT64_MAX;
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        uint64_t due = entry_tick(rpc->jobs[i], now);

        if (due < next)
            next = due;
    }
    drafts_tick(rpc);
    rpc_wake_at(rpc, next);
}

void rpc_drain(struct rpc *rpc)
{
    struct job_event event = {.kind = JOB_DRAIN};
    struct evd_error err;

    rpc->draining = true;
    tasks_cancel(rpc, NULL);
    for (uint32_t i = 0; i < rpc->job_count; i++) {
        if (rpc->jobs[i]->job)
            entry_drive(rpc->jobs[i], &event, &err);
    }
}

uint32_t rpc_outstanding(const struct rpc *rpc)
{
    uint32_t held = 0;

    for (const struct session *session = rpc->sessions; session; session = session->next) {
        for (uint32_t i = 0; i < session->stream_count; i++) {
            const struct stream *stream = session->streams[i];
            struct job_stream_info info;

            job_stream_info(stream->worker, &info);
            held += info.held;
        }
    }
    return held;
}

void rpc_stop(struct rpc *rpc)
{
    rpc->stopping = true;
    tasks_cancel(rpc, NULL);
    for (struct session *session = rpc->sessions; session; session = session->next) {
        for (uint32_t i = 0; i < session->stream_count; i++)
            rpc_stream_closed(session->streams[i], EVD_E_SHUTTING_DOWN,
                              "the daemon is stopping: connect again when it is back");
    }
    for (uint32_t i = 0; i < rpc->job_count; i++)
        entry_flush(rpc->jobs[i]);
}
