/*
 * A log that is gone when the database is opened again: noticed wherever the file alone is older
 * than what was confirmed, and nowhere else. What a killed daemon leaves is what lies there while
 * it is open: it is copied aside, with the log or without.
 */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sqlite_fault.h"

struct copy {
    char path[96], log[104]; /* as long as a fixture's */
};

static void copy_file(const char *from, const char *to)
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

/* What a kill leaves now. */
static struct copy killed(const struct fixture *f, const char *name, bool with_log)
{
    struct copy copy;
    char log[104];

    snprintf(copy.path, sizeof(copy.path), "%s/%s", f->dir, name);
    snprintf(copy.log, sizeof(copy.log), "%s-wal", copy.path);
    snprintf(log, sizeof(log), "%s-wal", f->path);
    copy_file(f->path, copy.path);
    if (with_log)
        copy_file(log, copy.log);
    return copy;
}

static void refused(const struct copy *copy)
{
    struct evd_error err = {0};
    struct store *store;

    for (int i = 0; i < 2; i++) { /* and trying does not help */
        assert_int_equal(fixture_open_store(&store, copy->path, NULL, NULL, NULL, &err),
                         EVD_E_STORE);
        assert_non_null(strstr(err.message, copy->path));
        assert_non_null(strstr(err.message, "-wal at the end, is gone or not that one"));
    }
}

/* Something of a log's size that is none. */
static void other_log(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (int i = 0; i < 100000; i++)
        fputc(i * 7 % 251, file);
    assert_int_equal(fclose(file), 0);
}

/* A picture of what it holds, by a fixture of its own. */
static void opens_with(const struct fixture *f, const struct copy *copy, const char *text)
{
    struct fixture other = *f;
    char picture[8192];

    other.vfs = NULL;
    other.store = NULL;
    snprintf(other.path, sizeof(other.path), "%s", copy->path);
    fixture_open(&other, picture, sizeof(picture));
    if (!strstr(picture, text))
        fail_msg("\"%s\" is not in %s", text, picture);
    fixture_close(&other);
}

static void a_missing_log_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct copy copy;

    fixture_open(f, NULL, 0);
    copy = killed(f, "new", false); /* a database that is new, and was never closed */
    refused(&copy);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    copy = killed(f, "alone", false);
    refused(&copy);
    fclose(fopen(copy.log, "w")); /* an empty one is none */
    refused(&copy);
    other_log(copy.log);
    refused(&copy);
    copy = killed(f, "whole", true);
    opens_with(f, &copy, "job 7 train");
    opens_with(f, &copy, "job 7 train"); /* closed, it has no log */
    fixture_reopen(f, NULL, 0);
    assert_int_equal(run(f, op_progress(7, 50, 1)), EVD_OK);
    copy = killed(f, "again", false);
    refused(&copy);
}

/* Whoever brings the log into the file with other tools has lost nothing. */
static void a_log_that_was_brought_home_is_not_missed(void **state)
{
    struct fixture *f = *state;
    struct copy copy;

    fixture_open(f, NULL, 0);
    copy = killed(f, "idle", true);
    assert_int_equal(sqlite_query(copy.path, "SELECT count(*) FROM job"), 0);
    assert_int_equal(access(copy.log, F_OK), -1);
    opens_with(f, &copy, "");
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    copy = killed(f, "busy", true);
    assert_int_equal(sqlite_query(copy.path, "SELECT count(*) FROM job"), 1);
    opens_with(f, &copy, "job 7 train");
}

/* As the message says. */
static void the_older_state_can_be_had(void **state)
{
    struct fixture *f = *state;
    struct copy copy;

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    fixture_reopen(f, NULL, 0);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    copy = killed(f, "alone", false);
    refused(&copy);
    sqlite_query(copy.path, "PRAGMA user_version = 5");
    opens_with(f, &copy, "dataset 1 pets");
    assert_int_equal(sqlite_query(copy.path, "SELECT count(*) FROM job"), 0);
}

/* Checkpoints come and go: between two of them there is always something to miss. */
static void between_checkpoints_too(void **state)
{
    enum { N = 4500000, TURNS = 3 };
    struct fixture *f = *state;
    uint32_t *labels = malloc(N * sizeof(*labels));
    struct copy copy;
    char name[16];

    assert_non_null(labels);
    for (uint32_t i = 0; i < N; i++)
        labels[i] = 70000 + i % 7;
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_draft(9, "big")), EVD_OK);
    for (uint64_t i = 0; i < TURNS; i++) {
        assert_int_equal(run(f, op_labels(9, i * N, labels, N)), EVD_OK);
        assert_int_equal(run(f, op_draft(20 + i, "next")), EVD_OK); /* the checkpoint is over */
        snprintf(name, sizeof(name), "turn%d", (int)i);
        copy = killed(f, name, false);
        refused(&copy);
        assert_int_equal(unlink(copy.path), 0);
    }
    copy = killed(f, "end", true);
    opens_with(f, &copy, "dataset 1 pets");
    free(labels);
}

/* A disk that is full when it starts: it starts, and makes up for it. */
static void a_full_disk_puts_it_off(void **state)
{
    struct fixture *f = *state;
    struct store_info info;
    struct copy copy;

    fault_register();
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    fixture_close(f);
    f->vfs = FAULT_VFS;
    fault_set(FAULT_WRITE, 1, fault_full, true);
    fixture_open(f, NULL, 0);
    store_info(f->store, &info);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_E_STORE);
    assert_true(fault_clear() > 0);
    do {
        store_info(f->store, &info);
        usleep(10000);
        store_poll(f->store);
    } while (info.failing);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    copy = killed(f, "alone", false);
    refused(&copy);
}

static void a_backup_stands_alone(void **state)
{
    struct fixture *f = *state;
    struct copy copy;

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    snprintf(copy.path, sizeof(copy.path), "%s/backup", f->dir);
    assert_int_equal(run(f, op_backup(copy.path)), EVD_OK);
    opens_with(f, &copy, "dataset 1 pets");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_missing_log_is_noticed),   TEST(a_log_that_was_brought_home_is_not_missed),
        TEST(the_older_state_can_be_had), TEST(between_checkpoints_too),
        TEST(a_full_disk_puts_it_off),    TEST(a_backup_stands_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
