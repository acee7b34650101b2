/* PROTOCOL.md says what the code does: methods, fields, errors, limits, examples. (What answers and
 * notifications hold is compared by test_answers.c.) */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/answers.h"
#include "proto/batch.h"
#include "proto/guard.h"
#include "proto/limits.h"
#include "proto/message.h"
#include "document.h"
#include "support.h"

/* ---- methods and fields ---- */

static const char *const type_words[] = {
    [FIELD_str] = "text", [FIELD_u32] = "u32",      [FIELD_u64] = "u64",
    [FIELD_f64] = "f64",  [FIELD_boolean] = "bool", [FIELD_obj] = "array map bin",
};

static void check_field(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    const struct method_desc *method = arg;

    for (uint32_t i = 0; i < method->field_count; i++) {
        const struct field_desc *field = &method->fields[i];

        if (strcmp(field->name, cells[0]) != 0)
            continue;
        cells[1][strcspn(cells[1], " ")] = '\0'; /* "bin or array" */
        if (!strstr(type_words[field->type], cells[1]))
            fail_msg("%s.%s: type %s", method->name, cells[0], cells[1]);
        if ((strcmp(cells[2], "required") == 0) != field->required)
            fail_msg("%s.%s: needed %s", method->name, cells[0], cells[2]);
        return;
    }
    fail_msg("%s has no field %s", method->name, cells[0]);
}

static void test_methods(void **state)
{
    int sections = 0;

    (void)state;
    for (int i = 0; i < METHOD_COUNT; i++) {
        const struct method_desc *method = &method_table[i];
        char heading[64], *text;

        snprintf(heading, sizeof(heading), "## %s", method->name);
        text = document_section(heading);
        assert_int_equal(document_table(text, "field", check_field, (void *)method),
                         method->field_count);
        if (method->field_count == 0)
            assert_non_null(strstr(text, "No fields."));
        assert_non_null(strstr(text, "Result"));
        free(text);
    }
    /* And none that does not exist: every heading with a dot, and hello. */
    for (const char *line = document; *line; line = document_next_line(line)) {
        if (strncmp(line, "## ", 3) != 0)
            continue;
        if (memchr(line, '.', strcspn(line, "\n")) || strncmp(line, "## hello\n", 9) == 0) {
            if (method_find(line + 3, strcspn(line + 3, "\n")) < 0)
                fail_msg("no method %.*s", (int)strcspn(line + 3, "\n"), line + 3);
            sections++;
        }
    }
    assert_int_equal(sections, METHOD_COUNT);
}

static void check_column(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    uint32_t *found = arg;
    int column = column_find(cells[0], strlen(cells[0]));

    if (strncmp(cells[1], "column", 6) != 0)
        return;
    if (column < 0)
        fail_msg("there is no column %s", cells[0]);
    *found |= 1u << column;
}

static void test_columns(void **state)
{
    char *text = document_section("## batch");
    uint32_t found = 0;

    (void)state;
    document_table(text, "key", check_column, &found);
    assert_int_equal(found, (1u << COLUMN_COUNT) - 1);
    free(text);
}

/* ---- errors and limits ---- */

static void check_error(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    (void)arg;
    if (strcmp(error_name(atoi(cells[0])), cells[1]) != 0)
        fail_msg("error %s is %s, not %s", cells[0], error_name(atoi(cells[0])), cells[1]);
}

static void test_errors(void **state)
{
    char *text = document_section("## Errors"), *second;
    int rows = 0;

    (void)state;
#define COUNT(NAME, code, name) rows++;
    EVD_ERRORS(COUNT)
#undef COUNT
    rows -= document_table(text, "code", check_error, NULL);
    second = strstr(text, "Codes from 100");
    assert_non_null(second);
    rows -= document_table(second, "code", check_error, NULL);
    assert_int_equal(rows, 0);
    free(text);
}

/* Names that stand after "Errors:" in backquotes are names of errors. */
static void test_errors_of_methods(void **state)
{
    (void)state;
    for (const char *at = document; (at = strstr(at, "Errors: ")); at++) {
        const char *end = strstr(at, "\n\n");

        for (const char *tick = strchr(at, '`'); tick && tick < end; tick = strchr(tick, '`')) {
            size_t len = strcspn(++tick, "`");
            bool known = false;

#define KNOWN(NAME, code, name)                                                                    \
    known = known || (strlen(name) == len && memcmp(name, tick, len) == 0);
            EVD_ERRORS(KNOWN)
#undef KNOWN
            if (!known)
                fail_msg("\"Errors:\" names %.*s", (int)len, tick);
            tick += len + 1;
        }
    }
}

static const struct {
    const char *macro, *name;
    uint64_t value;
} limits[] = {
    {"EVD_MAX_FRAME", "frame", EVD_MAX_FRAME},
    {"EVD_MAX_DEPTH", "depth", EVD_MAX_DEPTH},
    {"EVD_MAX_NODES", "nodes", EVD_MAX_NODES},
    {"EVD_MAX_REPLY_FRAME", "reply_frame", EVD_MAX_REPLY_FRAME},
    {"EVD_MAX_REPLY_NODES", "reply_nodes", EVD_MAX_REPLY_NODES},
    {"EVD_MAX_NAME", "name", EVD_MAX_NAME},
    {"EVD_MAX_CLASSES", "classes", EVD_MAX_CLASSES},
    {"EVD_MAX_SAMPLES", "samples", EVD_MAX_SAMPLES},
    {"EVD_MAX_PAGE", "page", EVD_MAX_PAGE},
    {"EVD_MAX_ROWS", "rows", EVD_MAX_ROWS},
    {"EVD_MAX_LABELS", "labels", EVD_MAX_LABELS},
    {"EVD_MAX_ATTACHMENTS", "attachments", EVD_MAX_ATTACHMENTS},
    {"EVD_MAX_NEIGHBOURS", "neighbours", EVD_MAX_NEIGHBOURS},
    {"EVD_MAX_FOLDS", "folds", EVD_MAX_FOLDS},
    {"EVD_MAX_TERMS", "terms", EVD_MAX_TERMS},
    {"EVD_MAX_PIECE", "piece", EVD_MAX_PIECE},
    {"EVD_MAX_BATCH", "batch", EVD_MAX_BATCH},
    {"EVD_MAX_WORLD", "world_size", EVD_MAX_WORLD},
    {"EVD_MAX_WINDOW", "window", EVD_MAX_WINDOW},
    {"EVD_MAX_HOLDING", "holding", EVD_MAX_HOLDING},
    {"EVD_MAX_SEEKS", "seeks", EVD_MAX_SEEKS},
    {"EVD_DEFAULT_WINDOW", "default_window", EVD_DEFAULT_WINDOW},
    {"EVD_MAX_STREAMS", "streams", EVD_MAX_STREAMS},
    {"EVD_MAX_JOBS", "jobs", EVD_MAX_JOBS},
    {"EVD_MAX_DATASETS", "datasets", EVD_MAX_DATASETS},
    {"EVD_MAX_DRAFTS", "drafts", EVD_MAX_DRAFTS},
    {"EVD_MAX_WORKS", "works", EVD_MAX_WORKS},
    {"EVD_MAX_REVISIONS", "revisions", EVD_MAX_REVISIONS},
    {"EVD_MAX_SEED", "seed", EVD_MAX_SEED},
};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))

static void check_limit(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    (void)arg;
    for (size_t i = 0; i < LIMITS; i++) {
        if (strcmp(limits[i].name, cells[0]) == 0) {
            if (strtoull(cells[1], NULL, 10) != limits[i].value)
                fail_msg("limit %s is not %s", cells[0], cells[1]);
            return;
        }
    }
    fail_msg("there is no limit %s", cells[0]);
}

static void test_limits(void **state)
{
    char *text = document_section("## Limits"), *header = document_file(LIMITS_H);
    size_t defined = 0;

    (void)state;
    assert_int_equal(document_table(text, "name", check_limit, NULL), LIMITS);
    for (const char *line = header; *line; line = document_next_line(line))
        defined += strncmp(line, "#define EVD_MAX_", 16) == 0 ||
                   strncmp(line, "#define EVD_DEFAULT_", 20) == 0;
    assert_int_equal(defined, LIMITS); /* a new limit belongs in this table and the document's */
    for (size_t i = 0; i < LIMITS; i++)
        assert_non_null(strstr(header, limits[i].macro));
    free(header);
    free(text);
}

/* ---- examples ---- */

static struct message msg;
static struct evd_error err;

/* A batch in an example is what batch_encode makes of it. */
static void check_batch(const struct evd_buf *bytes)
{
    const msgpack_object_map *map = &msg.params->via.array.ptr[0].via.map;
    struct batch_format format = {.columns = 3};
    struct batch_decoded decoded = {0};
    struct evd_buf again;

    buf_init(&again, EVD_MAX_REPLY_FRAME);
    assert_int_equal(batch_decode(msg.params, &format, &decoded, &err), EVD_OK);
    format.packed = map->ptr[map->size - 1].val.type == MSGPACK_OBJECT_BIN;
    assert_int_equal(batch_encode(&again, &decoded.head, &format,
                                  &(struct batch_columns){
                                      .data = {decoded.data[0], decoded.data[1]}, .n = decoded.n}),
                     EVD_OK);
    assert_int_equal(again.len, bytes->len);
    assert_memory_equal(again.data, bytes->data, bytes->len);
    batch_decoded_fini(&decoded);
    buf_fini(&again);
}

static void check_note(const struct evd_buf *bytes)
{
    const struct shape *shape = &note_table[note_find(msg.method)];
    const msgpack_object_map *map = &msg.params->via.array.ptr[0].via.map;

    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *key = &map->ptr[i].key.via.str;

        assert_true(shape_key(shape, (struct evd_str){key->ptr, key->size}) >= 0);
    }
    if (str_is(msg.method, "batch"))
        check_batch(bytes);
}

static void check_message(const struct evd_buf *bytes)
{
    union params params;
    bool has_id;
    int method;

    assert_int_equal(message_decode(&msg, bytes->data, bytes->len, &has_id, &err), EVD_OK);
    if (msg.type == MESSAGE_RESPONSE) {
        if (message_error_decode(msg.error, &err) == EVD_E_UNKNOWN_FIELD)
            assert_non_null(strstr(err.message, "did you mean \"batch_size\"?"));
        return;
    }
    if (note_find(msg.method) >= 0) {
        check_note(bytes);
        return;
    }
    method = method_find(msg.method.data, msg.method.len);
    assert_true(method >= 0);
    if (method_decode(method, msg.params, &params, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

/* An example: the object as text, then its bytes as hex; the text ends where a line has only hex.
 */
static void check_example(const char *text, const char *end)
{
    char *spoken = NULL, *printed = NULL;
    size_t spoken_len, printed_len;
    FILE *to = open_memstream(&spoken, &spoken_len);
    struct evd_buf bytes;
    struct guard guard;
    msgpack_unpacked unpacked;
    size_t offset = 0;

    buf_init(&bytes, EVD_MAX_FRAME);
    for (const char *line = text; line < end; line = document_next_line(line)) {
        char *copy = strndup(line, strcspn(line, "\n"));

        if (strspn(copy, "0123456789abcdef ") == strlen(copy))
            assert_int_equal(hex_append(&bytes, copy), 0);
        else
            fprintf(to, line == text ? "%s" : " %s", copy);
        free(copy);
    }
    fclose(to);

    guard_init(&guard, &guard_request_limits);
    assert_int_equal(guard_feed(&guard, bytes.data, bytes.len), bytes.len);
    assert_int_equal(guard.status, GUARD_DONE);
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.len, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    to = open_memstream(&printed, &printed_len);
    print_object(to, &unpacked.data);
    fclose(to);
    assert_string_equal(spoken, printed);
    check_message(&bytes);
    msgpack_unpacked_destroy(&unpacked);
    free(spoken);
    free(printed);
    buf_fini(&bytes);
}

static void test_examples(void **state)
{
    static const char fence[] = "\n```example\n";
    int examples = 0;

    (void)state;
    message_init(&msg);
    for (const char *at = document; (at = strstr(at, fence)); examples++) {
        at += sizeof(fence) - 1;
        check_example(at, strstr(at, "```"));
    }
    message_fini(&msg);
    assert_true(examples >= 14);
}

/* ---- how many samples a report holds ---- */

/* What the daemon says of a report of n samples: `index` of so many bytes each, `loss` and `score`
 * likewise; `columns` of the four. */
static enum guard_status report(uint32_t n, size_t index, size_t values, int columns, bool packed)
{
    static const char *const names[] = {"index", "predicted", "loss", "score"};
    struct evd_buf buf;
    struct guard guard;
    msgpack_packer pk;

    buf_init(&buf, 1 << 24);
    buf_packer(&buf, &pk);
    message_request(&pk, UINT32_MAX, "job.report");
    msgpack_pack_map(&pk, 5 + (size_t)columns);
    for (int i = 0; i < 5; i++) {
        /* job, generation, epoch, step and rank, of any length. */
        pack_text(&pk, "generation", 10);
        pack_text(&pk, (char[128]){0}, i == 0 ? 128 : 8);
    }
    for (int i = 0; i < columns; i++) {
        size_t width = i == 0 ? index : i == 1 ? 4 : values;

        pack_cstr(&pk, names[i]);
        if (packed) {
            msgpack_pack_bin(&pk, n * width);
            for (uint32_t k = 0; k < n; k++)
                buf_append(&buf, (uint8_t[8]){0}, width);
            continue;
        }
        msgpack_pack_array(&pk, n);
        for (uint32_t k = 0; k < n; k++)
            msgpack_pack_uint8(&pk, 1);
    }
    assert_false(buf.failed);
    guard_init(&guard, &guard_request_limits);
    guard_feed(&guard, buf.data, buf.len);
    buf_fini(&buf);
    return guard.status;
}

/* So many fit, and hundred more do not, unless that is more than any batch has. */
static void check_report(const char *cell, size_t index, size_t values, int columns, bool packed)
{
    uint32_t n = (uint32_t)atoi(cell);

    assert_true(n > 0 && n <= EVD_MAX_BATCH);
    if (report(n, index, values, columns, packed) != GUARD_DONE)
        fail_msg("PROTOCOL.md: a report of %u samples with %d columns does not fit", n, columns);
    if (n < EVD_MAX_BATCH && report(n + 100, index, values, columns, packed) == GUARD_DONE)
        fail_msg("PROTOCOL.md: more than %u samples fit", n);
}

static void check_report_row(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    int columns = 2 + (*(int *)arg)++;

    check_report(cells[1], 4, 4, columns, false);
    check_report(cells[2], 4, 4, columns, true);
    if (columns > 2)
        check_report(cells[3], 4, 8, columns, true);
}

static void test_reports(void **state)
{
    char *text = document_section("## job.report"), *table = strstr(text, "| fields |");
    int rows = 0;

    (void)state;
    assert_non_null(table);
    assert_int_equal(document_table(table, "fields", check_report_row, &rows), 3);
    /* And what is said of a wide index. */
    assert_non_null(strstr(text, "with both 52400 fit (f32) or 37400 (f64)"));
    check_report("65536", 8, 4, 2, true);
    check_report("52400", 8, 4, 4, true);
    check_report("37400", 8, 8, 4, true);
    check_report("65500", 8, 4, 3, true);
    check_report("52400", 8, 8, 3, true);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods), cmocka_unit_test(test_columns),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_errors_of_methods),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_examples),
        cmocka_unit_test(test_reports),
    };
    return cmocka_run_group_tests(tests, document_read, document_forget);
}
