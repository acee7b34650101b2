/* What `evendrawd --trace` shows of one job's way through the daemon, and that it shows no other.
 */
#include "harness.h"

#include <string.h>

/* The lines must come in this order, perhaps with others between them. */
static void expect_lines(const char *traced, const char *const *lines)
{
    for (; *lines; lines++) {
        const char *found = strstr(traced, *lines);

        if (!found)
            fail_msg("no line \"%s\" in what follows:\n%s", *lines, traced);
        traced = found + strlen(*lines);
    }
}

static void prepare(struct harness *h, const char *trace)
{
    struct peer *peer;

    harness_down(h);
    h->trace = trace;
    harness_up(h);
    peer = peer_new(h);
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 0, 0, 0, 1, 1, 1, 1]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 4}]");
    peer_do(peer, "job.create", "[{'name': 'other', 'dataset': 'd', 'batch_size': 4}]");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "job.update",
            "[{'job': 'j', 'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
}

static void one_job_is_followed(void **state)
{
    static const char *const lines[] = {
        "job.create #5 j",
        "job.create #5 waits for a commit",
        "job.create #5 is back from the store",
        "job.create #5 answered",
        "stream.open",
        "job j: open",
        "job j:   deliver epoch 0 step 0 slice 0",
        "job.update",
        "has worked",
        "job j: update",
        "job j:   store revision",
        "is back from the store",
        "job j: revision stored",
        "job j:   updated",
        "answered",
        "job j:   revision",
        NULL,
    };
    struct harness *h = *state;

    prepare(h, "j");
    expect_lines(h->traced, lines);
    assert_null(strstr(h->traced, "other"));
    assert_null(strstr(h->traced, "dataset."));
}

static void everything_is_followed(void **state)
{
    static const char *const lines[] = {"dataset.create #2 d", "dataset.commit",
                                        "has worked",          "answered",
                                        "job.create #6 other", NULL};
    struct harness *h = *state;

    prepare(h, "");
    expect_lines(h->traced, lines);
}

static void nothing_unless_wanted(void **state)
{
    struct harness *h = *state;

    prepare(h, NULL);
    assert_string_equal(h->traced, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_job_is_followed),
        TEST(everything_is_followed),
        TEST(nothing_unless_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
