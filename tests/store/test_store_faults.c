/* Full disks, failing writes and syncs, kill -9, and files that are not ours. */
#include "store_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sqlite_fault.h"

static void open_faulty(struct fixture *f)
{
    fault_register();
    f->vfs = FAULT_VFS;
    fixture_open(f, NULL, 0);
}

static bool failing(struct fixture *f)
{
    struct store_info info;

    store_info(f->store, &info);
    return info.failing;
}

static void a_full_disk_passes(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    open_faulty(f);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(run(f, op_revision(7, i, 0)), EVD_E_STORE);
    assert_int_equal(run(f, op_progress(7, 50, 1)), EVD_E_STORE);
    assert_true(failing(f));
    assert_true(fault_clear() >= 4);
    assert_int_equal(run(f, op_progress(7, 60, 1)), EVD_OK);
    assert_false(failing(f));
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "progress 7 rank 0: 0.2/60"));
    assert_null(strstr(picture, "revision 0.1"));
}

static void a_failed_commit_fails_the_group(void **state)
{
    struct fixture *f = *state;
    struct noted_op ops[] = {op_draft(1, "a"), op_draft(2, "b"), op_draft(1, "c")};
    const int codes[] = {EVD_E_STORE, EVD_E_STORE, EVD_E_EXISTS};
    struct evd_error err;

    fault_register();
    f->vfs = FAULT_VFS;
    fixture_open_unstarted(f);
    for (int i = 0; i < 3; i++)
        submit(f, &ops[i]);
    fault_set(FAULT_WRITE, 1, fault_io_write, false);
    assert_int_equal(store_start(f->store, &err), EVD_OK);
    assert_int_equal(fixture_wait(f), 3);
    assert_int_equal(fault_clear(), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ops[i].op.error.code, codes[i]);
    assert_int_equal(run(f, op_draft(1, "a")), EVD_OK); /* nothing was left of the first */
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM dataset"), 1);
}

/* After a failed sync nothing is written, and the next start finds a sound file. */
static void a_failed_sync_stops_writing(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    open_faulty(f);
    make_dataset(f, 1, "pets", 1);
    fault_set(FAULT_SYNC, 1, fault_io_fsync, false);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_E_STORE);
    assert_int_equal(fault_clear(), 1);
    assert_int_equal(run(f, op_draft(8, "more")), EVD_E_STORE);
    assert_true(failing(f));
    fixture_reopen(f, picture, sizeof(picture));
    assert_memory_equal(picture, "dataset 1 pets v1", 17);
    assert_int_equal(run(f, op_draft(8, "more")), EVD_OK);
    assert_false(failing(f));
}

/* A little of everything; bit i of the result: the ith step was confirmed. */
static unsigned little_of_everything(struct fixture *f)
{
    static uint32_t labels[20000];
    unsigned ok = 0;

    ok |= (run(f, op_draft(20, "more")) == EVD_OK) << 0;
    ok |= (run(f, op_classes(20, 0, "x", 2)) == EVD_OK) << 1;
    ok |= (run(f, op_labels(20, 0, labels, 20000)) == EVD_OK) << 2;
    ok |= (run(f, op_commit(20, 1, 20000, 1)) == EVD_OK) << 3;
    ok |= (run(f, op_job(21, "late", 1)) == EVD_OK) << 4;
    ok |= (run(f, op_progress(21, 5, 2)) == EVD_OK) << 5;
    ok |= (run(f, op_drop(2)) == EVD_OK) << 6;
    return ok;
}

static void check_everything(const char *path, unsigned ok)
{
    const struct {
        unsigned bit;
        const char *sql;
        int64_t want;
    } facts[] = {
        {3, "SELECT count(*) FROM dataset WHERE id = 20 AND state = 1", 1},
        {3, "SELECT sum(n) FROM label_chunk WHERE dataset = 20", 20000},
        {4, "SELECT count(*) FROM job WHERE id = 21", 1},
        {5, "SELECT count(*) FROM progress WHERE job = 21", 2},
    };

    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        if (ok & (1u << facts[i].bit))
            assert_int_equal(sqlite_query(path, facts[i].sql), facts[i].want);
    }
    if (ok & (1u << 6))
        assert_int_equal(sqlite_query(path, "SELECT count(*) FROM dataset"
                                            " WHERE id = 2 AND state = 1"),
                         0);
    assert_int_equal(sqlite_query(path, "SELECT count(*) FROM dataset WHERE id = 1"), 1);
    assert_int_equal(sqlite_query(path, "SELECT count(*) FROM pragma_quick_check"
                                        " WHERE quick_check = 'ok'"),
                     1);
}

/* Every write and every sync fails once, in turn, until none is left to fail. */
static void fail_each(struct fixture *f, unsigned calls, int code)
{
    for (int nth = 1, fired = 1; fired > 0; nth++) {
        unlink(f->path);
        open_faulty(f);
        make_dataset(f, 1, "pets", 1);
        make_dataset(f, 2, "birds", 1);
        fault_set(calls, nth, code, false);
        unsigned ok = little_of_everything(f);
        fired = fault_clear();
        if (fired == 0)
            assert_int_equal(ok, 0x7f);
        if (code != fault_io_fsync)
            assert_int_equal(run(f, op_draft(30, "after")), EVD_OK);
        fixture_reopen(f, NULL, 0);
        assert_int_equal(run(f, op_draft(31, "next")), EVD_OK);
        fixture_close(f);
        check_everything(f->path, ok);
    }
}

static void each_write_fails(void **state)
{
    fail_each(*state, FAULT_WRITE, fault_full);
}

static void each_sync_fails(void **state)
{
    fail_each(*state, FAULT_SYNC, fault_io_fsync);
}

/* What a killed process had confirmed is there. */
static void kill_9_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int pipes[2];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    fixture_close(f);
    for (int round = 0; round < 10; round++) {
        uint64_t seen = 0, step;
        char picture[4096], *found;

        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            fixture_open(f, NULL, 0);
            for (step = 1;; step++) {
                if (run(f, op_progress(7, step, 1)) != EVD_OK ||
                    write(pipes[1], &step, sizeof(step)) != sizeof(step))
                    _exit(1);
            }
        }
        close(pipes[1]);
        for (int i = 0; i < 5 + 7 * round; i++)
            assert_int_equal(read(pipes[0], &seen, sizeof(seen)), sizeof(seen));
        kill(child, SIGKILL);
        while (read(pipes[0], &step, sizeof(step)) == sizeof(step))
            seen = step;
        close(pipes[0]);
        waitpid(child, NULL, 0);
        fixture_open(f, picture, sizeof(picture));
        found = strstr(picture, "progress 7 rank 0: 0.2/");
        assert_non_null(found);
        step = strtoull(found + 23, NULL, 10);
        assert_true(step == seen || step == seen + 1);
        fixture_close(f);
    }
}

/* Checkpoints are nobody's operation: their failure shows, loses nothing, and passes or stays. */
static void a_failed_checkpoint_shows(void **state)
{
    enum { N = 4500000 }; /* 4 bytes each: more than the log may hold without a checkpoint */
    struct fixture *f = *state;
    uint32_t *labels = malloc(N * sizeof(*labels));
    struct noted_op big[] = {op_draft(1, "big"), op_labels(1, 0, labels, N)};
    struct noted_op second = op_labels(1, N, labels, N), more = op_draft(2, "more");
    struct store_db *db;
    struct evd_error err;

    assert_non_null(labels);
    for (uint32_t i = 0; i < N; i++)
        labels[i] = 70000 + i % 7;
    fault_register();
    assert_int_equal(sqlite_open(&db, f->path, FAULT_VFS, &err), EVD_OK);
    assert_true(write_at_once(db, big, 2));
    fault_set(FAULT_WRITE, 1, fault_full, true);
    assert_false(sqlite_engine.tidy(db));
    assert_true(fault_clear() > 0);
    assert_true(sqlite_engine.failing(db, &err));
    assert_non_null(strstr(err.message, "free disk space"));
    sqlite_engine.tidy(db);
    assert_false(sqlite_engine.failing(db, &err));

    assert_true(write_at_once(db, &second, 1));
    fault_set(FAULT_SYNC, 1, fault_io_fsync, false);
    assert_false(sqlite_engine.tidy(db));
    assert_int_equal(fault_clear(), 1);
    assert_false(write_at_once(db, &more, 1));
    assert_int_equal(more.op.error.code, EVD_E_STORE);
    sqlite_engine.close(db);
    free(labels);
    assert_int_equal(sqlite_query(f->path, "SELECT sum(n) FROM label_chunk"), 2 * N);
}

/* ---- files ---- */

static void refused(struct fixture *f, int code, const char *words)
{
    struct evd_error err = {0};
    struct store *store;

    assert_int_equal(store_open(&store, f->path, NULL, NULL, &err), code);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_non_null(strstr(err.message, f->path));
}

static void overwrite(const char *path, long at, const char *bytes, size_t n)
{
    FILE *file = fopen(path, at < 0 ? "w" : "r+");

    assert_non_null(file);
    if (at > 0)
        fseek(file, at, SEEK_SET);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void foreign_files_are_left_alone(void **state)
{
    struct fixture *f = *state;
    char text[2000], after[2001];
    FILE *file;

    memset(text, 'x', sizeof(text));
    overwrite(f->path, -1, text, sizeof(text));
    refused(f, EVD_E_STORE, "not an evendraw database");
    file = fopen(f->path, "r");
    assert_int_equal(fread(after, 1, sizeof(after), file), sizeof(text));
    fclose(file);
    assert_memory_equal(text, after, sizeof(text));

    unlink(f->path);
    sqlite_query(f->path, "CREATE TABLE theirs(x)");
    refused(f, EVD_E_STORE, "not an evendraw database");
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void newer_and_damaged_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char garbage[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    fixture_close(f);
    sqlite_query(f->path, "PRAGMA user_version = 99");
    refused(f, EVD_E_STORE, "newer evendrawd");
    sqlite_query(f->path, "PRAGMA user_version = 1"); /* with the tables of version 5 */
    refused(f, EVD_E_STORE, "damaged");
    sqlite_query(f->path, "PRAGMA user_version = 2");
    refused(f, EVD_E_STORE, "damaged");
    sqlite_query(f->path, "PRAGMA user_version = 3");
    refused(f, EVD_E_STORE, "damaged");
    sqlite_query(f->path, "PRAGMA user_version = 4");
    refused(f, EVD_E_STORE, "damaged");
    sqlite_query(f->path, "PRAGMA user_version = -1");
    refused(f, EVD_E_STORE, "damaged");
    sqlite_query(f->path, "PRAGMA user_version = 5");
    fixture_open(f, NULL, 0);
    fixture_close(f);

    memset(garbage, 0xa5, sizeof(garbage));
    overwrite(f->path, 4096, garbage, sizeof(garbage));
    overwrite(f->path, 8192, garbage, sizeof(garbage));
    refused(f, EVD_E_STORE, "damaged");
}

static int ignore_dataset(void *arg, const struct store_dataset *dataset, struct evd_error *err)
{
    (void)arg;
    (void)dataset;
    (void)err;
    return EVD_OK;
}

static int ignore_chunk(void *arg, const struct store_chunk *chunk, struct evd_error *err)
{
    (void)arg;
    (void)chunk;
    (void)err;
    return EVD_OK;
}

static int ignore_end(void *arg, struct evd_error *err)
{
    (void)arg;
    (void)err;
    return EVD_OK;
}

static int count_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    (void)err;
    assert_non_null(strstr(why->message, "do not fit together"));
    ++*(int *)arg;
    return EVD_OK;
}

/* Sound pages whose rows cannot be. */
static void rows_that_contradict_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct store_reader reader = {
        .dataset_begin = ignore_dataset, .dataset_chunk = ignore_chunk, .dataset_end = ignore_end};
    int told;
    const struct store_reader tolerant = {.arg = &told,
                                          .dataset_begin = ignore_dataset,
                                          .dataset_chunk = ignore_chunk,
                                          .dataset_end = ignore_end,
                                          .dataset_damaged = count_damaged};
    const char *const wounds[] = {
        "UPDATE label_chunk SET first_sample = 5 WHERE first_sample = 4",
        "UPDATE label_chunk SET n = 3",
        "UPDATE label_chunk SET width = 3",
        "DELETE FROM label_chunk WHERE first_sample = 4",
        "DELETE FROM class_chunk",
        "UPDATE class_chunk SET names = x'4142'",
        "UPDATE class_chunk SET first_class = 4294967296 WHERE first_class = 0",
        "UPDATE dataset SET classes = -1",
        "UPDATE dataset SET version = 4294967297",
        "UPDATE dataset SET state = 7",
        "UPDATE dataset SET state = 0"};

    for (size_t i = 0; i < sizeof(wounds) / sizeof(*wounds); i++) {
        struct evd_error err = {0};
        uint64_t next_id;

        unlink(f->path);
        fixture_open(f, NULL, 0);
        make_dataset(f, 1, "pets", 1);
        fixture_close(f);
        sqlite_query(f->path, wounds[i]);
        assert_int_equal(store_open(&f->store, f->path, NULL, NULL, &err), EVD_OK);
        assert_int_equal(store_load(f->store, &reader, &next_id, &err), EVD_E_STORE);
        assert_non_null(strstr(err.message, "do not fit together"));
        fixture_close(f);
        /* Nothing else suffers where the reader can do without it. */
        told = 0;
        assert_int_equal(store_open(&f->store, f->path, NULL, NULL, &err), EVD_OK);
        assert_int_equal(store_load(f->store, &tolerant, &next_id, &err), EVD_OK);
        assert_int_equal(told, 1);
        fixture_close(f);
    }
}

static void a_file_in_use_is_refused(void **state)
{
    struct fixture *f = *state;

    fixture_open(f, NULL, 0);
    refused(f, EVD_E_CONFLICT, "in use by another process");
    pid_t child = fork();
    if (child == 0) {
        struct evd_error err;
        struct store *store;
        _exit(store_open(&store, f->path, NULL, NULL, &err));
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), EVD_E_CONFLICT);
    make_dataset(f, 1, "pets", 1); /* undisturbed */
}

/* As it is right after kill -9: the lock of the one before goes a little later. */
static void a_file_soon_free_is_waited_for(void **state)
{
    struct fixture *f = *state;
    int held[2];
    char byte;

    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        struct evd_error err;
        struct store *store;
        if (store_open(&store, f->path, NULL, NULL, &err) != EVD_OK || write(held[1], "x", 1) != 1)
            _exit(1);
        usleep(300000);
        _exit(0); /* without store_close */
    }
    assert_int_equal(read(held[0], &byte, 1), 1);
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(held[0]);
    close(held[1]);
}

static void a_missing_folder_is_named(void **state)
{
    struct fixture *f = *state;
    char path[sizeof(f->path)];

    memcpy(path, f->path, sizeof(path));
    snprintf(f->path, sizeof(f->path), "%s/none/x.db", f->dir);
    refused(f, EVD_E_STORE, "check that the folder exists");
    memcpy(f->path, path, sizeof(path));
}

static void dropped_chunks_are_swept(void **state)
{
    struct fixture *f = *state;
    const uint32_t label[] = {0};
    struct store_db *db;
    struct evd_error err;

    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op_draft(1, "many")), EVD_OK);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(run(f, op_labels(1, i, label, 1)), EVD_OK);
    assert_int_equal(run(f, op_drop(1)), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_open(&db, f->path, NULL, &err), EVD_OK);
    while (sqlite_engine.tidy(db))
        continue;
    sqlite_engine.close(db);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM label_chunk"), 0);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM dataset"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_disk_passes),
        TEST(a_failed_commit_fails_the_group),
        TEST(a_failed_sync_stops_writing),
        TEST(each_write_fails),
        TEST(each_sync_fails),
        TEST(a_failed_checkpoint_shows),
        TEST(kill_9_loses_nothing),
        TEST(foreign_files_are_left_alone),
        TEST(newer_and_damaged_files_are_refused),
        TEST(rows_that_contradict_are_refused),
        TEST(a_file_in_use_is_refused),
        TEST(a_file_soon_free_is_waited_for),
        TEST(a_missing_folder_is_named),
        TEST(dropped_chunks_are_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
