/*
 * Looks at the paths of the database and its log. Whoever removes, moves or replaces a file that is
 * open does not disturb SQLite, which goes on writing to what has no name any more: everything
 * would be confirmed, and gone after a restart. open.c begins; write.c looks before and after each
 * group, tidy.c now and then.
 */
#include "store/sqlite/watch.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include "store/sqlite/sqlite.h"

/* By path: another descriptor of the file, closed, would end SQLite's lock on it. */
static bool same(const char *path, const struct watched *file)
{
    struct stat status;

    return stat(path, &status) == 0 && status.st_dev == file->dev && status.st_ino == file->inode;
}

static void note(const char *path, struct watched *file)
{
    struct stat status = {0}; /* where there is none: lost already */

    stat(path, &status);
    file->dev = status.st_dev;
    file->inode = status.st_ino;
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

bool watch_look(struct sqlite *sqlite)
{
    const char *path;

    if (!sqlite->watching)
        return true;
    path = sqlite3_db_filename(sqlite->db, "main");
    sqlite->lost = !same(path, &sqlite->file)                        ? LOST_FILE
                   : !same(sqlite3_filename_wal(path), &sqlite->log) ? LOST_LOG
                                                                     : LOST_NOTHING;
    return sqlite->lost == LOST_NOTHING;
}
