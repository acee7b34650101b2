/*
 * What the daemon is doing, in numbers that any front can show (server.info now).
 */
#ifndef SERVER_COUNTERS_H
#define SERVER_COUNTERS_H

#include <stdint.h>
#include "proto/answers.h"
#include "store/store.h"

struct server;

/* Bytes of the daemon's memory, by what they are for. Together they are what the kernel says that
 * is resident, but for what the allocator has and nobody uses. */
struct holds {
#define HOLDS_FIELD(type, name) uint64_t name;
    EVD_PART_holds(HOLDS_FIELD)
#undef HOLDS_FIELD
};

struct counters {
    double uptime; /* seconds */
    uint32_t connections;
    uint32_t streams, datasets, jobs;
    uint64_t memory;   /* bytes of datasets, drafts, jobs, plans and reports */
    uint64_t resident; /* bytes, as the kernel says */
    uint64_t shed;     /* connections that were closed since buffers held too much */
    struct holds holds;
    uint32_t works_waiting, works_working; /* heavy work: for a thread, and on one */
    struct store_info store;
};

void server_count(const struct server *server, struct counters *out);
uint64_t holds_sum(const struct holds *holds);

#endif
