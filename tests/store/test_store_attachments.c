/* Attachments in the database: they come back as they were sent, go with their dataset, and where
 * one is damaged nothing else is. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sqlite_fault.h"

/* Of six samples: 8 bytes each. */
static const char rows[] = "0000000011111111222222223333333344444444x5555555";
static const char distances[] = "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeefffffffx";

/* In two pieces. */
static void make(struct fixture *f, uint64_t id, const char *name, uint64_t dataset)
{
    assert_int_equal(run(f, op_attachment(id, name, dataset)), EVD_OK);
    assert_int_equal(run(f, op_rows(id, 0, rows, distances, 4)), EVD_OK);
    assert_int_equal(run(f, op_rows(id, 4, rows + 32, distances + 32, 2)), EVD_OK);
    assert_int_equal(run(f, op_attachment_commit(id, 6)), EVD_OK);
}

static int64_t left(struct fixture *f, const char *table)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return sqlite_query(f->path, sql);
}

static void they_survive_a_restart(void **state)
{
    static const char want[] =
        "attachment 2 near of 1: neighbours 2 class cosine +1 at 7002, 6 samples, fffffffffffffffd"
        " | 0+4: 00000000111111112222222233333333 aaaaaaaabbbbbbbbccccccccdddddddd"
        " | 4+2: 44444444x5555555 eeeeeeeefffffffx\n";
    struct fixture *f = *state;
    char picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    make(f, 2, "near", 1);
    assert_int_equal(run(f, op_job(9, "train", 1)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, want));
    assert_int_equal(f->next_id, 10);
    assert_int_equal(run(f, op_attachment_drop(2)), EVD_OK);
    assert_int_equal(run(f, op_attachment_drop(2)), EVD_E_NOT_FOUND);
    make(f, 20, "near", 1); /* the name is free */
    fixture_reopen(f, picture, sizeof(picture));
    assert_null(strstr(picture, "attachment 2 "));
    assert_non_null(strstr(picture, "attachment 20 near of 1"));
    assert_int_equal(f->next_id, 21);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_draft(2, "half")), EVD_OK);
    assert_int_equal(run(f, op_attachment(3, "near", 2)), EVD_E_NOT_FOUND); /* it is a draft */
    assert_int_equal(run(f, op_attachment(3, "near", 7)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_attachment(3, "near", 1)), EVD_OK);
    assert_int_equal(run(f, op_attachment(3, "nearer", 1)), EVD_E_EXISTS);
    assert_int_equal(run(f, op_rows(3, 1, rows, distances, 1)), EVD_E_CONFLICT);
    assert_int_equal(run(f, op_rows(3, 0, rows, distances, 4)), EVD_OK);
    assert_int_equal(run(f, op_rows(3, 0, rows, distances, 2)), EVD_E_CONFLICT);
    assert_int_equal(run(f, op_rows(4, 0, rows, distances, 2)), EVD_E_CONFLICT);
    assert_int_equal(run(f, op_attachment_commit(3, 6)), EVD_E_CONFLICT);
    assert_int_equal(run(f, op_rows(3, 4, rows, distances, 2)), EVD_OK);
    assert_int_equal(run(f, op_attachment_commit(3, 6)), EVD_OK);
    assert_int_equal(run(f, op_attachment_commit(3, 6)), EVD_E_CONFLICT);
    assert_int_equal(run(f, op_rows(3, 6, rows, distances, 1)), EVD_E_CONFLICT);
    /* The name is taken, in that dataset. */
    assert_int_equal(run(f, op_attachment(5, "near", 1)), EVD_OK);
    assert_int_equal(run(f, op_rows(5, 0, rows, distances, 6)), EVD_OK);
    assert_int_equal(run(f, op_attachment_commit(5, 6)), EVD_E_EXISTS);
    make_dataset(f, 6, "pets", 2);
    make(f, 7, "near", 6);
}

/* Rows go slice by slice, and nothing of what is there goes with them. */
static void what_is_left_behind_goes(void **state)
{
    struct fixture *f = *state;
    char picture[8192];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    make_dataset(f, 2, "pets", 2);
    make(f, 10, "a", 1);
    make(f, 11, "b", 1);
    make(f, 12, "a", 2);
    assert_int_equal(run(f, op_attachment(13, "c", 1)), EVD_OK);
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(run(f, op_rows(13, i, rows, distances, 1)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_null(strstr(picture, "attachment 13"));
    assert_int_equal(run(f, op_attachment(14, "d", 1)), EVD_OK);
    assert_int_equal(run(f, op_attachment_drop(10)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_null(strstr(picture, "attachment 10"));
    assert_null(strstr(picture, "attachment 14"));
    assert_non_null(strstr(picture, "attachment 11 b of 1"));
    assert_int_equal(run(f, op_drop(1)), EVD_OK);
    assert_int_equal(run(f, op_attachment_drop(11)), EVD_E_NOT_FOUND);
    fixture_reopen(f, picture, sizeof(picture));
    assert_null(strstr(picture, "of 1"));
    assert_non_null(strstr(picture, "attachment 12 a of 2"));
    fixture_close(f);
}

/* The writer thread has swept when it closes. */
static void nothing_is_left(void **state)
{
    struct fixture *f = *state;

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    make(f, 10, "a", 1);
    assert_int_equal(run(f, op_attachment(11, "b", 1)), EVD_OK);
    assert_int_equal(run(f, op_rows(11, 0, rows, distances, 6)), EVD_OK);
    assert_int_equal(run(f, op_drop(1)), EVD_OK);
    for (int i = 0; i < 40; i++) /* each group ends with a slice */
        run(f, op_drop(99));
    fixture_close(f);
    assert_int_equal(left(f, "attachment"), 0);
    assert_int_equal(left(f, "attachment_chunk"), 0);
    assert_int_equal(left(f, "dataset"), 0);
    assert_int_equal(left(f, "label_chunk"), 0);
}

static void distances_are_read(void **state)
{
    struct fixture *f = *state;
    struct evd_error err;
    char out[48];

    fixture_open_unstarted(f);
    assert_int_equal(store_start(f->store, &err), EVD_OK);
    make_dataset(f, 1, "pets", 1);
    make(f, 2, "near", 1);
    for (int i = 0; i < 2; i++) {
        for (uint64_t first = 0; first <= 6; first++) {
            for (uint64_t n = 1; first + n <= 6; n++) {
                const struct store_span span = {2, first, n, 8};

                assert_int_equal(store_read_distances(f->store, &span, out, &err), EVD_OK);
                assert_memory_equal(out, distances + first * 8, n * 8);
            }
        }
        assert_int_equal(
            store_read_distances(f->store, &(struct store_span){2, 5, 2, 8}, out, &err),
            EVD_E_STORE);
        assert_int_equal(
            store_read_distances(f->store, &(struct store_span){3, 0, 2, 8}, out, &err),
            EVD_E_STORE);
        assert_int_equal(
            store_read_distances(f->store, &(struct store_span){2, 0, 2, 4}, out, &err),
            EVD_E_STORE);
        fixture_close(f);
        fixture_open_unstarted(f);
    }
    fixture_close(f);
    sqlite_query(f->path, "DELETE FROM attachment_chunk WHERE first_sample = 0");
    fixture_open_unstarted(f);
    assert_int_equal(store_read_distances(f->store, &(struct store_span){2, 4, 2, 8}, out, &err),
                     EVD_OK);
    assert_int_equal(store_read_distances(f->store, &(struct store_span){2, 0, 6, 8}, out, &err),
                     EVD_E_STORE);
    assert_non_null(strstr(err.message, "damaged in the database"));
}

static void damaged_ones_are_told(void **state)
{
    static const char *const wounds[] = {
        "UPDATE attachment_chunk SET first_sample = 5 WHERE first_sample = 4",
        "UPDATE attachment_chunk SET n = 3 WHERE first_sample = 0",
        "UPDATE attachment_chunk SET n = -1 WHERE first_sample = 0",
        "UPDATE attachment_chunk SET n = 9223372036854775807 WHERE first_sample = 4",
        "UPDATE attachment_chunk SET n = 0, rows = x'' WHERE first_sample = 4",
        "DELETE FROM attachment_chunk WHERE first_sample = 0",
        "DELETE FROM attachment_chunk",
        "UPDATE attachment SET samples = 5 WHERE id = 2",
        "UPDATE attachment SET samples = -1 WHERE id = 2",
        "UPDATE attachment SET width = 4294967298 WHERE id = 2",
        "UPDATE attachment SET name = CAST(x'61006200' AS TEXT) WHERE id = 2",
        "UPDATE attachment SET state = 7 WHERE id = 2",
        "UPDATE attachment SET state = 0 WHERE id = 2",
    };
    struct fixture *f = *state;
    char picture[4096];

    for (size_t i = 0; i < sizeof(wounds) / sizeof(wounds[0]); i++) {
        unlink(f->path);
        fixture_open(f, NULL, 0);
        make_dataset(f, 1, "pets", 1);
        make(f, 2, "near", 1);
        fixture_close(f);
        sqlite_query(f->path, wounds[i]);
        fixture_open(f, picture, sizeof(picture));
        if (!strstr(picture, "damaged: pieces of it are missing or do not fit together\n") ||
            !strstr(picture, "dataset 1 pets v1"))
            fail_msg("%s: %s", wounds[i], picture);
        assert_int_equal(run(f, op_attachment_drop(2)), EVD_OK);
        fixture_close(f);
    }
}

/* Each write fails in turn: what was confirmed is there, and the rest is not half there. */
static void a_full_disk_passes(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    fault_register();
    f->vfs = FAULT_VFS;
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_attachment(2, "near", 1)), EVD_OK);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    assert_int_equal(run(f, op_rows(2, 0, rows, distances, 6)), EVD_E_STORE);
    fault_clear();
    assert_int_equal(run(f, op_rows(2, 0, rows, distances, 6)), EVD_OK);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    assert_int_equal(run(f, op_attachment_commit(2, 6)), EVD_E_STORE);
    fault_clear();
    assert_int_equal(run(f, op_attachment_commit(2, 6)), EVD_OK);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    assert_int_equal(run(f, op_attachment_drop(2)), EVD_E_STORE);
    fault_clear();
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "attachment 2 near of 1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_survive_a_restart),   TEST(what_does_not_fit_is_refused),
        TEST(what_is_left_behind_goes), TEST(nothing_is_left),
        TEST(distances_are_read),       TEST(damaged_ones_are_told),
        TEST(a_full_disk_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
