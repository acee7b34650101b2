/*
 * server.backup: the database is copied to a file while the daemon goes on. Called by the dispatch
 * of calls.c.
 *
 * The daemon creates that file with its own rights. So any path may be named only by who has these
 * rights anyway, a process of the daemon's own user; everybody else names a file in the folder that
 * the operator gave for it.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
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
    const struct session *session = task->ticket.session;
    msgpack_packer *pk;

    if (task->err.code != EVD_OK) {
        server_note(task->server, "%s, %s: no backup to %s: %s", session->peer, session->client,
                    backup->path, task->err.message);
        return task->err.code;
    }
    server_note(task->server, "%s, %s: backup of %" PRIu64 " bytes to %s", session->peer,
                session->client, backup->op.backup.bytes, backup->path);
    pk = task_answer(task);
    pack_key_cstr(pk, "path", backup->path);
    pack_key_u64(pk, "bytes", backup->op.backup.bytes);
    return task_done(task);
}

/* What a path names in the folder for backups: all of it, or what follows the folder; nothing if it
 * leads elsewhere, or if there is no such folder. */
static struct evd_str name_in_folder(const char *folder, struct evd_str path)
{
    size_t len = folder ? strlen(folder) : 0;

    if (!folder)
        return (struct evd_str){"", 0};
    if (path.len > len && memcmp(path.data, folder, len) == 0 && path.data[len] == '/')
        path = (struct evd_str){path.data + len + 1, path.len - (uint32_t)len - 1};
    if (memchr(path.data, '/', path.len) || str_is(path, ".") || str_is(path, ".."))
        return (struct evd_str){"", 0};
    return path;
}

static int check_path(struct call *call, struct evd_str path)
{
    const struct server_host *host = &call->server->host;

    if (!host->own(host->arg, call->session->port.conn) && host->backup_dir)
        return error_set(&call->err, EVD_E_DENIED, "path",
                         "only who is the daemon's own user and comes by its Unix socket may name "
                         "any file: name one in %s, without a folder",
                         host->backup_dir);
    if (!host->own(host->arg, call->session->port.conn))
        return error_set(&call->err, EVD_E_DENIED, "server.backup",
                         "a backup is a file that the daemon writes: ask as the daemon's own user, "
                         "by its Unix socket, or have the daemon started with --backup-dir");
    if (path.len == 0 || path.data[0] != '/' || memchr(path.data, '\0', path.len))
        return error_set(&call->err, EVD_E_BAD_VALUE, "path",
                         "path must be that of a file on the daemon's machine, beginning with /%s",
                         host->backup_dir ? ", or a name in the folder for backups" : "");
    if (path.len >= PATH_MAX)
        return error_set(&call->err, EVD_E_LIMIT, "path", "path is longer than %d bytes",
                         PATH_MAX - 1);
    return EVD_OK;
}

int do_server_backup(struct call *call, const struct params_server_backup *p)
{
    const char *folder = call->server->host.backup_dir;
    struct evd_str name = name_in_folder(folder, p->path);
    size_t room = p->path.len + (folder ? strlen(folder) : 0) + sizeof("/");
    struct backup_task *backup;
    int code = name.len > 0 ? name_check(name, "path", &call->err) : check_path(call, p->path);

    if (code != EVD_OK)
        return code;
    backup = task_new(call, sizeof(*backup) + room, NULL, NULL);
    if (!backup)
        return call->err.code;
    if (name.len > 0)
        snprintf(backup->path, room, "%s/%.*s", folder, (int)name.len, name.data);
    else
        str_copy(backup->path, p->path);
    backup->op.kind = STORE_BACKUP;
    backup->op.backup.path = backup->path;
    return task_begin(&backup->task, task_store(&backup->task, &backup->op, backed_up), call);
}
