/*
 * Opens and closes a database. The engine's row (row.c) and examine.c call it.
 */
#include "store/sqlite/open.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "store/sqlite/backup.h"
#include "store/sqlite/error.h"
#include "store/sqlite/overlay.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/tidy.h"
#include "store/sqlite/watch.h"

#define TEXT(n)   #n
#define NUMBER(n) TEXT(n)

static int note_wal(void *arg, sqlite3 *db, const char *schema, int frames)
{
    struct sqlite *sqlite = arg;

    (void)db;
    (void)schema;
    sqlite->wal_frames = frames;
    return SQLITE_OK;
}

int sqlite_configure(struct sqlite *sqlite, struct evd_error *err)
{
    sqlite3_stmt *stmt;
    const char *mode = NULL;
    bool wal = false;
    int rc = sqlite3_prepare_v2(sqlite->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);

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
        rc = sqlite3_exec(
            sqlite->db,
            "PRAGMA synchronous = FULL;"
            "PRAGMA foreign_keys = ON;"
            "PRAGMA temp_store = MEMORY;"
            "PRAGMA journal_size_limit = " NUMBER(LOG_KEPT_BYTES) ";"
                                                                  "PRAGMA cell_size_check = ON",
            NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_error(sqlite, rc, err);
    /* Instead of SQLite's own checkpoint inside COMMIT, where its failure goes unseen and whoever
     * waits for the commit waits for it too: tidy.c does it. */
    sqlite3_wal_hook(sqlite->db, note_wal, sqlite);
    return EVD_OK;
}

/* On a full disk it may start all the same: tidying goes on trying. */
static int seal(struct sqlite *sqlite, struct evd_error *err)
{
    int rc = sqlite_seal(sqlite);

    if (rc == SQLITE_OK)
        return EVD_OK;
    sqlite->tidy_failed = true;
    sqlite_error(sqlite, rc, err);
    sqlite->why = *err;
    return rc == SQLITE_FULL ? EVD_OK : err->code;
}

static int open_file(struct sqlite *sqlite, struct evd_error *err)
{
    int64_t version = 0;
    bool behind;
    int code, rc;

    if (watch_log_alone(sqlite->path))
        return error_set(
            err, EVD_E_STORE, "store",
            "%s is missing or empty, but its log %s-wal is there, with what was stored "
            "last: put the file back; to begin with another one, or with none, move "
            "the log away first",
            sqlite->path, sqlite->path);
    rc = sqlite3_open_v2(sqlite->path, &sqlite->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                             SQLITE_OPEN_EXRESCODE,
                         sqlite->vfs);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(sqlite->db, LOCK_PATIENCE_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sqlite->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_error(sqlite, rc, err);
    if (sqlite3_db_readonly(sqlite->db, "main") == 1)
        return sqlite_error(sqlite, SQLITE_READONLY, err);
    code = schema_identify(sqlite, &version, &behind, err);
    if (code == EVD_OK && behind)
        code = schema_log_missing(sqlite, err);
    if (code == EVD_OK)
        code = sqlite_configure(sqlite, err);
    if (code == EVD_OK)
        code = schema_check(sqlite, err);
    if (code == EVD_OK)
        code = schema_migrate(sqlite, version, err);
    if (code == EVD_OK)
        code = seal(sqlite, err);
    if (code != EVD_OK)
        return code;
    rc = sqlite_prepare(sqlite);
    watch_begin(sqlite);
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(sqlite, rc, err);
}

/* Whether the log stays: it is the best copy there is after a failure. And where another file has
 * taken the database's place, what lies beside that is not ours to remove. */
static bool keeps_log(struct sqlite *sqlite)
{
    if (sqlite->overlay)
        return true;
    if (sqlite->broken)
        return sqlite->lost != LOST_LOG;
    return !watch_look(sqlite) && sqlite->lost == LOST_FILE;
}

void sqlite_close(struct store_db *db)
{
    struct sqlite *sqlite = sqlite_of(db);

    backup_abort(db);
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(sqlite->statements[i]);
    if (keeps_log(sqlite))
        sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    sqlite3_close(sqlite->db);
    overlay_free(sqlite->overlay);
    free(sqlite->path);
    free(sqlite);
}

int sqlite_open(struct store_db **out, const char *path, const char *vfs, struct evd_error *err)
{
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    int code;

    if (!sqlite)
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    sqlite->vfs = vfs;
    sqlite->path = strdup(path);
    sqlite->garbage = true;
    if (sqlite->path)
        code = open_file(sqlite, err);
    else
        code = error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    if (code != EVD_OK)
        sqlite_close((struct store_db *)sqlite);
    else
        *out = (struct store_db *)sqlite;
    return code;
}
