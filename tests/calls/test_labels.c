/* dataset.labels: what was sent comes back, in pieces that are bounded. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A piece is what was sent of it, little-endian, all ones where there is no label. */
static void labels_come_back(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer;

    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b', 'c']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0, 2, null, 1]}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [2]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 2, 'labels': [299, 7]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 2}]");
    for (int i = 0; i < 2; i++) {
        answer = peer_call(peer, "dataset.labels", "[{'dataset': 'd', 'version': 1}]");
        assert_string_equal(bin(answer, "labels"), "0000000002000000ffffffff0100000002000000");
        assert_int_equal(integer(answer, "version"), 1);
        assert_int_equal(integer(answer, "samples"), 5);
        assert_int_equal(integer(answer, "first"), 0);
        json_decref(answer);
        answer = peer_call(peer, "dataset.labels",
                           "[{'dataset': 'd', 'version': 1, 'first': 1, 'count': 3}]");
        assert_string_equal(bin(answer, "labels"), "02000000ffffffff01000000");
        assert_int_equal(integer(answer, "first"), 1);
        json_decref(answer);
        answer = peer_call(peer, "dataset.labels",
                           "[{'dataset': 'd', 'version': 1, 'first': 4, 'count': 65536}]");
        assert_string_equal(bin(answer, "labels"), "02000000");
        json_decref(answer);
        answer = peer_call(peer, "dataset.labels", "[{'dataset': 'd'}]");
        assert_string_equal(bin(answer, "labels"), "2b01000007000000");
        assert_int_equal(integer(answer, "version"), 2);
        json_decref(answer);
        answer = peer_call(peer, "dataset.labels", "[{'dataset': 'd', 'first': 2}]");
        assert_string_equal(bin(answer, "labels"), "");
        json_decref(answer);
        harness_restart(h);
        peer = peer_new(h);
    }
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.labels", "[{'dataset': 'd', 'first': 3}]");
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_LIMIT, "dataset.labels", "[{'dataset': 'd', 'count': 65537}]"),
        "65536"));
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.labels", "[{'dataset': 'e'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.labels", "[{'dataset': 'd', 'version': 3}]");
}

/* However long a dataset is, an answer has at most so many. */
static void pieces_are_bounded(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info = peer_call(peer, "server.info", "[]"), *answer;
    int64_t most = integer(json_object_get(info, "limits"), "labels"), seen = 0;
    size_t digits = 8 * 70000;
    char *hex = malloc(digits + 1);

    json_decref(info);
    assert_int_equal(most, EVD_MAX_LABELS);
    assert_non_null(hex);
    for (int i = 0; i < 70000; i++)
        snprintf(hex + 8 * i, 9, "%02x000000", i % 250);
    peer_do(peer, "dataset.create", "[{'name': 'd'}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': {'$bin': '%s'}}]", hex);
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
    while (seen < 70000) {
        const char *labels;

        answer = peer_call(peer, "dataset.labels", "[{'dataset': 'd', 'first': %d}]", (int)seen);
        labels = bin(answer, "labels");
        assert_int_equal(strlen(labels) / 8, seen == 0 ? most : 70000 - most);
        assert_memory_equal(labels, hex + 8 * seen, strlen(labels));
        seen += (int64_t)strlen(labels) / 8;
        json_decref(answer);
    }
    free(hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labels_come_back, harness_setup, harness_teardown),
        cmocka_unit_test_setup_teardown(pieces_are_bounded, harness_setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
