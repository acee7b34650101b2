/* Writes to the store on behalf of drafts (draft_write.h). Called by dataset_upload.c and
 * attachment_upload.c. */
#include "calls/draft_write.h"

void *draft_write_new(struct call *call, struct draft *draft, enum store_kind kind, size_t size,
                      void (*fini)(struct task *))
{
    struct draft_write *write = task_new(call, size, NULL, fini);

    if (!write)
        return NULL;
    write->op.kind = kind;
    write->draft = draft;
    write->commit = kind == STORE_DRAFT_COMMIT || kind == STORE_ATTACHMENT_COMMIT;
    return write;
}

/* A draft of which something could not be stored is no more. */
static void lost(struct draft_write *write)
{
    if (write->commit)
        draft_not_stored(write->draft);
    else
        draft_doom(write->draft);
}

int draft_write_send(struct draft_write *write, task_step *stored)
{
    int code = task_store(&write->task, &write->op, stored);

    if (code)
        lost(write);
    return code;
}

int draft_write_result(struct draft_write *write)
{
    struct evd_error *first = &write->draft->error;

    if (write->task.err.code == EVD_OK)
        return EVD_OK;
    if (first->code == EVD_OK)
        *first = write->task.err;
    write->task.err = *first;
    lost(write);
    return first->code;
}

int draft_write_built(struct draft_write *write)
{
    struct task *task = &write->task;
    const struct draft *draft = write->draft;

    if (draft_built(write->draft))
        return draft_write_result(write);
    /* Its connection is gone, or an earlier piece was not stored. */
    task->err = draft->error;
    return task->err.code ? task->err.code : error_given_up(&task->err);
}

int draft_write_room(const struct session *session, struct evd_error *err)
{
    if (session->draft_count < EVD_MAX_DRAFTS)
        return EVD_OK;
    return error_set(err, EVD_E_LIMIT, "drafts",
                     "this connection is sending %u datasets and attachments already: commit one "
                     "first",
                     EVD_MAX_DRAFTS);
}
