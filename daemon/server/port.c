/* The host's side: connections come and go, frames become calls after the checks that hold for
 * every method, and the server as a whole starts and stops (port.h). Called by the host. */
#include "server/port.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "proto/numbers.h"
#include "server/session.h"
#include "server/task.h"
#include "server/trace.h"

int server_new(struct server **out, const struct server_host *host, struct store *store,
               const struct server_ops *ops, struct evd_error *err)
{
    struct server *server = calloc(1, sizeof(*server));

    if (!server)
        return error_no_memory(err);
    server->host = *host;
    server->ops = ops;
    server->store = store;
    server->started = host->now(host->arg);
    server->tick_at = UINT64_MAX;
    TAILQ_INIT(&server->sessions);
    TAILQ_INIT(&server->lost);
    TAILQ_INIT(&server->output);
    TAILQ_INIT(&server->heavy);
    works_init(&server->works);
    message_init(&server->message);
    buf_init(&server->discard, SERVER_SEND_LIMIT);
    server->jobs = ops->start(server);
    if (!server->jobs) {
        server_free(server);
        return error_no_memory(err);
    }
    *out = server;
    return EVD_OK;
}

int server_load(struct server *server, struct evd_error *err)
{
    return server->ops->load(server->jobs, err);
}

void server_free(struct server *server)
{
    server->store = NULL; /* closed by the host before */
    while (!TAILQ_EMPTY(&server->sessions))
        session_close(&TAILQ_FIRST(&server->sessions)->port);
    assert(TAILQ_EMPTY(&server->heavy));
    if (server->jobs)
        server->ops->free(server->jobs);
    assert(TAILQ_EMPTY(&server->lost));
    buf_fini(&server->discard);
    message_fini(&server->message);
    free(server);
}

/* ---- connections ---- */

struct session_port *session_open(struct server *server, void *conn)
{
    const struct server_host *host = &server->host;
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    buf_init(&session->port.out, SERVER_SEND_LIMIT);
    TAILQ_INIT(&session->drafts);
    TAILQ_INIT(&session->uses);
    session->port.conn = conn;
    session->port.full_at = host->limits.send_buffer;
    session->server = server;
    session->id = ++server->last_session;
    session->key = host->random(host->arg) >> 1; /* fits a signed integer */
    session->heard = server_now(server);
    snprintf(session->peer, sizeof(session->peer), "%s", host->peer(host->arg, conn));
    session->refs = 1;
    TAILQ_INSERT_HEAD(&server->sessions, session, in_list);
    server->session_count++;
    return &session->port;
}

/* As many sessions as there may be connections are waited for. What one more leaves goes to others
 * at once, so that coming and going does not fill the memory. */
static bool resumable(const struct server *server)
{
    return server->lost_count < server->host.limits.connections;
}

void session_silent(struct session_port *port)
{
    struct session *session = (struct session *)port;
    struct server *server = session->server;

    if (session_ending(session))
        return;
    session_enter(session, SESSION_SILENT);
    server->ops->session_silent(session, resumable(server));
    if (session->owed == 0)
        session_hang_up(session);
}

void session_close(struct session_port *port)
{
    struct session *session = (struct session *)port;
    struct server *server = session->server;

    session_enter(session, SESSION_CLOSED);
    tasks_cancel(server, session);
    server->ops->session_gone(session, resumable(server));
    session_written(session);
    TAILQ_REMOVE(&server->sessions, session, in_list);
    server->session_count--;
    buf_fini(&session->port.out);
    if (session->previous)
        session_unref(session->previous);
    session->previous = NULL;
    if (session->stream_count == 0) {
        session_enter(session, SESSION_GONE);
        session_unref(session);
        return;
    }
    session_enter(session, SESSION_LOST);
    TAILQ_INSERT_HEAD(&server->lost, session, in_list);
    server->lost_count++;
}

bool session_full(const struct session_port *port)
{
    return port->out.len + port->in_flight > port->full_at;
}

bool session_working(const struct session_port *port)
{
    const struct session *session = (const struct session *)port;

    return session->stream_count > 0 && session->server->ops->session_working(session);
}

void session_ready(struct session_port *port)
{
    struct session *session = (struct session *)port;

    session->server->ops->session_ready(session);
}

void server_flush(struct server *server)
{
    const struct server_host *host = &server->host;
    struct session *session;

    while ((session = TAILQ_FIRST(&server->output))) {
        session_ref(session);
        session_written(session);
        if (session->port.out.len > 0)
            host->flush(host->arg, session->port.conn);
        if (session->state == SESSION_CLOSING)
            host->close(host->arg, session->port.conn);
        session_unref(session);
    }
}

/* ---- frames ---- */

/* `method`: of enum method, or -1 if there is none of that name. */
static int handle(struct call *call, int method, const struct message *msg)
{
    struct server *server = call->server;

    if (method < 0)
        return method_unknown(msg->method, &call->err);
    call->ticket.method = method_table[method].name;
    if (call->session->state == SESSION_FRESH && method != METHOD_hello)
        return error_set(&call->err, EVD_E_HELLO_REQUIRED, "hello",
                         "the first request of a connection must be hello {protocol: %u, client}",
                         EVD_PROTOCOL_VERSION);
    if (server->phase == SERVER_STOPPED ||
        (server->phase == SERVER_DRAINING && !(method_table[method].traits & METHOD_ENDING)))
        return error_set(&call->err, EVD_E_SHUTTING_DOWN, "", "the daemon is stopping");
    if (method_decode((enum method)method, msg->params, &server->params, &call->err) != EVD_OK)
        return call->err.code;
    return server->ops->call(call, (enum method)method, &server->params);
}

/* The job or dataset that a message of a method with these traits names. */
static struct evd_str subject(const struct message *msg, unsigned traits)
{
    const msgpack_object *params = msg->params->via.array.ptr;
    uint32_t fields = msg->params->via.array.size > 0 ? params->via.map.size : 0;

    for (uint32_t i = 0; i < fields; i++) {
        const msgpack_object_kv *field = &params->via.map.ptr[i];
        struct evd_str key, value;

        if (text_from(&field->key, &key) && text_from(&field->val, &value) &&
            ((traits & METHOD_OF_JOB && str_is(key, "job")) ||
             (traits & METHOD_OF_DATASET && str_is(key, "dataset")) ||
             (traits & METHOD_OF_NAME && str_is(key, "name"))))
            return value;
    }
    return (struct evd_str){"", 0};
}

/* What a message is about, as text; empty if it is too long to be a name. */
static void subject_text(const struct message *msg, unsigned traits, char *name)
{
    struct evd_str about = subject(msg, traits);

    name[0] = '\0';
    if (about.len <= EVD_MAX_NAME)
        str_copy(name, about);
}

/* Handles it, and says so to whoever runs the daemon and wants to know. What takes time may still
 * fail later. */
static int handle_and_log(struct call *call, int method, const struct message *msg)
{
    struct server *server = call->server;
    const struct session *session = call->session;
    unsigned traits = method < 0 ? 0 : method_table[method].traits;
    bool told = server->host.verbose && !(traits & METHOD_QUIET);
    char name[EVD_MAX_NAME + 1];
    int code;

    if (!told && !server->host.trace)
        return handle(call, method, msg);
    subject_text(msg, traits, name);
    TRACE(server, name, "session %" PRIu64 ": %s #%" PRIu32 " %s", session->id,
          method < 0 ? "?" : method_table[method].name, call->ticket.id, name);
    code = handle(call, method, msg);
    if (code)
        TRACE(server, name, "session %" PRIu64 ": %s #%" PRIu32 " refused: %s", session->id,
              call->ticket.method, call->ticket.id, call->err.message);
    if (told)
        server_tell(server, "%s, %s: %s %s%s%s", session->peer, session->client,
                    call->ticket.method, name, code ? ": " : "", code ? call->err.message : "");
    return code;
}

void session_frame(struct session_port *port, const uint8_t *bytes, size_t n)
{
    struct session *session = (struct session *)port;
    struct server *server = session->server;
    struct message *msg = &server->message;
    struct call call;
    bool has_id = false;
    int method, code;

    if (session_ending(session))
        return;
    session->heard = server_now(server);
    if (message_decode(msg, bytes, n, &has_id, &call.err) != EVD_OK) {
        session_reject(port, &call.err, has_id, msg->id);
        return;
    }
    if (msg->type == MESSAGE_RESPONSE) {
        error_set(&call.err, EVD_E_PROTOCOL, "",
                  "the daemon sends no requests: a response has no place here");
        session_reject(port, &call.err, false, 0);
        return;
    }
    call.server = server;
    call.session = session;
    call.ticket.session = session;
    call.ticket.request = msg->type == MESSAGE_REQUEST;
    call.ticket.id = msg->id;
    call.ticket.method = "";
    method = method_find(msg->method.data, msg->method.len);
    code = handle_and_log(&call, method, msg);
    if (code != EVD_OK)
        answer_error(&call.ticket, &call.err);
}

bool session_greeted(const struct session_port *port)
{
    return ((const struct session *)port)->state == SESSION_GREETED;
}

void session_reject(struct session_port *port, const struct evd_error *err, bool has_id,
                    uint32_t id)
{
    struct session *session = (struct session *)port;
    struct ticket ticket = {.session = session, .request = has_id, .id = id, .method = ""};

    answer_error(&ticket, err);
    session_hang_up(session);
}

/* ---- time, and the end ---- */

void server_tick(struct server *server)
{
    server->tick_at = UINT64_MAX;
    server_wake_at(server, server->ops->tick(server->jobs, server_now(server)));
}

void server_drain(struct server *server)
{
    server->phase = SERVER_DRAINING;
    tasks_cancel(server, NULL);
    server->ops->drain(server->jobs);
}

uint32_t server_outstanding(const struct server *server)
{
    return server->ops->outstanding(server);
}

void server_stop(struct server *server)
{
    server->phase = SERVER_STOPPED;
    tasks_cancel(server, NULL);
    server->ops->stop(server->jobs);
}
