/*
 * Work that may wait: `tidy` of the engine.
 */
#ifndef STORE_SQLITE_TIDY_H
#define STORE_SQLITE_TIDY_H

#include "store/engine.h"

struct sqlite;

bool sqlite_tidy(struct store_db *db);
/* Brings what the log holds into the file. An SQLite result code. */
int sqlite_checkpoint(struct sqlite *sqlite);

#endif
