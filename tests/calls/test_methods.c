/* Every method's good answer, and every refusal a peer can cause. */
#include "harness.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/methods.h"

/* Sixteen samples: ten cats, four dogs, one bird, one unlabelled. */
static void load_pets(struct peer *peer)
{
    json_t *draft =
        peer_call(peer, "dataset.create", "[{'name': 'pets', 'classes': ['cat', 'dog']}]");

    peer_do(peer, "dataset.append", "[{'draft': %d, 'labels': [0,0,0,0,0,0,0,0,0,0,1,1]}]",
            (int)integer(draft, "draft"));
    peer_do(peer, "dataset.append",
            "[{'draft': %d, 'classes': ['bird'], 'labels': {'$bin': "
            "'01000000010000000200000"
            "0ffffffff'}}]",
            (int)integer(draft, "draft"));
    peer_do(peer, "dataset.commit", "[{'draft': %d, 'samples': 16}]", (int)integer(draft, "draft"));
    json_decref(draft);
}

static void test_hello(void **state)
{
    struct peer *peer = peer_connect(*state);
    json_t *result;

    assert_non_null(strstr(peer_refused(peer, EVD_E_HELLO_REQUIRED, "job.list", "[]"), "hello"));
    peer_refused(peer, EVD_E_VERSION, "hello", "[{'protocol': 7, 'client': 'x'}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "hello", "[{'protocol': 1}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "hello", "[{'protocol': 1, 'client': ''}]");
    result = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'x'}]");
    assert_string_equal(text(result, "server"), "evendrawd " EVD_VERSION);
    assert_int_equal(integer(json_object_get(result, "limits"), "frame"), EVD_MAX_FRAME);
    assert_int_equal(json_object_size(json_object_get(result, "limits")), 12);
    json_decref(result);
    peer_refused(peer, EVD_E_CONFLICT, "hello", "[{'protocol': 1, 'client': 'x'}]");
}

static void test_server(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result = peer_call(peer, "server.info", "[]");
    json_t *list;

    assert_int_equal(integer(result, "connections"), 1);
    assert_int_equal(integer(json_object_get(result, "limits"), "connections"), 1024);
    assert_int_equal(json_object_size(json_object_get(result, "store")), 6);
    assert_int_equal(integer(result, "resident"), HARNESS_RESIDENT);
    assert_int_equal(integer(result, "shed"), HARNESS_SHED);
    list = json_object_get(result, "holds");
    assert_int_equal(integer(list, "process"), HARNESS_PROCESS);
    assert_int_equal(integer(list, "buffers"), HARNESS_BUFFERS);
    assert_true(integer(list, "sessions") > HARNESS_CONNECTIONS);
    assert_true(integer(list, "database") > 0);
    assert_int_equal(integer(list, "datasets"), 0);
    assert_true(json_is_null(json_object_get(json_object_get(result, "store"), "failure")));
    json_decref(result);
    result = peer_call(peer, "strategy.list", "[]");
    list = json_object_get(result, "strategies");
    assert_true(json_array_size(list) >= 4);
    json_decref(result);
}

/* Those that an operator moves hold, and are told. */
static void test_moved_limits(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *result;

    load_pets(peer);
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'pets', 'batch_size': 1}]");
    h->limits.streams = 2;
    h->limits.window = 5;
    h->limits.outstanding = 4;
    harness_restart(h);
    peer = peer_connect(h);
    result = peer_call(peer, "hello", "[{'protocol': 1, 'client': 'x'}]");
    assert_int_equal(integer(json_object_get(result, "limits"), "streams"), 2);
    json_decref(result);
    result = peer_call(peer, "server.info", "[]");
    assert_int_equal(integer(json_object_get(result, "limits"), "window"), 5);
    assert_int_equal(integer(json_object_get(result, "limits"), "outstanding"), 4);
    assert_int_equal(integer(json_object_get(result, "limits"), "hello_time"), 10);
    json_decref(result);
    peer_refused(peer, EVD_E_LIMIT, "stream.open", "[{'job': 'j', 'window': 6}]");
    result = peer_call(peer, "stream.open", "[{'job': 'j'}]");
    assert_int_equal(integer(result, "window"), 5);
    json_decref(result);
    peer_refused(peer, EVD_E_LIMIT, "stream.credit", "[{'stream': 1, 'window': 6}]");
    for (int step = 0; step < 4; step++) {
        result = peer_note(peer, "batch");
        assert_int_equal(integer(result, "step"), step);
        json_decref(result);
    }
    assert_null(peer_note(peer, "batch"));
    peer_do(peer, "stream.ack", "[{'stream': 1, 'epoch': 0, 'step': 0}]");
    result = peer_note(peer, "batch");
    assert_int_equal(integer(result, "step"), 4);
    json_decref(result);
    peer_do(peer, "stream.open", "[{'job': 'j'}]");
    peer_refused(peer, EVD_E_LIMIT, "stream.open", "[{'job': 'j'}]");
}

static void test_backup(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *result;
    char path[128];

    snprintf(path, sizeof(path), "%s/copy.db", h->folder);
    result = peer_call(peer, "server.backup", "[{'path': '%s'}]", path);
    assert_string_equal(text(result, "path"), path);
    assert_true(integer(result, "bytes") > 0);
    json_decref(result);
    peer_refused(peer, EVD_E_EXISTS, "server.backup", "[{'path': '%s'}]", path);
    unlink(path);
    peer_refused(peer, EVD_E_BAD_VALUE, "server.backup", "[{'path': 'copy.db'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "server.backup", "[{'path': ''}]");
    peer_refused(peer, EVD_E_LIMIT, "server.backup", "[{'path': '/%05000d'}]", 0);
    peer_refused(peer, EVD_E_STORE, "server.backup", "[{'path': '/no/such/folder/copy.db'}]");
    assert_non_null(strstr(h->notice, "a peer of the tests, test: no backup to /no/such/folder/"));
    peer->other = true;
    peer_refused(peer, EVD_E_DENIED, "server.backup", "[{'path': '%s'}]", path);
    assert_non_null(strstr(peer_refused(peer, EVD_E_DENIED, "server.backup", "[{'path': 'copy'}]"),
                           "--backup-dir"));
    assert_int_equal(access(path, F_OK), -1);
}

/* Everybody may name a file in the folder for it, and nothing else. */
static void test_backup_dir(void **state)
{
    static const char *const elsewhere[] = {
        "/tmp/evd-elsewhere", "../copy",   "a/copy", "..",  ".",  "",
        "%s/../copy",         "%s/a/copy", "%s/..",  "%s/", "%s", "%sX/copy"};
    struct harness *h = *state;
    struct peer *peer;
    char folder[128], path[192];
    json_t *result;

    snprintf(folder, sizeof(folder), "%s/backups", h->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    h->backup_dir = folder;
    harness_restart(h);
    peer = peer_new(h);
    peer->other = true;
    result = peer_call(peer, "server.backup", "[{'path': 'first.db'}]");
    snprintf(path, sizeof(path), "%s/first.db", folder);
    assert_string_equal(text(result, "path"), path);
    json_decref(result);
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(h->notice, "a peer of the tests, test: backup of "));
    assert_non_null(strstr(h->notice, path));
    peer_do(peer, "server.backup", "[{'path': '%s'}]", path);
    peer_refused(peer, EVD_E_EXISTS, "server.backup", "[{'path': 'first.db'}]");
    assert_int_equal(unlink(path), 0);
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        const char *behind = strstr(elsewhere[i], "%s") ? elsewhere[i] + 2 : NULL;

        snprintf(path, sizeof(path), "%s%s", behind ? folder : "", behind ? behind : elsewhere[i]);
        assert_non_null(strstr(
            peer_refused(peer, EVD_E_DENIED, "server.backup", "[{'path': '%s'}]", path), folder));
    }
    peer_refused(peer, EVD_E_BAD_VALUE, "server.backup", "[{'path': 'a\\u202eb'}]");
    peer_refused(peer, EVD_E_LIMIT, "server.backup", "[{'path': '%0200d'}]", 0);
    peer->other = false;
    peer_refused(peer, EVD_E_BAD_VALUE, "server.backup", "[{'path': 'a/copy'}]");
    snprintf(path, sizeof(path), "%s/copy.db", h->folder);
    peer_do(peer, "server.backup", "[{'path': '%s'}]", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is there */
    h->backup_dir = NULL;
}

/* A request for every method, without its fields: whatever the answer is, there is one, and it is
 * not that the method has no handler. */
static void test_every_method(void **state)
{
    struct peer *peer = peer_new(*state);

    for (int i = 0; i < METHOD_COUNT; i++) {
        uint32_t id = peer_send(peer, method_table[i].name, "[]");

        assert_true(peer_answered(peer, id));
    }
    peer_forget(peer);
}

static void test_dataset(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *list;

    load_pets(peer);
    result = peer_call(peer, "dataset.info", "[{'dataset': 'pets'}]");
    assert_int_equal(integer(result, "version"), 1);
    assert_int_equal(integer(result, "samples"), 16);
    assert_int_equal(integer(result, "labelled"), 15);
    assert_int_equal(integer(result, "classes"), 3);
    assert_int_equal(strlen(text(result, "checksum")), 16);
    json_decref(result);
    result = peer_call(peer, "dataset.stats", "[{'dataset': 'pets'}]");
    assert_int_equal(integer(result, "unlabelled"), 1);
    assert_float_equal(real(result, "imbalance_ratio"), 10.0, 1e-12);
    assert_string_equal(text(json_object_get(result, "largest"), "class"), "cat");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(result, "count"), 1)), 4);
    json_decref(result);
    result = peer_call(peer, "dataset.stats", "[{'dataset': 'pets', 'first': 2, 'count': 5}]");
    assert_int_equal(json_array_size(json_object_get(result, "class")), 1);
    json_decref(result);
    load_pets(peer);
    result = peer_call(peer, "dataset.list", "[]");
    list = json_object_get(result, "datasets");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(integer(json_array_get(list, 1), "version"), 2);
    json_decref(result);
    peer_do(peer, "dataset.drop", "[{'dataset': 'pets', 'version': 1}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.info", "[{'dataset': 'pets', 'version': 1}]");
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'pets', 'batch_size': 4}]");
    peer_refused(peer, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'pets'}]");
    peer_do(peer, "job.drop", "[{'job': 'j'}]");
    peer_do(peer, "dataset.drop", "[{'dataset': 'pets'}]");
}

static void test_dataset_refusals(void **state)
{
    struct peer *peer = peer_new(*state), *other = peer_new(*state);
    int draft = 0;

    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.info", "[{'dataset': 'nothing'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.create", "[{'name': ''}]");
    peer_refused(peer, EVD_E_EXISTS, "dataset.create", "[{'name': 'a', 'classes': ['x', 'x']}]");
    peer_refused(peer, EVD_E_BAD_TYPE, "dataset.create", "[{'name': 'a', 'classes': [1]}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': 99, 'labels': [0]}]");
#define DRAFT()                                                                                    \
    do {                                                                                           \
        json_t *d = peer_call(peer, "dataset.create", "[{'name': 'a', 'classes': ['x', 'y']}]");   \
        draft = (int)integer(d, "draft");                                                          \
        json_decref(d);                                                                            \
    } while (0)
    DRAFT();
    peer_refused(other, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': %d, 'labels': [0]}]", draft);
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.append",
                 "[{'draft': %d, 'labels': {'$bin': '000000'}}]", draft);
    /* The draft is gone with the error. */
    peer_refused(peer, EVD_E_NOT_FOUND, "dataset.append", "[{'draft': %d, 'labels': [0]}]", draft);
    DRAFT();
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.append", "[{'draft': %d, 'labels': [0, 2]}]",
                 draft);
    DRAFT();
    peer_refused(peer, EVD_E_BAD_TYPE, "dataset.append", "[{'draft': %d, 'labels': [0, 'x']}]",
                 draft);
    DRAFT();
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.commit", "[{'draft': %d, 'samples': 3}]", draft);
    /* Nothing has a label. */
    peer_refused(peer, EVD_E_BAD_VALUE, "dataset.commit", "[{'draft': %d}]", draft);
    /* Numbers instead of names: not too many at once. */
    peer_do(other, "dataset.create", "[{'name': 'a'}]");
    peer_do(other, "dataset.append", "[{'draft': 1, 'labels': [65535]}]");
    peer_do(other, "dataset.append", "[{'draft': 1, 'labels': [131071]}]");
    peer_refused(other, EVD_E_LIMIT, "dataset.append", "[{'draft': 1, 'labels': [196608]}]");
    /* Names after numbers: the labels would mean other classes than those. */
    peer_do(other, "dataset.create", "[{'name': 'a'}]");
    peer_do(other, "dataset.append", "[{'draft': 2, 'labels': [1, 0]}]");
    peer_refused(other, EVD_E_CONFLICT, "dataset.append", "[{'draft': 2, 'classes': ['x', 'y']}]");
    for (int i = 0; i < (int)EVD_MAX_DRAFTS; i++)
        DRAFT();
    peer_refused(peer, EVD_E_LIMIT, "dataset.create", "[{'name': 'b'}]");
#undef DRAFT
}

static void test_protocol_refusals(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *note;

    assert_non_null(
        strstr(peer_refused(peer, EVD_E_UNKNOWN_METHOD, "job.crate", "[]"), "job.create"));
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_UNKNOWN_FIELD, "job.create", "[{'nme': 'x'}]"), "name"));
    peer_refused(peer, EVD_E_BAD_TYPE, "job.info", "[{'job': 4}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.info", "[{'job': 'none'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "stream.ack", "[{'stream': 5, 'epoch': 0, 'step': 0}]");
    peer_notify(peer, "stream.ack", "[{'stream': 5, 'epoch': 0, 'step': 0}]");
    note = peer_note(peer, "error");
    assert_string_equal(text(note, "name"), "not_found");
    assert_string_equal(text(note, "method"), "stream.ack");
    json_decref(note);
    assert_false(peer->hung_up);
    peer_bytes(peer, "\x93\x01\x02\x03", 4);
    assert_true(peer->hung_up);
}

static void test_job(void **state)
{
    struct peer *peer = peer_new(*state);
    json_t *result, *revision;

    load_pets(peer);
    result = peer_call(peer, "job.create",
                       "[{'name': 'train', 'dataset': 'pets', 'batch_size': 4, 'seed': 7, "
                       "'strategy': {'kind': 'weighted', 'weight': 'inverse'}}]");
    assert_string_equal(text(result, "mode"), "shared");
    assert_string_equal(text(result, "last_batch"), "short");
    assert_string_equal(text(json_object_get(result, "strategy"), "kind"), "weighted");
    assert_int_equal(integer(result, "steps"), 4);
    revision = json_array_get(json_object_get(result, "revisions"), 0);
    assert_string_equal(text(revision, "author"), "test");
    json_decref(result);
    result = peer_call(peer, "job.update",
                       "[{'job': 'train', 'strategy': {'kind': 'uniform'}, 'when': 'epoch'}]");
    assert_int_equal(integer(result, "revision"), 1);
    json_decref(result);
    result = peer_call(peer, "job.list", "[]");
    assert_string_equal(text(json_array_get(json_object_get(result, "jobs"), 0), "kind"),
                        "uniform");
    json_decref(result);
    peer_do(peer, "job.drop", "[{'job': 'train'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.info", "[{'job': 'train'}]");
}

#define CREATE(more) "[{'name': 'j', 'dataset': 'pets', 'batch_size': 4" more "}]"
#define STRATEGY(s)  CREATE(", 'strategy': " s)

static void test_job_refusals(void **state)
{
    struct peer *peer = peer_new(*state);

    load_pets(peer);
    peer_refused(peer, EVD_E_NOT_FOUND, "job.create",
                 "[{'name': 'j', 'dataset': 'none', 'batch_size': 4}]");
    peer_refused(peer, EVD_E_LIMIT, "job.create",
                 "[{'name': 'j', 'dataset': 'pets', 'batch_size': 65537}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 "[{'name': 'j', 'dataset': 'pets', 'batch_size': 0}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create", CREATE(", 'mode': 'both'"));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create", CREATE(", 'world_size': 2"));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 CREATE(", 'mode': 'ranked', 'world_size': 3"));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 CREATE(", 'mode': 'ranked', 'last_batch': 'short'"));
    peer_refused(peer, EVD_E_NOT_FOUND, "job.create", CREATE(", 'version': 9"));
    /* Nothing of it stays. */
    peer_do(peer, "job.create", CREATE(""));
    peer_refused(peer, EVD_E_EXISTS, "job.create", CREATE(""));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'uniform'}, 'when': 'later'}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.update",
                 "[{'job': 'j', 'strategy': {'kind': 'uniform'}, 'when': 'at'}]");
}

static void test_strategies(void **state)
{
    struct peer *peer = peer_new(*state);

    load_pets(peer);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_STRATEGY, "job.create", STRATEGY("{'kind': 'magic'}")),
               "uniform"));
    peer_refused(peer, EVD_E_BAD_TYPE, "job.create", STRATEGY("4"));
    peer_refused(peer, EVD_E_MISSING_FIELD, "job.create", STRATEGY("{'weight': 'inverse'}"));
    assert_non_null(strstr(peer_refused(peer, EVD_E_UNKNOWN_FIELD, "job.create",
                                        STRATEGY("{'kind': 'weighted', 'wieght': 'inverse'}")),
                           "did you mean \"weight\"?"));
    peer_refused(peer, EVD_E_BAD_TYPE, "job.create",
                 STRATEGY("{'kind': 'weighted', 'weight': true}"));
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_NOT_FOUND, "job.create",
                     STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': {'cow': 1}}")),
        "cow"));
    peer_refused(peer, EVD_E_BAD_TYPE, "job.create",
                 STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': {'cat': 'x'}}"));
    peer_refused(
        peer, EVD_E_BAD_VALUE, "job.create",
        STRATEGY(
            "{'kind': 'weighted', 'weight': 'explicit', 'weights': {'cat': {'$f64': 'nan'}}}"));
    peer_refused(peer, EVD_E_BAD_VALUE, "job.create",
                 STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': [1, 2]}"));
    peer_refused(
        peer, EVD_E_BAD_VALUE, "job.create",
        STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': {'$bin': '0000'}}"));
    /* A class is called by its name. */
    assert_non_null(strstr(
        peer_refused(peer, EVD_E_STRATEGY, "job.create",
                     STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': [1, -2, 1]}")),
        "class \"dog\" is -2"));
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "job.create",
                                        STRATEGY("{'kind': 'weighted', 'weight': 'explicit', "
                                                 "'weights': {'cat': 1, 'dog': 1}}")),
                           "no number for class \"bird\""));
    assert_non_null(strstr(peer_refused(peer, EVD_E_STRATEGY, "job.create",
                                        STRATEGY("{'kind': 'oversampled', 'sampling_strategy': "
                                                 "{'dog': 1}}")),
                           "class \"dog\""));
    peer_refused(peer, EVD_E_STRATEGY, "job.create",
                 STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': [0, 0, 0]}"));
    peer_do(peer, "job.create",
            STRATEGY("{'kind': 'weighted', 'weight': 'explicit', 'weights': {'$bin': "
                     "'000000000000f03f0000000000000040000000000000f03f'}}"));
    /* Bin, array and map are the same strategy; the record is by name. */
    json_t *info = peer_call(peer, "job.info", "[{'job': 'j'}]");

    assert_float_equal(real(json_object_get(json_object_get(info, "strategy"), "weights"), "dog"),
                       2.0, 0);
    json_decref(info);
}

static void test_stream_refusals(void **state)
{
    struct peer *peer = peer_new(*state);

    load_pets(peer);
    peer_do(peer, "job.create", CREATE(""));
    peer_do(peer, "job.create",
            "[{'name': 'r', 'dataset': 'pets', 'batch_size': 4, 'mode': 'ranked'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "stream.open", "[{'job': 'none'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "stream.open", "[{'job': 'j', 'rank': 0}]");
    peer_refused(peer, EVD_E_LIMIT, "stream.open", "[{'job': 'j', 'window': 257}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "stream.open", "[{'job': 'j', 'encoding': 'zip'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "stream.open", "[{'job': 'j', 'columns': ['x']}]");
    peer_refused(peer, EVD_E_BAD_TYPE, "stream.open", "[{'job': 'j', 'columns': 'label'}]");
    peer_refused(peer, EVD_E_MISSING_FIELD, "stream.open", "[{'job': 'r'}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "stream.open",
                 "[{'job': 'r', 'rank': 0, 'world_size': 3}]");
    for (uint32_t i = 0; i < EVD_MAX_STREAMS; i++)
        peer_do(peer, "stream.open", "[{'job': 'j', 'window': 0}]");
    peer_refused(peer, EVD_E_LIMIT, "stream.open", "[{'job': 'j'}]");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_hello),
        TEST(test_server),
        TEST(test_moved_limits),
        TEST(test_backup),
        TEST(test_backup_dir),
        TEST(test_every_method),
        TEST(test_dataset),
        TEST(test_dataset_refusals),
        TEST(test_protocol_refusals),
        TEST(test_job),
        TEST(test_job_refusals),
        TEST(test_strategies),
        TEST(test_stream_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
