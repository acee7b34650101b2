/*
 * A task: a request that cannot be answered at once, from its ticket to its answer. A handler that
 * answers later makes one, and is then a list of steps:
 *
 *     handler    task_new, then task_begin of what the first step returned
 *     a step     does what it can do now, and returns one of
 *                    task_work(cost, run, next)   heavy work on a pool thread, then `next`
 *                    task_store(op, next)   a commit of the store, then the step `next`
 *                    task_queue(list)       whoever has the list goes on with it (task_go)
 *                    task_park(list, next)  likewise (task_resume), then the step `next`
 *                    task_done()            the answer is packed: the task is over
 *                    an error in task->err  it becomes the answer: the task is over
 *
 *                    task_work                  task_store
 *        WAITING <-------------- READY (a step runs) ----------> STORING
 *    (for a thread: works.h)      ^ ^ | ^  |  ^                     |
 *           |                     | | | |  |  +---------------------+
 *           +------> WORKING -----+ | | |  |
 *           +----------(given up)---+ | |  | task_park
 *                          task_queue | |  |
 *                                     v |  v
 *              (its turn to work) QUEUED  PARKED (until the job core has answered)
 *
 * `next` is called whether it went well or not: task->err says how. What works, waits for a thread
 * or for its turn to work, counts against EVD_MAX_WORKS of the connection that asked. When that
 * closes, work ends early (`run` looks at task->work.cancelled) or does not begin, a turn is given
 * up, and a commit still happens; answers then go nowhere. When its job is dropped, work that waits
 * for a thread does not begin. Everything belongs to the loop thread, but `run`.
 */
#ifndef SERVER_TASK_H
#define SERVER_TASK_H

#include "server/session.h"

/* EVD_OK: the task goes on elsewhere or is over, and must not be touched; else task->err.code. */
typedef int task_step(struct task *task);
/* On a pool thread. Says in task->err how it went; that is EVD_OK before. */
typedef void task_run(struct task *task);

enum task_state {
    TASK_READY,
    TASK_WAITING,
    TASK_WORKING,
    TASK_QUEUED,
    TASK_STORING,
    TASK_PARKED,
};

struct task {
    struct server *server;
    struct ticket ticket;    /* holds its session; no session: nobody asked, nothing is answered */
    struct session *payer;   /* on whose account it works; NULL: the daemon's, or it has closed */
    struct job_entry *entry; /* held; NULL: it is about no job */
    enum task_state state;
    task_run *run;                   /* WAITING, WORKING */
    task_step *next;                 /* WAITING, WORKING, STORING, PARKED */
    void (*fini)(struct task *task); /* frees what the struct around it has */
    struct server_work work;
    struct works_item turn;     /* WAITING, WORKING */
    struct evd_error err;       /* how the last thing that was under way went */
    struct task_list *list;     /* QUEUED, PARKED */
    TAILQ_ENTRY(task) in_list;  /* there */
    TAILQ_ENTRY(task) in_heavy; /* WAITING, WORKING, QUEUED: in server->heavy */
};

/* `size` zeroed bytes that begin with a struct task, which holds the call's session and `entry`
 * (NULL: none). NULL without memory, told in call->err. `fini` (NULL: nothing) is called once, at
 * the end, however that comes about. */
void *task_new(struct call *call, size_t size, struct job_entry *entry,
               void (*fini)(struct task *)) MUST_CHECK;
/* The same for what nobody asked for. */
void *task_new_unasked(struct server *server, size_t size, struct job_entry *entry,
                       void (*fini)(struct task *)) MUST_CHECK;

/* A handler's last act. `code`: what its first step returned. If that is an error the task is gone,
 * and the error is in call->err, for the handler to return. */
int task_begin(struct task *task, int code, struct call *call) MUST_CHECK;
/* Takes a step; if that fails, answers the error and ends the task. */
void task_go(struct task *task, task_step *step);

/* BUSY if the connection has as much under way as it may have, or SHUTTING_DOWN. `cost`: how much
 * there is to look at, so that what is short need not wait for what is long (works.h). */
int task_work(struct task *task, uint64_t cost, task_run *run, task_step *next) MUST_CHECK;
/* The operation, but for `done` and `owner`, is filled in; it is part of the struct around the
 * task. Errors of store_submit. */
int task_store(struct task *task, struct store_op *op, task_step *next) MUST_CHECK;
/* Waits in the list for a turn to work. Errors of task_work. */
int task_queue(struct task *task, struct task_list *list) MUST_CHECK;
/* Waits in the list, on nobody's account, for task_resume; then the step `next`. */
void task_park(struct task *task, struct task_list *list, task_step *next);
/* Out of the list in which it is queued or parked. */
void task_unlist(struct task *task);
/* A parked task goes on with its next step, where task->err.code is `code`. */
void task_resume(struct task *task, int code);

/* Begins the answer; task_done sends it, ends the task and returns EVD_OK. */
msgpack_packer *task_answer(struct task *task);
int task_done(struct task *task);
/* Answers the error and ends the task. */
void task_fail(struct task *task, const struct evd_error *err);
/* Ends it without an answer. */
void task_free(struct task *task);

/* Nobody waits any more for what a session asked for; NULL: any session. */
void tasks_cancel(struct server *server, const struct session *session);
/* What waits for a thread to work on a job that has been dropped is over. */
void tasks_of_dropped(struct server *server, const struct job_entry *entry);

#endif
