/* Attachments while the store is in trouble, and when they are damaged in the database. */
#include <stdlib.h>
#include <string.h>
#include "attached.h"
#include "trouble.h"

static void is_whole(struct peer *peer, const char *name)
{
    json_t *answer = peer_call(peer, "attachment.read", "[{'dataset': 'd', 'name': '%s'}]", name);

    assert_string_equal(bin(answer, "rows"), KEPT);
    json_decref(answer);
}

/* What the store does not take, or does not write, is not there, and the rest goes on. */
static void the_store_refuses(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    int draft;
    uint32_t id;

    attached_dataset(peer);
    busy = true;
    peer_refused(peer, EVD_E_BUSY, "attachment.create",
                 "[{'dataset': 'd', 'name': 'a', " AS_KEPT "}]");
    busy = false;
    draft = attached_begin(peer, "a", AS_KEPT);
    busy = true;
    peer_refused(peer, EVD_E_BUSY, "attachment.append", "[{'draft': %d, 'rows': {'$bin': '01'}}]",
                 draft);
    busy = false;
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.commit", "[{'draft': %d}]", draft);
    /* A piece of which the store says later that there is no room. */
    draft = attached_begin(peer, "a", AS_KEPT);
    slow = true;
    id = peer_send(peer, "attachment.append", "[{'draft': %d, 'rows': {'$bin': '" KEPT "'}}]",
                   draft);
    slow = false;
    trouble_refuse(h);
    peer_error(peer, id, EVD_E_STORE);
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.commit", "[{'draft': %d}]", draft);
    /* The commit. */
    draft = attached_begin(peer, "a", AS_KEPT);
    attached_append(peer, draft, KEPT, "");
    slow = true;
    id = peer_send(peer, "attachment.commit", "[{'draft': %d}]", draft);
    harness_pump(h);
    slow = false;
    trouble_refuse(h);
    peer_error(peer, id, EVD_E_STORE);
    assert_int_equal(attached_count(peer), 0);
    json_decref(attached_make(peer, "a", AS_KEPT, KEPT, ""));
    /* The drop. */
    busy = true;
    peer_refused(peer, EVD_E_BUSY, "attachment.drop", "[{'dataset': 'd', 'name': 'a'}]");
    busy = false;
    is_whole(peer, "a");
    harness_quiet(h);
    harness_pass(h, 1000); /* what was to be forgotten is */
    harness_quiet(h);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
}

/* While one is being dropped nobody finds it; where that fails it is as it was. */
static void while_it_is_dropped(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    uint32_t id;

    attached_dataset(peer);
    json_decref(attached_make(peer, "a", AS_KEPT, KEPT, ""));
    for (int fails = 1; fails >= 0; fails--) {
        slow = true;
        id = peer_send(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'a'}]");
        slow = false;
        assert_int_equal(attached_count(other), 0);
        peer_refused(other, EVD_E_NOT_FOUND, "attachment.read", "[{'dataset': 'd', 'name': 'a'}]");
        peer_refused(other, EVD_E_CONFLICT, "dataset.drop", "[{'dataset': 'd'}]");
        if (fails)
            trouble_refuse(h);
        else
            trouble_pass_on(h);
        if (fails)
            peer_error(peer, id, EVD_E_STORE);
        else
            json_decref(peer_result(peer, id));
        assert_int_equal(attached_count(other), fails);
    }
}

/* Who goes while the commit is being written: it is there. */
static void gone_while_it_is_stored(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *watch = peer_new(h);
    int draft;

    attached_dataset(peer);
    draft = attached_begin(peer, "a", AS_KEPT);
    attached_append(peer, draft, KEPT, "");
    slow = true;
    peer_send(peer, "attachment.commit", "[{'draft': %d}]", draft);
    harness_pump(h);
    slow = false;
    peer_close(peer);
    trouble_pass_on(h);
    is_whole(watch, "a");
    harness_restart(h);
    is_whole(peer_new(h), "a");
}

#define OF      " WHERE name = 'near'"
#define OF_ROWS " WHERE attachment = (SELECT id FROM attachment" OF ")"
static const struct {
    const char *sql, *name;
} damages[] = {
    {"UPDATE attachment SET digest = digest + 1" OF, "near"},
    {"UPDATE attachment SET kind = 'neighbors'" OF, "near"},
    {"UPDATE attachment SET kind = 'selection'" OF, "near"},
    {"UPDATE attachment SET width = 3" OF, "near"},
    {"UPDATE attachment SET width = 0" OF, "near"},
    {"UPDATE attachment SET width = 65" OF, "near"},
    {"UPDATE attachment SET scope = 'class'" OF, "near"},
    {"UPDATE attachment SET scope = 'clasp'" OF, "near"},
    {"UPDATE attachment SET metric = 'cosine'" OF, "near"},
    {"UPDATE attachment SET samples = 5" OF, "near"},
    {"UPDATE attachment SET facts = x''" OF, "near"},
    {"UPDATE attachment SET facts = x'c1'" OF, "near"},
    {"UPDATE attachment SET facts = x'81a161'" OF, "near"},
    {"UPDATE attachment SET facts = x'8000'" OF, "near"},
    {"UPDATE attachment SET facts = x'81a16191c0'" OF, "near"},
    {"UPDATE attachment SET facts = x'81a161c4ff'" OF, "near"},
    {"UPDATE attachment SET facts = zeroblob(100000)" OF, "near"},
    {"UPDATE attachment SET name = CAST(x'6bff' AS TEXT)" OF, NULL},
    {"UPDATE attachment SET state = 3" OF, "near"},
    {"UPDATE attachment_chunk SET rows = zeroblob(48)" OF_ROWS, "near"},
    {"UPDATE attachment_chunk SET rows = zeroblob(40)" OF_ROWS, "near"},
    {"UPDATE attachment_chunk SET rows = zeroblob(56)" OF_ROWS, "near"},
    {"UPDATE attachment_chunk SET distances = zeroblob(48)" OF_ROWS, "near"},
    {"UPDATE attachment_chunk SET distances = x''" OF_ROWS, "near"},
    {"UPDATE attachment_chunk SET first_sample = 1" OF_ROWS, "near"},
    {"DELETE FROM attachment_chunk" OF_ROWS, "near"},
};

static void is_told(struct peer *peer, const char *name, size_t count)
{
    json_t *info = peer_call(peer, "server.info", "[]");
    const json_t *first = json_array_get(json_object_get(info, "damage"), 0);

    assert_int_equal(integer(info, "damaged"), count);
    if (count > 0) {
        assert_string_equal(text(first, "dataset"), "d");
        assert_int_equal(integer(first, "version"), 1);
        assert_string_equal(text(first, "attachment"), name);
        assert_non_null(strstr(text(first, "damage"), "damaged in the database"));
        assert_null(json_object_get(first, "job"));
    }
    json_decref(info);
}

/* What it is called whose name is gone. */
static void find_nameless(struct peer *peer, char name[64])
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]");

    snprintf(name, 64, "%s",
             text(json_array_get(json_object_get(answer, "attachments"), 0), "name"));
    assert_memory_equal(name, "damaged-", 8);
    json_decref(answer);
}

/* Whatever is damaged of it: it is out of service alone, and can be dropped. */
static void a_damaged_one(void **state)
{
    struct harness *h = *state;

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct peer *peer = peer_new(h);
        char name[64] = "near";

        attached_dataset(peer);
        json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
        json_decref(attached_make(peer, "sound", AS_KEPT, KEPT, ""));
        peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
        trouble_query(h, damages[i].sql);
        peer = peer_new(h);
        if (!damages[i].name)
            find_nameless(peer, name);
        is_told(peer, name, 1);
        assert_int_equal(attached_count(peer), 2);
        assert_non_null(strstr(peer_refused(peer, EVD_E_STORE, "attachment.read",
                                            "[{'dataset': 'd', 'name': '%s'}]", name),
                               "drop the attachment and make it again"));
        is_whole(peer, "sound");
        trouble_job_has(peer, "j", 5);
        if (damages[i].name) { /* its name is still taken */
            int draft = attached_begin(peer, "near", AS_NEAR);

            attached_append(peer, draft, NEAR, AWAY);
            peer_refused(peer, EVD_E_EXISTS, "attachment.commit", "[{'draft': %d}]", draft);
        }
        peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': '%s'}]", name);
        is_told(peer, "", 0);
        json_decref(attached_make(peer, "near", AS_NEAR, NEAR, AWAY));
        peer_do(peer, "job.drop", "[{'job': 'j'}]");
        peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
        harness_restart(h);
    }
}

/* One neighbour of each, of its class. */
#define SECOND "020000000400000000000000ffffffff0100000002000000"

static void is_out_of_service(struct peer *peer, const char *why)
{
    json_t *info = peer_call(peer, "job.info", "[{'job': 's'}]");

    if (!strstr(text(info, "failure"), why))
        fail_msg("\"%s\" is not in \"%s\"", why, text(info, "failure"));
    json_decref(info);
    peer_refused(peer, EVD_E_STORE, "stream.open", "[{'job': 's'}]");
    trouble_job_has(peer, "j", 5);
}

/* A job that names one that is damaged, or is not there, is out of service alone, and comes back
 * with it. */
static void jobs_that_name_one(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    static const char smote[] =
        "[{'name': 's', 'dataset': 'd', 'batch_size': 1, 'strategy': {'kind': 'smote', 'k': 1, "
        "'neighbours': 'near'}}]";

    attached_dataset(peer);
    json_decref(attached_make(
        peer, "near", "'kind': 'neighbours', 'k': 1, 'scope': 'class', 'metric': 'euclidean'",
        SECOND, "0000803f0000803f0000803f0000807f0000803f0000803f"));
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
    peer_do(peer, "job.create", "%s", smote);
    trouble_query(h, "UPDATE attachment_chunk SET rows = zeroblob(24)");
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"near\" of dataset \"d\" version 1 is damaged");
    peer_refused(peer, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'near'}]");
    peer_refused(peer, EVD_E_STORE, "job.preview",
                 "[{'dataset': 'd', 'batch_size': 1, 'strategy': {'kind': 'smote', 'k': 1, "
                 "'neighbours': 'near'}}]");
    trouble_query(h, "UPDATE attachment_chunk SET rows = x'" SECOND "'"); /* a backup */
    peer = peer_new(h);
    trouble_job_has(peer, "s", 6);
    trouble_query(h, "UPDATE attachment SET name = 'far'");
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"near\" that it was made with is not in the database");
    peer_do(peer, "job.drop", "[{'job': 's'}]");
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'far'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "job.create", "%s", smote);
}

/* So it is with a selection from which a job draws: it draws from no other one. */
static void jobs_that_draw_from_one(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    json_decref(attached_make(peer, "few", AS_KEPT, KEPT, ""));
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
    peer_do(peer, "job.create",
            "[{'name': 's', 'dataset': 'd', 'batch_size': 1, 'strategy': {'kind': 'uniform', "
            "'from': 'few'}}]");
    trouble_job_has(peer, "s", 3);
    trouble_query(h, "UPDATE attachment_chunk SET rows = x'010000000000'");
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"few\" of dataset \"d\" version 1 is damaged");
    peer_refused(peer, EVD_E_STORE, "job.preview",
                 "[{'dataset': 'd', 'batch_size': 1, 'strategy': {'kind': 'uniform', 'from': "
                 "'few'}}]");
    peer_refused(peer, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'few'}]");
    trouble_query(h, "UPDATE attachment_chunk SET rows = x'" KEPT "'"); /* a backup */
    peer = peer_new(h);
    trouble_job_has(peer, "s", 3);
    trouble_query(h, "UPDATE attachment SET digest = digest + 1");
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"few\" of dataset \"d\" version 1 is damaged");
    peer_refused(peer, EVD_E_CONFLICT, "attachment.drop", "[{'dataset': 'd', 'name': 'few'}]");
    trouble_query(h, "UPDATE attachment SET digest = digest - 1");
    peer = peer_new(h);
    trouble_job_has(peer, "s", 3);
    trouble_query(h, "UPDATE attachment SET name = 'others'");
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"few\" that it was made with is not in the database");
    /* Another one of that name is not taken for it. */
    json_decref(attached_make(peer, "few", AS_KEPT, "000000000001", ""));
    harness_restart(h);
    peer = peer_new(h);
    is_out_of_service(peer, "attachment \"few\" that it was made with is not in the database");
    peer_do(peer, "job.drop", "[{'job': 's'}]");
}

static int uses_of_near(struct peer *peer)
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]");
    int uses = (int)integer(json_array_get(json_object_get(answer, "attachments"), 0), "uses");

    json_decref(answer);
    return uses;
}

/* Jobs and updates that the store does not take name nothing, but do until it has said so. */
static void strategies_the_store_refuses(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    static const char *const asks[][2] = {
        {"job.create", "[{'name': 's', 'dataset': 'd', 'batch_size': 1, 'strategy': %s}]"},
        {"job.update", "[{'job': 'j', 'strategy': %s}]"},
    };

    attached_dataset(peer);
    json_decref(attached_make(
        peer, "near", "'kind': 'neighbours', 'k': 1, 'scope': 'class', 'metric': 'euclidean'",
        SECOND, "0000803f0000803f0000803f0000807f0000803f0000803f"));
    peer_do(peer, "job.create", "[{'name': 'j', 'dataset': 'd', 'batch_size': 1}]");
    for (int i = 0; i < 2; i++) {
        uint32_t id;

        slow = true;
        id = peer_send(peer, asks[i][0], asks[i][1],
                       "{'kind': 'smote', 'k': 1, 'neighbours': 'near'}");
        harness_pump(h);
        work_run(h);
        slow = false;
        assert_int_equal(uses_of_near(other), 1);
        peer_refused(other, EVD_E_CONFLICT, "attachment.drop",
                     "[{'dataset': 'd', 'name': 'near'}]");
        trouble_refuse(h);
        peer_error(peer, id, EVD_E_STORE);
        assert_int_equal(uses_of_near(other), 0);
    }
    harness_restart(h);
    peer = peer_new(h);
    trouble_job_has(peer, "j", 5);
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'near'}]");
}

/* Of a damaged dataset they are out of service with it, and go with it. */
static void of_a_damaged_dataset(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);

    attached_dataset(peer);
    json_decref(attached_make(peer, "a", AS_KEPT, KEPT, ""));
    trouble_query(h, "UPDATE dataset SET checksum = checksum + 1");
    peer = peer_new(h);
    peer_refused(peer, EVD_E_STORE, "attachment.list", "[{'dataset': 'd'}]");
    peer_refused(peer, EVD_E_STORE, "attachment.drop", "[{'dataset': 'd', 'name': 'a'}]");
    trouble_query(h, "UPDATE dataset SET checksum = checksum - 1"); /* a backup */
    peer = peer_new(h);
    is_whole(peer, "a");
    trouble_query(h, "UPDATE dataset SET checksum = checksum + 1");
    peer = peer_new(h);
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
    attached_dataset(peer);
    assert_int_equal(attached_count(peer), 0);
    /* One of no dataset at all is told of, and keeps nothing from starting. */
    trouble_query(h, "INSERT INTO attachment SELECT 99, 77, 'x', kind, "
                     "1, '', '', x'80', 5, 6, 7, 1 FROM (SELECT 'selection' AS kind)");
    assert_int_equal(attached_count(peer_new(h)), 0);
    assert_non_null(strstr(h->warning, "of a dataset that is not there"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_store_refuses),       TEST(while_it_is_dropped),
        TEST(gone_while_it_is_stored), TEST(a_damaged_one),
        TEST(of_a_damaged_dataset),    TEST(jobs_that_name_one),
        TEST(jobs_that_draw_from_one), TEST(strategies_the_store_refuses),
    };

    trouble_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
