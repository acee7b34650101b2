/*
 * The database as the files of this room share it. They are the only ones that include sqlite3.h.
 *
 *   row.c         what the engine offers
 *   open.c        opening and closing
 *   schema.c      what is in a file, whether it is ours, migrations
 *   statements.c  what is run more than once
 *   error.c       what SQLite's result codes mean to whoever asked
 *   write.c       one group of operations, one transaction
 *   watch.c       whether the open files are still where they were
 *   tidy.c        checkpoints, and what was dropped leaves behind
 *   backup.c      the copy made while everything goes on
 *   load.c        reading everything back
 *   attachments.c tables over the samples of datasets
 *   difference.c  strategies, whole or as what differs from another
 *   overlay.c     files that are read and left alone
 *   examine.c     looking for damage
 *   salvage.c     what can be read, into another file
 */
#ifndef STORE_SQLITE_SQLITE_H
#define STORE_SQLITE_SQLITE_H

#include <sys/types.h>
#include "store/engine.h"
#include "store/sqlite/statements.h"

struct sqlite3;
struct sqlite3_stmt;

/* What SQLite leaves of a log that it begins anew. */
#define LOG_KEPT_BYTES 67108864

/* Which file of that path is the open one. */
struct watched {
    dev_t dev;
    ino_t inode;
    off_t bytes; /* it had at the last look */
};

enum lost {
    LOST_NOTHING,
    LOST_FILE, /* what is at the database's path is not what is open */
    LOST_LOG,  /* the same of its log */
    LOST_CUT,  /* one of them became shorter, which is nothing that SQLite does: broken, too */
};

struct sqlite {
    struct sqlite3 *db;
    char *path;
    const char *vfs;         /* the SQLite VFS to go through; NULL: the system's */
    struct overlay *overlay; /* what is only looked at is read through it; NULL */
    struct backup *backup;   /* the one being made */
    struct sqlite3_stmt *statements[SQL_COUNT];
    uint64_t draft_floor; /* drafts with smaller ids were left behind by an earlier run */
    int wal_frames;       /* in the log, not yet checkpointed */
    bool sealed;          /* the file says that it is nothing without its log (sqlite_seal) */
    bool garbage;         /* there may be dropped datasets to delete */
    bool write_failed;    /* the last group */
    bool tidy_failed;     /* the last piece of tidying */
    struct evd_error why; /* what failed last */
    bool watching;        /* the files are watched */
    struct watched file, log;
    enum lost lost; /* by the last look */
    /* After a failed fsync nobody knows what is on the disk, and trying again can seem to succeed;
     * after SQLITE_CORRUPT writing can only make it worse. Nothing is written until a restart. */
    bool broken;
};

static inline struct sqlite *sqlite_of(struct store_db *db)
{
    return (struct sqlite *)db;
}

#endif
