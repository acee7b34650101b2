#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/address.h"
#include "proto/decimal.h"
#include "proto/pack.h"
#include "proto/error.h"
#include "proto/limits.h"
#include "proto/text.h"

#define STR(literal) ((struct evd_str){literal, sizeof(literal) - 1})

static void test_utf8(void **state)
{
    (void)state;
    assert_true(str_utf8(STR("")));
    assert_true(str_utf8(STR("plain \x01")));
    assert_true(str_utf8(STR("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf")));
    assert_true(str_utf8(STR("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
    assert_false(str_utf8(STR("\x80")));
    assert_false(str_utf8(STR("\xc0\x80")));         /* overlong */
    assert_false(str_utf8(STR("\xc1\xbf")));         /* overlong */
    assert_false(str_utf8(STR("\xe0\x9f\xbf")));     /* overlong */
    assert_false(str_utf8(STR("\xed\xa0\x80")));     /* surrogate */
    assert_false(str_utf8(STR("\xf0\x8f\xbf\xbf"))); /* overlong */
    assert_false(str_utf8(STR("\xf4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(str_utf8(STR("\xf5\x80\x80\x80")));
    assert_false(str_utf8(STR("\xe2\x82"))); /* cut */
    assert_false(str_utf8(STR("\xe2\x82(")));
    assert_false(str_utf8(STR("a\xff")));
}

static void test_names(void **state)
{
    char longest[EVD_MAX_NAME + 1];
    struct evd_error err;

    (void)state;
    memset(longest, 'n', sizeof(longest));
    assert_int_equal(name_check(STR("caf\xc3\xa9 1"), "job name", &err), EVD_OK);
    assert_int_equal(name_check((struct evd_str){longest, EVD_MAX_NAME}, "x", &err), EVD_OK);
    assert_int_equal(name_check((struct evd_str){longest, EVD_MAX_NAME + 1}, "job name", &err),
                     EVD_E_LIMIT);
    assert_non_null(strstr(err.message, "job name: 129 bytes"));
    assert_int_equal(name_check(STR(""), "x", &err), EVD_E_BAD_VALUE);
    assert_int_equal(name_check(STR("a\xff"), "x", &err), EVD_E_BAD_VALUE);
    assert_int_equal(name_check(STR("a\0b"), "x", &err), EVD_E_BAD_VALUE);
    assert_int_equal(name_check(STR("a\x7f"), "x", &err), EVD_E_BAD_VALUE);
    assert_int_equal(name_check(STR("a\xc2\x9b"), "x", &err), EVD_E_BAD_VALUE);
    assert_non_null(strstr(err.message, "byte 1"));
}

/* What makes a name show otherwise than it is; names that are stored may have it. */
static void test_overrides(void **state)
{
    static const char *const refused[] = {"a\xe2\x80\xa8", "a\xe2\x80\xaa", "a\xe2\x80\xae",
                                          "a\xe2\x81\xa6", "a\xe2\x81\xa9"};
    static const char *const taken[] = {"a\xe2\x80\xa7", "a\xe2\x80\xaf", "a\xe2\x81\xa5",
                                        "\xd7\xa9\xe2\x80\x8f", "\xe2\x82\xac"};
    struct evd_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct evd_str name = {refused[i], (uint32_t)strlen(refused[i])};

        assert_int_equal(name_check(name, "job name", &err), EVD_E_BAD_VALUE);
        assert_non_null(strstr(err.message, "job name: has U+20"));
        assert_non_null(strstr(err.message, "at byte 1"));
        assert_int_equal(name_check_stored(name, "job name", &err), EVD_OK);
        error_set(&err, EVD_E_EXISTS, refused[i], "%s", refused[i]);
        assert_string_equal(err.message, "a?\?\?");
        assert_string_equal(err.detail, "a?\?\?");
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        assert_int_equal(
            name_check((struct evd_str){taken[i], (uint32_t)strlen(taken[i])}, "x", &err), EVD_OK);
    assert_int_equal(name_check_stored(STR("a\x7f"), "x", &err), EVD_E_BAD_VALUE);
}

static void test_escape(void **state)
{
    static const struct {
        const char *text, *escaped;
    } cases[] = {
        {"", ""},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x88 \"1\"", NULL},
        {"a\nb\x1b[0m\x7f", "a\\x0ab\\x1b[0m\\x7f"},
        {"\xc2\x9b", "\\u{9b}"},
        {"\xe2\x80\xae", "\\u{202e}"},
        {"\xe2\x81\xa6 \xe2\x80\x8b \xef\xbb\xbf", "\\u{2066} \\u{200b} \\u{feff}"},
        {"\xf3\xa0\x81\x81", "\\u{e0041}"},
        {"\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82"},
        {"a\\x9b", "a\\\\x9b"},
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_escape(out, sizeof(out), cases[i].text);
        assert_string_equal(out, cases[i].escaped ? cases[i].escaped : cases[i].text);
    }
    text_escape(out, 6, "a\xe2\x80\xae"); /* is cut before what has no room */
    assert_string_equal(out, "a");
    text_escape(out, 6, "ab\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(out, "ab\xe2\x82\xac");
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(str_distance(STR("window"), "window"), 0);
    assert_int_equal(str_distance(STR("windw"), "window"), 1);
    assert_int_equal(str_distance(STR("wimdow"), "window"), 1);
    assert_int_equal(str_distance(STR(""), "window"), 6);
    assert_int_equal(str_distance(STR("window"), ""), 6);
    assert_int_equal(str_distance(STR("kitten"), "sitting"), 3);
}

static void test_error_text(void **state)
{
    char text[1000];
    struct evd_error err;
    struct evd_str message;

    (void)state;
    assert_int_equal(error_set(&err, EVD_E_LIMIT, NULL, "%d", 7), EVD_E_LIMIT);
    assert_string_equal(err.message, "7");
    assert_string_equal(err.detail, "");
    error_set(&err, EVD_E_LIMIT, "d\ne", "a\tb\x7f\xc2\x9b.\xff\xc3(\xe2\x82\xac");
    assert_string_equal(err.message, "a?b?\?\?.?\?(\xe2\x82\xac");
    assert_string_equal(err.detail, "d?e");

    /* Text too long is cut between characters, wherever the cut falls. */
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xf0\x9f\x90\x88", 5);
        error_set(&err, EVD_E_LIMIT, text, "%s", text);
        message = (struct evd_str){err.message, (uint32_t)strlen(err.message)};
        assert_true(str_utf8(message) && message.len > sizeof(err.message) - 5);
        assert_null(strchr(err.message, '?'));
        message = (struct evd_str){err.detail, (uint32_t)strlen(err.detail)};
        assert_true(str_utf8(message) && message.len > sizeof(err.detail) - 5);
    }
}

static void test_error_names(void **state)
{
    (void)state;
    assert_string_equal(error_name(EVD_OK), "ok");
    assert_string_equal(error_name(EVD_E_UNKNOWN_FIELD), "unknown_field");
    assert_string_equal(error_name(EVD_E_TIMEOUT), "timeout");
    assert_string_equal(error_name(-5), "unknown");
    assert_string_equal(error_name(99), "unknown");
}

static void test_buf(void **state)
{
    struct evd_buf buf;
    msgpack_packer pk;

    (void)state;
    buf_init(&buf, 600);
    buf_append(&buf, "", 0);
    assert_false(buf.failed);
    for (int i = 0; i < 200; i++)
        buf_append(&buf, "abc", 3);
    assert_int_equal(buf.len, 600);
    assert_false(buf.failed);
    buf_append(&buf, "d", 1);
    assert_true(buf.failed);
    buf_truncate(&buf, 599);
    assert_false(buf.failed);
    assert_null(buf_reserve(&buf, SIZE_MAX));
    buf_append(&buf, "e", 1); /* failure stays until the roll-back */
    assert_int_equal(buf.len, 599);
    buf_truncate(&buf, 4);
    buf_consume(&buf, 1);
    assert_memory_equal(buf.data, "bca", 3);
    buf_consume(&buf, 3);
    assert_int_equal(buf.len, 0);
    buf_packer(&buf, &pk);
    pack_map_begin(&pk);
    pack_key_cstr(&pk, "k", "v");
    pack_key_u64(&pk, "k", 300);
    pack_key_bool(&pk, "k", true);
    pack_key_bool(&pk, "k", false);
    pack_key_f64(&pk, "k", 1);
    pack_key_bin(&pk, "k", "xy", 2);
    pack_key_map(&pk, "k");
    pack_key_nil(&pk, "k");
    pack_map_end(&pk);
    pack_key_array(&pk, "k", 0);
    pack_map_end(&pk);
    assert_int_equal(buf.len, 1 + 4 + 5 + 3 + 3 + 11 + 6 + 6 + 3);
    assert_int_equal(buf.data[0], 0x88);
    buf_fini(&buf);
    buf_append(&buf, "a", 1); /* after fini there is no room, and no crash */
    assert_true(buf.failed);
}

/* A map of `n` entries, the last of which is a map of two. */
static void pack_counted(struct evd_buf *buf, uint32_t n)
{
    msgpack_packer pk;

    buf_packer(buf, &pk);
    pack_map_begin(&pk);
    for (uint32_t i = 1; i < n; i++)
        pack_key_u64(&pk, "k", i);
    pack_key_map(&pk, "m");
    pack_key_bool(&pk, "a", true);
    pack_key_nil(&pk, "b");
    pack_map_end(&pk);
    pack_map_end(&pk);
}

/* The same by msgpack-c, which is told how many entries there are. */
static void pack_told(struct evd_buf *buf, uint32_t n)
{
    msgpack_packer pk;

    buf_packer(buf, &pk);
    msgpack_pack_map(&pk, n);
    for (uint32_t i = 1; i < n; i++) {
        pack_cstr(&pk, "k");
        msgpack_pack_uint64(&pk, i);
    }
    pack_cstr(&pk, "m");
    msgpack_pack_map(&pk, 2);
    pack_cstr(&pk, "a");
    msgpack_pack_true(&pk);
    pack_cstr(&pk, "b");
    msgpack_pack_nil(&pk);
}

static void test_maps(void **state)
{
    static const uint32_t sizes[] = {1, 15, 16, 17, 65535, 65536};
    struct evd_buf counted, told;

    (void)state;
    buf_init(&counted, 1u << 20);
    buf_init(&told, 1u << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        pack_counted(&counted, sizes[i]);
        pack_told(&told, sizes[i]);
        assert_int_equal(counted.len, told.len);
        assert_memory_equal(counted.data, told.data, told.len);
        buf_truncate(&counted, 0);
        buf_truncate(&told, 0);
    }
    /* Whatever has no room fails at its end at the latest, and can be rolled back. */
    pack_told(&told, 16);
    for (size_t limit = 0; limit < told.len; limit++) {
        counted.limit = limit;
        pack_counted(&counted, 16);
        assert_true(counted.failed);
        buf_truncate(&counted, 0);
        assert_int_equal(counted.map_count, 0);
    }
    counted.limit = told.len;
    pack_counted(&counted, 16);
    assert_false(counted.failed);
    buf_fini(&counted);
    buf_fini(&told);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *path, *host, *port;
    } good[] = {
        {"unix:/run/e.sock", "/run/e.sock", NULL, NULL},
        {"unix:///run/e.sock", "/run/e.sock", NULL, NULL},
        {"/run/e.sock", "/run/e.sock", NULL, NULL},
        {"tcp:localhost:4711", NULL, "localhost", "4711"},
        {"tcp://10.0.0.1:0", NULL, "10.0.0.1", "0"},
        {"tcp:[::1]:65535", NULL, "::1", "65535"},
        {"tcp:[::1]", NULL, "::1", EVD_DEFAULT_PORT},
        {"tcp:host", NULL, "host", EVD_DEFAULT_PORT},
    };
    static const char *const bad[] = {"",
                                      "host:4710",
                                      "unix:",
                                      "unix:relative",
                                      "unix://relative",
                                      "http://x",
                                      "tcp:",
                                      "tcp::1",
                                      "tcp:h:",
                                      "tcp:h:65536",
                                      "tcp:h:-1",
                                      "tcp:h:99999999999",
                                      "tcp:h:12x",
                                      "tcp:::1:4710",
                                      "tcp:[::1:4710",
                                      "tcp:[]:1",
                                      "tcp:[::1]x:4710",
                                      "tcp:h:1:2"};
    struct address address;
    struct evd_error err;
    char text[512] = "/";

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(address_parse(good[i].text, &address, &err), EVD_OK);
        assert_int_equal(address.kind, good[i].path ? ADDRESS_UNIX : ADDRESS_TCP);
        assert_string_equal(address.path, good[i].path ? good[i].path : "");
        assert_string_equal(address.host, good[i].host ? good[i].host : "");
        assert_string_equal(address.port, good[i].port ? good[i].port : "");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(address_parse(bad[i], &address, &err), EVD_E_BAD_VALUE);
        assert_non_null(strstr(err.message, "tcp:host:port"));
    }
    memset(text + 1, 'p', 106); /* 107 bytes, the longest */
    assert_int_equal(address_parse(text, &address, &err), EVD_OK);
    text[107] = 'p';
    assert_int_equal(address_parse(text, &address, &err), EVD_E_BAD_VALUE);
    memcpy(text, "tcp:", 4);
    memset(text + 4, 'h', 400);
    assert_int_equal(address_parse(text, &address, &err), EVD_E_BAD_VALUE);
}

static void test_default_address(void **state)
{
    struct address address;
    struct evd_error err;
    char text[128];

    (void)state;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    address_default(text, sizeof(text));
    assert_string_equal(text, "unix:/run/user/7/evendraw.sock");
    setenv("XDG_RUNTIME_DIR", "not/absolute", 1);
    address_default(text, sizeof(text));
    assert_memory_equal(text, "unix:/tmp/evendraw-", 19);
    assert_int_equal(address_parse(text, &address, &err), EVD_OK);
}

/* Shortest, and the same number again. */
static void test_decimals(void **state)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        {0.28, "0.28"},
        {1, "1"},
        {0, "0"},
        {-0.0, "-0.0"},
        {-2.5, "-2.5"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100000, "100000"},
        {1e22, "1e22"},
        {1e-7, "1e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {9007199254740992, "9007199254740992"},
        {12345678901234568, "12345678901234568"},
    };
    char text[DECIMAL_TEXT];
    uint64_t bits = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(decimal_text(rows[i].number, text), rows[i].text);
    for (int i = 0; i < 20000; i++) {
        double number;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&number, &bits, sizeof(number));
        if (isfinite(number))
            assert_true(strtod(decimal_text(number, text), NULL) == number);
    }
}

static void test_shorter_json(void **state)
{
    static const char *const rows[][2] = {
        {"{\"a\":0.28000000000000003,\"b\":[1.0,-2.50,17,true,false,null]}",
         "{\"a\":0.28,\"b\":[1,-2.5,17,true,false,null]}"},
        {"\"1.0 \\\" 0.28000000000000003\"", "\"1.0 \\\" 0.28000000000000003\""},
        {"{\"1.0\": 1e22, \"\\\\\": 1.0}", "{\"1.0\": 1e22, \"\\\\\": 1}"},
        {"18446744073709551615", "18446744073709551615"},
        {"10000000000000000.0", "1e16"},
        {"[]", "[]"},
        {"", ""},
        {"\"open 1.0", "\"open 1.0"},
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        strcpy(text, rows[i][0]);
        decimal_shorten(text);
        assert_string_equal(text, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_error_text),
        cmocka_unit_test(test_error_names),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_default_address),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_shorter_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
