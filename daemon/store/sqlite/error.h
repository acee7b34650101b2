/*
 * What SQLite's result codes mean to whoever asked.
 */
#ifndef STORE_SQLITE_ERROR_H
#define STORE_SQLITE_ERROR_H

#include "proto/error.h"

struct sqlite;

/* Fills *err, notes what makes the database `broken`, and returns err->code. */
int sqlite_error(struct sqlite *sqlite, int rc, struct evd_error *err);

#endif
