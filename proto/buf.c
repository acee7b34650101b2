/*
 * The byte buffer that messages are encoded into, and what packs maps into it. Used by every
 * encoder of daemon and client.
 */
#include "proto/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct evd_buf *buf, size_t limit)
{
    *buf = (struct evd_buf){.limit = limit};
}

void buf_fini(struct evd_buf *buf)
{
    free(buf->data);
    *buf = (struct evd_buf){0};
}

uint8_t *buf_reserve(struct evd_buf *buf, size_t n)
{
    size_t need, cap;
    uint8_t *data;

    if (buf->failed || n > buf->limit - buf->len) {
        buf->failed = true;
        return NULL;
    }
    need = buf->len + n;
    if (need <= buf->cap)
        return buf->data + buf->len;
    cap = buf->cap ? buf->cap : 256;
    while (cap < need)
        cap *= 2;
    if (cap > buf->limit)
        cap = buf->limit;
    data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return NULL;
    }
    buf->data = data;
    buf->cap = cap;
    return data + buf->len;
}

void buf_append(struct evd_buf *buf, const void *bytes, size_t n)
{
    uint8_t *to;

    if (n == 0)
        return;
    to = buf_reserve(buf, n);
    if (!to)
        return;
    memcpy(to, bytes, n);
    buf->len += n;
}

void buf_truncate(struct evd_buf *buf, size_t len)
{
    if (len < buf->len)
        buf->len = len;
    buf->failed = false;
    while (buf->map_count > 0 && buf->maps[buf->map_count - 1].start >= len)
        buf->map_count--;
}

void buf_consume(struct evd_buf *buf, size_t n)
{
    assert(n <= buf->len && buf->map_count == 0);
    buf->len -= n;
    if (buf->len > 0)
        memmove(buf->data, buf->data + n, buf->len);
}
