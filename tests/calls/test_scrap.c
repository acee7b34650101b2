/* Large memory that is given up is freed by a pool thread, and counts until then (server/scrap.h):
 * what was reported to a job that is dropped, and what makes way for newer reports. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include "jobs/entry.h"
#include "jobs/jobs.h"
#include "server/scrap.h"
#include "server/server.h"
#include "feedback/feedback.h"

#define BATCH 65536u

static int64_t info_of(struct peer *peer, const char *map, const char *key)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t value = integer(map ? json_object_get(info, map) : info, key);

    json_decref(info);
    return value;
}

/* Job v of two classes, to which one sample was reported. */
static struct job_entry *reported_job(struct harness *h, struct peer *peer)
{
    struct job_entry *entry;

    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['no', 'yes']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'v', 'dataset': 'd', 'batch_size': 1}]");
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': 0, 'index': [1], 'predicted': [1], 'score': [1]}]");
    entry = jobs_find(h->server->jobs, (struct evd_str){"v", 1});
    assert_non_null(entry);
    return entry;
}

/* Reports so many scores more of an epoch, of steps of their own, as job.report would. */
static void fill(struct job_entry *entry, uint64_t epoch, size_t n)
{
    static uint32_t label[BATCH];
    static double score[BATCH];
    struct confusion_batch batch = {.label = label, .predicted = label, .score = score};
    struct feedback_at at = {.epoch = epoch, .step = 1};
    struct evd_error err;
    bool counted;

    for (uint32_t i = 0; i < BATCH; i++) {
        score[i] = i / (double)BATCH;
        label[i] = i % 4 == 0;
    }
    entry->jobs->reported -= feedback_memory(entry->feedback);
    for (; n > 0; n -= batch.n, at.step++) {
        batch.n = n < BATCH ? n : BATCH;
        assert_int_equal(feedback_report(entry->feedback, 2, at, SIZE_MAX, &batch, &counted, &err),
                         EVD_OK);
        assert_true(counted);
    }
    entry->jobs->reported += feedback_memory(entry->feedback);
}

/* The answer does not wait for it, nor does who needs the room; it is counted until it is freed. */
static void a_dropped_jobs_reports(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    struct job_entry *entry = reported_job(h, peer);
    int64_t before = info_of(peer, NULL, "memory"), reports;

    fill(entry, 0, 1u << 20);
    reports = info_of(peer, "holds", "reports");
    assert_true(reports > 8 << 20);
    h->hold_work = true;
    peer_do(peer, "job.drop", "[{'job': 'v'}]");
    assert_int_equal(h->work_count, 1);
    assert_int_equal(info_of(peer, "holds", "reports"), reports);
    assert_int_equal(info_of(peer, "works", "working"), 1);
    assert_true(info_of(peer, NULL, "memory") < before);
    assert_int_equal(work_run(h), 1);
    assert_int_equal(info_of(peer, "holds", "reports"), 0);
    assert_int_equal(info_of(peer, "works", "working"), 0);
}

/* Two epochs are full, and a third one has all but the last that fits. */
static void fill_to_the_brim(struct job_entry *entry)
{
    size_t last = (FEEDBACK_BYTES - 2 * (SCORES_MOST * sizeof(uint64_t))) / sizeof(uint64_t);

    fill(entry, 0, SCORES_MOST - 1);
    fill(entry, 1, SCORES_MOST);
    fill(entry, 2, last - 4 * BATCH);
    assert_false(feedback_find(entry->feedback, 0)->lost);
}

/* Scores make way for newer ones: those that are read meanwhile go when that is over. */
static void scores_that_make_way(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    struct job_entry *entry = reported_job(h, peer);
    uint64_t epoch_takes;
    uint32_t asked;
    json_t *answer;

    h->hold_work = true;
    fill_to_the_brim(entry);
    epoch_takes = scores_memory(feedback_find(entry->feedback, 0)->scores);
    asked = peer_send(peer, "job.curve", "[{'job': 'v', 'kind': 'calibration', 'epoch': 0}]");
    harness_pump(h);
    assert_int_equal(h->work_count, 1);
    fill(entry, 3, 8 * BATCH);
    assert_true(feedback_find(entry->feedback, 0)->lost);
    assert_int_equal(h->server->scrapped, 0); /* it is read */
    fill(entry, 4, SCORES_MOST);
    assert_true(feedback_find(entry->feedback, 1)->lost);
    assert_int_equal(h->server->scrapped, epoch_takes);
    assert_int_equal(h->work_count, 2);
    h->hold_work = false;
    harness_pump(h);
    answer = peer_result(peer, asked);
    assert_true(json_is_true(json_object_get(answer, "exact")));
    assert_int_equal(integer(answer, "samples"), SCORES_MOST);
    json_decref(answer);
    harness_pump(h);
    assert_int_equal(h->server->scrapped, 0);
    assert_int_equal(info_of(peer, "holds", "reports"), feedback_memory(entry->feedback));
}

/* The job goes while its scores are brought into order, and the daemon stops before all is freed.
 */
static void all_at_once(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    struct job_entry *entry = reported_job(h, peer);

    fill(entry, 0, 1u << 20);
    h->hold_work = true;
    peer_send(peer, "job.threshold", "[{'job': 'v'}]");
    harness_pump(h);
    peer_do(peer, "job.drop", "[{'job': 'v'}]");
    assert_int_equal(h->server->scrapped, 0); /* the request holds the job */
    assert_int_equal(h->work_count, 1);
    h->hold_work = false;
    harness_pump(h);
    assert_int_equal(h->server->scrapped, 0);
    assert_int_equal(info_of(peer, "holds", "reports"), 0);
    peer_do(peer, "job.create", "[{'name': 'v', 'dataset': 'd', 'batch_size': 1}]");
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': 0, 'index': [1], 'predicted': [1], 'score': [1]}]");
    fill(jobs_find(h->server->jobs, (struct evd_str){"v", 1}), 0, 1u << 20);
    h->hold_work = true;
    peer_do(peer, "job.drop", "[{'job': 'v'}]");
    assert_true(h->server->scrapped > 8 << 20);
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(info_of(peer, "holds", "reports"), 0);
}

static uint32_t freed;

static void note(void *what)
{
    freed += *(const uint32_t *)what;
}

/* What is small, what is too much, and what comes when the daemon stops, is freed at once. */
static void what_waits_is_bounded(void **state)
{
    struct harness *h = *state;
    uint32_t ones[] = {1, 10, 100, 1000};

    h->hold_work = true;
    freed = 0;
    scrap_free(h->server, NULL, SCRAP_LEAST, note);
    scrap_free(h->server, &ones[0], SCRAP_LEAST - 1, note);
    assert_int_equal(freed, 1);
    scrap_free(h->server, &ones[1], SCRAP_MOST, note);
    assert_int_equal(freed, 1);
    assert_int_equal(h->server->scrapped, SCRAP_MOST);
    scrap_free(h->server, &ones[2], SCRAP_LEAST, note);
    assert_int_equal(freed, 101);
    work_run(h);
    assert_int_equal(freed, 111);
    assert_int_equal(h->server->scrapped, 0);
    server_drain(h->server);
    scrap_free(h->server, &ones[3], SCRAP_LEAST, note);
    assert_int_equal(freed, 1111);
}

/* All threads are at work: it waits for one, and goes when the daemon stops first. */
static void it_waits_for_a_thread(void **state)
{
    static uint32_t ones[WORKS_THREADS + 1];
    struct harness *h = *state;

    h->hold_work = true;
    freed = 0;
    for (uint32_t i = 0; i <= WORKS_THREADS; i++) {
        ones[i] = 1;
        scrap_free(h->server, &ones[i], SCRAP_LEAST, note);
    }
    assert_in_range(h->work_count, 1, WORKS_THREADS - 1);
    assert_int_equal(freed, 0);
    harness_restart(h);
    assert_int_equal(freed, WORKS_THREADS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_dropped_jobs_reports, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(scores_that_make_way, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(all_at_once, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_bounded, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(it_waits_for_a_thread, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
