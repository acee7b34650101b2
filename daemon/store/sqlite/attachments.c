/* Writes attachments, piece by piece like the labels of a dataset, and reads them back
 * (attachments.h). */
#include "store/sqlite/attachments.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>
#include "proto/limits.h"
#include "store/sqlite/error.h"

/* ---- writing ---- */

/* EVD_OK for a statement that changed a row; else the given refusal. */
static int changed(struct sqlite *sqlite, int rc, int refusal, const char *message,
                   struct evd_error *err)
{
    if (rc != SQLITE_DONE)
        return sqlite_error(sqlite, rc, err);
    if (sqlite3_changes(sqlite->db) == 0)
        return error_set(err, refusal, "store", "%s", message);
    return EVD_OK;
}

int attachment_create(struct sqlite *sqlite, const struct store_attachment *attachment,
                      struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_ATTACHMENT_CREATE, NULL, "uussnssb", attachment->id,
                        attachment->dataset, attachment->name, attachment->kind, attachment->width,
                        attachment->scope, attachment->metric, attachment->facts,
                        attachment->facts_bytes);

    return changed(sqlite, rc, EVD_E_NOT_FOUND, "its dataset is not in the database (any more)",
                   err);
}

int attachment_append(struct sqlite *sqlite, const struct store_rows *rows, struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_ATTACHMENT_GROW, NULL, "uuu", rows->attachment, rows->n,
                        rows->first_sample);
    int code = changed(sqlite, rc, EVD_E_CONFLICT,
                       "this does not continue what is stored of the attachment (an earlier piece "
                       "failed, or it was dropped): send it again",
                       err);

    if (code != EVD_OK)
        return code;
    return sqlite_do(sqlite, err, SQL_ROWS_ADD, "uuubb", rows->attachment, rows->first_sample,
                     rows->n, rows->rows, rows->rows_bytes, rows->distances, rows->distances_bytes);
}

int attachment_commit(struct sqlite *sqlite, const struct store_attachment *attachment,
                      struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_ATTACHMENT_COMMIT, NULL, "uuuu", attachment->id,
                        attachment->created, attachment->digest, attachment->samples);

    return changed(sqlite, rc, EVD_E_CONFLICT,
                   "the attachment is gone or not all of it was stored: send it again", err);
}

int attachment_drop(struct sqlite *sqlite, uint64_t id, struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_ATTACHMENT_DROP, NULL, "u", id);

    sqlite->garbage = true;
    return changed(sqlite, rc, EVD_E_NOT_FOUND, "this attachment is not in the database", err);
}

/* ---- reading all back ---- */

static int damaged(struct loading *load)
{
    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    load->damaged = true;
    return error_set(load->err, EVD_E_STORE, load->attachment.name,
                     "pieces of it are missing or do not fit together");
}

/* What the reader says. */
static int taken(struct loading *load, int code)
{
    load->damaged = code != EVD_OK && code != EVD_E_NO_MEMORY;
    return code;
}

static int read_rows(struct loading *load, sqlite3_stmt *row)
{
    const struct store_reader *reader = load->reader;
    struct store_rows rows = {.attachment = load->attachment.id,
                              .first_sample = row_u64(row, 0),
                              .n = row_u64(row, 1),
                              .rows = sqlite3_column_blob(row, 2),
                              .rows_bytes = (size_t)sqlite3_column_bytes(row, 2),
                              .distances = sqlite3_column_blob(row, 3),
                              .distances_bytes = (size_t)sqlite3_column_bytes(row, 3)};

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (rows.first_sample != load->next || rows.n == 0 ||
        rows.n > load->attachment.samples - load->next || rows.rows_bytes == 0)
        return damaged(load);
    load->next += rows.n;
    return taken(load, reader->attachment_rows(reader->arg, &rows, load->err));
}

static int read_attachment(struct loading *load, sqlite3_stmt *row)
{
    const struct store_reader *reader = load->reader;
    struct evd_error why;
    bool bad;
    int code;

    load->attachment =
        (struct store_attachment){.id = row_u64(row, 0),
                                  .dataset = row_u64(row, 1),
                                  .name = row_text(load, row, 2),
                                  .kind = row_text(load, row, 3),
                                  .width = row_u32(load, row, 4),
                                  .scope = row_text(load, row, 5),
                                  .metric = row_text(load, row, 6),
                                  .facts = sqlite3_column_blob(row, 7),
                                  .facts_bytes = (size_t)sqlite3_column_bytes(row, 7),
                                  .created = row_u64(row, 8),
                                  .samples = row_u64(row, 9),
                                  .digest = row_u64(row, 10)};
    bad = load->row_damaged || row_u32(load, row, 11) == 0;
    load->damaged = false;
    load->next = 0;
    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    code = taken(load, reader->attachment_begin(reader->arg, &load->attachment, load->err));
    if (code == EVD_OK && bad)
        code = damaged(load);
    if (code == EVD_OK)
        code = rows_each(load,
                         "SELECT first_sample, n, rows, distances FROM attachment_chunk"
                         " WHERE attachment = ?1 ORDER BY first_sample",
                         load->attachment.id, read_rows);
    if (code == EVD_OK && load->next != load->attachment.samples)
        code = damaged(load);
    if (code == EVD_OK)
        code = taken(load, reader->attachment_end(reader->arg, load->err));
    if (!load->damaged)
        return code;
    why = *load->err;
    return reader->attachment_damaged(reader->arg, &why, load->err);
}

int load_attachments(struct loading *load)
{
    if (!load->reader->attachment_begin)
        return EVD_OK;
    return rows_each(load,
                     "SELECT id, dataset, name, kind, width, scope, metric, facts, created,"
                     " samples, digest, state = " DATASET_COMMITTED
                     " FROM attachment WHERE NOT " ATTACHMENT_LEFT_BEHIND " ORDER BY id",
                     0, read_attachment);
}

/* ---- distances ---- */

/* What a piece has of the span goes to its place, behind the *at samples that are there. */
static bool copy_distances(sqlite3_stmt *stmt, const struct store_span *span, uint64_t *at,
                           char *distances)
{
    uint64_t first = (uint64_t)sqlite3_column_int64(stmt, 0);
    uint64_t n = (uint64_t)sqlite3_column_int64(stmt, 1);
    const char *stored = sqlite3_column_blob(stmt, 2);
    uint64_t from = span->first_sample + *at, left = span->n - *at;

    if (!stored || n > EVD_MAX_SAMPLES ||
        (uint64_t)sqlite3_column_bytes(stmt, 2) != n * span->bytes || from < first ||
        from - first >= n)
        return false;
    n -= from - first;
    n = n < left ? n : left;
    memcpy(distances + *at * span->bytes, stored + (from - first) * span->bytes, n * span->bytes);
    *at += n;
    return true;
}

int sqlite_read_distances(struct store_db *db, const struct store_span *span, void *distances,
                          struct evd_error *err)
{
    struct sqlite *sqlite = sqlite_of(db);
    sqlite3_stmt *stmt = sqlite->statements[SQL_DISTANCES_READ];
    uint64_t at = 0;
    bool fits = true;
    int rc;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)span->attachment);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)span->first_sample);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && fits && at < span->n)
        fits = copy_distances(stmt, span, &at, distances);
    if (!fits && sqlite3_errcode(sqlite->db) == SQLITE_NOMEM)
        rc = SQLITE_NOMEM;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_error(sqlite, rc, err);
    if (fits && at == span->n)
        return EVD_OK;
    return error_set(err, EVD_E_STORE, "store",
                     "the distances of sample %" PRIu64 " are damaged in the database: restore the "
                     "file from a backup, or drop the attachment and make it again",
                     span->first_sample + at);
}
