#include "rpc/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void link_to(struct session **list, struct session *session)
{
    session->prev = NULL;
    session->next = *list;
    if (session->next)
        session->next->prev = session;
    *list = session;
}

static void unlink_from(struct session **list, struct session *session)
{
    if (session->prev)
        session->prev->next = session->next;
    else
        *list = session->next;
    if (session->next)
        session->next->prev = session->prev;
}

/* As many sessions as there may be connections are waited for. What one more leaves goes to others
 * at once, so that coming and going does not fill the memory. */
static void give_up_streams(struct session *session)
{
    while (session->stream_count > 0)
        rpc_stream_close(session->streams[session->stream_count - 1]);
}

static void lose_streams(struct session *session)
{
    for (uint32_t i = session->stream_count; i-- > 0;) {
        if (!session->streams[i]->lost)
            rpc_stream_lost(session->streams[i]);
    }
}

struct rpc_session *rpc_session_open(struct rpc *rpc, void *conn)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    buf_init(&session->port.out, RPC_SEND_LIMIT);
    session->port.conn = conn;
    session->rpc = rpc;
    session->id = ++rpc->last_session;
    session->key = rpc->host.random(rpc->host.arg) >> 1; /* fits a signed integer */
    session->heard = rpc_now(rpc);
    snprintf(session->peer, sizeof(session->peer), "%s", rpc->host.peer(rpc->host.arg, conn));
    session->open = true;
    session->refs = 1;
    link_to(&rpc->sessions, session);
    rpc->session_count++;
    return &session->port;
}

static void output_unlink(struct session *session)
{
    if (!session->queued)
        return;
    session->queued = false;
    if (session->output_prev)
        session->output_prev->output_next = session->output_next;
    else
        session->rpc->output = session->output_next;
    if (session->output_next)
        session->output_next->output_prev = session->output_prev;
    session->output_prev = session->output_next = NULL;
}

void rpc_session_close(struct rpc_session *port)
{
    struct session *session = (struct session *)port;
    struct rpc *rpc = session->rpc;

    session->open = false;
    session->closing = true; /* nothing is drawn for it any more */
    works_cancel(rpc, session);
    for (uint32_t i = 0; session->waiting > 0 && i < rpc->job_count; i++)
        stats_forget(rpc->jobs[i], session);
    if (rpc->lost_count < rpc->host.limits.connections)
        lose_streams(session);
    else
        give_up_streams(session);
    drafts_die(session);
    output_unlink(session);
    unlink_from(&rpc->sessions, session);
    rpc->session_count--;
    buf_fini(&session->port.out);
    if (session->previous)
        session_unref(session->previous);
    session->previous = NULL;
    if (session->stream_count == 0) {
        session_unref(session);
        return;
    }
    session->lost = true;
    link_to(&rpc->lost_sessions, session);
    rpc->lost_count++;
}

void session_forget(struct session *session)
{
    session->lost = false;
    unlink_from(&session->rpc->lost_sessions, session);
    session->rpc->lost_count--;
    session_unref(session);
}

static struct session *find_session(struct session *list, uint64_t id, uint64_t key)
{
    for (; list; list = list->next) {
        if (list->id == id && list->key == key && list->greeted)
            return list;
    }
    return NULL;
}

struct session *session_resume(struct rpc *rpc, uint64_t id, uint64_t key)
{
    struct session *session = find_session(rpc->lost_sessions, id, key);

    if (session)
        return session;
    session = find_session(rpc->sessions, id, key);
    if (!session)
        return NULL;
    /* Its connection is dead and nobody has noticed yet. */
    lose_streams(session);
    session_hang_up(session);
    return session;
}

void session_ref(struct session *session)
{
    session->refs++;
}

void session_unref(struct session *session)
{
    if (--session->refs == 0)
        free(session);
}

bool rpc_session_full(const struct rpc_session *port)
{
    const struct session *session = (const struct session *)port;

    return port->out.len + port->in_flight > session->rpc->host.limits.send_buffer;
}

void rpc_session_ready(struct rpc_session *port)
{
    struct session *session = (struct session *)port;

    /* Streams that were blocked go on until the session is full again; a stream cannot vanish
     * meanwhile, since only frames and the host close streams. */
    for (uint32_t i = 0; i < session->stream_count && !rpc_session_full(port); i++) {
        if (session->streams[i]->blocked)
            rpc_stream_ready(session->streams[i]);
    }
}

void session_wrote(struct session *session)
{
    struct rpc *rpc = session->rpc;

    if (session->queued || !session->open)
        return;
    session->queued = true;
    session->output_next = rpc->output;
    if (session->output_next)
        session->output_next->output_prev = session;
    rpc->output = session;
}

void session_hang_up(struct session *session)
{
    session->closing = true;
    session_wrote(session);
}

size_t session_begin(struct session *session, msgpack_packer *pk)
{
    struct evd_buf *buf = session->open ? &session->port.out : &session->rpc->discard;

    if (!session->open)
        buf_truncate(buf, 0);
    buf_packer(buf, pk);
    return buf->len;
}

void session_end(struct session *session, size_t mark)
{
    if (!session->open)
        return;
    if (session->port.out.failed) {
        buf_truncate(&session->port.out, mark);
        session_hang_up(session);
        return;
    }
    session_wrote(session);
}

static bool ticket_heard(const struct ticket *ticket)
{
    return ticket->request && ticket->session->open;
}

struct ticket ticket_keep(struct call *call)
{
    session_ref(call->session);
    return call->ticket;
}

msgpack_packer *answer_begin(struct ticket *ticket)
{
    struct session *session = ticket->session;
    struct evd_buf *buf = ticket_heard(ticket) ? &session->port.out : &session->rpc->discard;

    if (buf == &session->rpc->discard)
        buf_truncate(buf, 0);
    ticket->mark = buf->len;
    buf_packer(buf, &ticket->packer);
    message_result(&ticket->packer, ticket->id);
    pack_map_begin(&ticket->packer);
    if (ticket_heard(ticket)) /* what follows from a report has its ticket, but no such answer */
        pack_map_of(&ticket->packer, ticket->method);
    return &ticket->packer;
}

void answer_end(struct ticket *ticket)
{
    struct evd_buf *out = &ticket->session->port.out;
    struct evd_error err;
    bool too_long;

    pack_map_end(&ticket->packer);
    if (!ticket_heard(ticket))
        return;
    too_long = out->len - ticket->mark > EVD_MAX_REPLY_FRAME;
    if (!too_long && !out->failed) {
        session_wrote(ticket->session);
        return;
    }
    buf_truncate(out, ticket->mark);
    if (too_long)
        error_set(&err, EVD_E_LIMIT, "reply_frame",
                  "the answer is longer than %u bytes: ask for less at once", EVD_MAX_REPLY_FRAME);
    else
        rpc_no_memory(&err);
    answer_error(ticket, &err);
}

/* An error to a notification has no answer to stand in. */
static void notify_error(const struct ticket *ticket, const struct evd_error *err)
{
    msgpack_packer pk;
    size_t mark = session_begin(ticket->session, &pk);

    message_notification(&pk, "error");
    pack_map_begin(&pk);
    pack_map_of(&pk, "error");
    pack_key_u64(&pk, "code", (uint64_t)err->code);
    pack_key_cstr(&pk, "message", err->message);
    pack_key_cstr(&pk, "name", error_name(err->code));
    pack_key_cstr(&pk, "detail", err->detail);
    pack_key_cstr(&pk, "method", ticket->method);
    pack_map_end(&pk);
    session_end(ticket->session, mark);
}

void answer_error(struct ticket *ticket, const struct evd_error *err)
{
    msgpack_packer pk;
    size_t mark;

    if (!ticket->session->open)
        return;
    if (!ticket->request) {
        notify_error(ticket, err);
        return;
    }
    mark = session_begin(ticket->session, &pk);
    message_error(&pk, ticket->id, err);
    session_end(ticket->session, mark);
}

void ticket_end(struct ticket *ticket)
{
    answer_end(ticket);
    session_unref(ticket->session);
}

void ticket_error(struct ticket *ticket, const struct evd_error *err)
{
    answer_error(ticket, err);
    session_unref(ticket->session);
}

void rpc_settle(struct rpc *rpc)
{
    struct session *session;

    while ((session = rpc->output)) {
        session_ref(session);
        output_unlink(session);
        if (session->port.out.len > 0)
            rpc->host.flush(rpc->host.arg, session->port.conn);
        if (session->open && session->closing)
            rpc->host.close(rpc->host.arg, session->port.conn);
        session_unref(session);
    }
}
