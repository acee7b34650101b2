/* What was made for a run goes with it, and a name that is used twice: ephemeral jobs, owned
 * datasets, `if_exists`. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

/* Twelve samples of two classes, as `more` says; the answer of dataset.commit. */
static json_t *send(struct peer *peer, const char *name, const char *labels, const char *more)
{
    json_t *draft = peer_call(peer, "dataset.create", "[{'name': '%s'%s}]", name, more);
    int number = (int)integer(draft, "draft");

    json_decref(draft);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': %s}]", number, labels);
    return peer_call(peer, "dataset.commit", "[{'draft': %d}]", number);
}

#define LABELS "[0,1,0,0,1,0,0,0,0,1,0,0]"
#define OTHERS "[0,1,0,0,1,0,0,0,0,1,0,1]"
#define FEWER  "[0,1,0,0,1,0,0,0,0,1,0]"
#define OWNED  ", 'owned': true"

static void send_owned(struct peer *peer, const char *name)
{
    json_decref(send(peer, name, LABELS, OWNED));
}

static int64_t count(struct peer *peer, const char *what)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t n = integer(info, what);

    json_decref(info);
    return n;
}

/* Until what is due has been done and stored: jobs, then their datasets. */
static void settle_down(struct harness *h, uint64_t ms)
{
    harness_pass(h, ms);
    harness_quiet(h);
    harness_pass(h, 0);
    harness_quiet(h);
}

/* ---- ephemeral jobs ---- */

static void test_job_goes_with_its_last_user(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *maker = peer_new(h), *worker;
    json_t *info;

    send_owned(maker, "run");
    info = peer_call(maker, "job.create",
                     "[{'name': 'run', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 5000}]");
    assert_int_equal(integer(info, "ephemeral"), 5000);
    assert_true(json_is_false(json_object_get(info, "joined")));
    json_decref(info);
    settle_down(h, 60000);
    assert_int_equal(count(watch, "jobs"), 1); /* its maker is there */
    worker = peer_new(h);
    peer_do(worker, "stream.open", "[{'job': 'run', 'window': 1}]");
    peer_close(maker);
    settle_down(h, 60000);
    assert_int_equal(count(watch, "jobs"), 1); /* a worker is */
    peer_close(worker);
    settle_down(h, 4000);
    assert_int_equal(count(watch, "jobs"), 1);
    worker = peer_new(h); /* comes back in time */
    peer_do(worker, "stream.open", "[{'job': 'run', 'window': 1}]");
    settle_down(h, 60000);
    assert_int_equal(count(watch, "jobs"), 1);
    peer_close(worker);
    settle_down(h, 4900);
    assert_int_equal(count(watch, "jobs"), 1);
    settle_down(h, 200);
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0); /* it was made for the job */
    harness_restart(h);
    watch = peer_new(h);
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0);
}

static void test_a_restart_gives_time(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    send_owned(peer, "run");
    peer_do(peer, "job.create",
            "[{'name': 'run', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1}]");
    harness_restart(h);
    peer = peer_new(h);
    settle_down(h, 3599000);
    assert_int_equal(count(peer, "jobs"), 1);
    peer_do(peer, "stream.open", "[{'job': 'run', 'window': 1}]");
    settle_down(h, 2000);
    assert_int_equal(count(peer, "jobs"), 1);
    harness_restart(h);
    peer = peer_new(h);
    settle_down(h, 3601000);
    assert_int_equal(count(peer, "jobs"), 0);
    assert_int_equal(count(peer, "datasets"), 0);
}

/* Many runs, one after the other, leave nothing. */
static void test_nothing_piles_up(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h);
    int64_t before = count(watch, "memory");

    for (int i = 0; i < 50; i++) {
        struct peer *peer = peer_new(h);

        send_owned(peer, "run");
        peer_do(peer, "job.create",
                "[{'name': 'run-%d', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1}]", i);
        peer_close(peer);
    }
    settle_down(h, 10);
    settle_down(h, 200);
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0);
    assert_int_equal(count(watch, "memory"), before);
}

/* Who has to go since the daemon stops has not left: the job is there when it is back. */
static void test_a_stop_is_no_end(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    send_owned(peer, "run");
    peer_do(peer, "job.create",
            "[{'name': 'run', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1}]");
    server_drain(h->server);
    peer_close(peer);
    settle_down(h, 1000);
    server_stop(h->server);
    settle_down(h, 1000);
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(count(peer, "jobs"), 1);
    peer_do(peer, "stream.open", "[{'job': 'run', 'window': 1}]");
}

/* A worker that is lost keeps the job while it may come back, however short its time is. */
static void test_a_lost_worker_keeps_it(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer = peer_new(h);

    send_owned(peer, "run");
    peer_do(peer, "job.create",
            "[{'name': 'run', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1, 'grace': 5000}]");
    peer_do(peer, "stream.open", "[{'job': 'run', 'window': 1}]");
    peer_close(peer);
    settle_down(h, 4900);
    assert_int_equal(count(watch, "jobs"), 1);
    settle_down(h, 200);
    settle_down(h, 200);
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0);
}

/* Whoever created a job is gone before it is there. */
static void test_its_maker_does_not_wait(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer = peer_new(h);

    send_owned(peer, "run");
    h->hold_work = true;
    peer_send(peer, "job.create",
              "[{'name': 'run', 'dataset': 'run', 'batch_size': 2, 'ephemeral': 1}]");
    harness_pump(h);
    peer_close(peer);
    h->hold_work = false;
    work_run(h);
    settle_down(h, 200);
    assert_int_equal(count(watch, "jobs"), 0);
    assert_int_equal(count(watch, "datasets"), 0);
    peer = peer_new(h); /* the same of a dataset that is being built, and one being compared */
    for (int twin = 0; twin < 2; twin++) {
        struct peer *other = peer_new(h);

        if (twin)
            send_owned(other, "first");
        peer_do(peer, "dataset.create", "[{'name': 'run', 'owned': true}]");
        peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': %s}]", LABELS);
        h->hold_work = true;
        peer_send(peer, "dataset.commit", "[{'draft': 1}]");
        harness_pump(h);
        if (twin) { /* it is built, and the comparison waits */
            work_run(h);
            harness_pump(h);
        }
        peer_close(peer);
        h->hold_work = false;
        work_run(h);
        peer_close(other);
        settle_down(h, 200);
        assert_int_equal(count(watch, "datasets"), 0);
        peer = peer_new(h);
    }
}

/* ---- owned datasets ---- */

static void test_dataset_without_a_job(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer = peer_new(h);

    send_owned(peer, "run");
    settle_down(h, 60000);
    assert_int_equal(count(watch, "datasets"), 1);
    peer_refused(peer, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'run'}]");
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{'name': 'j', 'dataset': 'run', 'batch_size': 2, 'strategy': {'kind': 'x'}}]");
    assert_int_equal(count(watch, "datasets"), 1); /* for the next try */
    peer_close(peer);
    settle_down(h, 1);
    assert_int_equal(count(watch, "datasets"), 0);
    peer = peer_new(h); /* one that was loaded by itself stays */
    json_decref(send(peer, "mine", LABELS, ""));
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'mine', 'batch_size': 2}]");
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    peer_close(peer);
    settle_down(h, 60000);
    assert_int_equal(count(watch, "datasets"), 1);
}

static void test_the_same_is_stored_once(void **state)
{
    struct harness *h = *state;
    struct peer *one = peer_new(h), *two = peer_new(h);
    json_t *info;

    send_owned(one, "first");
    peer_do(one, "job.create", "[{'name': 'a', 'dataset': 'first', 'batch_size': 2}]");
    info = send(two, "second", LABELS, OWNED);
    assert_string_equal(text(info, "dataset"), "first");
    assert_int_equal(integer(info, "version"), 1);
    assert_true(json_is_true(json_object_get(info, "owned")));
    json_decref(info);
    peer_do(one, "job.drop", "[{'job': 'a'}]"); /* the second still wants it */
    settle_down(h, 1000);
    peer_do(two, "job.create", "[{'name': 'b', 'dataset': 'first', 'batch_size': 2}]");
    info = send(two, "third", OTHERS, OWNED);
    assert_string_equal(text(info, "dataset"), "third");
    json_decref(info);
    info = send(two, "first", LABELS, ""); /* by itself: a version of its own */
    assert_int_equal(integer(info, "version"), 2);
    assert_true(json_is_false(json_object_get(info, "owned")));
    json_decref(info);
    assert_int_equal(count(two, "datasets"), 3);
    peer_do(two, "job.drop", "[{'job': 'b'}]");
    peer_close(two);
    settle_down(h, 1000);
    assert_int_equal(count(one, "datasets"), 1);
}

/* ---- a name that is used twice ---- */

#define JOB "'name': 'j', 'dataset': 'd', 'batch_size': 4, 'seed': 7, 'mode': 'ranked'"

static void expect_difference(struct peer *peer, const char *terms, const char *difference)
{
    const char *message =
        peer_refused(peer, EVD_E_EXISTS, "job.create", "[{%s, 'if_exists': 'same'}]", terms);

    if (!strstr(message, difference))
        fail_msg("\"%s\" does not say \"%s\"", message, difference);
}

static void test_same(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info;

    json_decref(send(peer, "d", LABELS, ""));
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
    peer_refused(peer, EVD_E_EXISTS, "job.create", "[{%s}]", JOB);
    peer_refused(peer, EVD_E_EXISTS, "job.create", "[{%s, 'if_exists': 'refuse'}]", JOB);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create", "[{%s, 'if_exists': 'Same'}]", JOB);
    info = peer_call(peer, "job.create", "[{%s, 'if_exists': 'same', 'world_size': 2}]", JOB);
    assert_true(json_is_true(json_object_get(info, "joined")));
    json_decref(info);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'if_exists': 'same'}]");
    expect_difference(peer, "'name': 'j', 'dataset': 'd', 'batch_size': 2, 'seed': 0",
                      "batch_size is 4 and not 2, seed is 7 and not 0");
    expect_difference(peer, "'name': 'j', 'dataset': 'd', 'batch_size': 4, 'mode': 'shared'",
                      "mode is ranked and not shared");
    expect_difference(peer, JOB ", 'replicas': 2", "replicas is 1 and not 2");
    expect_difference(peer, JOB ", 'last_batch': 'pad'", "last_batch is drop and not pad");
    expect_difference(peer, JOB ", 'guarantee': 'at-most-once'",
                      "guarantee is at-least-once and not at-most-once");
    expect_difference(peer, JOB ", 'grace': 1", "grace is 2000 and not 1");
    expect_difference(peer, JOB ", 'ephemeral': 9", "ephemeral is 0 and not 9");
    expect_difference(peer, JOB ", 'strategy': {'kind': 'stratified'}",
                      "it has never drawn by that strategy");
    /* All of it, as far as a message has room, and never without the advice. */
    expect_difference(peer,
                      "'name': 'j', 'dataset': 'd', 'batch_size': 2, 'seed': 9223372036854775807, "
                      "'mode': 'shared', 'time_to_run': 1, 'grace': 1, 'ephemeral': 1",
                      "mode is ranked and not shared, time_to_run is 600000 and not 1, ...");
    expect_difference(peer, JOB ", 'grace': 1", "or to restart it");
    json_decref(send(peer, "d", LABELS, ""));
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same'}]", JOB); /* another version, the same */
    json_decref(send(peer, "d", OTHERS, ""));
    expect_difference(peer, JOB, "its dataset has other labels");
    json_decref(send(peer, "d", FEWER, ""));
    expect_difference(peer, JOB, "its dataset has 12 samples and not 11");
}

/* A strategy that was changed live is no difference. */
static void test_same_after_a_change(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    json_decref(send(peer, "d", LABELS, ""));
    peer_do(peer, "job.create", "[{%s}]", JOB);
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'weighted'}}]");
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same', 'strategy': {'kind': 'weighted'}}]",
            JOB);
    harness_restart(h);
    peer = peer_new(h);
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
    /* Nor is one that it has left behind by a seek. */
    peer_do(peer, "stream.open", "[{'job': 'j', 'rank': 0, 'world_size': 1, 'window': 1}]");
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'stratified'}}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_do(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0, 'mode': 'follow'}]");
    peer_do(peer, "job.create", "[{%s, 'if_exists': 'same', 'strategy': {'kind': 'stratified'}}]",
            JOB);
}

static void test_attach_and_restart(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *worker = peer_new(h);
    json_t *info;

    json_decref(send(peer, "d", LABELS, ""));
    peer_do(peer, "job.create", "[{%s}]", JOB);
    info =
        peer_call(peer, "job.create",
                  "[{'name': 'j', 'dataset': 'nothing', 'batch_size': 9, 'if_exists': 'attach'}]");
    assert_int_equal(integer(info, "batch_size"), 4);
    json_decref(info);
    peer_do(worker, "stream.open", "[{'job': 'j', 'rank': 0, 'world_size': 1, 'window': 1}]");
    peer_refused(peer, EVD_E_CONFLICT, "job.create", "[{%s, 'if_exists': 'restart'}]", JOB);
    peer_do(worker, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_close(worker); /* lost, which is no hindrance */
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 "[{%s, 'if_exists': 'restart', 'strategy': {'kind': 'x'}}]", JOB);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]"); /* as it was */
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), 1);
    json_decref(info);
    info = peer_call(peer, "job.create",
                     "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'if_exists': 'restart'}]");
    assert_int_equal(integer(info, "batch_size"), 2);
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), 0);
    assert_true(json_is_false(json_object_get(info, "joined")));
    json_decref(info);
    assert_int_equal(count(peer, "jobs"), 1);
    harness_restart(h);
    peer = peer_new(h);
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(info, "batch_size"), 2);
    json_decref(info);
}

/* Two that create one job at the same moment: one does, the other is told to ask again. */
static void test_at_the_same_moment(void **state)
{
    struct harness *h = *state;
    struct peer *one = peer_new(h), *two = peer_new(h);
    uint32_t first;

    json_decref(send(one, "d", LABELS, ""));
    h->hold_work = true;
    first = peer_send(one, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
    harness_pump(h);
    peer_refused(two, EVD_E_BUSY, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
    peer_refused(two, EVD_E_BUSY, "job.create", "[{%s, 'if_exists': 'attach'}]", JOB);
    peer_refused(two, EVD_E_BUSY, "job.create", "[{%s, 'if_exists': 'restart'}]", JOB);
    peer_refused(two, EVD_E_EXISTS, "job.create", "[{%s}]", JOB);
    h->hold_work = false;
    work_run(h);
    json_decref(peer_result(one, first));
    peer_do(two, "job.create", "[{%s, 'if_exists': 'same'}]", JOB);
}

/* A shared job that one worker reads alone. */
static void test_exclusive(void **state)
{
    struct harness *h = *state;
    struct peer *one = peer_new(h), *two = peer_new(h);

    json_decref(send(one, "d", LABELS, ""));
    peer_do(one, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 4}]");
    peer_do(one, "stream.open", "[{'job': 'j', 'window': 1, 'exclusive': true}]");
    peer_refused(two, EVD_E_CONFLICT, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_refused(two, EVD_E_CONFLICT, "stream.open",
                 "[{'job': 'j', 'window': 1, 'exclusive': true}]");
    peer_close(one);
    peer_do(two, "stream.open", "[{'job': 'j', 'window': 1, 'exclusive': true}]");
}

/* Its connection is lost: it has the job alone again, unless somebody came meanwhile. */
static void test_exclusive_and_lost(void **state)
{
    struct harness *h = *state;
    struct peer *one = peer_new(h), *two = peer_new(h);

    json_decref(send(one, "d", LABELS, ""));
    peer_do(one, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 4}]");
    for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
        json_t *hello;
        int64_t session, key;

        one = peer_connect(h);
        hello = peer_call(one, "hello", "[{'protocol': 1, 'client': 'test'}]");
        session = integer(hello, "session");
        key = integer(hello, "resume_key");
        json_decref(hello);
        peer_do(one, "stream.open", "[{'job': 'j', 'window': 1, 'exclusive': true}]");
        if (meanwhile)
            peer_close(one);
        if (meanwhile)
            peer_do(two, "stream.open", "[{'job': 'j', 'window': 1}]");
        one = peer_connect(h); /* the old connection may be there still */
        peer_do(one, "hello",
                "[{'protocol': 1, 'client': 'test', 'resume': %d, 'resume_key': %lld}]",
                (int)session, (long long)key);
        if (meanwhile) {
            peer_refused(one, EVD_E_NOT_FOUND, "stream.open",
                         "[{'job': 'j', 'window': 1, 'resume': 1, 'exclusive': true}]");
            peer_refused(one, EVD_E_CONFLICT, "stream.open",
                         "[{'job': 'j', 'window': 1, 'exclusive': true}]");
            continue;
        }
        peer_do(one, "stream.open", "[{'job': 'j', 'window': 1, 'resume': 1, 'exclusive': true}]");
        peer_refused(two, EVD_E_CONFLICT, "stream.open", "[{'job': 'j', 'window': 1}]");
        peer_do(one, "stream.close", "[{'stream': 1}]");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_job_goes_with_its_last_user),
        TEST(test_a_restart_gives_time),
        TEST(test_nothing_piles_up),
        TEST(test_a_stop_is_no_end),
        TEST(test_a_lost_worker_keeps_it),
        TEST(test_its_maker_does_not_wait),
        TEST(test_dataset_without_a_job),
        TEST(test_the_same_is_stored_once),
        TEST(test_same),
        TEST(test_same_after_a_change),
        TEST(test_attach_and_restart),
        TEST(test_at_the_same_moment),
        TEST(test_exclusive),
        TEST(test_exclusive_and_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
