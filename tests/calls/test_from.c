/* Strategies that draw from a part of the dataset (`from`): what is drawn, recorded, kept, counted
 * as memory, and found again after a restart and a change. */
#include "parts.h"

#include <stdio.h>
#include <string.h>

static void is_from(const json_t *strategy, const char *want)
{
    json_t *wanted = json_of("%s", want);

    if (!json_equal(json_object_get(strategy, "from"), wanted))
        fail_msg("not from %s", want);
    json_decref(wanted);
}

/* ---- what is drawn ---- */

/* The samples of a selection, and nothing else; recorded by name and digest, kept while the job is
 * there, and the same after a restart. */
static void a_selection(void **state)
{
    struct harness *h = *state;
    struct peer *peer = parts_begin(h);
    json_t *info, *before, *again;
    char want[80];

    snprintf(want, sizeof(want), "{'name': 'clean', 'digest': '%s'}", parts_clean);
    peer_do(peer, "job.preview", "[{'dataset': 'd', 'batch_size': 2, " FROM("'clean'") "}]");
    assert_int_equal(uses_of(peer, "clean"), 0);
    peer_do(peer, "job.create", JOB("j", FROM("'clean'")));
    assert_int_equal(an_epoch(peer, "j", 2), A);
    before = peer_call(peer, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 0}]");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uses_of(peer, "clean"), 1);
        assert_int_equal(uses_of(peer, "cv"), 0);
        info = peer_call(peer, "job.info", "[{'job': 'j'}]");
        is_from(json_object_get(info, "strategy"), want);
        json_decref(info);
        peer_refused(peer, EVD_E_CONFLICT, "attachment.drop",
                     "[{'dataset': 'd', 'name': 'clean'}]");
        again = peer_call(peer, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 0}]");
        assert_true(json_equal(before, again));
        json_decref(again);
        assert_int_equal(an_epoch(peer, "j", 2), A);
        harness_quiet(h);
        harness_restart(h);
        peer = peer_new(h);
    }
    json_decref(before);
    peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'clean'}]");
}

/* What a fold has and what it leaves are all there is, and nothing twice. */
static void folds(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *info;
    char want[80];

    peer_do(peer, "job.create", JOB("t0", FROM(WITHOUT(0))));
    peer_do(peer, "job.create", JOB("v0", FROM(ONLY(0))));
    peer_do(peer, "job.create", JOB("t1", FROM(WITHOUT(1))));
    peer_do(peer, "job.create", JOB("v1", FROM(ONLY(1))));
    assert_int_equal(an_epoch(peer, "t0", 2), FOLD_1);
    assert_int_equal(an_epoch(peer, "v0", 1), FOLD_0);
    assert_int_equal(an_epoch(peer, "t1", 1), FOLD_0);
    assert_int_equal(an_epoch(peer, "v1", 2), FOLD_1);
    assert_int_equal(uses_of(peer, "cv"), 4);
    snprintf(want, sizeof(want), "{'folds': {'name': 'cv', 'digest': '%s'}, 'only': 1}", parts_cv);
    info = peer_call(peer, "job.info", "[{'job': 'v1'}]");
    is_from(json_object_get(info, "strategy"), want);
    /* As it is recorded it can be sent, too. */
    peer_do(peer, "job.create",
            "[{'name': 'again', 'dataset': 'd', 'batch_size': 2, 'strategy': {'kind': 'uniform', "
            "'from': %s}}]",
            want);
    assert_int_equal(an_epoch(peer, "again", 2), FOLD_1);
    json_decref(info);
}

/* An exact evaluation of a fold. */
static void each_of_a_fold_once(void **state)
{
    struct peer *peer = parts_begin(*state);
    unsigned set = 0;

    peer_do(peer, "job.create",
            "[{'name': 'v', 'dataset': 'd', 'batch_size': 2, 'mode': 'ranked', 'world_size': 2, "
            "'last_batch': 'exact', " FROM(ONLY(1)) "}]");
    for (int rank = 0; rank < 2; rank++) {
        json_t *opened = peer_call(
            peer, "stream.open", "[{'job': 'v', 'rank': %d, 'world_size': 2, 'window': 2}]", rank);

        assert_int_equal(integer(opened, "steps"), 2);
        for (int step = 0; step < 2; step++) {
            json_t *batch = take(peer);

            assert_int_equal(set & set_of(batch), 0);
            set |= set_of(batch);
            json_decref(batch);
        }
        json_decref(opened);
    }
    assert_int_equal(set, FOLD_1);
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'w', 'dataset': 'd', 'batch_size': 2, 'mode': 'ranked', 'last_batch': "
                 "'exact', 'strategy': {'kind': 'uniform', 'repeats': 2, 'from': 'clean'}}]");
}

/* ---- changes ---- */

static void update(struct peer *peer, const char *when, const char *strategy)
{
    peer_do(peer, "job.update", "[{'job': 'j', 'when': '%s', 'strategy': %s}]", when, strategy);
}

/* From one part to another, and to all: the stream goes on, epochs as they would with any other
 * strategy; a seek back draws as before, and what earlier strategies name stays. */
static void a_job_changes_its_part(void **state)
{
    static const struct {
        const char *strategy;
        int steps;
        unsigned set;
    } parts[] = {
        {"{'kind': 'uniform', 'from': 'clean'}", 2, A},
        {"{'kind': 'uniform', 'from': " WITHOUT(1) "}", 1, FOLD_0},
        {"{'kind': 'uniform'}", 3, ALL},
        {"{'kind': 'uniform', 'from': " WITHOUT(0) "}", 2, FOLD_1},
    };
    struct harness *h = *state;
    struct peer *peer = parts_begin(h);

    peer_do(peer, "job.create", JOB("j", FROM("'clean'")));
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    for (int epoch = 0; epoch < 4; epoch++) {
        unsigned set = 0;

        for (int step = 0; step < parts[epoch].steps; step++) {
            json_t *batch = take(peer);

            assert_int_equal(integer(batch, "epoch"), epoch);
            assert_int_equal(integer(batch, "step"), step);
            set |= set_of(batch);
            if (step == 0 && epoch < 3)
                update(peer, "epoch", parts[epoch + 1].strategy);
            peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
            json_decref(batch);
        }
        assert_int_equal(set, parts[epoch].set);
        peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 1}]");
    }
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    harness_quiet(h);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uses_of(peer, "clean"), 1);
        assert_int_equal(uses_of(peer, "cv"), 2);
        harness_restart(h);
        peer = peer_new(h);
    }
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0, 'mode': 'replay'}]");
    for (int epoch = 0; epoch < 4; epoch++)
        assert_int_equal(an_epoch(peer, "j", parts[epoch].steps), parts[epoch].set);
    /* By the newest of them, from an earlier epoch on. */
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 1, 'step': 0, 'mode': 'follow'}]");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(an_epoch(peer, "j", parts[3].steps), parts[3].set);
        assert_int_equal(uses_of(peer, "cv"), 3);
        harness_quiet(h);
        harness_restart(h);
        peer = peer_new(h);
    }
}

/* What is only named by strategies that are forgotten can be dropped; the job goes on, and a
 * restart finds it. */
static void forgotten_parts(void **state)
{
    struct harness *h = *state;
    struct peer *peer = parts_begin(h);

    peer_do(peer, "job.create", JOB("j", "'retain_epochs': 1, " FROM("'clean'")));
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'at', 'epoch': 1, 'step': 0, " FROM(ONLY(0)) "}]");
    for (int epoch = 0; epoch < 4; epoch++)
        an_epoch(peer, "j", epoch ? 1 : 2);
    harness_pass(h, 200);
    harness_quiet(h);
    harness_pump(h);
    assert_int_equal(uses_of(peer, "clean"), 0);
    assert_int_equal(uses_of(peer, "cv"), 1);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'clean'}]");
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(uses_of(peer, "cv"), 1);
    assert_int_equal(an_epoch(peer, "j", 1), FOLD_0);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 0}]");
}

/* In the middle of an epoch its number of steps stays, as with any other update. */
static void a_change_in_mid_epoch(void **state)
{
    struct peer *peer = parts_begin(*state);
    json_t *batch, *answer;

    peer_do(peer, "job.create", JOB("j", "'strategy': {'kind': 'uniform'}"));
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    batch = take(peer);
    answer = peer_call(peer, "job.update", "[{'job': 'j', 'when': 'now', " FROM(ONLY(0)) "}]");
    assert_int_equal(integer(answer, "step"), 1);
    json_decref(answer);
    for (int step = 0; step < 3; step++) {
        assert_int_equal(integer(batch, "step"), step);
        if (step > 0)
            assert_int_equal(set_of(batch) & ~(unsigned)FOLD_0, 0);
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
        json_decref(batch);
        peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 1}]");
        batch = take(peer);
    }
    assert_int_equal(integer(batch, "epoch"), 1);
    assert_int_equal(set_of(batch), FOLD_0);
    json_decref(batch);
}

/* ---- with others ---- */

/* smote between samples that are kept, and second samples of pairs. */
static void second_samples(void **state)
{
    static const char rows[] = "0200000005000000"
                               "04000000ffffffff"
                               "0000000005000000"
                               "ffffffffffffffff"
                               "01000000ffffffff"
                               "0200000000000000";
    struct peer *peer = parts_begin(*state);
    json_t *batch;
    size_t i;

    json_decref(attached_make(peer, "most", AS_KEPT, "010101000100", ""));
    json_decref(attached_make(
        peer, "class", "'kind': 'neighbours', 'k': 2, 'scope': 'class', 'metric': 'euclidean'",
        rows,
        "0000803f0000803f0000003f0000807f0000803f000010410000807f0000807f000000000000807f0000803f"
        "0000c03f"));
    peer_do(peer, "job.create",
            JOB("s", "'strategy': {'kind': 'smote', 'k': 1, 'sampling_strategy': {'a': 9}, 'from': "
                     "'most'}"));
    assert_int_equal(uses_of(peer, "most") + uses_of(peer, "class"), 2);
    peer_do(peer, "job.create",
            JOB("p", "'strategy': {'kind': 'uniform', 'pairs': {'how': 'mixup', 'alpha': 1}, "
                     "'from': 'most'}"));
    for (int job = 0; job < 2; job++) {
        json_t *opened = peer_call(
            peer, "stream.open", "[{'job': '%s', 'window': 1, 'columns': ['index', 'mix_index']}]",
            job ? "p" : "s");

        for (int step = 0; step < (job ? 2 : 5); step++) {
            json_t *mix, *index;

            batch = take(peer);
            json_array_foreach(json_object_get(batch, "mix_index"), i, mix)
                assert_true(MOST & 1u << json_integer_value(mix));
            json_array_foreach(json_object_get(batch, "index"), i, index)
                assert_true(MOST & 1u << json_integer_value(index));
            peer_do(peer, "stream.ack", "[{'stream': %d, 'epoch': 0, 'step': %d}]",
                    (int)integer(opened, "stream"), step);
            json_decref(batch);
        }
        peer_do(peer, "stream.close", "[{'stream': %d}]", (int)integer(opened, "stream"));
        peer_forget(peer);
        json_decref(opened);
    }
}

/* Views count as memory of plans, and go with them. */
static void memory_is_counted(void **state)
{
    enum { SAMPLES = 60000 };
    static char rows[2 * SAMPLES + 1];
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info;
    int64_t before, with;
    int draft;

    attached_large(peer, SAMPLES);
    for (size_t i = 0; i < sizeof(rows) - 1; i += 2)
        memcpy(rows + i, i % 4 ? "00" : "01", 2);
    draft = attached_begin(peer, "half", "'kind': 'selection'");
    attached_append(peer, draft, rows, "");
    peer_do(peer, "attachment.commit", "[{'draft': %d}]", draft);
    info = peer_call(peer, "server.info", "[]");
    before = integer(json_object_get(info, "holds"), "strategies");
    with = integer(info, "memory");
    json_decref(info);
    peer_do(peer, "job.create", JOB("j", FROM("'half'")));
    info = peer_call(peer, "server.info", "[]");
    assert_in_range(integer(json_object_get(info, "holds"), "strategies") - before, SAMPLES / 2 * 4,
                    SAMPLES / 2 * 4 + 16384);
    json_decref(info);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_true(integer(info, "memory") >= SAMPLES / 2 * 4);
    json_decref(info);
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    info = peer_call(peer, "server.info", "[]");
    assert_int_equal(integer(json_object_get(info, "holds"), "strategies"), before);
    json_decref(info);
    h->limits.memory = (uint64_t)(with + SAMPLES);
    harness_restart(h);
    h->limits.memory = 0;
    peer = peer_new(h);
    assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "job.create", JOB("j", FROM("'half'"))),
                           "--memory-limit"));
    peer_do(peer, "job.create", JOB("j", "'strategy': {'kind': 'uniform'}"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_selection),           TEST(folds),
        TEST(each_of_a_fold_once),   TEST(a_job_changes_its_part),
        TEST(a_change_in_mid_epoch), TEST(forgotten_parts),
        TEST(second_samples),        TEST(memory_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
