/* The life of a task (task.h): what is submitted for it, how that comes back, and its end. Called
 * by every handler that answers later, and by sessions when they close. */
#include "server/task.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "server/trace.h"

/* What becomes of a task, for TRACE. */
static void trace(struct task *task, const char *what, const char *why)
{
    const struct session *session = task->ticket.session;

    TRACE(task->server, task->entry ? task->server->ops->job_name(task->entry) : NULL,
          "session %" PRIu64 ": %s #%" PRIu32 " %s%s%s", session ? session->id : 0,
          session ? task->ticket.method : "(unasked)", task->ticket.id, what, why[0] ? ": " : "",
          why);
}

/* ---- beginning and end ---- */

void *task_new_unasked(struct server *server, size_t size, struct job_entry *entry,
                       void (*fini)(struct task *))
{
    struct task *task;

    assert(size >= sizeof(*task));
    task = calloc(1, size);
    if (!task)
        return NULL;
    task->server = server;
    task->entry = entry;
    task->fini = fini;
    atomic_init(&task->work.cancelled, false);
    if (entry)
        server->ops->job_ref(entry);
    return task;
}

void *task_new(struct call *call, size_t size, struct job_entry *entry, void (*fini)(struct task *))
{
    struct task *task = task_new_unasked(call->server, size, entry, fini);

    if (!task) {
        error_no_memory(&call->err);
        return NULL;
    }
    task->ticket = call->ticket;
    task->payer = call->session;
    session_ref(call->session);
    session_owe(call->session);
    return task;
}

void task_free(struct task *task)
{
    assert(task->state == TASK_READY);
    if (task->fini)
        task->fini(task);
    if (task->ticket.session) {
        session_paid(task->ticket.session);
        session_unref(task->ticket.session);
    }
    if (task->entry)
        task->server->ops->job_unref(task->entry);
    free(task);
}

msgpack_packer *task_answer(struct task *task)
{
    assert(task->ticket.session);
    return answer_begin(&task->ticket);
}

int task_done(struct task *task)
{
    trace(task, "answered", "");
    answer_end(&task->ticket);
    task_free(task);
    return EVD_OK;
}

void task_fail(struct task *task, const struct evd_error *err)
{
    assert(err->code != EVD_OK);
    trace(task, "failed", err->message);
    if (task->ticket.session)
        answer_error(&task->ticket, err);
    task_free(task);
}

int task_begin(struct task *task, int code, struct call *call)
{
    if (code == EVD_OK)
        return EVD_OK;
    call->err = task->err;
    task_free(task);
    return code;
}

void task_go(struct task *task, task_step *step)
{
    if (step(task) != EVD_OK)
        task_fail(task, &task->err);
}

/* ---- heavy work ---- */

static struct task *task_of(struct server_work *work)
{
    return (struct task *)((char *)work - offsetof(struct task, work));
}

/* WAITING, WORKING and QUEUED tasks are in one list, and on the account of who asked. */
static void enter_heavy(struct task *task, enum task_state state)
{
    assert(task->state == TASK_READY);
    task->state = state;
    TAILQ_INSERT_TAIL(&task->server->heavy, task, in_heavy);
    if (task->payer)
        task->payer->heavy_count++;
}

static void leave_heavy(struct task *task)
{
    assert(task->state == TASK_WAITING || task->state == TASK_WORKING ||
           task->state == TASK_QUEUED);
    task->state = TASK_READY;
    TAILQ_REMOVE(&task->server->heavy, task, in_heavy);
    if (task->payer)
        task->payer->heavy_count--;
}

static void work_run(struct server_work *work)
{
    struct task *task = task_of(work);

    task->run(task);
}

/* Gives threads to those whose turn it is. */
static void start_works(struct server *server)
{
    struct works_item *item;

    while ((item = works_next(&server->works))) {
        struct task *task = (struct task *)((char *)item - offsetof(struct task, turn));

        assert(task->state == TASK_WAITING);
        task->state = TASK_WORKING;
        server->ops->before_work(server->jobs);
        trace(task, "works", "");
        server->host.work(server->host.arg, &task->work);
    }
}

static void work_done(struct server_work *work)
{
    struct task *task = task_of(work);
    struct server *server = task->server;

    works_done(&server->works, &task->turn, work->milliseconds);
    leave_heavy(task);
    trace(task, "has worked", task->err.code ? task->err.message : "");
    task_go(task, task->next);
    start_works(server);
}

/* Whether one more heavy task may be under way. */
static int check_room(struct task *task)
{
    const struct server *server = task->server;
    const struct session *payer = task->payer;

    if (server->phase != SERVER_SERVING || atomic_load(&task->work.cancelled))
        return error_given_up(&task->err);
    if (payer && payer->heavy_count >= EVD_MAX_WORKS)
        return error_set(&task->err, EVD_E_BUSY, "works",
                         "this connection has %u heavy requests under way already: wait for an "
                         "answer first",
                         EVD_MAX_WORKS);
    return EVD_OK;
}

int task_work(struct task *task, uint64_t cost, task_run *run, task_step *next)
{
    struct server *server = task->server;
    int code = check_room(task);

    if (code)
        return code;
    task->err.code = EVD_OK;
    task->turn.cost = cost;
    task->turn.account = task->payer ? &task->payer->works : &server->own_works;
    task->run = run;
    task->next = next;
    task->work.run = work_run;
    task->work.done = work_done;
    works_add(&server->works, &task->turn);
    enter_heavy(task, TASK_WAITING);
    trace(task, "is to work", "");
    start_works(server);
    return EVD_OK;
}

/* Takes what waits for a thread out of its list: `given_up` gets what has a next step to be told.
 */
static void give_up(struct task *task, struct task_list *given_up)
{
    works_remove(&task->server->works, &task->turn);
    leave_heavy(task);
    TAILQ_INSERT_TAIL(given_up, task, in_list);
}

/* Only when all of them are out, since their steps may send others to work. */
static void tell(struct task_list *given_up, const struct evd_error *why)
{
    struct task *task;

    while ((task = TAILQ_FIRST(given_up))) {
        TAILQ_REMOVE(given_up, task, in_list);
        task->err = *why;
        task_go(task, task->next);
    }
}

/* Nobody wants it any more. */
static void cancel(struct task *task, bool gone, struct task_list *given_up)
{
    atomic_store(&task->work.cancelled, true);
    if (task->state == TASK_WAITING) {
        give_up(task, given_up);
    } else if (gone && task->state == TASK_QUEUED) {
        task_unlist(task);
        task_free(task);
        return;
    } else if (task->payer) {
        task->payer->heavy_count--;
    }
    task->payer = NULL;
    task->turn.account = NULL;
}

void tasks_cancel(struct server *server, const struct session *session)
{
    struct task_list given_up = TAILQ_HEAD_INITIALIZER(given_up);
    struct task *task, *next;
    struct evd_error why;

    for (task = TAILQ_FIRST(&server->heavy); task; task = next) {
        next = TAILQ_NEXT(task, in_heavy);
        if (!session || task->payer == session)
            cancel(task, session != NULL, &given_up);
    }
    error_given_up(&why);
    tell(&given_up, &why);
}

void tasks_of_dropped(struct server *server, const struct job_entry *entry)
{
    struct task_list given_up = TAILQ_HEAD_INITIALIZER(given_up);
    struct task *task, *next;
    struct evd_error why;

    for (task = TAILQ_FIRST(&server->heavy); task; task = next) {
        next = TAILQ_NEXT(task, in_heavy);
        if (task->entry == entry && task->state == TASK_WAITING)
            give_up(task, &given_up);
    }
    error_set(&why, EVD_E_NOT_FOUND, server->ops->job_name(entry), "job \"%s\" was dropped",
              server->ops->job_name(entry));
    tell(&given_up, &why);
}

/* ---- waiting ---- */

int task_queue(struct task *task, struct task_list *list)
{
    int code = check_room(task);

    if (code)
        return code;
    enter_heavy(task, TASK_QUEUED);
    task->list = list;
    TAILQ_INSERT_TAIL(list, task, in_list);
    return EVD_OK;
}

void task_park(struct task *task, struct task_list *list, task_step *next)
{
    assert(task->state == TASK_READY);
    task->state = TASK_PARKED;
    task->next = next;
    task->list = list;
    TAILQ_INSERT_TAIL(list, task, in_list);
}

void task_unlist(struct task *task)
{
    assert(task->state == TASK_QUEUED || task->state == TASK_PARKED);
    TAILQ_REMOVE(task->list, task, in_list);
    task->list = NULL;
    if (task->state == TASK_QUEUED)
        leave_heavy(task);
    task->state = TASK_READY;
}

void task_resume(struct task *task, int code)
{
    assert(task->state == TASK_PARKED);
    task_unlist(task);
    task->err.code = code;
    task_go(task, task->next);
}

/* ---- commits ---- */

static void stored(struct store_op *op)
{
    struct task *task = op->owner;

    assert(task->state == TASK_STORING);
    task->state = TASK_READY;
    task->err = op->error;
    trace(task, "is back from the store", task->err.code ? task->err.message : "");
    task_go(task, task->next);
}

int task_store(struct task *task, struct store_op *op, task_step *next)
{
    assert(task->state == TASK_READY);
    op->done = stored;
    op->owner = task;
    task->next = next;
    if (server_submit(task->server, op, &task->err) != EVD_OK)
        return task->err.code;
    task->state = TASK_STORING;
    trace(task, "waits for a commit", "");
    return EVD_OK;
}
