/* Joins the methods' handlers, the jobs and the server (calls.h). */
#include "calls/calls.h"

#include <stdlib.h>
#include "calls/adaptive.h"
#include "calls/handlers.h"
#include "calls/job_stats.h"
#include "calls/stream_send.h"
#include "jobs/draft.h"
#include "jobs/entry.h"
#include "jobs/load.h"
#include "jobs/memory.h"
#include "server/counters.h"

static int call(struct call *call, enum method method, const union params *params)
{
    switch (method) {
#define DISPATCH(id, ...)                                                                          \
    case METHOD_##id:                                                                              \
        return do_##id(call, &params->id);
        EVD_METHODS(DISPATCH)
#undef DISPATCH
    case METHOD_COUNT:
        break;
    }
    return error_set(&call->err, EVD_E_INTERNAL, "", "a method without a handler");
}

static void free_entry(struct job_entry *entry)
{
    job_stats_free(entry->stats);
    entry->jobs->reported -= feedback_memory(entry->feedback);
    feedback_free(entry->feedback);
    adaptive_free(entry->adaptive);
}

static int start(struct server *server, struct evd_error *err)
{
    static const struct jobs_ops ops = {.stream_effect = stream_effect, .entry_free = free_entry};

    server->jobs = jobs_new(server, &ops);
    return server->jobs ? EVD_OK : error_no_memory(err);
}

static int load(struct server *server, struct evd_error *err)
{
    return jobs_load(server->jobs, err);
}

static void end(struct server *server)
{
    streams_free(server);
    jobs_free(server->jobs);
}

static uint64_t tick(struct server *server, uint64_t now)
{
    return jobs_tick(server->jobs, now);
}

static void drain(struct server *server)
{
    jobs_drain(server->jobs);
}

static void stop(struct server *server)
{
    streams_say(server, EVD_E_SHUTTING_DOWN,
                "the daemon is stopping: connect again when it is back");
    jobs_flush(server->jobs);
}

static void session_gone(struct session *session, bool resumable)
{
    streams_lose(session, resumable);
    drafts_orphan(session);
}

static void count(const struct server *server, struct counters *counters)
{
    const struct jobs *jobs = server->jobs;

    counters->streams = jobs->stream_count;
    counters->datasets = jobs->dataset_count;
    counters->jobs = jobs->job_count;
    counters->memory = memory_used(jobs);
}

static const char *job_name(const struct job_entry *entry)
{
    return entry->name;
}

static void before_work(struct server *server)
{
    memory_update(server->jobs);
}

const struct server_ops calls_ops = {
    .start = start,
    .load = load,
    .free = end,
    .call = call,
    .tick = tick,
    .drain = drain,
    .outstanding = streams_outstanding,
    .stop = stop,
    .session_ready = streams_ready,
    .session_gone = session_gone,
    .count = count,
    .job_ref = entry_ref,
    .job_unref = entry_unref,
    .job_name = job_name,
    .before_work = before_work,
};
