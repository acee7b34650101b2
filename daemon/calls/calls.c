/* Joins the methods' handlers, the jobs and the server (calls.h). */
#include "calls/calls.h"

#include <stdlib.h>
#include "calls/adaptive.h"
#include "calls/handlers.h"
#include "calls/job_stats.h"
#include "calls/stream_send.h"
#include "jobs/draft.h"
#include "jobs/entry.h"
#include "jobs/expiry.h"
#include "jobs/jobs.h"
#include "jobs/load.h"
#include "jobs/memory.h"
#include "jobs/survey.h"
#include "jobs/uses.h"
#include "server/counters.h"
#include "server/scrap.h"

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

static void dispose_feedback(void *feedback)
{
    feedback_free(feedback);
}

static void free_entry(struct job_entry *entry)
{
    size_t reported = feedback_memory(entry->feedback);

    job_stats_free(entry->stats);
    entry->jobs->reported -= reported;
    scrap_free(entry->jobs->server, entry->feedback, reported, dispose_feedback);
    adaptive_free(entry->adaptive);
}

static struct jobs *start(struct server *server)
{
    static const struct jobs_ops ops = {.stream_effect = stream_effect, .entry_free = free_entry};

    return jobs_new(server, &ops);
}

static void end(struct jobs *jobs)
{
    streams_free(jobs->server);
    jobs_free(jobs);
}

static uint64_t tick(struct jobs *jobs, uint64_t now)
{
    uint64_t due = jobs_tick(jobs, now), expires = expiry_tick(jobs, now);

    return due < expires ? due : expires;
}

static void stop(struct jobs *jobs)
{
    streams_say(jobs->server, EVD_E_SHUTTING_DOWN,
                "the daemon is stopping: connect again when it is back");
    jobs_flush(jobs);
}

static void session_gone(struct session *session, bool resumable)
{
    streams_lose(session, resumable);
    drafts_orphan(session);
    uses_end(session);
}

static void count(const struct jobs *jobs, struct counters *counters)
{
    counters->streams = jobs->stream_count;
    counters->datasets = jobs->dataset_count;
    counters->jobs = jobs->job_count;
    counters->memory = memory_used(jobs);
    counters->holds.sessions += jobs->streamed;
    memory_count(jobs, &counters->holds);
}

static const char *job_name(const struct job_entry *entry)
{
    return entry->name;
}

const struct server_ops calls_ops = {
    .start = start,
    .load = jobs_load,
    .free = end,
    .call = call,
    .tick = tick,
    .drain = jobs_drain,
    .outstanding = streams_outstanding,
    .stop = stop,
    .session_ready = streams_ready,
    .session_working = streams_working,
    .session_silent = streams_lose,
    .session_gone = session_gone,
    .count = count,
    .survey = jobs_survey,
    .job_ref = entry_ref,
    .job_unref = entry_unref,
    .job_name = job_name,
    .before_work = memory_update,
};
