#include <string.h>
#include "client/lib/client.h"

int ack_hold(struct evd_stream *stream, struct evd_error *err)
{
    if (stream->held_count >= stream->info.window)
        return error_set(err, EVD_E_PROTOCOL, "window",
                         "the daemon sent more batches than the window of %u allows",
                         stream->info.window);
    stream->held[stream->held_count++] = (struct held){.epoch = stream->batch.epoch,
                                                       .step = stream->batch.step,
                                                       .generation = stream->batch.generation};
    return EVD_OK;
}

static void mark(struct evd_stream *stream, struct held *held)
{
    if (!held->due)
        stream->due_count++;
    held->due = true;
}

void ack_last(struct evd_stream *stream)
{
    if (stream->held_count > 0)
        mark(stream, &stream->held[stream->held_count - 1]);
}

bool ack_urgent(const struct evd_stream *stream)
{
    /* Half the window is still out, so the daemon has work while this travels. */
    return stream->due_count > 0 && stream->due_count >= stream->info.window / 2;
}

static void pack_ack(msgpack_packer *pk, const struct evd_stream *stream, const struct held *held,
                     bool through)
{
    msgpack_pack_map(pk, through ? 5 : 4);
    pack_key_u64(pk, "stream", stream->id);
    pack_key_u64(pk, "epoch", held->epoch);
    pack_key_u64(pk, "step", held->step);
    pack_key_u64(pk, "generation", held->generation);
    if (through)
        pack_key_bool(pk, "through", true);
}

/* How many of the first held batches are due: those go in one message. */
static uint32_t due_prefix(const struct evd_stream *stream)
{
    uint32_t n = 0;

    while (n < stream->held_count && stream->held[n].due)
        n++;
    return n;
}

/* Forgets what is due. */
static void drop_due(struct evd_stream *stream)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < stream->held_count; i++) {
        if (!stream->held[i].due)
            stream->held[kept++] = stream->held[i];
    }
    stream->held_count = kept;
    stream->due_count = 0;
}

void ack_pack(struct evd_stream *stream)
{
    struct evd_buf *out = &stream->client->out;
    size_t start = out->len;
    uint32_t prefix = due_prefix(stream);
    msgpack_packer pk;

    if (stream->due_count == 0)
        return;
    buf_packer(out, &pk);
    for (uint32_t i = prefix ? prefix - 1 : 0; i < stream->held_count; i++) {
        if (!stream->held[i].due)
            continue;
        message_notification(&pk, "stream.ack");
        pack_ack(&pk, stream, &stream->held[i], i + 1 == prefix && prefix > 1);
    }
    if (out->failed) /* no memory now: they stay due */
        buf_truncate(out, start);
    else
        drop_due(stream);
}

/* Takes held[first..last] out. */
static void forget(struct evd_stream *stream, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++)
        stream->due_count -= stream->held[i].due;
    stream->held_count -= last + 1 - first;
    memmove(&stream->held[first], &stream->held[last + 1],
            (stream->held_count - first) * sizeof(stream->held[0]));
}

/* Acknowledges held[i] by a request, which is answered after the commit. */
static int confirm(struct evd_stream *stream, uint32_t i, bool through)
{
    struct evd_client *client = stream->client;
    struct pending pending = {0};
    size_t start = client->out.len;
    msgpack_packer pk;

    request_begin(client, &pk, &pending, "stream.ack");
    pack_ack(&pk, stream, &stream->held[i], through);
    if (request_end(client, &pending, start, &client->error) != EVD_OK)
        return client->error.code;
    forget(stream, through ? 0 : i, i);
    client_flush(client);
    return client_await(client, &pending, client_deadline(client));
}

int evd_ack(evd_stream *stream, uint64_t epoch, uint64_t step, unsigned flags)
{
    struct evd_client *client = stream->client;
    uint32_t i = 0;

    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    while (i < stream->held_count &&
           (stream->held[i].epoch != epoch || stream->held[i].step != step))
        i++;
    if (i == stream->held_count) {
        if (!(flags & EVD_ACK_CONFIRM))
            return EVD_OK;
        return error_set(&client->error, EVD_E_USAGE, "step",
                         "epoch %llu step %llu cannot be confirmed: it was acknowledged before, or "
                         "never returned by this stream",
                         (unsigned long long)epoch, (unsigned long long)step);
    }
    if (flags & EVD_ACK_CONFIRM)
        return confirm(stream, i, flags & EVD_ACK_THROUGH);
    for (uint32_t j = flags & EVD_ACK_THROUGH ? 0 : i; j <= i; j++)
        mark(stream, &stream->held[j]);
    if (ack_urgent(stream)) {
        ack_pack(stream);
        client_flush(client);
    }
    return EVD_OK;
}
