/*
 * Opening a database file by SQLite.
 */
#ifndef STORE_SQLITE_OPEN_H
#define STORE_SQLITE_OPEN_H

#include "store/engine.h"

struct sqlite;

/* How long opening waits for the file's lock: the kernel may take a while to end a daemon that was
 * killed, and to give up its lock. */
#define LOCK_PATIENCE_MS 3000

/* `vfs`: the SQLite VFS to go through (tests give one that injects faults), NULL: the system's. It
 * must outlive the database. */
int sqlite_open(struct store_db **out, const char *path, const char *vfs,
                struct evd_error *err) MUST_CHECK;
/* Of whatever is there, where opening has failed. */
void sqlite_close(struct store_db *db);
/* How a connection behaves; before the first row is read. */
int sqlite_configure(struct sqlite *sqlite, struct evd_error *err) MUST_CHECK;

#endif
