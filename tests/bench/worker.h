/*
 * A worker that does as little as a worker can: finds the end of each frame with the guard, reads
 * its step, acknowledges once per read. The same code for evendrawd and for the bare server, so
 * that what differs is the server.
 */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include <stdint.h>

#include "proto/address.h"

struct worker_result {
    uint64_t batches; /* within these seconds */
    double seconds;
    uint64_t all; /* batches from the beginning, the warm-up included */
};

/* Receives batches for that long after a tenth of it as warm-up. `job` is NULL with the bare
 * server, which wants no hello. Ends the process with a message on any error. */
struct worker_result worker_run(const struct address *address, const char *job, double seconds);

#endif
