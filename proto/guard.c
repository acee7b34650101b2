/*
 * Looks at the bytes of a message before anything that allocates does. Called for every byte that
 * the daemon or the client reads, and by the client for what it is about to send.
 */
#include "proto/guard.h"

#include <assert.h>
#include <stdbool.h>

const struct guard_limits guard_request_limits = {EVD_MAX_FRAME, EVD_MAX_NODES};
const struct guard_limits guard_reply_limits = {EVD_MAX_REPLY_FRAME, EVD_MAX_REPLY_NODES};

void guard_init(struct guard *guard, const struct guard_limits *limits)
{
    guard->limits = limits;
    guard_reset(guard);
}

void guard_reset(struct guard *guard)
{
    /* The object itself is the one item announced; items[] is only read below `depth`. */
    guard->status = GUARD_MORE;
    guard->seen = 0;
    guard->skip = 0;
    guard->pending = 1;
    guard->nodes = 1;
    guard->depth = 0;
    guard->header_len = 0;
}

/* Bytes of an item whose type byte alone says how long it is; 0 for every other type. */
/* clang-format off */
#define SHORT_TEXT(n) [0xa0 + (n)] = 1 + (n), [0xa1 + (n)] = 2 + (n), [0xa2 + (n)] = 3 + (n), \
                      [0xa3 + (n)] = 4 + (n)
static const uint8_t fixed_size[256] = {
    [0x00 ... 0x7f] = 1,                                      /* small integers */
    SHORT_TEXT(0), SHORT_TEXT(4), SHORT_TEXT(8), SHORT_TEXT(12),
    SHORT_TEXT(16), SHORT_TEXT(20), SHORT_TEXT(24), SHORT_TEXT(28),
    [0xc0] = 1, [0xc2 ... 0xc3] = 1,                          /* nil, false, true */
    [0xca] = 5, [0xcb] = 9,                                   /* float, double */
    [0xcc] = 2, [0xcd] = 3, [0xce] = 5, [0xcf] = 9,           /* unsigned integers */
    [0xd0] = 2, [0xd1] = 3, [0xd2] = 5, [0xd3] = 9,           /* signed integers */
    [0xe0 ... 0xff] = 1,                                      /* small negative integers */
};
/* clang-format on */

/* Bytes of length or count that follow a type byte. */
static uint8_t length_bytes(uint8_t type)
{
    switch (type) {
    case 0xc4: /* bin 8 */
    case 0xd9: /* str 8 */
        return 1;
    case 0xc5: /* bin 16 */
    case 0xda: /* str 16 */
    case 0xdc: /* array 16 */
    case 0xde: /* map 16 */
        return 2;
    case 0xc6: /* bin 32 */
    case 0xdb: /* str 32 */
    case 0xdd: /* array 32 */
    case 0xdf: /* map 32 */
        return 4;
    default:
        return 0;
    }
}

/* Would `more` bytes, and one for every item announced, still be within the frame? */
static bool guard_fits(const struct guard *guard, uint64_t more)
{
    return guard->seen + more + guard->pending <= guard->limits->frame;
}

/* The current item is complete, and with it every container of which it was the last item. */
static void guard_close(struct guard *guard)
{
    while (guard->depth > 0 && guard->items[guard->depth - 1] == 0)
        guard->depth--;
    if (guard->depth == 0)
        guard->status = GUARD_DONE;
}

static void guard_bytes(struct guard *guard, uint32_t n)
{
    if (!guard_fits(guard, n))
        guard->status = GUARD_TOO_LARGE;
    else if (n > 0)
        guard->skip = n;
    else
        guard_close(guard);
}

static void guard_container(struct guard *guard, uint64_t items)
{
    if (!guard_fits(guard, items)) {
        guard->status = GUARD_TOO_LARGE;
    } else if (guard->depth == EVD_MAX_DEPTH) {
        guard->status = GUARD_TOO_DEEP;
    } else if (guard->nodes + items > guard->limits->nodes) {
        guard->status = GUARD_TOO_MANY;
    } else {
        guard->nodes += (uint32_t)items;
        guard->pending += (uint32_t)items;
        guard->items[guard->depth++] = (uint32_t)items;
        guard_close(guard);
    }
}

/* A whole header has come: what follows it? */
static void guard_item(struct guard *guard)
{
    uint8_t type = guard->header[0];
    uint32_t length = 0;

    for (uint8_t i = 1; i < guard->header_need; i++)
        length = length << 8 | guard->header[i];
    if (fixed_size[type] > 0)
        guard_bytes(guard, fixed_size[type] - 1u);
    else if (type <= 0x8f)
        guard_container(guard, (uint64_t)(type & 0x0fu) * 2);
    else if (type <= 0x9f)
        guard_container(guard, type & 0x0fu);
    else if (type == 0xdc || type == 0xdd)
        guard_container(guard, length);
    else if (type == 0xde || type == 0xdf)
        guard_container(guard, (uint64_t)length * 2);
    else if (guard->header_need > 1) /* str and bin */
        guard_bytes(guard, length);
    else
        guard->status = GUARD_INVALID;
}

/* The type byte of the next item. */
static void guard_begin(struct guard *guard, uint8_t type)
{
    assert(guard->pending > 0);
    guard->header_need = 1 + length_bytes(type);
    guard->pending--;
    if (guard->depth > 0)
        guard->items[guard->depth - 1]--;
    if (!guard_fits(guard, guard->header_need - 1u))
        guard->status = GUARD_TOO_LARGE;
}

/* Passes over whole items of fixed size in the innermost container, but for its last one: of these
 * most messages consist. Stops before whatever needs a closer look. */
static size_t guard_fixed(struct guard *guard, const uint8_t *bytes, size_t n)
{
    uint32_t *items = &guard->items[guard->depth - 1], left = *items;
    size_t spare = guard->limits->frame - guard->seen - guard->pending;
    size_t size, at = 0;

    assert(left > 0); /* else guard_close had ended it */
    while (left > 1 && at < n && (size = fixed_size[bytes[at]]) > 0 && size <= n - at &&
           size - 1 <= spare) {
        /* Long arrays have numbers of one size. That the next is of this size, too, is a guess
         * which the processor makes: it need not wait for one item to find the next. */
        do {
            at += size;
            spare -= size - 1;
            left--;
        } while (left > 1 && size <= n - at && size - 1 <= spare && fixed_size[bytes[at]] == size);
    }
    guard->seen += at;
    guard->pending -= *items - left;
    *items = left;
    return at;
}

size_t guard_feed(struct guard *guard, const uint8_t *bytes, size_t n)
{
    size_t at = 0;

    while (at < n && guard->status == GUARD_MORE) {
        if (guard->skip > 0) {
            uint32_t take = n - at < guard->skip ? (uint32_t)(n - at) : guard->skip;

            at += take;
            guard->seen += take;
            guard->skip -= take;
            if (guard->skip == 0)
                guard_close(guard);
            continue;
        }
        if (guard->header_len == 0 && guard->depth > 0) {
            at += guard_fixed(guard, bytes + at, n - at);
            if (at == n)
                break;
        }
        guard->seen++;
        if (guard->header_len == 0)
            guard_begin(guard, bytes[at]);
        guard->header[guard->header_len++] = bytes[at++];
        if (guard->header_len == guard->header_need && guard->status == GUARD_MORE) {
            guard->header_len = 0;
            guard_item(guard);
        }
    }
    return at;
}

int guard_error(const struct guard *guard, struct evd_error *err)
{
    switch (guard->status) {
    case GUARD_TOO_LARGE:
        return error_set(err, EVD_E_LIMIT, "frame",
                         "a message is larger than %u bytes, or announces more than fits in them: "
                         "send less at once, labels and classes in several dataset.append",
                         guard->limits->frame);
    case GUARD_TOO_DEEP:
        return error_set(err, EVD_E_LIMIT, "depth",
                         "a message has arrays or maps nested deeper than %u levels: flatten it",
                         EVD_MAX_DEPTH);
    case GUARD_TOO_MANY:
        return error_set(err, EVD_E_LIMIT, "nodes",
                         "a message has more than %u objects: send numbers as bin, or less at once",
                         guard->limits->nodes);
    case GUARD_INVALID:
        return error_set(
            err, EVD_E_PROTOCOL, "",
            "byte %zu of a message, 0x%02x, begins no type of this protocol: ext types "
            "are not used here, and 0xc1 is not MessagePack",
            guard->seen - 1, guard->header[0]);
    default:
        return error_set(err, EVD_E_PROTOCOL, "", "a message ended before it was complete");
    }
}
