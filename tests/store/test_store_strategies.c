/*
 * Strategies in the database: large ones that differ little from one another take little room and
 * come back as they were, one by one and when everything is loaded, whatever was cancelled or
 * forgotten between them; and what is damaged is empty.
 */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sqlite_fault.h"
#include "store/sqlite/difference.h"

enum { BYTES = 40000, REVISIONS = 100 };

/* The strategy of a revision: as that of the one before, but for 64 bytes. */
static const char *text_of(uint32_t revision)
{
    static char texts[REVISIONS + 1][BYTES];
    static uint32_t made;
    uint64_t x = 88172645463325252u;

    if (made == 0) {
        for (uint32_t k = 0; k <= REVISIONS; k++) {
            if (k > 0)
                memcpy(texts[k], texts[k - 1], BYTES);
            for (int i = 0; i < (k == 0 ? BYTES : 64); i++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                texts[k][k == 0 ? (uint64_t)i : (x >> 8) % BYTES & ~UINT64_C(1)] = (char)(x >> 56);
            }
        }
        made = REVISIONS + 1;
    }
    assert_true(revision < made);
    return texts[revision];
}

static struct noted_op with_text(struct noted_op op, uint32_t revision)
{
    op.op.revision.strategy = text_of(revision);
    op.op.revision.strategy_bytes = BYTES;
    return op;
}

static int add(struct fixture *f, uint32_t revision, uint32_t keep)
{
    return run(f, with_text(op_revision(7, revision, keep), revision));
}

static void make_job(struct fixture *f, uint32_t revisions)
{
    fixture_open(f, NULL, 0);
    make_dataset(f, 1, "pets", 1);
    assert_int_equal(run(f, with_text(op_job(7, "train", 1), 0)), EVD_OK);
    for (uint32_t i = 1; i < revisions; i++)
        assert_int_equal(add(f, i, i - 1), EVD_OK);
}

static size_t read_back(struct fixture *f, uint32_t revision, void **strategy)
{
    const struct store_place place = {7, 0, revision};
    struct evd_error err = {0};
    size_t bytes = 0;

    if (store_read_strategy(f->store, &place, strategy, &bytes, &err) != EVD_OK)
        fail_msg("revision %u: %s", revision, err.message);
    return bytes;
}

static void check_texts(struct fixture *f, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        void *strategy;

        assert_int_equal(read_back(f, i, &strategy), BYTES);
        assert_memory_equal(strategy, text_of(i), BYTES);
        free(strategy);
    }
}

static int64_t stored_bytes(struct fixture *f)
{
    return sqlite_query(f->path, "SELECT sum(length(strategy)) FROM revision");
}

/* ---- what a load gives ---- */

struct loaded {
    uint32_t first, count, forgotten, empty;
    uint64_t stored;
};

static int take_dataset(void *arg, const struct store_dataset *d, struct evd_error *err)
{
    (void)arg, (void)d, (void)err;
    return EVD_OK;
}

static int take_chunk(void *arg, const struct store_chunk *c, struct evd_error *err)
{
    (void)arg, (void)c, (void)err;
    return EVD_OK;
}

static int take_end(void *arg, struct evd_error *err)
{
    (void)arg, (void)err;
    return EVD_OK;
}

static int take_job(void *arg, const struct store_job *j, struct evd_error *err)
{
    (void)arg, (void)j, (void)err;
    return EVD_OK;
}

static int take_revision(void *arg, const struct store_revision *r, struct evd_error *err)
{
    struct loaded *loaded = arg;

    (void)err;
    loaded->count++;
    loaded->stored += r->stored_bytes;
    if (r->forgotten) {
        loaded->forgotten++;
        assert_int_equal(r->forgotten->bytes, BYTES + r->revision);
        assert_int_equal(r->forgotten->hash, UINT64_MAX - r->revision);
        assert_string_equal(r->forgotten->kind, "weighted");
        assert_int_equal(r->stored_bytes, 0);
    } else if (r->strategy_bytes == 0) {
        loaded->empty++;
    } else {
        assert_int_equal(r->strategy_bytes, BYTES);
        assert_memory_equal(r->strategy, text_of(r->revision), BYTES);
    }
    return EVD_OK;
}

static int take_progress(void *arg, uint64_t job, const struct store_progress *p,
                         struct evd_error *err)
{
    (void)arg, (void)job, (void)p, (void)err;
    return EVD_OK;
}

static void ignore(void *arg, const char *what)
{
    (void)arg, (void)what;
}

static void no_damage(void *arg, const char *what)
{
    (void)arg;
    fail_msg("%s", what);
}

/* What the daemon loads, and what a look at the file does. */
static struct loaded load(struct fixture *f)
{
    const struct store_look look = {.stage = ignore, .damage = no_damage};
    struct loaded loaded = {0}, first;
    const struct store_reader reader = {.arg = &loaded,
                                        .dataset_begin = take_dataset,
                                        .dataset_chunk = take_chunk,
                                        .dataset_end = take_end,
                                        .job = take_job,
                                        .revision = take_revision,
                                        .progress = take_progress};
    struct store_db *db;
    struct evd_error err;
    uint64_t next;
    bool readable;

    assert_int_equal(sqlite_open(&db, f->path, NULL, &err), EVD_OK);
    assert_int_equal(sqlite_engine.load(db, &reader, &next, &err), EVD_OK);
    sqlite_engine.close(db);
    first = loaded;
    loaded = (struct loaded){0};
    assert_int_equal(sqlite_engine.examine(&db, f->path, &look, &readable, &err), EVD_OK);
    assert_true(readable);
    assert_int_equal(sqlite_engine.load(db, &reader, &next, &err), EVD_OK);
    sqlite_engine.close(db);
    assert_memory_equal(&loaded, &first, sizeof(first));
    return loaded;
}

/* ---- differences ---- */

static void what_changed_is_stored(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded;

    make_job(f, REVISIONS);
    check_texts(f, 0, REVISIONS);
    fixture_close(f);
    /* Four are whole, and the others take a few bytes for each that changed. */
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference"), REVISIONS - 4);
    assert_int_equal(sqlite_query(f->path, "SELECT max(place) FROM difference"), DIFFERENCES_MOST);
    assert_true(stored_bytes(f) < 4 * BYTES + (REVISIONS - 4) * 64 * 16);
    loaded = load(f);
    assert_int_equal(loaded.count, REVISIONS);
    assert_int_equal(loaded.empty, 0);
    assert_int_equal(loaded.stored, stored_bytes(f));
    fixture_open(f, NULL, 0);
    check_texts(f, 0, REVISIONS);
    fixture_close(f);
}

/* What has little in common with the one before is whole, and so is what is small. */
static void others_are_whole(void **state)
{
    struct fixture *f = *state;
    struct noted_op op;

    make_job(f, 2);
    assert_int_equal(run(f, op_revision(7, 2, 1)), EVD_OK);
    op = op_revision(7, 3, 2);
    op.op.revision.strategy = text_of(0) + BYTES / 2;
    op.op.revision.strategy_bytes = BYTES / 2;
    assert_int_equal(run(f, op), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference"), 1);
    assert_int_equal(
        sqlite_query(f->path, "SELECT length(strategy) FROM revision WHERE revision = 3"),
        BYTES / 2);
}

/* Revisions that had not begun go, and the next one differs from what stays. */
static void cancelled_revisions_are_no_base(void **state)
{
    struct fixture *f = *state;

    make_job(f, 6);
    assert_int_equal(add(f, 6, 2), EVD_OK);
    assert_int_equal(add(f, 7, 6), EVD_OK);
    check_texts(f, 0, 3);
    check_texts(f, 6, 8);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT base_revision FROM difference"
                                           " WHERE revision = 6"),
                     2);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference"), 4);
    fixture_open(f, NULL, 0);
    check_texts(f, 6, 8);
    assert_int_equal(run(f, op_job_drop(7)), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference"), 0);
}

/* ---- forgetting ---- */

static int forget(struct fixture *f, uint32_t from, uint32_t to)
{
    struct store_forgotten rows[REVISIONS];
    struct noted_op op = {.op = {.kind = STORE_FORGET, .job = {.id = 7}, .forgotten = rows}};

    for (uint32_t i = from; i < to; i++)
        rows[op.op.forgotten_count++] = (struct store_forgotten){
            .revision = i, .bytes = BYTES + i, .hash = UINT64_MAX - i, .kind = "weighted"};
    return run(f, op);
}

static void forgotten_strategies_take_no_room(void **state)
{
    struct fixture *f = *state;
    struct loaded loaded;

    make_job(f, 80);
    /* In slices; 0 to 31 are one chain, of which the first is needed until all are forgotten. */
    assert_int_equal(forget(f, 0, 10), EVD_OK);
    assert_int_equal(forget(f, 10, 20), EVD_OK);
    assert_int_equal(forget(f, 10, 20), EVD_OK); /* once more, after a restart */
    check_texts(f, 20, 80);
    fixture_close(f);
    loaded = load(f);
    assert_int_equal(loaded.count, 80);
    assert_int_equal(loaded.forgotten, 20);
    assert_int_equal(loaded.empty, 0);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM forgotten WHERE held"), 20);
    assert_true(stored_bytes(f) > 3 * BYTES);
    fixture_open(f, NULL, 0);
    assert_int_equal(forget(f, 20, 32), EVD_OK);
    check_texts(f, 32, 80);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM forgotten WHERE held"), 0);
    assert_true(stored_bytes(f) < 3 * BYTES);
    assert_int_equal(sqlite_query(f->path, "SELECT sum(length(strategy)) FROM revision"
                                           " WHERE revision < 32"),
                     0);
    /* And goes on from there. */
    fixture_open(f, NULL, 0);
    assert_int_equal(forget(f, 32, 79), EVD_OK);
    assert_int_equal(add(f, 80, 79), EVD_OK);
    check_texts(f, 79, 81);
    fixture_close(f);
    loaded = load(f);
    assert_int_equal(loaded.forgotten, 79);
    assert_int_equal(loaded.empty, 0);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* However many are forgotten, those whose text is there are found by an index. */
static void few_are_looked_at(void **state)
{
    static const char *const texts[] = {
#define TEXT(id, text) [SQL_##id] = "EXPLAIN QUERY PLAN " text,
        SQL_STATEMENTS(TEXT)
#undef TEXT
    };
    struct fixture *f = *state;
    sqlite3 *db;

    make_job(f, 1);
    fixture_close(f);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    for (int i = SQL_FORGET_FIND; i <= SQL_FORGET_END; i++) {
        sqlite3_stmt *stmt;
        int found = 0;

        assert_int_equal(sqlite3_prepare_v2(db, texts[i], -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(stmt, 3);

            assert_null(strstr(line, "SCAN "));
            if (strstr(line, "SEARCH f"))
                assert_non_null(strstr(line, "USING INDEX forgotten_held"));
            found += strstr(line, "SEARCH f") != NULL;
        }
        assert_int_equal(found, 1);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
}

/* A job that is gone, or a revision that was cancelled meanwhile, has nothing to forget. */
static void what_is_gone_is_not_forgotten(void **state)
{
    struct fixture *f = *state;

    make_job(f, 3);
    assert_int_equal(forget(f, 1, 6), EVD_OK);
    assert_int_equal(run(f, op_job_drop(7)), EVD_OK);
    assert_int_equal(forget(f, 0, 2), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM forgotten"), 0);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM revision"), 0);
}

/* ---- damage ---- */

static void damaged_differences_are_empty(void **state)
{
    static const struct {
        const char *sql;
        uint32_t empty; /* of the ten revisions */
    } damages[] = {
        {"UPDATE revision SET strategy = x'' WHERE revision = 4", 6},
        {"UPDATE revision SET strategy = substr(strategy, 1, 60) WHERE revision = 9", 1},
        {"UPDATE revision SET strategy = zeroblob(length(strategy)) WHERE revision = 0", 10},
        {"UPDATE difference SET base_revision = 7 WHERE revision = 5", 5},
        {"UPDATE difference SET base_revision = 77 WHERE revision = 9", 1},
        {"DELETE FROM difference WHERE revision = 9", 0},
    };
    struct fixture *f = *state;
    void *strategy;

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        uint32_t empty = 0, other = 0;

        make_job(f, 10);
        fixture_close(f);
        sqlite_query(f->path, damages[i].sql);
        fixture_open(f, NULL, 0);
        for (uint32_t r = 0; r < 10; r++) {
            size_t bytes = read_back(f, r, &strategy);

            empty += bytes == 0;
            other += bytes != 0 && (bytes != BYTES || memcmp(strategy, text_of(r), BYTES) != 0);
            free(strategy);
        }
        assert_int_equal(empty + other, damages[i].empty > 0 ? damages[i].empty : 1);
        fixture_close(f);
        remove(f->path);
    }
}

/* The next one does not depend on what is damaged, even where that is read as it was later. */
static void damage_is_no_base(void **state)
{
    static const char zeros[BYTES];
    struct fixture *f = *state;
    struct noted_op op = op_revision(7, 3, 2);

    op.op.revision.strategy = zeros;
    op.op.revision.strategy_bytes = BYTES;
    make_job(f, 3);
    fixture_close(f);
    sqlite_query(f->path, "UPDATE difference SET base_revision = 2 WHERE revision = 2");
    fixture_open(f, NULL, 0);
    assert_int_equal(run(f, op), EVD_OK);
    fixture_close(f);
    assert_int_equal(sqlite_query(f->path, "SELECT count(*) FROM difference"
                                           " WHERE revision = 3"),
                     0);
    assert_int_equal(
        sqlite_query(f->path, "SELECT length(strategy) FROM revision WHERE revision = 3"), BYTES);
}

static size_t stored_of(struct fixture *f, int revision, char *out, size_t size)
{
    sqlite3_stmt *stmt;
    sqlite3 *db;
    size_t n;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT strategy FROM revision WHERE revision = ?1", -1, &stmt, NULL);
    sqlite3_bind_int(stmt, 1, revision);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = (size_t)sqlite3_column_bytes(stmt, 0);
    assert_in_range(n, 1, size);
    memcpy(out, sqlite3_column_blob(stmt, 0), n);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

/* Every length and every byte of a difference: never more than what was asked, never out of
 * bounds. */
static void no_difference_is_trusted(void **state)
{
    struct fixture *f = *state;
    struct evd_error err;
    char stored[4096], bad[4096];
    void *out;
    size_t n, bytes;

    make_job(f, 2);
    fixture_close(f);
    n = stored_of(f, 1, stored, sizeof(stored));
    for (size_t i = 0; i <= n; i++) {
        assert_int_equal(difference_apply(text_of(0), BYTES, stored, i, &out, &bytes, &err),
                         EVD_OK);
        assert_int_equal(bytes, i == n ? BYTES : 0);
        free(out);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, stored, n);
        bad[i] ^= (char)(1 << i % 8);
        assert_int_equal(difference_apply(text_of(0), BYTES, bad, n, &out, &bytes, &err), EVD_OK);
        assert_true(bytes == 0 || memcmp(out, text_of(1), BYTES) == 0);
        free(out);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_changed_is_stored),
        TEST(others_are_whole),
        TEST(cancelled_revisions_are_no_base),
        TEST(forgotten_strategies_take_no_room),
        TEST(few_are_looked_at),
        TEST(what_is_gone_is_not_forgotten),
        TEST(damaged_differences_are_empty),
        TEST(damage_is_no_base),
        TEST(no_difference_is_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
