/*
 * Strategies in the database. A large one is stored as what differs from the newest one that the
 * job has there, by zstd with that one as its prefix:
 *
 *     revision      7        8          9                38         39
 *     stored      whole <- differs <- differs <- ... <- differs    whole <- ...
 *     place         0        1          2                31          0
 *
 * So changing the weights of a few of many classes takes little room, and what has to be read to
 * have one back is bounded. A strategy of which little is left is stored whole, and begins anew.
 *
 * For write.c and load.c.
 */
#ifndef STORE_SQLITE_DIFFERENCE_H
#define STORE_SQLITE_DIFFERENCE_H

#include "store/sqlite/sqlite.h"

/* Below that it would not save much. */
#define DIFFERENCE_FROM_BYTES 4096u
#define DIFFERENCES_MOST      31u /* one after the other */

/* Adds a revision with its strategy, and notes what it takes in stored_bytes. */
int difference_add(struct sqlite *sqlite, struct store_revision *revision,
                   struct evd_error *err) MUST_CHECK;
/* The strategy of a revision, the caller's to free. EVD_E_NOT_FOUND: it is not recorded. What
 * cannot be put together is empty. */
int difference_read(struct sqlite *sqlite, const struct store_place *place, void **strategy,
                    size_t *bytes, struct evd_error *err) MUST_CHECK;
/* What differs from the strategy `base` so: *strategy, the caller's to free. Nothing that is stored
 * is trusted: *bytes is 0 where it does not fit. EVD_E_NO_MEMORY. */
int difference_apply(const void *base, size_t base_bytes, const void *stored, size_t stored_bytes,
                     void **strategy, size_t *bytes, struct evd_error *err) MUST_CHECK;

#endif
