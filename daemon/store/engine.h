/*
 * What store.c, which owns queue and thread, asks of a database engine. A new engine is a folder
 * beside sqlite/ with a `const struct store_engine`, and a row in STORE_ENGINES.
 *
 * An engine is blocking and used by one thread at a time: the caller of store_open and store_load,
 * then the writer thread, then the caller of store_close.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/records.h"

struct store_db; /* an open database; each engine has a struct of its own for it */

struct store_engine {
    const char *scheme; /* "sqlite": the engine of addresses that begin with "sqlite:" */

    /* `place` is the address without the scheme. */
    int (*open)(struct store_db **out, const char *place, struct evd_error *err);
    void (*close)(struct store_db *db);
    /* Tells the reader of all that is stored; *next_id is greater than every id in it. */
    int (*load)(struct store_db *db, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err);

    /* The strategy of a revision, in memory that the caller frees; EVD_E_NOT_FOUND. */
    int (*read_strategy)(struct store_db *db, const struct store_place *place, void **strategy,
                         size_t *bytes, struct evd_error *err);
    /* Distances of an attachment's samples, span->n * span->bytes bytes; EVD_E_STORE: they are not
     * there. */
    int (*read_distances)(struct store_db *db, const struct store_span *span, void *distances,
                          struct evd_error *err);
    /* Opens a database to be read only, and changes nothing in its files; what `open` would refuse
     * as damage it tells. *readable: `load` can be relied on. `write` and what follows are not for
     * it. */
    int (*examine)(struct store_db **out, const char *place, const struct store_look *look,
                   bool *readable, struct evd_error *err);
    /* Copies what can be read of it to a new database at a path where there is none, and tells what
     * could not be. Whether rows fit together is not looked at. */
    int (*salvage)(struct store_db *db, const char *path, const struct store_look *look,
                   struct evd_error *err);
    /* Writes the operations in one transaction and sets the error of each. An operation that fails
     * is undone alone; when the transaction fails, all do. Returns whether it was committed. */
    bool (*write)(struct store_db *db, struct store_ops *group);
    /* One bounded piece of work that may wait: a look whether the files are still where they were,
     * a checkpoint, or a slice of what was dropped. Returns whether there is more. */
    bool (*tidy)(struct store_db *db);
    /* Whether nothing can be stored, by the last try to write or the last look at the files, and
     * then *why; while so, `probe` writes a little to find out if the cause has ended. */
    bool (*failing)(struct store_db *db, struct evd_error *why);
    void (*probe)(struct store_db *db);
    uint64_t (*file_bytes)(struct store_db *db);
    /* Bytes of memory that all its databases hold. From any thread. */
    uint64_t (*memory)(void);

    /* Online backup to a file that must not exist; one at a time. After `backup_begin` came back
     * with EVD_OK, `backup_step` copies one bounded piece and returns whether there is more; if
     * not, the backup has ended: err->code is EVD_OK and *bytes its size, or why there is none.
     * Everything that `write` confirmed before the last step is in it. */
    int (*backup_begin)(struct store_db *db, const char *path, struct evd_error *err);
    bool (*backup_step)(struct store_db *db, uint64_t *bytes, struct evd_error *err);
    /* Leaves nothing behind. Also without a backup. */
    void (*backup_abort)(struct store_db *db);
};

/* Every engine; the first is that of addresses without a scheme, which are paths. */
#define STORE_ENGINES(ROW) ROW(sqlite_engine)

#define ENGINE_DECLARE(engine) extern const struct store_engine engine;
STORE_ENGINES(ENGINE_DECLARE)
#undef ENGINE_DECLARE

/* The engine of an address, of which *place is what follows the scheme; NULL and an error that says
 * which there are. */
const struct store_engine *engine_find(const char *address, const char **place,
                                       struct evd_error *err);

#endif
