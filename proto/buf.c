#include "proto/buf.h"

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
}

void buf_consume(struct evd_buf *buf, size_t n)
{
    buf->len -= n;
    if (buf->len > 0)
        memmove(buf->data, buf->data + n, buf->len);
}

static int packer_write(void *arg, const char *bytes, size_t n)
{
    struct evd_buf *buf = arg;

    buf_append(buf, bytes, n);
    return buf->failed ? -1 : 0;
}

void buf_packer(struct evd_buf *buf, msgpack_packer *packer)
{
    msgpack_packer_init(packer, buf, packer_write);
}

void pack_text(msgpack_packer *pk, const char *text, size_t len)
{
    msgpack_pack_str(pk, len);
    msgpack_pack_str_body(pk, text, len);
}

void pack_cstr(msgpack_packer *pk, const char *text)
{
    pack_text(pk, text, strlen(text));
}

void pack_key_cstr(msgpack_packer *pk, const char *key, const char *text)
{
    pack_cstr(pk, key);
    pack_cstr(pk, text);
}

void pack_key_u64(msgpack_packer *pk, const char *key, uint64_t value)
{
    pack_cstr(pk, key);
    msgpack_pack_uint64(pk, value);
}

void pack_key_f64(msgpack_packer *pk, const char *key, double value)
{
    pack_cstr(pk, key);
    msgpack_pack_double(pk, value);
}

void pack_key_bool(msgpack_packer *pk, const char *key, bool value)
{
    pack_cstr(pk, key);
    if (value)
        msgpack_pack_true(pk);
    else
        msgpack_pack_false(pk);
}

void pack_key_bin(msgpack_packer *pk, const char *key, const void *bytes, size_t len)
{
    pack_cstr(pk, key);
    msgpack_pack_bin(pk, len);
    msgpack_pack_bin_body(pk, bytes, len);
}

void pack_key_map(msgpack_packer *pk, const char *key, size_t entries)
{
    pack_cstr(pk, key);
    msgpack_pack_map(pk, entries);
}

void pack_key_array(msgpack_packer *pk, const char *key, size_t entries)
{
    pack_cstr(pk, key);
    msgpack_pack_array(pk, entries);
}
