/*
 * Inside of rpc/: what the calls share. Everything here belongs to the loop thread.
 *
 * Names: a `session` is a connection, a `stream` one attached worker of it, a `draft` a dataset
 * that is being sent, a `job_entry` a job with all that the job core does not know about it.
 */
#ifndef RPC_CORE_H
#define RPC_CORE_H

#include <sys/queue.h>
#include "rpc/rpc.h"
#include "dataset/dataset.h"
#include "feedback/feedback.h"
#include "job/job.h"
#include "proto/batch.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/methods.h"
#include "replay/plan.h"
#include "replay/position.h"
#include "replay/records.h"
#include "sampler/plan.h"

#define RPC_SERVER_NAME "evendrawd " EVD_VERSION

struct task;
struct draft;
TAILQ_HEAD(task_list, task);
TAILQ_HEAD(draft_list, draft);

struct session {
    struct rpc_session port; /* first: the host's view of it */
    struct rpc *rpc;
    uint64_t id;
    uint64_t key;                  /* who knows it may resume the session */
    char client[EVD_MAX_NAME + 1]; /* what hello said; recorded as the author of revisions */
    char peer[128];
    uint64_t heard;           /* when its last frame came */
    struct session *previous; /* the one it resumed: its lost streams can be opened again; held */
    bool greeted;
    bool open;    /* until rpc_session_close */
    bool lost;    /* after that, while it has streams that wait to be resumed */
    bool closing; /* to be closed when its output is written */
    bool queued;  /* in rpc->output */
    uint32_t refs;
    uint32_t last_stream, last_draft; /* numbers given out */
    struct stream *streams[EVD_MAX_STREAMS];
    uint32_t stream_count;
    struct draft_list drafts;
    uint32_t draft_count;
    uint32_t heavy_count;        /* tasks on its account that work or wait for their turn */
    struct session *prev, *next; /* all sessions, or all that are lost */
    struct session *output_prev, *output_next; /* those to flush */
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

/* A message being handled. A handler answers, or keeps the ticket for later, and returns EVD_OK; or
 * it returns what it put into err, which is then the answer. */
struct call {
    struct rpc *rpc;
    struct session *session;
    struct ticket ticket;
    struct evd_error err;
};

struct stream {
    struct session *session;
    struct job_entry *entry;
    struct job_stream *worker; /* the job core's side of it */
    bool lost;                 /* its connection; it waits to be resumed */
    uint64_t served_samples;
    uint32_t number; /* unique in the connection */
    uint32_t rank, world;
    uint32_t window;
    uint32_t generation; /* of the last batch */
    struct batch_format format;
    bool blocked;               /* the session was full: JOB_READY is due */
    bool owed;                  /* a batch was handed out while the session was full: `late` */
    struct job_effect late;     /* holds a reference to its plan */
    struct stream *prev, *next; /* of the job */
};

enum job_status {
    JOB_STATUS_CREATING, /* the name is taken, nothing else */
    JOB_STATUS_LIVE,
    JOB_STATUS_DROPPING, /* until the store has answered */
    JOB_STATUS_DROPPED,  /* out of the table; pending work may still hold it */
    JOB_STATUS_FAILED,   /* could not be restored: see failure */
};

struct job_entry {
    struct rpc *rpc;
    enum job_status status;
    uint32_t refs;
    uint64_t id; /* in the store */
    char name[EVD_MAX_NAME + 1];
    uint32_t name_len;
    struct dataset *dataset; /* holds one of its users; NULL in a failed entry without one */
    struct job_config config;
    enum last_batch last_batch;
    uint64_t seed, created;
    struct job_position mark; /* as loaded */
    bool attended;            /* likewise */
    struct job *job;          /* while LIVE or DROPPING */
    struct evd_error failure;
    struct records records;
    char world_author[EVD_MAX_NAME + 1]; /* who attached last */
    struct update *update;               /* the one update in progress */
    struct seek *seek;                   /* the one seek in progress */
    struct stream *streams;
    struct ack *acks; /* acknowledgements to be confirmed */
    struct job_stats *stats;
    struct feedback *feedback; /* what was reported; NULL: nothing yet */
    struct adaptive *adaptive;
    uint64_t flush_at;    /* when JOB_FLUSH is due; UINT64_MAX: not */
    bool store_progress;  /* the job core asked for it in this step */
    int revision_refused; /* the store did not even take the revision: this code */
    int seek_refused;     /* likewise */
};

struct dataset_entry {
    struct dataset *dataset;
    bool dropping; /* until the store has answered; nobody finds it */
};

struct rpc {
    struct rpc_host host;
    struct store *store;
    uint64_t started; /* host->now */
    uint64_t next_id; /* of datasets and jobs in the store */
    uint64_t last_session;
    bool draining, stopping;
    uint64_t tick_at; /* when rpc_tick was asked for; UINT64_MAX: not */
    struct session *sessions, *lost_sessions;
    uint32_t session_count, lost_count, stream_count;
    struct session *output;
    struct dataset_entry *datasets; /* by name and version */
    uint32_t dataset_count, dataset_cap;
    struct job_entry **jobs; /* by name */
    uint32_t job_count, job_cap;
    struct task_list heavy; /* tasks that work or wait for their turn */
    struct plan_budget budget;
    uint64_t reported;         /* bytes of what was reported of all jobs */
    struct draft_list orphans; /* drafts of sessions that are gone, and those that failed */
    struct message message;    /* the frame at hand */
    union params params;
    struct evd_buf discard; /* where answers go that nobody wants */
    /* Drawing: working memory and columns, enough for every plan and batch. */
    void *scratch;
    size_t scratch_size;
    void *columns[COLUMN_COUNT];
};

/* ---- session.c: sessions and their output ---- */

/* The session whose streams a client may have again, made lost if it is not; NULL. */
struct session *session_resume(struct rpc *rpc, uint64_t id, uint64_t key);
/* Lost, and without streams now: nobody can resume anything of it. */
void session_forget(struct session *session);

void session_ref(struct session *session);
void session_unref(struct session *session);
/* The packer of a new message, and its end: too long or no memory disconnects the peer. */
size_t session_begin(struct session *session, msgpack_packer *pk);
void session_end(struct session *session, size_t mark);
void session_wrote(struct session *session);
void session_hang_up(struct session *session);

struct ticket ticket_keep(struct call *call); /* holds the session until answered */
/* Starts the answer; the caller packs the entries of the result's map and ends it. */
msgpack_packer *answer_begin(struct ticket *ticket);
/* A result that does not fit is replaced by an error. */
void answer_end(struct ticket *ticket);
void answer_error(struct ticket *ticket, const struct evd_error *err);
/* The same for kept tickets, which end with it. */
void ticket_end(struct ticket *ticket);
void ticket_error(struct ticket *ticket, const struct evd_error *err);

/* ---- tables.c: datasets and jobs by name ---- */

/* version 0: the newest. NULL and NOT_FOUND. */
struct dataset *datasets_find(struct rpc *rpc, struct evd_str name, uint32_t version,
                              struct evd_error *err);
uint32_t datasets_highest(struct rpc *rpc, struct evd_str name);
/* Takes the dataset over; false without memory. */
bool datasets_insert(struct rpc *rpc, struct dataset *dataset);
struct dataset_entry *datasets_entry(struct rpc *rpc, const struct dataset *dataset);
void datasets_remove(struct rpc *rpc, struct dataset_entry *entry);

struct job_entry *entry_find(struct rpc *rpc, struct evd_str name);
/* A job that serves: NULL and NOT_FOUND, CONFLICT or why it failed. */
struct job_entry *entry_find_live(struct rpc *rpc, struct evd_str name, struct evd_error *err);
/* A new entry outside the table, for the caller to entry_unref; NULL without memory. */
struct job_entry *entry_new(struct rpc *rpc, struct evd_str name, struct dataset *dataset);
/* A new entry in the table, its name reserved; NULL without memory. */
struct job_entry *entry_insert(struct rpc *rpc, struct evd_str name, struct dataset *dataset);
/* Out of the table; freed when nobody holds it. */
void entry_remove(struct job_entry *entry);
/* What all its plans have in common, and whose its tokens are. */
struct plan_base entry_plan_base(const struct job_entry *entry);
struct position_owner entry_position_owner(const struct job_entry *entry);
/* Notes how many ranks there are now, if that is not noted; false without memory. */
bool entry_note_world(struct job_entry *entry) __attribute__((warn_unused_result));
void entry_ref(struct job_entry *entry);
void entry_unref(struct job_entry *entry);
/* ---- entry.c: events into the job core, effects out of it ---- */

/* job_step with the clock, and everything that its effects ask for. */
int entry_drive(struct job_entry *entry, struct job_event *event, struct evd_error *err);
/* The sink of every job; arg is its entry. */
bool entry_effect(void *arg, const struct job_effect *effect);
void entry_flush(struct job_entry *entry);
/* What is due; returns when something will be. */
uint64_t entry_tick(struct job_entry *entry, uint64_t now);

/* An acknowledgement whose sender waits for the commit. */
struct ack {
    struct ticket ticket;
    struct job_entry *entry;
    struct job_position at;
    uint32_t stream;
    struct ack *prev, *next;
};
void ack_answer(struct ack *ack, int code);
void ack_drop(struct ack *ack); /* unanswered */

/* ---- stream_calls.c ---- */

bool rpc_stream_deliver(struct stream *stream, const struct job_effect *effect);
void rpc_stream_epoch_end(struct stream *stream, const struct job_effect *effect);
void rpc_stream_drained(struct stream *stream, const struct job_effect *effect);
void rpc_stream_revision(struct stream *stream, const struct job_effect *effect);
void rpc_stream_moved(struct stream *stream, const struct job_effect *effect);
void rpc_stream_closed(struct stream *stream, int code, const char *message);
/* Takes the worker off its job and frees the stream. */
void rpc_stream_close(struct stream *stream);
/* Its connection is gone: it waits for the job's grace period, if there is one. */
void rpc_stream_lost(struct stream *stream);
/* The job core has given it up. */
void rpc_stream_gone(struct stream *stream);
struct stream *rpc_stream_find(struct session *session, uint32_t number, struct evd_error *err);
/* Adds the columns an optional array names to a format. */
int rpc_columns_decode(const msgpack_object *object, struct batch_format *format,
                       struct evd_error *err);
/* The session has room again. */
void rpc_stream_ready(struct stream *stream);
/* EVD_E_STRATEGY if the plan cannot answer these columns. */
int rpc_stream_columns(const struct job_entry *entry, uint32_t columns, const struct plan *plan,
                       struct evd_error *err);
/* Working memory for draws of this plan; false without memory. */
bool rpc_stream_prepare(struct rpc *rpc, const struct plan *plan);

/* ---- draft.c ---- */

/* The session is gone. */
void drafts_orphan(struct session *session);
/* Asks the store again to drop what it could not be asked to drop. */
void drafts_tick(struct rpc *rpc);
void drafts_free(struct rpc *rpc);
uint32_t drafts_count(struct rpc *rpc);
uint64_t drafts_memory(const struct rpc *rpc); /* bytes */

/* ---- stats.c ---- */

void job_stats_free(struct job_stats *stats); /* NULL is fine */

/* ---- adaptive.c ---- */

void adaptive_free(struct adaptive *adaptive); /* NULL is fine */

/* ---- handlers: one for each method, wherever it fits ---- */

#define RPC_HANDLER(id, ...) int do_##id(struct call *call, const struct params_##id *p);
EVD_METHODS(RPC_HANDLER)
#undef RPC_HANDLER

/* ---- memory.c ---- */

uint64_t memory_used(const struct rpc *rpc);
/* Plans may take what datasets and drafts leave, as it is now. */
void memory_settle(struct rpc *rpc);
/* EVD_E_LIMIT if so many bytes more do not fit. */
int memory_room(struct rpc *rpc, uint64_t more, const char *what, struct evd_error *err);

/* ---- small things ---- */

void rpc_log(struct rpc *rpc, bool warning, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Has rpc_tick called at that time, or before. */
void rpc_wake_at(struct rpc *rpc, uint64_t when);
uint64_t rpc_now(const struct rpc *rpc);
/* store_submit, while there is a store. */
int rpc_submit(struct rpc *rpc, struct store_op *op, struct evd_error *err);

#endif
