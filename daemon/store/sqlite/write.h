/*
 * Writing a group of operations: `write` and `probe` of the engine.
 */
#ifndef STORE_SQLITE_WRITE_H
#define STORE_SQLITE_WRITE_H

#include "store/engine.h"

bool sqlite_write(struct store_db *db, struct store_ops *group);
void sqlite_probe(struct store_db *db);

#endif
