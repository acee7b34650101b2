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
static int run(void (*script)(struct fake *fake), const char *arguments, char *out, size_t size)
{
    char command[1024];
    struct fake fake;
    FILE *pipe;
    size_t n;
    int status;

    fake_start(&fake, script, NULL);
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
        cmocka_unit_test(no_escapes), cmocka_unit_test(matrix_is_drawn),
        cmocka_unit_test(pages_end),  cmocka_unit_test(pages_of_one_version),
        cmocka_unit_test(all_rows),   cmocka_unit_test(rows_end),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
