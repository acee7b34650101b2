/*
 * The guard: looks at every byte from a peer before msgpack-c does.
 *
 * msgpack-c reserves memory for an array as soon as it has read its count (five bytes can ask for
 * 8 GiB). The guard walks one object without allocating: a stack of items still to come, and a count
 * of bytes still to skip. It is resumable, reads each byte once however the frame is cut, and tells
 * where the object ends. Only an object it has passed whole is given to msgpack-c.
 */
#ifndef PROTO_GUARD_H
#define PROTO_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include "proto/limits.h"

struct guard_limits {
    uint32_t frame; /* bytes of one object */
    uint32_t nodes; /* objects in it, itself included */
};
extern const struct guard_limits guard_request_limits; /* what the daemon accepts */
extern const struct guard_limits guard_reply_limits;   /* what a client accepts */

enum guard_status {
    GUARD_MORE = 0,   /* fine so far, the object is not complete */
    GUARD_DONE,       /* complete: guard_size() bytes long */
    GUARD_TOO_LARGE,  /* over the frame limit, or a count that could not fit in it */
    GUARD_TOO_DEEP,
    GUARD_TOO_MANY,   /* over the node limit */
    GUARD_INVALID,    /* the byte 0xc1, or an ext type: never valid here */
};

struct guard {
    const struct guard_limits *limits;
    uint64_t skip;                  /* bytes of the current item still to pass over */
    uint32_t items[EVD_MAX_DEPTH];  /* items still to come, by depth */
    uint32_t depth;
    uint32_t nodes;
    size_t seen;                    /* bytes of this object looked at so far */
    uint8_t header[9];              /* a type byte and its length, when cut in the middle */
    uint8_t header_len, header_need;
    enum guard_status status;
};

void guard_init(struct guard *guard, const struct guard_limits *limits);
/* Looks at the next bytes, from where it stopped. Returns how many of them belong to the object;
 * fewer than n only when the status is no longer GUARD_MORE. */
size_t guard_feed(struct guard *guard, const uint8_t *bytes, size_t n);
/* Starts on the next object. */
void guard_reset(struct guard *guard);
/* What to tell the peer about a status that is an error: EVD_E_PROTOCOL or EVD_E_LIMIT. */
struct evd_error;
int guard_error(const struct guard *guard, struct evd_error *err);

#endif
