/* Reading jobs back, with all that is recorded of them. For load.c. */
#ifndef STORE_SQLITE_LOAD_JOBS_H
#define STORE_SQLITE_LOAD_JOBS_H

#include "store/sqlite/rows.h"

int load_jobs(struct loading *load) MUST_CHECK;

#endif
