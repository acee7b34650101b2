/* Lists in pages: job.list, dataset.list and job.workers, of many rows, while rows come and go. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEERS 32u

static void make_dataset(struct peer *peer, const char *name)
{
    json_t *answer = peer_call(peer, "dataset.create", "[{'name': '%s'}]", name);
    int draft = (int)integer(answer, "draft");

    json_decref(answer);
    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0, 1, 0, 1]}]", draft);
    peer_do(peer, "dataset.commit", "[{'draft': %d}]", draft);
}

/* Jobs "job-0000" and on; many are stored at once. */
static void make_jobs(struct harness *h, unsigned jobs)
{
    struct peer *peers[PEERS];
    uint32_t ids[PEERS];

    for (unsigned i = 0; i < PEERS; i++)
        peers[i] = peer_new(h);
    make_dataset(peers[0], "d");
    for (unsigned first = 0; first < jobs; first += PEERS) {
        unsigned n = jobs - first < PEERS ? jobs - first : PEERS;

        for (unsigned i = 0; i < n; i++)
            ids[i] =
                peer_send(peers[i], "job.create",
                          "[{'name': 'job-%04u', 'dataset': 'd', 'batch_size': 2}]", first + i);
        for (unsigned i = 0; i < n; i++)
            json_decref(peer_result(peers[i], ids[i]));
    }
    for (unsigned i = 0; i < PEERS; i++)
        peer_close(peers[i]);
}

/* The page that the answer holds: how many rows, and whether there are more. */
static size_t page_is(const json_t *answer, const char *key, size_t most)
{
    size_t rows = json_array_size(json_object_get(answer, key));

    assert_true(json_is_boolean(json_object_get(answer, "more")));
    assert_true(rows <= most);
    return rows;
}

static bool more(const json_t *answer)
{
    return json_is_true(json_object_get(answer, "more"));
}

/* What the last row of a page has. */
static const json_t *last_row(const json_t *answer, const char *key)
{
    const json_t *rows = json_object_get(answer, key);

    assert_true(json_array_size(rows) > 0);
    return json_array_get(rows, json_array_size(rows) - 1);
}

/* ---- jobs ---- */

/* The names of all pages; `between` happens between two of them. A name twice fails. */
static json_t *walk_jobs(struct peer *peer, void (*between)(struct peer *peer, unsigned page),
                         unsigned *pages)
{
    json_t *names = json_object(), *answer = peer_call(peer, "job.list", "[]");
    char after[EVD_MAX_NAME + 1] = "";

    for (*pages = 1;; ++*pages) {
        size_t n = page_is(answer, "jobs", EVD_MAX_ROWS);

        for (size_t i = 0; i < n; i++) {
            const json_t *row = json_array_get(json_object_get(answer, "jobs"), i);

            assert_true(strcmp(text(row, "job"), after) > 0);
            snprintf(after, sizeof(after), "%s", text(row, "job"));
            json_object_set_new(names, after, json_true());
        }
        if (!more(answer))
            break;
        json_decref(answer);
        if (between)
            between(peer, *pages);
        answer = peer_call(peer, "job.list", "[{'after': '%s'}]", after);
    }
    json_decref(answer);
    return names;
}

/* Drops the last row of the page before, one of it and one of the next; and makes one in each. */
static void change_jobs(struct peer *peer, unsigned page)
{
    unsigned last = page * EVD_MAX_ROWS - 1;

    if (page > 2)
        return;
    if (page == 2) /* of the first page one is gone and one has come behind its end */
        last = 2 * EVD_MAX_ROWS - 1;
    peer_do(peer, "job.drop", "[{'job': 'job-%04u'}]", last);
    peer_do(peer, "job.drop", "[{'job': 'job-%04u'}]", last - 100);
    peer_do(peer, "job.drop", "[{'job': 'job-%04u'}]", last + 100);
    peer_do(peer, "job.create", "[{'name': 'job-%04u-new', 'dataset': 'd', 'batch_size': 2}]",
            last - 50);
}

#define JOBS 1000u

static void test_many_jobs(void **state)
{
    struct harness *h = *state;
    struct peer *peer;
    json_t *names, *answer;
    unsigned pages, kept = 0;
    char name[32];

    make_jobs(h, JOBS);
    peer = peer_new(h);
    answer = peer_call(peer, "job.list", "[]");
    assert_int_equal(page_is(answer, "jobs", EVD_MAX_ROWS), EVD_MAX_ROWS);
    assert_true(more(answer));
    json_decref(answer);
    names = walk_jobs(peer, NULL, &pages);
    assert_int_equal(json_object_size(names), JOBS);
    assert_int_equal(pages, (JOBS + EVD_MAX_ROWS - 1) / EVD_MAX_ROWS);
    json_decref(names);

    names = walk_jobs(peer, change_jobs, &pages);
    answer = walk_jobs(peer, NULL, &pages); /* what is left, which was there all the time */
    for (unsigned i = 0; i < JOBS; i++) {
        snprintf(name, sizeof(name), "job-%04u", i);
        if (json_object_get(answer, name)) {
            assert_non_null(json_object_get(names, name));
            kept++;
        }
    }
    assert_int_equal(kept, JOBS - 6);
    json_decref(names);
    json_decref(answer);
}

static void expect_jobs(struct peer *peer, const char *params, const char *first, size_t rows,
                        bool rest)
{
    json_t *answer = peer_call(peer, "job.list", "%s", params);
    const json_t *list = json_object_get(answer, "jobs");

    assert_int_equal(json_array_size(list), rows);
    if (rows > 0)
        assert_string_equal(text(json_array_get(list, 0), "job"), first);
    assert_int_equal(more(answer), rest);
    json_decref(answer);
}

static void test_cursors(void **state)
{
    struct harness *h = *state;
    struct peer *peer;

    make_jobs(h, 5);
    peer = peer_new(h);
    expect_jobs(peer, "[]", "job-0000", 5, false);
    expect_jobs(peer, "[{'count': 5}]", "job-0000", 5, false);
    expect_jobs(peer, "[{'count': 4}]", "job-0000", 4, true);
    expect_jobs(peer, "[{'count': 0}]", "", 0, true);
    expect_jobs(peer, "[{'count': 256}]", "job-0000", 5, false);
    expect_jobs(peer, "[{'after': 'job-0001', 'count': 2}]", "job-0002", 2, true);
    expect_jobs(peer, "[{'after': 'job-0002', 'count': 2}]", "job-0003", 2, false);
    expect_jobs(peer, "[{'after': 'job-0004'}]", "", 0, false);
    expect_jobs(peer, "[{'after': ''}]", "job-0000", 5, false);
    expect_jobs(peer, "[{'after': {'$bin': '6a6f622d3030303100'}}]", "job-0002", 3, false);
    expect_jobs(peer, "[{'after': 'job-000'}]", "job-0000", 5, false);
    expect_jobs(peer, "[{'after': 'z'}]", "", 0, false);
    peer_do(peer, "job.drop", "[{'job': 'job-0002'}]");
    expect_jobs(peer, "[{'after': 'job-0002', 'count': 1}]", "job-0003", 1, true);
    peer_refused(peer, EVD_E_LIMIT, "job.list", "[{'count': 257}]");
    peer_refused(peer, EVD_E_BAD_TYPE, "job.list", "[{'after': 3}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.list", "[{'after': {'$bin': 'ff'}}]");
}

/* Where a job is, is asked of each of its ranks: an answer has fewer rows of those that have many.
 */
static void test_many_ranks(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    unsigned pages;
    json_t *names;

    make_dataset(peer, "d");
    for (unsigned i = 0; i < 6; i++)
        peer_do(peer, "job.create",
                "[{'name': 'wide-%u', 'dataset': 'd', 'batch_size': 4096, 'mode': 'ranked', "
                "'world_size': 4096, 'last_batch': 'pad'}]",
                i);
    expect_jobs(peer, "[]", "wide-0", 4, true);
    names = walk_jobs(peer, NULL, &pages);
    assert_int_equal(json_object_size(names), 6);
    assert_int_equal(pages, 2);
    json_decref(names);
}

/* ---- datasets ---- */

static void expect_datasets(struct peer *peer, const char *params, const char *rows, bool rest)
{
    json_t *answer = peer_call(peer, "dataset.list", "%s", params);
    const json_t *row;
    char got[256] = "";
    size_t i;

    json_array_foreach(json_object_get(answer, "datasets"), i, row)
    {
        size_t len = strlen(got);

        snprintf(got + len, sizeof(got) - len, "%s%s%d", i ? " " : "", text(row, "dataset"),
                 (int)integer(row, "version"));
    }
    assert_string_equal(got, rows);
    assert_int_equal(more(answer), rest);
    json_decref(answer);
}

static void test_datasets(void **state)
{
    struct peer *peer = peer_new(*state);

    for (unsigned i = 0; i < 3; i++) {
        make_dataset(peer, "a");
        make_dataset(peer, "b");
    }
    expect_datasets(peer, "[]", "a1 a2 a3 b1 b2 b3", false);
    expect_datasets(peer, "[{'count': 2}]", "a1 a2", true);
    expect_datasets(peer, "[{'after': 'a', 'after_version': 2, 'count': 2}]", "a3 b1", true);
    expect_datasets(peer, "[{'after': 'b', 'after_version': 1, 'count': 2}]", "b2 b3", false);
    expect_datasets(peer, "[{'after': 'a'}]", "b1 b2 b3", false);
    expect_datasets(peer, "[{'after': 'a', 'after_version': 0}]", "a1 a2 a3 b1 b2 b3", false);
    expect_datasets(peer, "[{'after': 'b', 'after_version': 3}]", "", false);
    peer_do(peer, "dataset.drop", "[{'dataset': 'a', 'version': 2}]");
    peer_do(peer, "dataset.drop", "[{'dataset': 'b', 'version': 3}]");
    make_dataset(peer, "aa");
    expect_datasets(peer, "[{'after': 'a', 'after_version': 2}]", "a3 aa1 b1 b2", false);
    expect_datasets(peer, "[{'after': 'b', 'after_version': 1, 'count': 1}]", "b2", false);
    peer_refused(peer, EVD_E_MISSING_FIELD, "dataset.list", "[{'after_version': 2}]");
    peer_refused(peer, EVD_E_LIMIT, "dataset.list", "[{'count': 257}]");
}

/* ---- workers ---- */

#define STREAMS 64u

static void open_streams(struct peer *peer, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        peer_do(peer, "stream.open", "[{'job': 'job-0000', 'window': 0}]");
}

/* The numbers of all pages, which rise; `between` happens between the first two. */
static json_t *walk_workers(struct peer *peer, void (*between)(struct harness *h))
{
    json_t *numbers = json_object(), *answer;
    int64_t after = 0;
    char key[32];
    bool rest;

    do {
        size_t n;

        answer = peer_call(peer, "job.workers", "[{'job': 'job-0000', 'after': %lld}]",
                           (long long)after);
        n = page_is(answer, "workers", EVD_MAX_ROWS);
        rest = more(answer);
        assert_int_equal(n == EVD_MAX_ROWS || !rest, true);
        for (size_t i = 0; i < n; i++) {
            const json_t *row = json_array_get(json_object_get(answer, "workers"), i);

            assert_true(integer(row, "worker") > after);
            after = integer(row, "worker");
            snprintf(key, sizeof(key), "%lld", (long long)after);
            json_object_set_new(numbers, key, json_integer(integer(row, "session")));
        }
        json_decref(answer);
        if (between && rest)
            between(peer->harness);
        between = NULL;
    } while (rest);
    return numbers;
}

#define WORKER_PEERS 157u /* 10,000 workers */

static struct peer *crowd[WORKER_PEERS];

/* Of the first page and of a later one some go, and one comes. */
static void change_workers(struct harness *h)
{
    peer_close(crowd[1]);
    peer_do(crowd[2], "stream.close", "[{'stream': 7}]");
    peer_do(crowd[WORKER_PEERS - 2], "stream.close", "[{'stream': 7}]");
    peer_close(crowd[WORKER_PEERS - 3]);
    open_streams(peer_new(h), 1);
}

static void test_many_workers(void **state)
{
    struct harness *h = *state;
    json_t *before, *meanwhile, *after;
    struct peer *peer;
    const char *key;
    json_t *value;
    size_t kept = 0;

    peer = peer_new(h);
    make_dataset(peer, "d");
    peer_do(peer, "job.create",
            "[{'name': 'job-0000', 'dataset': 'd', 'batch_size': 2, 'grace': 0}]");
    for (unsigned i = 0; i < WORKER_PEERS; i++) {
        crowd[i] = peer_new(h);
        open_streams(crowd[i], STREAMS);
    }
    before = walk_workers(peer, NULL);
    assert_int_equal(json_object_size(before), WORKER_PEERS * STREAMS);
    meanwhile = walk_workers(peer, change_workers);
    after = walk_workers(peer, NULL);
    assert_int_equal(json_object_size(after), WORKER_PEERS * STREAMS - 2 * STREAMS - 2 + 1);
    json_object_foreach(after, key, value)
    {
        if (json_object_get(before, key)) {
            assert_non_null(json_object_get(meanwhile, key));
            kept++;
        }
    }
    assert_int_equal(kept, WORKER_PEERS * STREAMS - 2 * STREAMS - 2);
    json_decref(before);
    json_decref(meanwhile);
    json_decref(after);
}

/* A worker that comes back on another connection keeps its number and its place. */
static void test_worker_resumed(void **state)
{
    struct harness *h = *state;
    struct peer *peer, *lost, *back;
    json_t *hello, *answer;
    int64_t number;

    make_jobs(h, 1);
    peer = peer_new(h);
    lost = peer_connect(h);
    hello = peer_call(lost, "hello", "[{'protocol': 1, 'client': 'test'}]");
    open_streams(lost, 1);
    open_streams(peer, 1);
    answer = peer_call(peer, "job.workers", "[{'job': 'job-0000', 'count': 1}]");
    number = integer(last_row(answer, "workers"), "worker");
    assert_int_equal(integer(last_row(answer, "workers"), "session"), integer(hello, "session"));
    json_decref(answer);
    peer_close(lost);
    back = peer_connect(h);
    peer_do(back, "hello",
            "[{'protocol': 1, 'client': 'test', 'resume': %lld, 'resume_key': %lld}]",
            (long long)integer(hello, "session"), (long long)integer(hello, "resume_key"));
    peer_do(back, "stream.open", "[{'job': 'job-0000', 'resume': 1, 'window': 0}]");
    answer = peer_call(peer, "job.workers", "[{'job': 'job-0000', 'count': 1}]");
    assert_int_equal(integer(last_row(answer, "workers"), "worker"), number);
    assert_int_not_equal(integer(last_row(answer, "workers"), "session"),
                         integer(hello, "session"));
    assert_true(more(answer));
    json_decref(answer);
    json_decref(hello);
}

/* A list that was begun before a restart is gone on with: the workers of the new daemon come. */
static void test_workers_after_restart(void **state)
{
    struct harness *h = *state;
    struct peer *peer;
    json_t *answer;
    int64_t last;

    make_jobs(h, 1);
    peer = peer_new(h);
    open_streams(peer, 5);
    answer = peer_call(peer, "job.workers", "[{'job': 'job-0000'}]");
    last = integer(last_row(answer, "workers"), "worker");
    json_decref(answer);
    peer_refused(peer, EVD_E_BAD_VALUE, "job.workers", "[{'job': 'job-0000', 'after': %lld}]",
                 (long long)last + 1);
    peer_refused(peer, EVD_E_LIMIT, "job.workers", "[{'job': 'job-0000', 'count': 257}]");
    h->wall++;
    harness_restart(h);
    peer = peer_new(h);
    open_streams(peer, 2);
    answer =
        peer_call(peer, "job.workers", "[{'job': 'job-0000', 'after': %lld}]", (long long)last);
    assert_int_equal(page_is(answer, "workers", 2), 2);
    assert_false(more(answer));
    json_decref(answer);
    h->wall -= 2;
    harness_restart(h);
    peer_refused(peer_new(h), EVD_E_BAD_VALUE, "job.workers",
                 "[{'job': 'job-0000', 'after': %lld}]", (long long)last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_jobs, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_cursors, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_many_ranks, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_datasets, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_many_workers, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_worker_resumed, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(test_workers_after_restart, harness_setup,
                                        harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
