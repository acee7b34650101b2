/* The command line tool and a daemon that answers what no daemon should: nothing of it steers the
 * terminal, ends the tool by a signal or keeps it busy for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "fake.h"

/* `evendraw ARGUMENTS`, whose output on both streams is kept. Its exit code. */
static int run_with(void (*script)(struct fake *fake), void *arg, const char *arguments, char *out,
                    size_t size)
{
    char command[1024];
    struct fake fake;
    FILE *pipe;
    size_t n;
    int status;

    fake_start(&fake, script, arg);
    snprintf(command, sizeof(command), "EVENDRAW_SERVER=%s timeout 20 %s %s 2>&1", fake.address,
             EVENDRAW, arguments);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(out, 1, size - 1, pipe);
    out[n] = '\0';
    status = pclose(pipe);
    fake_stop(&fake);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(void (*script)(struct fake *fake), const char *arguments, char *out, size_t size)
{
    return run_with(script, NULL, arguments, out, size);
}

static void escapes(struct fake *fake)
{
    msgpack_packer *pk;

    fake_hello(fake);
    fake_expect(fake, "dataset.list");
    pk = fake_result(fake);
    pack_key_array(pk, "datasets", 1);
    pack_map_begin(pk);
    pack_key_cstr(pk, "dataset",
                  "ev\033[2Jil\xc2\x9b"
                  "31m\n\xc3\xa9");
    fake_send(fake);
    while (fake_next(fake))
        ;
}

static void no_escapes(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(escapes, "datasets", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "ev?[2Jil??31m?\xc3\xa9 "));
}

/* A matrix, and next to nothing beside it. */
static void bare_matrix(struct fake *fake)
{
    msgpack_packer *pk;

    fake_hello(fake);
    fake_expect(fake, "job.confusion");
    pk = fake_result(fake);
    pack_key_array(pk, "class", 1);
    msgpack_pack_nil(pk);
    pack_key_array(pk, "support", 1);
    msgpack_pack_int(pk, 1);
    pack_key_array(pk, "matrix", 1);
    msgpack_pack_array(pk, 1);
    msgpack_pack_int(pk, 1000000);
    fake_send(fake);
    while (fake_next(fake))
        ;
}

static void matrix_is_drawn(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(bare_matrix, "confusion j --svg /dev/stdout", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "</svg>"));
}

/* Always one more page, with nothing on it. */
static void endless(struct fake *fake)
{
    fake_hello(fake);
    while (fake_next(fake)) {
        fake_result(fake);
        pack_key_array(&fake->pk, "steps", 0);
        pack_key_bool(&fake->pk, "more", true);
        fake_send(fake);
    }
}

static void pages_end(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(endless, "trace j 1", out, sizeof(out)), 0);
}

/* Pages of one class each; meanwhile others make new versions. */
static void versions(struct fake *fake)
{
    fake_hello(fake);
    for (uint64_t page = 0; page < 3; page++) {
        const msgpack_object *map = fake_expect(fake, "dataset.stats");
        if (page > 0 && (fake_u64(map, "first") != page || fake_u64(map, "version") != 7))
            abort();
        fake_result(fake);
        pack_key_u64(&fake->pk, "version", 7);
        pack_key_u64(&fake->pk, "classes", 3);
        pack_key_array(&fake->pk, "class", 1);
        pack_cstr(&fake->pk, "c");
        fake_send(fake);
    }
    while (fake_next(fake))
        ;
}

static void pages_of_one_version(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(versions, "stats d --json", out, sizeof(out)), 0);
}

/* ---- a curve, whose reports go on ---- */

/* How the curve, or a page of it, differs from what was said before. */
struct change {
    const char *what;
    const char *key; /* in what it says; NULL: it is an error */
    uint64_t value;
    bool later; /* only the second page is another */
};

static const struct change changes[] = {
    {"as before", "generation", 0, false}, {"generation", "generation", 1, false},
    {"exact", "exact", 0, false},          {"samples", "samples", 5, false},
    {"positives", "positives", 1, false},  {"points", "points", 7, true},
    {"generation", "generation", 1, true}, {"exact", "exact", 0, true},
    {"samples", "samples", 5, true},       {"fewer points than there were", NULL, 0, true},
};

/* What the table and each page of the curve say. */
static void say_scores(struct fake *fake, const struct change *change, bool changed)
{
    static const struct {
        const char *key;
        uint64_t value;
    } usual[] = {{"generation", 0}, {"epoch", 3}, {"samples", 4}, {"positives", 2}};
    const bool exact = !changed || !change->key || strcmp(change->key, "exact") != 0;

    pack_key_cstr(&fake->pk, "job", "j");
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        pack_key_u64(&fake->pk, usual[i].key,
                     changed && change->key && strcmp(change->key, usual[i].key) == 0
                         ? change->value
                         : usual[i].value);
    pack_key_bool(&fake->pk, "exact", exact);
}

static void curve_page(struct fake *fake, const struct change *change, bool changed)
{
    static const char *const arrays[] = {"threshold", "recall", "precision"};
    const bool points = changed && change->key && strcmp(change->key, "points") == 0;

    fake_result(fake);
    say_scores(fake, change, changed);
    pack_key_u64(&fake->pk, "points", points ? change->value : 2);
    for (size_t i = 0; i < 3; i++) {
        pack_key_array(&fake->pk, arrays[i], 1);
        msgpack_pack_double(&fake->pk, 0.5);
    }
    fake_send(fake);
}

/* A table, and a curve of two pages, the second of which is asked for only if the first is of the
 * table's scores and goes on. */
static void curve_in_pages(struct fake *fake)
{
    const struct change *change = fake->arg;
    const msgpack_object *map;

    fake_hello(fake);
    fake_expect(fake, "job.threshold");
    fake_result(fake);
    say_scores(fake, change, false);
    pack_key_array(&fake->pk, "objectives", 0);
    fake_send(fake);
    fake_expect(fake, "job.curve");
    curve_page(fake, change, !change->later);
    map = fake_expect(fake, "job.curve");
    if (fake_u64(map, "first") != 1 || fake_u64(map, "epoch") != 3)
        abort();
    if (change->key)
        curve_page(fake, change, true);
    else
        fake_error_of(fake, EVD_E_BAD_VALUE, "first", "there are fewer points");
    fake_wait_end(fake);
}

/* The table and all pages of the curve are of the same scores, or nothing is shown. */
static void curve_of_the_same_scores(void **state)
{
    char out[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct change change = changes[i];
        int code =
            run_with(curve_in_pages, &change, "threshold j --curve pr --json", out, sizeof(out));

        if (i == 0 ? code != 0 || !strstr(out, "0.5,\n")
                   : code != 1 || !strstr(out, "reported to meanwhile"))
            fail_msg("%s%s: exit code %d, %s", change.what, change.later ? ", later" : "", code,
                     out);
    }
}

/* One version on each page, but on the last, which is empty. */
static void lists(struct fake *fake)
{
    fake_hello(fake);
    for (uint64_t page = 1; page <= 3; page++) {
        const msgpack_object *map = fake_expect(fake, "dataset.list");

        if (page > 1 && fake_u64(map, "after_version") != page - 1)
            abort();
        fake_result(fake);
        pack_key_array(&fake->pk, "datasets", page < 3);
        if (page < 3) {
            pack_map_begin(&fake->pk);
            pack_key_cstr(&fake->pk, "dataset", "d");
            pack_key_u64(&fake->pk, "version", page);
            pack_map_end(&fake->pk);
        }
        pack_key_bool(&fake->pk, "more", page < 3);
        fake_send(fake);
    }
    while (fake_next(fake))
        ;
}

static void all_rows(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(lists, "datasets --json", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "\"version\": 1"));
    assert_non_null(strstr(out, "\"version\": 2"));
    assert_null(strstr(out, "more"));
}

/* There is more, but nothing to go on after. */
static void no_rows(struct fake *fake)
{
    fake_hello(fake);
    fake_expect(fake, "job.list");
    fake_result(fake);
    pack_key_array(&fake->pk, "jobs", 0);
    pack_key_bool(&fake->pk, "more", true);
    fake_send(fake);
    while (fake_next(fake))
        ;
}

static void worker_rows(struct fake *fake)
{
    fake_hello(fake);
    for (int page = 0; page < 2; page++) {
        const msgpack_object *map = fake_expect(fake, "job.workers");

        if (page == 1 && fake_u64(map, "after") != UINT64_C(1) << 50)
            abort();
        fake_result(fake);
        pack_key_array(&fake->pk, "workers", 1);
        pack_map_begin(&fake->pk);
        pack_key_u64(&fake->pk, "worker", (UINT64_C(1) << 50) + (uint64_t)page);
        pack_map_end(&fake->pk);
        pack_key_bool(&fake->pk, "more", page == 0);
        fake_send(fake);
    }
    while (fake_next(fake))
        ;
}

static void rows_end(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(no_rows, "job ls", out, sizeof(out)), 1);
    assert_int_equal(run(worker_rows, "workers j", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "2 workers"));
}

/* More than is buffered. */
static void long_answer(struct fake *fake)
{
    static char text[200000];

    memset(text, 'x', sizeof(text) - 1);
    fake_hello(fake);
    fake_expect(fake, "dataset.list");
    fake_result(fake);
    pack_key_cstr(&fake->pk, "text", text);
    fake_send(fake);
    while (fake_next(fake))
        ;
}

static void full_disk(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(run(long_answer, "datasets --json > /dev/full", out, sizeof(out)), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_escapes),
        cmocka_unit_test(matrix_is_drawn),
        cmocka_unit_test(pages_end),
        cmocka_unit_test(pages_of_one_version),
        cmocka_unit_test(curve_of_the_same_scores),
        cmocka_unit_test(all_rows),
        cmocka_unit_test(rows_end),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
