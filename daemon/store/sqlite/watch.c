/*
 * Looks at the paths of the database and its log. Whoever removes, moves or replaces a file that is
 * open does not disturb SQLite, which goes on writing to what has no name any more: everything
 * would be confirmed, and gone after a restart. So it would be where a file is cut short. open.c
 * begins; write.c looks before and after each group, tidy.c now and then.
 */
#include "store/sqlite/watch.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include "store/sqlite/sqlite.h"

/* By path: another descriptor of the file, closed, would end SQLite's lock on it. */
static bool same(const char *path, const struct watched *file, off_t *bytes)
{
    struct stat status;

    if (stat(path, &status) < 0 || status.st_dev != file->dev || status.st_ino != file->inode)
        return false;
    *bytes = status.st_size;
    return true;
}

static void note(const char *path, struct watched *file)
{
    struct stat status = {0}; /* where there is none: lost already */

    stat(path, &status);
    file->dev = status.st_dev;
    file->inode = status.st_ino;
    file->bytes = status.st_size;
}

static off_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : 0;
}

bool watch_log_alone(const char *path)
{
    char log[PATH_MAX];

    return snprintf(log, sizeof(log), "%s-wal", path) < (int)sizeof(log) && size_of(path) == 0 &&
           size_of(log) > 0;
}

void watch_begin(struct sqlite *sqlite)
{
    const char *path = sqlite3_db_filename(sqlite->db, "main");
    int moved;

    /* What no file system holds (a VFS of tests) knows no answer. */
    if (sqlite3_file_control(sqlite->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK)
        return;
    sqlite->watching = true;
    note(path, &sqlite->file);
    note(sqlite3_filename_wal(path), &sqlite->log);
}

/* The database never shrinks, since it is never vacuumed, and a log only to what is kept of it. */
static bool is_cut(const struct sqlite *sqlite, off_t file, off_t log)
{
    return file < sqlite->file.bytes || (log < sqlite->log.bytes && log < LOG_KEPT_BYTES);
}

bool watch_look(struct sqlite *sqlite)
{
    off_t file = 0, log = 0;
    const char *path;

    if (!sqlite->watching || sqlite->lost == LOST_CUT)
        return !sqlite->watching;
    path = sqlite3_db_filename(sqlite->db, "main");
    sqlite->lost = !same(path, &sqlite->file, &file)                       ? LOST_FILE
                   : !same(sqlite3_filename_wal(path), &sqlite->log, &log) ? LOST_LOG
                   : is_cut(sqlite, file, log)                             ? LOST_CUT
                                                                           : LOST_NOTHING;
    if (sqlite->lost == LOST_CUT)
        sqlite->broken = true; /* to write on would make holes, and bring them into the database */
    if (sqlite->lost != LOST_NOTHING)
        return false;
    sqlite->file.bytes = file;
    sqlite->log.bytes = log;
    return true;
}
