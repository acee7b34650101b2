/* What drafts hold is counted, to the last class name, before it is taken. */
#include "harness.h"

#include <string.h>

#define NAMES       61000u
#define CONNECTIONS 10
#define DRAFTS      16
#define LIMIT       (20u << 20)

static int setup(void **state)
{
    static struct harness h;

    harness_start(&h);
    harness_down(&h);
    h.limits.memory = LIMIT;
    harness_up(&h);
    *state = &h;
    return 0;
}

static int64_t memory(struct peer *peer)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    int64_t bytes = integer(info, "memory");

    json_decref(info);
    return bytes;
}

/* ['n0', 'n1', ...]; the text is the caller's. */
static char *names(uint32_t first, uint32_t count)
{
    json_t *array = json_array();
    char *text;

    for (uint32_t i = first; i < first + count; i++)
        json_array_append_new(array, json_sprintf("n%u", i));
    text = json_dumps(array, 0);
    json_decref(array);
    assert_non_null(text);
    return text;
}

/* Once it is answered. */
static bool succeeded(struct peer *peer, uint32_t id)
{
    harness_quiet(peer->harness);
    assert_true(peer_answered(peer, id));
    return peer_succeeded(peer, id);
}

/* What a list of names takes at least: its text, where each begins, and a table of their hashes. */
static int64_t least(uint32_t count)
{
    return (int64_t)count * (5 + 8 + 2 * 4);
}

/* Ten connections of sixteen drafts of 61,000 names each; a twelfth of that fits. */
static void names_are_counted(void **state)
{
    struct harness *h = *state;
    struct peer *watch = peer_new(h), *peers[CONNECTIONS];
    char *list = names(0, NAMES);
    const char *why;
    int64_t before;
    int taken = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        peers[i] = peer_new(h);
    for (int i = 0; i < CONNECTIONS * DRAFTS; i++) {
        struct peer *peer = peers[i % CONNECTIONS];
        uint32_t id =
            peer_send(peer, "dataset.create", "[{'name': 'd%d', 'classes': %s}]", i, list);

        if (succeeded(peer, id))
            taken++;
        assert_true(memory(watch) >= taken * least(NAMES));
        assert_true(memory(watch) <= LIMIT);
    }
    assert_in_range(taken, 1, LIMIT / least(NAMES));
    why = peer_refused(peers[0], EVD_E_LIMIT, "dataset.create", "[{'name': 'e', 'classes': %s}]",
                       list);
    assert_non_null(strstr(why, "--memory-limit"));
    before = memory(watch);
    peer_do(watch, "dataset.create", "[{'name': 'small', 'classes': ['a', 'b']}]");
    assert_true(memory(watch) > before);
    for (int i = 0; i < CONNECTIONS; i++)
        peer_close(peers[i]);
    peer_close(watch);
    harness_quiet(h);
    watch = peer_new(h);
    assert_int_equal(memory(watch), 0);
    /* There is room again. */
    peer_do(watch, "dataset.create", "[{'name': 'e', 'classes': %s}]", list);
    free(list);
}

/* Names that come with pieces count as well, and so do those that are made up from numbers, and
 * labels that become wider since there are more classes. */
static void pieces_are_counted(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    uint32_t number = 0;
    int64_t with;
    char *list;

    list = names(0, 100);
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': %s}]", list);
    free(list);
    with = memory(peer);
    list = names(100, 300);
    peer_do(peer, "dataset.append", "[{'draft': 1, 'classes': %s, 'labels': [1, 2]}]", list);
    free(list);
    assert_true(memory(peer) >= with + least(300));
    while (number + 60000 <= 960000) {
        uint32_t id;

        list = names(1000 + number, 60000);
        number += 60000;
        id =
            peer_send(peer, "dataset.append", "[{'draft': 1, 'classes': %s, 'labels': [1]}]", list);
        free(list);
        if (!succeeded(peer, id))
            break;
        assert_true(memory(peer) <= LIMIT);
    }
    assert_in_range(number, 120000, LIMIT / least(1));
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': 1, 'labels': [1]}]");
    for (int i = 0; i < 60; i++) {
        uint32_t id;

        peer_do(peer, "dataset.create", "[{'name': 'n%d'}]", i);
        id = peer_send(peer, "dataset.append", "[{'draft': %d, 'labels': [65000]}]", i + 2);
        if (!succeeded(peer, id)) {
            assert_in_range(i, 5, LIMIT / least(65000));
            assert_true(memory(peer) <= LIMIT);
            return;
        }
    }
    fail_msg("60 drafts of 65,000 classes each were taken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_counted, setup, harness_teardown),
        cmocka_unit_test_setup_teardown(pieces_are_counted, setup, harness_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
