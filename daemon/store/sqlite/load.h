/*
 * Reading everything back, and later single strategies: `load` and `read_strategy` of the engine.
 */
#ifndef STORE_SQLITE_LOAD_H
#define STORE_SQLITE_LOAD_H

#include "store/engine.h"

int sqlite_load(struct store_db *db, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err);
/* `read_strategy` of the engine. */
int sqlite_read_strategy(struct store_db *db, const struct store_place *place, void **strategy,
                         size_t *bytes, struct evd_error *err);

#endif
