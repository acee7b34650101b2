/* Heavy work on behalf of sessions: how much of it, and its end when nobody wants it any more. */
#include "rpc/core.h"

static void unlink_work(struct rpc_work *work)
{
    struct rpc *rpc = work->rpc;

    if (work->prev)
        work->prev->next = work->next;
    else
        rpc->works = work->next;
    if (work->next)
        work->next->prev = work->prev;
    if (work->session)
        work->session->work_count--;
}

static void work_done(struct rpc_work *work)
{
    unlink_work(work);
    work->finish(work);
}

int work_check(const struct rpc *rpc, const struct session *session, struct evd_error *err)
{
    if (rpc->draining || rpc->stopping || (session && !session->open))
        return work_cancelled(err);
    if (session && session->work_count + session->waiting >= EVD_MAX_WORKS)
        return error_set(err, EVD_E_BUSY, "works",
                         "this connection has %u heavy requests under way already: wait for an "
                         "answer first",
                         EVD_MAX_WORKS);
    return EVD_OK;
}

int work_send(struct rpc *rpc, struct session *session, struct rpc_work *work,
              struct evd_error *err)
{
    int code;

    if (work_check(rpc, session, err) != EVD_OK)
        return err->code;
    memory_settle(rpc);
    atomic_init(&work->cancelled, false);
    work->rpc = rpc;
    work->session = session;
    work->finish = work->done;
    work->done = work_done;
    code = rpc->host.work(rpc->host.arg, work);
    if (code != EVD_OK)
        return error_set(err, code, "", "no thread could be had for this: try again");
    work->prev = NULL;
    work->next = rpc->works;
    if (work->next)
        work->next->prev = work;
    rpc->works = work;
    if (session)
        session->work_count++;
    return EVD_OK;
}

void works_cancel(struct rpc *rpc, const struct session *session)
{
    for (struct rpc_work *work = rpc->works; work; work = work->next) {
        if (session && work->session != session)
            continue;
        atomic_store(&work->cancelled, true);
        if (work->session)
            work->session->work_count--;
        work->session = NULL;
    }
}

int work_cancelled(struct evd_error *err)
{
    return error_set(err, EVD_E_SHUTTING_DOWN, "",
                     "given up: the daemon is stopping, or the connection that asked has ended");
}
