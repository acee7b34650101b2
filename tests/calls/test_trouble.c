/* What can go wrong behind the protocol server: the store is full or busy, what it holds is another
 * plan's, and changes meet one another. */
#include <stdlib.h>
#include <string.h>
#include "proto/batch.h"
#include "sampler/plan.h"
#include "trouble.h"

#define UNIFORM "'strategy': {'kind': 'uniform'}"

/* Everything that writes is refused with `code`, and nothing is half done. */
static void refused_writes(struct peer *peer, int code)
{
    peer_refused(peer, code, "job.create",
                 "[{'name': 'k', 'dataset': 'd', 'batch_size': 10, " UNIFORM "}]");
    peer_refused(peer, code, "job.update", "[{'job': 'j', " UNIFORM "}]");
    peer_refused(peer, code, "job.drop", "[{'job': 'j', 'force': true}]");
    peer_refused(peer, code, "dataset.create", "[{'name': 'e', 'classes': ['a']}]");
    peer_refused(peer, code, "dataset.create", "[{'name': 'e'}]");
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 1);
    assert_int_equal(trouble_count(peer, "dataset.list", "datasets"), 1);
}

static void check_after(struct harness *h, struct peer *peer)
{
    json_t *info;

    harness_tick(h); /* drafts that could not be forgotten are, and progress is stored */
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    info = peer_call(peer, "job.update", "[{'job': 'j', " UNIFORM "}]");
    assert_int_equal(integer(info, "revision"), 1);
    json_decref(info);
    peer_do(peer, "job.create", "[{'name': 'k', 'dataset': 'd', 'batch_size': 10}]");
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 2);
    assert_int_equal(trouble_count(peer, "dataset.list", "datasets"), 1);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(info, "revisions")), 2);
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), 2);
    json_decref(info);
}

static void test_full_disk(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *draft, *info;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2}]");
    draft = peer_call(peer, "dataset.create", "[{'name': 'e', 'classes': ['a']}]");
    fault_set(FAULT_WRITE, 1, fault_full, true);
    refused_writes(peer, EVD_E_STORE);
    peer_refused(peer, EVD_E_STORE, "dataset.append", "[{'draft': %d, 'labels': [0, 0]}]",
                 (int)integer(draft, "draft"));
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': %d, 'labels': [0]}]",
                 (int)integer(draft, "draft"));

    /* Batches go on, and the acknowledgement counts though it is not yet certain. */
    peer_refused(peer, EVD_E_STORE, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_forget(peer);
    info = peer_call(peer, "server.info", "[]");
    assert_true(json_is_true(json_object_get(json_object_get(info, "store"), "failing")));
    json_decref(info);
    assert_true(fault_clear() > 0);
    json_decref(draft);
    check_after(*state, peer);
}

static void test_busy(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *draft;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 2}]");
    draft = peer_call(peer, "dataset.create", "[{'name': 'e', 'classes': ['a']}]");
    busy = true;
    refused_writes(peer, EVD_E_BUSY);
    peer_refused(peer, EVD_E_BUSY, "dataset.append", "[{'draft': %d, 'labels': [0, 0]}]",
                 (int)integer(draft, "draft"));
    peer_refused(peer, EVD_E_BUSY, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    busy = false;
    json_decref(draft);
    check_after(*state, peer);
}

/* A commit is refused after the class index was built. */
static void test_busy_commit(void **state)
{
    struct peer *peer = peer_new(*state);

    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0]}]");
    busy = true;
    peer_refused(peer, EVD_E_BUSY, "dataset.commit", "[{'draft': 1}]");
    busy = false;
    harness_tick(*state);
    assert_int_equal(trouble_count(peer, "dataset.list", "datasets"), 0);
}

/* A piece fails after the commit behind it was taken: both are answered. */
static void test_commit_behind_a_failure(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t append, commit;

    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a']}]");
    slow = h->hold_work = true;
    append = peer_send(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0]}]");
    commit = peer_send(peer, "dataset.commit", "[{'draft': 1}]");
    slow = false;
    trouble_refuse(h);
    peer_error(peer, append, EVD_E_STORE);
    assert_false(peer_answered(peer, commit)); /* its class index is being built */
    h->hold_work = false;
    harness_pump(h);
    assert_true(peer_answered(peer, commit));
    assert_non_null(strstr(peer_error(peer, commit, EVD_E_STORE), "no room"));
    harness_tick(h);
    assert_int_equal(trouble_count(peer, "dataset.list", "datasets"), 0);
}

/* A job whose plan would draw something else stays, does not serve, and says why. */
static void test_other_digest(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info;

    trouble_load(peer);
    trouble_query(h, "UPDATE revision SET digest = 4711 WHERE revision = 0");
    assert_non_null(strstr(h->warning, "job \"j\" is out of service"));
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_non_null(strstr(text(info, "failure"), "digest"));
    assert_string_equal(text(info, "dataset"), "d");
    json_decref(info);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_STORE, "stream.open", "[{'job': 'j'}]"), "out of service"));
    peer_refused(peer, EVD_E_STORE, "job.update", "[{'job': 'j', " UNIFORM "}]");
    peer_refused(peer, EVD_E_STORE, "job.preview", "[{'job': 'j', " UNIFORM "}]");
    peer_refused(peer, EVD_E_STORE, "job.stats", "[{'job': 'j'}]");
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
}

/* By the older rules 0.28 of 28 and 100 samples keeps 99 of the 100: in binary 28 / 0.28 is just
 * below. */
static uint64_t binary_digest(void)
{
    const uint64_t start[] = {0, 100, 128};
    const struct class_index index = {
        .samples = 128, .labelled = 128, .classes = 2, .start = start, .first = start};
    struct strategy strategy;
    struct plan_input in = {.index = &index, .strategy = &strategy, .seed = 7, .batch_size = 1};
    struct sampler_error err;
    struct plan *plan;
    uint64_t digest;

    strategy_init(&strategy, strategy_find("undersampled", 12), 2);
    strategy.values[0].tag = VALUE_NUMBER;
    strategy.values[0].number = 0.28;
    in.older_rules = true;
    assert_int_equal(plan_build(&plan, &in, &err), PLAN_OK);
    digest = plan_digest(plan);
    plan_unref(plan);
    strategy_fini(&strategy);
    return digest;
}

/* Draws what it drew, and a new revision is by the ratio as it is written. */
static void test_recorded_ratio(void **state)
{
    static const char create[] = "[{'name': '%s', 'dataset': 'e', 'batch_size': 1, 'seed': 7, "
                                 "'last_batch': 'short', 'strategy': "
                                 "{'kind': 'undersampled', 'sampling_strategy': 0.28}}]";
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char sql[128];

    peer_do(peer, "dataset.create", "[{'name': 'e', 'classes': ['a', 'b']}]");
    for (int i = 0; i < 64; i++)
        peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, %d]}]", i < 28);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", create, "old");
    peer_do(peer, "job.create", create, "new");
    trouble_job_has(peer, "old", 128);
    snprintf(sql, sizeof(sql),
             "UPDATE revision SET digest = %lld, shape_steps = 127 WHERE job = (SELECT id FROM job "
             "WHERE name = 'old')",
             (long long)binary_digest());
    trouble_query(h, sql);
    peer = peer_new(h);
    trouble_job_has(peer, "old", 127);
    trouble_job_has(peer, "new", 128);
}

/* What this version refuses takes one job out of service, and nothing else. */
static void test_refused_now(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info;

    trouble_load(peer);
    peer_do(peer, "job.create", "[{'name': 'k', 'dataset': 'd', 'batch_size': 10}]");
    peer_do(peer, "job.create", "[{'name': 'l', 'dataset': 'd', 'batch_size': 10}]");
    trouble_query(h,
                  "UPDATE revision SET strategy = CAST(replace(CAST(strategy AS TEXT), 'uniform', "
                  "'unicorn') AS BLOB) WHERE job = (SELECT id FROM job WHERE name = 'j')");
    trouble_query(h, "UPDATE job SET guarantee = 'perhaps' WHERE name = 'k'");
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_non_null(strstr(text(info, "failure"), "unicorn"));
    json_decref(info);
    info = peer_call(peer, "job.info", "[{'job': 'k'}]");
    assert_non_null(strstr(text(info, "failure"), "guarantee"));
    json_decref(info);
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 3);
    info = peer_call(peer, "job.list", "[]");
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(json_object_get(info, "jobs"), i);

        assert_int_equal(json_is_true(json_object_get(row, "failed")),
                         strcmp(text(row, "job"), "l") != 0);
    }
    json_decref(info);
    peer_refused(peer, EVD_E_STORE, "stream.open", "[{'job': 'j'}]");
    peer_refused(peer, EVD_E_STORE, "stream.open", "[{'job': 'k'}]");
    peer_do(peer, "stream.open", "[{'job': 'l', 'window': 1}]");
    info = peer_note(peer, "batch");
    assert_int_equal(integer(info, "step"), 0);
    json_decref(info);
    /* Nobody joins it, and another may take its place. */
#define AGAIN(what) "[{'name': 'j', 'dataset': 'd', 'batch_size': 10, 'if_exists': '" what "'}]"
    peer_refused(peer, EVD_E_STORE, "job.create", AGAIN("same"));
    peer_refused(peer, EVD_E_STORE, "job.create", AGAIN("attach"));
    fault_set(FAULT_WRITE, 1, fault_full, true);
    peer_refused(peer, EVD_E_STORE, "job.create", AGAIN("restart"));
    fault_clear();
    peer_refused(peer, EVD_E_STORE, "job.create", AGAIN("attach"));
    peer_do(peer, "job.create", AGAIN("restart"));
    peer_do(peer, "job.create", AGAIN("same"));
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    peer_do(peer, "job.drop", "[{'job': 'k'}]");
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 1);
}

static void test_at(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 4}]");
#define AT(epoch, step)                                                                            \
    "[{'job': 'j', 'strategy': {'kind': 'weighted'}, 'when': 'at', 'epoch': " epoch                \
    ", 'step': " step "}]"
    peer_refused(peer, EVD_E_BAD_VALUE, "job.update", AT("0", "3")); /* it is out */
    peer_refused(peer, EVD_E_BAD_VALUE, "job.update", AT("0", "10"));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.update", AT("5000000000", "0"));
    answer = peer_call(peer, "job.update", AT("0", "7"));
    assert_int_equal(integer(answer, "revision"), 1);
    assert_int_equal(integer(answer, "step"), 7);
    json_decref(answer);
    for (int step = 0; step < 10; step++) {
        json_t *batch = peer_note(peer, "batch");

        assert_int_equal(integer(batch, "step"), step);
        assert_int_equal(integer(batch, "revision"), step < 7 ? 0 : 1);
        json_decref(batch);
        peer_notify(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': %d}]", step);
    }
    /* A later epoch; what has not begun is taken back by an update before it. */
    peer_do(peer, "job.update", AT("5", "0"));
    answer = peer_call(peer, "job.update", "[{'job': 'j', " UNIFORM "}]");
    assert_int_equal(integer(answer, "epoch"), 1);
    json_decref(answer);
    answer = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(json_array_size(json_object_get(answer, "revisions")), 3);
    json_decref(answer);
}

/* A drop with force while a plan is being built: the update hears of it. */
static void test_drop_during_update(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t update;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    h->hold_work = true;
    update = peer_send(peer, "job.update", "[{'job': 'j', " UNIFORM "}]");
    peer_refused(peer, EVD_E_CONFLICT, "job.update", "[{'job': 'j', " UNIFORM "}]");
    peer_refused(peer, EVD_E_CONFLICT, "job.drop", "[{'job': 'j'}]");
    peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    assert_false(peer_answered(peer, update));
    json_decref(peer_note(peer, "closed"));
    h->hold_work = false;
    harness_pump(h);
    peer_error(peer, update, EVD_E_CONFLICT);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 10}]");
}

/* What a worker still had of a dropped job goes to nobody else. */
static void test_drop_hands_nothing_over(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    json_t *batch;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 4}]");
    peer_do(other, "stream.open", "[{'job': 'j', 'window': 4}]");
    peer_do(peer, "stream.credit", "[{'stream': 1, 'window': 8}]"); /* all are out, two are free */
    for (int i = 0; i < 6; i++) {
        batch = peer_note(peer, "batch");
        assert_non_null(batch);
        json_decref(batch);
    }
    peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    json_decref(peer_note(peer, "closed"));
    json_decref(peer_note(other, "closed"));
    assert_null(peer_note(peer, "batch"));
}

/* No batch is too long for a message. */
static void test_largest_batch(void **state)
{
    const struct batch_format widest = {.wide_index = true, .columns = (1u << COLUMN_COUNT) - 1};

    (void)state;
    assert_true(batch_size_bound(&widest, EVD_MAX_BATCH) <= EVD_MAX_REPLY_FRAME);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk),
        TEST(test_busy),
        TEST(test_busy_commit),
        TEST(test_commit_behind_a_failure),
        TEST(test_other_digest),
        TEST(test_recorded_ratio),
        TEST(test_refused_now),
        TEST(test_at),
        TEST(test_drop_during_update),
        TEST(test_drop_hands_nothing_over),
        cmocka_unit_test(test_largest_batch),
    };

    trouble_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
