/* server.backup: the database is copied to a file while the daemon goes on. */
#include <limits.h>
#include <string.h>
#include "calls/handlers.h"
#include "server/task.h"

struct backup_task {
    struct task task; /* first */
    struct store_op op;
    char path[];
};

static int backed_up(struct task *task)
{
    struct backup_task *backup = (struct backup_task *)task;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK)
        return task->err.code;
    pk = task_answer(task);
    pack_key_cstr(pk, "path", backup->path);
    pack_key_u64(pk, "bytes", backup->op.backup.bytes);
    return task_done(task);
}

int do_server_backup(struct call *call, const struct params_server_backup *p)
{
    const struct server_host *host = &call->server->host;
    struct backup_task *backup;

    if (!host->local(host->arg, call->session->port.conn))
        return error_set(&call->err, EVD_E_DENIED, "server.backup",
                         "whoever connects by TCP could have any file written: ask by a Unix "
                         "socket of the daemon, on its own machine");
    if (p->path.len == 0 || p->path.data[0] != '/' || memchr(p->path.data, '\0', p->path.len))
        return error_set(&call->err, EVD_E_BAD_VALUE, "path",
                         "path must be that of a file on the daemon's machine, beginning with /");
    if (p->path.len >= PATH_MAX)
        return error_set(&call->err, EVD_E_LIMIT, "path", "path is longer than %d bytes",
                         PATH_MAX - 1);
    backup = task_new(call, sizeof(*backup) + p->path.len + 1, NULL, NULL);
    if (!backup)
        return call->err.code;
    memcpy(backup->path, p->path.data, p->path.len);
    backup->op.kind = STORE_BACKUP;
    backup->op.backup.path = backup->path;
    return task_begin(&backup->task, task_store(&backup->task, &backup->op, backed_up), call);
}
