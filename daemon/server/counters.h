/*
 * What the daemon is doing, in numbers that any front can show (server.info now).
 */
#ifndef SERVER_COUNTERS_H
#define SERVER_COUNTERS_H

#include <stdint.h>
#include "store/store.h"

struct server;

struct counters {
    double uptime; /* seconds */
    uint32_t connections;
    uint32_t streams, datasets, jobs;
    uint64_t memory;                       /* bytes of datasets, drafts, plans and reports */
    uint32_t works_waiting, works_working; /* heavy work: for a thread, and on one */
    struct store_info store;
};

void server_count(const struct server *server, struct counters *out);

#endif
