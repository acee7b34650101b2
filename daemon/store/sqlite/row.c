/*
 * The engine's row: everything that store.c calls of this room.
 */
#include <sqlite3.h>
#include "store/sqlite/attachments.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/error.h"
#include "store/sqlite/examine.h"
#include "store/sqlite/load.h"
#include "store/sqlite/open.h"
#include "store/sqlite/salvage.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/tidy.h"
#include "store/sqlite/write.h"

static int open_path(struct store_db **out, const char *place, struct evd_error *err)
{
    return sqlite_open(out, place, NULL, err);
}

static bool failing(struct store_db *db, struct evd_error *why)
{
    const struct sqlite *sqlite = sqlite_of(db);

    if (sqlite->lost) {
        sqlite_lost_error(sqlite, why);
        return true;
    }
    if (sqlite->write_failed || sqlite->tidy_failed || sqlite->broken) {
        *why = sqlite->why;
        return true;
    }
    return false;
}

/* The database file and its log. */
static uint64_t file_bytes(struct store_db *db)
{
    static const int files[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        sqlite3_file *file = NULL;
        sqlite3_int64 size = 0;

        if (sqlite3_file_control(sqlite_of(db)->db, "main", files[i], &file) == SQLITE_OK && file &&
            file->pMethods && file->pMethods->xFileSize(file, &size) == SQLITE_OK)
            bytes += (uint64_t)size;
    }
    return bytes;
}

static uint64_t memory(void)
{
    return (uint64_t)sqlite3_memory_used();
}

const struct store_engine sqlite_engine = {
    .scheme = "sqlite",
    .open = open_path,
    .close = sqlite_close,
    .load = sqlite_load,
    .read_strategy = sqlite_read_strategy,
    .read_distances = sqlite_read_distances,
    .examine = sqlite_examine,
    .salvage = sqlite_salvage,
    .write = sqlite_write,
    .tidy = sqlite_tidy,
    .failing = failing,
    .probe = sqlite_probe,
    .file_bytes = file_bytes,
    .memory = memory,
    .backup_begin = backup_begin,
    .backup_step = backup_step,
    .backup_abort = backup_abort,
};
