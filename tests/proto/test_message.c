#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/guard.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "support.h"

static struct message msg;
static struct evd_error err;
static struct evd_buf buf;
static bool has_id;

static int setup(void **state)
{
    (void)state;
    message_init(&msg);
    buf_init(&buf, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    message_fini(&msg);
    buf_fini(&buf);
    return 0;
}

static int decode_buf(void)
{
    struct guard guard;

    guard_init(&guard, &guard_request_limits);
    assert_int_equal(guard_feed(&guard, buf.data, buf.len), buf.len);
    assert_int_equal(guard.status, GUARD_DONE);
    return message_decode(&msg, buf.data, buf.len, &has_id, &err);
}

static int decode_hex(const char *hex)
{
    buf_truncate(&buf, 0);
    assert_int_equal(hex_append(&buf, hex), 0);
    return decode_buf();
}

static void test_three_messages(void **state)
{
    (void)state;
    assert_int_equal(decode_hex("94 00 ce ff ff ff ff a1 6d 91 81 a1 61 01"), EVD_OK);
    assert_int_equal(msg.type, MESSAGE_REQUEST);
    assert_true(has_id);
    assert_int_equal(msg.id, UINT32_MAX);
    assert_true(str_is(msg.method, "m"));
    assert_int_equal(msg.params->via.array.size, 1);

    assert_int_equal(decode_hex("93 02 a1 6e 90"), EVD_OK);
    assert_int_equal(msg.type, MESSAGE_NOTIFICATION);
    assert_false(has_id);
    assert_true(str_is(msg.method, "n"));
    assert_int_equal(msg.params->via.array.size, 0);

    assert_int_equal(decode_hex("94 01 07 c0 80"), EVD_OK);
    assert_int_equal(msg.type, MESSAGE_RESPONSE);
    assert_int_equal(msg.id, 7);
    assert_int_equal(msg.error->type, MSGPACK_OBJECT_NIL);
    assert_int_equal(msg.result->type, MSGPACK_OBJECT_MAP);
}

static void test_bad_shapes(void **state)
{
    static const struct {
        const char *hex, *detail;
        int id; /* -1: cannot be read */
    } bad[] = {
        {"01", "", -1},
        {"80", "", -1},
        {"90", "", -1},
        {"92 00 01", "", -1},
        {"94 03 01 a1 6d 90", "", -1},    /* no such type */
        {"94 ff 01 a1 6d 90", "", -1},    /* negative */
        {"94 a1 30 01 a1 6d 90", "", -1}, /* text */
        {"93 00 05 a1 6d", "", 5},        /* request of three */
        {"95 00 05 a1 6d 90 c0", "", 5},  /* request of five */
        {"94 02 a1 6d 90 c0", "", -1},    /* notification of four */
        {"94 00 ff a1 6d 90", "id", -1},  /* negative id */
        {"94 00 c0 a1 6d 90", "id", -1},  /* no id */
        {"94 00 cf 00 00 00 01 00 00 00 00 a1 6d 90", "id", -1},
        {"94 00 cb 41 f0 00 00 00 00 00 00 a1 6d 90", "id", -1}, /* the same as a float */
        {"94 00 ca 3f 00 00 00 a1 6d 90", "id", -1},             /* 0.5 */
        {"94 00 cb bf f0 00 00 00 00 00 00 a1 6d 90", "id", -1}, /* -1 */
        {"94 00 cb 7f f8 00 00 00 00 00 00 a1 6d 90", "id", -1}, /* NaN */
        {"94 ca 40 40 00 00 05 a1 6d 90", "", -1},               /* type 3 */
        {"94 00 05 01 90", "method", 5},                         /* number as method */
        {"94 00 05 c0 90", "method", 5},                         /* no method */
        {"94 00 05 a1 6d c0", "params", 5},
        {"94 00 05 a1 6d 80", "params", 5},
        {"94 00 cc 85 a1 6d 91 01", "params", 0x85},
        {"94 00 cd 01 05 a1 6d 92 80 80", "params", 0x105},
        {"93 02 a1 6d 91 90", "params", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(decode_hex(bad[i].hex), EVD_E_PROTOCOL);
        assert_string_equal(err.detail, bad[i].detail);
        assert_int_equal(has_id, bad[i].id >= 0);
        if (has_id)
            assert_int_equal(msg.id, bad[i].id);
    }
    /* What the guard would never pass on. */
    assert_int_equal(message_decode(&msg, (const uint8_t *)"\x92\x01", 2, &has_id, &err),
                     EVD_E_PROTOCOL);
    assert_int_equal(message_decode(&msg, (const uint8_t *)"\x01\x01", 2, &has_id, &err),
                     EVD_E_PROTOCOL);
}

/* Numbers of JavaScript, and text of those who only have bytes. */
static void test_other_encoders(void **state)
{
    (void)state;
    assert_int_equal(decode_hex("94 00 cb 41 ef ff ff ff e0 00 00 c4 01 6d 90"), EVD_OK);
    assert_true(has_id);
    assert_int_equal(msg.id, UINT32_MAX);
    assert_true(str_is(msg.method, "m"));
    assert_int_equal(decode_hex("94 ca 00 00 00 00 ca 40 e0 00 00 c4 01 6d 90"), EVD_OK);
    assert_int_equal(msg.type, MESSAGE_REQUEST);
    assert_int_equal(msg.id, 7);
    assert_int_equal(decode_hex("93 ca 40 00 00 00 c5 00 01 6e 90"), EVD_OK);
    assert_int_equal(msg.type, MESSAGE_NOTIFICATION);
    assert_true(str_is(msg.method, "n"));
}

static void test_peek_id(void **state)
{
    uint32_t id = 0;

    (void)state;
    assert_true(message_peek_id((const uint8_t *)"\x94\x00\x2a", 3, &id));
    assert_int_equal(id, 42);
    assert_true(message_peek_id((const uint8_t *)"\x94\x00\xce\x01\x02\x03\x04", 7, &id));
    assert_int_equal(id, 0x01020304);
    assert_false(message_peek_id((const uint8_t *)"\x94\x00\xce\x01\x02\x03", 6, &id));
    assert_false(message_peek_id((const uint8_t *)"\x94\x00", 2, &id));
    assert_false(message_peek_id((const uint8_t *)"\x93\x02\x01", 3, &id));
    assert_false(message_peek_id((const uint8_t *)"\x94\x00\xcf\x00", 4, &id));
}

/* Large and small messages in turn: the memory of the large ones is kept, and right. */
static void test_memory_is_reused(void **state)
{
    msgpack_packer pk;

    (void)state;
    for (int round = 0; round < 12; round++) {
        uint32_t n = round % 3 == 2 ? 1 : 3000;
        void *chunk = msg.zone.chunk_list.head;

        buf_truncate(&buf, 0);
        buf_packer(&buf, &pk);
        message_request(&pk, 9, "m");
        pack_map_begin(&pk);
        pack_key_array(&pk, "a", n);
        for (uint32_t i = 0; i < n; i++)
            msgpack_pack_uint32(&pk, i);
        pack_map_end(&pk);
        assert_int_equal(decode_buf(), EVD_OK);
        assert_int_equal(msg.params->via.array.ptr[0].via.map.ptr[0].val.via.array.size, n);
        if (round > 9)
            assert_ptr_equal(msg.zone.chunk_list.head, chunk);
    }
}

/* ---- fields ---- */

static union params params;

/* Decodes {key: value, ...}, given as hex, as the fields of a method. */
static int fields(enum method method, const char *hex)
{
    buf_truncate(&buf, 0);
    assert_int_equal(hex_append(&buf, "93 02 a1 6d 91"), 0);
    assert_int_equal(hex_append(&buf, hex), 0);
    assert_int_equal(decode_buf(), EVD_OK);
    return method_decode(method, msg.params, &params, &err);
}

/* Text that must stand in the message. */
static void says(int code, const char *detail, const char *text)
{
    assert_int_equal(err.code, code);
    assert_string_equal(err.detail, detail);
    if (!strstr(err.message, text))
        fail_msg("\"%s\" does not say \"%s\"", err.message, text);
}

#define STREAM "a6 73747265616d"
#define WINDOW "a6 77696e646f77"
#define FORCE  "a5 666f726365"
#define JOB    "a3 6a6f62"

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(fields(METHOD_stream_credit, "82" STREAM "ce ffffffff" WINDOW "08"), EVD_OK);
    assert_true(params.stream_credit.has_stream && params.stream_credit.has_window);
    assert_int_equal(params.stream_credit.stream, UINT32_MAX);
    assert_int_equal(params.stream_credit.window, 8);

    assert_int_equal(fields(METHOD_job_drop, "82" FORCE "c3" JOB "a1 78"), EVD_OK);
    assert_true(params.job_drop.force);
    assert_true(str_is(params.job_drop.job, "x"));
    assert_int_equal(fields(METHOD_job_drop, "81" JOB "a1 78"), EVD_OK);
    assert_false(params.job_drop.has_force);
    assert_int_equal(fields(METHOD_dataset_append, "82 a5 6472616674 01 a6 6c6162656c73 92 01 c0"),
                     EVD_OK);
    assert_int_equal(params.dataset_append.labels->via.array.size, 2);

    assert_int_equal(fields(METHOD_job_list, "80"), EVD_OK);
    assert_int_equal(decode_hex("93 02 a1 6d 90"), EVD_OK);
    assert_int_equal(method_decode(METHOD_job_list, msg.params, &params, &err), EVD_OK);
    assert_int_equal(method_decode(METHOD_job_info, msg.params, &params, &err),
                     EVD_E_MISSING_FIELD);
    says(EVD_E_MISSING_FIELD, "job", "job.info");
}

#define EPOCH "a5 65706f6368"
#define STEP  "a4 73746570"

static uint64_t epoch_of(const char *number)
{
    char hex[128];

    snprintf(hex, sizeof(hex), "83" JOB "a1 78" STEP "00" EPOCH "%s", number);
    assert_int_equal(fields(METHOD_job_batch, hex), EVD_OK);
    return params.job_batch.epoch;
}

static void refused_epoch(const char *number, int code, const char *text)
{
    char hex[128];

    snprintf(hex, sizeof(hex), "83" JOB "a1 78" STEP "00" EPOCH "%s", number);
    assert_int_equal(fields(METHOD_job_batch, hex), code);
    says(code, "epoch", text);
}

/* Whole floats up to 2^53 are integers; no other is. */
static void test_whole_floats(void **state)
{
    (void)state;
    assert_int_equal(epoch_of("ca 00000000"), 0);
    assert_int_equal(epoch_of("ca 80000000"), 0); /* -0 */
    assert_int_equal(epoch_of("ca 42280000"), 42);
    assert_int_equal(epoch_of("cb 3ff0000000000000"), 1);
    assert_int_equal(epoch_of("cb 41f0000000000000"), UINT64_C(1) << 32);
    assert_int_equal(epoch_of("cb 41f0000000100000"), (UINT64_C(1) << 32) + 1);
    assert_int_equal(epoch_of("cb 433fffffffffffff"), (UINT64_C(1) << 53) - 1);
    assert_int_equal(epoch_of("cb 4340000000000000"), UINT64_C(1) << 53);
    refused_epoch("cb 4340000000000001", EVD_E_BAD_VALUE, "write it as an integer");
    refused_epoch("cb 43e0000000000000", EVD_E_BAD_VALUE, "write it as an integer");
    refused_epoch("cb 7ff0000000000000", EVD_E_BAD_VALUE, "write it as an integer");
    refused_epoch("cb 7ff8000000000000", EVD_E_BAD_TYPE, "must be an integer");
    refused_epoch("cb 3fe0000000000000", EVD_E_BAD_TYPE, "must be an integer");
    refused_epoch("cb 0000000000000001", EVD_E_BAD_TYPE, "must be an integer");
    refused_epoch("ca 3fc00000", EVD_E_BAD_TYPE, "must be an integer");
    refused_epoch("cb bff0000000000000", EVD_E_BAD_VALUE, "from 0 to");
    refused_epoch("cb fff0000000000000", EVD_E_BAD_VALUE, "from 0 to");
    /* A u32. */
    assert_int_equal(
        fields(METHOD_stream_credit, "82" STREAM "cb 41efffffffe00000" WINDOW "ca 41000000"),
        EVD_OK);
    assert_int_equal(params.stream_credit.stream, UINT32_MAX);
    assert_int_equal(params.stream_credit.window, 8);
    fields(METHOD_stream_credit, "82" STREAM "cb 41f0000000000000" WINDOW "08");
    says(EVD_E_BAD_VALUE, "stream", "from 0 to 4294967295");
}

static void test_bin_as_text(void **state)
{
    (void)state;
    assert_int_equal(fields(METHOD_job_drop, "82 c4 05 666f726365 c3 c4 03 6a6f62 c4 01 78"),
                     EVD_OK);
    assert_true(params.job_drop.force);
    assert_true(str_is(params.job_drop.job, "x"));
    assert_int_equal(fields(METHOD_job_drop, "81" JOB "c6 00000001 78"), EVD_OK);
    assert_true(str_is(params.job_drop.job, "x"));
    fields(METHOD_job_info, "81" JOB "c4 02 c3 28");
    says(EVD_E_BAD_VALUE, "job", "UTF-8");
    fields(METHOD_job_info, "82" JOB "a1 78 c4 03 6a6f62 a1 78");
    says(EVD_E_BAD_VALUE, "job", "twice");
    fields(METHOD_job_info, "81 c4 02 6a6f a1 78");
    says(EVD_E_UNKNOWN_FIELD, "jo", "did you mean \"job\"?");
}

/* Nil is a field that was not given. */
static void test_nil_fields(void **state)
{
    (void)state;
    for (int i = 0; i < METHOD_COUNT; i++) {
        const struct method_desc *method = &method_table[i];
        const char *missing = NULL;
        int code;

        buf_truncate(&buf, 0);
        assert_int_equal(hex_append(&buf, "93 02 a1 6d 91 de 00"), 0);
        buf_append(&buf, &(uint8_t){(uint8_t)method->field_count}, 1);
        for (uint32_t k = 0; k < method->field_count; k++) {
            const struct field_desc *field = &method->fields[k];

            buf_append(&buf, &(uint8_t){(uint8_t)(0xa0 + field->name_len)}, 1);
            buf_append(&buf, field->name, field->name_len);
            buf_append(&buf, "\xc0", 1);
            if (field->required && !missing)
                missing = field->name;
        }
        assert_int_equal(decode_buf(), EVD_OK);
        code = method_decode((enum method)i, msg.params, &params, &err);
        assert_int_equal(code, missing ? EVD_E_MISSING_FIELD : EVD_OK);
        if (missing)
            assert_string_equal(err.detail, missing);
        for (uint32_t k = 0; k < method->field_count; k++)
            assert_false(*(bool *)((char *)&params + method->fields[k].has_offset));
    }
}

static void test_field_errors(void **state)
{
    msgpack_object not_params = {.type = MSGPACK_OBJECT_NIL};

    (void)state;
    fields(METHOD_stream_credit, "81" STREAM "01");
    says(EVD_E_MISSING_FIELD, "window", "\"window\" (an integer) is missing");
    fields(METHOD_stream_credit, "82" STREAM "01 a6 77696e6f7764 01"); /* winowd */
    says(EVD_E_UNKNOWN_FIELD, "winowd", "did you mean \"window\"? it takes stream, window");
    fields(METHOD_stream_credit, "81 a9 7878787878787a7a7a 01");
    says(EVD_E_UNKNOWN_FIELD, "xxxxxxzzz", "no field \"xxxxxxzzz\": it takes stream, window");
    fields(METHOD_server_info, "81 a1 61 01");
    says(EVD_E_UNKNOWN_FIELD, "a", "it takes none");
    fields(METHOD_job_info, "81 a3 ff 0a 41 01"); /* bytes that must not be repeated as they are */
    says(EVD_E_UNKNOWN_FIELD, "\?\?A", "no field \"\?\?A\"");
    fields(METHOD_stream_credit, "82" STREAM "01" STREAM "01");
    says(EVD_E_BAD_VALUE, "stream", "twice");
    fields(METHOD_stream_credit, "81" STREAM "a1 31");
    says(EVD_E_BAD_TYPE, "stream", "must be an integer");
    fields(METHOD_stream_credit, "81" STREAM "c0");
    says(EVD_E_MISSING_FIELD, "stream", "is missing");
    fields(METHOD_stream_credit, "81" STREAM "ff");
    says(EVD_E_BAD_VALUE, "stream", "from 0 to 4294967295");
    fields(METHOD_stream_credit, "81" STREAM "cf 0000000100000000");
    says(EVD_E_BAD_VALUE, "stream", "from 0 to 4294967295");
    fields(METHOD_job_info, "81" JOB "01");
    says(EVD_E_BAD_TYPE, "job", "must be text");
    fields(METHOD_job_info, "81" JOB "a2 c3 28");
    says(EVD_E_BAD_VALUE, "job", "UTF-8");
    fields(METHOD_job_drop, "81" FORCE "01");
    says(EVD_E_BAD_TYPE, "force", "true or false");
    fields(METHOD_job_drop, "81 01 01");
    says(EVD_E_BAD_TYPE, "", "must be text");
    assert_int_equal(method_decode(METHOD_hello, &not_params, &params, &err), EVD_E_PROTOCOL);
}

static void test_methods(void **state)
{
    struct evd_str typo = {"job.creat", 9}, strange = {"x\x1b[2Jyyyyyyyyyyyyyyyyyyyy", 25};

    (void)state;
    for (int i = 0; i < METHOD_COUNT; i++)
        assert_int_equal(method_find(method_table[i].name, strlen(method_table[i].name)), i);
    assert_int_equal(method_find("job.inf", 7), -1);
    assert_int_equal(method_find("", 0), -1);
    assert_int_equal(method_unknown(typo, &err), EVD_E_UNKNOWN_METHOD);
    says(EVD_E_UNKNOWN_METHOD, "job.creat", "did you mean \"job.create\"?");
    method_unknown(strange, &err);
    says(EVD_E_UNKNOWN_METHOD, "x?[2Jyyyyyyyyyyyyyyyyyyyy", "PROTOCOL.md");
}

/* ---- errors on the wire ---- */

static void test_error_round_trip(void **state)
{
    struct evd_error sent, got;
    msgpack_packer pk;

    (void)state;
    error_set(&sent, EVD_E_CONFLICT, "train", "job \"train\" is in use");
    buf_truncate(&buf, 0);
    buf_packer(&buf, &pk);
    message_error(&pk, 77, &sent);
    assert_int_equal(decode_buf(), EVD_OK);
    assert_int_equal(msg.id, 77);
    assert_int_equal(message_error_decode(msg.error, &got), EVD_E_CONFLICT);
    assert_string_equal(got.message, sent.message);
    assert_string_equal(got.detail, "train");
    assert_int_equal(msg.result->type, MSGPACK_OBJECT_NIL);

    buf_truncate(&buf, 0);
    message_result(&pk, 78);
    msgpack_pack_map(&pk, 0);
    assert_int_equal(decode_buf(), EVD_OK);
    assert_int_equal(message_error_decode(msg.error, &got), EVD_OK);
}

static void test_error_shapes(void **state)
{
    static const struct {
        const char *hex;
        int code;
        const char *message;
    } shapes[] = {
        {"94 01 01 a1 61 c0", EVD_E_PROTOCOL, NULL},
        {"94 01 01 90 c0", EVD_E_PROTOCOL, NULL},
        {"94 01 01 91 05 c0", EVD_E_PROTOCOL, NULL},
        {"94 01 01 92 00 a1 61 c0", EVD_E_PROTOCOL, NULL}, /* an error that is none */
        {"94 01 01 92 ff a1 61 c0", EVD_E_PROTOCOL, NULL},
        {"94 01 01 92 a1 61 05 c0", EVD_E_PROTOCOL, NULL},
        {"94 01 01 92 05 a1 61 c0", 5, "a"},
        {"94 01 01 95 cd 03 e8 a1 62 c0 c0 c0 c0", 1000, "b"}, /* a code of the future */
    };
    struct evd_error got;

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        assert_int_equal(decode_hex(shapes[i].hex), EVD_OK);
        assert_int_equal(message_error_decode(msg.error, &got), shapes[i].code);
        if (shapes[i].message)
            assert_string_equal(got.message, shapes[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_messages), cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_peek_id),        cmocka_unit_test(test_memory_is_reused),
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_field_errors),
        cmocka_unit_test(test_methods),        cmocka_unit_test(test_error_round_trip),
        cmocka_unit_test(test_error_shapes),   cmocka_unit_test(test_other_encoders),
        cmocka_unit_test(test_whole_floats),   cmocka_unit_test(test_bin_as_text),
        cmocka_unit_test(test_nil_fields),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
