/* Files on a disk that loses its power, see sqlite_power.h. */
#include "sqlite_power.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 8 };

struct image {
    uint8_t *bytes;
    size_t size, room;
};

/* A write since the last sync, or (bytes NULL) a truncation to `at`. */
struct change {
    size_t at, n;
    uint8_t *bytes;
};

struct inode {
    unsigned refs;
    struct image now, durable;
    struct change *changes;
    size_t change_count, change_room;
};

static struct entry {
    char name[128];
    struct inode *now, *durable;
} entries[FILES];

struct power_file {
    sqlite3_file base;
    struct inode *inode;
    bool sync_folder; /* with the first sync, as the system's VFS does for new logs and journals */
};

static unsigned countdown;
static bool off;
static sqlite3_vfs *system_vfs;

uint64_t power_random(uint64_t *state, uint64_t n)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

void power_cut_at(unsigned nth)
{
    countdown = nth;
}

bool power_is_off(void)
{
    return off;
}

/* Whether the power is off, before or within this call. */
static bool cut(void)
{
    if (countdown > 0 && --countdown == 0)
        off = true;
    return off;
}

/* Memory for the disk itself. Where a test fails single allocations, the next try gets it. */
static void *grow(void *old, size_t size)
{
    void *memory = realloc(old, size);

    if (!memory)
        memory = realloc(old, size);
    if (!memory)
        abort();
    return memory;
}

/* ---- files ---- */

static void image_resize(struct image *image, size_t size)
{
    if (size > image->room) {
        image->room = size + size / 2 + 4096;
        image->bytes = grow(image->bytes, image->room);
    }
    if (size > image->size)
        memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(struct image *image, size_t at, const uint8_t *bytes, size_t n)
{
    if (at + n > image->size)
        image_resize(image, at + n);
    memcpy(image->bytes + at, bytes, n);
}

static void image_copy(struct image *to, const struct image *from)
{
    image_resize(to, 0);
    if (from->size > 0)
        image_write(to, 0, from->bytes, from->size);
}

static void image_change(struct image *image, const struct change *change)
{
    if (change->bytes)
        image_write(image, change->at, change->bytes, change->n);
    else
        image_resize(image, change->at);
}

static void changes_free(struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++)
        free(inode->changes[i].bytes);
    inode->change_count = 0;
}

static void inode_unref(struct inode *inode)
{
    if (!inode || --inode->refs > 0)
        return;
    changes_free(inode);
    free(inode->changes);
    free(inode->now.bytes);
    free(inode->durable.bytes);
    free(inode);
}

static void entry_set(struct inode **slot, struct inode *inode)
{
    if (inode)
        inode->refs++;
    inode_unref(*slot);
    *slot = inode;
}

static void change_add(struct inode *inode, size_t at, const void *bytes, size_t n)
{
    struct change *change;

    if (inode->change_count == inode->change_room) {
        inode->change_room = inode->change_room * 2 + 16;
        inode->changes = grow(inode->changes, inode->change_room * sizeof(*inode->changes));
    }
    change = &inode->changes[inode->change_count++];
    *change = (struct change){.at = at, .n = n};
    if (bytes) {
        change->bytes = grow(NULL, n + 1);
        memcpy(change->bytes, bytes, n);
    }
    image_change(&inode->now, change);
}

static struct inode *inode_of(sqlite3_file *file)
{
    return ((struct power_file *)file)->inode;
}

static int file_close(sqlite3_file *file)
{
    inode_unref(inode_of(file));
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    const struct image *image = &inode_of(file)->now;
    size_t there = (size_t)at < image->size ? image->size - (size_t)at : 0;

    if (off)
        return SQLITE_IOERR_READ;
    if (there >= (size_t)n) {
        memcpy(bytes, image->bytes + at, (size_t)n);
        return SQLITE_OK;
    }
    memset(bytes, 0, (size_t)n);
    if (there > 0)
        memcpy(bytes, image->bytes + at, there);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    if (off)
        return SQLITE_IOERR_WRITE;
    change_add(inode_of(file), (size_t)at, bytes, (size_t)n); /* on its way when the power goes */
    return cut() ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (off)
        return SQLITE_IOERR_TRUNCATE;
    change_add(inode_of(file), (size_t)size, NULL, 0);
    return cut() ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static void sync_folder(void)
{
    for (int i = 0; i < FILES; i++)
        entry_set(&entries[i].durable, entries[i].now);
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct power_file *power = (struct power_file *)file;
    struct inode *inode = power->inode;

    (void)flags;
    if (cut())
        return SQLITE_IOERR_FSYNC;
    for (size_t i = 0; i < inode->change_count; i++)
        image_change(&inode->durable, &inode->changes[i]);
    changes_free(inode);
    if (power->sync_folder)
        sync_folder();
    power->sync_folder = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)inode_of(file)->now.size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

/* As the system's VFS says of every disk: a write never harms the bytes beside it. */
static int file_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

/* ---- the folder ---- */

/* The entry of that name, or a free one, with the name. */
static struct entry *entry_of(const char *name)
{
    struct entry *unused = NULL;

    for (int i = 0; i < FILES; i++) {
        if (strcmp(entries[i].name, name) == 0)
            return &entries[i];
        if (!unused && !entries[i].now && !entries[i].durable)
            unused = &entries[i];
    }
    if (!unused)
        abort();
    strncpy(unused->name, name, sizeof(unused->name) - 1);
    return unused;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct power_file *power = (struct power_file *)file;
    struct entry *entry = entry_of(name);

    (void)vfs;
    power->base.pMethods = NULL;
    if (off || (!entry->now && !(flags & SQLITE_OPEN_CREATE)))
        return SQLITE_CANTOPEN;
    power->sync_folder = false;
    if (!entry->now) {
        struct inode *inode = grow(NULL, sizeof(*inode));
        memset(inode, 0, sizeof(*inode));
        entry_set(&entry->now, inode);
        power->sync_folder = (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    power->inode = entry->now;
    power->inode->refs++;
    power->base.pMethods = &methods;
    if (out)
        *out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct entry *entry = entry_of(name);

    (void)vfs;
    if (off)
        return SQLITE_IOERR_DELETE;
    if (!entry->now)
        return SQLITE_IOERR_DELETE_NOENT;
    entry_set(&entry->now, NULL);
    if (cut())
        return SQLITE_IOERR_DELETE;
    if (sync)
        sync_folder();
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    *out = entry_of(name)->now != NULL;
    return SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    strncpy(out, name, (size_t)n);
    return SQLITE_OK;
}

void power_register(void)
{
    static sqlite3_vfs vfs;

    if (system_vfs)
        return;
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.zName = POWER_VFS;
    vfs.szOsFile = (int)sizeof(struct power_file);
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_path;
    vfs.pNext = NULL;
    sqlite3_vfs_register(&vfs, 0);
}

void power_reset(void)
{
    for (int i = 0; i < FILES; i++) {
        entry_set(&entries[i].now, NULL);
        entry_set(&entries[i].durable, NULL);
        entries[i].name[0] = '\0';
    }
    off = false;
    countdown = 0;
}

/* ---- the cut ---- */

/* Some sectors of a write arrive, with POWER_RUBBISH some in another state than they should. */
static void tear(struct image *image, const struct change *change, enum power_loss loss,
                 size_t sector, uint64_t *random)
{
    for (size_t at = change->at, end; at < change->at + change->n; at = end) {
        const uint8_t *from = change->bytes + (at - change->at);
        uint8_t rubbish[4096];

        end = (at / sector + 1) * sector;
        if (end > change->at + change->n)
            end = change->at + change->n;
        if (loss == POWER_RUBBISH && power_random(random, 4) == 0) {
            for (size_t i = 0; i < end - at; i++)
                rubbish[i] = (uint8_t)power_random(random, 256);
            from = rubbish;
        } else if (power_random(random, 2) == 0) {
            continue;
        }
        image_write(image, at, from, end - at);
    }
}

static void lose(struct inode *inode, enum power_loss loss, uint64_t *random)
{
    size_t sector = power_random(random, 2) ? 512 : 4096;
    size_t kept = loss == POWER_DROP    ? 0
                  : loss == POWER_ORDER ? power_random(random, inode->change_count + 1)
                                        : inode->change_count;

    for (size_t i = 0; i < kept; i++) {
        const struct change *change = &inode->changes[i];

        if (loss >= POWER_TORN && change->bytes)
            tear(&inode->durable, change, loss, sector, random);
        else if (loss < POWER_WRITES || power_random(random, 2))
            image_change(&inode->durable, change);
    }
    changes_free(inode);
    image_copy(&inode->now, &inode->durable);
}

void power_on(enum power_loss loss, uint64_t seed)
{
    uint64_t random = seed;

    off = false;
    for (int i = 0; i < FILES; i++) {
        struct entry *entry = &entries[i];
        bool changed = loss == POWER_KEEP || (loss != POWER_DROP && power_random(&random, 2));

        entry_set(changed ? &entry->durable : &entry->now, changed ? entry->now : entry->durable);
        if (entry->now)
            lose(entry->now, loss, &random);
        else
            entry->name[0] = '\0';
    }
}
