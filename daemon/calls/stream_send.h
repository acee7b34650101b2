/*
 * What streams are sent: batches, and what happens to their job.
 */
#ifndef CALLS_STREAM_SEND_H
#define CALLS_STREAM_SEND_H

#include "calls/stream.h"

/* For struct jobs_ops. */
void stream_effect(struct job *job, const struct job_effect *effect);
/* The session has room again: its streams go on until it is full. */
void streams_ready(struct session *session);
void stream_say_epoch_end(struct stream *stream, const struct job_epoch *epoch);
void stream_say_closed(struct stream *stream, int code, const char *message);
/* The same to all that have a connection. */
void streams_say(struct server *server, int code, const char *message);

#endif
