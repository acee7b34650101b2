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
#include "proto/check.h"

#define BUF_MAX_MAPS 4u /* within one another */

/* A map that is being packed: pack.c. */
struct buf_map {
    size_t start; /* of its header */
    uint32_t entries;
#ifdef EVD_CHECKS
    const struct shape *shape;  /* what it must hold; NULL: anything */
    const struct key_desc *key; /* of its last entry; NULL: none yet, or anything */
    uint64_t seen;              /* bit i: the shape's key i */
#endif
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
uint8_t *buf_reserve(struct evd_buf *buf, size_t n) MUST_CHECK;
void buf_append(struct evd_buf *buf, const void *bytes, size_t n);
/* Back to len bytes, and usable again after a failure. Maps that began behind them are gone. */
void buf_truncate(struct evd_buf *buf, size_t len);
/* Drops the first n bytes. */
void buf_consume(struct evd_buf *buf, size_t n);

#endif
