/*
 * One MessagePack object is a frame: the guard is net's scanner of them. host.c hands it to net.
 */
#include "host/framing.h"

static void init(const void *limits, void *scanner)
{
    guard_init(scanner, limits);
}

static size_t scan(void *scanner, const uint8_t *bytes, size_t n, enum net_scan *result)
{
    struct guard *guard = scanner;
    size_t used = guard_feed(guard, bytes, n);

    if (guard->status == GUARD_DONE) {
        guard_reset(guard);
        *result = NET_SCAN_WHOLE;
    } else {
        *result = guard->status == GUARD_MORE ? NET_SCAN_MORE : NET_SCAN_BROKEN;
    }
    return used;
}

static void error(const void *scanner, struct evd_error *err)
{
    guard_error(scanner, err);
}

struct net_framing message_framing(const struct guard_limits *limits)
{
    return (struct net_framing){
        .arg = limits,
        .frame_bytes = limits->frame,
        .scanner_bytes = sizeof(struct guard),
        .init = init,
        .scan = scan,
        .error = error,
    };
}
