/*
 * Sessions: connections, and what is left of those whose workers may come back; and answers to
 * their messages.
 *
 *     FRESH --hello--> GREETED ----> CLOSING     no more frames; to be closed when its output is
 *       |                 |            |  ^      written
 *       +-----------------+            |  |
 *       |                 +-------> SILENT       no more frames; CLOSING when all is answered
 *       +------------------------------+
 *                         v
 *                      CLOSED                    the connection is gone: what it leaves behind is
 *                       |   |                    given up, or waits
 *                       |   +--> LOST            its streams can be resumed
 *                       v         |
 *                      GONE <-----+              freed when nobody holds it
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "proto/limits.h"
#include "server/server.h"

enum session_state {
    SESSION_FRESH,
    SESSION_GREETED,
    SESSION_SILENT,
    SESSION_CLOSING,
    SESSION_CLOSED,
    SESSION_LOST,
    SESSION_GONE,
};

struct draft;
struct stream;
struct use;
TAILQ_HEAD(draft_list, draft);
TAILQ_HEAD(use_list, use);

struct session {
    struct session_port port; /* first: the host's view of it */
    struct server *server;
    enum session_state state;
    bool queued; /* in server->output */
    uint32_t refs;
    uint64_t id;
    uint64_t key;                  /* who knows it may resume the session */
    char client[EVD_MAX_NAME + 1]; /* what hello said; recorded as the author of revisions */
    char peer[128];                /* who is at the other end, for people */
    uint64_t heard;                /* when its last frame came */
    struct session *previous; /* the one it resumed: its lost streams can be opened again; held */
    uint32_t owed;            /* tasks that will answer it */
    uint32_t heavy_count;     /* tasks on its account that work or wait for their turn */
    struct works_account works;
    /* Of the rooms above: its streams, its drafts, and the last numbers given out to such. */
    struct stream *streams[EVD_MAX_STREAMS];
    uint32_t stream_count, last_stream;
    struct draft_list drafts;
    struct use_list uses; /* what it uses of jobs and datasets */
    uint32_t draft_count, last_draft;
    TAILQ_ENTRY(session) in_list;   /* server->sessions or ->lost */
    TAILQ_ENTRY(session) in_output; /* server->output */
};

/* An answer that is owed to a message, now or later; the session may be gone when it comes. */
struct ticket {
    struct session *session;
    uint32_t id;
    bool request;       /* else a notification: results are dropped, errors become `error` */
    const char *method; /* static */
    size_t mark;        /* where the answer begins, between answer_begin and answer_end */
    msgpack_packer packer;
};

/* A message that is being handled. */
struct call {
    struct server *server;
    struct session *session;
    struct ticket ticket;
    struct evd_error err;
};

/* It has a connection, and answers can be sent. */
bool session_connected(const struct session *session);
/* Nothing more is to be drawn for it. */
bool session_ending(const struct session *session);
/* The only way to change its state. */
void session_enter(struct session *session, enum session_state state);
/* The session whose streams a client may have again, made lost if it is not; NULL. */
struct session *session_resume(struct server *server, uint64_t id, uint64_t key);
/* It has streams now, or has none: its connection comes first, or does not. */
void session_note_streams(struct session *session);
/* One of its streams is gone; when the last of a lost session is, nobody can resume anything of it.
 */
void session_stream_gone(struct session *session);

/* A task will answer it; and has, or will not. Who sends no more is hung up after the last. */
void session_owe(struct session *session);
void session_paid(struct session *session);

void session_ref(struct session *session);
void session_unref(struct session *session);

/* The packer of a notification's map, and its end. Too long or no memory disconnects the peer. */
size_t session_notify(struct session *session, const char *method, msgpack_packer *pk);
void session_notified(struct session *session, msgpack_packer *pk, size_t mark);
/* Something was appended to its output: it is to be flushed; and nothing is to be flushed any more.
 */
void session_wrote(struct session *session);
void session_written(struct session *session);
/* Closes it when its output is written. */
void session_hang_up(struct session *session);

/* Starts the answer, a map that the caller packs and answer_end ends. */
msgpack_packer *answer_begin(struct ticket *ticket);
/* A result that does not fit is replaced by an error. EVD_OK, for the handler to return. */
int answer_end(struct ticket *ticket);
void answer_error(struct ticket *ticket, const struct evd_error *err);

#endif
