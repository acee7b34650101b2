/*
 * The protocol server: complete frames in, bytes out.
 *
 * Pure: no sockets, no loop, no SQL, no threads and no clock of its own. The host reads sockets,
 * cuts frames with the guard and hands them in; answers and batches are appended to the session's
 * `out`; whatever takes time (store commits, plan builds) comes back as a call. Everything here
 * runs on the host's loop thread, except rpc_work.run.
 *
 *     rpc_new, rpc_load                       before the loop runs
 *     rpc_session_open                        a connection was accepted
 *       rpc_frame ... rpc_frame, rpc_settle   a read; then one write for all it caused
 *       rpc_session_ready, rpc_settle         its output has drained
 *     rpc_session_close, rpc_settle           the connection is gone
 *     store_poll, rpc_settle                  the store's wake-up
 *     work->done, rpc_settle                  a piece of work has run
 *     rpc_tick, rpc_settle                    the timer armed by host->arm
 *     rpc_drain, rpc_settle                   the daemon is about to stop
 *     rpc_stop, rpc_settle                    rpc_outstanding is 0, or patience has ended; then, in
 *                                             this order: close the sessions, let all work come
 *                                             back, store_close, rpc_free
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"
#include "proto/error.h"
#include "rpc/limits.h"
#include "store/store.h"

/* With more unwritten bytes of a session than limits.send_buffer nothing is drawn for it, and the
 * host feeds it no further frame: a slow peer slows only itself. With a quarter of it, it goes on.
 *
 * What a session's output may hold at most (that, and the largest frame on top of it, with room
 * for small notifications). A peer that gets there is disconnected. */
#define RPC_SEND_LIMIT (16u << 20)
/* Progress that nobody waits for is stored after so many milliseconds. */
#define RPC_FLUSH_MS 100u

struct rpc;

/* One connection. `out` is appended to by rpc and consumed by the host (buf_consume), which may
 * also move it aside to write it (then `in_flight` says how many bytes are still to be written
 * there). */
struct rpc_session {
    struct evd_buf out;
    size_t in_flight;
    void *conn; /* the host's */
};

/* Heavy work: `run` on a pool thread, then `done` on the loop thread. Both are set by rpc. */
struct rpc_work {
    void (*run)(struct rpc_work *work);
    void (*done)(struct rpc_work *work); /* may free the work */
    double milliseconds;   /* of processor time that `run` took: the host says it before `done` */
    atomic_bool cancelled; /* rpc's: nobody wants it any more; `run` looks, and ends early */
};

struct rpc_host {
    void *arg;
    uint64_t (*now)(void *arg);  /* monotonic milliseconds */
    uint64_t (*wall)(void *arg); /* seconds since 1970 */
    /* Has the work run, and done later, not from within this call; EVD_OK, or an error code and
     * then nothing will be called. */
    int (*work)(void *arg, struct rpc_work *work);
    /* The session has output: called from rpc_settle only, once for each. May call
     * rpc_session_ready, or close the session. */
    void (*flush)(void *arg, void *conn);
    /* Call rpc_tick in so many milliseconds, and not at the time asked for before. */
    void (*arm)(void *arg, uint64_t milliseconds);
    uint64_t (*random)(void *arg); /* that nobody can guess */
    /* Who is at the other end of a connection, for people; valid during rpc_session_open. */
    const char *(*peer)(void *arg, void *conn);
    /* Whether it came by a Unix socket, where the permissions of a file let it in; for a session
     * that is open. */
    bool (*local)(void *arg, void *conn);
    /* Close the connection when its output is written. From rpc_settle only, after flush. The host
     * feeds it no more frames, and calls rpc_session_close in the end as always. */
    void (*close)(void *arg, void *conn);
    /* For whoever runs the daemon: what went wrong and, if `verbose`, what was asked. */
    void (*log)(void *arg, bool warning, const char *text);
    bool verbose;
    struct rpc_limits limits; /* connections, frame and times are for the host to keep */
};

/* `store` is open and not yet started; it stays the host's. NULL and *err without memory. */
int rpc_new(struct rpc **out, const struct rpc_host *host, struct store *store,
            struct evd_error *err);
/* Reads back what is stored: datasets, and jobs with their plans. Blocking; before store_start. A
 * job that cannot be restored is kept, refuses service and says why (job.info). */
int rpc_load(struct rpc *rpc, struct evd_error *err);
void rpc_free(struct rpc *rpc);

/* NULL without memory. */
struct rpc_session *rpc_session_open(struct rpc *rpc, void *conn);
/* The connection is gone: its unacknowledged steps go to others, its drafts die, and heavy work for
 * it ends early. The session must not be used afterwards. */
void rpc_session_close(struct rpc_session *session);

/* One complete frame that the guard has passed, from `bytes` (not kept). Not while rpc_session_full
 * or after host->close. */
void rpc_frame(struct rpc_session *session, const uint8_t *bytes, size_t n);
/* The guard refused a frame: answers, to request `id` where that could be read, then closes. */
void rpc_reject(struct rpc_session *session, const struct evd_error *err, bool has_id, uint32_t id);
/* The session has more unwritten output than the high-water mark. */
bool rpc_session_full(const struct rpc_session *session);
/* The session's unwritten output has fallen below the low-water mark. */
void rpc_session_ready(struct rpc_session *session);

/* After any batch of calls: has every session with output flushed, once. */
void rpc_settle(struct rpc *rpc);
void rpc_tick(struct rpc *rpc);
/* The daemon is about to stop: nothing more is handed out, heavy work ends early, and only what
 * ends leases is answered. */
void rpc_drain(struct rpc *rpc);
/* How many batches workers still have. */
uint32_t rpc_outstanding(const struct rpc *rpc);
/* The daemon stops: tells every worker, stores all progress, refuses new work. */
void rpc_stop(struct rpc *rpc);

#endif
