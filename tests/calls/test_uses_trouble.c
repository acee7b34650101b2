/* Ephemeral jobs, owned datasets and jobs in the place of others while the store is in trouble. */
#include "trouble.h"

static void pass(struct harness *h, uint64_t ms)
{
    for (int i = 0; i < 3; i++) { /* jobs, then their datasets */
        harness_pass(h, ms);
        harness_quiet(h);
    }
}

/* A draft of three labels on the connection; its number. */
static int draft_owned(struct peer *peer, const char *name)
{
    json_t *draft = peer_call(peer, "dataset.create", "[{'name': '%s', 'owned': true}]", name);
    int number = (int)integer(draft, "draft");

    json_decref(draft);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0, 1, 0]}]", number);
    return number;
}

#define RUN "'name': 'run', 'dataset': 'run', 'batch_size': 1, 'ephemeral': 1"

static void make_run(struct peer *peer)
{
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft_owned(peer, "run"));
    peer_do(peer, "job.create", "[{" RUN "}]");
}

static void expect_left(struct peer *peer, size_t jobs, size_t datasets)
{
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), jobs);
    assert_int_equal(trouble_count(peer, "dataset.list", "datasets"), datasets);
}

/* The store takes or writes nothing for a while: what nobody uses stays, works, and goes later. */
static void test_expiry_is_tried_again(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer;

    for (int full = 0; full < 2; full++) {
        peer = peer_new(h);
        make_run(peer);
        busy = !full;
        if (full)
            fault_set(FAULT_WRITE, 1, fault_full, true);
        peer_close(peer);
        pass(h, 1000);
        expect_left(watch, 1, 1);
        peer = peer_new(h); /* comes back between two tries, and stays */
        peer_do(peer, "job.create", "[{" RUN ", 'if_exists': 'attach'}]");
        pass(h, 1000);
        peer_do(peer, "job.info", "[{'job': 'run'}]");
        peer_close(peer);
        pass(h, 1000);
        busy = false;
        fault_clear();
        pass(h, 1000);
        expect_left(watch, 0, 0);
        peer = peer_new(h); /* the dataset alone */
        peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft_owned(peer, "run"));
        busy = !full;
        if (full)
            fault_set(FAULT_WRITE, 1, fault_full, true);
        peer_close(peer);
        pass(h, 1000);
        expect_left(watch, 0, 1);
        busy = false;
        fault_clear();
        pass(h, 1000);
        expect_left(watch, 0, 0);
    }
}

/* Somebody drops what goes by itself, and the store fails: it still goes by itself. */
static void test_a_drop_comes_between(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer = peer_new(h);

    peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft_owned(peer, "run"));
    busy = true;
    peer_close(peer);
    pass(h, 0);
    busy = false;
    slow = true;
    peer_send(watch, "dataset.drop", "[{'dataset': 'run'}]");
    harness_pump(h);
    harness_pass(h, 1000);
    slow = false;
    trouble_refuse(h);
    peer_forget(watch);
    pass(h, 1000);
    expect_left(watch, 0, 0);
}

/* Whoever comes while the end of what it wants is on its way to the disk asks again, whether that
 * comes about or not. */
static void test_joining_what_is_going(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    for (int fails = 0; fails < 2; fails++) {
        make_run(peer);
        peer_close(peer);
        peer = peer_new(h);
        slow = true;
        harness_pass(h, 1);
        slow = false;
        assert_non_null(caught);
        peer_refused(peer, EVD_E_BUSY, "job.create", "[{" RUN ", 'if_exists': 'attach'}]");
        peer_refused(peer, EVD_E_BUSY, "job.create", "[{" RUN ", 'if_exists': 'restart'}]");
        peer_refused(peer, EVD_E_CONFLICT, "stream.open", "[{'job': 'run'}]");
        peer_refused(peer, EVD_E_CONFLICT, "job.drop", "[{'job': 'run', 'force': true}]");
        if (fails)
            trouble_refuse(h);
        else
            trouble_pass_on(h);
        pass(h, 0);
        expect_left(peer, (size_t)fails, (size_t)fails);
        if (fails)
            peer_do(peer, "job.create", "[{" RUN ", 'if_exists': 'attach'}]");
    }
}

static void expect_old(struct peer *peer)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': 'j'}]");

    assert_int_equal(integer(info, "batch_size"), 10);
    assert_int_equal(integer(json_object_get(info, "acked"), "step"), 1);
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 1);
    json_decref(info);
}

#define RESTART "[{'name': 'j', 'dataset': 'd', 'batch_size': 5, 'if_exists': 'restart'%s}]"

/* Wherever a restart in place fails, the old job is what it was, and goes on. */
static void test_restart_fails(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t id;

    trouble_load(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_refused(peer, EVD_E_CONFLICT, "job.create", RESTART, "");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    harness_quiet(h);
    peer_refused(peer, EVD_E_LIMIT, "job.create", RESTART, ", 'ephemeral': 604800001");
    expect_old(peer);
    peer_refused(peer, EVD_E_STRATEGY, "job.create", RESTART, ", 'strategy': {'kind': 'x'}");
    expect_old(peer);
    busy = true;
    peer_refused(peer, EVD_E_BUSY, "job.create", RESTART, "");
    busy = false;
    expect_old(peer);
    fault_set(FAULT_WRITE, 1, fault_full, true);
    peer_refused(peer, EVD_E_STORE, "job.create", RESTART, "");
    fault_clear();
    expect_old(peer);
    slow = true; /* on its way to the disk, and then not there */
    id = peer_send(other, "job.create", RESTART, ", 'ephemeral': 1");
    harness_pump(h);
    slow = false;
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 1);
    peer_refused(peer, EVD_E_CONFLICT, "stream.open", "[{'job': 'j'}]");
    peer_refused(peer, EVD_E_CONFLICT, "job.drop", "[{'job': 'j', 'force': true}]");
    peer_refused(peer, EVD_E_BUSY, "job.create", RESTART, "");
    trouble_refuse(h);
    peer_error(other, id, EVD_E_STORE);
    expect_old(peer);
    h->hold_work = true; /* and one whose connection ends while its plan is made */
    peer_send(other, "job.create", RESTART, "");
    harness_pump(h);
    peer_close(other);
    h->hold_work = false;
    work_run(h);
    harness_pump(h);
    expect_old(peer);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "stream.ack", "[{'stream': 2, 'epoch': 0, 'step': 1}]");
    peer_do(peer, "stream.close", "[{'stream': 2}]");
    harness_restart(h);
    peer = peer_new(h);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_do(peer, "job.create", RESTART, "");
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(trouble_count(peer, "job.list", "jobs"), 1);
}

/* An owned dataset that could not be stored is nowhere; and one that is there already needs no
 * store but to forget the draft. */
static void test_owned_commit_fails(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    int draft = draft_owned(peer, "run");

    busy = true;
    peer_refused(peer, EVD_E_BUSY, "dataset.commit", "[{'draft': %d}]", draft);
    busy = false;
    pass(h, 1000);
    expect_left(peer, 0, 0);
    draft = draft_owned(peer, "run");
    fault_set(FAULT_WRITE, 1, fault_full, true);
    peer_refused(peer, EVD_E_STORE, "dataset.commit", "[{'draft': %d}]", draft);
    fault_clear();
    pass(h, 1000);
    expect_left(peer, 0, 0);
    make_run(peer);
    draft = draft_owned(other, "twin");
    busy = true;
    peer_do(other, "dataset.commit", "[{'draft': %d}]", draft);
    busy = false;
    peer_do(peer, "job.drop", "[{'job': 'run'}]");
    pass(h, 1000);
    expect_left(peer, 0, 1); /* the other one's */
    peer_close(other);
    pass(h, 1000);
    expect_left(peer, 0, 0);
    harness_restart(h);
    peer = peer_new(h);
    expect_left(peer, 0, 0);
}

/* The session is resumed on another connection while a commit of it is on its way to the disk, and
 * its old connection is there still. */
static void test_resumed_while_committing(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_connect(h), *other = peer_connect(h);
    json_t *hello = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'test'}]");
    int draft = draft_owned(peer, "run");

    slow = true;
    peer_send(peer, "dataset.commit", "[{'draft': %d}]", draft);
    harness_pump(h);
    slow = false;
    peer_do(other, "hello", "[{'protocol': 1, 'client': 'test', 'resume': %d, 'resume_key': %lld}]",
            (int)integer(hello, "session"), (long long)integer(hello, "resume_key"));
    json_decref(hello);
    trouble_pass_on(h);
    pass(h, 1000);
    peer_close(peer);
    pass(h, 1000);
    expect_left(other, 0, 0);
}

/* The daemon ends while the ends of a job and of a dataset are on their way. */
static void test_stop_while_expiring(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    for (int with_job = 0; with_job < 2; with_job++) {
        if (with_job)
            make_run(peer);
        else
            peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft_owned(peer, "run"));
        peer_close(peer);
        harness_pass(h, 1);
        harness_restart(h);
        peer = peer_new(h);
        pass(h, 1000);
        expect_left(peer, 0, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_expiry_is_tried_again), TEST(test_a_drop_comes_between),
        TEST(test_joining_what_is_going), TEST(test_restart_fails),
        TEST(test_owned_commit_fails),    TEST(test_resumed_while_committing),
        TEST(test_stop_while_expiring),
    };

    trouble_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
