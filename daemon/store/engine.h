/*
 * What store.c, which owns queue and thread, asks of a database engine. Internal to the store.
 *
 * An engine is blocking and used by one thread at a time: the caller of store_open and store_load,
 * then the writer thread, then the caller of store_close.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "store/store.h"

struct engine;

/* `vfs`: the SQLite VFS to go through; NULL: the system's (tests give one that injects faults). */
int engine_open(struct engine **out, const char *path, const char *vfs, struct evd_error *err);
int engine_load(struct engine *engine, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err);
/* Writes a list of operations in one transaction and sets the error of each. An operation that
 * fails is undone alone; when the transaction fails, all do. Returns whether it was committed. */
bool engine_write(struct engine *engine, struct store_op *group);
/* One bounded piece of work that may wait: a checkpoint, or a slice of what was dropped. Returns
 * whether there is more. */
bool engine_tidy(struct engine *engine);
/* Whether the last try to write failed; while so, engine_probe writes a little to find out if the
 * cause has ended. */
bool engine_failing(const struct engine *engine);
void engine_probe(struct engine *engine);
uint64_t engine_file_bytes(const struct engine *engine);

/* Online backup to a file that must not exist; one at a time. After `begin` came back with EVD_OK,
 * `step` copies one bounded piece and returns whether there is more; if not, the backup has ended:
 * err->code is EVD_OK and *bytes its size, or why there is none. Everything that engine_write
 * confirmed before the last step is in it. */
int engine_backup_begin(struct engine *engine, const char *path, struct evd_error *err);
bool engine_backup_step(struct engine *engine, uint64_t *bytes, struct evd_error *err);
/* Leaves nothing behind. Also without a backup. */
void engine_backup_abort(struct engine *engine);

void engine_close(struct engine *engine);

/* store_open on a given VFS, for tests. */
int store_open_vfs(struct store **out, const char *path, const char *vfs, void (*wake)(void *),
                   void *wake_arg, struct evd_error *err);

#endif
