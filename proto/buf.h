/*
 * A growing byte buffer with a limit, the target of every encoder.
 *
 * Failure is sticky: after an append that found no memory or crossed the limit, every later append
 * does nothing and `failed` says so; callers check once at the end and roll back with buf_truncate.
 *
 * Maps count their entries themselves:
 *
 *     pack_map_begin(pk);
 *     pack_key_u64(pk, "epoch", 3);
 *     pack_key_map(pk, "limits");      the value is a map, too
 *     pack_key_u64(pk, "frame", n);
 *     pack_map_end(pk);
 *     pack_map_end(pk);
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>

#define BUF_MAX_MAPS 4u /* within one another */

/* A map that is being packed. */
struct buf_map {
    size_t start; /* of its header */
    uint32_t entries;
};

struct evd_buf {
    uint8_t *data;
    size_t len, cap;
    size_t limit; /* bytes it may hold at most */
    bool failed;
    uint32_t map_count; /* maps that are being packed, the innermost last */
    struct buf_map maps[BUF_MAX_MAPS];
};

void buf_init(struct evd_buf *buf, size_t limit);
void buf_fini(struct evd_buf *buf);
/* Room for n more bytes at the returned address (then add to len), or NULL and failed. */
uint8_t *buf_reserve(struct evd_buf *buf, size_t n);
void buf_append(struct evd_buf *buf, const void *bytes, size_t n);
/* Back to len bytes, and usable again after a failure. Maps that began behind them are gone. */
void buf_truncate(struct evd_buf *buf, size_t len);
/* Drops the first n bytes. */
void buf_consume(struct evd_buf *buf, size_t n);
/* A msgpack-c packer that appends here. */
void buf_packer(struct evd_buf *buf, msgpack_packer *packer);

void pack_cstr(msgpack_packer *pk, const char *text);
void pack_text(msgpack_packer *pk, const char *text, size_t len);

/* The rest is for packers of buf_packer only. */

/* A map whose entries are packed by pack_key*, up to its end. */
void pack_map_begin(msgpack_packer *pk);
void pack_map_end(msgpack_packer *pk);
/* An entry of the innermost map: the key, and then the caller packs one value. */
void pack_key_text(msgpack_packer *pk, const char *key, size_t len);
void pack_key(msgpack_packer *pk, const char *key);
/* A whole entry. */
void pack_key_nil(msgpack_packer *pk, const char *key);
void pack_key_cstr(msgpack_packer *pk, const char *key, const char *text);
void pack_key_u64(msgpack_packer *pk, const char *key, uint64_t value);
void pack_key_f64(msgpack_packer *pk, const char *key, double value);
void pack_key_bool(msgpack_packer *pk, const char *key, bool value);
void pack_key_bin(msgpack_packer *pk, const char *key, const void *bytes, size_t len);
/* An entry whose value is a map, for pack_map_end to end. */
void pack_key_map(msgpack_packer *pk, const char *key);
/* The head of an entry whose value is an array: the caller packs its `items` items. */
void pack_key_array(msgpack_packer *pk, const char *key, size_t items);

#endif
