/* What the store keeps, in which order it answers, and what it refuses. */
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>
#include "proto/limits.h"

#define DATASET_1                                                                                  \
    "dataset 1 pets v1 at 2001: 5/6 in 3, fffffffffffffffe | 0: cat dog | 2: eel"                  \
    " | 0: 0 2 - 1 | 4: 0 2\n"
#define JOB_7_WITH(world, mark)                                                                    \
    "job 7 train of 1: 64/" world " ranked drop seed 7fffffffffffffff at 4000,"                    \
    " at-most-once 4294967295+20 ms x2 to " mark "\n"
#define JOB_7 JOB_7_WITH("0", "0/0")

static void everything_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    fixture_open(f, NULL, 0);
    assert_int_equal(f->next_id, 1);
    make_dataset(f, 1, "pets", 1);
    make_dataset(f, 2, "pets", 2);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    assert_int_equal(run(f, op_revision(7, 1, 0)), EVD_OK);
    assert_int_equal(run(f, op_progress(7, 40, 2)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(
        picture, DATASET_1
        "dataset 2 pets v2 at 2002: 5/6 in 3, fffffffffffffffd | 0: cat dog | 2: eel"
        " | 0: 0 2 - 1 | 4: 0 2\n" JOB_7_WITH(
            "2", "2/48") " revision 0.0 from 1/0 of 100 (32) uniform ffffffffffffffff by tests\n"
                         " revision 0.1 from 1/10 of 100 (32) uniform fffffffffffffffe by tests\n"
                         " progress 7 rank 0: 0.2/40 +0\n"
                         " progress 7 rank 1: 0.2/41 +2 05 80\n");
    assert_int_equal(f->next_id, 8);
}

static void replacing_and_dropping(void **state)
{
    struct fixture *f = *state;
    char picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    make_dataset(f, 2, "birds", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    assert_int_equal(run(f, op_job(8, "other", 1)), EVD_OK);
    assert_int_equal(run(f, op_revision(7, 1, 0)), EVD_OK);
    assert_int_equal(run(f, op_revision(7, 2, 1)), EVD_OK);
    assert_int_equal(run(f, op_revision(7, 3, 1)), EVD_OK); /* cancels 2 */
    assert_int_equal(run(f, op_progress(7, 10, 4)), EVD_OK);
    assert_int_equal(run(f, op_progress(7, 20, 1)), EVD_OK); /* replaces all four rows */
    assert_int_equal(run(f, op_job_drop(8)), EVD_OK);
    assert_int_equal(run(f, op_drop(2)), EVD_OK);
    assert_int_equal(run(f, op_drop(1)), EVD_E_CONFLICT); /* job 7 */
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(
        picture,
        DATASET_1 JOB_7_WITH(
            "1", "2/28") " revision 0.0 from 1/0 of 100 (32) uniform ffffffffffffffff by tests\n"
                         " revision 0.1 from 1/10 of 100 (32) uniform fffffffffffffffe by tests\n"
                         " revision 0.3 from 1/30 of 100 (32) uniform fffffffffffffffc by tests\n"
                         " progress 7 rank 0: 0.2/20 +0\n");
    assert_int_equal(run(f, op_job_drop(7)), EVD_OK);
    assert_int_equal(run(f, op_drop(1)), EVD_OK);
    make_dataset(f, 9, "pets", 1); /* the name is free again at once */
    fixture_reopen(f, picture, sizeof(picture));
    assert_memory_equal(picture, "dataset 9 pets v1", 17);
}

static void seeks_and_world_sizes(void **state)
{
    struct fixture *f = *state;
    struct noted_op seek = op_seek(7, 1, 5);
    char picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(7, "train", 1)), EVD_OK);
    assert_int_equal(run(f, op_world(7, 20, 4)), EVD_OK);
    assert_int_equal(run(f, op_world(7, 10, 2)), EVD_OK);
    assert_int_equal(run(f, op_world(7, 20, 8)), EVD_OK); /* instead of 4 */
    assert_int_equal(run(f, seek), EVD_OK);
    assert_int_equal(run(f, op_seek(7, 1, 6)), EVD_E_EXISTS);
    seek = op_seek(7, 2, 3);
    seek.op.revision = op_revision(7, 9, 0).op.revision;
    seek.op.revision.generation = 2;
    seek.op.world = op_world(7, 3, 16).op.world;
    seek.op.world.generation = 2;
    assert_int_equal(run(f, seek), EVD_OK);
    /* A revision lowers what its own generation keeps of its parent's, and never raises it. */
    seek = op_revision(7, 10, 9);
    seek.op.revision.generation = 2;
    assert_int_equal(run(f, seek), EVD_OK);
    seek = op_revision(7, 4, 3);
    seek.op.revision.generation = 1;
    assert_int_equal(run(f, seek), EVD_OK);
    assert_int_equal(run(f, op_seek(8, 1, 5)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_world(8, 1, 5)), EVD_E_NOT_FOUND);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(
        picture,
        DATASET_1 JOB_7_WITH(
            "1",
            "2/11") " seek 7 1<0.3 from 9/18446744073709551615 to 2/5 replay at 6001 by tests\n"
                    " seek 7 2<1.5 from 9/18446744073709551615 to 2/3 replay at 6002 by tests\n"
                    " revision 0.0 from 1/0 of 100 (32) uniform ffffffffffffffff by tests\n"
                    " revision 1.4 from 1/40 of 100 (32) uniform fffffffffffffffb by tests\n"
                    " revision 2.9 from 1/90 of 100 (32) uniform fffffffffffffff6 by tests\n"
                    " revision 2.10 from 1/100 of 100 (32) uniform fffffffffffffff5 by tests\n"
                    " world 7 0 2/10 2 at 5002 by tests\n"
                    " world 7 0 2/20 8 at 5008 by tests\n"
                    " world 7 2 2/3 16 at 5016 by tests\n"
                    " progress 7 rank 0: 2.2/3 +0\n");
    assert_int_equal(run(f, op_job_drop(7)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(picture, DATASET_1);
}

/* What goes with its last job, what goes with its last user, and one job in place of another. */
static void owned_ephemeral_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct noted_op commit = op_commit(1, 1, 6, 3), job = op_job(7, "train", 1);
    char picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 2, "pets", 2);
    assert_int_equal(run(f, op_draft(1, "mine")), EVD_OK);
    assert_int_equal(run(f, op_classes(1, 0, "a\0b\0c", 6)), EVD_OK);
    assert_int_equal(run(f, op_labels(1, 0, (const uint32_t[6]){0, 1, 2, 0, 1, 2}, 6)), EVD_OK);
    commit.op.dataset.owned = true;
    assert_int_equal(run(f, commit), EVD_OK);
    job.op.job.ephemeral = 60000;
    assert_int_equal(run(f, job), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, "dataset 1 mine v1 at 2001: 5/6 in 3, fffffffffffffffe owned"));
    assert_non_null(strstr(picture, "ephemeral 60000 ms"));
    /* Under the same name; and where that fails the old one is still there. */
    job = op_job(8, "train", 99);
    job.op.job.replaces = 7;
    assert_int_equal(run(f, job), EVD_E_NOT_FOUND);
    job = op_job(9, "train", 2);
    assert_int_equal(run(f, job), EVD_E_EXISTS);
    job.op.job.replaces = 7;
    assert_int_equal(run(f, job), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_null(strstr(picture, "job 7"));
    assert_non_null(strstr(picture, "job 9 train of 2"));
}

static void drafts_vanish(void **state)
{
    struct fixture *f = *state;
    const uint32_t labels[] = {0, 0};
    char picture[4096];

    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op_draft(1, "half")), EVD_OK);
    assert_int_equal(run(f, op_classes(1, 0, "a", 2)), EVD_OK);
    assert_int_equal(run(f, op_labels(1, 0, labels, 2)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(picture, "");
    assert_int_equal(f->next_id, 2);
    /* The sweep of old drafts leaves new ones alone. */
    make_dataset(f, 2, "half", 1);
    fixture_reopen(f, picture, sizeof(picture));
    assert_memory_equal(picture, "dataset 2 half v1", 17);
}

static void labels_keep_their_value_in_every_width(void **state)
{
    struct fixture *f = *state;
    const uint32_t chunks[][3] = {{0, 254, EVD_UNLABELLED},
                                  {255, 65534, EVD_UNLABELLED},
                                  {65535, 1000000, EVD_UNLABELLED},
                                  {EVD_UNLABELLED, EVD_UNLABELLED, EVD_UNLABELLED}};
    char picture[4096];

    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op_draft(1, "wide")), EVD_OK);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(run(f, op_labels(1, 3 * i, chunks[i], 3)), EVD_OK);
    assert_int_equal(run(f, op_commit(1, 1, 12, 0)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(picture,
                        "dataset 1 wide v1 at 2001: 11/12 in 0, fffffffffffffffe | 0: 0 254 -"
                        " | 3: 255 65534 - | 6: 65535 1000000 - | 9: - - -\n");
}

static void weight_columns_survive(void **state)
{
    struct fixture *f = *state;
    const uint32_t labels[] = {0, 0, 0};
    const double weights[] = {0.5, 0, 1e300};
    char picture[4096];

    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op_draft(1, "w")), EVD_OK);
    assert_int_equal(run(f, op_weights(1, "loss", 0, weights, 2)), EVD_OK);
    assert_int_equal(run(f, op_labels(1, 0, labels, 3)), EVD_OK);
    assert_int_equal(run(f, op_weights(1, "age", 0, weights, 3)), EVD_OK);
    assert_int_equal(run(f, op_weights(1, "loss", 0, weights, 1)), EVD_E_CONFLICT); /* again */
    assert_int_equal(run(f, op_weights(1, "loss", 3, weights, 1)), EVD_E_CONFLICT); /* a gap */
    assert_int_equal(run(f, op_weights(9, "loss", 0, weights, 1)), EVD_E_CONFLICT); /* no draft */
    assert_int_equal(run(f, op_commit(1, 1, 3, 0)), EVD_E_CONFLICT); /* loss is too short */
    assert_int_equal(run(f, op_weights(1, "loss", 2, weights + 2, 1)), EVD_OK);
    assert_int_equal(run(f, op_commit(1, 1, 3, 0)), EVD_OK);
    fixture_reopen(f, picture, sizeof(picture));
    assert_string_equal(picture, "dataset 1 w v1 at 2001: 2/3 in 0, fffffffffffffffe | 0: 0 0 0"
                                 " | age 0: 0.5 0 1e+300 | loss 0: 0.5 0 | loss 2: 1e+300\n");
}

static void what_does_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    const uint32_t labels[] = {0, 0};

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, op_job(2, "train", 1)), EVD_OK);
    assert_int_equal(run(f, op_draft(1, "again")), EVD_E_EXISTS);
    assert_int_equal(run(f, op_draft(3, "pets")), EVD_OK);
    assert_int_equal(run(f, op_labels(3, 1, labels, 2)), EVD_E_CONFLICT); /* a gap */
    assert_int_equal(run(f, op_classes(3, 1, "x", 2)), EVD_E_CONFLICT);   /* a gap */
    assert_int_equal(run(f, op_labels(9, 0, labels, 2)), EVD_E_CONFLICT); /* no such draft */
    assert_int_equal(run(f, op_labels(1, 6, labels, 2)), EVD_E_CONFLICT); /* committed */
    assert_int_equal(run(f, op_commit(3, 2, 5, 0)), EVD_E_CONFLICT);      /* not what is stored */
    assert_int_equal(run(f, op_commit(1, 2, 6, 3)), EVD_E_CONFLICT);      /* committed */
    assert_int_equal(run(f, op_commit(3, 1, 0, 0)), EVD_E_EXISTS);        /* pets 1 */
    assert_int_equal(run(f, op_drop(9)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_job(4, "train", 1)), EVD_E_EXISTS);
    assert_int_equal(run(f, op_job(4, "on-draft", 3)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_job(4, "on-none", 9)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_revision(9, 1, 0)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_revision(2, 0, 0)), EVD_E_EXISTS);
    assert_int_equal(run(f, op_progress(9, 1, 1)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_job_drop(9)), EVD_E_NOT_FOUND);
    assert_int_equal(run(f, op_drop(3)), EVD_OK); /* a draft */
    assert_int_equal(run(f, op_drop(3)), EVD_E_NOT_FOUND);
}

/* Submitted before the thread starts, they are one group: one fails, the others stand. */
static void a_group_is_one_commit_and_one_failure_stays_alone(void **state)
{
    struct fixture *f = *state;
    struct noted_op ops[] = {op_draft(1, "a"), op_draft(2, "b"), op_draft(1, "c"), op_job_drop(5),
                             op_draft(3, "d")};
    const int codes[] = {EVD_OK, EVD_OK, EVD_E_EXISTS, EVD_E_NOT_FOUND, EVD_OK};
    struct store_info info;
    struct evd_error err;

    fixture_open_unstarted(f);
    for (int i = 0; i < 5; i++)
        submit(f, &ops[i]);
    store_info(f->store, &info);
    assert_true(info.queued_bytes >= 5 * sizeof(struct store_op));
    assert_int_equal(store_start(f->store, &err), EVD_OK);
    assert_int_equal(fixture_wait(f), 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ops[i].done, 1);
        assert_int_equal(ops[i].order, i + 1);
        assert_int_equal(ops[i].op.error.code, codes[i]);
    }
    store_info(f->store, &info);
    assert_int_equal(info.commits, 1);
    assert_int_equal(info.operations, 5);
    assert_int_equal(info.queued_bytes, 0);
    assert_true(info.file_bytes > 0);
    assert_false(info.failing);
}

static void the_queue_is_bounded(void **state)
{
    static uint32_t labels[4u << 20]; /* 16 MiB */
    struct fixture *f = *state;
    struct noted_op draft = op_draft(1, "big"), chunks[4], small[2];
    struct evd_error err;
    uint64_t first = 0;
    int code = EVD_OK;

    fixture_open_unstarted(f);
    submit(f, &draft);
    for (int i = 0; i < 3; i++) {
        chunks[i] = op_labels(1, first, labels, 4u << 20);
        submit(f, &chunks[i]);
        first += 4u << 20;
    }
    chunks[3] = op_labels(1, first, labels, 4u << 20);
    code = store_submit(f->store, &chunks[3].op, &err);
    assert_int_equal(code, EVD_E_BUSY);
    /* Pieces of a dataset are not let in so far that nothing else is. */
    small[0] = op_labels(1, first, labels, (7u << 20) / sizeof(labels[0]));
    submit(f, &small[0]);
    small[1] = op_labels(1, first, labels, (7u << 20) / sizeof(labels[0]));
    assert_int_equal(store_submit(f->store, &small[1].op, &err), EVD_E_BUSY);
    small[1] = op_draft(2, "other");
    submit(f, &small[1]);
    assert_int_equal(store_start(f->store, &err), EVD_OK);
    first += (7u << 20) / sizeof(labels[0]);
    chunks[3] = op_labels(1, first, labels, 4u << 20);
    while (!chunks[2].done)
        fixture_wait(f);
    submit(f, &chunks[3]); /* there is room again */
    while (!chunks[3].done)
        fixture_wait(f);
    assert_int_equal(chunks[3].op.error.code, EVD_OK);
}

static void close_writes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct noted_op ops[100];
    char picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    for (int i = 0; i < 100; i++) {
        ops[i] = i == 0 ? op_job(7, "train", 1) : op_revision(7, (uint32_t)i, 0);
        submit(f, &ops[i]);
    }
    fixture_close(f);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ops[i].done, 1);
        assert_int_equal(ops[i].op.error.code, EVD_OK);
    }
    fixture_open(f, picture, sizeof(picture));
    assert_non_null(strstr(picture, JOB_7 " revision 0.0"));
    assert_non_null(strstr(picture, " revision 0.99"));
    fixture_close(f);

    /* Without a writer thread they are given back. */
    fixture_open_unstarted(f);
    ops[0] = op_job_drop(7);
    submit(f, &ops[0]);
    fixture_close(f);
    assert_int_equal(ops[0].done, 1);
    assert_int_equal(ops[0].op.error.code, EVD_E_SHUTTING_DOWN);
}

static struct fixture *resubmitting;
static int resubmit_code;

static void try_again(struct store_op *op)
{
    static struct noted_op again;
    struct evd_error err;

    (void)op;
    again = op_draft(2, "late");
    resubmit_code = store_submit(resubmitting->store, &again.op, &err);
}

static void nothing_is_taken_while_closing(void **state)
{
    struct fixture *f = *state;
    struct noted_op op = op_draft(1, "a");
    struct evd_error err;

    fixture_open(f, NULL, 0);
    resubmitting = f;
    op.op.done = try_again;
    assert_int_equal(store_submit(f->store, &op.op, &err), EVD_OK);
    fixture_close(f);
    assert_int_equal(resubmit_code, EVD_E_SHUTTING_DOWN);
}

static int stop(void *arg, const struct store_dataset *dataset, struct evd_error *err)
{
    (void)arg;
    return error_set(err, EVD_E_NO_MEMORY, dataset->name, "enough");
}

static void a_reader_can_stop_the_load(void **state)
{
    struct fixture *f = *state;
    struct store_reader reader = {.dataset_begin = stop};
    struct evd_error err;

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    fixture_close(f);
    fixture_open_unstarted(f);
    assert_int_equal(store_load(f->store, &reader, &f->next_id, &err), EVD_E_NO_MEMORY);
    assert_string_equal(err.message, "enough");
    store_close(NULL);
}

/* An engine's name in front of the path, or none; a colon alone is part of a path. */
static void addresses_of_databases(void **state)
{
    struct fixture *f = *state;
    struct evd_error err;
    struct store *store;
    char address[256], picture[4096];

    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    fixture_close(f);
    snprintf(address, sizeof(address), "sqlite:%s", f->path);
    assert_int_equal(store_open(&store, address, NULL, NULL, &err), EVD_OK);
    store_close(store);
    fixture_open(f, picture, sizeof(picture));
    assert_string_equal(picture, DATASET_1);
    snprintf(address, sizeof(address), "%s/a:b://c", f->dir);
    assert_int_equal(store_open(&store, address, NULL, NULL, &err), EVD_E_STORE); /* no folder */
    snprintf(address, sizeof(address), "%s/a:b", f->dir);
    assert_int_equal(store_open(&store, address, NULL, NULL, &err), EVD_OK);
    store_close(store);
    assert_int_equal(store_open(&store, "postgresql://me:secret@there/db", NULL, NULL, &err),
                     EVD_E_BAD_VALUE);
    assert_string_equal(err.message,
                        "there is no engine for databases at postgresql://; name a file, or an "
                        "address that begins with one of: sqlite:");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_survives_a_restart),
        TEST(replacing_and_dropping),
        TEST(seeks_and_world_sizes),
        TEST(owned_ephemeral_and_replaced),
        TEST(drafts_vanish),
        TEST(labels_keep_their_value_in_every_width),
        TEST(weight_columns_survive),
        TEST(what_does_not_fit_is_refused),
        TEST(a_group_is_one_commit_and_one_failure_stays_alone),
        TEST(the_queue_is_bounded),
        TEST(close_writes_what_is_queued),
        TEST(nothing_is_taken_while_closing),
        TEST(a_reader_can_stop_the_load),
        TEST(addresses_of_databases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
