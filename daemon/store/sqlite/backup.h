/*
 * Online backup: the engine's `backup_...`.
 */
#ifndef STORE_SQLITE_BACKUP_H
#define STORE_SQLITE_BACKUP_H

#include "store/engine.h"

int backup_begin(struct store_db *db, const char *path, struct evd_error *err);
bool backup_step(struct store_db *db, uint64_t *bytes, struct evd_error *err);
void backup_abort(struct store_db *db);

#endif
