/*
 * Answers and notifications: PROTOCOL.md has the keys that answers.h has, of the same types; and a
 * map that is packed otherwise ends the program, where that is checked.
 *
 * In the document a map is described by a table whose first cell is "key" (or "key of NAME", for
 * the map or maps that the key NAME has), or by a list: `a`, `b` (u32, what they are), `c` (map:
 * `d` (text)).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "document.h"
#include "proto/answers.h"
#include "proto/message.h"

/* A map, and what was read of it; bit i is that of the shape's key i. */
struct reading {
    const struct shape *shape;
    const char *text; /* where its tables are */
    uint64_t seen;
    uint64_t inside; /* keys whose own map, or maps, were described */
};

static const char *const type_words[] = {
    [KEY_str] = "text",     [KEY_u32] = "u32",     [KEY_u64] = "u64",   [KEY_f64] = "f64",
    [KEY_boolean] = "bool", [KEY_array] = "array", [KEY_dict] = "map",  [KEY_column] = "column",
    [KEY_bin] = "bin",      [KEY_map] = "map",     [KEY_maps] = "maps",
};

/* Does the description of a key begin with its type? */
static bool is_type(const struct key_desc *key, const char *said)
{
    char word[32];
    size_t len = (size_t)snprintf(word, sizeof(word), "%s%s%s", type_words[key->type],
                                  key->nullable ? " or nil" : "", key->maybe ? "?" : "");

    return strncmp(said, word, len) == 0 && strcspn(said + len, ",:;) ") == 0 &&
           strncmp(said + len, " or ", 4) != 0;
}

static int read_key(struct reading *reading, const char *name, size_t len, const char *said)
{
    const struct shape *shape = reading->shape;
    int key = shape_key(shape, (struct evd_str){name, (uint32_t)len});

    if (key < 0)
        fail_msg("%s has no key %.*s", shape->name, (int)len, name);
    if (reading->seen >> key & 1)
        fail_msg("%s: %.*s is there twice", shape->name, (int)len, name);
    if (!is_type(&shape->keys[key], said))
        fail_msg("%s: %.*s is not %.16s", shape->name, (int)len, name, said);
    reading->seen |= UINT64_C(1) << key;
    return key;
}

static void read_list(struct reading *reading, const char *at);
static void check_complete(struct reading *reading);

/* Maps that are described once, as an answer of their own. */
static const struct {
    const char *said, *part;
} info_maps[] = {
    {"the dataset info map", "dataset"},
    {"the attachment info map", "attachment"},
};

/* `said` of the map of a key: a list, or whose it is. */
static void read_inside(struct reading *reading, int key, const char *said)
{
    struct reading part = {.shape = reading->shape->keys[key].part, .text = reading->text};

    const char *whole = NULL;

    for (size_t i = 0; i < sizeof(info_maps) / sizeof(info_maps[0]); i++) {
        if (strncmp(said, info_maps[i].said, strlen(info_maps[i].said)) == 0)
            whole = info_maps[i].part;
    }
    if (!part.shape || (*said != '`' && !whole))
        return;
    reading->inside |= UINT64_C(1) << key;
    if (*said == '`') {
        read_list(&part, said);
        check_complete(&part);
    } else {
        assert_string_equal(part.shape->name, whole);
    }
}

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \n");
}

static const char *skip_comma(const char *at)
{
    return skip_space(at + (*at == ','));
}

/* Behind the parenthesis that closes the one at `at`. */
static const char *skip_parentheses(const char *at)
{
    int depth = 0;

    do {
        depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
        assert_true(*at != '\0');
        at++;
    } while (depth > 0);
    return at;
}

/* Names, and in parentheses the type that they share; and so on. */
static void read_list(struct reading *reading, const char *at)
{
    while (*at == '`') {
        const char *open = at + strcspn(at, "("), *type = open + 1;
        const char *inside = skip_space(type + strcspn(type, ":,)") + 1);

        while (at < open) {
            size_t len = strcspn(at + 1, "`");

            assert_int_equal(*at, '`');
            read_inside(reading, read_key(reading, at + 1, len, type), inside);
            at = skip_comma(at + len + 2);
        }
        at = skip_comma(skip_parentheses(open));
    }
}

static void read_row(char cells[DOCUMENT_CELLS][DOCUMENT_CELL], void *arg)
{
    struct reading *reading = arg;

    for (char *name = strtok(cells[0], ", "); name; name = strtok(NULL, ", "))
        read_inside(reading, read_key(reading, name, strlen(name), cells[1]), cells[2]);
}

static void check_complete(struct reading *reading)
{
    const struct shape *shape = reading->shape;

    for (uint32_t i = 0; i < shape->count; i++) {
        const struct key_desc *key = &shape->keys[i];
        struct reading part = {.shape = key->part, .text = reading->text};
        char header[64];

        if (!(reading->seen >> i & 1))
            fail_msg("PROTOCOL.md does not have %s.%s", shape->name, key->name);
        if (!key->part || reading->inside >> i & 1)
            continue;
        snprintf(header, sizeof(header), "key of %s", key->name);
        document_table(reading->text, header, read_row, &part);
        check_complete(&part);
    }
}

/* What the section says behind `word` and a colon, or in its table. */
static void check_section(const struct shape *shape, const char *word)
{
    char heading[64], *text;
    struct reading reading = {.shape = shape};
    const char *at;

    snprintf(heading, sizeof(heading), "## %s", shape->name);
    reading.text = text = document_section(heading);
    at = strstr(text, word);
    at = at ? skip_space(strchr(at, ':') + 1) : text;
    if (strncmp(at, "the dataset info map", 20) == 0)
        assert_int_equal(shape->count, answer_table[METHOD_dataset_commit].count);
    else if (strncmp(at, "the job info map", 16) == 0)
        assert_int_equal(shape->count, answer_table[METHOD_job_create].count);
    else {
        if (*at == '`')
            read_list(&reading, at);
        else
            document_table(at, "key", read_row, &reading);
        check_complete(&reading);
    }
    free(text);
}

static void test_answers(void **state)
{
    (void)state;
    for (int i = 0; i < METHOD_COUNT; i++)
        check_section(&answer_table[i], "Result");
}

static void test_notifications(void **state)
{
    const char *at = strstr(document, "\n# Notifications to the client\n");
    int sections = 0;

    (void)state;
    for (int i = 0; i < NOTE_COUNT; i++)
        check_section(&note_table[i], "Keys");
    assert_non_null(at);
    for (at = document_next_line(at + 1); *at && strncmp(at, "# ", 2) != 0;
         at = document_next_line(at))
        sections += strncmp(at, "## ", 3) == 0;
    assert_int_equal(sections, NOTE_COUNT);
}

static void test_tables(void **state)
{
    (void)state;
    for (int i = 0; i < METHOD_COUNT; i++) {
        assert_string_equal(answer_table[i].name, method_table[i].name);
        assert_true(answer_table[i].count > 0 && answer_table[i].count <= 64);
        assert_ptr_equal(shape_find(method_table[i].name), &answer_table[i]);
    }
    assert_int_equal(note_find((struct evd_str){"seek", 4}), NOTE_seek);
    assert_int_equal(note_find((struct evd_str){"seeks", 5}), -1);
    assert_ptr_equal(shape_find("epoch_end"), &note_table[NOTE_epoch_end]);
    assert_null(shape_find("nothing"));
}

#ifdef EVD_CHECKS

static struct evd_buf buf;
static msgpack_packer pk;

static void pack_begin(const char *wire)
{
    pack_map_begin(&pk);
    pack_map_of(&pk, wire);
}

static void pack_position(const char *key)
{
    pack_key_map(&pk, key);
    pack_key_u64(&pk, "epoch", 0);
}

static void pack_good(void)
{
    pack_begin("stream.touch");
    pack_key_u64(&pk, "stream", 1);
    pack_key_u64(&pk, "held", 2);
    pack_map_end(&pk);
}

static void pack_missing(void)
{
    pack_begin("stream.touch");
    pack_key_u64(&pk, "stream", 1);
    pack_map_end(&pk);
}

static void pack_unknown(void)
{
    pack_begin("stream.touch");
    pack_key_u64(&pk, "streams", 1);
}

static void pack_twice(void)
{
    pack_begin("stream.touch");
    pack_key_u64(&pk, "stream", 1);
    pack_key_u64(&pk, "stream", 1);
}

static void pack_wrong(void)
{
    pack_begin("stream.touch");
    pack_key_cstr(&pk, "stream", "1");
}

static void pack_wide(void)
{
    pack_begin("stream.touch");
    pack_key_u64(&pk, "stream", UINT64_C(1) << 32);
}

static void pack_missing_inside(void)
{
    pack_begin("job.info");
    pack_position("acked");
    pack_map_end(&pk);
}

/* Does it end the program? */
static bool dies(void (*pack)(void))
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        fclose(stderr);
        buf_init(&buf, 4096);
        buf_packer(&buf, &pk);
        pack();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void test_checks(void **state)
{
    (void)state;
    assert_false(dies(pack_good));
    assert_true(dies(pack_missing));
    assert_true(dies(pack_unknown));
    assert_true(dies(pack_twice));
    assert_true(dies(pack_wrong));
    assert_true(dies(pack_wide));
    assert_true(dies(pack_missing_inside));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_notifications),
        cmocka_unit_test(test_tables),
#ifdef EVD_CHECKS
        cmocka_unit_test(test_checks),
#endif
    };
    return cmocka_run_group_tests(tests, document_read, document_forget);
}
