/*
 * A growing byte buffer with a limit, the target of every encoder.
 *
 * Failure is sticky: after an append that found no memory or crossed the limit, every later append
 * does nothing and `failed` says so; callers check once at the end and roll back with buf_truncate.
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>

struct evd_buf {
    uint8_t *data;
    size_t len, cap;
    size_t limit; /* bytes it may hold at most */
    bool failed;
};

void buf_init(struct evd_buf *buf, size_t limit);
void buf_fini(struct evd_buf *buf);
/* Room for n more bytes at the returned address (then add to len), or NULL and failed. */
uint8_t *buf_reserve(struct evd_buf *buf, size_t n);
void buf_append(struct evd_buf *buf, const void *bytes, size_t n);
/* Back to len bytes, and usable again after a failure. */
void buf_truncate(struct evd_buf *buf, size_t len);
/* Drops the first n bytes. */
void buf_consume(struct evd_buf *buf, size_t n);
/* A msgpack-c packer that appends here. */
void buf_packer(struct evd_buf *buf, msgpack_packer *packer);

/* Shorthands: packing a map entry by entry. */
void pack_cstr(msgpack_packer *pk, const char *text);
void pack_text(msgpack_packer *pk, const char *text, size_t len);
void pack_key_cstr(msgpack_packer *pk, const char *key, const char *text);
void pack_key_u64(msgpack_packer *pk, const char *key, uint64_t value);
void pack_key_f64(msgpack_packer *pk, const char *key, double value);
void pack_key_bool(msgpack_packer *pk, const char *key, bool value);
void pack_key_bin(msgpack_packer *pk, const char *key, const void *bytes, size_t len);
void pack_key_map(msgpack_packer *pk, const char *key, size_t entries);
void pack_key_array(msgpack_packer *pk, const char *key, size_t entries);

#endif
