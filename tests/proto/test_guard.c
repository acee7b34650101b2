#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/guard.h"
#include "support.h"

/* Feeds the bytes in pieces of `step` and checks that no piece is asked for twice. Returns how many
 * belonged to the object. */
static size_t feed(struct guard *guard, const uint8_t *bytes, size_t n, size_t step)
{
    size_t at = 0;

    guard_reset(guard);
    while (at < n && guard->status == GUARD_MORE) {
        size_t piece = n - at < step ? n - at : step;
        size_t used = guard_feed(guard, bytes + at, piece);

        at += used;
        assert_true(used == piece || guard->status != GUARD_MORE);
        assert_int_equal(guard->seen, at);
    }
    assert_int_equal(guard_feed(guard, bytes, guard->status == GUARD_MORE ? 0 : n), 0);
    return at;
}

/* What the guard says of hex bytes, the same however they are cut. */
static enum guard_status judge(const struct guard_limits *limits, const char *hex)
{
    struct evd_buf buf;
    struct guard guard;
    enum guard_status status;
    size_t used;

    buf_init(&buf, 1 << 24);
    assert_int_equal(hex_append(&buf, hex), 0);
    guard_init(&guard, limits);
    used = feed(&guard, buf.data, buf.len, buf.len);
    status = guard.status;
    for (size_t step = 1; step < buf.len; step++) {
        assert_int_equal(feed(&guard, buf.data, buf.len, step), used);
        assert_int_equal(guard.status, status);
    }
    buf_fini(&buf);
    return status;
}

#define REQUEST(hex) judge(&guard_request_limits, hex)

static void test_every_type_byte(void **state)
{
    struct guard guard;
    uint8_t bytes[32] = {0};

    (void)state;
    guard_init(&guard, &guard_request_limits);
    for (unsigned type = 0; type < 256; type++) {
        bool ext = (type >= 0xc7 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8);
        enum guard_status status;

        bytes[0] = (uint8_t)type;
        feed(&guard, bytes, sizeof(bytes), sizeof(bytes));
        status = guard.status;
        assert_int_equal(status, ext || type == 0xc1 ? GUARD_INVALID : GUARD_DONE);
        if (status == GUARD_DONE) {
            msgpack_unpacked unpacked;
            size_t offset = 0;

            msgpack_unpacked_init(&unpacked);
            assert_int_equal(msgpack_unpack_next(&unpacked, (char *)bytes, sizeof(bytes), &offset),
                             MSGPACK_UNPACK_SUCCESS);
            assert_int_equal(offset, guard.seen);
            msgpack_unpacked_destroy(&unpacked);
        }
    }
}

static void test_huge_counts(void **state)
{
    (void)state;
    assert_int_equal(REQUEST("dd 0f ff ff ff"), GUARD_TOO_LARGE);
    assert_int_equal(REQUEST("dd ff ff ff ff"), GUARD_TOO_LARGE);
    assert_int_equal(REQUEST("df ff ff ff ff"), GUARD_TOO_LARGE);
    assert_int_equal(REQUEST("df 80 00 00 00"), GUARD_TOO_LARGE); /* twice that is 2^32 */
    assert_int_equal(REQUEST("db ff ff ff ff"), GUARD_TOO_LARGE);
    assert_int_equal(REQUEST("c6 ff ff ff ff"), GUARD_TOO_LARGE);
    assert_int_equal(REQUEST("94 00 01 a1 61 91 81 a1 78 dd 0f ff ff ff"), GUARD_TOO_LARGE);
    /* Each array fits, all together do not: 16 x 65535 items and more. */
    assert_int_equal(REQUEST("92 dc ff ff dc ff ff"), GUARD_TOO_MANY);
    assert_int_equal(REQUEST("dc ff ff dc ff ff"), GUARD_TOO_MANY);
}

static void test_depth(void **state)
{
    (void)state;
    assert_int_equal(REQUEST("91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 01"), GUARD_DONE);
    assert_int_equal(REQUEST("91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 01"),
                     GUARD_TOO_DEEP);
    assert_int_equal(REQUEST("91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 81 01 01"), GUARD_DONE);
    assert_int_equal(REQUEST("91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 91 80"), GUARD_TOO_DEEP);
    /* Wide, not deep: closed containers do not count. */
    assert_int_equal(REQUEST("93 91 91 01 91 91 01 91 91 01"), GUARD_DONE);
    assert_int_equal(REQUEST("92 90 80"), GUARD_DONE);
}

static void test_frame_limit(void **state)
{
    static const struct guard_limits small = {10, 100};

    (void)state;
    assert_int_equal(judge(&small, "a9 01 02 03 04 05 06 07 08 09"), GUARD_DONE);
    assert_int_equal(judge(&small, "aa"), GUARD_TOO_LARGE);
    assert_int_equal(judge(&small, "99 01 02 03 04 05 06 07 08 09"), GUARD_DONE);
    assert_int_equal(judge(&small, "9a"), GUARD_TOO_LARGE);
    assert_int_equal(judge(&small, "92 a7 01 02 03 04 05 06 07 08"), GUARD_DONE);
    assert_int_equal(judge(&small, "92 a8"), GUARD_TOO_LARGE); /* no byte left for the second */
    assert_int_equal(judge(&small, "91 cf 01 02 03 04 05 06 07 08"), GUARD_DONE);
    assert_int_equal(judge(&small, "92 00 cf"), GUARD_TOO_LARGE);
    assert_int_equal(judge(&small, "84 01 02 03 04 05 06 07 08"), GUARD_DONE);
    assert_int_equal(judge(&small, "85"), GUARD_TOO_LARGE);
    assert_int_equal(judge(&small, "91 92 a5 01 02 03 04 05 dd"), GUARD_TOO_LARGE);
}

/* Exactly as much as the limits allow, and one more. */
static void test_real_limits(void **state)
{
    struct guard guard;
    uint8_t *bytes = calloc(1, EVD_MAX_FRAME + 1);

    (void)state;
    guard_init(&guard, &guard_request_limits);
    memcpy(bytes, "\xc6\x00\x0f\xff\xfb", 5); /* 2^20 - 5 bytes after a header of 5 */
    assert_int_equal(feed(&guard, bytes, EVD_MAX_FRAME + 1, 4096), EVD_MAX_FRAME);
    assert_int_equal(guard.status, GUARD_DONE);
    assert_int_equal(feed(&guard, bytes, EVD_MAX_FRAME - 1, 1), EVD_MAX_FRAME - 1);
    assert_int_equal(guard.status, GUARD_MORE);
    bytes[4]++;
    assert_int_equal(feed(&guard, bytes, EVD_MAX_FRAME + 1, 4096), 5);
    assert_int_equal(guard.status, GUARD_TOO_LARGE);

    memcpy(bytes, "\xdd\x00\x00\xff\xff", 5); /* 65535 zeros and the array itself */
    assert_int_equal(feed(&guard, bytes, EVD_MAX_FRAME, EVD_MAX_FRAME), 5 + 65535);
    assert_int_equal(guard.status, GUARD_DONE);
    memcpy(bytes, "\xdd\x00\x01\x00\x00", 5);
    assert_int_equal(feed(&guard, bytes, EVD_MAX_FRAME, EVD_MAX_FRAME), 5);
    assert_int_equal(guard.status, GUARD_TOO_MANY);
    free(bytes);
}

static void test_truncated(void **state)
{
    static const char *const cut[] = {"",      "91",       "dc 00", "d9",      "d9 02 61",
                                      "92 01", "c6 00 00", "cf 00", "81 a1 61"};

    (void)state;
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
        assert_int_equal(REQUEST(cut[i]), GUARD_MORE);
}

static void test_next_object(void **state)
{
    struct guard guard;
    const uint8_t bytes[] = {0x92, 0x01, 0x02, 0xa1, 0x61, 0xc1};

    (void)state;
    guard_init(&guard, &guard_request_limits);
    assert_int_equal(guard_feed(&guard, bytes, 6), 3);
    assert_int_equal(guard.status, GUARD_DONE);
    guard_reset(&guard);
    assert_int_equal(guard_feed(&guard, bytes + 3, 3), 2);
    guard_reset(&guard);
    assert_int_equal(guard_feed(&guard, bytes + 5, 1), 1);
    assert_int_equal(guard.status, GUARD_INVALID);
}

static void test_errors(void **state)
{
    struct guard guard = {.limits = &guard_request_limits, .seen = 7, .header = {0xc1}};
    struct evd_error err;

    (void)state;
    guard.status = GUARD_TOO_LARGE;
    assert_int_equal(guard_error(&guard, &err), EVD_E_LIMIT);
    assert_string_equal(err.detail, "frame");
    assert_non_null(strstr(err.message, "1048576"));
    guard.status = GUARD_TOO_DEEP;
    assert_int_equal(guard_error(&guard, &err), EVD_E_LIMIT);
    assert_string_equal(err.detail, "depth");
    guard.status = GUARD_TOO_MANY;
    assert_int_equal(guard_error(&guard, &err), EVD_E_LIMIT);
    assert_string_equal(err.detail, "nodes");
    guard.status = GUARD_INVALID;
    assert_int_equal(guard_error(&guard, &err), EVD_E_PROTOCOL);
    assert_non_null(strstr(err.message, "byte 6 of a message, 0xc1"));
    guard.status = GUARD_MORE;
    assert_int_equal(guard_error(&guard, &err), EVD_E_PROTOCOL);
}

/* Whatever msgpack-c writes within the limits, the guard ends where msgpack-c ends, however the
 * bytes are cut; and of every beginning it says "more". */
static void test_random_objects(void **state)
{
    static const struct guard_limits wide = {1u << 30, 1u << 30};
    uint64_t seed = 1;
    struct evd_buf buf;
    struct guard guard;

    (void)state;
    buf_init(&buf, 1u << 30);
    guard_init(&guard, &wide);
    for (int round = 0; round < 300; round++) {
        msgpack_packer pk;
        msgpack_unpacked unpacked;
        size_t offset = 0;

        buf_truncate(&buf, 0);
        buf_packer(&buf, &pk);
        pack_random(&pk, &seed, 5);
        pack_random(&pk, &seed, 1);
        assert_false(buf.failed);
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(msgpack_unpack_next(&unpacked, (char *)buf.data, buf.len, &offset),
                         MSGPACK_UNPACK_SUCCESS);
        msgpack_unpacked_destroy(&unpacked);
        assert_int_equal(feed(&guard, buf.data, buf.len, buf.len), offset);
        assert_int_equal(guard.status, GUARD_DONE);
        assert_int_equal(feed(&guard, buf.data, buf.len, 1), offset);
        assert_int_equal(guard.status, GUARD_DONE);
        feed(&guard, buf.data, test_random(&seed) % offset, 1 + test_random(&seed) % 9);
        assert_int_equal(guard.status, GUARD_MORE);
    }
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_byte), cmocka_unit_test(test_huge_counts),
        cmocka_unit_test(test_depth),           cmocka_unit_test(test_frame_limit),
        cmocka_unit_test(test_real_limits),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_next_object),     cmocka_unit_test(test_errors),
        cmocka_unit_test(test_random_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
