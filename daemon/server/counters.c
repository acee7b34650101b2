/* Gathers the counters (counters.h). Called by server.info. */
#include "server/counters.h"

#include "server/server.h"

void server_count(const struct server *server, struct counters *out)
{
    *out = (struct counters){
        .uptime = (double)(server_now(server) - server->started) / 1000.0,
        .connections = server->session_count,
        .works_waiting = server->works.waiting_count,
        .works_working = server->works.working[WORKS_SHORT] + server->works.working[WORKS_LONG],
    };
    store_info(server->store, &out->store);
    server->ops->count(server->jobs, out);
}
