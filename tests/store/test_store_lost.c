/*
 * The database's files are removed, moved or replaced while they are open: nothing is confirmed
 * that a restart would not find, it shows without anybody's doing, and ends when they are back.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sqlite_fault.h"

static void begin(struct fixture *f)
{
    fault_register();
    f->vfs = FAULT_VFS;
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
}

static struct store_info info_of(struct fixture *f)
{
    struct store_info info;

    store_info(f->store, &info);
    return info;
}

/* The same place with something behind its name. */
static const char *beside(const struct fixture *f, const char *end)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s%s", f->path, end);
    return path[turn];
}

/* Refused with these words, which are also what the store says of itself. */
static void refused_with(struct fixture *f, struct noted_op op, const char *words)
{
    submit(f, &op);
    while (!op.done)
        fixture_wait(f);
    assert_int_equal(op.op.error.code, EVD_E_STORE);
    assert_non_null(strstr(op.op.error.message, words));
    assert_true(info_of(f).failing);
    assert_non_null(strstr(info_of(f).why.message, words));
}

static void await_health(struct fixture *f)
{
    while (info_of(f).failing)
        fixture_wait(f);
}

static void copy(const char *from, const char *to)
{
    char bytes[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n;

    assert_true(in && out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void a_moved_file_is_noticed_and_may_come_back(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    begin(f);
    assert_int_equal(rename(f->path, beside(f, ".aside")), 0);
    refused_with(f, op_progress(7, 50, 1), "removed, moved or replaced");
    copy(beside(f, ".aside"), f->path); /* the same bytes are not the same file */
    refused_with(f, op_progress(7, 51, 1), "put it back");
    assert_int_equal(rename(beside(f, ".aside"), f->path), 0);
    await_health(f);
    assert_int_equal(run(f, op_progress(7, 60, 1)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "progress 7 rank 0: 0.2/60"));
}

/* What the daemon still has can be saved where the file is gone for good. */
static void what_is_left_can_be_saved(void **state)
{
    struct fixture *f = *state;
    char picture[4096], saved[128];

    begin(f);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(unlink(beside(f, "-wal")), 0);
    refused_with(f, op_progress(7, 50, 1), "evendraw backup");
    snprintf(saved, sizeof(saved), "%s", beside(f, ".saved"));
    assert_int_equal(run(f, op_backup(saved)), EVD_OK);
    fixture_close(f);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(rename(saved, f->path), 0);
    fixture_open(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "job 7 train of 1"));
}

static void a_removed_log_costs_nothing_confirmed(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    begin(f);
    assert_int_equal(run(f, op_progress(7, 40, 1)), EVD_OK);
    assert_int_equal(unlink(beside(f, "-wal")), 0);
    refused_with(f, op_progress(7, 50, 1), "-wal was removed");
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "progress 7 rank 0: 0.2/40"));
    assert_int_equal(run(f, op_progress(7, 50, 1)), EVD_OK);
    assert_false(info_of(f).failing);
}

static void it_shows_by_itself(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_int_equal(rename(f->path, beside(f, ".aside")), 0);
    while (!info_of(f).failing)
        assert_int_equal(fixture_wait(f), 0);
    assert_int_equal(rename(beside(f, ".aside"), f->path), 0);
    await_health(f);
}

/* It goes while a group is on its way: that is not confirmed, nor anything after it. */
static void gone_in_the_middle_of_a_group(void **state)
{
    struct noted_op early = op_progress(7, 50, 1);
    struct fixture *f = *state;

    begin(f);
    fault_stall(true);
    submit(f, &early);
    while (fault_stalled() == 0)
        usleep(1000);
    assert_int_equal(rename(f->path, beside(f, ".aside")), 0);
    fault_stall(false);
    while (!early.done)
        fixture_wait(f);
    assert_int_equal(early.op.error.code, EVD_E_STORE);
    assert_int_equal(rename(beside(f, ".aside"), f->path), 0);
    refused_with(f, op_progress(7, 60, 1), "restart evendrawd");
    fixture_reopen(f, NULL, 0);
    assert_int_equal(run(f, op_progress(7, 70, 1)), EVD_OK);
}

/* Shorter in its place: what was in it is gone, and writing on would leave holes. */
static void cut(struct fixture *f, const char *which, long bytes)
{
    begin(f);
    assert_int_equal(run(f, op_progress(7, 40, 1)), EVD_OK);
    assert_int_equal(truncate(beside(f, which), bytes), 0);
    refused_with(f, op_progress(7, 50, 1), "cut short");
    refused_with(f, op_progress(7, 51, 1), "restore a backup");
    assert_int_equal(run(f, op_backup(beside(f, ".saved"))), EVD_E_STORE);
}

static void a_log_that_is_cut_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct stat status;

    cut(f, "-wal", 4096);
    assert_int_equal(stat(beside(f, "-wal"), &status), 0);
    assert_int_equal(status.st_size, 4096); /* nothing was written behind the cut */
    fixture_close(f);
}

static void a_file_that_is_emptied_is_noticed_and_not_taken_for_new(void **state)
{
    struct fixture *f = *state;
    struct evd_error err = {0};
    struct store *store;
    struct stat status;

    cut(f, "", 0);
    fixture_close(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(beside(f, "-wal"), &status), 0); /* it is left, though nobody asks */
        assert_true(status.st_size > 0);
        assert_int_equal(fixture_open_store(&store, f->path, NULL, NULL, NULL, &err), EVD_E_STORE);
        assert_non_null(strstr(err.message, "is missing or empty, but its log"));
        unlink(f->path);
    }
    assert_int_equal(unlink(beside(f, "-wal")), 0);
    fixture_open(f, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_moved_file_is_noticed_and_may_come_back),
        TEST(what_is_left_can_be_saved),
        TEST(a_removed_log_costs_nothing_confirmed),
        TEST(it_shows_by_itself),
        TEST(gone_in_the_middle_of_a_group),
        TEST(a_log_that_is_cut_is_noticed),
        TEST(a_file_that_is_emptied_is_noticed_and_not_taken_for_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
