/*
 * One write to the store on behalf of a draft, of a dataset or of an attachment: a task that begins
 * with a struct draft_write.
 */
#ifndef CALLS_DRAFT_WRITE_H
#define CALLS_DRAFT_WRITE_H

#include "jobs/draft.h"
#include "server/task.h"

struct draft_write {
    struct task task; /* first */
    struct store_op op;
    struct draft *draft; /* outlives it: the store answers in order */
    bool commit;         /* the last one */
};

/* `size` bytes, zeroed but for the draft and the kind of the operation; NULL without memory. */
void *draft_write_new(struct call *call, struct draft *draft, enum store_kind kind, size_t size,
                      void (*fini)(struct task *)) MUST_CHECK;
/* Hands the operation to the store; where that cannot be, the draft is no more. */
int draft_write_send(struct draft_write *write, task_step *stored) MUST_CHECK;
/* How it went. What was refused is refused to whoever sent it, and to all who sent what came after
 * it, in the same words; the draft is no more then. */
int draft_write_result(struct draft_write *write) MUST_CHECK;
/* A pool thread is done with the draft's builder. EVD_OK: what it built is to be stored, or the
 * draft is no more, and task.err says why. */
int draft_write_built(struct draft_write *write) MUST_CHECK;
/* One more draft of the connection? */
int draft_write_room(const struct session *session, struct evd_error *err) MUST_CHECK;

#endif
