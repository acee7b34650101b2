/* Attachments of datasets: sent, listed, read, dropped; and what is refused. */
#include "attached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is sent comes back ---- */

static void check_list(struct peer *peer)
{
    json_t *answer = peer_call(peer, "attachment.list", "[{'dataset': 'd', 'version': 1}]");
    const json_t *list = json_object_get(answer, "attachments"), *row;

    assert_int_equal(json_array_size(list), 3);
    row = json_array_get(list, 0);
    assert_string_equal(text(row, "name"), "cv");
    assert_string_equal(text(row, "kind"), "folds");
    assert_int_equal(integer(row, "folds"), 2);
    assert_null(json_object_get(row, "k"));
    assert_int_equal(json_object_size(json_object_get(row, "terms")), 0);
    row = json_array_get(list, 1);
    assert_string_equal(text(row, "name"), "few");
    assert_string_equal(text(row, "kind"), "selection");
    assert_int_equal(integer(row, "kept"), 3);
    assert_null(json_object_get(row, "lacking"));
    row = json_array_get(list, 2);
    assert_string_equal(text(row, "name"), "near");
    assert_string_equal(text(row, "dataset"), "d");
    assert_int_equal(integer(row, "version"), 1);
    assert_string_equal(text(row, "kind"), "neighbours");
    assert_int_equal(integer(row, "k"), 2);
    assert_string_equal(text(row, "scope"), "all");
    assert_string_equal(text(row, "metric"), "euclidean");
    assert_string_equal(text(row, "digest"), "2e78550fa02e2b6f"); /* tests/dataset has it too */
    assert_int_equal(integer(row, "samples"), 6);
    assert_int_equal(integer(row, "lacking"), 1);
    assert_int_equal(integer(row, "uses"), 0);
    assert_true(integer(row, "memory") >= 48);
    assert_string_equal(text(json_object_get(row, "terms"), "features"), "\xc3\xa9");
    assert_int_equal(integer(json_object_get(row, "terms"), "d"), -64);
    assert_true(real(json_object_get(row, "terms"), "recall") == 0.5);
    assert_true(json_is_true(json_object_get(json_object_get(row, "terms"), "exact")));
    assert_null(json_object_get(row, "damage"));
    json_decref(answer);
}

static void they_come_back(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    json_t *answer, *listed;
    int draft;

    attached_dataset(peer);
    answer = peer_call(peer, "attachment.create",
                       "[{'dataset': 'd', 'name': 'near', " AS_NEAR ", 'terms': {'features': '\xc3"
                       "\xa9', 'd': -64, 'recall': 0.5, 'exact': true}}]");
    draft = (int)integer(answer, "draft");
    assert_int_equal(integer(answer, "version"), 1);
    assert_int_equal(integer(answer, "samples"), 6);
    assert_int_equal(integer(answer, "row"), 8);
    json_decref(answer);
    peer_do(peer, "attachment.append",
            "[{'draft': %d, 'rows': {'$bin': '%.16s'}, 'distances': {'$bin': '%.16s'}}]", draft,
            NEAR, AWAY);
    peer_do(peer, "attachment.append", "[{'draft': %d, 'rows': {'$bin': ''}}]", draft);
    attached_append(peer, draft, &NEAR[16], &AWAY[16]);
    assert_int_equal(attached_count(peer), 0); /* nobody sees it yet */
    answer = peer_call(peer, "attachment.commit", "[{'draft': %d}]", draft);
    listed = peer_call(peer, "attachment.list", "[{'dataset': 'd'}]");
    assert_true(json_equal(answer, json_array_get(json_object_get(listed, "attachments"), 0)));
    json_decref(listed);
    json_decref(answer);
    json_decref(attached_make(peer, "few", AS_KEPT, KEPT, ""));
    json_decref(attached_make(peer, "cv", AS_FOLDS, FOLDS, ""));
    for (int i = 0; i < 2; i++) {
        check_list(peer);
        attached_check(peer, "near", NEAR, "");
        attached_check(peer, "near", NEAR, AWAY);
        attached_check(peer, "few", KEPT, "");
        attached_check(peer, "cv", FOLDS, "");
        answer = peer_call(peer, "attachment.read",
                           "[{'dataset': 'd', 'name': 'near', 'first': 4, 'count': 9, 'distances': "
                           "true}]");
        assert_int_equal(integer(answer, "count"), 2);
        assert_string_equal(bin(answer, "rows"), &NEAR[64]);
        assert_string_equal(bin(answer, "distances"), &AWAY[64]);
        json_decref(answer);
        harness_restart(h);
        peer = peer_new(h);
    }
    peer_do(peer, "attachment.drop", "[{'dataset': 'd', 'name': 'few'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.read", "[{'dataset': 'd', 'name': 'few'}]");
    harness_restart(h);
    peer = peer_new(h);
    assert_int_equal(attached_count(peer), 2);
    json_decref(attached_make(peer, "few", AS_KEPT, KEPT, ""));
    /* They go with their dataset. */
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]");
    attached_dataset(peer);
    assert_int_equal(attached_count(peer), 0);
    harness_restart(h);
    assert_int_equal(attached_count(peer_new(h)), 0);
}

/* An answer has at most so many rows, and so many bytes. */
static void answers_are_bounded(void **state)
{
    enum { N = 4200, PIECE = 1050 };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    static char nobody[512 * PIECE + 1], far[512 * PIECE + 1], kept[2 * 66000 + 1];
    json_t *answer;
    int draft;

    attached_large(peer, N);
    memset(nobody, 'f', sizeof(nobody) - 1);
    for (int i = 0; i < PIECE * 64; i++)
        memcpy(far + i * 8, "0000807f", 8);
    draft = attached_begin(peer, "near",
                           "'kind': 'neighbours', 'k': 64, 'scope': 'all', 'metric': 'm'");
    for (int i = 0; i < N / PIECE; i++)
        attached_append(peer, draft, nobody, far);
    peer_do(peer, "attachment.commit", "[{'draft': %d}]", draft);
    answer = peer_call(peer, "attachment.read", "[{'dataset': 'd', 'name': 'near'}]");
    assert_int_equal(integer(answer, "count"), EVD_MAX_PIECE / 256);
    json_decref(answer);
    answer = peer_call(peer, "attachment.read",
                       "[{'dataset': 'd', 'name': 'near', 'distances': true, 'first': 1999}]");
    assert_int_equal(integer(answer, "count"), EVD_MAX_PIECE / 512);
    assert_int_equal(strlen(bin(answer, "distances")), EVD_MAX_PIECE);
    json_decref(answer);
    attached_large(peer, 66000);
    memset(kept, '0', sizeof(kept) - 1);
    kept[1] = '1';
    draft = attached_begin(peer, "few", AS_KEPT);
    attached_append(peer, draft, kept, "");
    peer_do(peer, "attachment.commit", "[{'draft': %d}]", draft);
    answer = peer_call(peer, "attachment.read", "[{'dataset': 'd', 'name': 'few'}]");
    assert_int_equal(integer(answer, "count"), EVD_MAX_LABELS);
    json_decref(answer);
    peer_refused(peer, EVD_E_LIMIT, "attachment.read",
                 "[{'dataset': 'd', 'name': 'few', 'count': 65537}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "attachment.read",
                 "[{'dataset': 'd', 'name': 'few', 'first': 66001}]");
    peer_refused(peer, EVD_E_BAD_VALUE, "attachment.read",
                 "[{'dataset': 'd', 'name': 'few', 'distances': true}]");
}

/* ---- what is refused ---- */

static void creates_are_refused(void **state)
{
    static const struct {
        int code;
        const char *fields, *word;
    } wrong[] = {
        {EVD_E_BAD_VALUE, "'name': 'a', 'kind': 'neighbors'", "\"neighbours\", \"selection\""},
        {EVD_E_MISSING_FIELD, "'name': 'a', 'kind': 'neighbours', 'k': 2, 'scope': 'all'",
         "metric"},
        {EVD_E_MISSING_FIELD, "'name': 'a', 'kind': 'neighbours', 'scope': 'all', 'metric': 'm'",
         "\"k\""},
        {EVD_E_MISSING_FIELD, "'name': 'a', 'kind': 'neighbours', 'k': 2, 'metric': 'm'", "scope"},
        {EVD_E_MISSING_FIELD, "'name': 'a', 'kind': 'folds'", "folds"},
        {EVD_E_BAD_VALUE, "'name': 'a', 'kind': 'selection', 'k': 2", "have no \"k\""},
        {EVD_E_BAD_VALUE, "'name': 'a', 'folds': 2, " AS_NEAR, "have no \"folds\""},
        {EVD_E_BAD_VALUE,
         "'name': 'a', 'kind': 'neighbours', 'k': 0, 'scope': 'all', 'metric': 'm'", "\"k\" is 0"},
        {EVD_E_LIMIT, "'name': 'a', 'kind': 'neighbours', 'k': 65, 'scope': 'all', 'metric': 'm'",
         "at most 64"},
        {EVD_E_BAD_VALUE,
         "'name': 'a', 'kind': 'neighbours', 'k': 2, 'scope': 'some', 'metric': 'm'", "\"all\""},
        {EVD_E_BAD_VALUE, "'name': 'a', 'kind': 'neighbours', 'k': 2, 'scope': 'all', 'metric': ''",
         "metric"},
        {EVD_E_BAD_VALUE, "'name': 'a', 'kind': 'folds', 'folds': 1", "two at least"},
        {EVD_E_LIMIT, "'name': 'a', 'kind': 'folds', 'folds': 1025", "at most 1024"},
        {EVD_E_BAD_VALUE, "'name': '', " AS_KEPT, "name"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': [1]", "must be a map"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'a': [1]}", "must be a map"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'a': {'b': 1}}", "must be a map"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'a': null}", "must be a map"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'': 1}", "must be a map"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'a': {'$f64': 'nan'}}", "finite"},
        {EVD_E_BAD_TYPE, "'name': 'a', " AS_KEPT ", 'terms': {'a': {'$bin': 'ff'}}", "must be"},
    };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    char *long_text = malloc(5000), *many = malloc(5000);
    size_t n = 0;

    attached_dataset(peer);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *said = peer_refused(peer, wrong[i].code, "attachment.create",
                                        "[{'dataset': 'd', %s}]", wrong[i].fields);

        if (!strstr(said, wrong[i].word))
            fail_msg("%s: %s", wrong[i].fields, said);
    }
    memset(long_text, 'x', 4999);
    long_text[4999] = '\0';
    for (int i = 0; i < 65; i++)
        n += (size_t)snprintf(many + n, 5000 - n, "%s'k%d': 1", i ? ", " : "", i);
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_LIMIT, "attachment.create",
                            "[{'dataset': 'd', 'name': 'a', " AS_KEPT ", 'terms': {'a': '%s'}}]",
                            long_text),
               "4096 bytes"));
    assert_non_null(
        strstr(peer_refused(peer, EVD_E_LIMIT, "attachment.create",
                            "[{'dataset': 'd', 'name': 'a', " AS_KEPT ", 'terms': {%s}}]", many),
               "at most 64"));
    free(long_text);
    free(many);
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.create",
                 "[{'dataset': 'e', 'name': 'a', " AS_KEPT "}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.create",
                 "[{'dataset': 'd', 'version': 2, 'name': 'a', " AS_KEPT "}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.list", "[{'dataset': 'e'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.drop", "[{'dataset': 'd', 'name': 'a'}]");
    peer_refused(peer, EVD_E_NOT_FOUND, "attachment.append",
                 "[{'draft': 1, 'rows': {'$bin': ''}}]");
    peer_do(peer, "dataset.drop", "[{'dataset': 'd'}]"); /* nothing was left of any */
}

/* A piece that is refused ends the draft, a commit that is refused for what was sent too. */
static void rows_are_refused(void **state)
{
    static const struct {
        const char *as, *rows, *distances, *word;
    } pieces[] = {
        {AS_NEAR, "02000000050000", "0000803f0000803f", "no whole number of rows"},
        {AS_NEAR, "0200000005000000", "0000803f", "one f32 for each neighbour"},
        {AS_NEAR, "0200000005000000", "0000803f0000003f", "sample 0: distance 1 is smaller"},
        {AS_KEPT, "02", "", "sample 0: 2 is neither"},
        {AS_KEPT, "01000100000100", "", "more rows than the 6 samples"},
        {AS_KEPT, "01", "00000000", "only neighbours have distances"},
        {AS_FOLDS, "000000", "", "no whole number of rows"},
    };
    static const struct {
        const char *as, *rows, *word;
    } wholes[] = {
        {AS_KEPT, "0100010000", "5 rows are there for 6 samples"},
        {AS_KEPT, "000000000000", "it keeps no sample"},
        {AS_KEPT, "010001010001", "sample 3: it has no label"},
        {AS_FOLDS, "000001000200ffff00000100", "sample 2: there is no fold 2"},
    };
    struct harness *h = *state;
    struct peer *peer = peer_new(h);
    int draft;

    attached_dataset(peer);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        const char *said;

        draft = attached_begin(peer, "a", pieces[i].as);
        said = peer_refused(peer, EVD_E_BAD_VALUE, "attachment.append",
                            "[{'draft': %d, 'rows': {'$bin': '%s'}, 'distances': {'$bin': '%s'}}]",
                            draft, pieces[i].rows, pieces[i].distances);
        if (!strstr(said, pieces[i].word))
            fail_msg("%s", said);
        peer_refused(peer, EVD_E_NOT_FOUND, "attachment.commit", "[{'draft': %d}]", draft);
    }
    for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
        const char *said;

        draft = attached_begin(peer, "a", wholes[i].as);
        attached_append(peer, draft, wholes[i].rows, "");
        said = peer_refused(peer, EVD_E_BAD_VALUE, "attachment.commit", "[{'draft': %d}]", draft);
        if (!strstr(said, wholes[i].word))
            fail_msg("%s", said);
        peer_refused(peer, EVD_E_NOT_FOUND, "attachment.append",
                     "[{'draft': %d, 'rows': {'$bin': ''}}]", draft);
    }
    draft = attached_begin(peer, "a", AS_KEPT);
    attached_append(peer, draft, KEPT, "");
    peer_refused(peer, EVD_E_BAD_VALUE, "attachment.commit", "[{'draft': %d, 'samples': 5}]",
                 draft);
    peer_refused(peer, EVD_E_CONFLICT, "dataset.append", "[{'draft': %d, 'labels': [0]}]", draft);
    peer_refused(peer, EVD_E_CONFLICT, "dataset.commit", "[{'draft': %d}]", draft);
    peer_do(peer, "attachment.commit", "[{'draft': %d, 'samples': 6}]", draft);
    draft = attached_begin(peer, "b", AS_KEPT);
    peer_refused(peer, EVD_E_BAD_TYPE, "attachment.append", "[{'draft': %d, 'rows': [1]}]", draft);
    peer_do(peer, "dataset.create", "[{'name': 'e'}]");
    assert_non_null(strstr(peer_refused(peer, EVD_E_CONFLICT, "attachment.append",
                                        "[{'draft': %d, 'rows': {'$bin': ''}}]", draft + 1),
                           "dataset.append"));
    assert_int_equal(attached_count(peer), 1);
}

static void so_many_and_no_more(void **state)
{
    struct harness *h = *state;
    struct peer *peer = peer_new(h), *other = peer_new(h);
    char name[16];

    attached_dataset(peer);
    for (unsigned i = 0; i < EVD_MAX_ATTACHMENTS - EVD_MAX_DRAFTS; i++) {
        snprintf(name, sizeof(name), "a%u", i);
        json_decref(attached_make(peer, name, AS_KEPT, KEPT, ""));
    }
    for (unsigned i = 0; i < EVD_MAX_DRAFTS; i++)
        attached_begin(peer, "more", AS_KEPT);
    assert_non_null(strstr(peer_refused(peer, EVD_E_LIMIT, "attachment.create",
                                        "[{'dataset': 'd', 'name': 'b', " AS_KEPT "}]"),
                           "sending 64"));
    assert_non_null(strstr(peer_refused(other, EVD_E_LIMIT, "attachment.create",
                                        "[{'dataset': 'd', 'name': 'b', " AS_KEPT "}]"),
                           "has 256 attachments"));
    peer_refused(peer, EVD_E_LIMIT, "dataset.create", "[{'name': 'e'}]");
    peer_close(peer);
    harness_quiet(h);
    attached_begin(other, "b", AS_KEPT);
    assert_int_equal(attached_count(other), EVD_MAX_ATTACHMENTS - EVD_MAX_DRAFTS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(they_come_back),   TEST(answers_are_bounded), TEST(creates_are_refused),
        TEST(rows_are_refused), TEST(so_many_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
