/*
 * What a frame is: handed to net by its user, so that connections carry any protocol.
 *
 * Each connection has a scanner. It is shown every byte once, in order, before anything else sees
 * it, and says where a frame ends or that there can be none. It never asks for a byte again.
 */
#ifndef NET_FRAMING_H
#define NET_FRAMING_H

#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

enum net_scan {
    NET_SCAN_MORE,   /* fine so far, the frame is not complete */
    NET_SCAN_WHOLE,  /* it is; the scanner is ready for the next one */
    NET_SCAN_BROKEN, /* no frame, or a larger one than allowed: what follows is not scanned */
};

struct net_framing {
    const void *arg;      /* for init */
    size_t frame_bytes;   /* of the largest frame; a scanner calls longer ones broken */
    size_t scanner_bytes; /* of a scanner; its memory is aligned for whatever it holds */
    /* Before the first frame of a connection. */
    void (*init)(const void *arg, void *scanner);
    /* Looks at the next bytes (n > 0). Returns how many of them belong to the frame, which are all
     * of them unless it ends here, well or badly. */
    size_t (*scan)(void *scanner, const uint8_t *bytes, size_t n, enum net_scan *result);
    /* After NET_SCAN_BROKEN: what is wrong, for the peer. */
    void (*error)(const void *scanner, struct evd_error *err);
};

#endif
