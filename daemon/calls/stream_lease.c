/* What a worker says about the batches it has: stream.credit, ack, touch, release. */
#include <inttypes.h>
#include "calls/replies.h"
#include "calls/handlers.h"
#include "calls/stream.h"
#include "jobs/drive.h"

int do_stream_credit(struct call *call, const struct params_stream_credit *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_CREDIT};
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    if (p->window > call->server->host.limits.window)
        return error_set(&call->err, EVD_E_LIMIT, "window",
                         "stream.credit: \"window\" is at most %u",
                         (unsigned)call->server->host.limits.window);
    event.credit.stream = stream->worker;
    event.credit.window = p->window;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    stream->window = p->window;
    stream_weigh(stream);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "window", p->window);
    return answer_end(&call->ticket);
}

/* A worker that was thought to be stuck says something: it is given what it may have before that is
 * looked at, so that what it says late of a step which nobody else took still holds. */
static void heard(struct stream *stream)
{
    struct job_event event = {.kind = JOB_CREDIT};
    struct job_stream_info info;
    struct evd_error err;

    job_stream_info(stream->worker, &info);
    if (!info.stalled)
        return;
    event.credit.stream = stream->worker;
    event.credit.window = info.window;
    entry_drive(stream->entry, &event, &err);
}

/* An acknowledgement whose sender waits for the commit: parked until the job core answers. */
struct ack {
    struct task task; /* first; of the job */
    uint32_t stream;
    struct job_position at;
};

static int ack_refused(struct ack *ack)
{
    struct evd_error *err = &ack->task.err;

    switch (err->code) {
    case EVD_E_NOT_FOUND:
        return error_set(err, err->code, ack->task.entry->name,
                         "the job was dropped before the acknowledgement was stored");
    case EVD_E_EXISTS:
        return error_set(err, EVD_E_CONFLICT, "acknowledged",
                         "epoch %" PRIu64 " step %" PRIu64 " is acknowledged already",
                         ack->at.epoch, ack->at.step);
    case EVD_E_CONFLICT:
        return error_set(err, EVD_E_CONFLICT, "generation",
                         "the job was moved by job.seek before the acknowledgement was stored: the "
                         "batch is void, take the next one");
    default:
        return error_set(err, err->code, ack->task.entry->name,
                         "the acknowledgement was taken but could not be stored (%s): it is tried "
                         "again, and is not certain until a later one is answered",
                         error_name(err->code));
    }
}

static int acked(struct task *task)
{
    struct ack *ack = (struct ack *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return ack_refused(ack);
    pk = task_answer(task);
    pack_key_u64(pk, "stream", ack->stream);
    pack_position(pk, ack->at);
    return task_done(task);
}

static struct ack *ack_new(struct call *call, struct stream *stream,
                           const struct params_stream_ack *p)
{
    struct ack *ack = task_new(call, sizeof(*ack), stream->entry, NULL);

    if (!ack)
        return NULL;
    ack->stream = p->stream;
    ack->at = (struct job_position){p->epoch, p->step};
    task_park(&ack->task, &stream->entry->acks, acked);
    return ack;
}

int do_stream_ack(struct call *call, const struct params_stream_ack *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_ACK};
    struct ack *ack = NULL;

    if (!stream)
        return call->err.code;
    heard(stream);
    event.ack.stream = stream->worker;
    event.ack.at = (struct job_position){p->epoch, p->step};
    event.ack.through = p->has_through && p->through;
    event.ack.generation = p->has_generation ? p->generation : stream->generation;
    if (call->ticket.request) {
        ack = ack_new(call, stream, p);
        if (!ack)
            return call->err.code;
        event.ack.token = (uint64_t)(uintptr_t)ack;
    }
    if (entry_drive(stream->entry, &event, &call->err) == EVD_OK)
        return EVD_OK;
    if (ack) {
        task_unlist(&ack->task);
        task_free(&ack->task);
    }
    return call->err.code;
}

int do_stream_touch(struct call *call, const struct params_stream_touch *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_TOUCH};
    struct job_stream_info info;
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    event.touch.stream = stream->worker;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    job_stream_info(stream->worker, &info);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "held", info.held);
    return answer_end(&call->ticket);
}

int do_stream_release(struct call *call, const struct params_stream_release *p)
{
    struct stream *stream = stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_RELEASE};
    struct job_update update;
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    heard(stream);
    event.release.stream = stream->worker;
    event.release.at = (struct job_position){p->epoch, p->step};
    event.release.through = p->through;
    event.release.generation = p->has_generation ? p->generation : stream->generation;
    if (entry_step(stream->entry, &event, &update, &call->err) != EVD_OK)
        return call->err.code;
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "released", update.held);
    return answer_end(&call->ticket);
}
