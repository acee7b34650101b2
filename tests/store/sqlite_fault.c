/* Chosen writes and syncs fail, see sqlite_fault.h. */
#include "sqlite_fault.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

const int fault_full = SQLITE_FULL;
const int fault_io_write = SQLITE_IOERR_WRITE;
const int fault_io_fsync = SQLITE_IOERR_FSYNC;
const int fault_readonly = SQLITE_READONLY;
const int fault_corrupt = SQLITE_CORRUPT;

static atomic_uint fault_kinds;
static atomic_int countdown, fault_code, fired, waiting;
static atomic_bool fault_lasting, stalled, write_protected;

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static sqlite3_vfs *system_vfs;

void fault_set(unsigned calls, int nth, int code, bool lasting)
{
    atomic_store(&fired, 0);
    atomic_store(&countdown, nth);
    atomic_store(&fault_code, code);
    atomic_store(&fault_lasting, lasting);
    atomic_store(&fault_kinds, calls);
}

int fault_clear(void)
{
    atomic_store(&fault_kinds, 0);
    return atomic_load(&fired);
}

void fault_stall(bool stall)
{
    atomic_store(&stalled, stall);
}

int fault_stalled(void)
{
    return atomic_load(&stalled) ? atomic_load(&waiting) : 0;
}

void fault_write_protect(bool protect)
{
    atomic_store(&write_protected, protect);
}

static int check(unsigned call)
{
    if (!(atomic_load(&fault_kinds) & call))
        return SQLITE_OK;
    int left = atomic_fetch_sub(&countdown, 1) - 1;
    if (left > 0 || (left < 0 && !atomic_load(&fault_lasting)))
        return SQLITE_OK;
    atomic_fetch_add(&fired, 1);
    return atomic_load(&fault_code);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), bytes, n, at);
}

/* A write that fails has done half of its work. */
static int file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    int rc = check(FAULT_WRITE);

    atomic_fetch_add(&waiting, 1);
    while (atomic_load(&stalled))
        usleep(1000);
    atomic_fetch_sub(&waiting, 1);
    if (rc != SQLITE_OK)
        n /= 2;
    int real = real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
    return rc == SQLITE_OK ? real : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    int rc = check(FAULT_SYNC);

    return rc == SQLITE_OK ? real_of(file)->pMethods->xSync(real_of(file), flags) : rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int file_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: no shared memory, which a log in exclusive mode does not need. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct fault_file *fault = (struct fault_file *)file;
    int rc;

    (void)vfs;
    if (atomic_load(&write_protected))
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    fault->real = (sqlite3_file *)(fault + 1);
    rc = system_vfs->xOpen(system_vfs, name, fault->real, flags, out);
    fault->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
    return rc;
}

void fault_register(void)
{
    static sqlite3_vfs vfs;

    if (system_vfs)
        return;
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.zName = FAULT_VFS;
    vfs.szOsFile = (int)sizeof(struct fault_file) + system_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.pNext = NULL;
    sqlite3_vfs_register(&vfs, 0);
}

int64_t sqlite_query(const char *path, const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t value = 0;
    sqlite3 *db;

    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        abort();
    if (sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}
