/*
 * Work that may wait: `tidy` of the engine.
 */
#ifndef STORE_SQLITE_TIDY_H
#define STORE_SQLITE_TIDY_H

#include "store/engine.h"

struct sqlite;

bool sqlite_tidy(struct store_db *db);
/* A checkpoint, after which the file alone says that it is nothing without its log. File and log
 * together do not say so, nor does a file into which somebody has brought its log, nor a backup. So
 * a file that says so when it is opened is without its log. SQLite result codes. */
int sqlite_seal(struct sqlite *sqlite);
/* A checkpoint after which the file can stand alone. */
int sqlite_settle(struct sqlite *sqlite);

#endif
