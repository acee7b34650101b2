/*
 * What the parts of libevendraw share.
 *
 *   connect.c   a handle's life, and what can be asked of it
 *   dial.c      sockets to an address
 *   link.c      the connection: made, lost, made anew
 *   reader.c    bytes from the socket, cut into whole, guarded frames
 *   run.c       sending, waiting, sorting what arrives: answers to `pending`, the rest to streams
 *   call.c      any method, as JSON (json.c)
 *   upload.c    what is sent in pieces: datasets; attach.c: attachments
 *   fetch.c     what is read back in pieces: labels, rows of attachments
 *   find.c      is an attachment there already?
 *   stream.c    a stream's states, and the next batch
 *   open.c      stream.open, the first time and on a new connection
 *   backlog.c   frames for a stream that nobody asks at the moment
 *   ack.c       acknowledgements, and what is known of steps the caller was given
 *   loop.c      the same without ever waiting
 *
 * Everything here belongs to one thread. The search for nearest neighbours and the selection of
 * samples, which need none of it, have knn.h and select.h.
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
/* Forgets what it has: another connection begins. */
void reader_reset(struct reader *reader);
/* Reads what the socket has, without waiting. *got is false if there was nothing. Frames handed out
 * before are invalid afterwards. EVD_OK, EVD_E_CLOSED or EVD_E_NO_MEMORY. */
int reader_fill(struct reader *reader, int fd, bool *got, struct evd_error *err) EVD_MUST_CHECK;
/* The next whole frame, or *frame = NULL. EVD_OK, or EVD_E_PROTOCOL for what the guard refuses. */
int reader_next(struct reader *reader, const uint8_t **frame, size_t *n,
                struct evd_error *err) EVD_MUST_CHECK;

/* ---- dial.c ---- */

/* Never waits (but for the resolution of a host's name). */
struct dial {
    int fd; /* -1, or a socket that is or gets connected; the caller takes it over */
    struct addrinfo *list, *next;
    const char *why; /* explains an error that is no errno, or NULL */
};

/* 0: connected; EINPROGRESS: go on with dial_continue when fd is writable; or an errno. */
int dial_start(struct dial *dial, const struct address *address) EVD_MUST_CHECK;
int dial_continue(struct dial *dial) EVD_MUST_CHECK;
void dial_end(struct dial *dial);

/* ---- a client ---- */

/* A request that has no answer yet. Owned by whoever waits, and linked while it is not done. */
struct pending {
    struct pending *next;
    uint32_t id;
    int method; /* enum method; -1: one that this library does not know */
    bool done;
    struct evd_error error; /* once done: EVD_OK or what the daemon answered */
    /* Takes what it wants from the result, which is gone afterwards. NULL: nothing. */
    int (*read)(void *arg, const msgpack_object *result, struct evd_error *err);
    void *arg;
};

enum link_state { LINK_CONNECTING, LINK_GREETING, LINK_UP, LINK_WAITING, LINK_LOST };

struct link {
    enum link_state state;
    bool met; /* it was up once: only then it is made anew when it is lost */
    struct dial dial;
    struct pending hello;
    struct evd_error why; /* of the loss, or of the last attempt that failed */
    int64_t since;        /* when it was lost */
    int64_t wake;         /* WAITING: the next attempt; CONNECTING, GREETING: the end of this one */
    uint32_t attempts;
    uint64_t random; /* state of the jitter */
};

struct evd_client {
    int fd; /* -1: not connected */
    char address[384];
    char *name;
    int time_limit_ms, reconnect_ms;
    struct link link;
    uint64_t session, resume_key;
    bool can_resume;         /* the daemon gave a key, and knows `holding` */
    bool resumed;            /* the present connection goes on with the session before */
    struct evd_error error;  /* of the last call that failed */
    struct evd_error lost;   /* why the connection is gone for good; EVD_OK while it is not */
    struct evd_error notice; /* a notification `error` that nobody has been told of yet */
    struct evd_buf out;      /* waits to be sent */
    size_t start;            /* of the message in it that is being packed */
    struct reader reader;
    struct message msg;
    uint32_t last_id;
    struct pending *pending;
    /* Requests stream.open whose answer nobody waits for any more. A connection has at most so many
     * streams: the daemon refuses more of them. */
    uint32_t given_up[EVD_MAX_STREAMS], given_up_count;
    struct evd_stream *streams;
    struct upload *uploads;
    uint64_t reconnects, repeated, late_acks; /* evd_counters */
};

/* A point in time to wait until, on the monotonic clock in ms; negative: for ever. */
typedef int64_t deadline_t;
int64_t clock_ms(void);
deadline_t deadline_in(int timeout_ms);
int deadline_left(deadline_t deadline); /* ms for poll() */
/* The client's own time limit, from now. */
deadline_t client_deadline(const struct evd_client *client);

/* ---- link.c ---- */

/* Begins to connect. EVD_OK, or why that is of no use. */
int link_start(struct evd_client *client) EVD_MUST_CHECK;
/* What can be done now for the connection and its streams to be there (again), without waiting.
 * EVD_OK, or the connection is lost for good. */
int link_step(struct evd_client *client) EVD_MUST_CHECK;
/* When link_step has something to do although nothing arrived; -1: never. */
int64_t link_wake(const struct evd_client *client);
/* When to make attempt number `attempts` (from 0). */
int64_t link_pause(struct evd_client *client, uint32_t attempts);
/* Has what was lost at `since` been tried for long enough? */
bool link_over(const struct evd_client *client, int64_t since);
/* The connection cannot go on: everything pending fails. EVD_OK if it is being made anew; else it
 * is lost for good, and the code why. */
int client_lose(struct evd_client *client, const struct evd_error *err);

/* ---- run.c ---- */

/* Notes a failed call: returns err->code. `err` may be client->error itself. */
int client_error(struct evd_client *client, const struct evd_error *err);

/* Starts a message at the end of client->out: a request, or, without `pending`, a notification. The
 * caller packs its fields, and ends it. */
void request_begin(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                   const char *method);
/* Links `pending`. Nothing will be sent if there was no memory, or if the daemon would end the
 * connection over it: too long, nested too deep, too many values. */
int request_end(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                struct evd_error *err) EVD_MUST_CHECK;
/* Ends it, and waits until the answer is there, as client_await. */
int request_await(struct evd_client *client, msgpack_packer *pk, struct pending *pending,
                  deadline_t deadline) EVD_MUST_CHECK;
/* Forgets about it: its answer will be dropped, and a stream that it opens is closed. */
void request_forget(struct evd_client *client, struct pending *pending);

/* Sends what the socket takes. */
void client_flush(struct evd_client *client);
/* Reads what the socket has: *got. */
int client_fill(struct evd_client *client, bool *got) EVD_MUST_CHECK;
/* Waits until bytes arrived or could be sent, or the connection had to be seen to. Before it really
 * waits, every due acknowledgement is sent. EVD_OK, EVD_E_TIMEOUT, or the connection is lost for
 * good; told in client->error. */
int client_wait(struct evd_client *client, deadline_t deadline) EVD_MUST_CHECK;
/* Decodes a frame into client->msg. Errors lose the connection. */
int client_decode(struct evd_client *client, const uint8_t *frame, size_t n) EVD_MUST_CHECK;
/* The same for the next whole frame that arrived: *found. */
int client_frame(struct evd_client *client, bool *found, const uint8_t **frame,
                 size_t *n) EVD_MUST_CHECK;
/* The stream that client->msg is a notification for, or NULL. */
struct evd_stream *client_recipient(const struct evd_client *client);
/* Gives client->msg to whom it is for. */
int client_dispatch(struct evd_client *client, const uint8_t *frame, size_t n) EVD_MUST_CHECK;
/* Sorts one thing that has arrived, or else waits as client_wait. */
int client_turn(struct evd_client *client, deadline_t deadline) EVD_MUST_CHECK;
/* Until the answer is there; the answer's error is noted in the client. */
int client_await(struct evd_client *client, struct pending *pending,
                 deadline_t deadline) EVD_MUST_CHECK;
/* Until everything was sent; EVD_E_CLOSED if the connection was lost meanwhile. */
int client_drain(struct evd_client *client, deadline_t deadline) EVD_MUST_CHECK;
/* Until the connection is there: then a request may be made. */
int client_ready(struct evd_client *client, deadline_t deadline) EVD_MUST_CHECK;
/* Is a call that changes nothing when repeated to be made once more? It ended with `code`. */
bool client_again(struct evd_client *client, int code, deadline_t deadline) EVD_MUST_CHECK;

/* ---- values of a map with text keys ---- */

/* The value of a key, or NULL; also if `map` is no map. */
const msgpack_object *map_get(const msgpack_object *map, const char *key);
uint64_t map_u64(const msgpack_object *map, const char *key, uint64_t otherwise);
/* A copy of a text, cut to size, "" if there is none. */
void map_text(const msgpack_object *map, const char *key, char *out, size_t size);

/* ---- json.c ---- */

/* The entries of a JSON object as those of the map that is being packed. EVD_E_USAGE says what is
 * wrong with it. */
int json_to_msgpack(msgpack_packer *pk, const char *text, struct evd_error *err) EVD_MUST_CHECK;
/* As JSON text to be freed with free(). */
int msgpack_to_json(const msgpack_object *object, char **text,
                    struct evd_error *err) EVD_MUST_CHECK;

/* ---- stream.c ---- */

struct place {
    uint64_t epoch, step;
};

/* A batch that the caller has, and whose acknowledgement was not sent yet. */
struct held {
    struct place at;
    bool due; /* acknowledged by the caller */
};

/* Places that grow as needed. */
struct places {
    struct place *items;
    uint32_t count, capacity;
};

/*
 *            opened                    epoch over
 *     NEW ------------>  RUNNING  ------------------>  RESTING
 *                        |  ^  |  <------------------  |  ^
 *                        |  |  |     asked for more    |  |
 *        batch of a later|  |  |connection lost        |  |
 *        epoch: its end  |  |  |                       |  |
 *        is told first   v  |  v                       |  |
 *                       AHEAD ---->  LOST  <-----------+  |
 *                                    |  | ^               |
 *                 session not resumed|  | |lost again     |
 *                                    |  v |               | opened again
 *                                    | RESUMING ----------+
 *                                    v  | unknown         |
 *                                  REOPENING -------------+
 *
 *     RUNNING, LOST, RESUMING, REOPENING ---> ENDED: the job was dropped, or it cannot be had again
 */
enum stream_state {
    STREAM_NEW,       /* not opened yet: nobody has it but evd_stream_open */
    STREAM_RUNNING,   /* batches come */
    STREAM_AHEAD,     /* `batch` waits to be handed out: first the caller was told of an end */
    STREAM_RESTING,   /* the daemon gives nothing until it gets credit */
    STREAM_LOST,      /* its connection is gone */
    STREAM_RESUMING,  /* to be had again as what it was: the daemon kept it */
    STREAM_REOPENING, /* to be opened anew, claiming what it holds */
    STREAM_ENDED,     /* `end` says why */
};

#define EPOCH_UNKNOWN UINT64_MAX
#define UNDER_WAY     (-1)

struct evd_stream {
    struct evd_stream *next;
    struct evd_client *client;
    enum stream_state state;
    struct evd_error end;       /* once ENDED */
    evd_stream_options options; /* without the job */
    uint32_t id;                /* in this connection */
    struct evd_stream_info info;
    char job[EVD_MAX_NAME + 1], dataset[EVD_MAX_NAME + 1];
    struct batch_format format;
    struct batch_decoded decoded;
    struct evd_batch batch;
    uint64_t epoch;         /* the first whose end the caller was not told; EPOCH_UNKNOWN */
    bool idle;              /* the caller was told of an end, and has not asked for more */
    struct evd_buf backlog; /* frames that arrived while somebody else was waited for */
    size_t backlog_start;
    uint32_t backlog_frames;

    /* ack.c. In the order in which the batches were returned; the first `carried` came over an
     * earlier connection. */
    struct held held[2 * EVD_MAX_WINDOW];
    uint32_t held_count, due_count, carried;
    struct place top;       /* the greatest returned in this generation */
    struct places sent;     /* acknowledged, not known to be durable */
    bool replaying;         /* what was sent over an earlier connection may still come again */
    struct pending confirm; /* of the first `confirming` of `sent` */
    uint32_t confirming;

    /* open.c */
    struct pending open;  /* the request stream.open */
    int64_t since;        /* when its connection was lost */
    int64_t wake;         /* RESUMING, REOPENING: when to send stream.open, or UNDER_WAY */
    uint32_t attempts;    /* on this connection that were refused */
    struct places strays; /* batches that had arrived when the connection was lost */
};

/* The one place where the state changes: asserts that the picture above has this move. */
void stream_move(struct evd_stream *stream, enum stream_state to);
/* Does the present connection know it? */
bool stream_attached(const struct evd_stream *stream);
void stream_free(struct evd_stream *stream);
void stream_pack_close(struct evd_client *client, uint32_t id);
/* RESTING: gives the daemon the window again. EVD_E_NO_MEMORY leaves it as it is. */
int stream_pack_credit(struct evd_stream *stream, struct evd_error *err);
/* It has ended, for this reason; or as the notification `closed` says. */
void stream_end(struct evd_stream *stream, const struct evd_error *why);
void stream_closed(struct evd_stream *stream, const msgpack_object *map);
/* A change of strategy is announced. */
void stream_announced(struct evd_stream *stream, const msgpack_object *map);

/* ---- backlog.c ---- */

void backlog_init(struct evd_stream *stream); /* once it is known what batches are like */
/* Keeps client->msg, whose frame this is, for later; a batch for which there is no room is given
 * back. EVD_E_PROTOCOL if there is more than a daemon can have to tell. */
int stream_keep(struct evd_stream *stream, const uint8_t *frame, size_t n,
                struct evd_error *err) EVD_MUST_CHECK;
/* Takes the oldest kept frame: it is valid until another one is kept. */
bool stream_kept(struct evd_stream *stream, const uint8_t **frame, size_t *n) EVD_MUST_CHECK;

/* ---- open.c ---- */

/* Until a NEW stream is RUNNING, or why it will not be. */
int stream_attach(struct evd_stream *stream, deadline_t deadline) EVD_MUST_CHECK;
/* The connection is lost. */
void stream_detach(struct evd_stream *stream);
/* What can be done now for it to be attached again. */
void stream_step(struct evd_stream *stream);
/* When stream_step has something to do; -1: not before something arrives. */
int64_t stream_wake(const struct evd_stream *stream);
/* Until it is attached again, or why it will not be. */
int stream_ready(struct evd_stream *stream, deadline_t deadline) EVD_MUST_CHECK;
/* The job was moved: what was handed out is void. */
void stream_moved(struct evd_stream *stream, uint32_t generation, struct place at);

/* ---- ack.c ---- */

bool places_reserve(struct places *places, uint32_t more) EVD_MUST_CHECK;

/* What the stream knows of a step that arrives: the caller has it, or has acknowledged it. */
enum known { KNOWN_NOT, KNOWN_HELD, KNOWN_SENT };
enum known ack_known(const struct evd_stream *stream, struct place at);
/* Remembers the batch just returned. The caller may have more than a window of them: those whose
 * leases ran out. */
void ack_hold(struct evd_stream *stream);
/* Marks the batch returned last as due. */
void ack_last(struct evd_stream *stream);
/* Appends what is due to client->out, as far as it can be sent now. */
void ack_pack(struct evd_stream *stream);
/* A step that was acknowledged has come again: acknowledges it once more. */
void ack_again(struct evd_stream *stream, struct place at);
/* Everything that was to come again has come. */
void ack_replayed(struct evd_stream *stream);
/* One message about one step: method is stream.ack or stream.release. */
void ack_pack_one(struct evd_stream *stream, const char *method, struct place at);
/* Is so much due that it should not wait any longer? */
bool ack_urgent(const struct evd_stream *stream);
/* Of what the caller has, keeps only what is in `granted`, an array of [epoch, step]. */
void ack_keep(struct evd_stream *stream, const msgpack_object *granted);
/* The connection is lost: what the caller has is carried over. */
void ack_detach(struct evd_stream *stream);
/* Nothing is out any more. */
void ack_void(struct evd_stream *stream);

/* ---- upload.c ---- */

/* Appends without an answer yet: enough to keep the daemon's writer busy. */
#define IN_FLIGHT 4u

struct upload;

/* What is sent in pieces. */
struct upload_noun {
    const char *name;
    const char *create, *append, *commit; /* methods */
    void (*fini)(struct upload *upload);  /* frees what the struct around it has */
};

/* The first member of what is being sent. */
struct upload {
    struct upload *next;
    const struct upload_noun *noun;
    struct evd_client *client;
    uint32_t draft;
    uint64_t connection;     /* the client's `reconnects` when it began: the draft dies with it */
    struct evd_error failed; /* the first error; nothing is sent after it */
    struct pending append[IN_FLIGHT];
    uint32_t append_count; /* appends sent so far: the next uses append[append_count % IN_FLIGHT] */
    uint64_t samples;
};

/* `size` zeroed bytes that begin with a struct upload, the client's; NULL without memory, told in
 * the client. */
void *upload_new(struct evd_client *client, const struct upload_noun *noun,
                 size_t size) EVD_MUST_CHECK;
void upload_free(struct upload *upload);
/* Notes the first error; returns its code. */
int upload_fail(struct upload *upload, const struct evd_error *err);
/* Can it go on? */
int upload_check(struct upload *upload) EVD_MUST_CHECK;
/* Begins the request that opens the draft; the caller packs its fields, and awaits it. */
int upload_create_begin(struct upload *upload, msgpack_packer *pk,
                        struct pending *pending) EVD_MUST_CHECK;
/* Takes the draft from its answer. */
int upload_read_draft(struct upload *upload, const msgpack_object *result,
                      struct evd_error *err) EVD_MUST_CHECK;
/* Begins a piece, once there is room for it: the caller packs it; and sends it. */
int upload_append_begin(struct upload *upload, msgpack_packer *pk) EVD_MUST_CHECK;
int upload_append_end(struct upload *upload, msgpack_packer *pk) EVD_MUST_CHECK;
/* Waits for all pieces, and commits. */
int upload_commit(struct upload *upload, char **info) EVD_MUST_CHECK;

/* ---- fetch.c ---- */

/* What is read back in pieces. The first member of what is read. */
struct fetch {
    const char *method;
    const char *noun, *name, *lister; /* attachment "near": attachment.list knows its length */
    const char *dataset;
    uint32_t version; /* as asked for (0: the newest), then as answered */
    uint64_t first;   /* sample that is wanted first */
    size_t done;      /* samples that are there */
    size_t n;         /* in the next piece: wanted, then answered */
    /* Packs further fields; NULL: there are none. */
    void (*ask)(const struct fetch *fetch, msgpack_packer *pk);
    /* Takes a piece of at most n samples, and says in n how many they are. */
    int (*take)(struct fetch *fetch, const msgpack_object *result, struct evd_error *err);
};

/* n samples. EVD_E_BAD_VALUE: there are not so many. */
int fetch_all(struct evd_client *client, struct fetch *fetch, size_t n) EVD_MUST_CHECK;
int fetch_not_usable(const struct fetch *fetch, const char *field, struct evd_error *err);

#endif
