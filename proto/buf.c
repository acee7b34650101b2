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

/* ---- maps ---- */

static struct evd_buf *target(const msgpack_packer *pk)
{
    assert(pk->callback == packer_write);
    return pk->data;
}

void pack_map_begin(msgpack_packer *pk)
{
    struct evd_buf *buf = target(pk);

    assert(buf->map_count < BUF_MAX_MAPS);
    buf->maps[buf->map_count++] = (struct buf_map){.start = buf->len};
    msgpack_pack_map(pk, 0);
}

/* Writes the header of a map of more entries than its first byte can tell: `size` bytes behind
 * that, big-endian, for which what follows has to move. */
static void widen_header(struct evd_buf *buf, const struct buf_map *map, uint8_t type, size_t size)
{
    uint8_t *header, *entries;

    if (!buf_reserve(buf, size))
        return;
    header = buf->data + map->start;
    entries = header + 1;
    memmove(entries + size, entries, buf->len - map->start - 1);
    buf->len += size;
    header[0] = type;
    for (size_t i = 0; i < size; i++)
        entries[i] = (uint8_t)(map->entries >> 8 * (size - 1 - i));
}

void pack_map_end(msgpack_packer *pk)
{
    struct evd_buf *buf = target(pk);
    const struct buf_map *map;

    assert(buf->map_count > 0);
    map = &buf->maps[--buf->map_count];
    if (buf->failed)
        return;
    if (map->entries < 16)
        buf->data[map->start] = (uint8_t)(0x80 | map->entries);
    else if (map->entries <= UINT16_MAX)
        widen_header(buf, map, 0xde, 2);
    else
        widen_header(buf, map, 0xdf, 4);
}

void pack_key_text(msgpack_packer *pk, const char *key, size_t len)
{
    struct evd_buf *buf = target(pk);

    assert(buf->map_count > 0);
    buf->maps[buf->map_count - 1].entries++;
    pack_text(pk, key, len);
}

void pack_key(msgpack_packer *pk, const char *key)
{
    pack_key_text(pk, key, strlen(key));
}

void pack_key_nil(msgpack_packer *pk, const char *key)
{
    pack_key(pk, key);
    msgpack_pack_nil(pk);
}

void pack_key_cstr(msgpack_packer *pk, const char *key, const char *text)
{
    pack_key(pk, key);
    pack_cstr(pk, text);
}

void pack_key_u64(msgpack_packer *pk, const char *key, uint64_t value)
{
    pack_key(pk, key);
    msgpack_pack_uint64(pk, value);
}

void pack_key_f64(msgpack_packer *pk, const char *key, double value)
{
    pack_key(pk, key);
    msgpack_pack_double(pk, value);
}

void pack_key_bool(msgpack_packer *pk, const char *key, bool value)
{
    pack_key(pk, key);
    if (value)
        msgpack_pack_true(pk);
    else
        msgpack_pack_false(pk);
}

void pack_key_bin(msgpack_packer *pk, const char *key, const void *bytes, size_t len)
{
    pack_key(pk, key);
    msgpack_pack_bin(pk, len);
    msgpack_pack_bin_body(pk, bytes, len);
}

void pack_key_map(msgpack_packer *pk, const char *key)
{
    pack_key(pk, key);
    pack_map_begin(pk);
}

void pack_key_array(msgpack_packer *pk, const char *key, size_t items)
{
    pack_key(pk, key);
    msgpack_pack_array(pk, items);
}
