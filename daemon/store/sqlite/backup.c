/*
 * Online backup by SQLite's own copier, on the connection that also writes: what a commit changes
 * in pages that were copied already goes into the copy too, so nothing has to be copied twice and
 * the copy shows the moment of its last piece. Runs in the writer thread, between groups.
 *
 * It is made under the name PATH.partial and gets its own when it is whole and on the disk.
 */
#include "store/sqlite/backup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/sqlite/sqlite.h"

/* Pages copied, and written to the disk, while other writes wait: about 1 MiB. */
#define PIECE_PAGES 256

struct backup {
    sqlite3 *copy;
    sqlite3_backup *copier;
    char *path, *partial;
    int fd; /* of the copy, to sync what SQLite has written */
};

static int failed(const struct backup *backup, int rc, struct evd_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory for the backup");
    case SQLITE_FULL:
        return error_set(err, EVD_E_STORE, backup->path,
                         "no room for the backup %s: free disk space there, or give another path",
                         backup->path);
    default:
        return error_set(err, EVD_E_STORE, backup->path,
                         "cannot write the backup %s: %s (%d): check that disk, or give another "
                         "path",
                         backup->path, sqlite3_errstr(rc), rc);
    }
}

static int failed_call(const char *path, struct evd_error *err)
{
    int code = errno == EEXIST ? EVD_E_EXISTS : EVD_E_STORE;

    if (code == EVD_E_EXISTS)
        return error_set(err, code, path,
                         "%s is there already, and a backup overwrites nothing: remove it, or give "
                         "another path",
                         path);
    return error_set(err, code, path,
                     "cannot create %s: %s: check that evendrawd may write in that folder", path,
                     strerror(errno));
}

/* Takes the name PATH.partial, and sees that PATH is free. */
static int create_file(struct backup *backup, struct evd_error *err)
{
    struct stat status;

    errno = EEXIST;
    if (lstat(backup->path, &status) == 0)
        return failed_call(backup->path, err);
    backup->fd = open(backup->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return backup->fd < 0 ? failed_call(backup->partial, err) : EVD_OK;
}

static int open_copy(struct sqlite *sqlite, struct backup *backup, struct evd_error *err)
{
    int rc = sqlite3_open_v2(backup->partial, &backup->copy,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             sqlite->vfs);

    /* Of a half copy nothing is to be saved, so it needs no journal; and what stays in the cache
     * is written at the end, when everybody waits for it. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(backup->copy, "PRAGMA journal_mode = OFF; PRAGMA cache_size = 64", NULL,
                          NULL, NULL);
    if (rc == SQLITE_OK) {
        backup->copier = sqlite3_backup_init(backup->copy, "main", sqlite->db, "main");
        if (!backup->copier)
            rc = sqlite3_extended_errcode(backup->copy);
    }
    return rc == SQLITE_OK ? EVD_OK : failed(backup, rc, err);
}

static void backup_free(struct backup *backup)
{
    sqlite3_backup_finish(backup->copier);
    sqlite3_close(backup->copy);
    if (backup->fd >= 0)
        close(backup->fd);
    free(backup->path);
    free(backup->partial);
    free(backup);
}

int backup_begin(struct store_db *db, const char *path, struct evd_error *err)
{
    struct sqlite *sqlite = sqlite_of(db);
    struct backup *backup;
    int code;

    if (sqlite->backup)
        return error_set(err, EVD_E_BUSY, "store",
                         "another backup is being made: try again when it is done");
    if (sqlite->broken && (!sqlite->lost || sqlite->lost == LOST_CUT))
        return error_set(err, EVD_E_STORE, "store",
                         "the database failed and a copy may be damaged: check the disk and "
                         "restart evendrawd first");
    backup = calloc(1, sizeof(*backup));
    if (backup) {
        backup->fd = -1;
        backup->path = strdup(path);
        backup->partial = malloc(strlen(path) + sizeof(".partial"));
    }
    if (!backup || !backup->path || !backup->partial) {
        if (backup)
            backup_free(backup);
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory for the backup");
    }
    sprintf(backup->partial, "%s.partial", path);
    code = create_file(backup, err);
    if (code == EVD_OK) {
        code = open_copy(sqlite, backup, err);
        if (code != EVD_OK)
            unlink(backup->partial);
    }
    if (code == EVD_OK)
        sqlite->backup = backup;
    else
        backup_free(backup);
    return code;
}

static int sync_folder(const char *path)
{
    char *folder = strdup(path), *slash;
    int fd, rc = -1;

    if (!folder)
        return -1;
    slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        rc = fsync(fd);
        close(fd);
    }
    free(folder);
    return rc;
}

/* The whole copy, which SQLite has synced, gets its name; never that of another file. */
static int publish(struct backup *backup, uint64_t *bytes, struct evd_error *err)
{
    struct stat status;
    int rc = sqlite3_backup_finish(backup->copier);

    backup->copier = NULL;
    if (rc != SQLITE_OK)
        return failed(backup, rc, err);
    rc = sqlite3_close(backup->copy);
    backup->copy = NULL;
    if (rc != SQLITE_OK)
        return failed(backup, rc, err);
    if (stat(backup->partial, &status) != 0 || link(backup->partial, backup->path) != 0)
        return failed_call(backup->path, err);
    if (sync_folder(backup->path) != 0) {
        failed_call(backup->path, err);
        unlink(backup->path);
        return err->code;
    }
    *bytes = (uint64_t)status.st_size;
    return EVD_OK;
}

bool backup_step(struct store_db *db, uint64_t *bytes, struct evd_error *err)
{
    struct backup *backup = sqlite_of(db)->backup;
    int rc;

    assert(backup);
    rc = sqlite3_backup_step(backup->copier, PIECE_PAGES);

    /* Each piece at once, so that the last does not have to wait for all of it. */
    if (rc == SQLITE_OK && fdatasync(backup->fd) != 0)
        rc = SQLITE_IOERR_FSYNC;
    if (rc == SQLITE_OK)
        return true;
    if (rc == SQLITE_DONE)
        publish(backup, bytes, err);
    else
        failed(backup, rc, err);
    backup_abort(db);
    return false;
}

void backup_abort(struct store_db *db)
{
    struct backup *backup = sqlite_of(db)->backup;

    if (!backup)
        return;
    unlink(backup->partial);
    backup_free(backup);
    sqlite_of(db)->backup = NULL;
}
