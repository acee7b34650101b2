#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"

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
    uint32_t size;
    bool has_id;

    while (stream_kept(stream, &frame, &size)) {
        const msgpack_object *map;

        if (message_decode(msg, frame, size, &has_id, &err) != EVD_OK)
            continue;
        map = msg->params->via.array.ptr;
        if (str_is(msg->method, "batch") &&
            map_u64(map, "generation", 0) == stream->info.generation)
            add_stray(stream, map_u64(map, "epoch", 0), map_u64(map, "step", 0));
        else if (str_is(msg->method, "closed") && map_u64(map, "code", 0) != EVD_E_SHUTTING_DOWN)
            stream_end(stream, map);
    }
}

void stream_detach(struct evd_stream *stream)
{
    if (stream->opening)
        request_forget(stream->client, &stream->reopen);
    stream->opening = false;
    stream->wake = 0;
    stream->attempts = 0;
    if (!stream->attached)
        return;
    stream->attached = false;
    stream->since = clock_ms();
    if (stream->stashed)
        add_stray(stream, stream->batch.epoch, stream->batch.step);
    stream->stashed = false;
    empty_backlog(stream);
    ack_detach(stream);
}

/* ---- on a new connection ---- */

void stream_moved(struct evd_stream *stream, uint32_t generation, struct place at)
{
    ack_void(stream);
    stream->info.generation = generation;
    stream->info.epoch = at.epoch;
    stream->info.step = at.step;
    stream->placed = false;
}

static bool is_same(const struct evd_stream_info *a, const struct evd_stream_info *b)
{
    return a->version == b->version && a->samples == b->samples && a->classes == b->classes &&
           a->batch_size == b->batch_size && a->seed == b->seed && a->rank == b->rank;
}

/* Of a shared job anybody may be given what this stream still has, so it says what that is; unless
 * the daemon knows. */
static bool claims(const struct evd_stream *stream)
{
    return stream->info.rank < 0 && stream->client->can_resume && !stream->resuming;
}

static int take_reopen(void *arg, const msgpack_object *result, struct evd_error *err)
{
    struct evd_stream *stream = arg;
    const msgpack_object *granted = map_get(result, "held");
    struct evd_stream_info info;
    uint32_t generation = stream->info.generation;

    if (stream_read_open(stream, result, &info, err) != EVD_OK)
        return err->code;
    if (!is_same(&info, &stream->info))
        return error_set(err, EVD_E_NOT_FOUND, stream->job,
                         "the job %s was dropped while the connection was lost, and another one "
                         "has its name: open a new stream",
                         stream->job);
    info.window = stream->info.window;
    info.ended = stream->info.ended;
    info.announced_revision = stream->info.announced_revision;
    info.announced_epoch = stream->info.announced_epoch;
    info.announced_step = stream->info.announced_step;
    stream->info = info;
    stream->attached = true;
    stream->shut = true;
    if (info.generation != generation)
        stream_moved(stream, info.generation, (struct place){info.epoch, info.step});
    else if (claims(stream) && granted != NULL && granted->type == MSGPACK_OBJECT_ARRAY)
        ack_keep(stream, granted);
    stream->strays.count = 0;
    if (!stream->idle)
        stream_pack_credit(stream);
    return EVD_OK;
}

static void pack_places(msgpack_packer *pk, const struct places *places)
{
    for (uint32_t i = 0; i < places->count; i++) {
        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, places->items[i].epoch);
        msgpack_pack_uint64(pk, places->items[i].step);
    }
}

/* Everything that may still be leased to this stream. */
static void pack_holding(msgpack_packer *pk, const struct evd_stream *stream)
{
    pack_key_u64(pk, "generation", stream->info.generation);
    pack_key_array(pk, "holding", stream->held_count + stream->sent.count + stream->strays.count);
    for (uint32_t i = 0; i < stream->held_count; i++) {
        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, stream->held[i].at.epoch);
        msgpack_pack_uint64(pk, stream->held[i].at.step);
    }
    pack_places(pk, &stream->sent);
    pack_places(pk, &stream->strays);
}

static void send_open(struct evd_stream *stream)
{
    struct evd_client *client = stream->client;
    struct evd_error err;
    msgpack_packer pk;

    stream->reopen = (struct pending){.take = take_reopen, .arg = stream};
    request_begin(client, &pk, &stream->reopen, "stream.open");
    stream_pack_open(&pk, stream);
    pack_key_u64(&pk, "window", 0); /* first what is out is settled */
    if (stream->resuming)
        pack_key_u64(&pk, "resume", stream->id);
    if (claims(stream))
        pack_holding(&pk, stream);
    stream->opening = request_end(client, &pk, &stream->reopen, &err) == EVD_OK;
    if (!stream->opening) /* no memory now */
        stream->wake = link_pause(client, stream->attempts++);
}

/* Errors that pass: the daemon has not noticed yet that this rank's connection is gone, ... */
static bool is_passing(const struct evd_error *err)
{
    return err->code == EVD_E_BUSY || err->code == EVD_E_SHUTTING_DOWN ||
           err->code == EVD_E_STORE || err->code == EVD_E_NO_MEMORY ||
           (err->code == EVD_E_CONFLICT && strcmp(err->detail, "world_size") != 0);
}

static void take_refusal(struct evd_stream *stream)
{
    const struct evd_error *err = &stream->reopen.error;

    if (stream->resuming && err->code == EVD_E_NOT_FOUND)
        stream->resuming = false; /* its grace is over */
    else if (is_passing(err) && !link_over(stream->client, stream->since))
        stream->wake = link_pause(stream->client, stream->attempts++);
    else
        stream->end = *err;
}

void stream_step(struct evd_stream *stream)
{
    if (stream->attached || stream->end.code != EVD_OK)
        return;
    if (stream->opening && stream->reopen.done) {
        stream->opening = false;
        take_refusal(stream);
    }
    if (!stream->opening && stream->end.code == EVD_OK && clock_ms() >= stream->wake) {
        if (stream->attempts == 0 && stream->wake == 0)
            stream->resuming = stream->client->resumed;
        stream->wake = clock_ms();
        send_open(stream);
    }
}

int64_t stream_wake(const struct evd_stream *stream)
{
    return stream->attached || stream->opening || stream->end.code != EVD_OK ? -1 : stream->wake;
}

int stream_ready(struct evd_stream *stream, deadline_t deadline)
{
    struct evd_client *client = stream->client;
    int code = EVD_OK;

    while (code == EVD_OK && !stream->attached && stream->end.code == EVD_OK)
        code = client_turn(client, deadline);
    return stream->end.code == EVD_OK ? code : client_error(client, &stream->end);
}
