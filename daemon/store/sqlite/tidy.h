/*
 * Work that may wait: `tidy` of the engine.
 */
#ifndef STORE_SQLITE_TIDY_H
#define STORE_SQLITE_TIDY_H

#include "store/engine.h"

bool sqlite_tidy(struct store_db *db);

#endif
