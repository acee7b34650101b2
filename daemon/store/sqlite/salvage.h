/*
 * What can be read of a damaged database, into a new one: `salvage` of the engine.
 */
#ifndef STORE_SQLITE_SALVAGE_H
#define STORE_SQLITE_SALVAGE_H

#include "store/engine.h"

int sqlite_salvage(struct store_db *db, const char *path, const struct store_look *look,
                   struct evd_error *err);

#endif
