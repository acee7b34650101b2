/*
 * The protocol server as the host sees it: complete frames in, bytes out.
 *
 * Pure: no sockets, no loop, no SQL, no threads and no clock of its own. The host reads sockets,
 * cuts frames with the guard and hands them in; answers and batches are appended to the session's
 * `out`; whatever takes time (store commits, plan builds) comes back as a call. Everything here
 * runs on the host's loop thread, except server_work.run.
 *
 *     server_new, server_load                    before the loop runs
 *     session_open                               a connection was accepted
 *       session_frame ... session_frame, server_flush   a read; then one write for all it caused
 *       session_ready, server_flush              its output has drained
 *       session_silent, server_flush             nothing more comes from it
 *     session_close, server_flush                the connection is gone
 *     store_poll, server_flush                   the store's wake-up
 *     work->done, server_flush                   a piece of work has run
 *     server_tick, server_flush                  the timer armed by host->arm
 *     server_drain, server_flush                 the daemon is about to stop
 *     server_stop, server_flush                  server_outstanding is 0, or patience has ended;
 *                                                then, in this order: close the sessions, let all
 *                                                work come back, store_close, server_free
 */
#ifndef SERVER_PORT_H
#define SERVER_PORT_H

#include "proto/error.h"
#include "server/services.h"
#include "store/store.h"

struct server;
struct server_ops;

/* `store` is open and not yet started; it stays the host's. `ops`: what the methods do
 * (calls/calls.h). NULL and *err without memory. */
int server_new(struct server **out, const struct server_host *host, struct store *store,
               const struct server_ops *ops, struct evd_error *err) MUST_CHECK;
/* Reads back what is stored: datasets, and jobs with their plans. Blocking; before store_start. A
 * job that cannot be restored is kept, refuses service and says why (job.info). */
int server_load(struct server *server, struct evd_error *err) MUST_CHECK;
void server_free(struct server *server);

/* NULL without memory. */
struct session_port *session_open(struct server *server, void *conn) MUST_CHECK;
/* The peer sends no more, but may still read: its unacknowledged steps go to others now, as when it
 * is gone, and the connection is closed when what it asked for is answered. */
void session_silent(struct session_port *port);
/* The connection is gone: its unacknowledged steps go to others, its drafts die, and heavy work for
 * it ends early. The session must not be used afterwards. */
void session_close(struct session_port *port);

/* One complete frame that the guard has passed, from `bytes` (not kept). Not after host->close. */
void session_frame(struct session_port *port, const uint8_t *bytes, size_t n);
/* It has said hello, and was answered. */
bool session_greeted(const struct session_port *port);
/* The guard refused a frame: answers, to request `id` where that could be read, then closes. */
void session_reject(struct session_port *port, const struct evd_error *err, bool has_id,
                    uint32_t id);
/* The session has more unwritten output than the high-water mark. */
bool session_full(const struct session_port *port);
/* One of its streams has acknowledged batches, and none keeps others too long. */
bool session_working(const struct session_port *port);
/* The session's unwritten output has fallen below the low-water mark. */
void session_ready(struct session_port *port);

/* After any batch of calls: has every session with output flushed, once. */
void server_flush(struct server *server);
void server_tick(struct server *server);
/* The daemon is about to stop: nothing more is handed out, heavy work ends early, and only what
 * ends leases is answered. */
void server_drain(struct server *server);
/* How many batches workers still have. */
uint32_t server_outstanding(const struct server *server);
/* The daemon stops: tells every worker, stores all progress, refuses new work. */
void server_stop(struct server *server);

#endif
