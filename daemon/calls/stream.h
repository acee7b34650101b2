/*
 * Streams: attached workers, between a session and the job core. stream_open.c opens and closes
 * them, stream_lease.c hears what their workers say, stream_send.c sends what they get.
 *
 *              the session is full       one more batch was handed out
 *       OPEN -----------------> FULL ------------------------------> OWING
 *       ^ ^ <------------------  |                                     |
 *       | |  it has room again   |  <----------------------------------+
 *       | |                      |     that was sent, or is void
 *       | +-- resumed -- LOST <--+--- its connection is gone (from any)
 */
#ifndef CALLS_STREAM_H
#define CALLS_STREAM_H

#include "jobs/entry.h"
#include "proto/batch.h"

enum stream_state {
    STREAM_OPEN,  /* takes batches */
    STREAM_FULL,  /* its session is full: JOB_READY is due when that has room */
    STREAM_OWING, /* likewise, and a batch that was handed out is not drawn yet: `late` */
    STREAM_LOST,  /* its connection is gone; it can be resumed */
};

struct stream {
    struct session *session;
    struct job_entry *entry;
    struct job_stream *worker; /* the job core's side of it */
    enum stream_state state;
    uint64_t serial; /* unique in the daemon, rising, and the same when it is resumed */
    uint32_t number; /* unique in the connection */
    uint32_t rank;
    uint32_t window;
    uint32_t generation; /* of the last batch */
    uint64_t served_samples;
    size_t memory; /* as it is part of jobs->streamed */
    struct batch_format format;
    struct job_delivery late; /* OWING: holds a reference to its plan */
};

/* NULL and NOT_FOUND. */
struct stream *stream_find(struct session *session, uint32_t number, struct evd_error *err);
/* The only way to change its state. */
void stream_enter(struct stream *stream, enum stream_state state);
/* Room for one more among those of the job; false without memory. */
bool streams_reserve(struct job_entry *entry) MUST_CHECK;
/* The first of the job's workers, counted from 0, whose serial is above this one. */
uint32_t streams_after(const struct job_entry *entry, uint64_t serial);
/* Makes it one of the session's and of its job's, with a number of its own (there is room, see
 * streams_reserve); and moves it to another session. */
void stream_attach(struct stream *stream, struct session *session);
void stream_move(struct stream *stream, struct session *session);
/* Notes how much memory it takes, which grows with its window. */
void stream_weigh(struct stream *stream);
/* What its batches are like. */
void stream_set_format(struct stream *stream, const struct batch_format *format);
/* A batch that was handed out and is not drawn yet is void. */
void stream_forget_late(struct stream *stream);
/* Takes the worker off its job and frees the stream. */
void stream_shut(struct stream *stream);
/* Frees it: the job core has given it up, or ends. */
void stream_discard(struct stream *stream);
/* The session's connection is gone: its streams wait for their jobs' grace periods if that is of
 * use, or else are closed. */
void streams_lose(struct session *session, bool resumable);
/* Closes those that are lost. */
void streams_free(struct server *server);
/* One of them has acknowledged batches, and none is stalled. */
bool streams_working(const struct session *session);
/* How many batches the workers with a connection have. */
uint32_t streams_outstanding(const struct server *server);

#endif
