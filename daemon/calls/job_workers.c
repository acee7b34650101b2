/* job.workers: who is attached, and how far, in pages. */
#include "calls/handlers.h"
#include "calls/page.h"
#include "calls/stream.h"
#include "jobs/jobs.h"

static void pack_key_rank(msgpack_packer *pk, const struct stream *stream)
{
    if (stream->entry->config.mode == JOB_RANKED)
        pack_key_u64(pk, "rank", stream->rank);
    else
        pack_key_nil(pk, "rank");
}

static void pack_worker(msgpack_packer *pk, const struct stream *stream, struct job_position next,
                        uint64_t now)
{
    const struct session *session = stream->session;
    struct job_stream_info info;

    job_stream_info(stream->worker, &info);
    pack_map_begin(pk);
    pack_key_u64(pk, "worker", stream->serial);
    pack_key_u64(pk, "stream", stream->number);
    pack_key_u64(pk, "session", session->id);
    pack_key_cstr(pk, "client", session->client);
    pack_key_cstr(pk, "peer", session->peer);
    pack_key_cstr(pk, "state", info.lost ? "lost" : info.stalled ? "stalled" : "attached");
    pack_key_rank(pk, stream);
    pack_key_u64(pk, "window", info.window);
    pack_key_u64(pk, "held", info.held);
    pack_key_u64(pk, "served_steps", info.served_steps);
    pack_key_u64(pk, "served_samples", stream->served_samples);
    pack_key_u64(pk, "acked_steps", info.acked_steps);
    pack_key_u64(pk, "acked_samples", info.acked_samples);
    pack_key_u64(pk, "lag", job_stream_lag(stream->worker, next));
    pack_key_u64(pk, "last_heard", now - session->heard);
    pack_key_u64(pk, "epoch", info.low.epoch);
    pack_map_end(pk);
}

int do_job_workers(struct call *call, const struct params_job_workers *p)
{
    struct job_entry *entry = jobs_find_live(call->server->jobs, p->job, &call->err);
    struct job_state state;
    msgpack_packer *pk;
    uint32_t at, left, count;

    if (!entry || rows_of(p->has_count, p->count, &count, &call->err) != EVD_OK)
        return call->err.code;
    if (p->after > entry->jobs->last_worker)
        return error_set(
            &call->err, EVD_E_BAD_VALUE, "after",
            "no worker has had the number that \"after\" says: it is \"worker\" of the "
            "last row of the page before; without it the list begins");
    at = streams_after(entry, p->after);
    left = entry->stream_count - at;
    if (count > left)
        count = left;
    job_state(entry->job, &state);
    pk = answer_begin(&call->ticket);
    pack_key_cstr(pk, "job", entry->name);
    pack_key_u64(pk, "outstanding", state.outstanding);
    pack_key_u64(pk, "redelivered", state.redelivered);
    pack_key_u64(pk, "expired", state.expired);
    pack_key_array(pk, "workers", count);
    for (uint32_t i = at; i < at + count; i++)
        pack_worker(pk, entry->streams[i], state.next, server_now(call->server));
    pack_key_bool(pk, "more", count < left);
    return answer_end(&call->ticket);
}
