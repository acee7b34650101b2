/*
 * The schema with its migrations, and the checks of a file before anything is written to it. open.c
 * calls these in turn; a failing database is probed with the stamp (write.c).
 */
#include "store/sqlite/schema.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/sqlite/error.h"
#include "store/sqlite/sqlite.h"

#define APPLICATION_ID 0x65766472 /* "evdr" */

/*
 * The schema. PRAGMA user_version is its version: the number of migrations that made it.
 *
 * The rule: whatever changes what is in the file, or what it means, is a new entry at the end, and
 * an entry that was ever released is never edited. What it adds has defaults that say what the old
 * rows meant. A daemon migrates an older file when it opens it, from whichever version, in one
 * transaction (after a failure or a power cut the file is of the old version, whole), and refuses a
 * newer one. Each version's schema is kept as text in tests/store, where a file of it with rows in
 * every table is migrated.
 *
 * Unsigned 64-bit numbers (seeds, digests, checksums) are kept as the signed number with the same
 * bits. Blobs of numbers are little-endian.
 */
static const char *const migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE dataset("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL,"
    "  version INTEGER NOT NULL DEFAULT 0,"
    "  created INTEGER NOT NULL,"
    "  samples INTEGER NOT NULL DEFAULT 0,"
    "  labelled INTEGER NOT NULL DEFAULT 0,"
    "  classes INTEGER NOT NULL DEFAULT 0,"
    "  checksum INTEGER NOT NULL DEFAULT 0,"
    "  state INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX dataset_name ON dataset(name, version)"
    "  WHERE state = " DATASET_COMMITTED ";"
    "CREATE TABLE class_chunk("
    "  id INTEGER PRIMARY KEY,"
    "  dataset INTEGER NOT NULL REFERENCES dataset,"
    "  first_class INTEGER NOT NULL,"
    "  names BLOB NOT NULL," /* each ended by NUL */
    "  UNIQUE(dataset, first_class)) STRICT;"
    "CREATE TABLE label_chunk("
    "  id INTEGER PRIMARY KEY,"
    "  dataset INTEGER NOT NULL REFERENCES dataset,"
    "  first_sample INTEGER NOT NULL,"
    "  n INTEGER NOT NULL,"
    "  width INTEGER NOT NULL," /* 1, 2 or 4 bytes a label; all ones: unlabelled */
    "  labels BLOB NOT NULL,"
    "  UNIQUE(dataset, first_sample)) STRICT;"
    "CREATE TABLE weight_chunk("
    "  id INTEGER PRIMARY KEY,"
    "  dataset INTEGER NOT NULL REFERENCES dataset,"
    "  name TEXT NOT NULL," /* of the column */
    "  first_sample INTEGER NOT NULL,"
    "  n INTEGER NOT NULL,"
    "  weights BLOB NOT NULL," /* float64 */
    "  UNIQUE(dataset, name, first_sample)) STRICT;"
    "CREATE TABLE job("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  dataset INTEGER NOT NULL REFERENCES dataset,"
    "  batch_size INTEGER NOT NULL,"
    "  world_size INTEGER NOT NULL,"
    "  seed INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  mode TEXT NOT NULL,"
    "  last_batch TEXT NOT NULL) STRICT;"
    "CREATE INDEX job_dataset ON job(dataset);"
    "CREATE TABLE revision("
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"
    "  generation INTEGER NOT NULL,"
    "  revision INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  shape_steps INTEGER NOT NULL,"
    "  shape_last INTEGER NOT NULL,"
    "  strategy BLOB NOT NULL,"
    "  digest INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  author TEXT NOT NULL,"
    "  PRIMARY KEY(job, generation, revision)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE progress("
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"
    "  rank INTEGER NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  acked BLOB NOT NULL,"
    "  PRIMARY KEY(job, rank)) STRICT, WITHOUT ROWID;",
    /* 1 -> 2: leases, generations, elastic world sizes */
    "ALTER TABLE job ADD COLUMN guarantee TEXT NOT NULL DEFAULT 'at-least-once';"
    "ALTER TABLE job ADD COLUMN time_to_run INTEGER NOT NULL DEFAULT 600000;"
    "ALTER TABLE job ADD COLUMN grace INTEGER NOT NULL DEFAULT 2000;"
    "ALTER TABLE job ADD COLUMN replicas INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE job ADD COLUMN mark_epoch INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN mark_step INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN attended INTEGER NOT NULL DEFAULT 1;"
    "CREATE TABLE seek("
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"
    "  generation INTEGER NOT NULL,"
    "  parent INTEGER NOT NULL,"
    "  keep_revision INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  left_epoch INTEGER NOT NULL,"
    "  left_step INTEGER NOT NULL,"
    "  mode TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  author TEXT NOT NULL,"
    "  PRIMARY KEY(job, generation)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE world("
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"
    "  generation INTEGER NOT NULL,"
    "  epoch INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  world_size INTEGER NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  author TEXT NOT NULL,"
    "  PRIMARY KEY(job, generation, epoch, step)) STRICT, WITHOUT ROWID;",
    /* 2 -> 3: datasets that go with their jobs, jobs that go with their users */
    ("ALTER TABLE dataset ADD COLUMN owned INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE job ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;"),
    /* 3 -> 4: strategies stored as differences (difference.h), strategies that are forgotten */
    ("ALTER TABLE job ADD COLUMN retain_epochs INTEGER NOT NULL DEFAULT 0;"
     "CREATE TABLE difference("
     "  job INTEGER NOT NULL,"
     "  generation INTEGER NOT NULL,"
     "  revision INTEGER NOT NULL,"
     "  base_generation INTEGER NOT NULL,"
     "  base_revision INTEGER NOT NULL,"
     "  place INTEGER NOT NULL,"
     "  PRIMARY KEY(job, generation, revision),"
     "  FOREIGN KEY(job, generation, revision) REFERENCES revision ON DELETE CASCADE)"
     "  STRICT, WITHOUT ROWID;"
     "CREATE INDEX difference_base ON difference(job, base_generation, base_revision);"
     "CREATE TABLE forgotten("
     "  job INTEGER NOT NULL,"
     "  generation INTEGER NOT NULL,"
     "  revision INTEGER NOT NULL,"
     "  bytes INTEGER NOT NULL," /* these of the strategy */
     "  hash INTEGER NOT NULL,"
     "  kind TEXT NOT NULL,"
     "  held INTEGER NOT NULL," /* the text is there: another one differs from it */
     "  PRIMARY KEY(job, generation, revision),"
     "  FOREIGN KEY(job, generation, revision) REFERENCES revision ON DELETE CASCADE)"
     "  STRICT, WITHOUT ROWID;"
     "CREATE INDEX forgotten_held ON forgotten(job) WHERE held;"),
    /* 4 -> 5: attachments */
    ("CREATE TABLE attachment("
     "  id INTEGER PRIMARY KEY,"
     "  dataset INTEGER NOT NULL REFERENCES dataset,"
     "  name TEXT NOT NULL,"
     "  kind TEXT NOT NULL,"
     "  width INTEGER NOT NULL,"
     "  scope TEXT NOT NULL,"
     "  metric TEXT NOT NULL,"
     "  facts BLOB NOT NULL," /* MessagePack */
     "  created INTEGER NOT NULL DEFAULT 0,"
     "  samples INTEGER NOT NULL DEFAULT 0,"
     "  digest INTEGER NOT NULL DEFAULT 0,"
     "  state INTEGER NOT NULL) STRICT;"
     "CREATE UNIQUE INDEX attachment_name ON attachment(dataset, name)"
     "  WHERE state = " DATASET_COMMITTED ";"
     "CREATE INDEX attachment_dataset ON attachment(dataset);"
     "CREATE INDEX attachment_hidden ON attachment(id) WHERE state <> " DATASET_COMMITTED ";"
     "CREATE TABLE attachment_chunk("
     "  id INTEGER PRIMARY KEY,"
     "  attachment INTEGER NOT NULL REFERENCES attachment,"
     "  first_sample INTEGER NOT NULL,"
     "  n INTEGER NOT NULL,"
     "  rows BLOB NOT NULL,"
     "  distances BLOB NOT NULL," /* float32, of neighbours */
     "  UNIQUE(attachment, first_sample)) STRICT;"),
};

#define SCHEMA_VERSION ((int64_t)(sizeof(migrations) / sizeof(*migrations)))

/* Beside the version, in the file but never in what a reader of file and log sees: what was
 * committed last is in the log. VERSION_AT is where the format of SQLite's files has the version.
 */
#define VERSION_AT    60
#define SCHEMA_BEHIND (INT64_C(1) << 24)

/* The value of a PRAGMA or the like that answers one integer. */
static int query_int(struct sqlite *sqlite, const char *sql, int64_t *value)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(sqlite->db, sql, -1, &stmt, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* A file that was marked as behind its log, and is read without it. */
int schema_log_missing(const struct sqlite *sqlite, struct evd_error *err)
{
    return error_set(
        err, EVD_E_STORE, "store",
        "%s was in use when evendrawd ended, and its log, which has the same name and "
        "-wal at the end, is gone or not that one: what was stored last is in there. "
        "Put it back, or restore a backup; \"evendraw repair\" makes another file of the "
        "older state that this one has",
        sqlite->path);
}

int schema_identify(struct sqlite *sqlite, int64_t *version, bool *behind, struct evd_error *err)
{
    int64_t application = 0, tables = 0;
    int rc = query_int(sqlite, "PRAGMA application_id", &application);

    if (rc == SQLITE_OK)
        rc = query_int(sqlite, "PRAGMA user_version", version);
    if (rc == SQLITE_OK)
        rc = query_int(sqlite, "SELECT count(*) FROM sqlite_schema", &tables);
    *behind = false;
    if (rc != SQLITE_OK)
        return sqlite_error(sqlite, rc, err);
    if (application == 0 && *version == 0 && tables == 0)
        return EVD_OK;
    if (application != APPLICATION_ID)
        return sqlite_error(sqlite, SQLITE_NOTADB, err);
    if (*version < 0)
        return sqlite_error(sqlite, SQLITE_CORRUPT, err);
    *behind = *version & SCHEMA_BEHIND;
    *version &= ~SCHEMA_BEHIND;
    if (*version > SCHEMA_VERSION)
        return error_set(err, EVD_E_STORE, "store",
                         "%s was written by a newer evendrawd (schema %" PRId64
                         ", this one knows %" PRId64 "): install that version, or give this one "
                         "another file",
                         sqlite->path, *version, SCHEMA_VERSION);
    return EVD_OK;
}

/* What it says of the file. A page that could not be read at all is reported with the reason. */
static int quick_check_result(const char *answer)
{
    static const char reason[] = "error code=";
    const char *code = strstr(answer, reason);
    int rc = code ? atoi(code + sizeof(reason) - 1) : 0;

    if (strcmp(answer, "ok") == 0)
        return SQLITE_OK;
    return (rc & 0xff) == SQLITE_NOMEM || (rc & 0xff) == SQLITE_IOERR ? rc : SQLITE_CORRUPT;
}

static int quick_check(struct sqlite *sqlite, bool *unread)
{
    sqlite3_stmt *stmt;
    const char *answer;
    int rc = sqlite3_prepare_v2(sqlite->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

    *unread = false;
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (answer) {
        rc = quick_check_result(answer);
        *unread = strstr(answer, "failed to get page") != NULL;
    } else if (rc == SQLITE_ROW) {
        rc = SQLITE_NOMEM;
    }
    sqlite3_finalize(stmt);
    return rc;
}

int schema_check(struct sqlite *sqlite, struct evd_error *err)
{
    bool unread;
    int rc = quick_check(sqlite, &unread);

    /* Of a page of a long value that could not be read SQLite does not say why: for want of memory
     * perhaps, and that shows when it is tried again. */
    if (rc == SQLITE_CORRUPT && unread)
        rc = quick_check(sqlite, &unread);
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(sqlite, rc, err);
}

int schema_stamp(struct sqlite *sqlite)
{
    char sql[48];
    int rc;

    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", APPLICATION_ID);
    rc = sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL);
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %" PRId64, SCHEMA_VERSION);
    return rc == SQLITE_OK ? sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) : rc;
}

int schema_mark(struct sqlite *sqlite)
{
    uint32_t version = htobe32((uint32_t)(SCHEMA_VERSION | SCHEMA_BEHIND));
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(sqlite->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (rc == SQLITE_OK)
        rc = file->pMethods->xWrite(file, &version, sizeof(version), VERSION_AT);
    return rc == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : rc;
}

int schema_migrate(struct sqlite *sqlite, int64_t version, struct evd_error *err)
{
    int rc;

    assert(version >= 0 && version <= SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return EVD_OK;
    rc = sqlite3_exec(sqlite->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t v = version; rc == SQLITE_OK && v < SCHEMA_VERSION; v++)
        rc = sqlite3_exec(sqlite->db, migrations[v], NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = schema_stamp(sqlite);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sqlite->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_ERROR) /* the tables are not those of its version */
        rc = SQLITE_CORRUPT;
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(sqlite, rc, err);
}
