/* A session's states, its output, and answers (session.h). Called by port.c, and by whoever
 * answers. */
#include "server/session.h"

#include <assert.h>
#include <stdlib.h>

void session_enter(struct session *session, enum session_state to)
{
    static const uint8_t from[] = {
        [SESSION_FRESH] = 0,
        [SESSION_GREETED] = 1u << SESSION_FRESH,
        [SESSION_SILENT] = 1u << SESSION_FRESH | 1u << SESSION_GREETED,
        [SESSION_CLOSING] = 1u << SESSION_FRESH | 1u << SESSION_GREETED | 1u << SESSION_SILENT,
        [SESSION_CLOSED] = 1u << SESSION_FRESH | 1u << SESSION_GREETED | 1u << SESSION_SILENT |
                           1u << SESSION_CLOSING,
        [SESSION_LOST] = 1u << SESSION_CLOSED,
        [SESSION_GONE] = 1u << SESSION_CLOSED | 1u << SESSION_LOST,
    };

    assert(from[to] & 1u << session->state);
    session->state = to;
}

bool session_connected(const struct session *session)
{
    return session->state <= SESSION_CLOSING;
}

bool session_ending(const struct session *session)
{
    return session->state >= SESSION_SILENT;
}

void session_written(struct session *session)
{
    if (session->queued)
        TAILQ_REMOVE(&session->server->output, session, in_output);
    session->queued = false;
}

void session_note_streams(struct session *session)
{
    const struct server_host *host = &session->server->host;

    if (session_connected(session))
        host->prefer(host->arg, session->port.conn, session->stream_count > 0);
}

void session_stream_gone(struct session *session)
{
    assert(session->stream_count > 0);
    if (--session->stream_count > 0)
        return;
    session_note_streams(session);
    if (session->state != SESSION_LOST)
        return;
    session_enter(session, SESSION_GONE);
    TAILQ_REMOVE(&session->server->lost, session, in_list);
    session->server->lost_count--;
    session_unref(session);
}

/* Only hello's answer tells the key. */
static struct session *find(const struct session_list *list, uint64_t id, uint64_t key)
{
    struct session *session;

    TAILQ_FOREACH(session, list, in_list) {
        if (session->id == id && session->key == key)
            return session;
    }
    return NULL;
}

struct session *session_resume(struct server *server, uint64_t id, uint64_t key)
{
    struct session *session = find(&server->lost, id, key);

    if (session)
        return session;
    session = find(&server->sessions, id, key);
    if (!session)
        return NULL;
    /* Its connection is dead and nobody has noticed yet. */
    server->ops->session_gone(session, true);
    session_hang_up(session);
    return session;
}

void session_ref(struct session *session)
{
    session->refs++;
}

void session_unref(struct session *session)
{
    assert(session->refs > 0);
    if (--session->refs == 0)
        free(session);
}

void session_owe(struct session *session)
{
    session->owed++;
}

void session_paid(struct session *session)
{
    assert(session->owed > 0);
    if (--session->owed == 0 && session->state == SESSION_SILENT)
        session_hang_up(session);
}

/* ---- output ---- */

void session_wrote(struct session *session)
{
    if (session->queued || !session_connected(session))
        return;
    session->queued = true;
    TAILQ_INSERT_HEAD(&session->server->output, session, in_output);
}

void session_hang_up(struct session *session)
{
    if (session->state < SESSION_CLOSING)
        session_enter(session, SESSION_CLOSING);
    session_wrote(session);
}

/* Where what is written for a session goes: nowhere if nobody hears it. */
static struct evd_buf *output_of(struct session *session, bool heard)
{
    struct evd_buf *discard = &session->server->discard;

    if (heard)
        return &session->port.out;
    buf_truncate(discard, 0);
    return discard;
}

static size_t output_begin(struct session *session, msgpack_packer *pk)
{
    struct evd_buf *buf = output_of(session, session_connected(session));

    buf_packer(buf, pk);
    return buf->len;
}

static void output_end(struct session *session, size_t mark)
{
    if (!session_connected(session))
        return;
    if (session->port.out.failed) {
        buf_truncate(&session->port.out, mark);
        session_hang_up(session);
        return;
    }
    session_wrote(session);
}

size_t session_notify(struct session *session, const char *method, msgpack_packer *pk)
{
    size_t mark = output_begin(session, pk);

    message_notification(pk, method);
    pack_map_begin(pk);
    pack_map_of(pk, method);
    return mark;
}

void session_notified(struct session *session, msgpack_packer *pk, size_t mark)
{
    pack_map_end(pk);
    output_end(session, mark);
}

/* ---- answers ---- */

static bool ticket_heard(const struct ticket *ticket)
{
    return ticket->request && session_connected(ticket->session);
}

msgpack_packer *answer_begin(struct ticket *ticket)
{
    struct evd_buf *buf = output_of(ticket->session, ticket_heard(ticket));

    ticket->mark = buf->len;
    buf_packer(buf, &ticket->packer);
    message_result(&ticket->packer, ticket->id);
    pack_map_begin(&ticket->packer);
    pack_map_of(&ticket->packer, ticket->method);
    return &ticket->packer;
}

int answer_end(struct ticket *ticket)
{
    struct evd_buf *out = &ticket->session->port.out;
    struct evd_error err;
    bool too_long;

    pack_map_end(&ticket->packer);
    if (!ticket_heard(ticket))
        return EVD_OK;
    too_long = out->len - ticket->mark > EVD_MAX_REPLY_FRAME;
    if (!too_long && !out->failed) {
        session_wrote(ticket->session);
        return EVD_OK;
    }
    buf_truncate(out, ticket->mark);
    if (too_long)
        error_set(&err, EVD_E_LIMIT, "reply_frame",
                  "the answer is longer than %u bytes: ask for less at once", EVD_MAX_REPLY_FRAME);
    else
        error_no_memory(&err);
    answer_error(ticket, &err);
    return EVD_OK;
}

/* An error to a notification has no answer to stand in. */
static void notify_error(const struct ticket *ticket, const struct evd_error *err)
{
    msgpack_packer pk;
    size_t mark = session_notify(ticket->session, "error", &pk);

    pack_key_u64(&pk, "code", (uint64_t)err->code);
    pack_key_cstr(&pk, "message", err->message);
    pack_key_cstr(&pk, "name", error_name(err->code));
    pack_key_cstr(&pk, "detail", err->detail);
    pack_key_cstr(&pk, "method", ticket->method);
    session_notified(ticket->session, &pk, mark);
}

void answer_error(struct ticket *ticket, const struct evd_error *err)
{
    msgpack_packer pk;
    size_t mark;

    if (!session_connected(ticket->session))
        return;
    if (!ticket->request) {
        notify_error(ticket, err);
        return;
    }
    mark = output_begin(ticket->session, &pk);
    message_error(&pk, ticket->id, err);
    output_end(ticket->session, mark);
}
