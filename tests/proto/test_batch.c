#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/batch.h"
#include "proto/guard.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "support.h"

#define ALL_COLUMNS ((1u << COLUMN_COUNT) - 1)

static struct evd_buf buf;
static struct message msg;
static struct batch_decoded decoded;
static struct evd_error err;

static uint64_t indices[EVD_MAX_BATCH], seeds[EVD_MAX_BATCH];
static uint32_t labels[EVD_MAX_BATCH], repeats[EVD_MAX_BATCH];
static uint64_t seconds[EVD_MAX_BATCH];
static float probabilities[EVD_MAX_BATCH], shares[EVD_MAX_BATCH];
static struct batch_columns columns = {.data = {
                                           [COLUMN_index] = indices,
                                           [COLUMN_label] = labels,
                                           [COLUMN_probability] = probabilities,
                                           [COLUMN_repeat] = repeats,
                                           [COLUMN_augment_seed] = seeds,
                                           [COLUMN_augment_strength] = shares,
                                           [COLUMN_mix_index] = seconds,
                                           [COLUMN_mix_label] = repeats,
                                           [COLUMN_mix_lambda] = shares,
                                           [COLUMN_mix_label_lambda] = probabilities,
                                       }};

static const struct batch_head plain = {.stream = 1, .job = {"train", 5}};
static char long_name[EVD_MAX_NAME];
static const struct batch_head largest = {
    UINT32_MAX, {long_name, EVD_MAX_NAME}, UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, true};

static int setup(void **state)
{
    (void)state;
    buf_init(&buf, EVD_MAX_REPLY_FRAME);
    message_init(&msg);
    memset(long_name, 'j', sizeof(long_name));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&buf);
    message_fini(&msg);
    batch_decoded_fini(&decoded);
    return 0;
}

static int decode(const struct batch_format *format)
{
    struct guard guard;
    bool has_id;

    guard_init(&guard, &guard_reply_limits);
    assert_int_equal(guard_feed(&guard, buf.data, buf.len), buf.len);
    assert_int_equal(guard.status, GUARD_DONE);
    assert_int_equal(message_decode(&msg, buf.data, buf.len, &has_id, &err), EVD_OK);
    assert_true(str_is(msg.method, "batch"));
    return batch_decode(msg.params, format, &decoded, &err);
}

static void fill(uint32_t n, unsigned index_bits, unsigned label_bits, uint64_t *seed)
{
    columns.n = n;
    for (uint32_t i = 0; i < n; i++) {
        indices[i] = test_random(seed) >> (64 - index_bits);
        labels[i] = (uint32_t)(test_random(seed) >> (64 - label_bits));
        probabilities[i] = (float)(test_random(seed) >> 40) / (float)(1 << 24);
        repeats[i] = i % 3;
        seeds[i] = test_random(seed);
        seconds[i] = test_random(seed) >> (64 - index_bits);
        shares[i] = (float)(test_random(seed) >> 40) / (float)(1 << 24);
    }
}

static void check_decoded(const struct batch_head *head, const struct batch_format *format)
{
    uint32_t n = columns.n;

    assert_int_equal(decoded.head.stream, head->stream);
    assert_int_equal(decoded.head.job.len, head->job.len);
    assert_memory_equal(decoded.head.job.data, head->job.data, head->job.len);
    assert_int_equal(decoded.head.generation, head->generation);
    assert_int_equal(decoded.head.epoch, head->epoch);
    assert_int_equal(decoded.head.step, head->step);
    assert_int_equal(decoded.head.revision, head->revision);
    assert_int_equal(decoded.head.redelivered, head->redelivered);
    assert_int_equal(decoded.n, n);
    assert_int_equal(decoded.columns, format->columns);
    for (int c = 0; c < COLUMN_COUNT; c++) {
        if (format->columns >> c & 1)
            assert_memory_equal(decoded.data[c], columns.data[c], n * column_table[c].size);
    }
}

static void round_trip(const struct batch_head *head, const struct batch_format *format)
{
    buf_truncate(&buf, 0);
    assert_int_equal(batch_encode(&buf, head, format, &columns), EVD_OK);
    assert_true(buf.len <= batch_size_bound(format, columns.n));
    assert_int_equal(decode(format), EVD_OK);
    check_decoded(head, format);
}

/* Every width of index, every kind of count, both encodings, every set of columns. */
static void test_round_trips(void **state)
{
    static const uint32_t counts[] = {0, 1, 15, 16, 257, 65536};
    static const unsigned bits[] = {7, 8, 16, 32, 40, 64};
    uint64_t seed = 2;

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (size_t b = 0; b < sizeof(bits) / sizeof(bits[0]); b++) {
            struct batch_format format = {.columns = ALL_COLUMNS, .wide_index = bits[b] > 32};

            fill(counts[c], bits[b], bits[b] < 32 ? bits[b] : 32, &seed);
            if (counts[c] < 1000) {
                for (format.columns = 1; format.columns < ALL_COLUMNS; format.columns += 2)
                    round_trip(&plain, &format);
            }
            round_trip(&largest, &format);
            format.packed = true;
            round_trip(&plain, &format);
            if (counts[c] < 1000)
                round_trip(&largest, &format);
        }
    }
}

/* All columns of sample numbers have the width of the index. */
static void test_narrow(void **state)
{
    static const uint32_t first[] = {7, UINT32_MAX}, second[] = {UINT32_MAX - 1, 0};
    const struct batch_columns narrow = {
        .data = {[COLUMN_index] = first, [COLUMN_mix_index] = second},
        .n = 2,
        .narrow_index = true,
    };
    struct batch_format format = {.columns = 1u << COLUMN_index | 1u << COLUMN_mix_index};

    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        format.packed = packed;
        buf_truncate(&buf, 0);
        assert_int_equal(batch_encode(&buf, &plain, &format, &narrow), EVD_OK);
        assert_int_equal(decode(&format), EVD_OK);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(((uint64_t *)decoded.data[COLUMN_index])[i], first[i]);
            assert_int_equal(((uint64_t *)decoded.data[COLUMN_mix_index])[i], second[i]);
        }
    }
    assert_int_equal(batch_size_bound(&format, 100) - batch_size_bound(&format, 0), 100 * 8);
    format.wide_index = true;
    assert_int_equal(batch_size_bound(&format, 100) - batch_size_bound(&format, 0), 100 * 16);
}

static void test_bytes(void **state)
{
    static const uint8_t head[] = "\x93\x02\xa5"
                                  "batch\x91\x88\xa6stream\x01\xa3job\xa5train\xaageneration\x00"
                                  "\xa5"
                                  "epoch\x00\xa4step\x00\xa8revision\x00\xa5index";
    static const uint8_t array[] = "\x92\xcd\x01\x02\xcd\x00\x03\xa5label\x92\x00\x01";
    static const uint8_t packed[] = "\xc6\0\0\0\x08\x02\x01\0\0\x03\0\0\0\xa5label"
                                    "\xc6\0\0\0\x08\0\0\0\0\x01\0\0\0";
    struct batch_format format = {.columns = 3};

    (void)state;
    columns.n = 2;
    indices[0] = 0x102;
    indices[1] = 3;
    labels[0] = 0;
    labels[1] = 1;
    buf_truncate(&buf, 0);
    assert_int_equal(batch_encode(&buf, &plain, &format, &columns), EVD_OK);
    assert_int_equal(buf.len, sizeof(head) + sizeof(array) - 2);
    assert_memory_equal(buf.data, head, sizeof(head) - 1);
    assert_memory_equal(buf.data + sizeof(head) - 1, array, sizeof(array) - 1);
    format.packed = true;
    buf_truncate(&buf, 0);
    assert_int_equal(batch_encode(&buf, &plain, &format, &columns), EVD_OK);
    assert_int_equal(buf.len, sizeof(head) + sizeof(packed) - 2);
    assert_memory_equal(buf.data + sizeof(head) - 1, packed, sizeof(packed) - 1);
}

/* Without room nothing is written, and the buffer stays usable. */
static void test_limit(void **state)
{
    struct batch_format format = {.columns = 1};
    struct batch_head head = plain;
    struct evd_buf small;

    (void)state;
    columns.n = 100;
    buf_init(&small, 700);
    buf_append(&small, "before", 6);
    indices[99] = 1u << 31; /* five bytes each */
    assert_int_equal(batch_encode(&small, &plain, &format, &columns), EVD_E_LIMIT);
    assert_int_equal(small.len, 6);
    assert_false(small.failed);
    for (int i = 0; i < 100; i++)
        indices[i] = 1; /* one byte each */
    assert_int_equal(batch_encode(&small, &plain, &format, &columns), EVD_OK);
    assert_memory_equal(small.data, "before\x93\x02", 8);
    head.job.len = EVD_MAX_NAME + 1;
    assert_int_equal(batch_encode(&small, &head, &format, &columns), EVD_E_LIMIT);
    buf_fini(&small);
}

static void test_columns(void **state)
{
    (void)state;
    for (int c = 0; c < COLUMN_COUNT; c++)
        assert_int_equal(column_find(column_name(c), strlen(column_name(c))), c);
    assert_int_equal(column_find("indexes", 7), -1);
    assert_int_equal(column_find("inde", 4), -1);
}

/* ---- batches that no daemon sends ---- */

#define HEAD_5                                                                                     \
    "a3 6a6f62 a1 78 aa 67656e65726174696f6e 00 a5 65706f6368 00 a4 73746570 00"                   \
    "a8 7265766973696f6e 00"
#define HEAD  "a6 73747265616d 01" HEAD_5
#define INDEX "a5 696e646578"
#define LABEL "a5 6c6162656c"

static void hostile(const struct batch_format *format, const char *params, const char *detail,
                    const char *says)
{
    buf_truncate(&buf, 0);
    assert_int_equal(hex_append(&buf, "93 02 a5 6261746368"), 0);
    assert_int_equal(hex_append(&buf, params), 0);
    if (says) {
        assert_int_equal(decode(format), EVD_E_PROTOCOL);
        assert_string_equal(err.detail, detail);
        if (!strstr(err.message, says))
            fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    } else {
        assert_int_equal(decode(format), EVD_OK);
    }
}

static void test_hostile(void **state)
{
    static const struct batch_format one = {.columns = 1}, two = {.columns = 3},
                                     wide = {.columns = 1, .wide_index = true},
                                     odds = {.columns = 5};

    (void)state;
    hostile(&one, "90", "", "not one map");
    hostile(&one, "91 87" HEAD INDEX "91 05", "", NULL);
    hostile(&one, "91 86" HEAD_5 INDEX "91 05", "stream", "is missing");
    hostile(&one, "91 86" HEAD, "index", "is missing");
    hostile(&two, "91 87" HEAD INDEX "91 05", "label", "is missing");
    hostile(&two, "91 88" HEAD INDEX "91 05" LABEL "92 01 02", "label", "another number");
    hostile(&one, "91 88" HEAD INDEX "91 05" INDEX "91 05", "index", "twice");
    hostile(&one, "91 87" HEAD INDEX "01", "index", "neither");
    hostile(&one, "91 87" HEAD INDEX "c4 05 0102030405", "index", "neither");
    hostile(&wide, "91 87" HEAD INDEX "c4 04 01020304", "index", "neither");
    hostile(&one, "91 87" HEAD INDEX "91 ff", "index", "does not belong");
    hostile(&one, "91 87" HEAD INDEX "91 c0", "index", "does not belong");
    hostile(&two, "91 88" HEAD INDEX "91 05" LABEL "91 cf 0000000100000000", "label",
            "does not belong");
    hostile(&odds, "91 88" HEAD INDEX "91 05 ab 70726f626162696c697479 91 a1 31", "probability",
            "does not belong");
    hostile(&odds,
            "91 88" HEAD INDEX "92 05 06 ab 70726f626162696c697479 92 01 cb 3fe0000000000000", "",
            NULL);
    assert_true(((float *)decoded.data[COLUMN_probability])[0] == 1.0f);
    assert_true(((float *)decoded.data[COLUMN_probability])[1] == 0.5f);
    /* Keys of a newer daemon, and columns that were not asked for, are passed over. */
    hostile(&one, "91 8a" HEAD INDEX "91 05" LABEL "a1 78 01 02 a1 7a 91 80", "", NULL);
    assert_int_equal(decoded.columns, 1);
    hostile(&one, "91 87 a6 73747265616d ff" HEAD_5 INDEX "91 05", "stream", "wrong type");
    hostile(&one, "91 87 a6 73747265616d cf 0000000100000000" HEAD_5 INDEX "91 05", "stream",
            "wrong type");
    hostile(&one, "91 88" HEAD "a3 6a6f62 01" INDEX "91 05", "job", "wrong type");
}

static void test_too_many(void **state)
{
    static const struct batch_format one = {.columns = 1};
    uint32_t zero = 0;

    (void)state;
    buf_truncate(&buf, 0);
    assert_int_equal(hex_append(&buf, "93 02 a5 6261746368 91 87" HEAD INDEX "c6 00 04 00 04"), 0);
    for (uint32_t i = 0; i <= EVD_MAX_BATCH; i++)
        buf_append(&buf, &zero, sizeof(zero));
    assert_int_equal(decode(&one), EVD_E_PROTOCOL);
    assert_non_null(strstr(err.message, "more entries"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_limit),
        cmocka_unit_test(test_columns),     cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
