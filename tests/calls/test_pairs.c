/* Pairs beside a strategy's kind: on the wire, in the history, after a restart, and as columns. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define MIX "['label', 'mix_index', 'mix_label', 'mix_lambda', 'mix_label_lambda']"

static void load(struct peer *peer)
{
    peer_do(peer, "dataset.create", "[{'name': 'd', 'classes': ['a', 'b', 'c']}]");
    peer_do(peer, "dataset.append", "[{'draft': 1, 'labels': [0,0,0,0,0,0,0,0,0,1,1,1,2,null]}]");
    peer_do(peer, "dataset.commit", "[{'draft': 1}]");
}

static void create(struct peer *peer, const char *name, const char *strategy)
{
    peer_do(peer, "job.create",
            "[{'name': '%s', 'dataset': 'd', 'batch_size': 6, 'grace': 0, 'seed': 4, "
            "'strategy': %s}]",
            name, strategy);
}

/* The strategy in force. */
static void has_strategy(struct peer *peer, const char *job, const char *strategy)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': '%s'}]", job),
           *wanted = json_of("%s", strategy);
    char *is = json_dumps(json_object_get(info, "strategy"), JSON_SORT_KEYS | JSON_COMPACT);
    char *should = json_dumps(wanted, JSON_SORT_KEYS | JSON_COMPACT);

    assert_string_equal(is, should);
    free(is);
    free(should);
    json_decref(wanted);
    json_decref(info);
}

static void test_refusals(void **state)
{
    static const struct {
        int code;
        const char *pairs, *says;
    } bad[] = {
        {EVD_E_BAD_TYPE, "'mixup'", "\"pairs\" must be a map"},
        {EVD_E_BAD_TYPE, "[]", "\"pairs\" must be a map"},
        {EVD_E_BAD_TYPE, "true", "\"pairs\" must be a map"},
        {EVD_E_MISSING_FIELD, "{}", "needs \"pairs.how\""},
        {EVD_E_MISSING_FIELD, "{'how': null, 'alpha': 1}", "needs \"pairs.how\""},
        {EVD_E_BAD_TYPE, "{'how': 3}", "\"pairs.how\" must be a word"},
        {EVD_E_BAD_TYPE, "{'how': {'how': 'mixup'}}", "\"pairs.how\" must be a word"},
        {EVD_E_BAD_TYPE, "{'how': 'mixup', 'alpha': 'much'}", "\"pairs.alpha\" must be a number"},
        {EVD_E_BAD_TYPE, "{'how': 'mixup', 'alpha': [1, 2, 3]}", "\"pairs.alpha\" must be"},
        {EVD_E_BAD_VALUE, "{'how': 'mixup', 'alpha': {'$f64': 'inf'}}", "finite"},
        {EVD_E_UNKNOWN_FIELD, "{'how': 'mixup', 'alfa': 1}", "did you mean \"pairs.alpha\"?"},
        {EVD_E_UNKNOWN_FIELD, "{'how': 'mixup', 'probability': 1}",
         "pairs.how, pairs.alpha, pairs.kappa, pairs.tau"},
        {EVD_E_STRATEGY, "{'how': 'mosaic'}", "mixup, cutmix, remix, balanced-mixup, none"},
        {EVD_E_STRATEGY, "{'how': 'mixup', 'alpha': 0}", "from 0.01 to 100"},
        {EVD_E_STRATEGY, "{'how': 'cutmix', 'tau': 0.1}", "only used with pairs.how remix"},
    };
    struct peer *peer = peer_new(*state);

    load(peer);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *said = peer_refused(peer, bad[i].code, "job.create",
                                        "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, "
                                        "'strategy': {'kind': 'weighted', 'pairs': %s}}]",
                                        bad[i].pairs);

        if (!strstr(said, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", said, bad[i].says);
    }
    /* Only as a map; and every kind takes it. */
    assert_non_null(strstr(peer_refused(peer, EVD_E_UNKNOWN_FIELD, "job.create",
                                        "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, "
                                        "'strategy': {'kind': 'uniform', 'pairs.how': 'mixup'}}]"),
                           "it takes repeats, num_samples, from, pairs"));
    peer_refused(
        peer, EVD_E_STRATEGY, "job.create",
        "[{'name': 'j', 'dataset': 'd', 'batch_size': 2, 'last_batch': 'exact', 'mode': 'ranked', "
        "'strategy': {'kind': 'uniform', 'pairs': {'how': 'mixup'}}}]");
    create(peer, "nil", "{'kind': 'uniform', 'pairs': null}");
    has_strategy(peer, "nil", "{'kind': 'uniform'}");
}

/* A name ends where its length says, and not at a byte that is zero. */
static void test_zero_in_name(void **state)
{
    static const char bytes[] = "\x94\x00\x63\xaajob.create\x91\x84\xa4"
                                "name\xa1j\xa7"
                                "dataset\xa1"
                                "d\xaa"
                                "batch_size\x02\xa8strategy\x82\xa4kind\xa7uniform\xa5pairs\x81\xa5"
                                "how\0x\xa5mixup";
    struct peer *peer = peer_new(*state);

    load(peer);
    peer_bytes(peer, bytes, sizeof(bytes) - 1);
    peer_error(peer, 0x63, EVD_E_UNKNOWN_FIELD);
}

static void test_listed(void **state)
{
    static const char *const names[] = {"pairs.how", "pairs.alpha", "pairs.kappa", "pairs.tau"};
    struct peer *peer = peer_new(*state);
    json_t *list = peer_call(peer, "strategy.list", "[]"),
           *common = json_object_get(list, "common");

    assert_int_equal(json_array_size(common), 4 + 4); /* behind those of `from` */
    for (size_t i = 0; i < 4; i++) {
        const json_t *param = json_array_get(common, 4 + i);

        assert_string_equal(text(param, "name"), names[i]);
        assert_int_equal(json_is_true(json_object_get(param, "required")), i == 0);
        assert_true(strlen(text(param, "help")) > 0);
    }
    json_decref(list);
}

/* As given, in the table's order, whatever the order was; so it is known again. */
static void test_canonical(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *joined;

    load(peer);
    create(peer, "j",
           "{'pairs': {'tau': 0.5, 'alpha': 1, 'how': 'remix'}, 'kind': 'stratified', "
           "'proportions': 'equal'}");
    has_strategy(peer, "j",
                 "{'kind': 'stratified', 'proportions': 'equal', 'pairs': {'how': 'remix', "
                 "'alpha': 1, 'tau': 0.5}}");
    joined = peer_call(peer, "job.create",
                       "[{'name': 'j', 'dataset': 'd', 'batch_size': 6, 'if_exists': 'same', "
                       "'seed': 4, 'strategy': {'kind': 'stratified', 'proportions': 'equal', "
                       "'pairs': {'how': 'remix', 'alpha': 1.0, 'tau': 0.5}}}]");
    assert_true(json_is_true(json_object_get(joined, "joined")));
    json_decref(joined);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_EXISTS, "job.create",
                            "[{'name': 'j', 'dataset': 'd', 'batch_size': 6, 'if_exists': 'same', "
                            "'seed': 4, 'strategy': {'kind': 'stratified', 'proportions': 'equal', "
                            "'pairs': {'how': 'remix', 'alpha': 1, 'tau': 0.25}}}]"),
               "never drawn by that strategy"));
}

static double at(const json_t *batch, const char *column, size_t i)
{
    const json_t *values = json_object_get(batch, column);

    assert_true(i < json_array_size(values));
    return json_number_value(json_array_get(values, i));
}

static const int labels[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2};

/* Takes the next batch of the stream, which must be what job.batch says of it. */
static json_t *next_batch(struct peer *peer, const char *job)
{
    json_t *batch = peer_note(peer, "batch");
    json_t *again =
        peer_call(peer, "job.batch", "[{'job': '%s', 'epoch': %d, 'step': %d, 'columns': " MIX "}]",
                  job, (int)integer(batch, "epoch"), (int)integer(batch, "step"));
    const char *column;
    json_t *values;

    json_object_foreach(again, column, values)
    {
        if (json_is_array(values))
            assert_true(json_equal(values, json_object_get(batch, column)));
    }
    for (size_t i = 0; i < json_array_size(json_object_get(batch, "index")); i++) {
        int second = (int)at(batch, "mix_index", i);

        assert_in_range(second, 0, 12);
        assert_int_equal(labels[second], (int)at(batch, "mix_label", i));
        assert_true(at(batch, "mix_lambda", i) >= 0 && at(batch, "mix_lambda", i) <= 1);
    }
    json_decref(again);
    return batch;
}

static double lambdas(const json_t *batch)
{
    double sum = 0;

    for (size_t i = 0; i < json_array_size(json_object_get(batch, "index")); i++)
        sum += at(batch, "mix_lambda", i);
    return sum;
}

/* Workers that read the columns of pairs keep them: an update without pairs is refused, `none` is
 * not. */
static void test_columns(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *batch, *answer;

    load(peer);
    create(peer, "plain", "{'kind': 'uniform'}");
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "stream.open",
                                        "[{'job': 'plain', 'columns': ['mix_lambda']}]"),
                           "cannot answer the column \"mix_lambda\""));
    create(peer, "j", "{'kind': 'weighted', 'pairs': {'how': 'mixup', 'alpha': 1}}");
    answer = peer_call(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': " MIX "}]");
    assert_int_equal(json_array_size(json_object_get(answer, "columns")), 6);
    batch = next_batch(peer, "j");
    assert_true(lambdas(batch) > 0);
    json_decref(batch);
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "job.update",
                                        "[{'job': 'j', 'strategy': {'kind': 'uniform'}}]"),
                           "cannot answer the column \"mix_index\" that a worker reads"));
    peer_do(peer, "job.update",
            "[{'job': 'j', 'strategy': {'kind': 'uniform', 'pairs': {'how': 'none'}}}]");
    peer_do(peer, "stream.ack", "[{'stream': %d, 'epoch': 0, 'step': 0}]",
            (int)integer(answer, "stream"));
    batch = next_batch(peer, "j");
    assert_int_equal(integer(batch, "revision"), 1);
    assert_true(lambdas(batch) == 0);
    assert_true(json_equal(json_object_get(batch, "index"), json_object_get(batch, "mix_index")));
    assert_true(json_equal(json_object_get(batch, "label"), json_object_get(batch, "mix_label")));
    json_decref(batch);
    json_decref(answer);
}

/* Nobody who reads a column is moved to where it is not. */
static void test_seek(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *answer;

    load(peer);
    create(peer, "j", "{'kind': 'weighted'}");
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_do(peer, "job.update",
            "[{'job': 'j', 'strategy': {'kind': 'uniform', 'pairs': {'how': 'cutmix'}}, 'when': "
            "'epoch'}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 1, 'step': 0}]");
    answer = peer_call(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': " MIX "}]");
    peer_forget(peer);
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "job.seek",
                                        "[{'job': 'j', 'epoch': 0, 'step': 1, 'force': true}]"),
                           "cannot answer the column \"mix_index\""));
    peer_do(peer, "stream.close", "[{'stream': %d}]", (int)integer(answer, "stream"));
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 1}]");
    json_decref(answer);
}

/* What is asked for, served and expected is of the first samples. */
static void test_statistics(void **state)
{
    static const char *const asked[] = {"asked", "present", "served", "count"};
    static const char *const expected[] = {"drawn", "repeats", "coverage", "per_batch"};
    struct peer *peer = peer_new(*state);
    json_t *plain, *mixed;

    load(peer);
    create(peer, "plain", "{'kind': 'uniform'}");
    create(peer, "mixed", "{'kind': 'uniform', 'pairs': {'how': 'balanced-mixup'}}");
    peer_do(peer, "stream.open", "[{'job': 'plain', 'window': 2}]");
    peer_do(peer, "stream.open", "[{'job': 'mixed', 'window': 2}]");
    plain = peer_call(peer, "job.stats", "[{'job': 'plain'}]");
    mixed = peer_call(peer, "job.stats", "[{'job': 'mixed'}]");
    for (size_t i = 0; i < 4; i++)
        assert_true(json_equal(json_object_get(plain, asked[i]), json_object_get(mixed, asked[i])));
    json_decref(plain);
    json_decref(mixed);
    plain =
        peer_call(peer, "job.preview", "[{'job': 'plain', 'strategy': {'kind': 'stratified'}}]");
    mixed = peer_call(peer, "job.preview",
                      "[{'job': 'mixed', 'strategy': {'kind': 'stratified', 'pairs': {'how': "
                      "'cutmix'}}}]");
    for (size_t i = 0; i < 4; i++)
        assert_true(
            json_equal(json_object_get(plain, expected[i]), json_object_get(mixed, expected[i])));
    assert_int_equal(json_array_size(json_object_get(mixed, "columns")),
                     json_array_size(json_object_get(plain, "columns")) + 4);
    assert_true(integer(mixed, "memory") > integer(plain, "memory") + 4096 * 4);
    json_decref(plain);
    json_decref(mixed);
    peer_do(peer, "job.trace", "[{'job': 'mixed', 'sample': 12}]");
}

/* A move of an adaptive job keeps its pairs, and after a restart all is as it was. */
static void test_adaptive(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *before, *after, *info, *strategy;

    load(peer);
    create(peer, "v", "{'kind': 'uniform'}");
    create(peer, "j",
           "{'kind': 'adaptive', 'feedback': 'v', 'every': 1, 'pairs': {'how': 'mixup', 'alpha': "
           "0.3}}");
    peer_do(peer, "job.report",
            "[{'job': 'v', 'epoch': 0, 'step': 0, 'index': [0, 9, 12], 'predicted': [0, 0, 0]}]");
    info = peer_call(peer, "job.info", "[{'job': 'j'}]");
    strategy = json_object_get(info, "strategy");
    assert_int_equal(integer(info, "revision"), 1);
    assert_true(real(json_object_get(strategy, "weights"), "c") > 1);
    assert_string_equal(text(json_object_get(strategy, "pairs"), "how"), "mixup");
    assert_float_equal(real(json_object_get(strategy, "pairs"), "alpha"), 0.3, 0);
    json_decref(info);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': " MIX "}]");
    before = next_batch(peer, "j");
    harness_restart(*state);
    peer = peer_new(*state);
    peer_do(peer, "stream.open", "[{'job': 'j', 'window': 1, 'columns': " MIX "}]");
    after = next_batch(peer, "j");
    json_object_del(before, "stream");
    json_object_del(after, "stream");
    json_object_del(after, "redelivered");
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),   TEST(test_listed),   TEST(test_canonical), TEST(test_columns),
        TEST(test_statistics), TEST(test_adaptive), TEST(test_seek),      TEST(test_zero_in_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
