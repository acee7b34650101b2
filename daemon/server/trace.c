/* Writes the lines of TRACE (trace.h). */
#include "server/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void trace_write(struct server *server, const char *job, const char *format, ...)
{
    const char *wanted = server->host.trace;
    char text[512];
    va_list ap;
    int len;

    if (wanted[0] && (!job || strcmp(wanted, job) != 0))
        return;
    len = snprintf(text, sizeof(text), "%8" PRIu64 " ms ", server_now(server) - server->started);
    va_start(ap, format);
    vsnprintf(text + len, sizeof(text) - (size_t)len, format, ap);
    va_end(ap);
    server_write_log(server, SERVER_TRACE, text);
}
