/*
 * The database without a daemon: looking for damage, and making a new file without it. main calls.
 *
 * What is sound is decided by the code that the daemon starts with: the store opens and reads the
 * file, the jobs take what it holds. Nothing is ever written to the file itself.
 */
#ifndef HOST_OFFLINE_H
#define HOST_OFFLINE_H

#include <stdbool.h>
#include "proto/error.h"

struct offline_config {
    const char *database; /* as store_open takes it; NULL: there is none, and *err says why */
    const char *repaired; /* the new file; NULL: only look */
    bool json;            /* print one JSON object */
};

enum offline_result {
    OFFLINE_SOUND,
    OFFLINE_DAMAGED, /* and, where a new file was wanted, it is there */
    OFFLINE_FAILED,  /* it could not be found out, or there is no new file: *err */
};

/* Prints to standard output what there is and what is wrong with it. */
enum offline_result offline_run(const struct offline_config *config, struct evd_error *err);

#endif
