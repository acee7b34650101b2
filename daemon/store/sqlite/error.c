/*
 * Turns SQLite's result codes into errors that say what to do. Every file of this room calls it,
 * but for backup.c where the copy fails.
 */
#include "store/sqlite/error.h"

#include <sqlite3.h>
#include "store/sqlite/sqlite.h"

int sqlite_lost_error(const struct sqlite *sqlite, struct evd_error *err)
{
    if (sqlite->lost == LOST_CUT)
        return error_set(err, EVD_E_STORE, "store",
                         "%s, or %s-wal beside it, was cut short while it was in use, so nothing "
                         "more is stored, and what was confirmed may be gone: find out what writes "
                         "there, stop evendrawd and restore a backup",
                         sqlite->path, sqlite->path);
    if (sqlite->lost == LOST_LOG)
        return error_set(err, EVD_E_STORE, "store",
                         "%s-wal was removed or replaced while it was in use, so nothing more is "
                         "stored; what was confirmed is in %s: restart evendrawd",
                         sqlite->path, sqlite->path);
    return error_set(err, EVD_E_STORE, "store",
                     "%s was removed, moved or replaced while it was in use, so nothing more is "
                     "stored: put it back%s; or save what the daemon has with \"evendraw backup "
                     "FILE\" and start evendrawd on that file",
                     sqlite->path, sqlite->broken ? " and restart evendrawd" : "");
}

int sqlite_error(struct sqlite *sqlite, int rc, struct evd_error *err)
{
    const char *path = sqlite->path;

    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        sqlite->broken = true;
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
        if (rc == SQLITE_READONLY_DBMOVED)
            return sqlite_lost_error(sqlite, err);
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
        sqlite->broken = true;
        return error_set(err, EVD_E_STORE, "store",
                         "%s is damaged: restore it from a backup, or, without a daemon, make "
                         "another file of what is sound with \"evendraw repair --database FILE\" "
                         "(\"evendraw verify\" only looks)",
                         path);
    default:
        return error_set(err, EVD_E_STORE, "store",
                         "%s: %s (%d): check the disk; what was committed is safe", path,
                         sqlite3_errstr(rc), rc);
    }
}
