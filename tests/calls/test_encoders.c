/* Frames as other encoders write them: whole floats for integers, bin for text, nil for what is not
 * given. They do what the usual ones do, down to what is stored. */
#include "harness.h"

#include <string.h>
#include "proto/pack.h"

#define BIN(hex) "{'$bin': '" hex "'}"

/* A request all of whose text is bin, keys and values too, and whose numbers are floats. */
static void send_bytes(struct peer *peer, const char *method, const char *const *texts, double id,
                       double number)
{
    struct evd_buf buf;
    msgpack_packer pk;
    size_t pairs = 0;

    while (texts[pairs * 2])
        pairs++;
    buf_init(&buf, 4096);
    buf_packer(&buf, &pk);
    msgpack_pack_array(&pk, 4);
    msgpack_pack_double(&pk, 0);
    msgpack_pack_double(&pk, id);
    msgpack_pack_bin(&pk, strlen(method));
    msgpack_pack_bin_body(&pk, method, strlen(method));
    msgpack_pack_array(&pk, 1);
    msgpack_pack_map(&pk, pairs);
    for (size_t i = 0; i < pairs * 2; i++) {
        if (strcmp(texts[i], "#") == 0) {
            msgpack_pack_double(&pk, number);
            continue;
        }
        msgpack_pack_bin(&pk, strlen(texts[i]));
        msgpack_pack_bin_body(&pk, texts[i], strlen(texts[i]));
    }
    peer_bytes(peer, buf.data, buf.len);
    buf_fini(&buf);
}

static void test_first_message(void **state)
{
    struct peer *peer = peer_connect(*state);
    json_t *answer;

    send_bytes(peer, "hello", (const char *[]){"protocol", "#", "client", "perl", NULL}, 3, 1);
    answer = peer_result(peer, 3);
    assert_int_equal(integer(answer, "protocol"), 1);
    json_decref(answer);
    send_bytes(peer, "job.info", (const char *[]){"job", "none", NULL}, 4294967295.0, 0);
    assert_non_null(strstr(peer_error(peer, UINT32_MAX, EVD_E_NOT_FOUND), "none"));
    send_bytes(peer, "job.imfo", (const char *[]){NULL}, 5, 0);
    assert_non_null(strstr(peer_error(peer, 5, EVD_E_UNKNOWN_METHOD), "job.info"));
    send_bytes(peer, "job.info", (const char *[]){"jop", "none", NULL}, 6, 0);
    assert_non_null(strstr(peer_error(peer, 6, EVD_E_UNKNOWN_FIELD), "\"job\""));
}

/* pets as bin: names of classes, of columns, a strategy's words and keys. */
static void load(struct peer *peer)
{
    json_t *info;

    peer_do(peer, "dataset.create", "[{'name': 'pets', 'classes': [" BIN("636174") ", 'dog']}]");
    peer_do(peer, "dataset.append",
            "[{'draft': 1.0, 'labels': [0.0, 1.0, 0, null], 'classes': null, 'column': " BIN(
                "686172643f") ", 'weights': [1, 2, 3, 4]}]");
    peer_refused(peer, EVD_E_BAD_TYPE, "dataset.append", "[{'draft': 1, 'labels': [0.5]}]");
    peer_do(peer, "dataset.create", "[{'name': 'pets', 'classes': [" BIN("636174") ", 'dog']}]");
    peer_do(peer, "dataset.append",
            "[{'draft': 2.0, 'labels': [0.0, 1.0, 0, null, 0, 0, 0, 0], 'classes': null}]");
    info = peer_call(peer, "dataset.commit", "[{'draft': 2, 'samples': 8.0}]");
    assert_int_equal(integer(info, "samples"), 8);
    assert_int_equal(integer(info, "labelled"), 7);
    json_decref(info);
}

static void strategy_is(struct peer *peer, const char *job, const char *want)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': '%s'}]", job);
    json_t *wanted = json_of("%s", want);

    assert_true(json_equal(json_object_get(info, "strategy"), wanted));
    json_decref(wanted);
    json_decref(info);
}

static void test_values(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer;

    load(peer);
    peer_do(
        peer, "job.create",
        "[{'name': " BIN(
            "6a") ", 'dataset': 'pets', 'batch_size': 2.0, 'seed': 4294967296.0, "
                  "'world_size': null, 'strategy': {'kind': " BIN(
                      "7765696768746564") ", 'weight': " BIN("696e7665727365") ", 'replacement': "
                                                                               "null}}]");
    strategy_is(peer, "j", "{'kind': 'weighted', 'weight': 'inverse'}");
    /* Numbers by class as bin, 8 bytes each; a word where either may be; neither. */
    peer_do(peer, "job.create",
            "[{'name': 'n', 'dataset': 'pets', 'batch_size': 2, 'strategy': {'kind': "
            "'undersampled', 'sampling_strategy': " BIN("0000000000000840000000000000f03f") "}}]");
    strategy_is(peer, "n", "{'kind': 'undersampled', 'sampling_strategy': {'cat': 3, 'dog': 1}}");
    peer_do(peer, "job.create",
            "[{'name': 'w', 'dataset': 'pets', 'batch_size': 2, 'strategy': {'kind': "
            "'undersampled', 'sampling_strategy': " BIN("6e6f74206d696e6f72697479") "}}]");
    strategy_is(peer, "w", "{'kind': 'undersampled', 'sampling_strategy': 'not minority'}");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 "[{'name': 'x', 'dataset': 'pets', 'batch_size': 2, 'strategy': {'kind': "
                 "'undersampled', 'sampling_strategy': " BIN("0000000000000840") "}}]");
    answer = peer_call(peer, "job.info", "[{'job': 'j'}]");
    assert_int_equal(integer(answer, "seed"), INT64_C(4294967296));
    json_decref(answer);
    answer = peer_call(peer, "stream.open",
                       "[{'job': 'j', 'window': 1.0, 'columns': [" BIN(
                           "6c6162656c") "], "
                                         "'holding': [[0.0, 0.0]], 'rank': null}]");
    assert_int_equal(json_array_size(json_object_get(answer, "columns")), 2);
    json_decref(answer);
    peer_refused(peer, EVD_E_BAD_TYPE, "stream.open", "[{'job': 'j', 'holding': [[0.5, 0]]}]");
    peer_do(peer, "stream.ack", "[{'stream': 1.0, 'epoch': 0.0, 'step': 0.0, 'generation': null}]");
    peer_do(peer, "job.report",
            "[{'job': 'j', 'epoch': 0, 'step': 0, 'index': [0.0, 1.0], 'predicted': [0.0, 1.0], "
            "'loss': null, 'score': null}]");
    /* It is stored as it always is. */
    harness_restart(h);
    peer = peer_new(h);
    strategy_is(peer, "j", "{'kind': 'weighted', 'weight': 'inverse'}");
    strategy_is(peer, "w", "{'kind': 'undersampled', 'sampling_strategy': 'not minority'}");
}

/* Nil is what was not given: the default where there is one, and missing where there is none. */
static void test_nil(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;

    load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'j', 'dataset': 'pets', 'batch_size': 2, 'strategy': null}]");
    strategy_is(peer, "j", "{'kind': 'uniform'}");
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.update", "[{'job': 'j', 'strategy': null}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.create",
                 "[{'name': null, 'dataset': 'pets', 'batch_size': 2}]");
    answer = peer_call(peer, "stream.open", "[{'job': 'j', 'columns': null, 'window': null}]");
    assert_int_equal(json_array_size(json_object_get(answer, "columns")), 1);
    assert_int_equal(integer(answer, "window"), EVD_DEFAULT_WINDOW);
    json_decref(answer);
    peer_do(peer, "dataset.create", "[{'name': 'numbers', 'classes': null}]");
    peer_do(peer, "dataset.append", "[{'draft': 3, 'labels': null, 'weights': null}]");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {TEST(test_first_message), TEST(test_values), TEST(test_nil)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
