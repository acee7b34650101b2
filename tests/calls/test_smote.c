/* smote through the daemon: neighbours by name, recorded with their digest, kept while a job names
 * them, found again after a restart; and what is refused. */
#include "attached.h"
#include "retaining.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AS_CLASS "'kind': 'neighbours', 'k': 2, 'scope': 'class', 'metric': 'euclidean'"
#define AS_ALL   "'kind': 'neighbours', 'k': 2, 'scope': 'all', 'metric': 'euclidean'"
/* Of classes a b a - b a: a is 0, 2 and 5, b is 1 and 4. */
#define OF_CLASS                                                                                   \
    "0200000005000000"                                                                             \
    "04000000ffffffff"                                                                             \
    "0000000005000000"                                                                             \
    "ffffffffffffffff"                                                                             \
    "01000000ffffffff"                                                                             \
    "0200000000000000"
#define FAR                                                                                        \
    "0000803f0000803f"                                                                             \
    "0000003f0000807f"                                                                             \
    "0000803f00001041"                                                                             \
    "0000807f0000807f"                                                                             \
    "000000000000807f"                                                                             \
    "0000803f0000c03f"
#define SMOTE(more) "'strategy': {'kind': 'smote', 'k': 1" more "}"
#define CREATE(more)                                                                               \
    "[{'name': 'j', 'dataset': 'd', 'batch_size': 3, 'grace': 0, 'seed': 5, " SMOTE(more) "}]"

static json_t *attach(struct peer *peer, const char *name)
{
    return attached_make(peer, name, AS_CLASS, OF_CLASS, FAR);
}

/* How many strategies on record name the attachment. */
static int uses_of(struct peer *peer, const char *name)
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]"), *info;
    int uses = -1;
    size_t i;

    json_array_foreach(json_object_get(answer, "attachments"), i, info)
    {
        if (strcmp(text(info, "name"), name) == 0)
            uses = (int)integer(info, "uses");
    }
    json_decref(answer);
    return uses;
}

static json_t *first_batch(struct peer *peer)
{
    json_t *batch;

    json_decref(peer_call(peer, "stream.open",
                          "[{'job': 'j', 'window': 2, 'columns': ['index', 'label', 'mix_index', "
                          "'mix_lambda']}]"));
    batch = peer_note(peer, "batch");
    json_decref(peer_note(peer, "batch"));
    return batch;
}

static void check_recorded(struct peer *peer, const char *digest)
{
    json_t *answer = peer_call(peer, "job.history", "[{'job': 'j'}]");
    const json_t *list = json_object_get(answer, "revisions"), *strategy, *named;

    strategy = json_object_get(json_array_get(list, 0), "strategy");
    named = json_object_get(strategy, "neighbours");
    assert_string_equal(text(named, "name"), "class");
    assert_string_equal(text(named, "digest"), digest);
    assert_null(json_object_get(strategy, "all_neighbours")); /* not needed, so not recorded */
    json_decref(answer);
}

/* The same draws after a restart; dropped only once the job is gone. */
static void a_job_keeps_its_neighbours(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer, *batch, *again;
    char digest[17];

    attached_dataset(peer);
    answer = attach(peer, "class");
    snprintf(digest, sizeof(digest), "%s", text(answer, "digest"));
    json_decref(answer);
    peer_do(peer, "job.preview", "[{'dataset': 'd', 'batch_size': 3, " SMOTE("") "}]");
    assert_int_equal(uses_of(peer, "class"), 0);
    peer_do(peer, "job.create", CREATE(""));
    assert_int_equal(uses_of(peer, "class"), 1);
    check_recorded(peer, digest);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 3, 'seed': 5, 'grace': 0, 'if_exists': "
            "'same', " SMOTE("") "}]");
    batch = first_batch(peer);
    peer_refused(peer, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'class'}]");
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(uses_of(peer, "class"), 1);
    check_recorded(peer, digest);
    again = first_batch(peer);
    for (const char *const *key = (const char *const[]){"index", "mix_index", "mix_lambda", NULL};
         *key; key++)
        assert_true(json_equal(json_object_get(batch, *key), json_object_get(again, *key)));
    json_decref(batch);
    json_decref(again);
    peer_refused(peer, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'class'}]");
    peer_do(peer, "job.drop", "[{'job': 'j', 'force': true}]");
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'class'}]");
}

/* An update names others; a seek back draws with the first ones, which a restart finds, too. */
static void earlier_strategies_keep_theirs(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *batch, *again;

    attached_dataset(peer);
    json_decref(attach(peer, "class"));
    json_decref(attach(peer, "other"));
    peer_do(peer, "job.create", CREATE(""));
    batch = first_batch(peer);
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'now', " SMOTE(", 'neighbours': 'other'") "}]");
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'now', 'strategy': {'kind': 'uniform', 'pairs': "
            "{'how': 'none'}}}]");
    for (int i = 0; i < 2; i++) {
        peer_refused(peer, EVD_E_CONFLICT, "attachment.drop",
                     "[{'dataset': 'd', 'name': 'class'}]");
        harness_restart(h);
        peer = peer_new(h);
    }
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0, 'mode': 'replay'}]");
    again = first_batch(peer);
    assert_true(
        json_equal(json_object_get(batch, "mix_lambda"), json_object_get(again, "mix_lambda")));
    json_decref(batch);
    json_decref(again);
}

/* So many strategies name each of them, and a restart counts the same; those that any names are
 * not dropped. */
static void check_uses(struct harness *h, int of_class, int of_other)
{
    const struct {
        const char *name;
        int uses;
    } named[] = {{"class", of_class}, {"other", of_other}};

    for (int restarted = 0; restarted < 2; restarted++) {
        struct peer *peer = peer_new(h);

        for (int i = 0; i < 2; i++) {
            assert_int_equal(uses_of(peer, named[i].name), named[i].uses);
            if (named[i].uses > 0)
                peer_refused(peer, EVD_E_CONFLICT, "attachment.drop",
                             "[{'dataset': 'd', 'name': '%s'}]", named[i].name);
        }
        peer_close(peer);
        if (!restarted)
            harness_restart(h);
    }
}

/* What came to nothing, or never began, names nothing; what a seek left behind still does. */
static void only_what_is_on_record_counts(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    json_decref(attach(peer, "class"));
    json_decref(attach(peer, "other"));
    peer_refused(peer, EVD_E_STRATEGY, "job.create", CREATE(", 'm': 3"));
    check_uses(h, 0, 0);
    peer = peer_new(h);
    peer_do(peer, "job.create", CREATE(""));
    peer_refused(peer, EVD_E_STRATEGY, "job.update",
                 "[{'job': 'j', " SMOTE(", 'm': 3, 'neighbours': 'other'") "}]");
    check_uses(h, 1, 0);
    peer = peer_new(h);
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'at', 'epoch': 3, 'step': 0, " SMOTE(
                ", 'neighbours': 'other'") "}]");
    check_uses(h, 1, 1);
    peer = peer_new(h);
    peer_do(peer, "job.update", "[{'job': 'j', 'when': 'now', " SMOTE("") "}]"); /* before it */
    check_uses(h, 2, 0);
    peer = peer_new(h);
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'at', 'epoch': 3, 'step': 0, " SMOTE(
                ", 'neighbours': 'other'") "}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 0, 'mode': 'follow'}]");
    check_uses(h, 2, 2);
    peer = peer_new(h);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 3, 'if_exists': 'restart', "
            "'strategy': {'kind': 'uniform'}}]");
    check_uses(h, 0, 0);
    peer = peer_new(h);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'class'}]");
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'other'}]");
}

/* An epoch of two steps. */
static void pass_epoch(struct peer *peer, int epoch)
{
    for (int step = 0; step < 2; step++) {
        json_decref(take_batch(peer, epoch, step));
        peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': %d, 'step': %d}]", epoch, step);
    }
}

static struct peer *opened(struct harness *h)
{
    struct peer *peer = peer_new(h);

    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': ['index', 'mix_index']}]");
    return peer;
}

/* The job's first strategy names one, and the next, from the second epoch on, the other. */
static struct peer *begin_retaining(struct harness *h)
{
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    json_decref(attach(peer, "class"));
    json_decref(attach(peer, "other"));
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'd', 'batch_size': 3, 'grace': 0, 'retain_epochs': 1, "
            "'last_batch': 'short', " SMOTE("") "}]");
    peer = opened(h);
    json_decref(take_batch(peer, 0, 0));
    peer_do(peer, "job.update",
            "[{'job': 'j', 'when': 'epoch', " SMOTE(", 'neighbours': 'other'") "}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    json_decref(take_batch(peer, 0, 1));
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 1}]");
    return peer;
}

/* Strategies that are forgotten name nothing; whoever waits to draw by one finds its neighbours. */
static void forgotten_ones_release_theirs(void **state)
{
    struct harness *h = *state;
    struct peer *peer = begin_retaining(h), *other = peer_new(h);
    uint32_t id;

    json_decref(take_batch(peer, 1, 0));
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 1, 'step': 0}]");
    settle(h);
    h->hold_work = true;
    id = peer_send(other, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 1}]");
    harness_pump(h);
    assert_int_equal(uses_of(peer, "class"), 2);
    json_decref(take_batch(peer, 1, 1));
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 1, 'step': 1}]");
    pass_epoch(peer, 2);
    settle(h);
    assert_int_equal(uses_of(peer, "class"), 1); /* that of the question */
    h->hold_work = false;
    work_run(h);
    harness_quiet(h);
    json_decref(peer_result(other, id));
    peer_close(peer);
    check_uses(h, 0, 1);
    peer = peer_new(h);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'class'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.batch", "[{'job': 'j', 'epoch': 0, 'step': 1}]");
    json_decref(peer_call(peer, "job.batch", "[{'job': 'j', 'epoch': 2, 'step': 0}]"));
}

/* What the store could not forget is still on record. */
static void not_forgotten_after_all(void **state)
{
    struct harness *h = *state;
    struct peer *peer;

    begin_retaining(h);
    retaining_query(h, "CREATE TRIGGER refuse BEFORE INSERT ON forgotten"
                       " BEGIN SELECT RAISE(ABORT, 'not now'); END");
    peer = opened(h);
    for (int epoch = 1; epoch < 4; epoch++)
        pass_epoch(peer, epoch);
    settle(h);
    peer_close(peer);
    check_uses(h, 1, 1);
    retaining_query(h, "DROP TRIGGER refuse");
    peer = opened(h);
    pass_epoch(peer, 4);
    settle(h);
    peer_close(peer);
    check_uses(h, 0, 1);
}

static void refused(struct peer *peer, int code, const char *strategy, const char *words)
{
    const char *message = peer_refused(
        peer, code, "job.preview", "[{'dataset': 'd', 'batch_size': 3, 'strategy': %s}]", strategy);

    if (!strstr(message, words))
        fail_msg("\"%s\" is not in \"%s\"", words, message);
}

static void refusals(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;
    char digest[17], strategy[200];

    attached_dataset(peer);
    refused(peer, EVD_E_NOT_FOUND, "{'kind': 'smote'}", "evendraw neighbours d FEATURES.npy");
    answer = attach(peer, "class");
    snprintf(digest, sizeof(digest), "%s", text(answer, "digest"));
    json_decref(answer);
    json_decref(attached_make(peer, "all", AS_ALL, NEAR, AWAY));
    json_decref(attached_make(peer, "few", AS_KEPT, KEPT, ""));
    refused(peer, EVD_E_STRATEGY, "{'kind': 'smote', 'k': 3}", "--k 3");
    refused(peer, EVD_E_STRATEGY, "{'kind': 'smote', 'k': 2}", "Expected n_neighbors <= n_samples");
    refused(peer, EVD_E_STRATEGY, "{'kind': 'smote', 'k': 1, 'neighbours': 'few'}", "selection");
    refused(peer, EVD_E_STRATEGY, "{'kind': 'smote', 'k': 1, 'neighbours': 'all'}",
            "--within-class");
    refused(peer, EVD_E_STRATEGY, "{'kind': 'smote', 'k': 1, 'variant': 'svm'}", "support vectors");
    refused(peer, EVD_E_BAD_TYPE, "{'kind': 'smote', 'neighbours': 3}", "name of neighbours");
    refused(peer, EVD_E_BAD_TYPE, "{'kind': 'smote', 'neighbours': {'name': 'class'}}", "sixteen");
    refused(peer, EVD_E_STRATEGY,
            "{'kind': 'smote', 'k': 1, 'neighbours': {'name': 'class', 'digest': "
            "'0123456789abcdef'}}",
            "digest differs");
    snprintf(strategy, sizeof(strategy),
             "{'kind': 'smote', 'k': 1, 'neighbours': {'name': 'class', 'digest': '%s'}}", digest);
    peer_do(peer, "job.preview", "[{'dataset': 'd', 'batch_size': 3, 'strategy': %s}]", strategy);
    attached_dataset(peer); /* version 2, which has none */
    refused(peer, EVD_E_NOT_FOUND, "{'kind': 'smote', 'k': 1}", "version 1 has one");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_keeps_its_neighbours),    TEST(earlier_strategies_keep_theirs),
        TEST(only_what_is_on_record_counts), TEST(forgotten_ones_release_theirs),
        TEST(not_forgotten_after_all),       TEST(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
