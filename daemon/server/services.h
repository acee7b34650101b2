/*
 * What the host gives the server, and how the two see connections and heavy work.
 */
#ifndef SERVER_SERVICES_H
#define SERVER_SERVICES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"
#include "server/limits.h"

/* With more unwritten bytes of a session than limits.send_buffer nothing is drawn for it: a slow
 * peer slows only itself. The host still feeds it frames, until what they cause is as much again.
 * With a quarter of it, it goes on.
 *
 * What a session's output may hold at most (that, and the largest frame on top of it, with room
 * for small notifications). A peer that gets there is disconnected. */
#define SERVER_SEND_LIMIT (16u << 20)

/* One connection. `out` is appended to by the server and consumed by the host (buf_consume), which
 * may also move it aside to write it (then `in_flight` says how many bytes are still to be written
 * there). */
struct session_port {
    struct evd_buf out;
    size_t in_flight;
    size_t full_at; /* with more unwritten bytes nothing is drawn for it; the host may move it where
                       it is not passed */
    void *conn;     /* the host's */
};

/* As many threads the pool has: so many works run at once. */
#define WORKS_THREADS 4u

/* Heavy work: `run` on a pool thread, then `done` on the loop thread. Both are set by the server.
 */
struct server_work {
    void (*run)(struct server_work *work);
    void (*done)(struct server_work *work); /* may free the work */
    double milliseconds;   /* of processor time that `run` took: the host says it before `done` */
    atomic_bool cancelled; /* the server's: nobody wants it any more; `run` looks, and ends early */
};

/* What the host knows of memory, in bytes. */
struct host_memory {
    uint64_t resident;    /* of the process, as the kernel says */
    uint64_t process;     /* what the process took when it began to serve, and nobody has counted */
    uint64_t connections; /* of the host's side of them, without their buffers */
    uint64_t buffers;     /* of connections */
    uint64_t shed;        /* how many connections were closed since buffers held too much */
};

enum server_level {
    SERVER_WARNING, /* what went wrong */
    SERVER_NOTICE,  /* what is worth a line in any case */
    SERVER_DETAIL,  /* what was asked, and what came of it */
    SERVER_TRACE,   /* every turn that requests and jobs take (trace.h) */
};

struct server_host {
    void *arg;
    uint64_t (*now)(void *arg);  /* monotonic milliseconds */
    uint64_t (*wall)(void *arg); /* seconds since 1970 */
    /* Has the work run, and done later, not from within this call. No more than WORKS_THREADS at a
     * time, so that none waits for another. */
    void (*work)(void *arg, struct server_work *work);
    /* The session has output: called from server_flush only, once for each. May call session_ready,
     * or close the session. */
    void (*flush)(void *arg, void *conn);
    /* Call server_tick in so many milliseconds, and not at the time asked for before. */
    void (*arm)(void *arg, uint64_t milliseconds);
    uint64_t (*random)(void *arg); /* that nobody can guess */
    /* Who is at the other end of a connection, for people; valid during session_open. */
    const char *(*peer)(void *arg, void *conn);
    /* Whether the other end came by a Unix socket and is a process of the daemon's own user; for a
     * session that is open. */
    bool (*own)(void *arg, void *conn);
    void (*memory)(void *arg, struct host_memory *out);
    /* Workers are attached to the session, or no longer: the host serves those first. */
    void (*prefer)(void *arg, void *conn, bool preferred);
    /* Close the connection when its output is written. From server_flush only, after flush. The
     * host feeds it no more frames, and calls session_close in the end as always. */
    void (*close)(void *arg, void *conn);
    /* A line for whoever runs the daemon; it may hold a peer's bytes, which the host escapes. */
    void (*log)(void *arg, enum server_level level, const char *text);
    const char *backup_dir; /* where everybody may have backups written; NULL: nowhere */
    bool verbose;           /* SERVER_DETAIL is wanted */
    const char *trace; /* SERVER_TRACE is wanted of the job of that name, "": of all; NULL: not */
    struct server_limits limits; /* connections, frame and times are for the host to keep */
};

#endif
