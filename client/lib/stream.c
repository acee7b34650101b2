/*
 * A stream's life as its caller sees it: opened, asked for batches, closed. The functions of
 * evendraw.h that do this are here; what a stream says to the daemon when it is opened, and opened
 * again, is in open.c.
 */
#include <assert.h>
#include <stdlib.h>
#include "client/lib/client.h"
#include "proto/answers.h"

void stream_move(struct evd_stream *stream, enum stream_state to)
{
    static const uint8_t moves[] = {
        [STREAM_NEW] = 1u << STREAM_RUNNING,
        [STREAM_RUNNING] =
            1u << STREAM_AHEAD | 1u << STREAM_RESTING | 1u << STREAM_LOST | 1u << STREAM_ENDED,
        [STREAM_AHEAD] = 1u << STREAM_RUNNING | 1u << STREAM_LOST,
        [STREAM_RESTING] = 1u << STREAM_RUNNING | 1u << STREAM_LOST,
        [STREAM_LOST] = 1u << STREAM_RESUMING | 1u << STREAM_REOPENING | 1u << STREAM_ENDED,
        [STREAM_RESUMING] =
            1u << STREAM_REOPENING | 1u << STREAM_RESTING | 1u << STREAM_LOST | 1u << STREAM_ENDED,
        [STREAM_REOPENING] = 1u << STREAM_RESTING | 1u << STREAM_LOST | 1u << STREAM_ENDED,
        [STREAM_ENDED] = 0,
    };

    assert(moves[stream->state] >> to & 1);
    (void)moves;
    stream->state = to;
}

bool stream_attached(const struct evd_stream *stream)
{
    return stream->state == STREAM_RUNNING || stream->state == STREAM_AHEAD ||
           stream->state == STREAM_RESTING;
}

void stream_end(struct evd_stream *stream, const struct evd_error *why)
{
    stream_move(stream, STREAM_ENDED);
    stream->end = *why;
}

void stream_closed(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t code = map_u64(map, "code", EVD_E_CLOSED);
    char message[sizeof(stream->end.message)];
    struct evd_error why;

    map_text(map, "message", message, sizeof(message));
    error_set(&why, code > 0 && code < 1000 ? (int)code : EVD_E_CLOSED, stream->job, "%s", message);
    stream_end(stream, &why);
}

/* ---- opening and closing ---- */

int evd_stream_open(evd_client *client, const evd_stream_options *options, evd_stream **out)
{
    struct evd_stream *stream;
    deadline_t deadline;
    int code;

    *out = NULL;
    if (!client)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (!options->job || (options->columns & ~(uint32_t)((1u << COLUMN_COUNT) - 2)) ||
        options->window > EVD_MAX_WINDOW)
        return error_set(&client->error, EVD_E_USAGE, "",
                         "evd_stream_open: name a job, columns as EVD_COLUMN_*, and a window of at "
                         "most %u",
                         EVD_MAX_WINDOW);
    stream = calloc(1, sizeof(*stream));
    if (!stream)
        return error_set(&client->error, EVD_E_NO_MEMORY, "", "no memory for a stream");
    stream->client = client;
    stream->state = STREAM_NEW;
    stream->epoch = EPOCH_UNKNOWN;
    stream->options = *options;
    stream->format = (struct batch_format){.packed = true, .columns = options->columns | 1u};
    deadline = client_deadline(client);
    do
        code = stream_attach(stream, deadline);
    while (client_again(client, code, deadline));
    if (code != EVD_OK) {
        stream_free(stream);
        return code;
    }
    stream->options.job = stream->job;                    /* the caller's text may be gone, */
    stream->options.world_size = stream->info.world_size; /* and the daemon may have forgotten */
    *out = stream;
    return EVD_OK;
}

void stream_free(struct evd_stream *stream)
{
    for (struct evd_stream **at = &stream->client->streams; *at; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    request_forget(stream->client, &stream->confirm);
    request_forget(stream->client, &stream->open);
    batch_decoded_fini(&stream->decoded);
    buf_fini(&stream->backlog);
    free(stream->sent.items);
    free(stream->strays.items);
    free(stream);
}

void stream_pack_close(struct evd_client *client, uint32_t id)
{
    struct evd_error err;
    msgpack_packer pk;

    request_begin(client, &pk, NULL, "stream.close");
    pack_key_u64(&pk, "stream", id);
    if (request_end(client, &pk, NULL, &err) != EVD_OK)
        return; /* no memory: it ends with the connection */
}

void evd_stream_close(evd_stream *stream)
{
    if (!stream)
        return;
    if (stream_attached(stream)) {
        ack_pack(stream);
        stream_pack_close(stream->client, stream->id);
        client_flush(stream->client);
    }
    stream_free(stream);
}

const evd_stream_info *evd_stream_get_info(const evd_stream *stream)
{
    return &stream->info;
}

/* ---- what the daemon tells of a stream ---- */

#define NOTHING (-2) /* beside EVD_OK, EVD_EPOCH_END and errors: it was not for the caller */

/* The first thing that comes says in which epoch the stream is. */
static void place(struct evd_stream *stream, uint64_t epoch)
{
    if (stream->epoch == EPOCH_UNKNOWN)
        stream->epoch = epoch;
}

/* Says, once, that an epoch is over. */
static int tell_end(struct evd_stream *stream, uint64_t epoch)
{
    stream->epoch = stream->info.ended = epoch + 1;
    stream->idle = true;
    ack_pack(stream); /* it may be long before the next call */
    client_flush(stream->client);
    return EVD_EPOCH_END;
}

/* A step that comes again because its acknowledgement, or the batch itself, was lost with the
 * connection. */
static bool is_repeated(struct evd_stream *stream, const struct batch_head *head)
{
    struct place at = {head->epoch, head->step};
    enum known known = ack_known(stream, at);

    if (known == KNOWN_NOT)
        ack_replayed(stream);
    else if (known == KNOWN_SENT)
        ack_again(stream, at);
    stream->client->repeated += known != KNOWN_NOT;
    return known != KNOWN_NOT;
}

/* The batch decoded last is the caller's now. */
static int hand_out(struct evd_stream *stream, const evd_batch **batch)
{
    ack_hold(stream);
    *batch = &stream->batch;
    return EVD_OK;
}

static int on_batch(struct evd_stream *stream, const msgpack_object *params,
                    const evd_batch **batch)
{
    struct batch_decoded *decoded = &stream->decoded;
    struct evd_error err;

    if (batch_decode(params, &stream->format, decoded, &err) != EVD_OK)
        return client_lose(stream->client, &err);
    if (decoded->head.generation != stream->info.generation || is_repeated(stream, &decoded->head))
        return NOTHING;
    stream->batch = (struct evd_batch){.epoch = decoded->head.epoch,
                                       .step = decoded->head.step,
                                       .generation = decoded->head.generation,
                                       .revision = decoded->head.revision,
                                       .redelivered = decoded->head.redelivered,
                                       .n = decoded->n,
#define BATCH_COLUMN(id, name, type, of_samples) .id = decoded->data[COLUMN_##id],
                                       EVD_COLUMNS(BATCH_COLUMN)
#undef BATCH_COLUMN
    };
    place(stream, stream->batch.epoch);
    if (stream->batch.epoch <= stream->epoch)
        return hand_out(stream, batch);
    /* The end of the epoch before it was told while there was no connection. */
    stream_move(stream, STREAM_AHEAD);
    return tell_end(stream, stream->batch.epoch - 1);
}

/* The epoch is over. If the caller knows already, it is waiting for the next one. */
static int on_epoch_end(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t epoch = map_u64(map, "epoch", 0);

    place(stream, epoch);
    ack_replayed(stream);
    stream_move(stream, STREAM_RESTING);
    return epoch >= stream->epoch ? tell_end(stream, epoch) : NOTHING;
}

/* Nothing is left of the epoch, though others may still be busy with it. */
static int on_drained(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t epoch = map_u64(map, "epoch", 0);

    place(stream, epoch);
    if (!(stream->options.flags & EVD_STREAM_EARLY_END) || epoch < stream->epoch)
        return NOTHING;
    return tell_end(stream, epoch);
}

/* The job was dropped, or the daemon stops: after that, another is waited for. */
static int on_closed(struct evd_stream *stream, const msgpack_object *map)
{
    struct evd_client *client = stream->client;

    if (map_u64(map, "code", 0) == EVD_E_SHUTTING_DOWN && client->reconnect_ms != EVD_NO_RECONNECT)
        return NOTHING;
    stream_closed(stream, map);
    return client_error(client, &stream->end);
}

static int on_seek(struct evd_stream *stream, const msgpack_object *map)
{
    struct place at = {map_u64(map, "epoch", 0), map_u64(map, "step", 0)};

    stream_moved(stream, (uint32_t)map_u64(map, "generation", 0), at);
    return NOTHING;
}

void stream_announced(struct evd_stream *stream, const msgpack_object *map)
{
    stream->info.announced_revision = (uint32_t)map_u64(map, "revision", 0);
    stream->info.announced_epoch = map_u64(map, "epoch", 0);
    stream->info.announced_step = map_u64(map, "step", 0);
}

/* client->msg is a notification for this stream. NOTHING, or what evd_next returns. */
static int on_notification(struct evd_stream *stream, const evd_batch **batch)
{
    const struct message *msg = &stream->client->msg;
    const msgpack_object *map = msg->params->via.array.ptr;

    assert(stream->state == STREAM_RUNNING);
    switch (note_find(msg->method)) {
    case NOTE_batch:
        return on_batch(stream, msg->params, batch);
    case NOTE_epoch_end:
        return on_epoch_end(stream, map);
    case NOTE_drained:
        return on_drained(stream, map);
    case NOTE_closed:
        return on_closed(stream, map);
    case NOTE_seek:
        return on_seek(stream, map);
    case NOTE_revision:
        stream_announced(stream, map);
        return NOTHING;
    default: /* of a newer daemon */
        return NOTHING;
    }
}

/* ---- the next batch ---- */

int stream_pack_credit(struct evd_stream *stream, struct evd_error *err)
{
    msgpack_packer pk;

    request_begin(stream->client, &pk, NULL, "stream.credit");
    pack_key_u64(&pk, "stream", stream->id);
    pack_key_u64(&pk, "window", stream->info.window);
    if (request_end(stream->client, &pk, NULL, err) != EVD_OK)
        return err->code;
    stream_move(stream, STREAM_RUNNING);
    return EVD_OK;
}

/* Why nothing more comes for this stream, or what the daemon refused. */
static int trouble(struct evd_stream *stream)
{
    struct evd_client *client = stream->client;

    if (stream->state == STREAM_ENDED)
        return client_error(client, &stream->end);
    if (client->notice.code == EVD_OK)
        return EVD_OK;
    client_error(client, &client->notice);
    client->notice.code = EVD_OK;
    return client->error.code;
}

/* What must be said for batches to come. */
static int ask_for_more(struct evd_stream *stream)
{
    struct evd_client *client = stream->client;

    if (stream->state == STREAM_RESTING && stream_pack_credit(stream, &client->error) != EVD_OK)
        return client->error.code;
    if (ack_urgent(stream)) {
        ack_pack(stream);
        client_flush(client);
    }
    return EVD_OK;
}

/* Makes client->msg the next notification for this stream: the oldest that was kept, or else the
 * first to arrive. What arrives before it goes to whom it is for. */
static int receive(struct evd_stream *stream, deadline_t deadline)
{
    struct evd_client *client = stream->client;

    for (;;) {
        const uint8_t *frame;
        size_t n;
        bool found = false;
        int code = ask_for_more(stream);

        if (code == EVD_OK && stream_kept(stream, &frame, &n))
            return client_decode(client, frame, n);
        if (code == EVD_OK)
            code = client_frame(client, &found, &frame, &n);
        if (found && client_recipient(client) == stream)
            return EVD_OK;
        if (found)
            code = client_dispatch(client, frame, n);
        else if (code == EVD_OK && (code = trouble(stream)) == EVD_OK)
            code = client_wait(client, deadline);
        if (code != EVD_OK)
            return code;
    }
}

int evd_next(evd_stream *stream, int timeout_ms, const evd_batch **batch)
{
    struct evd_client *client = stream->client;
    deadline_t deadline = deadline_in(timeout_ms);
    int code;

    *batch = NULL;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (stream->state == STREAM_ENDED)
        return client_error(client, &stream->end);
    if (!(stream->options.flags & EVD_STREAM_MANUAL_ACK))
        ack_last(stream);
    stream->idle = false;
    if (stream->state == STREAM_AHEAD) {
        stream_move(stream, STREAM_RUNNING);
        return hand_out(stream, batch);
    }
    do {
        code = receive(stream, deadline);
        if (code == EVD_OK)
            code = on_notification(stream, batch);
    } while (code == NOTHING);
    return code;
}
