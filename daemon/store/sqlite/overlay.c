/* Reads files and writes to memory (overlay.h). */
#include "store/sqlite/overlay.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u

struct block {
    uint64_t number;
    uint8_t bytes[BLOCK];
};

struct overlay {
    sqlite3_vfs vfs;
    char name[48];
    bool deleted[2]; /* the log, a journal: as SQLite is told */
};

struct overlay_file {
    sqlite3_file base;  /* first: SQLite's */
    sqlite3_file *real; /* opened for reading; NULL: there is none */
    sqlite3_int64 size;
    sqlite3_int64 real_size; /* how much of the real file still counts */
    struct block **blocks;   /* what was written, by number */
    size_t block_count, block_cap;
};

static struct overlay_file *file_of(sqlite3_file *file)
{
    return (struct overlay_file *)file;
}

static sqlite3_vfs *real_vfs(const sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* ---- blocks ---- */

/* The index of the block, or where it would be. */
static size_t find_block(const struct overlay_file *file, uint64_t number, bool *found)
{
    size_t low = 0, high = file->block_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (file->blocks[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < file->block_count && file->blocks[low]->number == number;
    return low;
}

/* From the real file, zeros behind its end. */
static int read_real(struct overlay_file *file, void *to, int n, sqlite3_int64 at)
{
    sqlite3_int64 left = file->real_size - at;
    int rc;

    if (!file->real || left <= 0) {
        memset(to, 0, (size_t)n);
        return SQLITE_OK;
    }
    if (left < n)
        memset((char *)to + left, 0, (size_t)(n - left));
    else
        left = n;
    rc = file->real->pMethods->xRead(file->real, to, (int)left, at);
    return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

static int make_block(struct overlay_file *file, uint64_t number, struct block **out)
{
    bool found;
    size_t at = find_block(file, number, &found);
    struct block *block;
    int rc;

    if (found) {
        *out = file->blocks[at];
        return SQLITE_OK;
    }
    if (file->block_count == file->block_cap) {
        size_t cap = file->block_cap ? file->block_cap * 2 : 64;
        struct block **blocks = realloc(file->blocks, cap * sizeof(*blocks));

        if (!blocks)
            return SQLITE_IOERR_NOMEM;
        file->blocks = blocks;
        file->block_cap = cap;
    }
    block = malloc(sizeof(*block));
    if (!block)
        return SQLITE_IOERR_NOMEM;
    block->number = number;
    rc = read_real(file, block->bytes, BLOCK, (sqlite3_int64)number * BLOCK);
    if (rc != SQLITE_OK) {
        free(block);
        return rc;
    }
    memmove(&file->blocks[at + 1], &file->blocks[at],
            (file->block_count - at) * sizeof(struct block *));
    file->blocks[at] = block;
    file->block_count++;
    *out = block;
    return SQLITE_OK;
}

/* ---- a file ---- */

static int overlay_close(sqlite3_file *base)
{
    struct overlay_file *file = file_of(base);

    for (size_t i = 0; i < file->block_count; i++)
        free(file->blocks[i]);
    free(file->blocks);
    return file->real ? file->real->pMethods->xClose(file->real) : SQLITE_OK;
}

static int overlay_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
    struct overlay_file *file = file_of(base);
    int rc = read_real(file, to, n, at);
    bool found;

    for (int done = 0; rc == SQLITE_OK && done < n;) {
        uint64_t here = (uint64_t)at + (uint64_t)done;
        size_t from = here % BLOCK, len = BLOCK - from;
        size_t i = find_block(file, here / BLOCK, &found);

        if (len > (size_t)(n - done))
            len = (size_t)(n - done);
        if (found)
            memcpy((char *)to + done, file->blocks[i]->bytes + from, len);
        done += (int)len;
    }
    return rc == SQLITE_OK && at + n > file->size ? SQLITE_IOERR_SHORT_READ : rc;
}

static int overlay_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 at)
{
    struct overlay_file *file = file_of(base);

    for (int done = 0; done < n;) {
        uint64_t here = (uint64_t)at + (uint64_t)done;
        size_t to = here % BLOCK, len = BLOCK - to;
        struct block *block;
        int rc = make_block(file, here / BLOCK, &block);

        if (rc != SQLITE_OK)
            return rc;
        if (len > (size_t)(n - done))
            len = (size_t)(n - done);
        memcpy(block->bytes + to, (const char *)from + done, len);
        done += (int)len;
    }
    if (at + n > file->size)
        file->size = at + n;
    return SQLITE_OK;
}

/* What is behind the end must be zeros if the file grows again. */
static int overlay_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct overlay_file *file = file_of(base);
    uint64_t end = (uint64_t)size;

    while (file->block_count > 0) {
        struct block *last = file->blocks[file->block_count - 1];

        if (last->number * BLOCK >= end) {
            free(last);
            file->block_count--;
            continue;
        }
        if ((last->number + 1) * BLOCK > end)
            memset(last->bytes + end % BLOCK, 0, BLOCK - end % BLOCK);
        break;
    }
    if (size < file->real_size)
        file->real_size = size;
    file->size = size;
    return SQLITE_OK;
}

static int overlay_sync(sqlite3_file *base, int flags)
{
    (void)base;
    (void)flags;
    return SQLITE_OK;
}

static int overlay_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = file_of(base)->size;
    return SQLITE_OK;
}

/* Shared is real, and keeps away whoever would write; more is nobody's concern. */
static int overlay_lock(sqlite3_file *base, int level)
{
    struct overlay_file *file = file_of(base);

    if (level != SQLITE_LOCK_SHARED || !file->real)
        return SQLITE_OK;
    return file->real->pMethods->xLock(file->real, level);
}

static int overlay_unlock(sqlite3_file *base, int level)
{
    struct overlay_file *file = file_of(base);

    if (level != SQLITE_LOCK_NONE || !file->real)
        return SQLITE_OK;
    return file->real->pMethods->xUnlock(file->real, level);
}

static int overlay_reserved(sqlite3_file *base, int *held)
{
    (void)base;
    *held = 0;
    return SQLITE_OK;
}

static int overlay_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int overlay_sector(sqlite3_file *base)
{
    (void)base;
    return BLOCK;
}

static int overlay_traits(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* without shared memory: the log's index is this process's alone */
    .xClose = overlay_close,
    .xRead = overlay_read,
    .xWrite = overlay_write,
    .xTruncate = overlay_truncate,
    .xSync = overlay_sync,
    .xFileSize = overlay_size,
    .xLock = overlay_lock,
    .xUnlock = overlay_unlock,
    .xCheckReservedLock = overlay_reserved,
    .xFileControl = overlay_control,
    .xSectorSize = overlay_sector,
    .xDeviceCharacteristics = overlay_traits,
};

/* ---- the VFS ---- */

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), len = strlen(end);

    return n >= len && strcmp(path + n - len, end) == 0;
}

/* Which of `deleted` is about that file; -1: none. */
static int which(const char *path)
{
    if (path && ends_with(path, "-wal"))
        return 0;
    return path && ends_with(path, "-journal") ? 1 : -1;
}

static int open_real(sqlite3_vfs *vfs, const char *path, struct overlay_file *file, int flags)
{
    const int kinds = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
    sqlite3_file *real = (sqlite3_file *)(file + 1);
    int rc, opened;

    rc = real_vfs(vfs)->xOpen(real_vfs(vfs), path, real, (flags & kinds) | SQLITE_OPEN_READONLY,
                              &opened);
    if (rc != SQLITE_OK)
        return rc;
    file->real = real;
    rc = real->pMethods->xFileSize(real, &file->real_size);
    file->size = file->real_size;
    return rc;
}

static int overlay_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                        int *opened)
{
    struct overlay_file *file = file_of(base);
    struct overlay *overlay = (struct overlay *)vfs;
    int there = 0, rc = SQLITE_OK, companion = which(path);

    *file = (struct overlay_file){.base = {&methods}};
    if (path && !(companion >= 0 && overlay->deleted[companion]))
        rc = real_vfs(vfs)->xAccess(real_vfs(vfs), path, SQLITE_ACCESS_EXISTS, &there);
    if (rc == SQLITE_OK && there)
        rc = open_real(vfs, path, file, flags);
    else if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB))
        rc = SQLITE_CANTOPEN;
    if (rc != SQLITE_OK) {
        overlay_close(base);
        file->base.pMethods = NULL;
        return rc;
    }
    if (companion >= 0)
        overlay->deleted[companion] = false;
    if (opened)
        *opened = flags;
    return SQLITE_OK;
}

static int overlay_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    int companion = which(path);

    (void)sync;
    if (companion >= 0)
        ((struct overlay *)vfs)->deleted[companion] = true;
    return SQLITE_OK;
}

static int overlay_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
    int companion = which(path);

    *result = 0;
    if (companion >= 0 && ((struct overlay *)vfs)->deleted[companion])
        return SQLITE_OK;
    return real_vfs(vfs)->xAccess(
        real_vfs(vfs), path, flags == SQLITE_ACCESS_READWRITE ? SQLITE_ACCESS_READ : flags, result);
}

static int overlay_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    return real_vfs(vfs)->xFullPathname(real_vfs(vfs), path, size, out);
}

static int overlay_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    return real_vfs(vfs)->xRandomness(real_vfs(vfs), n, out);
}

static int overlay_sleep(sqlite3_vfs *vfs, int microseconds)
{
    return real_vfs(vfs)->xSleep(real_vfs(vfs), microseconds);
}

static int overlay_time(sqlite3_vfs *vfs, double *now)
{
    return real_vfs(vfs)->xCurrentTime(real_vfs(vfs), now);
}

static int overlay_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    return real_vfs(vfs)->xGetLastError(real_vfs(vfs), n, out);
}

struct overlay *overlay_new(void)
{
    struct overlay *overlay = calloc(1, sizeof(*overlay));
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    if (!overlay || !real) {
        free(overlay);
        return NULL;
    }
    snprintf(overlay->name, sizeof(overlay->name), "evendraw-overlay-%p", (void *)overlay);
    overlay->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct overlay_file) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = overlay->name,
        .pAppData = real,
        .xOpen = overlay_open,
        .xDelete = overlay_delete,
        .xAccess = overlay_access,
        .xFullPathname = overlay_full_path,
        .xRandomness = overlay_randomness,
        .xSleep = overlay_sleep,
        .xCurrentTime = overlay_time,
        .xGetLastError = overlay_last_error,
    };
    if (sqlite3_vfs_register(&overlay->vfs, 0) != SQLITE_OK) {
        free(overlay);
        return NULL;
    }
    return overlay;
}

void overlay_free(struct overlay *overlay)
{
    if (!overlay)
        return;
    sqlite3_vfs_unregister(&overlay->vfs);
    free(overlay);
}

const char *overlay_name(const struct overlay *overlay)
{
    return overlay->name;
}
