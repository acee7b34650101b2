/*
 * What the parts of libevendraw share.
 *
 *   connect.c   a handle's life: address, socket, hello
 *   reader.c    bytes from the socket, cut into whole, guarded frames
 *   run.c       sending, waiting, and sorting what arrives: answers to `pending`, the rest to
 * streams call.c      any method, as JSON (json.c) upload.c    datasets stream.c    batches (ack.c:
 * their acknowledgement) loop.c      the same without ever waiting
 *
 * Everything here belongs to one thread.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <evendraw.h>
#include "proto/address.h"
#include "proto/batch.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/guard.h"
#include "proto/limits.h"
#include "proto/message.h"

/* ---- reader.c ---- */

struct reader {
    uint8_t *data;
    size_t cap, start, end; /* bytes not yet handed out: data[start..end) */
    struct guard guard;     /* has looked at guard.seen of them */
};

void reader_init(struct reader *reader);
void reader_fini(struct reader *reader);
/* Reads what the socket has, without waiting. *got is false if there was nothing. Frames handed out
 * before are invalid afterwards. EVD_OK, EVD_E_CLOSED or EVD_E_NO_MEMORY. */
int reader_fill(struct reader *reader, int fd, bool *got, struct evd_error *err);
/* The next whole frame, or *frame = NULL. EVD_OK, or EVD_E_PROTOCOL for what the guard refuses. */
int reader_next(struct reader *reader, const uint8_t **frame, size_t *n, struct evd_error *err);

/* ---- a client ---- */

/* A request that has no answer yet. Owned by whoever waits, and linked while it is not done. */
struct pending {
    struct pending *next;
    uint32_t id;
    bool done;
    struct evd_error error; /* once done: EVD_OK or what the daemon answered */
    /* Takes what it wants from the result, which is gone afterwards. NULL: nothing. */
    int (*take)(void *arg, const msgpack_object *result, struct evd_error *err);
    void *arg;
};

struct evd_client {
    int fd; /* -1: not connected */
    char address[384];
    int time_limit_ms;
    struct evd_error error;  /* of the last call that failed */
    struct evd_error lost;   /* why the connection is gone; EVD_OK while it is not */
    struct evd_error notice; /* a notification `error` that nobody has been told of yet */
    struct evd_buf out;      /* waits to be sent */
    struct reader reader;
    struct message msg;
    uint32_t last_id;
    struct pending *pending;
    struct evd_stream *streams;
    struct evd_upload *uploads;
};

/* A point in time to wait until, on the monotonic clock in ms; negative: for ever. */
typedef int64_t deadline_t;
deadline_t deadline_in(int timeout_ms);
int deadline_left(deadline_t deadline); /* ms for poll() */
/* The client's own time limit, from now. */
deadline_t client_deadline(const struct evd_client *client);

/* ---- run.c ---- */

/* Notes a failed call: returns err->code. `err` may be client->error itself. */
int client_error(struct evd_client *client, const struct evd_error *err);
/* The connection cannot go on: closes it, fails everything pending. Returns err->code. */
int client_lose(struct evd_client *client, const struct evd_error *err);

/* Starts a request at the end of client->out; the caller packs its one map and calls request_end
 * with where it started. */
void request_begin(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                   const char *method);
/* Links `pending`. If the frame was too large or there was no memory, nothing will be sent. */
int request_end(struct evd_client *client, struct pending *pending, size_t start,
                struct evd_error *err);
/* Forgets about it: its answer will be dropped. */
void request_forget(struct evd_client *client, struct pending *pending);

/* Sends what the socket takes. */
int client_flush(struct evd_client *client);
/* Waits until bytes arrived or could be sent. Before it really waits, every due acknowledgement is
 * sent. EVD_OK, EVD_E_TIMEOUT, or the connection is lost; told in client->error. */
int client_wait(struct evd_client *client, deadline_t deadline);
/* Decodes the next whole frame into client->msg: *found. Errors lose the connection. */
int client_frame(struct evd_client *client, bool *found, const uint8_t **frame, size_t *n);
/* Gives client->msg to whom it is for. */
int client_dispatch(struct evd_client *client, const uint8_t *frame, size_t n);
/* Until the answer is there; the answer's error is noted in the client. */
int client_await(struct evd_client *client, struct pending *pending, deadline_t deadline);
/* Until everything was sent. */
int client_drain(struct evd_client *client, deadline_t deadline);

/* ---- values of a map with text keys ---- */

/* The value of a key, or NULL; also if `map` is no map. */
const msgpack_object *map_get(const msgpack_object *map, const char *key);
uint64_t map_u64(const msgpack_object *map, const char *key, uint64_t otherwise);
/* A copy of a text, cut to size, "" if there is none. */
void map_text(const msgpack_object *map, const char *key, char *out, size_t size);

/* ---- json.c ---- */

/* A JSON object as one map. EVD_E_USAGE says what is wrong with it. */
int json_to_msgpack(msgpack_packer *pk, const char *text, struct evd_error *err);
/* As JSON text to be freed with free(). */
int msgpack_to_json(const msgpack_object *object, char **text, struct evd_error *err);

/* ---- stream.c, ack.c ---- */

/* A batch that evd_next returned and whose acknowledgement was not sent yet. */
struct held {
    uint64_t epoch, step;
    uint32_t generation;
    bool due; /* acknowledged by the caller */
};

struct evd_stream {
    struct evd_stream *next;
    struct evd_client *client;
    uint32_t id;
    uint32_t flags;
    struct evd_stream_info info;
    char job[EVD_MAX_NAME + 1], dataset[EVD_MAX_NAME + 1];
    struct batch_format format;
    struct batch_decoded decoded;
    struct evd_batch batch;
    bool at_end; /* the epoch is over: the next evd_next grants credit again */
    bool early;  /* EVD_EPOCH_END was returned for early_epoch, which is not over yet */
    uint64_t early_epoch;
    struct evd_error end; /* code is not EVD_OK: the stream has ended, and why */
    /* Frames that arrived while somebody else was waited for: length (u32) and bytes of each. */
    struct evd_buf backlog;
    size_t backlog_start;
    uint32_t backlog_frames;
    /* In the order they were returned. */
    struct held held[EVD_MAX_WINDOW];
    uint32_t held_count, due_count;
};

/* Keeps a frame for later. */
int stream_keep(struct evd_stream *stream, const uint8_t *frame, size_t n, struct evd_error *err);
void stream_free(struct evd_stream *stream);

/* Remembers the batch just returned; EVD_E_PROTOCOL if the daemon exceeded the window. */
int ack_hold(struct evd_stream *stream, struct evd_error *err);
/* Marks the batch returned last as due. */
void ack_last(struct evd_stream *stream);
/* Appends what is due to client->out. */
void ack_pack(struct evd_stream *stream);
/* Is so much due that it should not wait any longer? */
bool ack_urgent(const struct evd_stream *stream);

/* ---- upload.c ---- */

void upload_free(struct evd_upload *upload);

#endif
