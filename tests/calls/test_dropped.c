/* What becomes of heavy work about a job that is dropped. */
#include "harness.h"

#include "proto/error.h"

static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0, 0, 0, 0, 1, 1, 1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

#define JOB     "[{'name': 'j', 'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'uniform'}}]"
#define PREVIEW "[{'dataset': 'd', 'batch_size': 4, 'strategy': {'kind': 'uniform'}}]"

/* What still waits for a thread when its job is dropped is answered then, and never runs. */
static void what_waits_is_answered(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *busy[2] = {peer_new(h), peer_new(h)};
    uint32_t own[2], others[4];

    load(peer);
    peer_do(peer, "job.create", JOB);
    h->hold_work = true;
    for (int i = 0; i < 3; i++) /* and one is for what is long */
        others[i] = peer_send(busy[i / 2], "job.preview", PREVIEW);
    own[0] = peer_send(peer, "job.stats", "[{'job': 'j'}]");
    own[1] = peer_send(peer, "job.update", "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]");
    others[3] = peer_send(busy[1], "job.preview", PREVIEW);
    assert_int_equal(h->work_count, 3);
    peer_do(busy[1], "job.drop", "[{'job': 'j', 'force': true}]");
    peer_error(peer, own[0], EVD_E_NOT_FOUND);
    peer_error(peer, own[1], EVD_E_CONFLICT);
    assert_int_equal(h->work_count, 3);
    h->hold_work = false;
    harness_pump(h);
    for (int i = 0; i < 4; i++)
        json_decref(peer_result(busy[i / 2], others[i]));
}

/* Of what works already the next stretch is not begun. */
static void what_works_ends(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t began;

    load(peer);
    peer_do(peer, "job.create", JOB);
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 200000, 'step': 0, 'mode': 'follow'}]");
    h->hold_work = true;
    began = peer_send(peer, "job.stats", "[{'job': 'j'}]");
    peer_do(other, "job.drop", "[{'job': 'j'}]");
    assert_int_equal(work_run(h), 1);
    h->hold_work = false;
    harness_pump(h);
    peer_error(peer, began, EVD_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waits_is_answered, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(what_works_ends, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
