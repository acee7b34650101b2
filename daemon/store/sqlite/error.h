/*
 * What SQLite's result codes mean to whoever asked.
 */
#ifndef STORE_SQLITE_ERROR_H
#define STORE_SQLITE_ERROR_H

#include "proto/error.h"

struct sqlite;

/* What there is to say of files that are lost. EVD_E_STORE. */
int sqlite_lost_error(const struct sqlite *sqlite, struct evd_error *err);
/* Fills *err, notes what makes the database `broken`, and returns err->code. */
int sqlite_error(struct sqlite *sqlite, int rc, struct evd_error *err);

#endif
