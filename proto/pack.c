/*
 * Packs values, and maps that count their entries, into a buffer. Used by every encoder of daemon
 * and client but that of batches.
 */
#include "proto/pack.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/answers.h"

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

static struct buf_map *innermost(const msgpack_packer *pk)
{
    struct evd_buf *buf = target(pk);

    assert(buf->map_count > 0);
    return &buf->maps[buf->map_count - 1];
}

#ifdef EVD_CHECKS

static _Noreturn void bad_map(const struct shape *shape, const char *key, const char *why)
{
    fprintf(stderr, "not what proto/answers.h says: %s: %s %s\n", shape->name, key, why);
    abort();
}

/* A map that is the value of a key, or one of those in its array, is what that key says. */
static void check_begin(const struct evd_buf *buf, struct buf_map *map)
{
    if (map > buf->maps && map[-1].key)
        map->shape = map[-1].key->part;
}

static void check_key(struct buf_map *map, const char *name, size_t len)
{
    int i;

    if (!map->shape)
        return;
    i = shape_key(map->shape, (struct evd_str){name, (uint32_t)len});
    if (i < 0)
        bad_map(map->shape, name, "is unknown");
    if (map->seen >> i & 1)
        bad_map(map->shape, name, "is there twice");
    map->seen |= UINT64_C(1) << i;
    map->key = &map->shape->keys[i];
}

/* `is`: whether the value that comes has the type of `key`. */
#define check_value(pk, is)                                                                        \
    do {                                                                                           \
        const struct key_desc *key_ = innermost(pk)->key;                                          \
        if (key_ && !(is))                                                                         \
            bad_map(innermost(pk)->shape, key_->name, "has another type");                         \
    } while (0)

static void check_end(const struct buf_map *map)
{
    for (uint32_t i = 0; map->shape && i < map->shape->count; i++) {
        if (!map->shape->keys[i].maybe && !(map->seen >> i & 1))
            bad_map(map->shape, map->shape->keys[i].name, "is missing");
    }
}

void pack_map_of(msgpack_packer *pk, const char *wire)
{
    struct buf_map *map = innermost(pk);

    assert(map->entries == 0);
    map->shape = shape_find(wire);
    assert(map->shape);
}

#else
#define check_begin(buf, map)
#define check_key(map, name, len)
#define check_value(pk, is)
#define check_end(map)
#endif

void pack_map_begin(msgpack_packer *pk)
{
    struct evd_buf *buf = target(pk);

    assert(buf->map_count < BUF_MAX_MAPS);
    buf->maps[buf->map_count++] = (struct buf_map){.start = buf->len};
    check_begin(buf, innermost(pk));
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
    const struct buf_map *map = innermost(pk);

    check_end(map);
    buf->map_count--;
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
    struct buf_map *map = innermost(pk);

    map->entries++;
    check_key(map, key, len);
    pack_text(pk, key, len);
}

void pack_key(msgpack_packer *pk, const char *key)
{
    pack_key_text(pk, key, strlen(key));
}

void pack_key_nil(msgpack_packer *pk, const char *key)
{
    pack_key(pk, key);
    check_value(pk, key_->nullable);
    msgpack_pack_nil(pk);
}

void pack_key_cstr(msgpack_packer *pk, const char *key, const char *text)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_str);
    pack_cstr(pk, text);
}

void pack_key_u64(msgpack_packer *pk, const char *key, uint64_t value)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_u64 || (key_->type == KEY_u32 && value <= UINT32_MAX));
    msgpack_pack_uint64(pk, value);
}

void pack_key_f64(msgpack_packer *pk, const char *key, double value)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_f64);
    msgpack_pack_double(pk, value);
}

void pack_key_bool(msgpack_packer *pk, const char *key, bool value)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_boolean);
    if (value)
        msgpack_pack_true(pk);
    else
        msgpack_pack_false(pk);
}

void pack_key_bin(msgpack_packer *pk, const char *key, const void *bytes, size_t len)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_column || key_->type == KEY_bin);
    msgpack_pack_bin(pk, len);
    msgpack_pack_bin_body(pk, bytes, len);
}

void pack_key_map(msgpack_packer *pk, const char *key)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_map);
    pack_map_begin(pk);
}

void pack_key_array(msgpack_packer *pk, const char *key, size_t items)
{
    pack_key(pk, key);
    check_value(pk, key_->type == KEY_array || key_->type == KEY_maps);
    msgpack_pack_array(pk, items);
}
