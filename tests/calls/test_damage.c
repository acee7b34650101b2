/* What is damaged in the database is out of service, alone, and every answer speaks of damage. */
#include <stdlib.h>
#include <string.h>
#include "trouble.h"

#define UNIFORM "'strategy': {'kind': 'uniform'}"

static void damage(struct harness *h, const char *what)
{
    char sql[256];

    snprintf(sql, sizeof(sql),
             "UPDATE revision SET strategy = %s, author = CAST(x'6bff' AS TEXT) WHERE revision = 0 "
             "AND job = (SELECT id FROM job WHERE name = 'j')",
             what);
    trouble_query(h, sql);
}

/* Of a strategy that is damaged in the database nothing goes to anybody, in whatever way it is: the
 * answers are whole (the peer reads them strictly), say so, and other jobs go on. */
static void test_damaged_strategy(void **state)
{
    static const char *const damages[] = {
        "x''",
        "x'c1'",
        "x'81a46b696e64'", /* cut within the map */
        "substr(strategy, 1, length(strategy) - 1)",
        "x'81a46b696e64a7756e69666f726d00'", /* a byte behind it */
        "x'81a46b696e64a7756e69666f72ff'",   /* text that is not UTF-8 */
        "x'81a46b696e649181c0c0'",           /* an array in place of text */
        "x'dfffffffff'",
        "x'93010203'",
        "x'8105a7756e69666f726d'", /* a key that is no text */
        /* Within a map: nil in `pairs`, a word as the number of a class. */
        "x'82a46b696e64a7756e69666f726da5706169727381a3686f77c0'",
        "x'82a46b696e64a87765696768746564a77765696768747381a161a178'",
    };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *info, *rows;

    trouble_load(peer);
    peer_do(peer, "job.create", "[{'name': 'k', 'dataset': 'd', 'batch_size': 10}]");
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        trouble_query(h,
                      "UPDATE revision SET strategy = (SELECT strategy FROM revision WHERE job = "
                      "(SELECT id FROM job WHERE name = 'k'))");
        damage(h, damages[i]);
        peer = peer_new(h);
        info = peer_call(peer, "job.info", "[{'job': 'j'}]");
        assert_true(json_is_null(json_object_get(info, "strategy")));
        assert_non_null(strstr(text(info, "failure"), "damaged in the database"));
        rows = json_object_get(info, "revisions");
        assert_int_equal(json_array_size(rows), 1);
        assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "strategy")));
        assert_string_equal(text(json_array_get(rows, 0), "author"), "");
        json_decref(info);
        info = peer_call(peer, "job.list", "[]");
        rows = json_object_get(info, "jobs");
        assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "kind")));
        assert_string_equal(text(json_array_get(rows, 1), "kind"), "uniform");
        json_decref(info);
        peer_refused(peer, EVD_E_STORE, "job.history", "[{'job': 'j'}]");
        peer_do(peer, "job.history", "[{'job': 'k'}]");
        trouble_job_has(peer, "k", 10);
    }
}

/* One that a seek left behind is nil in the history; the job serves. */
static void test_damaged_past(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *history, *rows, *position;
    char *token;

    trouble_load(peer);
    position = peer_call(peer, "job.position", "[{'job': 'j'}]");
    token = strdup(text(position, "token"));
    json_decref(position);
    peer_do(peer, "job.update", "[{'job': 'j', " UNIFORM ", 'when': 'at', 'epoch': 0, 'step': 5}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 1}]");
    peer_do(peer, "job.seek", "[{'job': 'j', 'epoch': 0, 'step': 1, 'mode': 'follow'}]");
    trouble_query(h, "UPDATE revision SET strategy = x'c1' WHERE revision = 1");
    assert_non_null(strstr(h->warning, "job \"j\", revision 1: "));
    peer = peer_new(h);
    history = peer_call(peer, "job.history", "[{'job': 'j'}]");
    rows = json_object_get(history, "revisions");
    assert_int_equal(json_array_size(rows), 3);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "strategy")));
    assert_true(json_is_object(json_object_get(json_array_get(rows, 2), "strategy")));
    json_decref(history);
    trouble_job_has(peer, "j", 10);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_STORE, "job.seek", "[{'job': 'j', 'token': '%s'}]", token),
               "damaged in the database"));
    free(token);
}

/* A job with revisions, a seek, ranks and progress; and one beside it. */
static void load_history(struct harness *h, struct peer *peer)
{
    trouble_load(peer);
    peer_do(peer, "job.create",
            "[{'name': 'k', 'dataset': 'd', 'batch_size': 10, 'mode': "
            "'ranked', 'last_batch': 'drop'}]");
    peer_do(peer, "stream.open", "[{'job': 'k', 'rank': 0, 'world_size': 1, 'window': 2}]");
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    peer_do(peer, "stream.close", "[{'stream': 1}]");
    peer_do(peer, "job.update", "[{'job': 'k', 'strategy': {'kind': 'weighted'}}]");
    peer_do(peer, "job.seek", "[{'job': 'k', 'epoch': 0, 'step': 5, 'mode': 'follow'}]");
    peer_do(peer, "stream.open", "[{'job': 'k', 'rank': 0, 'world_size': 1, 'window': 2}]");
    peer_do(peer, "stream.ack", "[{'stream': 2, 'epoch': 0, 'step': 5}]");
    harness_quiet(h);
}

static bool counts_damaged(struct peer *peer, const char *name, uint64_t count)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    const json_t *first = json_array_get(json_object_get(info, "damage"), 0);
    bool same = integer(info, "damaged") == (json_int_t)count &&
                (count == 0 || (strcmp(text(first, "job"), name) == 0 &&
                                strstr(text(first, "damage"), "database")));

    json_decref(info);
    return same;
}

#define K_S " WHERE job = (SELECT id FROM job WHERE name = 'k')"
static const struct {
    const char *sql, *name;
} damages[] = {
    {"UPDATE job SET name = CAST(x'6bff' AS TEXT) WHERE name = 'k'", NULL},
    {"UPDATE job SET name = '' WHERE name = 'k'", NULL},
    {"UPDATE job SET batch_size = 0 WHERE name = 'k'", "k"},
    {"UPDATE job SET batch_size = 4294967306 WHERE name = 'k'", "k"},
    {"UPDATE job SET batch_size = -10 WHERE name = 'k'", "k"},
    {"UPDATE job SET mode = 'shared' WHERE name = 'k'", "k"},
    {"UPDATE job SET mode = 'sharks' WHERE name = 'k'", "k"},
    {"UPDATE job SET last_batch = 'shorn' WHERE name = 'k'", "k"},
    {"UPDATE job SET guarantee = 'at-' WHERE name = 'k'", "k"},
    {"UPDATE job SET replicas = 0 WHERE name = 'k'", "k"},
    {"UPDATE job SET world_size = 3 WHERE name = 'k'", "k"},
    {"UPDATE job SET world_size = 2 WHERE name = 'k'", "k"},
    {"UPDATE job SET world_size = 65536000 WHERE name = 'k'", "k"},
    {"UPDATE job SET mark_epoch = -1 WHERE name = 'k'", "k"},
    {"UPDATE job SET mark_step = 1000000 WHERE name = 'k'", "k"},
    {"UPDATE job SET dataset = 99 WHERE name = 'k'", "k"},
    {"DELETE FROM revision" K_S, "k"},
    {"UPDATE revision SET digest = digest + 1" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET strategy = x'c1'" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET generation = 7" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET revision = 4294967297" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET revision = 4294967295" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET epoch = -1" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET step = 10" K_S " AND revision = 1", "k"},
    {"UPDATE revision SET shape_steps = 9" K_S " AND revision = 0", "k"},
    {"UPDATE revision SET shape_last = 9" K_S " AND revision = 1", "k"},
    {"UPDATE seek SET generation = 2" K_S, "k"},
    {"UPDATE seek SET generation = -1" K_S, "k"},
    {"UPDATE seek SET parent = 1" K_S, "k"},
    {"UPDATE seek SET epoch = 4294967296" K_S, "k"},
    {"UPDATE seek SET left_epoch = -1" K_S, "k"},
    {"UPDATE seek SET mode = 'foliow'" K_S, "k"},
    {"DELETE FROM seek" K_S, "k"},
    {"UPDATE world SET generation = 9" K_S, "k"},
    {"UPDATE world SET world_size = 0" K_S, "k"},
    {"UPDATE world SET world_size = 4294967297" K_S, "k"},
    {"UPDATE progress SET rank = 1" K_S, "k"},
    {"UPDATE progress SET rank = -1" K_S, "k"},
    {"UPDATE progress SET generation = 0" K_S, "k"},
    {"UPDATE progress SET step = 11" K_S, "k"},
    {"UPDATE progress SET step = 4" K_S, "k"},
    {"UPDATE progress SET epoch = -1" K_S, "k"},
    {"UPDATE progress SET acked = x'ffffffff'" K_S, "k"},
};

/* What a job is called whose name is gone; it is the first. */
static void find_nameless(struct peer *peer, char name[32])
{
    json_t *list = peer_call(peer, "job.list", "[]");
    const json_t *rows = json_object_get(list, "jobs");

    snprintf(name, 32, "%s", text(json_array_get(rows, 0), "job"));
    assert_int_equal(strncmp(name, "damaged-", 8), 0);
    json_decref(list);
}

/* Whatever row of a job is damaged, however: it is out of service alone, every answer speaks of
 * damage and not of a mistake, and it can be dropped. */
static void test_damaged_job(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct peer *peer = peer_new(h);
        char name[32] = "k";
        json_t *info;

        load_history(h, peer);
        harness_restart(h);
        peer = peer_new(h);
        assert_true(counts_damaged(peer, "", 0));
        trouble_query(h, damages[i].sql);
        peer = peer_new(h);
        if (!damages[i].name)
            find_nameless(peer, name);
        if (!counts_damaged(peer, name, 1))
            fail_msg("not told of: %s", damages[i].sql);
        info = peer_call(peer, "job.info", "[{'job': '%s'}]", name);
        assert_non_null(strstr(text(info, "failure"), "database"));
        json_decref(info);
        peer_refused(peer, EVD_E_STORE, "stream.open", "[{'job': '%s'}]", name);
        peer_refused(peer, EVD_E_STORE, "job.update", "[{'job': '%s', " UNIFORM "}]", name);
        peer_refused(peer, EVD_E_STORE, "job.seek", "[{'job': '%s', 'epoch': 0, 'step': 0}]", name);
        peer_refused(peer, EVD_E_STORE, "job.stats", "[{'job': '%s'}]", name);
        peer_refused(peer, EVD_E_STORE, "job.history", "[{'job': '%s'}]", name);
        trouble_job_has(peer, "j", 10);
        peer_do(peer, "job.drop", "[{'job': '%s'}]", name);
        assert_true(counts_damaged(peer, "", 0));
        peer_do(peer, "job.drop", "[{'job': 'j'}]");
        peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
        harness_restart(h);
        assert_int_equal(trouble_count(peer_new(h), "job.list", "jobs"), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_damaged_strategy),
        TEST(test_damaged_past),
        TEST(test_damaged_job),
    };

    trouble_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
