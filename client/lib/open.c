/*
 * stream.open: the first time, and again on every new connection, from which a stream goes on where
 * it was. Called by stream.c for its caller, and by link.c when the connection was lost or is
 * there.
 */
#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"
#include "proto/answers.h"

/* ---- the request ---- */

/* Of a shared job anybody may be given what this stream still has, so it says what that is; unless
 * the daemon knows. */
static bool claims(const struct evd_stream *stream)
{
    return stream->state == STREAM_REOPENING && stream->info.rank < 0 && stream->client->can_resume;
}

static void pack_place(msgpack_packer *pk, struct place at)
{
    msgpack_pack_array(pk, 2);
    msgpack_pack_uint64(pk, at.epoch);
    msgpack_pack_uint64(pk, at.step);
}

/* Everything that may still be leased to this stream. */
static void pack_holding(msgpack_packer *pk, const struct evd_stream *stream)
{
    pack_key_u64(pk, "generation", stream->info.generation);
    pack_key_array(pk, "holding", stream->held_count + stream->sent.count + stream->strays.count);
    for (uint32_t i = 0; i < stream->held_count; i++)
        pack_place(pk, stream->held[i].at);
    for (uint32_t i = 0; i < stream->sent.count; i++)
        pack_place(pk, stream->sent.items[i]);
    for (uint32_t i = 0; i < stream->strays.count; i++)
        pack_place(pk, stream->strays.items[i]);
}

static void pack_options(msgpack_packer *pk, const evd_stream_options *options)
{
    uint32_t columns = 0;

    for (int c = 1; c < COLUMN_COUNT; c++)
        columns += options->columns >> c & 1;
    pack_key_cstr(pk, "job", options->job);
    if (options->rank >= 0)
        pack_key_u64(pk, "rank", (uint64_t)options->rank);
    if (options->world_size > 0)
        pack_key_u64(pk, "world_size", options->world_size);
    if (options->flags & EVD_STREAM_EXCLUSIVE)
        pack_key_bool(pk, "exclusive", true);
    pack_key_cstr(pk, "encoding", "packed");
    pack_key_array(pk, "columns", columns);
    for (int c = 1; c < COLUMN_COUNT; c++) {
        if (options->columns >> c & 1)
            pack_cstr(pk, column_name(c));
    }
}

static int read_open(void *arg, const msgpack_object *result, struct evd_error *err);

static int send_open(struct evd_stream *stream, struct evd_error *err)
{
    bool again = stream->state != STREAM_NEW;
    msgpack_packer pk;

    stream->open = (struct pending){.read = read_open, .arg = stream};
    request_begin(stream->client, &pk, &stream->open, "stream.open");
    pack_options(&pk, &stream->options);
    if (again)
        pack_key_u64(&pk, "window", 0);  /* first what is out comes again */
    else if (stream->options.window > 0) /* else the daemon chooses, and says so */
        pack_key_u64(&pk, "window", stream->options.window);
    if (stream->state == STREAM_RESUMING)
        pack_key_u64(&pk, "resume", stream->id);
    if (claims(stream))
        pack_holding(&pk, stream);
    return request_end(stream->client, &pk, &stream->open, err);
}

/* ---- the answer ---- */

static int bad_answer(struct evd_error *err, const char *key)
{
    return error_set(err, EVD_E_PROTOCOL, key,
                     "the daemon's answer to stream.open has no usable \"%s\"", key);
}

/* Changes nothing in the stream but id, names and format. */
static int read_answer(struct evd_stream *stream, const msgpack_object *result,
                       struct evd_stream_info *info, struct evd_error *err)
{
    uint64_t id = map_u64(result, "stream", UINT64_MAX);
    uint64_t batch_size = map_u64(result, "batch_size", 0);
    const msgpack_object *first = map_get(result, "first");
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
    info->first_epoch = map_u64(first, "epoch", info->epoch);
    info->first_step = map_u64(first, "step", info->step);
    return EVD_OK;
}

/* Links the stream: batches may follow in the same read. */
static int opened(struct evd_stream *stream, const struct evd_stream_info *info,
                  struct evd_error *err)
{
    if (info->window == 0 || info->window > EVD_MAX_WINDOW)
        return bad_answer(err, "window");
    stream->info = *info;
    backlog_init(stream);
    stream->next = stream->client->streams;
    stream->client->streams = stream;
    stream_move(stream, STREAM_RUNNING);
    return EVD_OK;
}

static bool is_same(const struct evd_stream_info *a, const struct evd_stream_info *b)
{
    return a->version == b->version && a->samples == b->samples && a->classes == b->classes &&
           a->batch_size == b->batch_size && a->seed == b->seed && a->rank == b->rank;
}

static int reopened(struct evd_stream *stream, struct evd_stream_info *info,
                    const msgpack_object *granted, struct evd_error *err)
{
    const struct evd_stream_info *before = &stream->info;
    bool claimed = claims(stream), moved = info->generation != before->generation;

    if (!is_same(info, before))
        return error_set(err, EVD_E_NOT_FOUND, stream->job,
                         "the job %s was dropped while the connection was lost, and another one "
                         "has its name: open a new stream",
                         stream->job);
    info->window = before->window;
    info->ended = before->ended;
    info->announced_revision = before->announced_revision;
    info->announced_epoch = before->announced_epoch;
    info->announced_step = before->announced_step;
    stream->info = *info;
    stream_move(stream, STREAM_RESTING);
    if (moved)
        stream_moved(stream, info->generation, (struct place){info->epoch, info->step});
    else if (claimed && granted && granted->type == MSGPACK_OBJECT_ARRAY)
        ack_keep(stream, granted);
    stream->strays.count = 0;
    if (!stream->idle)
        stream_pack_credit(stream, err); /* or else evd_next does */
    return EVD_OK;
}

static int read_open(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_stream *stream = arg;
    struct evd_stream_info info;

    if (read_answer(stream, result, &info, err) != EVD_OK)
        return err->code;
    if (stream->state == STREAM_NEW)
        return opened(stream, &info, err);
    return reopened(stream, &info, map_get(result, "held"), err);
}

int stream_attach(struct evd_stream *stream, deadline_t deadline)
{
    struct evd_client *client = stream->client;
    struct evd_error err;
    int code = client_ready(client, deadline);

    if (code != EVD_OK)
        return code;
    if (send_open(stream, &err) != EVD_OK)
        return client_error(client, &err);
    client_flush(client);
    return client_await(client, &stream->open, deadline);
}

/* ---- the connection is lost ---- */

static void add_stray(struct evd_stream *stream, uint64_t epoch, uint64_t step)
{
    if (places_reserve(&stream->strays, 1)) /* else its lease runs out */
        stream->strays.items[stream->strays.count++] = (struct place){epoch, step};
}

/* What arrived and was not looked at yet: batches will come again, and the job may be gone. */
static void empty_backlog(struct evd_stream *stream)
{
    struct message *msg = &stream->client->msg;
    const uint8_t *frame;
    struct evd_error err;
    size_t n;
    bool has_id;

    while (stream_kept(stream, &frame, &n)) {
        const msgpack_object *map;
        int note;

        if (message_decode(msg, frame, n, &has_id, &err) != EVD_OK)
            continue;
        map = msg->params->via.array.ptr;
        note = note_find(msg->method);
        if (note == NOTE_batch && map_u64(map, "generation", 0) == stream->info.generation)
            add_stray(stream, map_u64(map, "epoch", 0), map_u64(map, "step", 0));
        else if (note == NOTE_closed && stream->state == STREAM_LOST &&
                 map_u64(map, "code", 0) != EVD_E_SHUTTING_DOWN)
            stream_closed(stream, map);
    }
}

void stream_detach(struct evd_stream *stream)
{
    bool ahead = stream->state == STREAM_AHEAD;

    if (stream->state == STREAM_LOST || stream->state == STREAM_ENDED)
        return;
    request_forget(stream->client, &stream->open);
    if (!stream_attached(stream)) {
        stream_move(stream, STREAM_LOST);
        return;
    }
    stream_move(stream, STREAM_LOST);
    stream->since = clock_ms();
    if (ahead)
        add_stray(stream, stream->batch.epoch, stream->batch.step);
    empty_backlog(stream);
    ack_detach(stream);
}

/* ---- on a new connection ---- */

void stream_moved(struct evd_stream *stream, uint32_t generation, struct place at)
{
    ack_void(stream);
    stream->info.generation = generation;
    stream->info.epoch = stream->info.first_epoch = at.epoch;
    stream->info.step = stream->info.first_step = at.step;
    stream->epoch = EPOCH_UNKNOWN;
}

/* Errors that pass: the daemon has not noticed yet that this rank's connection is gone, ... */
static bool is_passing(const struct evd_error *err)
{
    return err->code == EVD_E_BUSY || err->code == EVD_E_SHUTTING_DOWN ||
           err->code == EVD_E_STORE || err->code == EVD_E_NO_MEMORY ||
           (err->code == EVD_E_CONFLICT && strcmp(err->detail, "world_size") != 0);
}

/* The daemon does not open it. */
static void refused(struct evd_stream *stream, const struct evd_error *err)
{
    if (stream->state == STREAM_RESUMING && err->code == EVD_E_NOT_FOUND) {
        stream_move(stream, STREAM_REOPENING); /* its grace is over */
        stream->wake = clock_ms();
    } else if (is_passing(err) && !link_over(stream->client, stream->since)) {
        stream->wake = link_pause(stream->client, stream->attempts++);
    } else {
        stream_end(stream, err);
    }
}

static bool is_returning(const struct evd_stream *stream)
{
    return stream->state == STREAM_RESUMING || stream->state == STREAM_REOPENING;
}

void stream_step(struct evd_stream *stream)
{
    struct evd_error err;

    if (stream->state == STREAM_LOST) {
        stream_move(stream, stream->client->resumed ? STREAM_RESUMING : STREAM_REOPENING);
        stream->attempts = 0;
        stream->wake = clock_ms();
    }
    if (is_returning(stream) && stream->wake == UNDER_WAY && stream->open.done)
        refused(stream, &stream->open.error);
    if (!is_returning(stream) || stream->wake == UNDER_WAY || clock_ms() < stream->wake)
        return;
    if (send_open(stream, &err) == EVD_OK)
        stream->wake = UNDER_WAY;
    else /* no memory now */
        stream->wake = link_pause(stream->client, stream->attempts++);
}

int64_t stream_wake(const struct evd_stream *stream)
{
    return is_returning(stream) ? stream->wake : UNDER_WAY;
}

int stream_ready(struct evd_stream *stream, deadline_t deadline)
{
    struct evd_client *client = stream->client;
    int code = EVD_OK;

    while (code == EVD_OK && !stream_attached(stream) && stream->state != STREAM_ENDED)
        code = client_turn(client, deadline);
    return stream->state == STREAM_ENDED ? client_error(client, &stream->end) : code;
}
