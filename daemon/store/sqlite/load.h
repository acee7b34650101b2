/*
 * Reading everything back: `load` of the engine.
 */
#ifndef STORE_SQLITE_LOAD_H
#define STORE_SQLITE_LOAD_H

#include "store/engine.h"

int sqlite_load(struct store_db *db, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err);

#endif
