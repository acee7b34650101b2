/*
 * Frames for a stream that arrive while its caller waits for something else: kept for its next
 * evd_next. Called by run.c, which sorts what arrives, and by stream.c.
 */
#include <assert.h>
#include <string.h>
#include "client/lib/client.h"
#include "proto/answers.h"

/* So many windows of batches are kept. More than one come when leases ran out whose batches nobody
 * has looked at: the daemon then sends others. */
#define WINDOWS 4u
/* The ends of epochs and of the stream, a move of the job. */
#define OTHERS 16u

static uint32_t most_batches(const struct evd_stream *stream)
{
    return WINDOWS * stream->info.window;
}

void backlog_init(struct evd_stream *stream)
{
    size_t size = batch_size_bound(&stream->format, stream->info.batch_size) + 1024;

    buf_init(&stream->backlog, (most_batches(stream) + OTHERS) * size);
}

/* Stands before each frame in the backlog. */
struct kept {
    uint32_t size;
    bool passing; /* void once the job is moved */
};

/* The job was moved: of what is kept, no batch is of use, and no move before this one. (What was
 * said of the end of an epoch still is.) */
static void drop_passing(struct evd_stream *stream)
{
    struct evd_buf *backlog = &stream->backlog;
    size_t at = stream->backlog_start, to = 0;

    while (at < backlog->len) {
        struct kept kept;
        size_t size;

        memcpy(&kept, backlog->data + at, sizeof(kept));
        size = sizeof(kept) + kept.size;
        if (kept.passing) {
            stream->backlog_frames--;
        } else {
            memmove(backlog->data + to, backlog->data + at, size);
            to += size;
        }
        at += size;
    }
    stream->backlog_start = 0;
    buf_truncate(backlog, to);
}

static void give_back(struct evd_stream *stream, const msgpack_object *map)
{
    ack_pack_one(stream, "stream.release",
                 (struct place){map_u64(map, "epoch", 0), map_u64(map, "step", 0)});
}

int stream_keep(struct evd_stream *stream, const uint8_t *frame, size_t n, struct evd_error *err)
{
    const struct message *msg = &stream->client->msg;
    int note = note_find(msg->method);
    struct kept kept = {.size = (uint32_t)n, .passing = note == NOTE_seek || note == NOTE_batch};

    if (note == NOTE_revision) { /* takes no place: each batch names its revision */
        stream_announced(stream, msg->params->via.array.ptr);
        return EVD_OK;
    }
    if (note == NOTE_seek)
        drop_passing(stream);
    if (note == NOTE_batch && stream->backlog_frames >= most_batches(stream)) {
        give_back(stream, msg->params->via.array.ptr);
        return EVD_OK;
    }
    if (stream->backlog_start > 0 && stream->backlog_start >= stream->backlog.len / 2) {
        buf_consume(&stream->backlog, stream->backlog_start);
        stream->backlog_start = 0;
    }
    if (stream->backlog_frames < most_batches(stream) + OTHERS) {
        buf_append(&stream->backlog, &kept, sizeof(kept));
        buf_append(&stream->backlog, frame, n);
        stream->backlog_frames++;
        if (!stream->backlog.failed)
            return EVD_OK;
    }
    return error_set(
        err, EVD_E_PROTOCOL, "window",
        "the daemon told more of a stream than there is to tell, or there is no memory");
}

bool stream_kept(struct evd_stream *stream, const uint8_t **frame, size_t *n)
{
    struct kept kept;

    if (stream->backlog_frames == 0)
        return false;
    memcpy(&kept, stream->backlog.data + stream->backlog_start, sizeof(kept));
    *n = kept.size;
    *frame = stream->backlog.data + stream->backlog_start + sizeof(kept);
    stream->backlog_start += sizeof(kept) + kept.size;
    stream->backlog_frames--;
    assert(stream->backlog_start <= stream->backlog.len);
    return true;
}
