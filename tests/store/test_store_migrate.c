/*
 * Files of earlier versions: everything in them is there after the first start of this version, and
 * a start that fails, or is cut short anywhere, leaves the old file as it was or the new one whole.
 */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "schemas.h"
#include "sqlite_fault.h"
#include "sqlite_power.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TRIES = 1 };
#else
enum { TRIES = 2 };
#endif

static const char migrated[] =
    "dataset 1 pets v1 at 2001: 4/5 in 3, fffffffffffffffe | 0: cat dog | 2: eel"
    " | 0: 0 2 - | 3: 1 0 | w 0: 0 0 0 0 0\n"
    "job 7 train of 1: 64/2 ranked drop seed 7fffffffffffffff at 4000,"
    " at-least-once 600000+2000 ms x1 to 0/0 attended\n"
    " revision 0.0 from 0/0 of 100 (32) uniform ffffffffffffffff by tests\n"
    " revision 0.1 from 1/10 of 100 (32) uniform fffffffffffffffd by tests\n"
    " progress 7 rank 0: 0.2/40 +0\n"
    " progress 7 rank 1: 0.2/41 +2 05 80\n"
    "job 8 other of 1: 32/0 shared short seed 5 at 4001,"
    " at-least-once 600000+2000 ms x1 to 0/0 attended\n"
    " revision 0.0 from 0/0 of 9 (1) uniform fffffffffffffffe by tests\n"
    " progress 8 rank 0: 0.1/3 +1 01\n";

/* A file of an earlier version, by what makes it. */
static void make_file(const char *path, const char *vfs, const char *sql)
{
    char *message = NULL;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
                     SQLITE_OK);
    sqlite3_exec(db, sql, NULL, NULL, &message);
    if (message)
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define BEGIN_FILE "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN;"

static void make_version_1(const char *path, const char *vfs)
{
    make_file(path, vfs, BEGIN_FILE SCHEMA_1 SCHEMA_1_ROWS "COMMIT");
}

static void everything_is_there(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    make_version_1(f->path, NULL);
    for (int i = 0; i < 2; i++) {
        fixture_open(f, picture, sizeof(picture));
        assert_string_equal(picture, migrated);
        assert_int_equal(f->next_id, 9);
        fixture_close(f);
    }
    /* Everything new can be written. */
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM dataset WHERE state = 1"), 1);
    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op_world(7, 50, 4)), EVD_OK);
    assert_int_equal(run(f, op_seek(7, 1, 5)), EVD_OK);
    assert_int_equal(run(f, op_job(20, "new", 1)), EVD_OK);
    assert_int_equal(run(f, op_job_drop(7)), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static void everything_of_version_2_is_there(void **state)
{
    static const char job[] = "job 7 train of 1: 64/2 ranked drop seed 7fffffffffffffff at 4000,"
                              " at-least-once 600000+2000 ms x1 to 2/48\n"
                              " seek 7 1<0.1 from 2/41 to 1/10 replay at 6001 by tests\n";
    struct fixture *f = *state;
    char picture[4096];

    make_file(f->path, NULL, BEGIN_FILE SCHEMA_1 SCHEMA_1_ROWS SCHEMA_2 SCHEMA_2_ROWS "COMMIT");
    fixture_open(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, job));
    assert_non_null(strstr(picture, " world 7 1 1/12 4 at 5004 by tests\n"));
    assert_null(strstr(picture, "owned"));
    assert_null(strstr(picture, "ephemeral"));
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "PRAGMA user_version"), 5);
}

/* Its strategies are whole, and none is forgotten. */
static void everything_of_version_3_is_there(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    make_file(f->path, NULL,
              BEGIN_FILE SCHEMA_1 SCHEMA_1_ROWS SCHEMA_2 SCHEMA_2_ROWS SCHEMA_3 SCHEMA_3_ROWS
              "COMMIT");
    fixture_open(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, " owned"));
    assert_non_null(strstr(picture, " ephemeral 60000 ms"));
    assert_non_null(strstr(picture, " revision 0.1 from 1/10 of 100 (32) uniform "));
    assert_null(strstr(picture, "forgotten"));
    assert_null(strstr(picture, "retain"));
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "PRAGMA user_version"), 5);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference, forgotten"), 0);
}

/* Nothing is attached to its datasets, and something can be. */
static void everything_of_version_4_is_there(void **state)
{
    static const char rows[] = "rowsrowsrowsrowsrowsrowsrowsrowsrowsrows";
    struct fixture *f = *state;
    char picture[4096];

    make_file(f->path, NULL,
              BEGIN_FILE SCHEMA_1 SCHEMA_1_ROWS SCHEMA_2 SCHEMA_2_ROWS SCHEMA_3 SCHEMA_3_ROWS
                  SCHEMA_4 SCHEMA_4_ROWS "COMMIT");
    fixture_open(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, " retain 3"));
    assert_non_null(strstr(picture, "  forgotten: 7 bytes, fffffffffffffffb, uniform\n"));
    assert_non_null(strstr(picture, " revision 0.1 from 1/10 of 100 (32) uniform "));
    assert_null(strstr(picture, "attachment"));
    assert_int_equal(run(f, op_attachment(20, "near", 1)), EVD_OK);
    assert_int_equal(run(f, op_rows(20, 0, rows, rows, 5)), EVD_OK);
    assert_int_equal(run(f, op_attachment_commit(20, 5)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "attachment 20 near of 1: neighbours 2 class cosine"));
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "PRAGMA user_version"), 5);
}

/* A migrated file has the tables and columns of a new one. */
static void the_schema_is_that_of_a_new_file(void **state)
{
    static const char shape[] =
        "SELECT sum(unicode(c.name) * (c.cid + 1) * (1 + c.pk) * (1 + c.\"notnull\")) * 1000"
        " + count(DISTINCT t.name) FROM sqlite_schema AS t, pragma_table_info(t.name) AS c";
    struct fixture *f = *state;
    int64_t fresh;

    fixture_open(f, NULL, 0);
    fixture_close(f);
    fresh = sqlite_query(f->path, shape);
    unlink(f->path);
    make_version_1(f->path, NULL);
    assert_true(sqlite_query(f->path, shape) != fresh);
    fixture_open(f, NULL, 0);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, shape), fresh);
}

/* Each write or sync of the migration fails, in turn. */
static void fail_each(struct fixture *f, unsigned calls, int code)
{
    char picture[4096];

    fault_register();
    for (int nth = 1, fired = 1; fired > 0; nth++) {
        struct evd_error err = {0};
        struct store_db *db;
        int64_t version;
        int opened;

        unlink(f->path);
        make_version_1(f->path, NULL);
        fault_set(calls, nth, code, false);
        opened = sqlite_open(&db, f->path, FAULT_VFS, &err);
        fired = fault_clear();
        if (opened == EVD_OK)
            sqlite_engine.close(db);
        else
            assert_int_equal(opened, EVD_E_STORE);
        version = sqlite_query(f->path, "PRAGMA user_version");
        if (opened == EVD_OK)
            assert_int_equal(version, 5);
        else if (calls == FAULT_WRITE) /* 5: what failed came after it */
            assert_true(version == 1 || version == 5);
        if (version == 1) {
            assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM sqlite_schema"
                                                   " WHERE name IN ('seek', 'world')"),
                             0);
            assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM pragma_table_info('job')"),
                             9);
        }
        fixture_open(f, picture, sizeof(picture));
        assert_string_equal(picture, migrated);
        fixture_close(f);
    }
}

static void a_failed_migration_leaves_the_old_file(void **state)
{
    fail_each(*state, FAULT_WRITE, fault_full);
    fail_each(*state, FAULT_WRITE, fault_io_write);
    fail_each(*state, FAULT_WRITE, fault_readonly);
    fail_each(*state, FAULT_SYNC, fault_io_fsync);
}

/* The power goes, or the process is killed, within each write and sync. */
static void cut_anywhere(void **state)
{
    struct fixture *f = *state, cut = *f;
    char picture[4096];
    uint64_t seed = 1;
    unsigned cuts = 0;
    bool was_cut = true;

    power_register();
    cut.vfs = POWER_VFS;
    strcpy(cut.path, "power.db");
    for (unsigned nth = 1; was_cut; nth++) {
        for (unsigned i = 0; i < TRIES * POWER_LOSSES; i++) {
            struct evd_error err = {0};
            struct store_db *db;

            power_reset();
            make_version_1(cut.path, POWER_VFS);
            power_cut_at(nth);
            if (sqlite_open(&db, cut.path, POWER_VFS, &err) == EVD_OK)
                sqlite_engine.close(db);
            was_cut = power_is_off();
            power_on((enum power_loss)(i % POWER_LOSSES), seed++);
            power_cut_at(0);
            fixture_open(&cut, picture, sizeof(picture));
            assert_string_equal(picture, migrated);
            fixture_close(&cut);
            cuts += was_cut;
        }
    }
    assert_true(cuts >= 25);
    power_reset();
}

/* The same for a file that is being made. */
static void cut_while_new(void **state)
{
    struct fixture *f = *state, cut = *f;
    char picture[4096];
    uint64_t seed = 1;
    bool was_cut = true;

    power_register();
    cut.vfs = POWER_VFS;
    strcpy(cut.path, "power.db");
    for (unsigned nth = 1; was_cut; nth++) {
        for (unsigned i = 0; i < TRIES * POWER_LOSSES; i++) {
            struct evd_error err = {0};
            struct store_db *db;

            power_reset();
            power_cut_at(nth);
            if (sqlite_open(&db, cut.path, POWER_VFS, &err) == EVD_OK)
                sqlite_engine.close(db);
            was_cut = power_is_off();
            power_on((enum power_loss)(i % POWER_LOSSES), seed++);
            power_cut_at(0);
            fixture_open(&cut, picture, sizeof(picture));
            assert_string_equal(picture, "");
            assert_int_equal(run(&cut, op_draft(1, "new")), EVD_OK);
            fixture_close(&cut);
        }
    }
    power_reset();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_there),
        TEST(everything_of_version_2_is_there),
        TEST(everything_of_version_3_is_there),
        TEST(everything_of_version_4_is_there),
        TEST(the_schema_is_that_of_a_new_file),
        TEST(a_failed_migration_leaves_the_old_file),
        TEST(cut_anywhere),
        TEST(cut_while_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
