/*
 * Opens a database through an overlay and looks for all the damage that SQLite itself can find, and
 * for what contradicts the schema. What the rows say is for whoever loads them.
 */
#include "store/sqlite/examine.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/sqlite/error.h"
#include "store/sqlite/open.h"
#include "store/sqlite/overlay.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"

/* So many findings of a kind are told; who has more knows enough. */
#define FINDINGS_MOST "100"

struct examination {
    struct sqlite *sqlite;
    const struct store_look *look;
    bool readable; /* what is read is what is there */
};

static void found(const struct examination *ex, const char *what)
{
    ex->look->damage(ex->look->arg, what);
}

/* The same where nothing can be relied on any more. */
static void unreadable(struct examination *ex, const char *what)
{
    ex->readable = false;
    found(ex, what);
}

/* Makes a sentence of a row of findings, or NULL. */
typedef const char *teller(sqlite3_stmt *row, char *text, size_t size);

static int each_finding(struct examination *ex, const char *sql, teller *tell,
                        void (*note)(struct examination *ex, const char *what),
                        struct evd_error *err)
{
    sqlite3_stmt *stmt;
    char text[512];
    const char *what;
    int rc = sqlite3_prepare_v2(ex->sqlite->db, sql, -1, &stmt, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        what = rc == SQLITE_ROW ? tell(stmt, text, sizeof(text)) : NULL;
        if (what)
            note(ex, what);
    }
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        return EVD_OK;
    if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return sqlite_error(ex->sqlite, rc, err);
    /* It is so damaged that it cannot be looked at any further. */
    snprintf(text, sizeof(text), "pages cannot be read: %s", sqlite3_errstr(rc));
    unreadable(ex, text);
    return EVD_OK;
}

static const char *column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text ? text : "?";
}

/* What is said of a page may come behind a line that says of which database. */
static const char *tell_page(sqlite3_stmt *row, char *text, size_t size)
{
    const char *answer = column_text(row, 0), *line = strchr(answer, '\n');

    if (strcmp(answer, "ok") == 0)
        return NULL;
    if (line && strncmp(answer, "*** in", 6) == 0)
        answer = line + 1;
    snprintf(text, size, "%.*s", (int)strcspn(answer, "\n"), answer);
    return text;
}

static const char *tell_stray(sqlite3_stmt *row, char *text, size_t size)
{
    snprintf(text, size, "of the table %s %lld rows belong to no row of the table %s",
             column_text(row, 0), sqlite3_column_int64(row, 2), column_text(row, 1));
    return text;
}

static void note_stray(struct examination *ex, const char *what)
{
    found(ex, what);
}

/* ---- the schema ---- */

/* Whether the object is in the examined file just so. */
static bool same_object(struct sqlite *sqlite, const char *name, const char *sql)
{
    sqlite3_stmt *stmt;
    bool same = false;

    if (sqlite3_prepare_v2(sqlite->db,
                           "SELECT 1 FROM sqlite_schema WHERE name = ?1 AND sql IS ?2"
                           " AND rootpage > 0",
                           -1, &stmt, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, sql, -1, SQLITE_STATIC);
    same = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return same;
}

/* Against one that is made anew. */
static int compare_schema(struct examination *ex, struct evd_error *err)
{
    struct sqlite fresh = {.path = ex->sqlite->path};
    sqlite3_stmt *stmt = NULL;
    char text[256];
    int rc =
        sqlite3_open_v2(":memory:", &fresh.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    int code = rc == SQLITE_OK ? schema_migrate(&fresh, 0, err) : sqlite_error(&fresh, rc, err);

    if (code == EVD_OK)
        rc = sqlite3_prepare_v2(fresh.db, "SELECT type, name, sql FROM sqlite_schema", -1, &stmt,
                                NULL);
    while (code == EVD_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = column_text(stmt, 1);

        if (same_object(ex->sqlite, name, (const char *)sqlite3_column_text(stmt, 2)))
            continue;
        snprintf(text, sizeof(text), "the %s %s is not what this version's is",
                 column_text(stmt, 0), name);
        unreadable(ex, text);
    }
    if (code == EVD_OK && rc != SQLITE_DONE)
        code = sqlite_error(&fresh, rc, err);
    sqlite3_finalize(stmt);
    sqlite3_close(fresh.db);
    return code;
}

/* ---- all of it ---- */

/* Of a pipe the opening would wait for ever, and a device is as empty as a new database. */
static int check_file(const char *path, struct evd_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0 || access(path, R_OK) != 0)
        return error_set(err, EVD_E_STORE, "store", "%s cannot be read: %s: name the database",
                         path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(err, EVD_E_STORE, "store",
                         "%s is a folder, a pipe or a device: name the database, which is a file",
                         path);
    if (status.st_size == 0)
        return error_set(err, EVD_E_STORE, "store",
                         "%s is empty, there is nothing in it to look at: restore a backup", path);
    return EVD_OK;
}

static int open_overlay(struct sqlite *sqlite, struct evd_error *err)
{
    int rc;

    if (check_file(sqlite->path, err) != EVD_OK)
        return err->code;
    sqlite->overlay = overlay_new();
    if (!sqlite->overlay)
        return sqlite_error(sqlite, SQLITE_NOMEM, err);
    sqlite->vfs = overlay_name(sqlite->overlay);
    rc = sqlite3_open_v2(sqlite->path, &sqlite->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         sqlite->vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(sqlite->db, LOCK_PATIENCE_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sqlite->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    return rc == SQLITE_OK ? EVD_OK : sqlite_error(sqlite, rc, err);
}

static int identify(struct examination *ex, int64_t *version, struct evd_error *err)
{
    struct sqlite *sqlite = ex->sqlite;
    bool behind = false;
    int code = schema_identify(sqlite, version, &behind, err);

    if (code == EVD_OK && behind) {
        schema_log_missing(sqlite, err);
        found(ex, err->message);
    }
    if (code == EVD_E_CONFLICT)
        error_set(
            err, code, "store",
            "a daemon has %s open: stop it; or have it make a copy (evendraw backup COPY) and "
            "look at that one (--database COPY)",
            sqlite->path);
    return code == EVD_OK ? sqlite_configure(sqlite, err) : code;
}

static int look_for_damage(struct examination *ex, int64_t version, struct evd_error *err)
{
    int code;

    ex->look->stage(ex->look->arg, "looking at every page of the file");
    code =
        each_finding(ex, "PRAGMA integrity_check(" FINDINGS_MOST ")", tell_page, unreadable, err);
    if (code == EVD_OK)
        code = each_finding(ex,
                            "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check"
                            " GROUP BY 1, 2",
                            tell_stray, note_stray, err);
    /* What follows changes the schema of older files, in memory, and wants sound pages for it. */
    if (code != EVD_OK || !ex->readable)
        return code;
    code = schema_migrate(ex->sqlite, version, err);
    if (code != EVD_OK && code != EVD_E_NO_MEMORY) {
        unreadable(ex, "its tables are not those of the version that it says it has");
        return EVD_OK;
    }
    return code == EVD_OK ? compare_schema(ex, err) : code;
}

/* For reading the rows, which begins with a schema that is right. */
static int prepare(struct examination *ex, struct evd_error *err)
{
    int rc = ex->readable ? sqlite_prepare(ex->sqlite) : SQLITE_OK;

    if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return sqlite_error(ex->sqlite, rc, err);
    if (rc != SQLITE_OK)
        unreadable(ex, "its tables are not those of the version that it says it has");
    return EVD_OK;
}

int sqlite_examine(struct store_db **out, const char *path, const struct store_look *look,
                   bool *readable, struct evd_error *err)
{
    struct sqlite *sqlite = calloc(1, sizeof(*sqlite));
    struct examination ex = {sqlite, look, true};
    int64_t version = 0;
    int code;

    if (!sqlite || !(sqlite->path = strdup(path))) {
        free(sqlite);
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    }
    code = open_overlay(sqlite, err);
    if (code == EVD_OK)
        code = identify(&ex, &version, err);
    if (code == EVD_OK)
        code = look_for_damage(&ex, version, err);
    if (code == EVD_OK)
        code = prepare(&ex, err);
    if (code != EVD_OK) {
        sqlite_close((struct store_db *)sqlite);
        return code;
    }
    *readable = ex.readable;
    *out = (struct store_db *)sqlite;
    return EVD_OK;
}
