/* server.backup. */
#include "rpc/core.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct backup {
    struct store_op op;
    struct ticket ticket;
    char path[];
};

static void backup_stored(struct store_op *op)
{
    struct backup *backup = op->owner;
    msgpack_packer *pk;

    if (op->error.code != EVD_OK) {
        ticket_error(&backup->ticket, &op->error);
    } else {
        pk = answer_begin(&backup->ticket);
        pack_key_cstr(pk, "path", backup->path);
        pack_key_u64(pk, "bytes", op->backup.bytes);
        ticket_end(&backup->ticket);
    }
    free(backup);
}

int do_server_backup(struct call *call, const struct params_server_backup *p)
{
    const struct rpc_host *host = &call->rpc->host;
    struct backup *backup;

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
    backup = calloc(1, sizeof(*backup) + p->path.len + 1);
    if (!backup)
        return rpc_no_memory(&call->err);
    memcpy(backup->path, p->path.data, p->path.len);
    backup->op.kind = STORE_BACKUP;
    backup->op.backup.path = backup->path;
    backup->op.done = backup_stored;
    backup->op.owner = backup;
    if (rpc_submit(call->rpc, &backup->op, &call->err) != EVD_OK) {
        free(backup);
        return call->err.code;
    }
    backup->ticket = ticket_keep(call);
    return EVD_OK;
}
