/* Writing that fails for a while: it shows, nothing piles up, and it ends by itself; or it does
 * not. */
#include "store_fixture.h"

#include <string.h>
#include <unistd.h>
#include "sqlite_fault.h"

static void open_faulty(struct fixture *f)
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

/* Nobody submits anything, and yet it is noticed: the loop is woken. */
static void recovery_is_noticed_by_itself(void **state)
{
    const int codes[] = {fault_full, fault_io_write, fault_readonly};
    const char *const words[] = {"free disk space", "check the disk", "write permission"};
    struct fixture *f = *state;
    char picture[4096];

    open_faulty(f);
    for (int i = 0; i < 3; i++) {
        struct noted_op progress = op_progress(7, 100, 1);

        fault_set(FAULT_WRITE, 1, codes[i], true);
        submit(f, &progress);
        while (!progress.done)
            fixture_wait(f);
        assert_int_equal(progress.op.error.code, EVD_E_STORE);
        assert_non_null(strstr(progress.op.error.message, words[i]));
        assert_true(info_of(f).failing);
        usleep(1300000);
        assert_true(info_of(f).failing);
        assert_true(fault_clear() >= 2); /* it was tried again meanwhile */
        while (info_of(f).failing)
            assert_int_equal(fixture_wait(f), 0);
        assert_int_equal(run(f, op_progress(7, 10 + (uint64_t)i, 1)), EVD_OK);
    }
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "progress 7 rank 0: 0.2/12"));
}

/* After a failed fsync or damage it is never tried again; a restart finds what was confirmed. */
static void what_is_uncertain_is_not_tried_again(void **state)
{
    const struct {
        unsigned call;
        int code;
        const char *words;
    } causes[] = {{FAULT_SYNC, fault_io_fsync, "restart evendrawd"},
                  {FAULT_WRITE, fault_corrupt, "restore it from a backup"}};
    struct fixture *f = *state;
    char picture[4096];

    open_faulty(f);
    for (uint64_t i = 0; i < 2; i++) {
        struct noted_op progress = op_progress(7, 100, 1);

        assert_int_equal(run(f, op_progress(7, 10 + i, 1)), EVD_OK);
        fault_set(causes[i].call, 1, causes[i].code, true);
        submit(f, &progress);
        while (!progress.done)
            fixture_wait(f);
        assert_int_equal(progress.op.error.code, EVD_E_STORE);
        assert_non_null(strstr(progress.op.error.message, causes[i].words));
        usleep(1300000);
        assert_true(info_of(f).failing);
        assert_int_equal(run(f, op_draft(30, "more")), EVD_E_STORE);
        assert_int_equal(run(f, op_backup("/nowhere")), EVD_E_STORE);
        assert_int_equal(fault_clear(), 1);
        assert_int_equal(run(f, op_draft(30, "more")), EVD_E_STORE);
        fixture_reopen(f, picture, sizeof(picture));
        assert_false(info_of(f).failing);
        /* What failed uncertainly may be there; what was confirmed is. */
        assert_true(strstr(picture, i == 0 ? "0.2/10" : "0.2/11") || strstr(picture, "0.2/100"));
    }
}

/* A disk that does not answer: what waits is bounded, and is written when it does. */
static void a_stalled_disk_fills_the_queue_only(void **state)
{
    enum { N = 100, LABELS = 1u << 18 };
    static uint32_t labels[LABELS]; /* 1 MiB */
    static struct noted_op ops[N];
    struct fixture *f = *state;
    struct evd_error err;
    int taken = 0, code = EVD_OK;

    open_faulty(f);
    assert_int_equal(run(f, op_draft(9, "large")), EVD_OK);
    fault_stall(true);
    while (taken < N && code == EVD_OK) {
        ops[taken] = op_labels(9, (uint64_t)taken * LABELS, labels, LABELS);
        if (info_of(f).queued_bytes + sizeof(labels) + sizeof(ops[0].op) <= STORE_PIECE_BYTES)
            submit(f, &ops[taken++]);
        else
            code = store_submit(f->store, &ops[taken].op, &err);
    }
    assert_int_equal(code, EVD_E_BUSY);
    assert_int_equal(taken, 55);
    assert_true(info_of(f).queued_bytes <= STORE_PIECE_BYTES);
    usleep(100000);
    assert_int_equal(store_poll(f->store), 0);
    fault_stall(false);
    while (!ops[taken - 1].done)
        fixture_wait(f);
    for (int i = 0; i < taken; i++)
        assert_int_equal(ops[i].op.error.code, EVD_OK);
    assert_int_equal(info_of(f).queued_bytes, 0);
}

/* While everything fails, everything is answered and nothing stays queued. */
static void failures_do_not_pile_up(void **state)
{
    static struct noted_op ops[5000];
    struct fixture *f = *state;

    open_faulty(f);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    for (int i = 0; i < 5000; i++) {
        ops[i] = op_progress(7, 1000 + (uint64_t)i, 2);
        submit(f, &ops[i]);
    }
    while (!ops[4999].done)
        fixture_wait(f);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(ops[i].done, 1);
        assert_int_equal(ops[i].op.error.code, EVD_E_STORE);
    }
    assert_int_equal(info_of(f).queued_bytes, 0);
    assert_true(info_of(f).failing);
    fault_clear();
    assert_int_equal(run(f, op_progress(7, 9000, 1)), EVD_OK);
    assert_false(info_of(f).failing);
}

static void a_write_protected_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct evd_error err = {0};
    struct store *store;

    open_faulty(f);
    fixture_close(f);
    fault_write_protect(true);
    assert_int_equal(fixture_open_store(&store, f->path, FAULT_VFS, NULL, NULL, &err), EVD_E_STORE);
    fault_write_protect(false);
    assert_non_null(strstr(err.message, "cannot be written: give evendrawd write permission"));
    assert_non_null(strstr(err.message, f->path));
    fixture_open(f, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(recovery_is_noticed_by_itself),       TEST(what_is_uncertain_is_not_tried_again),
        TEST(a_stalled_disk_fills_the_queue_only), TEST(failures_do_not_pile_up),
        TEST(a_write_protected_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
