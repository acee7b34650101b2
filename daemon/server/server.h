/*
 * The server as the rooms above it see it: what a request needs before anybody knows what it is
 * about, and what those rooms have to offer in return (struct server_ops).
 *
 *     services.h  what the host gives; port.h: what it calls
 *     session.h   connections, and answers to them
 *     task.h      requests that are answered later; works.h: which of them gets a thread
 *     scrap.h     memory that a pool thread is to free
 *     counters.h  what the server is doing, in numbers
 *
 * Everything belongs to the loop thread.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <sys/queue.h>
#include "proto/message.h"
#include "proto/methods.h"
#include "server/services.h"
#include "server/works.h"
#include "store/store.h"

struct call;
struct counters;
struct jobs;
struct job_entry;
struct server;
struct session;
struct task;
TAILQ_HEAD(session_list, session);
TAILQ_HEAD(task_list, task);

/* A dataset, an attachment of one, or a job, as it was found in the database. */
struct server_thing {
    enum { SERVER_DATASET, SERVER_ATTACHMENT, SERVER_JOB, SERVER_KINDS } kind;
    uint64_t id; /* in the store */
    const char *name;
    const char *dataset; /* of an attachment: what that is called */
    uint32_t version;    /* of a dataset, or of that one; and */
    uint64_t samples;    /* how many it has */
    uint64_t of;         /* the id of a job's dataset; 0: that is not there */
    int code;            /* EVD_OK, or why it is out of service: */
    const char *damage;  /* NULL, or the same in words */
};
typedef void server_tell_thing(void *arg, const struct server_thing *thing);

/* What is done with requests; one constant table of the room that knows (calls/). */
struct server_ops {
    /* The jobs: made, filled from the store, and freed when all sessions are closed and the store
     * is gone. NULL without memory. */
    struct jobs *(*start)(struct server *server);
    int (*load)(struct jobs *jobs, struct evd_error *err);
    void (*free)(struct jobs *jobs);
    /* A decoded request: answers, or makes a task, and returns EVD_OK; or returns what it put into
     * call->err, which is then the answer. */
    int (*call)(struct call *call, enum method method, const union params *params);
    /* Does what is due; returns when something will be. */
    uint64_t (*tick)(struct jobs *jobs, uint64_t now);
    void (*drain)(struct jobs *jobs);
    uint32_t (*outstanding)(const struct server *server);
    void (*stop)(struct jobs *jobs);
    /* The session has room for output again. */
    void (*session_ready)(struct session *session);
    /* A worker of it has acknowledged batches, and none of those it has is overdue. */
    bool (*session_working)(const struct session *session);
    /* Nothing more comes from it: its streams are lost, while what it asked for goes on. */
    void (*session_silent)(struct session *session, bool resumable);
    /* Its connection is gone. What can be resumed (session->stream_count) waits if `resumable`. */
    void (*session_gone)(struct session *session, bool resumable);
    void (*count)(const struct jobs *jobs, struct counters *counters);
    /* Tells of everything that there is. */
    void (*survey)(const struct jobs *jobs, server_tell_thing *tell, void *arg);
    /* Heavy work is about to begin. */
    void (*before_work)(struct jobs *jobs);
    /* What a task is about is held; and its name. */
    void (*job_ref)(struct job_entry *entry);
    void (*job_unref)(struct job_entry *entry);
    const char *(*job_name)(const struct job_entry *entry);
};

/* In the order in which the daemon goes through them. */
enum server_phase {
    SERVER_SERVING,
    SERVER_DRAINING, /* nothing new begins; what ends leases is served */
    SERVER_STOPPED,  /* nothing is served */
};

struct server {
    struct server_host host;
    const struct server_ops *ops;
    struct store *store; /* NULL once it is closed */
    struct jobs *jobs;   /* of the rooms above */
    enum server_phase phase;
    uint64_t started;             /* host->now */
    uint64_t tick_at;             /* when server_tick was asked for; UINT64_MAX: not */
    uint64_t last_session;        /* the last id given out */
    struct session_list sessions; /* with a connection */
    struct session_list lost;     /* without, but with streams that can be resumed */
    struct session_list output;   /* to be flushed */
    uint32_t session_count, lost_count;
    struct task_list heavy;         /* tasks that work or wait for their turn */
    struct works works;             /* and the turns of those that are to have a thread */
    struct works_account own_works; /* those that no session pays for */
    uint64_t scrapped;              /* bytes that wait for a thread to free them (scrap.h) */
    struct message message;         /* the frame at hand, */
    union params params;            /* and its parameters */
    struct evd_buf discard;         /* where answers go that nobody wants */
};

uint64_t server_now(const struct server *server);  /* monotonic milliseconds */
uint64_t server_wall(const struct server *server); /* seconds since 1970 */
/* Has server_tick called at that time, or before. */
void server_wake_at(struct server *server, uint64_t when);
/* store_submit, while there is a store. */
int server_submit(struct server *server, struct store_op *op, struct evd_error *err) MUST_CHECK;
/* A line for whoever runs the daemon: what went wrong, what is worth it in any case, and what is if
 * the daemon is verbose. */
void server_warn(struct server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void server_note(struct server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void server_tell(struct server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of any level. */
void server_write_log(struct server *server, enum server_level level, const char *text);

#endif
