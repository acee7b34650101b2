#include "store/sqlite_internal.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x65766472 /* "evdr" */

/* How long opening waits for the file's lock: the kernel may take a while to end a daemon that was
 * killed, and to give up its lock. */
#define LOCK_PATIENCE_MS 3000

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
};

#define SCHEMA_VERSION ((int64_t)(sizeof(migrations) / sizeof(*migrations)))

static const char *const statement_texts[] = {
#define SQL_TEXT(id, text) text,
    SQL_STATEMENTS(SQL_TEXT)
#undef SQL_TEXT
};

int sqlite_error(struct engine *engine, int rc, struct evd_error *err)
{
    const char *path = engine->path;

    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        engine->broken = true;
        return error_set(err, EVD_E_STORE, "store",
                         "the disk could not confirm a write to %s (fsync failed), so nothing more "
                         "is written; this operation may or may not be there: check the disk, then "
                         "restart evendrawd",
                         path);
    }
    switch (rc == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : rc & 0xff) {
    case SQLITE_FULL:
        return error_set(err, EVD_E_STORE, "store",
                         "no room to write to %s: free disk space and try again; what was "
                         "committed is safe",
                         path);
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
            return error_set(err, EVD_E_NOT_FOUND, "store",
                             "what this belongs to is not in the database (any more)");
        return error_set(err, EVD_E_EXISTS, "store", "this is in the database already");
    case SQLITE_NOMEM:
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to write to the database");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(err, EVD_E_CONFLICT, "store",
                         "%s is in use by another process, probably another evendrawd: stop that "
                         "one, or give this one another file",
                         path);
    case SQLITE_READONLY:
        return error_set(err, EVD_E_STORE, "store",
                         "%s or its folder cannot be written: give evendrawd write permission",
                         path);
    case SQLITE_CANTOPEN:
        return error_set(err, EVD_E_STORE, "store",
                         "cannot open or create %s: check that the folder exists and that "
                         "evendrawd may write in it",
                         path);
    case SQLITE_NOTADB:
        return error_set(err, EVD_E_STORE, "store",
                         "%s is not an evendraw database, so it is left alone: give evendrawd "
                         "another file",
                         path);
    case SQLITE_CORRUPT:
        engine->broken = true;
        return error_set(err, EVD_E_STORE, "store",
                         "%s is damaged: restore it from a backup, or move it (and the -wal file "
                         "beside it) away and load the datasets again",
                         path);
    default:
        return error_set(err, EVD_E_STORE, "store",
                         "%s: %s (%d): check the disk; what was committed is safe", path,
                         sqlite3_errstr(rc), rc);
    }
}

static void bind(sqlite3_stmt *stmt, const char *types, va_list ap)
{
    for (int i = 1; *types; i++, types++) {
        if (*types == 'u') {
            sqlite3_bind_int64(stmt, i, (sqlite3_int64)va_arg(ap, uint64_t));
        } else if (*types == 's') {
            sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            const void *bytes = va_arg(ap, const void *);
            sqlite3_bind_blob64(stmt, i, bytes ? bytes : "", va_arg(ap, size_t), SQLITE_STATIC);
        }
    }
}

int sqlite_run(struct engine *engine, enum sql_statement statement, uint64_t *value,
               const char *types, ...)
{
    sqlite3_stmt *stmt = engine->statements[statement];
    va_list ap;
    int rc;

    va_start(ap, types);
    bind(stmt, types, ap);
    va_end(ap);
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW && value)
        *value = (uint64_t)sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc;
}

/* The value of a PRAGMA or the like that answers one integer. */
static int query_int(struct engine *engine, const char *sql, int64_t *value)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(engine->db, sql, -1, &stmt, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Ours, of a version we know, or empty? Looks only, so that a foreign file stays as it is. */
static int check_identity(struct engine *engine, int64_t *version, struct evd_error *err)
{
    int64_t application = 0, tables = 0;
    int rc = query_int(engine, "PRAGMA application_id", &application);

    if (rc == SQLITE_OK)
        rc = query_int(engine, "PRAGMA user_version", version);
    if (rc == SQLITE_OK)
        rc = query_int(engine, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return sqlite_error(engine, rc, err);
    if (application == 0 && *version == 0 && tables == 0)
        return EVD_OK;
    if (application != APPLICATION_ID)
        return sqlite_error(engine, SQLITE_NOTADB, err);
    if (*version > SCHEMA_VERSION)
        return error_set(err, EVD_E_STORE, "store",
                         "%s was written by a newer evendrawd (schema %" PRId64
                         ", this one knows %" PRId64 "): install that version, or give this one "
                         "another file",
                         engine->path, *version, SCHEMA_VERSION);
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

static int check_content(struct engine *engine, struct evd_error *err)
{
    sqlite3_stmt *stmt;
    const char *answer;
    int rc = sqlite3_prepare_v2(engine->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
        if (answer)
            rc = quick_check_result(answer);
        else if (rc == SQLITE_ROW)
            rc = SQLITE_NOMEM;
        sqlite3_finalize(stmt);
    }
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(engine, rc, err);
}

int sqlite_stamp(struct engine *engine)
{
    char sql[48];
    int rc;

    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", APPLICATION_ID);
    rc = sqlite3_exec(engine->db, sql, NULL, NULL, NULL);
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %" PRId64, SCHEMA_VERSION);
    return rc == SQLITE_OK ? sqlite3_exec(engine->db, sql, NULL, NULL, NULL) : rc;
}

static int migrate(struct engine *engine, int64_t version, struct evd_error *err)
{
    int rc;

    if (version == SCHEMA_VERSION)
        return EVD_OK;
    rc = sqlite3_exec(engine->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t v = version; rc == SQLITE_OK && v < SCHEMA_VERSION; v++)
        rc = sqlite3_exec(engine->db, migrations[v], NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite_stamp(engine);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(engine->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_ERROR) /* the tables are not those of its version */
        rc = SQLITE_CORRUPT;
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(engine, rc, err);
}

static int note_wal(void *arg, sqlite3 *db, const char *schema, int frames)
{
    struct engine *engine = arg;

    (void)db;
    (void)schema;
    engine->wal_frames = frames;
    return SQLITE_OK;
}

static int configure(struct engine *engine, struct evd_error *err)
{
    sqlite3_stmt *stmt;
    const char *mode = NULL;
    bool wal = false;
    int rc = sqlite3_prepare_v2(engine->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            mode = (const char *)sqlite3_column_text(stmt, 0);
            wal = mode && strcmp(mode, "wal") == 0;
            rc = wal ? SQLITE_OK : mode ? SQLITE_CANTOPEN : SQLITE_NOMEM;
        }
        sqlite3_finalize(stmt);
    }
    if (wal)
        rc = sqlite3_exec(engine->db,
                          "PRAGMA synchronous = FULL;"
                          "PRAGMA foreign_keys = ON;"
                          "PRAGMA temp_store = MEMORY;"
                          "PRAGMA journal_size_limit = 67108864;"
                          "PRAGMA cell_size_check = ON",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_error(engine, rc, err);
    /* Instead of SQLite's own checkpoint inside COMMIT, where its failure goes unseen and whoever
     * waits for the commit waits for it too: engine_tidy does it. */
    sqlite3_wal_hook(engine->db, note_wal, engine);
    return EVD_OK;
}

static int prepare(struct engine *engine, struct evd_error *err)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(engine->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &engine->statements[i], NULL);
        if (rc == SQLITE_ERROR) /* a table or column is missing */
            rc = SQLITE_CORRUPT;
        if (rc != SQLITE_OK)
            return sqlite_error(engine, rc, err);
    }
    return EVD_OK;
}

static int open_file(struct engine *engine, struct evd_error *err)
{
    int64_t version = 0;
    int rc = sqlite3_open_v2(engine->path, &engine->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_EXRESCODE,
                             engine->vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(engine->db, LOCK_PATIENCE_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(engine->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_error(engine, rc, err);
    if (sqlite3_db_readonly(engine->db, "main") == 1)
        return sqlite_error(engine, SQLITE_READONLY, err);
    int code = check_identity(engine, &version, err);
    if (code == EVD_OK)
        code = configure(engine, err);
    if (code == EVD_OK)
        code = check_content(engine, err);
    if (code == EVD_OK)
        code = migrate(engine, version, err);
    if (code == EVD_OK)
        code = prepare(engine, err);
    return code;
}

int engine_open(struct engine **out, const char *path, const char *vfs, struct evd_error *err)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    int code;

    if (engine) {
        engine->path = strdup(path);
        engine->vfs = vfs ? strdup(vfs) : NULL;
    }
    if (!engine || !engine->path || (vfs && !engine->vfs)) {
        if (engine)
            engine_close(engine);
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    }
    code = open_file(engine, err);
    if (code != EVD_OK) {
        engine_close(engine);
        return code;
    }
    engine->garbage = true;
    *out = engine;
    return EVD_OK;
}

void engine_close(struct engine *engine)
{
    engine_backup_abort(engine);
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(engine->statements[i]);
    /* The log is the best copy there is then: leave it for the next start. */
    if (engine->broken)
        sqlite3_db_config(engine->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    sqlite3_close(engine->db);
    free(engine->path);
    free(engine->vfs);
    free(engine);
}

bool engine_failing(const struct engine *engine)
{
    return engine->write_failed || engine->tidy_failed || engine->broken;
}

/* The database file and its log. */
uint64_t engine_file_bytes(const struct engine *engine)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        sqlite3_file *file = NULL;
        sqlite3_int64 size = 0;
        if (sqlite3_file_control(engine->db, "main", files[i], &file) == SQLITE_OK && file &&
            file->pMethods && file->pMethods->xFileSize(file, &size) == SQLITE_OK)
            bytes += (uint64_t)size;
    }
    return bytes;
}
