/*
 * What encoders write into a buffer, beside what msgpack-c has. Maps count their entries
 * themselves:
 *
 *     pack_map_begin(pk);
 *     pack_key_u64(pk, "epoch", 3);
 *     pack_key_map(pk, "limits");      the value is a map, too
 *     pack_key_u64(pk, "frame", n);
 *     pack_map_end(pk);
 *     pack_map_end(pk);
 */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <msgpack.h>
#include "proto/buf.h"

/* A msgpack-c packer that appends here. */
void buf_packer(struct evd_buf *buf, msgpack_packer *packer);

void pack_cstr(msgpack_packer *pk, const char *text);
void pack_text(msgpack_packer *pk, const char *text, size_t len);

/* The rest is for packers of buf_packer only. */

/* A map whose entries are packed by pack_key*, up to its end. */
void pack_map_begin(msgpack_packer *pk);
void pack_map_end(msgpack_packer *pk);
/* The map just begun is the answer to the method, or the notification, of that name: where
 * EVD_CHECKS is defined the program ends if that, or a map in it, is not what answers.h says. */
#ifdef EVD_CHECKS
void pack_map_of(msgpack_packer *pk, const char *wire);
#else
static inline void pack_map_of(msgpack_packer *pk, const char *wire)
{
    (void)pk;
    (void)wire;
}
#endif
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
