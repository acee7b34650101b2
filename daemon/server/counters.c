/* Gathers the counters (counters.h). Called by server.info, and by the host. */
#include "server/counters.h"

#include "server/server.h"
#include "server/session.h"

static void count_host(const struct server *server, struct counters *out)
{
    struct host_memory memory = {0};

    server->host.memory(server->host.arg, &memory);
    out->resident = memory.resident;
    out->shed = memory.shed;
    out->holds.process = memory.process;
    out->holds.buffers = memory.buffers;
    out->holds.sessions = memory.connections;
}

void server_count(const struct server *server, struct counters *out)
{
    *out = (struct counters){
        .uptime = (double)(server_now(server) - server->started) / 1000.0,
        .connections = server->session_count,
        .works_waiting = server->works.waiting_count,
        .works_working = server->works.working[WORKS_SHORT] + server->works.working[WORKS_LONG],
    };
    count_host(server, out);
    out->holds.sessions +=
        (server->session_count + server->lost_count) * (uint64_t)sizeof(struct session);
    if (server->store) {
        store_info(server->store, &out->store);
        out->holds.queue = out->store.queued_bytes;
        out->holds.database = store_memory(server->store);
    }
    server->ops->count(server->jobs, out);
}

uint64_t holds_sum(const struct holds *holds)
{
#define HOLDS_ADD(type, name) +holds->name
    return 0 EVD_PART_holds(HOLDS_ADD);
#undef HOLDS_ADD
}
