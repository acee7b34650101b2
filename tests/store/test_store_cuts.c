/*
 * The power goes at every single write while attachments are made, committed and dropped: what was
 * confirmed is there with its rows and digest, what was under way is there as a whole or not at
 * all, and drafts are gone. (test_store_power.c cuts at random, all that there is.)
 */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include "proto/limits.h"
#include "sqlite_power.h"

#define DATABASE "cuts.db"

enum { STEPS = 10, PICTURE = 8192 };

/* Under sanitizers, which are slow, one loss for each write. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EACH = POWER_LOSSES };
#else
enum { EACH = 1 };
#endif

/* Of six samples: 8 bytes each. */
static const char rows[] = "0000000011111111222222223333333344444444x5555555";
static const char distances[] = "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeefffffffx";
static const uint32_t labels[] = {0, 2, EVD_UNLABELLED, 1, 0, 2};

static struct noted_op step_of(unsigned step)
{
    const struct noted_op steps[STEPS] = {
        op_attachment(10, "a", 1),
        op_rows(10, 0, rows, distances, 4),
        op_rows(10, 4, rows + 32, distances + 32, 2),
        op_attachment_commit(10, 6),
        op_attachment(11, "b", 1), /* stays a draft */
        op_rows(11, 0, rows, distances, 5),
        op_attachment_drop(5),
        op_attachment(12, "old", 1), /* the name is free */
        op_rows(12, 0, distances, rows, 6),
        op_attachment_commit(12, 6),
    };

    return steps[step];
}

/* Two datasets with an attachment each. */
static void make_file(void)
{
    struct noted_op ops[] = {
        op_draft(1, "pets"),        op_classes(1, 0, "cat\0dog\0eel", 12),
        op_labels(1, 0, labels, 6), op_commit(1, 1, 6, 3),
        op_attachment(5, "old", 1), op_rows(5, 0, rows, distances, 6),
        op_attachment_commit(5, 6), op_draft(2, "more"),
        op_labels(2, 0, labels, 6), op_commit(2, 1, 6, 3),
        op_attachment(6, "old", 2), op_rows(6, 0, distances, rows, 6),
        op_attachment_commit(6, 6),
    };
    struct evd_error err;
    struct store_db *db;

    power_reset();
    assert_int_equal(sqlite_open(&db, DATABASE, POWER_VFS, &err), EVD_OK);
    assert_true(write_at_once(db, ops, sizeof(ops) / sizeof(ops[0])));
    sqlite_engine.close(db);
}

/* The steps, a transaction each, then the dataset that has the other attachment goes and all is
 * tidied. Returns how many transactions were confirmed before the power went. */
static unsigned live(unsigned steps)
{
    struct noted_op drop = op_drop(2);
    struct evd_error err = {0};
    struct store_db *db;
    unsigned confirmed = 0;

    if (sqlite_open(&db, DATABASE, POWER_VFS, &err) != EVD_OK) {
        assert_true(power_is_off());
        return 0;
    }
    while (confirmed < steps) {
        struct noted_op op = confirmed < STEPS ? step_of(confirmed) : drop;

        if (!write_at_once(db, &op, 1))
            break;
        assert_int_equal(op.op.error.code, EVD_OK);
        confirmed++;
    }
    while (confirmed > STEPS && sqlite_engine.tidy(db))
        continue;
    sqlite_engine.close(db);
    return confirmed;
}

static void picture_of(struct fixture *cut, char *picture)
{
    fixture_open(cut, picture, PICTURE);
    fixture_close(cut);
}

static void at_every_write(void **state)
{
    static char expected[STEPS + 2][PICTURE];
    struct fixture *f = *state, cut = *f;
    char picture[PICTURE];
    unsigned cuts = 0;
    bool was_cut = true;

    power_register();
    cut.vfs = POWER_VFS;
    strcpy(cut.path, DATABASE);
    for (unsigned steps = 0; steps < STEPS + 2; steps++) {
        make_file();
        assert_int_equal(live(steps), steps);
        picture_of(&cut, expected[steps]);
    }
    assert_string_equal(expected[0], expected[3]); /* a draft is not seen */
    assert_string_not_equal(expected[3], expected[4]);
    for (unsigned nth = 1; was_cut; nth++) {
        for (unsigned loss = nth % EACH; loss < POWER_LOSSES; loss += EACH) {
            unsigned confirmed;

            make_file();
            power_cut_at(nth);
            confirmed = live(STEPS + 1);
            was_cut = power_is_off();
            power_on((enum power_loss)loss, nth);
            power_cut_at(0);
            picture_of(&cut, picture);
            if (strcmp(picture, expected[confirmed]) != 0) {
                assert_true(was_cut && confirmed <= STEPS);
                assert_string_equal(picture, expected[confirmed + 1]);
            }
            cuts += was_cut;
        }
    }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 6 * STEPS);
    power_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(at_every_write, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
