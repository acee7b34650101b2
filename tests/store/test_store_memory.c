/*
 * Allocations within SQLite and in the store's own code fail, in turn: opening, loading,
 * writing and tidying say that there is no memory, or do it all the same; each operation is there
 * whole if it was confirmed, and not at all if not.
 *
 * The program is linked with --wrap for malloc, calloc, realloc and strdup.
 */
#include "store_fixture.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "sqlite_power.h"
#include "store/sqlite/sqlite.h"

#define DATABASE "memory.db"

static unsigned own, inside; /* allocations until one fails; 0: none fails */
static bool lasting;         /* and all after it */
static unsigned failures;

static bool fails(unsigned *countdown)
{
    if (*countdown == 0 || --*countdown > 0)
        return false;
    if (lasting)
        *countdown = 1;
    failures++;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails(&own) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(&own) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(&own) ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(&own) ? NULL : __real_strdup(text);
}

static sqlite3_mem_methods system_memory;

static void *inside_malloc(int n)
{
    return fails(&inside) ? NULL : system_memory.xMalloc(n);
}

static void *inside_realloc(void *old, int n)
{
    return fails(&inside) ? NULL : system_memory.xRealloc(old, n);
}

static int setup(void **state)
{
    sqlite3_mem_methods methods;

    (void)state;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory);
    methods = system_memory;
    methods.xMalloc = inside_malloc;
    methods.xRealloc = inside_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return -1;
    power_register();
    return 0;
}

/* ---- what is there ---- */

struct seen {
    unsigned datasets, chunks, attachments, jobs, revisions, seeks, worlds, ranks;
    uint64_t newest; /* dataset */
    uint64_t step;   /* of job 7 */
    uint32_t revision;
    bool forgotten;
};

/* Of revisions of job 7: one is as the other, but for their numbers. */
#define STRATEGY 6000u

static const char *strategy_of(uint32_t revision)
{
    static char text[STRATEGY];
    uint32_t x = 12345;

    for (unsigned i = 0; i < STRATEGY; i++)
        text[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    memcpy(text + STRATEGY / 2, &revision, sizeof(revision));
    return text;
}

static struct noted_op with_strategy(struct noted_op op)
{
    static char texts[2][STRATEGY];
    char *text = texts[op.op.revision.revision > 0];

    memcpy(text, strategy_of(op.op.revision.revision), STRATEGY);
    op.op.revision.strategy = text;
    op.op.revision.strategy_bytes = STRATEGY;
    return op;
}

static int see_dataset(void *arg, const struct store_dataset *d, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_string_equal(d->name, d->id == 1 ? "pets" : "more");
    seen->datasets++;
    seen->newest = d->id;
    return EVD_OK;
}

static int see_chunk(void *arg, const struct store_chunk *c, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)c;
    (void)err;
    seen->chunks++;
    return EVD_OK;
}

static int see_end(void *arg, struct evd_error *err)
{
    (void)arg;
    (void)err;
    return EVD_OK;
}

static int see_job(void *arg, const struct store_job *j, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_string_equal(j->name, "train");
    assert_string_equal(j->guarantee, "at-most-once");
    seen->jobs++;
    return EVD_OK;
}

static int see_revision(void *arg, const struct store_revision *r, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_string_equal(r->author, "tests");
    seen->revisions++;
    seen->revision = r->revision;
    seen->forgotten = r->forgotten;
    if (seen->forgotten) {
        assert_string_equal(r->forgotten->kind, "weighted");
        return EVD_OK;
    }
    assert_int_equal(r->strategy_bytes, STRATEGY);
    assert_memory_equal(r->strategy, strategy_of(r->revision), STRATEGY);
    return EVD_OK;
}

static int see_seek(void *arg, const struct store_seek *s, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_string_equal(s->mode, "replay");
    seen->seeks++;
    return EVD_OK;
}

static int see_world(void *arg, const struct store_world *w, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_string_equal(w->author, "tests");
    seen->worlds++;
    return EVD_OK;
}

static int see_progress(void *arg, uint64_t job, const struct store_progress *p,
                        struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_int_equal(job, 7);
    assert_int_equal(p->acked_bytes, p->rank == 0 ? 0 : 2);
    if (p->rank == 0)
        seen->step = p->step;
    seen->ranks++;
    return EVD_OK;
}

/* What is attached has these rows and distances. */
static const char rows[100 * 8] = "rows", distances[100 * 8] = "distances";

static int see_attachment(void *arg, const struct store_attachment *a, struct evd_error *err)
{
    (void)arg;
    (void)err;
    assert_string_equal(a->name, "near");
    assert_string_equal(a->metric, "cosine");
    return EVD_OK;
}

static int see_rows(void *arg, const struct store_rows *r, struct evd_error *err)
{
    (void)arg;
    (void)err;
    assert_int_equal(r->rows_bytes, sizeof(rows));
    assert_memory_equal(r->rows, rows, sizeof(rows));
    assert_int_equal(r->distances_bytes, sizeof(distances));
    assert_memory_equal(r->distances, distances, sizeof(distances));
    return EVD_OK;
}

static int see_attached(void *arg, struct evd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    seen->attachments++;
    return EVD_OK;
}

/* For lack of memory alone nothing is damaged. */
static int see_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    (void)arg;
    (void)err;
    fail_msg("%s", why->message);
    return EVD_OK;
}

static int load(struct store_db *db, struct seen *seen, struct evd_error *err)
{
    const struct store_reader reader = {.arg = seen,
                                        .dataset_begin = see_dataset,
                                        .dataset_chunk = see_chunk,
                                        .dataset_end = see_end,
                                        .attachment_begin = see_attachment,
                                        .attachment_rows = see_rows,
                                        .attachment_end = see_attached,
                                        .attachment_damaged = see_damaged,
                                        .job = see_job,
                                        .seek = see_seek,
                                        .revision = see_revision,
                                        .world = see_world,
                                        .progress = see_progress};
    uint64_t next_id;

    *seen = (struct seen){0};
    return sqlite_engine.load(db, &reader, &next_id, err);
}

/* ---- a life in the file ---- */

enum { OPS = 7 };

static const uint32_t labels[3000] = {1, 70000};
static const double weights[3000] = {0.5};

static void make_file(void)
{
    struct noted_op ops[] = {op_draft(1, "pets"),
                             op_classes(1, 0, "cat\0dog", 8),
                             op_labels(1, 0, labels, 3000),
                             op_weights(1, "w", 0, weights, 3000),
                             op_commit(1, 1, 3000, 2),
                             op_attachment(6, "near", 1),
                             op_rows(6, 0, rows, distances, 100),
                             op_attachment_commit(6, 100),
                             with_strategy(op_job(7, "train", 1)),
                             op_world(7, 1, 2),
                             op_seek(7, 1, 1)};
    struct evd_error err;
    struct store_db *db;

    power_reset();
    assert_int_equal(sqlite_open(&db, DATABASE, POWER_VFS, &err), EVD_OK);
    assert_true(write_at_once(db, ops, 11));
    for (int i = 0; i < 11; i++)
        assert_int_equal(ops[i].op.error.code, EVD_OK);
    sqlite_engine.close(db);
}

static void only_memory(const struct evd_error *err)
{
    if (err->code != EVD_E_NO_MEMORY)
        fail_msg("%d: %s", err->code, err->message);
}

/* Without memory somewhere: opens, loads, writes, tidies, closes. Which of the operations were
 * confirmed, by bits; `id` and `step` are what they write. */
static unsigned live(uint64_t id, uint64_t step)
{
    const uint32_t revision = (uint32_t)step;
    const struct store_forgotten row = {.revision = revision, .kind = "weighted"};
    struct noted_op ops[OPS] = {
        op_draft(id, "more"),
        op_labels(id, 0, labels, 3000),
        op_weights(id, "w", 0, weights, 3000),
        op_commit(id, 1, 3000, 0),
        op_progress(7, step, 3),
        with_strategy(op_revision(7, revision, 0)), /* cancels the one before */
        {.op = {.kind = STORE_FORGET, .job = {.id = 7}, .forgotten = &row, .forgotten_count = 1}},
    };
    struct evd_error err = {0};
    struct store_db *db;
    struct seen seen;
    unsigned confirmed = 0;

    if (sqlite_open(&db, DATABASE, POWER_VFS, &err) != EVD_OK) {
        only_memory(&err);
        return 0;
    }
    if (load(db, &seen, &err) != EVD_OK)
        only_memory(&err);
    write_at_once(db, ops, OPS);
    for (int i = 0; i < OPS; i++) {
        if (ops[i].op.error.code == EVD_OK)
            confirmed |= 1u << i;
        else if (ops[i].op.error.code != EVD_E_CONFLICT) /* what it follows was refused */
            only_memory(&ops[i].op.error);
    }
    sqlite_of(db)->wal_frames = INT_MAX; /* a checkpoint is due */
    sqlite_engine.tidy(db);
    sqlite_engine.close(db);
    return confirmed;
}

/* With memory again. */
static void look(uint64_t id, uint64_t step, unsigned confirmed)
{
    struct noted_op drop = op_drop(id);
    bool committed = confirmed & 8, moved = confirmed & 16, updated = confirmed & 32;
    struct evd_error err = {0};
    struct store_db *db;
    struct seen seen;

    assert_int_equal(sqlite_open(&db, DATABASE, POWER_VFS, &err), EVD_OK);
    assert_int_equal(load(db, &seen, &err), EVD_OK);
    assert_int_equal(seen.attachments, 1);
    assert_int_equal(seen.datasets, committed ? 2 : 1);
    assert_int_equal(seen.newest, committed ? id : 1);
    assert_int_equal(seen.chunks, committed ? 4 + !!(confirmed & 4) : 3);
    assert_int_equal(seen.step == step, moved);
    assert_true(seen.jobs == 1 && seen.seeks == 1 && seen.worlds == 1);
    assert_true(updated ? seen.revisions == 2 : seen.revisions <= 2);
    assert_int_equal(seen.revision == step, updated);
    if (updated)
        assert_int_equal(seen.forgotten, !!(confirmed & 64));
    assert_true(moved ? seen.ranks == 3 : seen.ranks == 1 || seen.ranks == 3);
    if (committed)
        assert_true(write_at_once(db, &drop, 1));
    while (sqlite_engine.tidy(db))
        continue;
    sqlite_engine.close(db);
}

/* Every single one takes minutes: EVD_LONG=1 does that, and otherwise only some fail. */
static unsigned some(unsigned stride)
{
#if defined(__SANITIZE_ADDRESS__)
    stride *= 3;
#endif
    return getenv("EVD_LONG") ? 1 : stride;
}

static void fail_each(unsigned *countdown, unsigned stride)
{
    bool failed = true;

    make_file();
    for (unsigned nth = 1; failed; nth += stride) {
        unsigned confirmed;

        failures = 0;
        *countdown = nth;
        confirmed = live(100 + nth, nth + 1);
        *countdown = 0;
        failed = failures > 0;
        if (!failed)
            assert_int_equal(confirmed, 127);
        look(100 + nth, nth + 1, confirmed);
    }
}

static void each_allocation_of_sqlite(void **state)
{
    (void)state;
    fail_each(&inside, some(11));
}

static void each_allocation_of_sqlite_and_all_after(void **state)
{
    (void)state;
    lasting = true;
    fail_each(&inside, some(23));
    lasting = false;
}

static void each_allocation_of_the_store(void **state)
{
    (void)state;
    fail_each(&own, 1);
}

/* A file that is being made or migrated: whole, or made by the next start. */
static void each_allocation_of_a_new_file(void **state)
{
    unsigned *const countdowns[] = {&inside, &own};

    (void)state;
    for (int i = 0; i < 2; i++) {
        failures = 1;
        for (unsigned nth = 1; failures > 0; nth += i == 0 ? some(11) : 1) {
            struct evd_error err = {0};
            struct store *store;

            power_reset();
            failures = 0;
            *countdowns[i] = nth;
            if (fixture_open_store(&store, DATABASE, POWER_VFS, NULL, NULL, &err) == EVD_OK)
                store_close(store);
            else
                only_memory(&err);
            *countdowns[i] = 0;
            assert_int_equal(fixture_open_store(&store, DATABASE, POWER_VFS, NULL, NULL, &err),
                             EVD_OK);
            store_close(store);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_of_sqlite),
        cmocka_unit_test(each_allocation_of_sqlite_and_all_after),
        cmocka_unit_test(each_allocation_of_the_store),
        cmocka_unit_test(each_allocation_of_a_new_file),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
