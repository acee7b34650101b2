#include "store/sqlite_internal.h"

#include <sqlite3.h>

#define CHECKPOINT_FRAMES 4096 /* pages in the log, about 16 MiB */
/* Chunks deleted in one transaction: few enough that an acknowledgement never waits long. */
#define SWEEP_CHUNKS 16

static int checkpoint(struct engine *engine)
{
    /* Whole, since no other connection can read: the next commit starts the log anew. */
    int rc = sqlite3_wal_checkpoint_v2(engine->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    if (rc == SQLITE_OK)
        engine->wal_frames = 0;
    return rc;
}

/* Deletes a slice of one dropped dataset, and its row when nothing else is left of it. */
static int sweep_one(struct engine *engine, uint64_t dataset)
{
    static const enum sql_statement slices[] = {SQL_GARBAGE_LABELS, SQL_GARBAGE_WEIGHTS,
                                                SQL_GARBAGE_CLASSES};

    for (size_t i = 0; i < sizeof(slices) / sizeof(*slices); i++) {
        int rc = sqlite_run(engine, slices[i], NULL, "uu", dataset, (uint64_t)SWEEP_CHUNKS);
        if (rc != SQLITE_DONE || sqlite3_changes(engine->db) > 0)
            return rc;
    }
    return sqlite_run(engine, SQL_GARBAGE_DATASET, NULL, "u", dataset);
}

static int sweep(struct engine *engine)
{
    uint64_t dataset;
    int rc = sqlite_run(engine, SQL_GARBAGE_FIND, &dataset, "u", engine->draft_floor);

    if (rc == SQLITE_DONE)
        engine->garbage = false;
    if (rc != SQLITE_ROW)
        return rc;
    rc = sqlite_run(engine, SQL_BEGIN, NULL, "");
    if (rc == SQLITE_DONE)
        rc = sweep_one(engine, dataset);
    if (rc == SQLITE_DONE)
        rc = sqlite_run(engine, SQL_COMMIT, NULL, "");
    if (rc != SQLITE_DONE && !sqlite3_get_autocommit(engine->db))
        sqlite_run(engine, SQL_ROLLBACK, NULL, "");
    return rc;
}

bool engine_tidy(struct engine *engine)
{
    struct evd_error ignored; /* shows in engine_failing; nobody waits for this work */
    int rc = SQLITE_OK;

    if (engine->broken)
        return false;
    if (engine->wal_frames >= CHECKPOINT_FRAMES)
        rc = checkpoint(engine);
    if (rc == SQLITE_OK && engine->garbage)
        rc = sweep(engine);
    engine->tidy_failed = rc != SQLITE_OK && rc != SQLITE_DONE;
    if (engine->tidy_failed)
        sqlite_error(engine, rc, &ignored);
    /* After a failure the next group's end is soon enough to try again. */
    return engine->garbage && !engine->tidy_failed;
}
