/*
 * Bounds that the operator may set (`evendrawd --limit NAME=N`); server.info reports them. What the
 * protocol fixes is in proto/limits.h.
 */
#ifndef SERVER_LIMITS_H
#define SERVER_LIMITS_H

#include <stdint.h>
#include "proto/limits.h"

/* X(name, default, least, most, meaning) */
#define SERVER_LIMITS(X)                                                                           \
    X(connections, 1024, 1, 1000000, "connections; further ones are told that it is busy")         \
    X(connections_each, 0, 0, 1000000,                                                             \
      "of those, connections of one user (Unix) or address (TCP); 0: all but one in eight, and "   \
      "but 16 at most")                                                                            \
    X(streams, EVD_MAX_STREAMS, 1, EVD_MAX_STREAMS, "open streams of a connection")                \
    X(window, EVD_MAX_WINDOW, 1, EVD_MAX_WINDOW, "unacknowledged batches of a stream")             \
    X(outstanding, EVD_OUTSTANDING, 1, EVD_OUTSTANDING,                                            \
      "steps of a job handed out from the lowest unacknowledged one on (to a rank: 1024 at most)") \
    X(frame, EVD_MAX_FRAME, 640u << 10, 16u << 20,                                                 \
      "bytes of a message to the daemon, which its receive buffer has to hold")                    \
    X(history, 256u << 20, 64u << 10, UINT64_C(1) << 40,                                           \
      "bytes of the strategies that are recorded of a job, all its revisions together")            \
    X(send_buffer, 1u << 20, 64u << 10, 8u << 20,                                                  \
      "unsent bytes of a connection above which nothing more is drawn for it")                     \
    X(buffers, 256u << 20, 32u << 20, 1l << 40,                                                    \
      "bytes of what was received in part, and is to be sent, of all connections together; above " \
      "it those that hold most and are idle are closed")                                           \
    X(hello_time, 10, 1, 3600, "seconds until a connection must have said hello")                  \
    X(frame_time, 30, 1, 3600, "seconds without a byte of a message that has begun")

#define SERVER_LIMIT_FIELD(name, normal, least, most, meaning)  uint64_t name;
#define SERVER_LIMIT_NORMAL(name, normal, least, most, meaning) .name = normal,

struct server_limits {
    SERVER_LIMITS(SERVER_LIMIT_FIELD)
    uint64_t memory; /* bytes, of datasets, drafts, jobs, plans and reports together; 0: none */
};

/* What one peer may have of so many connections unless the operator says: nearly all, since a job
 * of one user on one machine is the common case, but a few are left for others to see what goes on.
 */
static inline uint64_t server_limit_each(uint64_t connections)
{
    uint64_t reserve = connections / 8;

    return connections - (reserve < 16 ? reserve : 16);
}

#define SERVER_LIMITS_NORMAL                                                                       \
    {                                                                                              \
        SERVER_LIMITS(SERVER_LIMIT_NORMAL)                                                         \
    }

#endif
