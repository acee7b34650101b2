/*
 * Shows requests and jobs on their way through the daemon, a line for each turn they take, to
 * whoever looks for a fault: `evendrawd --trace` (everything) or `--trace=JOB`. While that is off,
 * a TRACE costs one look at a pointer.
 */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include "server/server.h"

/* `job`: the name of the job it is about, or NULL; then a format and its values. */
#define TRACE(server, job, ...)                                                                    \
    do {                                                                                           \
        if (__builtin_expect((server)->host.trace != NULL, 0))                                     \
            trace_write(server, job, __VA_ARGS__);                                                 \
    } while (0)

void trace_write(struct server *server, const char *job, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
