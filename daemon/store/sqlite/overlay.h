/*
 * A database that is read and left exactly as it is: an SQLite VFS that opens its files for reading
 * only and keeps in memory whatever is written, until it is closed. So the log is read, the schema
 * migrated, and all of it looked at, with the code that the daemon has, on files that may be
 * somebody's last copy, or on a medium that cannot be written. examine.c opens databases by it.
 *
 * While it is open no daemon can open the file, nor is one opened that a daemon has.
 */
#ifndef STORE_SQLITE_OVERLAY_H
#define STORE_SQLITE_OVERLAY_H

struct overlay;

/* For one database, closed before overlay_free; NULL without memory. */
struct overlay *overlay_new(void);
void overlay_free(struct overlay *overlay);
/* Of the VFS, for sqlite3_open_v2. */
const char *overlay_name(const struct overlay *overlay);

#endif
