/*
 * Acknowledgements: which batches the caller has, which it has acknowledged, which of these the
 * daemon has confirmed; and evd_ack, evd_release and evd_touch. Called by stream.c and open.c, and
 * by run.c before it waits.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/client.h"
#include "proto/numbers.h"

/* Acknowledgements travel as notifications, and now and then as a request, whose answer says that
 * it and all before it are durable. Until then they are remembered: after a crash of the daemon
 * those steps come once more, or are to be claimed. */
#define CONFIRM_EVERY 256u
/* With this many unconfirmed nothing more is acknowledged until an answer comes. */
#define SENT_LIMIT 4096u

static bool same(struct place a, struct place b)
{
    return a.epoch == b.epoch && a.step == b.step;
}

static bool after(struct place a, struct place b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.step > b.step;
}

bool places_reserve(struct places *places, uint32_t more)
{
    uint32_t capacity = places->capacity ? places->capacity : 64;
    struct place *items;

    while (capacity < places->count + more)
        capacity *= 2;
    if (capacity == places->capacity)
        return true;
    items = realloc(places->items, capacity * sizeof(*items));
    if (!items)
        return false;
    places->items = items;
    places->capacity = capacity;
    return true;
}

/* ---- what is known ---- */

/* Which of the held batches it is, or held_count. */
static uint32_t find_held(const struct evd_stream *stream, struct place at)
{
    uint32_t i = 0;

    while (i < stream->held_count && !same(stream->held[i].at, at))
        i++;
    return i;
}

enum known ack_known(const struct evd_stream *stream, struct place at)
{
    if (after(at, stream->top))
        return KNOWN_NOT;
    if (find_held(stream, at) < stream->held_count)
        return KNOWN_HELD;
    for (uint32_t i = 0; i < stream->sent.count; i++) {
        if (same(stream->sent.items[i], at))
            return KNOWN_SENT;
    }
    return KNOWN_NOT;
}

/* Takes held[first..last] out. */
static void forget(struct evd_stream *stream, uint32_t first, uint32_t last)
{
    uint32_t n = last + 1 - first;
    uint32_t carried = stream->carried > first ? stream->carried - first : 0;

    assert(first <= last && last < stream->held_count);
    for (uint32_t i = first; i <= last; i++)
        stream->due_count -= stream->held[i].due;
    stream->carried -= carried < n ? carried : n;
    stream->held_count -= n;
    memmove(&stream->held[first], &stream->held[last + 1],
            (stream->held_count - first) * sizeof(stream->held[0]));
}

void ack_hold(struct evd_stream *stream)
{
    struct place at = {stream->batch.epoch, stream->batch.step};

    if (stream->held_count == sizeof(stream->held) / sizeof(stream->held[0]))
        forget(stream, 0, 0); /* the caller never acknowledged what it had long ago */
    stream->held[stream->held_count++] = (struct held){.at = at};
    if (after(at, stream->top))
        stream->top = at;
}

/* The first `n` acknowledgements are durable. That is not said of any of them while steps may come
 * again: some may have been refused, since the daemon had not yet handed them out again. */
static void drop_sent(struct evd_stream *stream, uint32_t n)
{
    struct places *sent = &stream->sent;

    if (stream->replaying)
        return;
    assert(n <= sent->count);
    sent->count -= n;
    memmove(sent->items, sent->items + n, sent->count * sizeof(*sent->items));
}

static void forget_confirm(struct evd_stream *stream)
{
    if (stream->confirming > 0)
        request_forget(stream->client, &stream->confirm);
    stream->confirming = 0;
}

void ack_void(struct evd_stream *stream)
{
    stream->held_count = stream->due_count = stream->carried = 0;
    stream->strays.count = 0;
    stream->sent.count = 0;
    stream->replaying = false;
    forget_confirm(stream);
    stream->top = (struct place){0, 0};
}

static bool is_granted(const msgpack_object *granted, struct place at)
{
    for (uint32_t i = 0; i < granted->via.array.size; i++) {
        const msgpack_object *pair = &granted->via.array.ptr[i];
        struct place place;

        if (pair->type == MSGPACK_OBJECT_ARRAY && pair->via.array.size == 2 &&
            number_u64(&pair->via.array.ptr[0], UINT64_MAX, &place.epoch) &&
            number_u64(&pair->via.array.ptr[1], UINT64_MAX, &place.step) && same(at, place))
            return true;
    }
    return false;
}

void ack_keep(struct evd_stream *stream, const msgpack_object *granted)
{
    for (uint32_t i = stream->held_count; i-- > 0;) {
        if (!is_granted(granted, stream->held[i].at))
            forget(stream, i, i);
    }
    for (uint32_t i = 0; i < stream->sent.count; i++) {
        if (is_granted(granted, stream->sent.items[i]))
            ack_pack_one(stream, "stream.ack", stream->sent.items[i]);
    }
    for (uint32_t i = 0; i < stream->strays.count; i++) {
        if (is_granted(granted, stream->strays.items[i]))
            ack_pack_one(stream, "stream.release", stream->strays.items[i]);
    }
    ack_replayed(stream);
}

/* ---- sending ---- */

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

/* A message about one step, as request_begin and request_end make it. */
static int pack_step(struct evd_stream *stream, struct pending *pending, const char *method,
                     struct place at, bool through)
{
    struct evd_client *client = stream->client;
    msgpack_packer pk;

    request_begin(client, &pk, pending, method);
    pack_key_u64(&pk, "stream", stream->id);
    pack_key_u64(&pk, "epoch", at.epoch);
    pack_key_u64(&pk, "step", at.step);
    pack_key_u64(&pk, "generation", stream->info.generation);
    if (through)
        pack_key_bool(&pk, "through", true);
    return request_end(client, &pk, pending, &client->error);
}

void ack_pack_one(struct evd_stream *stream, const char *method, struct place at)
{
    pack_step(stream, NULL, method, at, false); /* without memory the lease runs out instead */
}

void ack_again(struct evd_stream *stream, struct place at)
{
    forget_confirm(stream); /* it is of what was sent before this */
    ack_pack_one(stream, "stream.ack", at);
}

/* How many of the first held batches are due: those go in one message, unless all are carried over
 * from an earlier connection, of which the daemon may know another order. */
static uint32_t due_prefix(const struct evd_stream *stream)
{
    uint32_t n = 0;

    while (n < stream->held_count && stream->held[n].due)
        n++;
    return n > stream->carried ? n : 0;
}

/* The answer to the last request for confirmation. */
static void drop_confirmed(struct evd_stream *stream)
{
    if (stream->confirming == 0 || !stream->confirm.done)
        return;
    if (stream->confirm.error.code == EVD_OK)
        drop_sent(stream, stream->confirming);
    stream->confirming = 0;
}

void ack_detach(struct evd_stream *stream)
{
    drop_confirmed(stream);
    forget_confirm(stream);
    stream->carried = stream->held_count;
    stream->replaying = true;
}

void ack_replayed(struct evd_stream *stream)
{
    if (stream->replaying) /* a confirmation under way is not of what was sent again meanwhile */
        forget_confirm(stream);
    stream->replaying = false;
}

/* What is due counts as sent. */
static void move_due(struct evd_stream *stream)
{
    uint32_t kept = 0, carried = 0;

    assert(stream->sent.count + stream->due_count <= stream->sent.capacity);
    for (uint32_t i = 0; i < stream->held_count; i++) {
        if (stream->held[i].due) {
            stream->sent.items[stream->sent.count++] = stream->held[i].at;
        } else {
            carried += i < stream->carried;
            stream->held[kept++] = stream->held[i];
        }
    }
    assert(stream->held_count - kept == stream->due_count);
    stream->held_count = kept;
    stream->carried = carried;
    stream->due_count = 0;
}

void ack_pack(struct evd_stream *stream)
{
    size_t start = stream->client->out.len;
    uint32_t prefix = due_prefix(stream), left = stream->due_count;
    bool ask;

    drop_confirmed(stream);
    if (!stream_attached(stream) || left == 0 || stream->sent.count + left > SENT_LIMIT ||
        !places_reserve(&stream->sent, left))
        return;
    ask = stream->confirming == 0 && stream->sent.count + left >= CONFIRM_EVERY;
    if (prefix)
        left -= prefix - 1;
    for (uint32_t i = prefix ? prefix - 1 : 0; i < stream->held_count; i++) {
        if (!stream->held[i].due)
            continue;
        left--;
        if (pack_step(stream, ask && left == 0 ? &stream->confirm : NULL, "stream.ack",
                      stream->held[i].at, i + 1 == prefix && prefix > 1) != EVD_OK) {
            buf_truncate(&stream->client->out, start); /* no memory now: they stay due */
            return;
        }
    }
    move_due(stream);
    if (ask)
        stream->confirming = stream->sent.count;
}

/* ---- requests about one step ---- */

static int ask_step(struct evd_stream *stream, const char *method, struct place at)
{
    struct evd_client *client = stream->client;
    struct pending pending = {0};

    if (pack_step(stream, &pending, method, at, false) != EVD_OK)
        return client->error.code;
    client_flush(client);
    return client_await(client, &pending, client_deadline(client));
}

/* Until all that is due was sent. */
static int send_due(struct evd_stream *stream, deadline_t deadline)
{
    int code = stream_ready(stream, deadline);

    while (code == EVD_OK && stream->due_count > 0) {
        ack_pack(stream);
        if (stream->due_count > 0)
            code = client_turn(stream->client, deadline);
        if (code == EVD_OK)
            code = stream_ready(stream, deadline);
    }
    return code;
}

static void unmark(struct evd_stream *stream, struct held *held)
{
    stream->due_count -= held->due;
    held->due = false;
}

/* The request for it was answered, or will not be now. */
static void end_confirm(struct evd_stream *stream, struct place at, int code)
{
    uint32_t i = find_held(stream, at);

    if (i == stream->held_count)
        return;
    if (code == EVD_E_TIMEOUT || !places_reserve(&stream->sent, 1)) {
        mark(stream, &stream->held[i]);
        return;
    }
    forget(stream, i, i);
    stream->sent.items[stream->sent.count++] = at; /* it may be on its way once more */
}

/* Acknowledges held[i], behind all that is due, by a request, which is answered after the commit.
 * If the connection takes the answer with it, it is asked again; that the step is acknowledged
 * already is then the answer. Until then it stays held: were it among what is sent again on a new
 * connection, it would be acknowledged already before it is durable. */
static int confirm(struct evd_stream *stream, uint32_t i)
{
    struct evd_client *client = stream->client;
    deadline_t deadline = client_deadline(client);
    struct place at = stream->held[i].at;
    bool repeated = false;
    int code;

    unmark(stream, &stream->held[i]);
    for (;; repeated = true) {
        code = send_due(stream, deadline);
        if (code == EVD_OK)
            code = ask_step(stream, "stream.ack", at);
        if (!client_again(client, code, deadline))
            break;
    }
    end_confirm(stream, at, code);
    if (code == EVD_OK) {
        forget_confirm(stream);
        drop_sent(stream, stream->sent.count);
    }
    if (code == EVD_E_CONFLICT && repeated && strcmp(client->error.detail, "acknowledged") == 0)
        code = EVD_OK;
    return code;
}

int evd_ack(evd_stream *stream, uint64_t epoch, uint64_t step, unsigned flags)
{
    struct evd_client *client = stream->client;
    struct place at = {epoch, step};
    uint32_t i = find_held(stream, at);

    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (i == stream->held_count) {
        if (!(flags & EVD_ACK_CONFIRM))
            return EVD_OK;
        return error_set(&client->error, EVD_E_USAGE, "step",
                         "epoch %llu step %llu cannot be confirmed: it was acknowledged before, or "
                         "never returned by this stream",
                         (unsigned long long)epoch, (unsigned long long)step);
    }
    for (uint32_t j = flags & EVD_ACK_THROUGH ? 0 : i; j <= i; j++)
        mark(stream, &stream->held[j]);
    if (flags & EVD_ACK_CONFIRM)
        return confirm(stream, i);
    if (ack_urgent(stream)) {
        ack_pack(stream);
        client_flush(client);
    }
    return EVD_OK;
}

int evd_release(evd_stream *stream, uint64_t epoch, uint64_t step)
{
    struct evd_client *client = stream->client;
    deadline_t deadline = client_deadline(client);
    struct place at = {epoch, step};
    uint32_t i = find_held(stream, at);
    int code;

    if (client->lost.code != EVD_OK)
        return client_error(client, &client->lost);
    if (i == stream->held_count)
        return EVD_OK;
    forget(stream, i, i);
    if (!stream_attached(stream)) /* it will not be claimed */
        return EVD_OK;
    code = ask_step(stream, "stream.release", at);
    return code == EVD_E_CONFLICT || client_again(client, code, deadline) ? EVD_OK : code;
}

int evd_touch(evd_stream *stream)
{
    struct evd_client *client = stream->client;
    deadline_t deadline = client_deadline(client);
    int code;

    do {
        struct pending pending = {0};
        msgpack_packer pk;

        code = stream_ready(stream, deadline);
        if (code != EVD_OK)
            return code;
        request_begin(client, &pk, &pending, "stream.touch");
        pack_key_u64(&pk, "stream", stream->id);
        code = request_await(client, &pk, &pending, deadline);
    } while (client_again(client, code, deadline));
    return code;
}
