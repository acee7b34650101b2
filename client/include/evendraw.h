/*
 * libevendraw: the C library of evendraw, a daemon that hands out class-balanced batches of sample
 * indices to the data-loader workers of a training job.
 *
 * A worker in full:
 *
 *     #include <evendraw.h>
 *     #include <inttypes.h>
 *     #include <stdio.h>
 *     #include <stdlib.h>
 *
 *     static void fail(const evd_client *client, const char *what, int code)
 *     {
 *         fprintf(stderr, "%s: %s (%s)\n", what, evd_error_message(client), evd_error_name(code));
 *         exit(1);
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         evd_client *client;
 *         evd_stream *stream;
 *         evd_stream_options options = EVD_STREAM_OPTIONS_INIT;
 *         const evd_batch *batch;
 *         uint32_t i;
 *         int code;
 *
 *         if (argc != 2) {
 *             fprintf(stderr, "usage: %s JOB\n", argv[0]);
 *             return 2;
 *         }
 *         code = evd_connect(NULL, NULL, &client);
 *         if (code != EVD_OK)
 *             fail(client, "connecting", code);
 *         options.job = argv[1];
 *         options.columns = EVD_COLUMN_LABEL;
 *         code = evd_stream_open(client, &options, &stream);
 *         if (code != EVD_OK)
 *             fail(client, argv[1], code);
 *
 *         while ((code = evd_next(stream, EVD_NO_TIME_LIMIT, &batch)) == EVD_OK) {
 *             printf("epoch %" PRIu64 " step %" PRIu64 ":", batch->epoch, batch->step);
 *             for (i = 0; i < batch->n; i++)
 *                 printf(" %" PRIu64 "/%" PRIu32, batch->index[i], batch->label[i]);
 *             printf("\n");
 *         }
 *         if (code != EVD_EPOCH_END)
 *             fail(client, "waiting for a batch", code);
 *         evd_stream_close(stream);
 *         evd_close(client);
 *         return 0;
 *     }
 *
 * Build it with: cc worker.c $(pkg-config --cflags --libs evendraw)
 *
 * Conventions
 *
 * - Results: functions that can fail return EVD_OK (0) or a code of evendraw_errors.h (EVD_E_*, all
 *   positive); evd_error_message() then says what is wrong and what to do. Codes below zero
 *   (EVD_EPOCH_END, EVD_CANCELLED of evendraw_features.h) are neither a success nor an error.
 * - Threads: a client with all that is its own belongs to one thread at a time. Different clients
 *   may be used by different threads at once; there is no shared state. Connect after fork(), not
 *   before.
 * - Text: UTF-8, terminated by NUL; copied, so that an argument need not outlive its call.
 * - Time: milliseconds, on the monotonic clock.
 * - Signals: SIGPIPE is never raised; a call interrupted by a signal handler goes on.
 * - Lost connection: made anew by itself, see "When the daemon is away" below. After EVD_E_CLOSED
 *   from evd_next, or EVD_E_PROTOCOL, every call on that client fails the same way: close it and
 *   connect again.
 *
 * When the daemon is away
 *
 * A daemon that is restarted, or killed, or a network that fails, is a pause and nothing else: the
 * library connects again, first after 10 to 20 ms, then after up to twice as long each time (at
 * most 1 s), says hello, opens its streams again where they were, and returns or claims what it
 * holds.
 *
 * - evd_next goes on waiting, up to its own time limit (EVD_E_TIMEOUT: ask again), and until
 *   `reconnect_ms` are over (EVD_E_CLOSED: for good).
 * - Acknowledgements wait until they can be sent; those that may have been lost are sent again.
 *   evd_ack with EVD_ACK_CONFIRM is repeated until it is answered.
 * - evd_call is repeated if the method only asks (its name ends in info, list, stats, labels,
 *   read, position, history, trace, batch, workers or preview). Any other fails with EVD_E_CLOSED
 * if the connection ended before its answer came: look whether it was carried out. A call made
 * meanwhile waits for the connection, up to the client's time limit.
 * - An upload or attachment that was under way has failed: begin it again.
 *
 * What is guaranteed (jobs are `at-least-once` if nothing else was said): within an epoch every
 * step is acknowledged exactly once. A batch that a stream has returned is not returned by it
 * again; one that it had received and not returned comes again, with `redelivered` set. That ends
 * with the lease (after the job's time_to_run, see evd_touch; when the connection was away for
 * longer than the job's grace; after a crash of the daemon, if the worker does not come back within
 * that time): the step then goes to another worker, or once more to this one, with `redelivered`
 * set. Ranked: the rank goes on behind what it has returned. What was confirmed is never handed
 * out again, whatever happens.
 */
#ifndef EVENDRAW_H
#define EVENDRAW_H

#include <stddef.h>
#include <stdint.h>
#include <evendraw_errors.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EVD_API        __attribute__((visibility("default")))
#define EVD_MUST_CHECK __attribute__((warn_unused_result))
#else
#define EVD_API
#define EVD_MUST_CHECK
#endif

typedef struct evd_client evd_client; /* one connection to a daemon */
typedef struct evd_stream evd_stream; /* one worker attached to a job */
typedef struct evd_upload evd_upload; /* one dataset on its way to the daemon */

#define EVD_NO_TIME_LIMIT (-1)
#define EVD_NO_RECONNECT  (-2)
/* Bytes of UTF-8 in the name of a dataset, job or class, at most. */
#define EVD_NAME_LIMIT 128

/* The version of the library, "0.1.0". Static storage. */
EVD_API const char *evd_version(void);

/* ---- Connections ---- */

/* All zero means the defaults. */
typedef struct evd_client_options {
    const char *client_name; /* shown by the daemon; NULL: "libevendraw VERSION" */
    int time_limit_ms;       /* of connecting, and of every call but evd_next; 0: 30 s;
                              * EVD_NO_TIME_LIMIT: wait for ever */
    int reconnect_ms;        /* how long to try when the connection is lost; 0: 60 s;
                              * EVD_NO_TIME_LIMIT: for ever; EVD_NO_RECONNECT: not at all */
} evd_client_options;

/*
 * Connects and says hello. `address`: "unix:/path", "/path", "tcp:host:port" or "tcp:[v6]:port";
 * NULL: the environment variable EVENDRAW_SERVER, or else the daemon's default Unix socket.
 * `options` may be NULL.
 *
 * *client is set on failure too, so that evd_error_message() can say why; it must be closed either
 * way. (It is NULL only if there was no memory for it; every function takes that well.)
 * Errors: EVD_E_CONNECT, EVD_E_TIMEOUT, EVD_E_VERSION, EVD_E_BUSY, EVD_E_BAD_VALUE (the address).
 */
EVD_API EVD_MUST_CHECK int evd_connect(const char *address, const evd_client_options *options,
                                       evd_client **client);

/* Ends the connection and frees the client with its streams, uploads and attachments: their handles
 * are invalid afterwards. What was due to be acknowledged is still sent if the socket takes it at
 * once. NULL is allowed. */
EVD_API void evd_close(evd_client *client);

/* The address that is (or was tried to be) connected to, as text. Owned by the client. */
EVD_API const char *evd_address(const evd_client *client);

/* What happened to a client so far; nothing of it is an error. */
typedef struct evd_counters {
    uint64_t reconnects; /* connections made anew */
    uint64_t repeated;   /* batches that came once more, and were not returned once more */
    uint64_t late_acks;  /* acknowledgements of steps that were no longer the stream's */
} evd_counters;
EVD_API void evd_get_counters(const evd_client *client, evd_counters *counters);

/* What went wrong in the last call on this client, its streams and uploads that failed. Owned by
 * the client, valid until its next call. Never NULL. */
EVD_API const char *evd_error_message(const evd_client *client);
/* The field, class, job, ... it was about, or "". */
EVD_API const char *evd_error_detail(const evd_client *client);
/* A code's name for scripts: "not_found" for EVD_E_NOT_FOUND. Static storage. */
EVD_API const char *evd_error_name(int code);

/* ---- Calls ---- */

/*
 * Any method of the protocol (proto/PROTOCOL.md) but those that begin with "stream.", with JSON
 * text both ways. `params`: an object with the method's fields, NULL for none. *result: JSON text
 * to be freed with evd_free(); NULL on failure; `result` itself may be NULL if nobody wants it.
 *
 * MessagePack and JSON differ in four things:
 *
 * - bytes (bin) are {"$hex": "00ff"}, in both directions;
 * - NaN and infinity become null in results, and JSON has no way to send them;
 * - integers of 2^63 and more become a string of digits in results, and are refused in params;
 * - a real such as 1.0 in params stays a real: write 1 where the protocol wants an integer. In
 *   results every number has as few digits as read back the same: the real 1.0 is written 1.
 *
 * Lists (dataset.list, job.list, job.workers) come in pages: while `more` is true, ask again with
 * `after` ("Lists" in PROTOCOL.md).
 *
 * Errors: EVD_E_USAGE (not JSON, or not an object), EVD_E_LIMIT (over 1 MiB, 16 levels or 65,536
 * values, in MessagePack), EVD_E_TIMEOUT, EVD_E_CLOSED, and what the method answers. After
 * EVD_E_TIMEOUT the connection is still good; the late answer is dropped.
 */
EVD_API EVD_MUST_CHECK int evd_call(evd_client *client, const char *method, const char *params,
                                    char **result);

/* Frees text that this library returned. NULL is allowed. */
EVD_API void evd_free(char *text);

/* ---- Datasets ---- */

/* The label of a sample without a label: it keeps its index and is never drawn. */
#define EVD_NO_LABEL UINT32_C(0xFFFFFFFF)

/*
 * Starts a new version of the dataset `name`. Class number c is called classes[c]; more classes can
 * be added later, before the labels that use them. If labels come before any name, their classes
 * are called "0", "1", ..., and none can be added. Nobody sees the version until it is committed.
 * *upload belongs to the client.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_begin(evd_client *client, const char *name,
                                             const char *const *classes, size_t class_count,
                                             evd_upload **upload);
/*
 * The same for a version that is made for a job: it belongs to the jobs that draw from it, and goes
 * with the last of them. Until then it is kept while this client is connected. Where the daemon has
 * the same classes, labels and weights already, evd_dataset_commit answers with that version, under
 * its own name, and nothing is stored twice.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_begin_owned(evd_client *client, const char *name,
                                                   const char *const *classes, size_t class_count,
                                                   evd_upload **upload);
/* Adds classes, numbered on from those there are. */
EVD_API EVD_MUST_CHECK int evd_dataset_classes(evd_upload *upload, const char *const *classes,
                                               size_t class_count);
/*
 * Appends n labels: class numbers, or EVD_NO_LABEL. Any n: labels are gathered into chunks of about
 * half a megabyte, of which a few are under way at once, so an error may be reported by a later
 * call. Uses the same few megabytes however long the dataset is.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_append(evd_upload *upload, const uint32_t *labels, size_t n);
/*
 * Appends n values to the weight column `column`, which its first values create: in the end it must
 * have one value, finite and not negative, for every sample, those without a label among them. A
 * strategy refers to it by name. Before, between or after the labels; sent in chunks as they are.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_weights(evd_upload *upload, const char *column,
                                               const double *weights, size_t n);
/*
 * Sends what is left and commits; returns when the version is durable. *info (unless `info` is
 * NULL) is the answer of dataset.commit as JSON text, to be freed with evd_free(). Frees the
 * upload, whether it succeeds or not.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_commit(evd_upload *upload, char **info);
/* Gives up and frees the upload. The daemon drops the draft when the connection ends. NULL is
 * allowed. */
EVD_API void evd_dataset_abort(evd_upload *upload);

/*
 * The labels of a version as they were sent: n of them, from sample `first` on; EVD_NO_LABEL where
 * there is none. `version` 0: the newest. How many samples there are, dataset.info says (evd_call).
 * Repeated by itself where a connection is lost. Errors: EVD_E_NOT_FOUND; EVD_E_BAD_VALUE where
 * there are not so many.
 */
EVD_API EVD_MUST_CHECK int evd_dataset_labels(evd_client *client, const char *dataset,
                                              uint32_t version, uint64_t first, uint32_t *labels,
                                              size_t n);

/* ---- Attachments ---- */

typedef struct evd_attachment evd_attachment; /* one on its way to the daemon */

/*
 * Starts an attachment: a table over the samples of a dataset version that the caller has computed,
 * as neighbours, a selection or folds. `params`: the fields of attachment.create (PROTOCOL.md) as
 * JSON, such as {"dataset": "pets", "name": "near", "kind": "neighbours", "k": 5, "scope": "all",
 * "metric": "euclidean"}. Nobody sees it until it is committed. *attachment belongs to the client.
 */
EVD_API EVD_MUST_CHECK int evd_attachment_begin(evd_client *client, const char *params,
                                                evd_attachment **attachment);
/*
 * Appends the rows of the next n samples, `row_bytes` each. Of neighbours: k uint32_t, UINT32_MAX
 * in the last places if there are fewer, and as many distances (INFINITY there); of a selection: a
 * uint8_t, 1 or 0; of folds: a uint16_t, UINT16_MAX for a sample without a label. `distances`: NULL
 * but for neighbours. Any n: sent in pieces, as labels are. EVD_E_USAGE: rows of another size.
 */
EVD_API EVD_MUST_CHECK int evd_attachment_append(evd_attachment *attachment, const void *rows,
                                                 size_t row_bytes, const float *distances,
                                                 size_t n);
/* Sends what is left and commits; *info (unless `info` is NULL) is the answer of attachment.commit
 * as JSON text, to be freed with evd_free(). The same under the same name is no error. Frees the
 * attachment, whether it succeeds or not. */
EVD_API EVD_MUST_CHECK int evd_attachment_commit(evd_attachment *attachment, char **info);
/* Gives up and frees it. NULL is allowed. */
EVD_API void evd_attachment_abort(evd_attachment *attachment);
/*
 * Is it there already? Who has to compute first what it attaches asks before that, and once more
 * before it sends what took long. `params`: as for evd_attachment_begin. *info (unless `info` is
 * NULL) becomes
 *
 * - the attachment info map of what has the name, as JSON text to be freed with evd_free(), if
 * kind, k, scope, metric and folds are the same, and so are all terms of `params` but "library";
 * - NULL, if nothing has the name, or if it cannot be known: terms are missing there, or "features"
 *   are the digest of those in another "type". Then compute and commit, which compares what was
 *   computed.
 *
 * EVD_E_EXISTS: something else has the name, or it is damaged; evd_error_detail() is the first
 * field or term that differs ("k", "features", "damage", ...).
 */
EVD_API EVD_MUST_CHECK int evd_attachment_find(evd_client *client, const char *params, char **info);
/*
 * Rows of n samples from sample `first` on, and their distances unless `distances` is NULL, as they
 * were appended. `row_bytes`: of a row, as the caller expects it (of neighbours 4 k);
 * EVD_E_CONFLICT if they are others, or if the attachment was replaced meanwhile. `version` 0: the
 * newest.
 */
EVD_API EVD_MUST_CHECK int evd_attachment_read(evd_client *client, const char *dataset,
                                               uint32_t version, const char *name, uint64_t first,
                                               void *rows, size_t row_bytes, float *distances,
                                               size_t n);

/* ---- Streams ---- */

/* Columns beside the index; bits to be or-ed. Not every strategy can answer each. */
#define EVD_COLUMN_LABEL            (1u << 1)
#define EVD_COLUMN_PROBABILITY      (1u << 2)
#define EVD_COLUMN_REPEAT           (1u << 3)
#define EVD_COLUMN_AUGMENT_SEED     (1u << 4)
#define EVD_COLUMN_AUGMENT_STRENGTH (1u << 5)
#define EVD_COLUMN_MIX_INDEX        (1u << 6)
#define EVD_COLUMN_MIX_LABEL        (1u << 7)
#define EVD_COLUMN_MIX_LAMBDA       (1u << 8)
#define EVD_COLUMN_MIX_LABEL_LAMBDA (1u << 9)

/* What evd_next returns at the end of an epoch. */
#define EVD_EPOCH_END (-1)

#define EVD_STREAM_MANUAL_ACK 1u /* evd_next acknowledges nothing by itself */
/* evd_next says EVD_EPOCH_END as soon as every step of the epoch is in some worker's hands, and
 * does not wait for others (or for this worker's own caller) to acknowledge theirs. For workers
 * that are drained in turn by one reader, who would otherwise wait for the wrong one. The next
 * epoch still begins only when all is acknowledged. */
#define EVD_STREAM_EARLY_END 2u
/* Shared jobs: nobody else may be attached while this stream is; a second one is refused, whichever
 * of them asks for it (EVD_E_CONFLICT). A rank of a ranked job has one worker in any case. */
#define EVD_STREAM_EXCLUSIVE 4u

typedef struct evd_stream_options {
    const char *job;
    int rank;            /* ranked jobs: 0 .. world_size - 1; shared jobs: -1 */
    uint32_t world_size; /* ranked jobs; 0: as the job has it */
    uint32_t window;     /* batches under way at most; 0: the daemon chooses, usually 8 */
    uint32_t columns;    /* EVD_COLUMN_* */
    uint32_t flags;      /* EVD_STREAM_* */
} evd_stream_options;

#define EVD_STREAM_OPTIONS_INIT                                                                    \
    {                                                                                              \
        NULL, -1, 0, 0, 0, 0                                                                       \
    }

/* What the daemon said when the stream was opened, or opened again after the connection was lost.
 * Owned by the stream. */
typedef struct evd_stream_info {
    const char *job;
    const char *dataset;
    uint32_t version; /* of the dataset */
    uint32_t classes;
    uint64_t samples;    /* indices are below this */
    uint32_t batch_size; /* global: of all ranks together */
    int rank;            /* -1: a shared job */
    uint32_t world_size; /* 0: a shared job */
    uint32_t window;
    uint32_t generation;
    uint32_t revision;    /* of the strategy, as it was then */
    uint64_t epoch, step; /* the first step not handed out by then (to this rank) */
    uint64_t steps;       /* of that epoch */
    uint64_t seed;
    /* The change of strategy that was announced since, if any (0: none): the same place for every
     * worker, whichever of them gets the first batch of that revision. */
    uint32_t announced_revision;
    uint64_t announced_epoch, announced_step;
    uint64_t ended; /* 1 + the epoch whose end evd_next told last; 0: none yet */
    /* The step of the first batch, unless another worker takes it before: batches that come again
     * come first, so it may be lower than `step`. After a seek, where that went. */
    uint64_t first_epoch, first_step;
} evd_stream_info;

/* One batch, or one rank's slice of it. Columns that were not asked for are NULL. */
typedef struct evd_batch {
    uint64_t epoch, step;
    uint32_t generation;
    uint32_t revision; /* of the strategy that drew it */
    int redelivered;   /* 1: it was handed out before, to another worker or on a lost connection */
    uint32_t n;        /* values in each column; may be 0 */
    const uint64_t *index;
    const uint32_t *label;
    const float *probability; /* of the draw */
    const uint32_t *repeat;   /* how often the sample was drawn before in this epoch */
    const uint64_t *augment_seed;
    const float *augment_strength; /* 0: the sample comes for the first time; then rising to 1 */
    /* Of strategies with pairs: the second sample, its class, and its shares of the mixture's
     * features and label. Share 0: there is none, and it is the sample itself. */
    const uint64_t *mix_index;
    const uint32_t *mix_label;
    const float *mix_lambda;
    const float *mix_label_lambda;
} evd_batch; /* members are added at its end: the library owns every one */

/*
 * Attaches to a job; the first batches are under way when this returns. *stream belongs to the
 * client; a client may have several. Errors: EVD_E_NOT_FOUND, EVD_E_BAD_VALUE (rank, world size),
 * EVD_E_CONFLICT (the rank is taken, or one of two has to be alone), EVD_E_LIMIT, EVD_E_STRATEGY
 * (a column it cannot answer).
 */
EVD_API EVD_MUST_CHECK int evd_stream_open(evd_client *client, const evd_stream_options *options,
                                           evd_stream **stream);
/* Detaches and frees. Due acknowledgements are sent; the batch returned last is not acknowledged
 * (see evd_ack), so that another worker gets it. NULL is allowed. */
EVD_API void evd_stream_close(evd_stream *stream);

EVD_API const evd_stream_info *evd_stream_get_info(const evd_stream *stream);

/*
 * The next batch. Waits up to timeout_ms (0: not at all, EVD_NO_TIME_LIMIT: for ever). *batch and
 * its columns belong to the stream and are valid until its next evd_next or evd_stream_close.
 *
 * Asking for a batch acknowledges the one before, unless the stream has EVD_STREAM_MANUAL_ACK.
 * Acknowledgements travel together, a few in one message; none is held back while this call waits.
 *
 * - EVD_OK: *batch is set.
 * - EVD_EPOCH_END: every batch of the epoch was handed out and acknowledged (shared jobs: by all
 *   workers; but see EVD_STREAM_EARLY_END). Nothing of the next epoch comes before evd_next is
 *   called again.
 * - EVD_E_TIMEOUT: nothing came in time; ask again.
 * - Others: the stream has ended (job dropped, connection lost for good).
 *
 * When the job is moved (job.seek) batches simply go on there; their generation is another.
 */
EVD_API EVD_MUST_CHECK int evd_next(evd_stream *stream, int timeout_ms, const evd_batch **batch);

#define EVD_ACK_THROUGH 1u /* also every batch that evd_next returned before that one */
#define EVD_ACK_CONFIRM 2u /* wait until it is durable: it is then never handed out again */

/*
 * Acknowledges a batch that evd_next returned, by its epoch and step: with EVD_STREAM_MANUAL_ACK,
 * or early for the one returned last. Acknowledging twice does no harm. Without EVD_ACK_CONFIRM it
 * is sent with the next few, at the latest before evd_next waits. Errors: EVD_E_TIMEOUT,
 * EVD_E_STORE, EVD_E_CONFLICT (of another generation), EVD_E_CLOSED.
 */
EVD_API EVD_MUST_CHECK int evd_ack(evd_stream *stream, uint64_t epoch, uint64_t step,
                                   unsigned flags);

/* Gives a batch that evd_next returned back without having used it, so that another worker (or this
 * one) gets it at once. Does nothing if it was acknowledged or released before. */
EVD_API EVD_MUST_CHECK int evd_release(evd_stream *stream, uint64_t epoch, uint64_t step);

/* The job's time_to_run begins anew for every batch of this stream that is not acknowledged: for
 * workers whose step takes longer than that. */
EVD_API EVD_MUST_CHECK int evd_touch(evd_stream *stream);

/*
 * Checkpoints: evd_call(client, "job.position", ...) gives a token for the job's position, and
 * "job.seek" moves the job there.
 */

/* ---- Event loops ---- */

/*
 * With a loop of your own: watch evd_fd() for evd_events(), call evd_process() when it is ready,
 * then evd_next(stream, 0, ...) on each stream until it says EVD_E_TIMEOUT. Ask evd_fd(),
 * evd_events() and evd_timeout() again after that: they change.
 */

/* The socket, or -1 while there is no connection. Do not read, write or close it. */
EVD_API int evd_fd(const evd_client *client);
/* In so many ms evd_process() is to be called although the socket is not ready: to connect again.
 * -1: not at all. */
EVD_API int evd_timeout(const evd_client *client);
/* What to wait for: POLLIN, and POLLOUT while something is waiting to be sent. */
EVD_API short evd_events(const evd_client *client);
/* Without waiting: sends what waits to be sent, reads what is there, sorts it to the streams, and
 * connects again if that is due. */
EVD_API EVD_MUST_CHECK int evd_process(evd_client *client);

/* ---- Bindings ---- */

/*
 * Where the members of the structs above lie, for bindings that declare them once more in another
 * language and want to refuse a library of another version. Row i, from 0 on: returns the name of a
 * struct ("evd_batch") or member ("evd_batch.epoch"), and its offset in the struct and its size in
 * bytes; NULL behind the last. Static storage.
 */
EVD_API const char *evd_layout(size_t i, size_t *offset, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
