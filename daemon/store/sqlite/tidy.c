/*
 * Checkpoints, and deleting what dropped datasets and attachments leave behind, a slice at a time.
 * Runs in the writer thread after every group and while there is nothing else to do.
 */
#include "store/sqlite/tidy.h"

#include <sqlite3.h>
#include "store/sqlite/error.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/watch.h"

#define CHECKPOINT_FRAMES 4096 /* pages in the log, about 16 MiB */
/* Chunks deleted in one transaction: few enough that an acknowledgement never waits long. */
#define SWEEP_CHUNKS 16u

static int checkpoint(struct sqlite *sqlite)
{
    /* Whole, since no other connection can read: the next commit starts the log anew. */
    int rc = sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    if (rc == SQLITE_OK)
        sqlite->wal_frames = 0;
    return rc;
}

int sqlite_settle(struct sqlite *sqlite)
{
    sqlite->sealed = false;
    return checkpoint(sqlite);
}

int sqlite_seal(struct sqlite *sqlite)
{
    int rc = sqlite_settle(sqlite);

    /* A log that begins with this one, on the disk, hides the mark. */
    if (rc == SQLITE_OK)
        rc = schema_stamp(sqlite);
    if (rc == SQLITE_OK)
        rc = schema_mark(sqlite);
    sqlite->sealed = rc == SQLITE_OK;
    return rc;
}

static int bring_home(struct sqlite *sqlite)
{
    /* Without a name the log is good for one thing: what it holds is confirmed. */
    if (sqlite->lost == LOST_LOG)
        return sqlite->wal_frames > 0 ? sqlite_settle(sqlite) : SQLITE_OK;
    return sqlite->sealed && sqlite->wal_frames < CHECKPOINT_FRAMES ? SQLITE_OK
                                                                    : sqlite_seal(sqlite);
}

/* Deletes a slice of one dropped dataset, and its row when nothing else is left of it. */
static int sweep_dataset(struct sqlite *sqlite, uint64_t dataset)
{
    static const enum sql_statement slices[] = {SQL_GARBAGE_LABELS, SQL_GARBAGE_WEIGHTS,
                                                SQL_GARBAGE_CLASSES};
    int rc;

    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        rc = sqlite_run(sqlite, slices[i], NULL, "un", dataset, SWEEP_CHUNKS);
        if (rc != SQLITE_DONE || sqlite3_changes(sqlite->db) > 0)
            return rc;
    }
    /* What is still attached to it belongs to nothing. */
    rc = sqlite_run(sqlite, SQL_ATTACHMENTS_DROP, NULL, "u", dataset);
    if (rc != SQLITE_DONE || sqlite3_changes(sqlite->db) > 0)
        return rc;
    return sqlite_run(sqlite, SQL_GARBAGE_DATASET, NULL, "u", dataset);
}

/* The same of an attachment. */
static int sweep_attachment(struct sqlite *sqlite, uint64_t attachment)
{
    int rc = sqlite_run(sqlite, SQL_GARBAGE_ROWS, NULL, "un", attachment, SWEEP_CHUNKS);

    if (rc != SQLITE_DONE || sqlite3_changes(sqlite->db) > 0)
        return rc;
    return sqlite_run(sqlite, SQL_GARBAGE_ATTACHMENT, NULL, "u", attachment);
}

static int sweep(struct sqlite *sqlite)
{
    int (*sweep_found)(struct sqlite *, uint64_t) = sweep_attachment;
    uint64_t found;
    int rc = sqlite_run(sqlite, SQL_GARBAGE_FIND_ATTACHMENT, &found, "u", sqlite->draft_floor);

    if (rc == SQLITE_DONE) {
        sweep_found = sweep_dataset;
        rc = sqlite_run(sqlite, SQL_GARBAGE_FIND, &found, "u", sqlite->draft_floor);
    }
    if (rc == SQLITE_DONE)
        sqlite->garbage = false;
    if (rc != SQLITE_ROW)
        return rc;
    rc = sqlite_run(sqlite, SQL_BEGIN, NULL, "");
    if (rc == SQLITE_DONE)
        rc = sweep_found(sqlite, found);
    if (rc == SQLITE_DONE)
        rc = sqlite_run(sqlite, SQL_COMMIT, NULL, "");
    if (rc != SQLITE_DONE && !sqlite3_get_autocommit(sqlite->db))
        sqlite_run(sqlite, SQL_ROLLBACK, NULL, "");
    return rc;
}

bool sqlite_tidy(struct store_db *db)
{
    struct sqlite *sqlite = sqlite_of(db);
    int rc;

    if (sqlite->broken)
        return false;
    watch_look(sqlite);
    if (sqlite->lost == LOST_FILE)
        return false;
    rc = bring_home(sqlite);
    if (rc == SQLITE_OK && sqlite->garbage && sqlite->lost == LOST_NOTHING)
        rc = sweep(sqlite);
    sqlite->tidy_failed = rc != SQLITE_OK && rc != SQLITE_DONE;
    if (sqlite->tidy_failed)
        sqlite_error(sqlite, rc, &sqlite->why); /* nobody waits for this work */
    /* After a failure the next group's end is soon enough to try again. */
    return sqlite->garbage && !sqlite->tidy_failed && sqlite->lost == LOST_NOTHING;
}
