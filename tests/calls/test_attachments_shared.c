/* Attachments of datasets: their names, who is in whose way, and what they take. */
#include "attached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A script may run again; what is another needs another name, or that the first goes. */
static void the_same_again(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *first, *again;
    int draft;

    attached_dataset(peer);
    first = attached_make(peer, "few", AS_KEPT, KEPT, "");
    again = attached_make(peer, "few", AS_KEPT, KEPT, "");
    assert_true(json_equal(first, again));
    json_decref(first);
    json_decref(again);
    draft = attached_begin(peer, "few", AS_KEPT);
    attached_append(peer, draft, "010000000001", "");
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_EXISTS, "attachment.commit", "[{'draft': %d}]", draft),
               "drop that one first, or send this one under another name"));
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.commit", "[{'draft': %d}]", draft);
    assert_int_equal(attached_count(peer), 1);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'few'}]");
    json_decref(attached_make(peer, "few", AS_KEPT, "010000000001", ""));
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(attached_count(peer), 1);
    attached_check(peer, "few", "010000000001", "");
}

/* Two connections commit one name at the same moment: one has it. */
static void two_at_once(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);

    attached_dataset(peer);
    for (int same = 0; same < 2; same++) {
        int a = attached_begin(peer, "few", AS_KEPT), b = attached_begin(other, "few", AS_KEPT);
        uint32_t first, second;

        attached_append(peer, a, KEPT, "");
        attached_append(other, b, same ? KEPT : "010000000000", "");
        h->hold_work = true;
        first = peer_send(peer, "attachment.commit", "[{'draft': %d}]", a);
        second = peer_send(other, "attachment.commit", "[{'draft': %d}]", b);
        harness_pump(h);
        h->hold_work = false;
        work_run(h);
        json_decref(peer_result(peer, first));
        if (same)
            json_decref(peer_result(other, second));
        else
            peer_error(other, second, EVD_E_EXISTS);
        attached_check(peer, "few", KEPT, "");
        peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'few'}]");
    }
    harness_quiet(h);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
}

/* Who goes leaves nothing behind, and keeps the dataset no longer. */
static void who_goes(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peer;
    int draft;

    attached_dataset(watch);
    for (int when = 0; when < 3; when++) {
        peer = peer_new(h);
        draft = attached_begin(peer, "few", AS_KEPT);
        assert_non_null(
            strstr(peer_refused(watch, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'd'}]"),
                   "attachments that are being sent"));
        if (when > 0)
            attached_append(peer, draft, KEPT, "");
        if (when > 1) { /* while a thread looks at it */
            h->hold_work = true;
            peer_send(peer, "attachment.commit", "[{'draft': %d}]", draft);
            harness_pump(h);
            assert_int_equal(h->work_count, 1);
        }
        peer_close(peer);
        h->hold_work = false;
        work_run(h);
        harness_quiet(h);
        assert_int_equal(attached_count(watch), 0);
    }
    peer_do(watch, "dataset.drop", "[{'dataset': 'd'}]");
    harness_restart(h);
}

/* What is read is not dropped meanwhile. */
static void who_reads(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t id;

    attached_dataset(peer);
    json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
    h->hold_work = true;
    id =
        peer_send(peer, "attachment.read", "[{'dataset': 'd', 'name': 'near', 'distances': true}]");
    harness_pump(h);
    peer_refused(other, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'near'}]");
    peer_refused(other, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'd'}]");
    h->hold_work = false;
    harness_pump(h);
    json_decref(peer_result(peer, id));
    peer_do(other, "attachment.drop", "[{'dataset': 'd', 'name': 'near'}]");
    peer_do(other, "dataset.drop", "[{'dataset': 'd'}]");
}

/* Labels may be others in another version, and so may neighbours. */
static void of_an_older_version(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
    attached_dataset(peer);
    assert_int_equal(attached_count(peer), 0);
    assert_non_null(strstr(peer_refused(peer, EVD_E_NOT_FOUND, "attachment.read",
                                        "[{'dataset': 'd', 'name': 'near'}]"),
                           "version 2 has no attachment \"near\", but version 1 has one"));
    peer_do(peer, "attachment.read", "[{'dataset': 'd', 'version': 1, 'name': 'near'}]");
    json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
    assert_int_equal(attached_count(peer), 1);
}

/* ---- memory ---- */

static int64_t holds(struct peer *peer, const char *key)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(json_object_get(info, "holds"), key);

    json_decref(info);
    return bytes;
}

/* Counted as it comes, and refused before any of it is taken. */
static void memory_is_counted(void **state)
{
    enum { N = 40000 };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    static char folds[4 * N + 1];
    int64_t before, memory;
    json_t *info;
    int draft;

    attached_large(peer, N);
    memset(folds, '0', sizeof(folds) - 1);
    before = holds(peer, "drafts");
    draft = attached_begin(peer, "cv", AS_FOLDS);
    assert_in_range(holds(peer, "drafts"), before + 1, before + 4096);
    before = holds(peer, "drafts");
    folds[1] = '1'; /* one sample is in fold 1, all others in fold 0 */
    peer_do(peer, "attachment.append", "[{'draft': %d, 'rows': {'$bin': '%.*s'}}]", draft, 2 * N,
            folds);
    assert_int_equal(holds(peer, "drafts"), before + N);
    peer_do(peer, "attachment.append", "[{'draft': %d, 'rows': {'$bin': '%.*s'}}]", draft, 2 * N,
            folds + 4);
    assert_int_equal(holds(peer, "drafts"), before + 2 * N);
    assert_int_equal(holds(peer, "attachments"), 0);
    peer_do(peer, "attachment.commit", "[{'draft': %d}]", draft);
    assert_int_equal(holds(peer, "drafts"), 0);
    assert_in_range(holds(peer, "attachments"), 2 * N, 2 * N + 4096);
    harness_restart(h);
    peer = peer_new(h);
    assert_in_range(holds(peer, "attachments"), 2 * N, 2 * N + 4096);
    info = peer_call(peer, "server.info", "[]");
    memory = integer(info, "memory");
    json_decref(info);
    h->limits.memory = (uint64_t)(memory + N);
    harness_restart(h);
    peer = peer_new(h);
    assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "attachment.create",
                                        "[{'dataset': 'd', 'name': 'b', " AS_FOLDS "}]"),
                           "--memory-limit"));
    draft = attached_begin(peer, "few", AS_KEPT); /* an eighth of that */
    attached_begin(peer, "few", AS_KEPT);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'cv'}]");
    assert_int_equal(holds(peer, "attachments"), 0);
    attached_begin(peer, "b", AS_FOLDS);
}

/* Sums are kept up: what is committed, dropped, abandoned, and loaded. */
static void sums_follow(void **state)
{
    static const char *const kinds[] = {"datasets", "attachments", "drafts"};
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other;
    int64_t one, two, attached;
    json_t *info;

    attached_dataset(peer);
    one = holds(peer, "datasets");
    attached_dataset(peer);
    two = holds(peer, "datasets");
    assert_int_equal(two, 2 * one);
    json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
    json_decref(attached_make(peer, "cv", AS_FOLDS, FOLDS, ""));
    attached = holds(peer, "attachments");
    harness_restart(h);
    peer = peer_new(h);
    other = peer_new(h);
    assert_int_equal(holds(peer, "datasets"), two);
    assert_int_equal(holds(peer, "attachments"), attached);
    assert_int_equal(holds(peer, "drafts"), 0);
    attached_begin(other, "kept", AS_KEPT);
    peer_do(other, "dataset.create", "[{'name': 'e', 'classes': ['x']}]");
    assert_true(holds(peer, "drafts") > 0);
    peer_close(other);
    harness_quiet(h);
    assert_int_equal(holds(peer, "drafts"), 0);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'cv'}]");
    assert_in_range(holds(peer, "attachments"), 1, attached - 1);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd', 'version': 2}]");
    assert_int_equal(holds(peer, "datasets"), one);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd', 'version': 1}]");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        assert_int_equal(holds(peer, kinds[i]), 0);
    info = peer_call(peer, "server.info", "[]");
    assert_int_equal(integer(info, "memory"), 0);
    json_decref(info);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_again),      TEST(two_at_once),       TEST(who_goes),    TEST(who_reads),
        TEST(of_an_older_version), TEST(memory_is_counted), TEST(sums_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
