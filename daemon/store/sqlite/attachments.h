/*
 * Attachments in the database: writing, reading back, and the distances that are asked for later.
 * For write.c, load.c and the engine's row.
 */
#ifndef STORE_SQLITE_ATTACHMENTS_H
#define STORE_SQLITE_ATTACHMENTS_H

#include "store/sqlite/rows.h"

int attachment_create(struct sqlite *sqlite, const struct store_attachment *attachment,
                      struct evd_error *err) MUST_CHECK;
int attachment_append(struct sqlite *sqlite, const struct store_rows *rows,
                      struct evd_error *err) MUST_CHECK;
int attachment_commit(struct sqlite *sqlite, const struct store_attachment *attachment,
                      struct evd_error *err) MUST_CHECK;
int attachment_drop(struct sqlite *sqlite, uint64_t id, struct evd_error *err) MUST_CHECK;

int load_attachments(struct loading *load) MUST_CHECK;
/* `read_distances` of the engine. */
int sqlite_read_distances(struct store_db *db, const struct store_span *span, void *distances,
                          struct evd_error *err);

#endif
