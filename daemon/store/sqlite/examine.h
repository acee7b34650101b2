/*
 * Looking at a database that no daemon has: `examine` of the engine.
 */
#ifndef STORE_SQLITE_EXAMINE_H
#define STORE_SQLITE_EXAMINE_H

#include "store/engine.h"

int sqlite_examine(struct store_db **out, const char *path, const struct store_look *look,
                   bool *readable, struct evd_error *err);

#endif
