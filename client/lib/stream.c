#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

/* ---- opening ---- */

static int bad_answer(struct evd_error *err, const char *field)
{
    return error_set(err, EVD_E_PROTOCOL, field,
                     "the daemon's answer to stream.open has no usable \"%s\"", field);
}

/* Reads the answer of stream.open, and links the stream: batches may follow in the same read. */
static int take_open(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_stream *stream = arg;
    struct evd_stream_info *info = &stream->info;
    uint64_t id = map_u64(result, "stream", UINT64_MAX);
    uint64_t batch_size = map_u64(result, "batch_size", 0);
    uint64_t window = map_u64(result, "window", 0);
    char mode[16], index_type[8];

    if (id > UINT32_MAX)
        return bad_answer(err, "stream");
    if (batch_size == 0 || batch_size > EVD_MAX_BATCH)
        return bad_answer(err, "batch_size");
    if (window == 0 || window > EVD_MAX_WINDOW)
        return bad_answer(err, "window");
    map_text(result, "index_type", index_type, sizeof(index_type));
    if (strcmp(index_type, "u32") != 0 && strcmp(index_type, "u64") != 0)
        return bad_answer(err, "index_type");
    stream->format.wide_index = strcmp(index_type, "u64") == 0;
    stream->id = (uint32_t)id;
    map_text(result, "job", stream->job, sizeof(stream->job));
    map_text(result, "dataset", stream->dataset, sizeof(stream->dataset));
    map_text(result, "mode", mode, sizeof(mode));
    *info = (struct evd_stream_info){
        .job = stream->job,
        .dataset = stream->dataset,
        .version = (uint32_t)map_u64(result, "version", 0),
        .classes = (uint32_t)map_u64(result, "classes", 0),
        .samples = map_u64(result, "samples", 0),
        .batch_size = (uint32_t)batch_size,
        .rank = strcmp(mode, "ranked") == 0 ? (int)map_u64(result, "rank", 0) : -1,
        .world_size = (uint32_t)map_u64(result, "world_size", 0),
        .window = (uint32_t)window,
        .generation = (uint32_t)map_u64(result, "generation", 0),
        .revision = (uint32_t)map_u64(result, "revision", 0),
        .epoch = map_u64(result, "epoch", 0),
        .step = map_u64(result, "step", 0),
        .steps = map_u64(result, "steps", 0),
        .seed = map_u64(result, "seed", 0),
    };
    /* A window of batches, the end of an epoch, and the end of the stream with its reason. */
    buf_init(&stream->backlog,
             (window + 2) * (batch_size_bound(&stream->format, info->batch_size) + 1024));
    stream->next = stream->client->streams;
    stream->client->streams = stream;
    return EVD_OK;
}

static void pack_open(msgpack_packer *pk, const evd_stream_options *options, uint32_t window)
{
    uint32_t columns = 0;

    for (int c = 1; c < COLUMN_COUNT; c++)
        columns += options->columns >> c & 1;
    msgpack_pack_map(pk, 4 + (options->rank >= 0) + (options->world_size > 0));
    pack_key_cstr(pk, "job", options->job);
    if (options->rank >= 0)
        pack_key_u64(pk, "rank", (uint64_t)options->rank);
    if (options->world_size > 0)
        pack_key_u64(pk, "world_size", options->world_size);
    pack_key_u64(pk, "window", window);
    pack_key_cstr(pk, "encoding", "packed");
    pack_key_array(pk, "columns", columns);
    for (int c = 1; c < COLUMN_COUNT; c++) {
        if (options->columns >> c & 1)
            pack_cstr(pk, column_name(c));
    }
}

/* The one place where a stream is attached. */
static int attach(struct evd_stream *stream, const evd_stream_options *options)
{
    struct evd_client *client = stream->client;
    struct pending pending = {.take = take_open, .arg = stream};
    struct evd_error err;
    msgpack_packer pk;
    size_t start = client->out.len;

    request_begin(client, &pk, &pending, "stream.open");
    pack_open(&pk, options, options->window ? options->window : EVD_DEFAULT_WINDOW);
    if (request_end(client, &pending, start, &err) != EVD_OK)
        return client_error(client, &err);
    client_flush(client);
    return client_await(client, &pending, client_deadline(client));
}

int evd_stream_open(evd_client *client, const evd_stream_options *options, evd_stream **out)
{
    struct evd_stream *stream;

    *out = NULL;
    if (client == NULL)
        return EVD_E_NO_MEMORY;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (options->job == NULL || (options->columns & ~(uint32_t)((1u << COLUMN_COUNT) - 2)) ||
        options->window > EVD_MAX_WINDOW)
        return error_set(&client->error, EVD_E_USAGE, "",
                         "evd_stream_open: name a job, columns as EVD_COLUMN_*, and a window of at "
                         "most %u",
                         EVD_MAX_WINDOW);
    stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return error_set(&client->error, EVD_E_NO_MEMORY, "", "no memory for a stream");
    stream->client = client;
    stream->flags = options->flags;
    stream->format = (struct batch_format){.packed = true, .columns = options->columns | 1u};
    if (attach(stream, options) != EVD_OK) {
        stream_free(stream);
        return client->error.code;
    }
    *out = stream;
    return EVD_OK;
}

/* ---- closing ---- */

void stream_free(struct evd_stream *stream)
{
    for (struct evd_stream **at = &stream->client->streams; *at != NULL; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    batch_decoded_fini(&stream->decoded);
    buf_fini(&stream->backlog);
    free(stream);
}

void evd_stream_close(evd_stream *stream)
{
    struct evd_client *client;
    msgpack_packer pk;
    size_t start;

    if (stream == NULL)
        return;
    client = stream->client;
    if (client->lost.code == EVD_OK && stream->end.code == EVD_OK) {
        ack_pack(stream);
        start = client->out.len;
        buf_packer(&client->out, &pk);
        message_notification(&pk, "stream.close");
        msgpack_pack_map(&pk, 1);
        pack_key_u64(&pk, "stream", stream->id);
        if (client->out.failed)
            buf_truncate(&client->out, start);
        client_flush(client);
    }
    stream_free(stream);
}

const evd_stream_info *evd_stream_get_info(const evd_stream *stream)
{
    return &stream->info;
}

/* ---- frames for later ---- */

int stream_keep(struct evd_stream *stream, const uint8_t *frame, size_t n, struct evd_error *err)
{
    uint32_t size = (uint32_t)n;

    /* The window, the end of an epoch, the end of the stream; a change of strategy needs no place,
     * since every batch names its revision. */
    if (str_is(stream->client->msg.method, "revision"))
        return EVD_OK;
    if (stream->backlog_start > 0 && stream->backlog_start >= stream->backlog.len / 2) {
        buf_consume(&stream->backlog, stream->backlog_start);
        stream->backlog_start = 0;
    }
    if (stream->backlog_frames < stream->info.window + 2) {
        buf_append(&stream->backlog, &size, sizeof(size));
        buf_append(&stream->backlog, frame, n);
        stream->backlog_frames++;
        if (!stream->backlog.failed)
            return EVD_OK;
    }
    return error_set(err, EVD_E_PROTOCOL, "window",
                     "the daemon sent more than the window of %u batches, or there is no memory",
                     stream->info.window);
}

/* The oldest kept frame into client->msg: *found. */
static int backlog_frame(struct evd_stream *stream, bool *found)
{
    struct evd_client *client = stream->client;
    struct evd_error err;
    uint32_t size;
    bool has_id;

    *found = stream->backlog_frames > 0;
    if (!*found)
        return EVD_OK;
    memcpy(&size, stream->backlog.data + stream->backlog_start, sizeof(size));
    stream->backlog_start += sizeof(size);
    if (message_decode(&client->msg, stream->backlog.data + stream->backlog_start, size, &has_id,
                       &err) != EVD_OK)
        return client_lose(client, &err);
    stream->backlog_start += size;
    stream->backlog_frames--;
    return EVD_OK;
}

/* ---- the next batch ---- */

#define NOTHING (-2) /* beside EVD_OK, EVD_EPOCH_END and errors: it was not for the caller */

static int take_batch(struct evd_stream *stream, const msgpack_object *params)
{
    struct batch_decoded *decoded = &stream->decoded;
    struct evd_error err;

    if (batch_decode(params, &stream->format, decoded, &err) != EVD_OK)
        return client_lose(stream->client, &err);
    stream->batch = (struct evd_batch){
        .epoch = decoded->head.epoch,
        .step = decoded->head.step,
        .generation = decoded->head.generation,
        .revision = decoded->head.revision,
        .redelivered = decoded->head.redelivered,
        .n = decoded->n,
        .index = decoded->data[COLUMN_index],
        .label = decoded->data[COLUMN_label],
        .probability = decoded->data[COLUMN_probability],
        .repeat = decoded->data[COLUMN_repeat],
        .augment_seed = decoded->data[COLUMN_augment_seed],
    };
    if (ack_hold(stream, &err) != EVD_OK)
        return client_lose(stream->client, &err);
    return EVD_OK;
}

static int take_closed(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t code = map_u64(map, "code", EVD_E_CLOSED);
    char message[sizeof(stream->end.message)];

    map_text(map, "message", message, sizeof(message));
    error_set(&stream->end, code > 0 && code < 1000 ? (int)code : EVD_E_CLOSED, stream->job, "%s",
              message);
    return client_error(stream->client, &stream->end);
}

/* After the end of an epoch the daemon waits until the worker wants more. */
static void pack_credit(struct evd_stream *stream)
{
    struct evd_buf *out = &stream->client->out;
    size_t start = out->len;
    msgpack_packer pk;

    buf_packer(out, &pk);
    message_notification(&pk, "stream.credit");
    msgpack_pack_map(&pk, 2);
    pack_key_u64(&pk, "stream", stream->id);
    pack_key_u64(&pk, "window", stream->info.window);
    if (out->failed)
        buf_truncate(out, start);
    else
        stream->at_end = false;
}

/* The epoch is over. If the caller knows already, it is waiting for the next one. */
static int take_epoch_end(struct evd_stream *stream, const msgpack_object *map)
{
    bool known = stream->early && map_u64(map, "epoch", UINT64_MAX) == stream->early_epoch;

    stream->early = false;
    stream->at_end = true;
    if (known)
        pack_credit(stream);
    ack_pack(stream); /* it may be long before the next call */
    client_flush(stream->client);
    return known ? NOTHING : EVD_EPOCH_END;
}

/* Nothing is left of the epoch, though others may still be busy with it. */
static int take_drained(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t epoch = map_u64(map, "epoch", 0);

    if (!(stream->flags & EVD_STREAM_EARLY_END) || (stream->early && stream->early_epoch == epoch))
        return NOTHING;
    stream->early = true;
    stream->early_epoch = epoch;
    ack_pack(stream);
    client_flush(stream->client);
    return EVD_EPOCH_END;
}

/* client->msg is a notification for this stream. */
static int take_notification(struct evd_stream *stream)
{
    const struct message *msg = &stream->client->msg;

    if (str_is(msg->method, "batch"))
        return take_batch(stream, msg->params);
    if (str_is(msg->method, "epoch_end"))
        return take_epoch_end(stream, msg->params->via.array.ptr);
    if (str_is(msg->method, "drained"))
        return take_drained(stream, msg->params->via.array.ptr);
    if (str_is(msg->method, "closed"))
        return take_closed(stream, msg->params->via.array.ptr);
    return NOTHING;
}

static bool is_for(const struct evd_stream *stream, const struct message *msg)
{
    return msg->type == MESSAGE_NOTIFICATION && msg->params->via.array.size == 1 &&
           map_u64(msg->params->via.array.ptr, "stream", UINT64_MAX) == stream->id;
}

/* What has already arrived: first what was kept, then what is in the receive buffer. */
static int take_arrived(struct evd_stream *stream)
{
    struct evd_client *client = stream->client;
    int result = NOTHING, code;
    bool found;

    do {
        code = backlog_frame(stream, &found);
        if (code == EVD_OK && found)
            result = take_notification(stream);
    } while (code == EVD_OK && found && result == NOTHING);
    while (code == EVD_OK && result == NOTHING) {
        const uint8_t *frame;
        size_t n;

        code = client_frame(client, &found, &frame, &n);
        if (code != EVD_OK || !found)
            break;
        if (is_for(stream, &client->msg))
            result = take_notification(stream);
        else
            code = client_dispatch(client, frame, n);
    }
    return code == EVD_OK ? result : code;
}

/* What must be said before waiting for a batch. */
static void prepare_next(struct evd_stream *stream)
{
    if (!(stream->flags & EVD_STREAM_MANUAL_ACK))
        ack_last(stream);
    if (stream->at_end)
        pack_credit(stream);
    if (ack_urgent(stream)) {
        ack_pack(stream);
        client_flush(stream->client);
    }
}

int evd_next(evd_stream *stream, int timeout_ms, const evd_batch **batch)
{
    struct evd_client *client = stream->client;
    deadline_t deadline = deadline_in(timeout_ms);

    *batch = NULL;
    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (stream->end.code != EVD_OK)
        return client_error(client, &stream->end);
    prepare_next(stream);
    for (;;) {
        int code = take_arrived(stream);

        if (code == EVD_OK)
            *batch = &stream->batch;
        if (code != NOTHING)
            return code;
        if (client->notice.code != EVD_OK) { /* an acknowledgement or a credit was refused */
            client_error(client, &client->notice);
            client->notice.code = EVD_OK;
            return client->error.code;
        }
        code = client_wait(client, deadline);
        if (code != EVD_OK)
            return code;
    }
}
