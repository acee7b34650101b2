/*
 * The host: owns the loop and everything that runs on it, and joins the layers. It knows no rules.
 *
 *     net  -- frames -->  server  -- operations -->  store      (its own thread)
 *     net  <-- bytes --   server  -- heavy work -->  pool       (libuv's threads)
 *
 * A run: open the store, read it back, listen, serve until SIGTERM or SIGINT, then stop: no new
 * connections; workers are told; progress is stored and what was asked before is answered; sockets
 * are flushed; the store is closed with everything committed. A second signal exits at once with
 * status 1 (nothing confirmed is lost even then). Other signals are ignored, but for those of a
 * fault, of a terminal and of a limit of time. log.h must be started.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "server/limits.h"

#define HOST_MAX_LISTEN 16u

struct host_config {
    const char *addresses[HOST_MAX_LISTEN];
    size_t address_count;
    const char *database; /* as store_open takes it */
    struct server_limits limits;
    const char *backup_dir; /* absolute, as in struct server_host */
    bool verbose;
    const char *trace; /* as in struct server_host */
    int ready_fd;      /* gets the line "ready" once the daemon listens, then is closed; -1: none */
};

/* Returns EVD_OK after a signal, or why the daemon could not start. */
int host_run(const struct host_config *config, struct evd_error *err) MUST_CHECK;

#endif
