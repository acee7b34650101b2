/*
 * Opening a database file by SQLite.
 */
#ifndef STORE_SQLITE_OPEN_H
#define STORE_SQLITE_OPEN_H

#include "store/engine.h"

/* `vfs`: the SQLite VFS to go through (tests give one that injects faults), NULL: the system's. It
 * must outlive the database. */
int sqlite_open(struct store_db **out, const char *path, const char *vfs,
                struct evd_error *err) MUST_CHECK;

#endif
