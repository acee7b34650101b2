#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

/* ---- opening ---- */

static int bad_answer(struct evd_error *err, const char *field)
{
    return error_set(err, EVD_E_PROTOCOL, field,
                     "the daemon's answer to stream.open has no usable \"%s\"", field);
}

int stream_read_open(struct evd_stream *stream, const msgpack_object *result,
                     struct evd_stream_info *info, struct evd_error *err)
{
    uint64_t id = map_u64(result, "stream", UINT64_MAX);
    uint64_t batch_size = map_u64(result, "batch_size", 0);
    char mode[16], index_type[8];

    if (id > UINT32_MAX)
        return bad_answer(err, "stream");
    if (batch_size == 0 || batch_size > EVD_MAX_BATCH)
        return bad_answer(err, "batch_size");
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
        .window = (uint32_t)map_u64(result, "window", 0),
        .generation = (uint32_t)map_u64(result, "generation", 0),
        .revision = (uint32_t)map_u64(result, "revision", 0),
        .epoch = map_u64(result, "epoch", 0),
        .step = map_u64(result, "step", 0),
        .steps = map_u64(result, "steps", 0),
        .seed = map_u64(result, "seed", 0),
    };
    return EVD_OK;
}

/* Links the stream: batches may follow in the same read. */
static int take_open(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_stream *stream = arg;
    struct evd_stream_info *info = &stream->info;

    if (stream_read_open(stream, result, info, err) != EVD_OK)
        return err->code;
    if (info->window == 0 || info->window > EVD_MAX_WINDOW)
        return bad_answer(err, "window");
    backlog_init(stream);
    stream->attached = true;
    stream->next = stream->client->streams;
    stream->client->streams = stream;
    return EVD_OK;
}

void stream_pack_open(msgpack_packer *pk, const struct evd_stream *stream)
{
    const evd_stream_options *options = &stream->options;
    uint32_t columns = 0;

    for (int c = 1; c < COLUMN_COUNT; c++)
        columns += options->columns >> c & 1;
    pack_key_cstr(pk, "job", options->job);
    if (options->rank >= 0)
        pack_key_u64(pk, "rank", (uint64_t)options->rank);
    if (options->world_size > 0)
        pack_key_u64(pk, "world_size", options->world_size);
    pack_key_cstr(pk, "encoding", "packed");
    pack_key_array(pk, "columns", columns);
    for (int c = 1; c < COLUMN_COUNT; c++) {
        if (options->columns >> c & 1)
            pack_cstr(pk, column_name(c));
    }
}

/* The one place where a stream is attached for the first time. */
static int attach(struct evd_stream *stream, deadline_t deadline)
{
    struct evd_client *client = stream->client;
    struct pending pending = {.take = take_open, .arg = stream};
    struct evd_error err;
    msgpack_packer pk;
    int code = client_ready(client, deadline);

    if (code != EVD_OK)
        return code;
    request_begin(client, &pk, &pending, "stream.open");
    stream_pack_open(&pk, stream);
    if (stream->options.window > 0) /* else the daemon chooses, and says so */
        pack_key_u64(&pk, "window", stream->options.window);
    if (request_end(client, &pk, &pending, &err) != EVD_OK)
        return client_error(client, &err);
    client_flush(client);
    return client_await(client, &pending, deadline);
}

int evd_stream_open(evd_client *client, const evd_stream_options *options, evd_stream **out)
{
    struct evd_stream *stream;
    deadline_t deadline;
    int code;

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
    stream->options = *options;
    stream->format = (struct batch_format){.packed = true, .columns = options->columns | 1u};
    deadline = client_deadline(client);
    do
        code = attach(stream, deadline);
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

/* ---- closing ---- */

void stream_free(struct evd_stream *stream)
{
    for (struct evd_stream **at = &stream->client->streams; *at != NULL; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    request_forget(stream->client, &stream->confirm);
    request_forget(stream->client, &stream->reopen);
    batch_decoded_fini(&stream->decoded);
    buf_fini(&stream->backlog);
    free(stream->sent.items);
    free(stream->strays.items);
    free(stream);
}

void stream_pack_close(struct evd_client *client, uint32_t id)
{
    msgpack_packer pk;
    size_t start = notify_begin(client, &pk, "stream.close");

    pack_key_u64(&pk, "stream", id);
    notify_end(client, &pk, start);
}

void evd_stream_close(evd_stream *stream)
{
    struct evd_client *client;

    if (stream == NULL)
        return;
    client = stream->client;
    if (stream->attached && stream->end.code == EVD_OK) {
        ack_pack(stream);
        stream_pack_close(client, stream->id);
        client_flush(client);
    }
    stream_free(stream);
}

const evd_stream_info *evd_stream_get_info(const evd_stream *stream)
{
    return &stream->info;
}

/* ---- the next batch ---- */

#define NOTHING (-2) /* beside EVD_OK, EVD_EPOCH_END and errors: it was not for the caller */

/* The first thing that comes says in which epoch the stream is. */
static void place(struct evd_stream *stream, uint64_t epoch)
{
    if (!stream->placed)
        stream->epoch = epoch;
    stream->placed = true;
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
        ack_settled(stream);
    else if (known == KNOWN_SENT)
        ack_again(stream, at);
    stream->client->repeated += known != KNOWN_NOT;
    return known != KNOWN_NOT;
}

/* The batch decoded last is the caller's now. */
static int hand_out(struct evd_stream *stream)
{
    stream->stashed = false;
    ack_hold(stream);
    return EVD_OK;
}

static int take_batch(struct evd_stream *stream, const msgpack_object *params)
{
    struct batch_decoded *decoded = &stream->decoded;
    struct evd_error err;

    if (batch_decode(params, &stream->format, decoded, &err) != EVD_OK)
        return client_lose(stream->client, &err);
    if (decoded->head.generation != stream->info.generation || is_repeated(stream, &decoded->head))
        return NOTHING;
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
    place(stream, decoded->head.epoch);
    /* The end of the epoch before it was told while there was no connection. */
    if (stream->batch.epoch > stream->epoch) {
        stream->stashed = true;
        return tell_end(stream, stream->batch.epoch - 1);
    }
    return hand_out(stream);
}

/* The job was dropped, or the daemon stops: after that, another is waited for. */
static int take_closed(struct evd_stream *stream, const msgpack_object *map)
{
    struct evd_client *client = stream->client;

    if (map_u64(map, "code", 0) == EVD_E_SHUTTING_DOWN && client->reconnect_ms != EVD_NO_RECONNECT)
        return NOTHING;
    stream_end(stream, map);
    return client_error(client, &stream->end);
}

void stream_end(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t code = map_u64(map, "code", EVD_E_CLOSED);
    char message[sizeof(stream->end.message)];

    map_text(map, "message", message, sizeof(message));
    error_set(&stream->end, code > 0 && code < 1000 ? (int)code : EVD_E_CLOSED, stream->job, "%s",
              message);
}

void stream_pack_credit(struct evd_stream *stream)
{
    msgpack_packer pk;
    size_t start = notify_begin(stream->client, &pk, "stream.credit");

    pack_key_u64(&pk, "stream", stream->id);
    pack_key_u64(&pk, "window", stream->info.window);
    if (notify_end(stream->client, &pk, start))
        stream->shut = false;
}

/* The epoch is over. If the caller knows already, it is waiting for the next one. */
static int take_epoch_end(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t epoch = map_u64(map, "epoch", 0);

    place(stream, epoch);
    ack_settled(stream);
    stream->shut = true;
    if (epoch >= stream->epoch)
        return tell_end(stream, epoch);
    if (!stream->idle)
        stream_pack_credit(stream);
    ack_pack(stream);
    client_flush(stream->client);
    return NOTHING;
}

/* Nothing is left of the epoch, though others may still be busy with it. */
static int take_drained(struct evd_stream *stream, const msgpack_object *map)
{
    uint64_t epoch = map_u64(map, "epoch", 0);

    place(stream, epoch);
    if (!(stream->options.flags & EVD_STREAM_EARLY_END) || epoch < stream->epoch)
        return NOTHING;
    return tell_end(stream, epoch);
}

static int take_seek(struct evd_stream *stream, const msgpack_object *map)
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

static int take_revision(struct evd_stream *stream, const msgpack_object *map)
{
    stream_announced(stream, map);
    return NOTHING;
}

/* client->msg is a notification for this stream. */
static int take_notification(struct evd_stream *stream)
{
    static const struct {
        const char *method;
        int (*take)(struct evd_stream *stream, const msgpack_object *map);
    } others[] = {{"epoch_end", take_epoch_end},
                  {"drained", take_drained},
                  {"closed", take_closed},
                  {"seek", take_seek},
                  {"revision", take_revision}};
    const struct message *msg = &stream->client->msg;

    if (str_is(msg->method, "batch"))
        return take_batch(stream, msg->params);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (str_is(msg->method, others[i].method))
            return others[i].take(stream, msg->params->via.array.ptr);
    }
    return NOTHING;
}

static bool is_for(const struct evd_stream *stream, const struct message *msg)
{
    return stream->attached && msg->type == MESSAGE_NOTIFICATION &&
           msg->params->via.array.size == 1 &&
           map_u64(msg->params->via.array.ptr, "stream", UINT64_MAX) == stream->id;
}

static int take_kept(struct evd_stream *stream, const uint8_t *frame, uint32_t n)
{
    struct evd_client *client = stream->client;
    struct evd_error err;
    bool has_id;

    if (message_decode(&client->msg, frame, n, &has_id, &err) != EVD_OK)
        return client_lose(client, &err);
    return take_notification(stream);
}

/* What has already arrived: first what was kept, then what is in the receive buffer. */
static int take_arrived(struct evd_stream *stream)
{
    struct evd_client *client = stream->client;
    int result = NOTHING, code = EVD_OK;
    const uint8_t *frame;
    bool found = true;
    uint32_t size;
    size_t n;

    while (result == NOTHING && stream_kept(stream, &frame, &size))
        result = take_kept(stream, frame, size);
    while (result == NOTHING && found) {
        code = client_frame(client, &found, &frame, &n);
        if (code == EVD_OK && found && is_for(stream, &client->msg))
            result = take_notification(stream);
        else if (code == EVD_OK && found)
            code = client_dispatch(client, frame, n);
        if (code != EVD_OK)
            return code;
    }
    return result;
}

/* What must be said before waiting for a batch. */
static void prepare_next(struct evd_stream *stream)
{
    if (!(stream->options.flags & EVD_STREAM_MANUAL_ACK))
        ack_last(stream);
    stream->idle = false;
    if (stream->shut && stream->attached)
        stream_pack_credit(stream);
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
        int code = stream->stashed ? hand_out(stream) : take_arrived(stream);

        if (code == EVD_OK)
            *batch = &stream->batch;
        if (code != NOTHING)
            return code;
        if (stream->end.code != EVD_OK) /* it could not be attached again */
            return client_error(client, &stream->end);
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
