/*
 * Power cuts: whenever the power goes, and whatever the disk makes of what was not synced, the
 * database opens again by itself, is sound, holds everything that was confirmed and the group under
 * way as a whole or not at all.
 *
 * EVD_LONG=1 cuts 200,000 times (20,000 under sanitizers); EVD_SEED=n cuts in other places.
 */
#include "store_fixture.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/limits.h"
#include "sqlite_power.h"
#include "store/sqlite/sqlite.h"

#define DATABASE "power.db"

#if defined(__SANITIZE_ADDRESS__)
enum { CUTS = 600, LONG_CUTS = 20000 };
#else
enum { CUTS = 2000, LONG_CUTS = 200000 };
#endif

enum { PETS = 1 }; /* the dataset that stays, before those of `sets` */
enum { JOBS = 3, SETS = 3, PIECE = 700, MAX_GROUP = 4 };

/* What can be seen of the database, and what the operations make of it. */
struct state {
    struct {
        bool exists;
        uint64_t step;
        uint32_t world, ranks, revision, generation;
    } jobs[JOBS];
    uint64_t sets[SETS];       /* ids of committed datasets, 0: none */
    uint64_t tables[SETS + 1]; /* and of what is attached to them, and to pets */
};

/* Drafts, which nobody sees and no restart survives. */
struct draft {
    uint64_t id;
    unsigned pieces; /* stored; the draft exists when id is not 0 */
};

struct run {
    uint64_t random;
    uint64_t next_id;
    struct state now;  /* with the group under way */
    struct state sure; /* confirmed */
    struct state seen; /* read back */
    struct draft drafts[SETS];
    struct draft tables[SETS + 1]; /* to be attached to the committed dataset of that place */
    struct store_db *db;
    unsigned kept, lost; /* attachments that outlived a cut, and drafts of some that did not */
};

static uint32_t label_of(uint64_t id, uint64_t sample)
{
    return (uint32_t)((id * 31 + sample) % 1000);
}

static uint64_t row_of(uint64_t id, uint64_t sample)
{
    return id * UINT64_C(0x9e3779b97f4a7c15) + sample;
}

/* ---- reading back ---- */

static int see_dataset(void *arg, const struct store_dataset *d, struct evd_error *err)
{
    struct run *run = arg;

    (void)err;
    if (d->id == PETS)
        return EVD_OK;
    assert_int_equal(d->samples, 2 * PIECE);
    run->seen.sets[strtoul(d->name + 1, NULL, 10)] = d->id;
    return EVD_OK;
}

static int see_chunk(void *arg, const struct store_chunk *c, struct evd_error *err)
{
    (void)arg;
    (void)err;
    for (size_t i = 0; i < c->n; i++)
        assert_int_equal(c->labels[i], label_of(c->dataset, c->first_sample + i));
    return EVD_OK;
}

static int see_end(void *arg, struct evd_error *err)
{
    (void)arg;
    (void)err;
    return EVD_OK;
}

static int see_attachment(void *arg, const struct store_attachment *a, struct evd_error *err)
{
    struct run *run = arg;
    unsigned set = (unsigned)strtoul(a->name + 1, NULL, 10);

    (void)err;
    assert_int_equal(a->samples, 2 * PIECE);
    assert_int_equal(a->digest, UINT64_MAX - a->id);
    assert_int_equal(a->dataset, set == SETS ? PETS : run->seen.sets[set]);
    run->seen.tables[set] = a->id;
    return EVD_OK;
}

static int see_rows(void *arg, const struct store_rows *r, struct evd_error *err)
{
    (void)arg;
    (void)err;
    assert_int_equal(r->rows_bytes, r->n * sizeof(uint64_t));
    assert_int_equal(r->distances_bytes, r->n * sizeof(uint64_t));
    for (size_t i = 0; i < r->n; i++) {
        uint64_t row = row_of(r->attachment, r->first_sample + i), distance;

        assert_memory_equal((const char *)r->rows + i * sizeof(row), &row, sizeof(row));
        distance = ~row;
        assert_memory_equal((const char *)r->distances + i * sizeof(row), &distance, sizeof(row));
    }
    return EVD_OK;
}

static int see_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    (void)arg;
    (void)err;
    fail_msg("%s", why->message);
    return EVD_OK;
}

static int see_job(void *arg, const struct store_job *j, struct evd_error *err)
{
    struct run *run = arg;

    (void)err;
    run->seen.jobs[j->id - 2].exists = true;
    run->seen.jobs[j->id - 2].world = j->world_size;
    return EVD_OK;
}

static int see_revision(void *arg, const struct store_revision *r, struct evd_error *err)
{
    struct run *run = arg;

    (void)err;
    run->seen.jobs[r->job - 2].revision = r->revision;
    return EVD_OK;
}

static int see_seek(void *arg, const struct store_seek *s, struct evd_error *err)
{
    struct run *run = arg;

    (void)err;
    run->seen.jobs[s->job - 2].generation = s->generation;
    return EVD_OK;
}

static int see_world(void *arg, const struct store_world *w, struct evd_error *err)
{
    (void)arg;
    (void)w;
    (void)err;
    return EVD_OK;
}

static int see_progress(void *arg, uint64_t job, const struct store_progress *p,
                        struct evd_error *err)
{
    struct run *run = arg;

    (void)err;
    if (p->rank == 0)
        run->seen.jobs[job - 2].step = p->step;
    assert_int_equal(p->step, run->seen.jobs[job - 2].step + p->rank);
    assert_int_equal(p->rank, run->seen.jobs[job - 2].ranks);
    run->seen.jobs[job - 2].ranks++;
    return EVD_OK;
}

/* ---- one group of random operations ---- */

struct group {
    struct noted_op ops[MAX_GROUP];
    uint32_t labels[MAX_GROUP][PIECE];
    uint64_t rows[MAX_GROUP][PIECE], distances[MAX_GROUP][PIECE];
    char names[MAX_GROUP][8];
    unsigned count;
};

static void add(struct group *group, struct noted_op op)
{
    group->ops[group->count++] = op;
}

/* Create, two pieces, commit, drop, and anew: what is attached to a dataset. */
static void add_table_op(struct run *run, struct group *group, unsigned set)
{
    unsigned i = group->count;
    struct draft *draft = &run->tables[set];

    if (run->now.tables[set]) {
        add(group, op_attachment_drop(run->now.tables[set]));
        run->now.tables[set] = 0;
    } else if (!draft->id) {
        *draft = (struct draft){.id = run->next_id++};
        snprintf(group->names[i], sizeof(group->names[i]), "t%u", set);
        add(group,
            op_attachment(draft->id, group->names[i], set == SETS ? PETS : run->now.sets[set]));
    } else if (draft->pieces < 2) {
        uint64_t first = (uint64_t)draft->pieces++ * PIECE;
        for (uint64_t s = 0; s < PIECE; s++) {
            group->rows[i][s] = row_of(draft->id, first + s);
            group->distances[i][s] = ~group->rows[i][s];
        }
        add(group, op_rows(draft->id, first, group->rows[i], group->distances[i], PIECE));
    } else {
        add(group, op_attachment_commit(draft->id, 2 * PIECE));
        run->now.tables[set] = draft->id;
        draft->id = 0;
    }
}

/* The same of datasets, with which goes what is attached to them, also by halves. */
static void add_dataset_op(struct run *run, struct group *group, unsigned set)
{
    unsigned i = group->count;
    struct draft *draft = &run->drafts[set];

    if (run->now.sets[set] && power_random(&run->random, 6) != 0) {
        add_table_op(run, group, set);
    } else if (run->now.sets[set]) {
        add(group, op_drop(run->now.sets[set]));
        run->now.sets[set] = run->now.tables[set] = 0;
        run->tables[set].id = 0;
    } else if (!draft->id) {
        *draft = (struct draft){.id = run->next_id++};
        snprintf(group->names[i], sizeof(group->names[i]), "s%u", set);
        add(group, op_draft(draft->id, group->names[i]));
    } else if (draft->pieces < 2) {
        uint64_t first = (uint64_t)draft->pieces++ * PIECE;
        for (uint64_t s = 0; s < PIECE; s++)
            group->labels[i][s] = label_of(draft->id, first + s);
        add(group, op_labels(draft->id, first, group->labels[i], PIECE));
    } else {
        add(group, op_commit(draft->id, 1, 2 * PIECE, 0));
        run->now.sets[set] = draft->id;
        draft->id = 0;
    }
}

static void add_job_op(struct run *run, struct group *group)
{
    static const char *const names[JOBS] = {"a", "b", "c"};
    unsigned j = (unsigned)power_random(&run->random, JOBS);
    uint64_t id = j + 2, step = power_random(&run->random, 1000);
    uint32_t ranks = 1 + (uint32_t)power_random(&run->random, 4);

    if (!run->now.jobs[j].exists) {
        add(group, op_job(id, names[j], PETS));
        run->now.jobs[j].exists = true;
    } else if (run->now.jobs[j].revision >= 40) {
        add(group, op_job_drop(id));
        memset(&run->now.jobs[j], 0, sizeof(run->now.jobs[j]));
    } else if (power_random(&run->random, 4) == 0) {
        add(group, op_revision(id, ++run->now.jobs[j].revision, UINT32_MAX));
    } else if (power_random(&run->random, 4) == 0) {
        add(group, op_seek(id, ++run->now.jobs[j].generation, step));
        run->now.jobs[j].step = step;
        run->now.jobs[j].world = run->now.jobs[j].ranks = 1;
    } else {
        add(group, op_progress(id, step, ranks));
        run->now.jobs[j].step = step;
        run->now.jobs[j].world = run->now.jobs[j].ranks = ranks;
    }
}

/* Writes a group; run->now is what it makes of the database. Returns whether it was confirmed. */
static bool write_group(struct run *run)
{
    static struct group group;
    unsigned count = 1 + (unsigned)power_random(&run->random, MAX_GROUP);
    unsigned set = (unsigned)power_random(&run->random, SETS + 1);
    bool committed;

    memset(&group, 0, sizeof(group));
    while (group.count < count) {
        if (power_random(&run->random, 3) == 0)
            add_job_op(run, &group);
        else if (set == SETS)
            add_table_op(run, &group, set);
        else
            add_dataset_op(run, &group, set);
    }
    committed = write_at_once(run->db, group.ops, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(group.ops[i].op.error.code, committed ? EVD_OK : EVD_E_STORE);
    return committed;
}

/* ---- cuts ---- */

static void expect(struct store_db *db, const char *sql, const char *text)
{
    sqlite3_stmt *stmt;

    assert_int_equal(sqlite3_prepare_v2(sqlite_of(db)->db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), text);
    sqlite3_finalize(stmt);
}

/* Tidied, the database holds what can be seen and nothing else: no drafts, no pieces of them. */
static void check_tidy(struct run *run)
{
    unsigned sets = 1, tables = 0;
    char text[64];

    while (sqlite_engine.tidy(run->db))
        continue;
    for (unsigned i = 0; i < SETS; i++)
        sets += run->seen.sets[i] != 0;
    for (unsigned i = 0; i <= SETS; i++)
        tables += run->seen.tables[i] != 0;
    snprintf(text, sizeof(text), "%u %u %u %u", sets, 2 * sets - 1, tables, 2 * tables);
    expect(run->db,
           "SELECT (SELECT count(*) FROM dataset) || ' ' || (SELECT count(*) FROM label_chunk)"
           " || ' ' || (SELECT count(*) FROM attachment)"
           " || ' ' || (SELECT count(*) FROM attachment_chunk)",
           text);
}

/* Opens and looks. False: the power went meanwhile. */
static bool open_and_see(struct run *run)
{
    const struct store_reader reader = {.arg = run,
                                        .dataset_begin = see_dataset,
                                        .dataset_chunk = see_chunk,
                                        .dataset_end = see_end,
                                        .attachment_begin = see_attachment,
                                        .attachment_rows = see_rows,
                                        .attachment_end = see_end,
                                        .attachment_damaged = see_damaged,
                                        .job = see_job,
                                        .seek = see_seek,
                                        .revision = see_revision,
                                        .world = see_world,
                                        .progress = see_progress};
    struct evd_error err = {0};

    memset(&run->seen, 0, sizeof(run->seen));
    memset(run->drafts, 0, sizeof(run->drafts));
    memset(run->tables, 0, sizeof(run->tables));
    if (sqlite_open(&run->db, DATABASE, POWER_VFS, &err) == EVD_OK &&
        sqlite_engine.load(run->db, &reader, &run->next_id, &err) == EVD_OK)
        return true;
    if (!power_is_off())
        fail_msg("%s", err.message);
    return false;
}

static void close_it(struct run *run)
{
    if (run->db)
        sqlite_engine.close(run->db);
    run->db = NULL;
}

/* Writes, checkpoints, sweeps, closes and opens until the power goes. */
static void work(struct run *run)
{
    while (!power_is_off()) {
        if (!run->db && !open_and_see(run))
            return;
        if (!write_group(run))
            return;
        run->sure = run->now;
        if (power_random(&run->random, 8) == 0)
            sqlite_of(run->db)->wal_frames = INT_MAX; /* a checkpoint is due */
        while (power_random(&run->random, 8) != 0 && sqlite_engine.tidy(run->db))
            continue;
        if (power_random(&run->random, 16) == 0)
            close_it(run);
    }
}

/* The power comes back, and perhaps goes again while the database recovers. */
static void recover(struct run *run)
{
    do {
        close_it(run);
        power_on((enum power_loss)power_random(&run->random, POWER_LOSSES),
                 power_random(&run->random, UINT64_MAX));
        power_cut_at((unsigned)power_random(&run->random, 8));
    } while (!open_and_see(run));
    power_cut_at(0);
    expect(run->db, "PRAGMA integrity_check", "ok");
    for (unsigned i = 0; i <= SETS; i++)
        run->kept += run->seen.tables[i] != 0;
    if (power_random(&run->random, 4) == 0)
        check_tidy(run);
    if (memcmp(&run->seen, &run->sure, sizeof(run->seen)) != 0)
        assert_memory_equal(&run->seen, &run->now, sizeof(run->seen));
    run->sure = run->now = run->seen;
}

static unsigned long environment(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : otherwise;
}

static void nothing_confirmed_is_lost(void **state)
{
    static struct run run;
    unsigned cuts =
        (unsigned)environment("EVD_CUTS", environment("EVD_LONG", 0) ? LONG_CUTS : CUTS);
    unsigned long seed = environment("EVD_SEED", 1);
    const uint32_t label = label_of(PETS, 0);
    struct noted_op pets[] = {op_draft(PETS, "pets"), op_labels(PETS, 0, &label, 1),
                              op_commit(PETS, 1, 1, 0)};

    (void)state;
    power_reset();
    open_and_see(&run);
    assert_true(write_at_once(run.db, pets, 3));
    run.next_id = 100; /* above those of the jobs */
    for (unsigned i = 0; i < cuts; i++, seed++) {
        run.random = seed;
        /* Sometimes there is time for a dataset and what is attached to it. */
        power_cut_at(1 + (unsigned)power_random(&run.random, i % 8 == 0 ? 500 : 60));
        work(&run);
        for (unsigned t = 0; t <= SETS; t++)
            run.lost += run.tables[t].id != 0 && run.tables[t].pieces > 0;
        recover(&run);
    }
    close_it(&run);
    printf("%u power cuts survived, by %u attachments; %u drafts of some lost\n", cuts, run.kept,
           run.lost);
    assert_true(run.kept > cuts / 20 && run.lost > cuts / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_confirmed_is_lost),
    };

    power_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
