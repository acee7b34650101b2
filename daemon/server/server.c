/* What the rooms above ask of the server: time, the store, a log (server.h). */
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>

uint64_t server_now(const struct server *server)
{
    return server->host.now(server->host.arg);
}

uint64_t server_wall(const struct server *server)
{
    return server->host.wall(server->host.arg);
}

int server_submit(struct server *server, struct store_op *op, struct evd_error *err)
{
    if (!server->store)
        return error_set(err, EVD_E_SHUTTING_DOWN, "", "the daemon is stopping");
    return store_submit(server->store, op, err);
}

void server_write_log(struct server *server, enum server_level level, const char *text)
{
    server->host.log(server->host.arg, level, text);
}

static void write_formatted(struct server *server, enum server_level level, const char *format,
                            va_list ap)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, ap);
    server_write_log(server, level, text);
}

void server_warn(struct server *server, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    write_formatted(server, SERVER_WARNING, format, ap);
    va_end(ap);
}

void server_note(struct server *server, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    write_formatted(server, SERVER_NOTICE, format, ap);
    va_end(ap);
}

void server_tell(struct server *server, const char *format, ...)
{
    va_list ap;

    if (!server->host.verbose)
        return;
    va_start(ap, format);
    write_formatted(server, SERVER_DETAIL, format, ap);
    va_end(ap);
}

void server_wake_at(struct server *server, uint64_t when)
{
    uint64_t now;

    if (when >= server->tick_at)
        return;
    server->tick_at = when;
    now = server_now(server);
    server->host.arm(server->host.arg, when > now ? when - now : 0);
}
