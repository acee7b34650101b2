/* Online backup: whole, of one moment, never in the way of other writes or files. */
#include "store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sqlite_fault.h"

enum { CHUNK = 65536, CHUNKS = 64 };

struct paths {
    char copy[128], partial[144];
};

static struct paths paths_of(const struct fixture *f)
{
    struct paths p;

    snprintf(p.copy, sizeof(p.copy), "%s/copy.db", f->dir);
    snprintf(p.partial, sizeof(p.partial), "%s.partial", p.copy);
    return p;
}

/* A job, and a draft of 16 MiB, which is many pieces. */
static void fill(struct fixture *f)
{
    static uint32_t labels[CHUNK];

    for (uint32_t i = 0; i < CHUNK; i++)
        labels[i] = 70000 + i;
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    assert_int_equal(run(f, op_draft(9, "large")), EVD_OK);
    for (uint64_t i = 0; i < CHUNKS; i++)
        assert_int_equal(run(f, op_labels(9, i * CHUNK, labels, CHUNK)), EVD_OK);
    assert_int_equal(run(f, op_commit(9, 1, CHUNK * CHUNKS, 0)), EVD_OK);
}

static uint64_t size_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}

static void absent(const char *path)
{
    assert_int_equal(access(path, F_OK), -1);
}

static void check_sound(const char *path)
{
    assert_int_equal(sqlite_query(path, "SELECT count(*) FROM pragma_integrity_check"
                                        " WHERE integrity_check = 'ok'"),
                     1);
    assert_int_equal(sqlite_query(path, "SELECT sum(n) FROM label_chunk WHERE dataset = 9"),
                     CHUNK * CHUNKS);
}

/* What was confirmed before the backup was is in it, and it opens as a database. */
static void while_writes_go_on(void **state)
{
    struct fixture *f = *state, copy = *f;
    struct paths p = paths_of(f);
    struct noted_op backup = op_backup(p.copy);
    uint64_t step = 0, confirmed = 0, behind;

    fixture_open(f, NULL, 0);
    fill(f);
    submit(f, &backup);
    while (!backup.done) {
        struct noted_op progress = op_progress(7, ++step, 1);
        submit(f, &progress);
        while (!progress.done && !backup.done)
            fixture_wait(f);
        if (!backup.done)
            confirmed = step;
        while (!progress.done)
            fixture_wait(f);
        assert_int_equal(progress.op.error.code, EVD_OK);
    }
    if (backup.op.error.code != EVD_OK)
        fail_msg("%s", backup.op.error.message);
    assert_true(confirmed >= 10); /* it did come in pieces */
    assert_true(backup.op.backup.bytes > CHUNK * CHUNKS * sizeof(uint32_t));
    assert_int_equal(backup.op.backup.bytes, size_of(p.copy));
    absent(p.partial);
    assert_int_equal(run(f, op_progress(7, step + 1000, 1)), EVD_OK);

    memcpy(copy.path, p.copy, sizeof(copy.path));
    fixture_open(&copy, NULL, 0);
    fixture_close(&copy);
    check_sound(p.copy);
    behind = (uint64_t)sqlite_query(p.copy, "SELECT step FROM progress");
    assert_true(behind >= confirmed && behind <= step);
}

static void nothing_is_overwritten(void **state)
{
    struct fixture *f = *state;
    struct paths p = paths_of(f);
    struct noted_op first = op_backup(p.copy), second = op_backup(p.copy);

    fixture_open(f, NULL, 0);
    fill(f);
    close(open(p.copy, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(run(f, first), EVD_E_EXISTS);
    assert_int_equal(size_of(p.copy), 0);
    unlink(p.copy);
    assert_int_equal(symlink("/nowhere/at/all", p.copy), 0);
    assert_int_equal(run(f, first), EVD_E_EXISTS);
    unlink(p.copy);
    close(open(p.partial, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(run(f, first), EVD_E_EXISTS);
    unlink(p.partial);
    assert_int_equal(run(f, op_backup("/nowhere/at/all/copy.db")), EVD_E_STORE);

    /* Another file takes the name meanwhile; and a second backup is refused at once. */
    submit(f, &first);
    while (access(p.partial, F_OK) != 0)
        usleep(1000);
    close(open(p.copy, O_CREAT | O_EXCL | O_WRONLY, 0600));
    submit(f, &second);
    while (!first.done || !second.done)
        fixture_wait(f);
    assert_int_equal(second.op.error.code, EVD_E_BUSY);
    assert_true(second.order < first.order);
    assert_int_equal(first.op.error.code, EVD_E_EXISTS);
    assert_int_equal(size_of(p.copy), 0);
    absent(p.partial);
    unlink(p.copy);
    assert_int_equal(run(f, op_backup(p.copy)), EVD_OK);
    check_sound(p.copy);
}

static void stopping_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct paths p = paths_of(f);
    struct noted_op backup = op_backup(p.copy), last = op_progress(7, 99, 1);

    fixture_open(f, NULL, 0);
    fill(f);
    submit(f, &backup);
    submit(f, &last);
    fixture_close(f);
    assert_int_equal(last.op.error.code, EVD_OK);
    assert_int_equal(backup.done, 1);
    assert_int_equal(backup.op.error.code, EVD_E_SHUTTING_DOWN);
    absent(p.copy);
    absent(p.partial);
    check_sound(f->path);
}

/* Its disk is full or broken: the backup fails, the store does not. */
static void a_failed_backup_hurts_nobody(void **state)
{
    const int codes[] = {fault_full, fault_io_write};
    struct fixture *f = *state;
    struct paths p = paths_of(f);
    struct store_info info;

    fault_register();
    f->vfs = FAULT_VFS;
    fixture_open(f, NULL, 0);
    fill(f);
    for (int i = 0; i < 2; i++) {
        for (int nth = 1; nth < 4000; nth = 3 * nth + 1) {
            struct noted_op backup = op_backup(p.copy);
            fault_set(FAULT_WRITE, nth, codes[i], false);
            assert_int_equal(run(f, backup), EVD_E_STORE);
            assert_int_equal(fault_clear(), 1);
            absent(p.copy);
            absent(p.partial);
            store_info(f->store, &info);
            assert_false(info.failing);
        }
    }
    fault_set(FAULT_SYNC, 1, fault_io_fsync, false);
    assert_int_equal(run(f, op_backup(p.copy)), EVD_E_STORE);
    assert_int_equal(fault_clear(), 1);
    assert_int_equal(run(f, op_progress(7, 5, 1)), EVD_OK);
    assert_int_equal(run(f, op_backup(p.copy)), EVD_OK);
    check_sound(p.copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(while_writes_go_on),
        TEST(nothing_is_overwritten),
        TEST(stopping_leaves_nothing_behind),
        TEST(a_failed_backup_hurts_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
