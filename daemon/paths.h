/*
 * Where the daemon's files are when nobody says so.
 */
#ifndef PATHS_H
#define PATHS_H

#include <stddef.h>
#include "proto/error.h"

/* $XDG_STATE_HOME/evendraw/evendraw.db, or ~/.local/state/evendraw/evendraw.db. */
int paths_database(char *path, size_t size, struct evd_error *err) MUST_CHECK;
/* Makes the folders of that, with mode 0700. */
int paths_make_folders(char *path, struct evd_error *err) MUST_CHECK;

/* The default address; where it lies in a folder of the daemon's own in /tmp, makes that folder
 * with mode 0700, and refuses one that somebody else has made. */
int paths_address(char *address, size_t size, struct evd_error *err) MUST_CHECK;

#endif
