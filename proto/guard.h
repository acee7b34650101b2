/*
 * The guard: looks at every byte from a peer before msgpack-c does.
 *
 * msgpack-c reserves memory for an array as soon as it has read its count (five bytes can ask for
 * 8 GiB). The guard walks one object without allocating: a stack of items still to come, and a
 * count of bytes still to skip. It is resumable, reads each byte once however the frame is cut, and
 * tells where the object ends. Only an object it has passed whole is given to msgpack-c.
 *
 *     guard_init(&guard, &guard_request_limits);
 *     used = guard_feed(&guard, bytes, n);           as bytes arrive
 *     GUARD_MORE: read on.  GUARD_DONE: the object is guard.seen bytes; guard_reset for the next.
 *     Anything else: guard_error says what to tell the peer, then close the connection.
 */
#ifndef PROTO_GUARD_H
#define PROTO_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/limits.h"

struct guard_limits {
    uint32_t frame; /* bytes of one object */
    uint32_t nodes; /* objects in it, itself included */
};
extern const struct guard_limits guard_request_limits; /* what the daemon accepts */
extern const struct guard_limits guard_reply_limits;   /* what a client accepts */

enum guard_status {
    GUARD_MORE = 0,  /* fine so far, the object is not complete */
    GUARD_DONE,      /* complete: `seen` bytes long */
    GUARD_TOO_LARGE, /* over the frame limit, or a count that could not fit in it */
    GUARD_TOO_DEEP,
    GUARD_TOO_MANY, /* over the node limit */
    GUARD_INVALID,  /* the byte 0xc1, or an ext type: never valid here */
};

/* Callers read `status` and `seen`; the rest is the guard's own. While the status is GUARD_MORE,
 * seen < limits->frame: a receive buffer of that size always has room for the rest. */
struct guard {
    const struct guard_limits *limits;
    enum guard_status status;
    size_t seen;                   /* bytes of this object looked at so far */
    uint32_t skip;                 /* bytes of the current item still to pass over */
    uint32_t pending;              /* items announced by any depth and not begun */
    uint32_t nodes;                /* items announced so far, the object itself included */
    uint32_t depth;                /* arrays and maps that are open */
    uint32_t items[EVD_MAX_DEPTH]; /* items still to begin in each of them */
    uint8_t header[5];             /* a type byte and its length, as far as they have come */
    uint8_t header_len, header_need;
};

void guard_init(struct guard *guard, const struct guard_limits *limits);
/* Looks at the next bytes, from where it stopped. Returns how many of them belong to the object;
 * fewer than n only when the status is no longer GUARD_MORE. */
size_t guard_feed(struct guard *guard, const uint8_t *bytes, size_t n);
/* Starts on the next object. */
void guard_reset(struct guard *guard);
/* What to tell the peer about a status that is an error: EVD_E_PROTOCOL or EVD_E_LIMIT. */
int guard_error(const struct guard *guard, struct evd_error *err);

#endif
