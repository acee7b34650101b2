/*
 * Bytes from the socket, cut into whole, guarded frames. Called by run.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "client/lib/client.h"

/* Read at least this much at once: several batches of 4,096 indices with their labels. */
#define READ_SIZE (128u << 10)
/* A whole frame, and the read that may follow it. */
#define READ_LIMIT (EVD_MAX_REPLY_FRAME + READ_SIZE)

void reader_init(struct reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    guard_init(&reader->guard, &guard_reply_limits);
}

void reader_fini(struct reader *reader)
{
    free(reader->data);
    reader->data = NULL;
    reader->cap = reader->start = reader->end = 0;
}

void reader_reset(struct reader *reader)
{
    reader->start = reader->end = 0;
    guard_reset(&reader->guard);
}

/* Makes room for READ_SIZE bytes: by moving what is left to the front, or by growing. */
static int reader_room(struct reader *reader, struct evd_error *err)
{
    size_t cap = reader->cap ? reader->cap : READ_SIZE;
    uint8_t *data;

    if (reader->start > 0 && reader->cap - reader->end < READ_SIZE) {
        memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    if (reader->cap - reader->end >= READ_SIZE)
        return EVD_OK;
    while (cap - reader->end < READ_SIZE)
        cap *= 2;
    if (cap > READ_LIMIT)
        cap = READ_LIMIT; /* enough: the guard lets no frame grow beyond its part of it */
    data = realloc(reader->data, cap);
    if (!data)
        return error_set(err, EVD_E_NO_MEMORY, "", "no memory to receive %zu bytes", cap);
    reader->data = data;
    reader->cap = cap;
    return EVD_OK;
}

int reader_fill(struct reader *reader, int fd, bool *got, struct evd_error *err)
{
    ssize_t n;

    assert(reader->start <= reader->end && reader->end <= reader->cap);
    *got = false;
    if (reader->start == reader->end)
        reader->start = reader->end = 0;
    if (reader_room(reader, err) != EVD_OK)
        return err->code;
    do
        n = recv(fd, reader->data + reader->end, reader->cap - reader->end, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        reader->end += (size_t)n;
        *got = true;
        return EVD_OK;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return EVD_OK;
    return error_set(err, EVD_E_CLOSED, "", "the daemon closed the connection%s%s",
                     n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
}

int reader_next(struct reader *reader, const uint8_t **frame, size_t *n, struct evd_error *err)
{
    struct guard *guard = &reader->guard;
    size_t seen = guard->seen;

    *frame = NULL;
    if (reader->end - reader->start == seen)
        return EVD_OK;
    guard_feed(guard, reader->data + reader->start + seen, reader->end - reader->start - seen);
    if (guard->status == GUARD_MORE)
        return EVD_OK;
    if (guard->status != GUARD_DONE) {
        struct evd_error why;
        guard_error(guard, &why);
        return error_set(err, EVD_E_PROTOCOL, "", "this is not what an evendraw daemon sends: %s",
                         why.message);
    }
    *frame = reader->data + reader->start;
    *n = guard->seen;
    reader->start += guard->seen;
    guard_reset(guard);
    return EVD_OK;
}
