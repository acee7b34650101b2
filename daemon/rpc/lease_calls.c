/* What a worker says about the batches it has: stream.credit, ack, touch, release. */
#include "rpc/core.h"

#include <stdlib.h>

int do_stream_credit(struct call *call, const struct params_stream_credit *p)
{
    struct stream *stream = rpc_stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_CREDIT};
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    if (p->window > call->rpc->host.limits.window)
        return error_set(&call->err, EVD_E_LIMIT, "window",
                         "stream.credit: \"window\" is at most %u",
                         (unsigned)call->rpc->host.limits.window);
    event.stream = stream->worker;
    event.window = p->window;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    stream->window = p->window;
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "window", p->window);
    answer_end(&call->ticket);
    return EVD_OK;
}

static struct ack *ack_new(struct call *call, struct stream *stream,
                           const struct params_stream_ack *p)
{
    struct job_entry *entry = stream->entry;
    struct ack *ack = calloc(1, sizeof(*ack));

    if (!ack)
        return NULL;
    ack->ticket = ticket_keep(call);
    ack->entry = entry;
    ack->at = (struct job_position){p->epoch, p->step};
    ack->stream = p->stream;
    ack->next = entry->acks;
    if (ack->next)
        ack->next->prev = ack;
    entry->acks = ack;
    return ack;
}

int do_stream_ack(struct call *call, const struct params_stream_ack *p)
{
    struct stream *stream = rpc_stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_ACK};
    struct ack *ack = NULL;

    if (!stream)
        return call->err.code;
    event.stream = stream->worker;
    event.at = (struct job_position){p->epoch, p->step};
    event.through = p->has_through && p->through;
    event.generation = p->has_generation ? p->generation : stream->generation;
    if (call->ticket.request) {
        ack = ack_new(call, stream, p);
        if (!ack)
            return error_no_memory(&call->err);
        event.token = (uint64_t)(uintptr_t)ack;
    }
    if (entry_drive(stream->entry, &event, &call->err) == EVD_OK)
        return EVD_OK;
    if (ack)
        ack_drop(ack);
    return call->err.code;
}

int do_stream_touch(struct call *call, const struct params_stream_touch *p)
{
    struct stream *stream = rpc_stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_TOUCH};
    struct job_stream_info info;
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    event.stream = stream->worker;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    job_stream_info(stream->worker, &info);
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "held", info.held);
    answer_end(&call->ticket);
    return EVD_OK;
}

int do_stream_release(struct call *call, const struct params_stream_release *p)
{
    struct stream *stream = rpc_stream_find(call->session, p->stream, &call->err);
    struct job_event event = {.kind = JOB_RELEASE};
    msgpack_packer *pk;

    if (!stream)
        return call->err.code;
    event.stream = stream->worker;
    event.at = (struct job_position){p->epoch, p->step};
    event.through = p->through;
    event.generation = p->has_generation ? p->generation : stream->generation;
    if (entry_drive(stream->entry, &event, &call->err) != EVD_OK)
        return call->err.code;
    pk = answer_begin(&call->ticket);
    pack_key_u64(pk, "stream", p->stream);
    pack_key_u64(pk, "released", event.held);
    answer_end(&call->ticket);
    return EVD_OK;
}
