/*
 * Whether the open files are still those that a restart would find.
 */
#ifndef STORE_SQLITE_WATCH_H
#define STORE_SQLITE_WATCH_H

#include <stdbool.h>

struct sqlite;

/* Notes which files are open; when the database has been opened. */
void watch_begin(struct sqlite *sqlite);
/* Whether a log lies at the path, and no database that it belongs to. SQLite removes it then. */
bool watch_log_alone(const char *path);
/* Looks where they are, and notes in `lost` what is not there, or was cut. Returns whether all is.
 */
bool watch_look(struct sqlite *sqlite);

#endif
