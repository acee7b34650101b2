/*
 * Copies table by table, row by row in the order of the key, past what cannot be read: where a page
 * is damaged the next key is tried, then the one after it. Into the schema of this version, whose
 * defaults say what columns that an older file does not have would hold.
 *
 * What a dataset has lost shows when it is loaded, by its checksum. Not so a job, which might have
 * a revision less and look whole. So the jobs on both sides of whatever was not read in order and
 * taken as it was are in doubt, and are left out.
 */
#include "store/sqlite/salvage.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store/sqlite/error.h"
#include "store/sqlite/open.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/tidy.h"

#define COMMIT_BYTES (16u << 20)
/* Keys tried one by one behind what cannot be read; then the steps double. */
#define STEPS 65536

static const struct table {
    const char *name, *key;
    bool of_job; /* its key is a job's id, and several rows have it */
} tables[] = {
    {"dataset", "id", false},      {"class_chunk", "id", false}, {"label_chunk", "id", false},
    {"weight_chunk", "id", false}, {"attachment", "id", false},  {"attachment_chunk", "id", false},
    {"job", "id", false},          {"revision", "job", true},    {"difference", "job", true},
    {"forgotten", "job", true},    {"seek", "job", true},        {"world", "job", true},
    {"progress", "job", true},
};

struct salvage {
    struct sqlite *from, *to;
    const struct store_look *look;
    struct evd_error *err;
    int64_t *doubted; /* ids of jobs */
    size_t doubted_count, doubted_cap;
    uint64_t bytes; /* since the last commit */
    bool jobs_lost; /* rows of no job are theirs */
    /* Of the table at hand: */
    const struct table *table;
    sqlite3_stmt *read, *insert;
    int64_t last;   /* key of the row before; -1: none */
    bool uncertain; /* something is between that and the next */
    uint64_t unread, unkept;
};

static int failed(struct salvage *s, int rc)
{
    return sqlite_error(s->to, rc, s->err);
}

static int run(struct salvage *s, const char *sql)
{
    int rc = sqlite3_exec(s->to->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? EVD_OK : failed(s, rc);
}

static int doubt(struct salvage *s, int64_t job)
{
    if (!s->table->of_job || job < 0)
        return EVD_OK;
    if (s->doubted_count > 0 && s->doubted[s->doubted_count - 1] == job)
        return EVD_OK; /* one key after the other is tried behind what cannot be read */
    if (s->doubted_count == s->doubted_cap) {
        size_t cap = s->doubted_cap ? s->doubted_cap * 2 : 64;
        int64_t *grown = realloc(s->doubted, cap * sizeof(*grown));

        if (!grown)
            return error_no_memory(s->err);
        s->doubted = grown;
        s->doubted_cap = cap;
    }
    s->doubted[s->doubted_count++] = job;
    return EVD_OK;
}

/* ---- a table ---- */

/* Whether the file has that column (brackets, for a quoted name that is none would be text). */
static bool has_column(struct salvage *s, const char *column)
{
    char sql[128];
    sqlite3_stmt *stmt = NULL;
    int rc;

    snprintf(sql, sizeof(sql), "SELECT [%s] FROM [%s]", column, s->table->name);
    rc = sqlite3_prepare_v2(s->from->db, sql, -1, &stmt, NULL);
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK;
}

/* The columns that both have: "id, name, ..." and as many "?, ?, ...". */
static int list_columns(struct salvage *s, char *names, char *marks, size_t size)
{
    sqlite3_stmt *stmt;
    size_t n = 0, m = 0;
    int rc =
        sqlite3_prepare_v2(s->to->db, "SELECT name FROM pragma_table_info(?1)", -1, &stmt, NULL);

    if (rc != SQLITE_OK)
        return failed(s, rc);
    sqlite3_bind_text(stmt, 1, s->table->name, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && n + 64 < size) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);

        if (!name || !has_column(s, name))
            continue;
        n += (size_t)snprintf(names + n, size - n, "%s%s", n ? ", " : "", name);
        m += (size_t)snprintf(marks + m, size - m, "%s?", m ? ", " : "");
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? EVD_OK : failed(s, rc);
}

static int prepare(struct salvage *s)
{
    char names[512] = "", marks[128] = "", sql[1024];
    int rc, code = list_columns(s, names, marks, sizeof(marks) * 4);

    if (code != EVD_OK || !names[0])
        return code;
    snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE %s > ?1 ORDER BY %s", names, s->table->name,
             s->table->key, s->table->key);
    rc = sqlite3_prepare_v2(s->from->db, sql, -1, &s->read, NULL);
    if (rc == SQLITE_NOMEM)
        return failed(s, rc);
    snprintf(sql, sizeof(sql), "INSERT INTO %s(%s) VALUES(%s)", s->table->name, names, marks);
    rc = sqlite3_prepare_v2(s->to->db, sql, -1, &s->insert, NULL);
    return rc == SQLITE_OK ? EVD_OK : failed(s, rc);
}

static int commit(struct salvage *s)
{
    int rc, code = run(s, "COMMIT");

    s->bytes = 0;
    if (code != EVD_OK)
        return code;
    rc = sqlite_settle(s->to);
    return rc == SQLITE_OK ? run(s, "BEGIN") : failed(s, rc);
}

/* What the row is refused for (there is one like it, or nothing it belongs to) is damage too. */
static int keep_row(struct salvage *s, int64_t key)
{
    int rc = SQLITE_OK, columns = sqlite3_column_count(s->read);

    for (int i = 0; rc == SQLITE_OK && i < columns; i++) {
        sqlite3_value *value = sqlite3_column_value(s->read, i);

        s->bytes += 16 + (uint64_t)sqlite3_value_bytes(value);
        rc = sqlite3_bind_value(s->insert, i + 1, value);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s->insert);
    sqlite3_reset(s->insert);
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY && s->jobs_lost) {
        s->unkept++;
        return EVD_OK;
    }
    if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH) {
        s->unkept++;
        s->uncertain = true;
        return doubt(s, key) == EVD_OK ? doubt(s, s->last) : s->err->code;
    }
    return rc == SQLITE_DONE ? EVD_OK : failed(s, rc);
}

static int take_row(struct salvage *s)
{
    int64_t key = sqlite3_column_int64(s->read, 0);
    bool uncertain = s->uncertain || key < s->last;
    int code = EVD_OK;

    s->uncertain = key < s->last;
    if (uncertain)
        code = doubt(s, key);
    if (code == EVD_OK && s->uncertain)
        code = doubt(s, s->last);
    if (code == EVD_OK)
        code = keep_row(s, key);
    if (key > s->last)
        s->last = key;
    return code == EVD_OK && s->bytes > COMMIT_BYTES ? commit(s) : code;
}

/* The key behind which to go on, `tries` after the last that could be read; -1: there is none. */
static int64_t step_over(const struct salvage *s, unsigned tries)
{
    uint64_t from = s->last < 0 ? 0 : (uint64_t)s->last;
    uint64_t step = tries <= STEPS ? tries : (uint64_t)STEPS << (tries - STEPS);

    return tries > STEPS + 46 || from + step > INT64_MAX ? -1 : (int64_t)(from + step);
}

static int copy_rows(struct salvage *s)
{
    int64_t after = -1;
    unsigned tries = 0;
    int rc, code = EVD_OK;

    do {
        sqlite3_reset(s->read);
        sqlite3_bind_int64(s->read, 1, after);
        while (code == EVD_OK && (rc = sqlite3_step(s->read)) == SQLITE_ROW) {
            tries = 0;
            code = take_row(s);
        }
        if (code != EVD_OK || rc == SQLITE_DONE)
            return code;
        if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
            return failed(s, rc);
        s->unread += tries == 0;
        s->uncertain = true;
        code = doubt(s, s->last);
        after = step_over(s, ++tries);
    } while (code == EVD_OK && after >= 0);
    return code;
}

static void tell_table(const struct salvage *s)
{
    char text[256];

    if (!s->insert)
        snprintf(text, sizeof(text), "table %s: it cannot be read at all", s->table->name);
    else if (s->unread + s->unkept > 0)
        snprintf(text, sizeof(text),
                 "table %s: rows could not be read in %" PRIu64 " places, and %" PRIu64
                 " that contradict others were left out",
                 s->table->name, s->unread, s->unkept);
    else
        return;
    s->look->damage(s->look->arg, text);
}

static int copy_table(struct salvage *s, const struct table *table)
{
    int code;

    s->table = table;
    s->read = s->insert = NULL;
    s->last = -1;
    s->uncertain = false;
    s->unread = s->unkept = 0;
    code = prepare(s);
    if (code == EVD_OK && s->read)
        code = copy_rows(s);
    if (code == EVD_OK)
        tell_table(s);
    if (strcmp(table->name, "job") == 0)
        s->jobs_lost = s->unread + s->unkept > 0;
    sqlite3_finalize(s->read);
    sqlite3_finalize(s->insert);
    return code;
}

/* ---- all of it ---- */

static int drop_doubted(struct salvage *s)
{
    sqlite3_stmt *find = NULL;
    char text[512], sql[64];
    int code = EVD_OK;
    int rc = sqlite3_prepare_v2(s->to->db, "SELECT name FROM job WHERE id = ?1", -1, &find, NULL);

    if (rc != SQLITE_OK)
        return failed(s, rc);
    for (size_t i = 0; code == EVD_OK && i < s->doubted_count; i++) {
        sqlite3_bind_int64(find, 1, s->doubted[i]);
        rc = sqlite3_step(find);
        if (rc == SQLITE_ROW) {
            snprintf(text, sizeof(text),
                     "job \"%s\" is left out: of its history rows may be missing",
                     (const char *)sqlite3_column_text(find, 0));
            s->look->damage(s->look->arg, text);
        }
        sqlite3_reset(find);
        snprintf(sql, sizeof(sql), "DELETE FROM job WHERE id = %" PRId64, s->doubted[i]);
        code = run(s, sql);
    }
    sqlite3_finalize(find);
    return code;
}

static int copy_all(struct salvage *s)
{
    int code = run(s, "BEGIN");

    for (size_t i = 0; code == EVD_OK && i < sizeof(tables) / sizeof(tables[0]); i++)
        code = copy_table(s, &tables[i]);
    if (code == EVD_OK)
        code = drop_doubted(s);
    if (code == EVD_OK)
        code = commit(s); /* to the disk, not only to the log */
    return code == EVD_OK ? run(s, "COMMIT") : code;
}

int sqlite_salvage(struct store_db *db, const char *path, const struct store_look *look,
                   struct evd_error *err)
{
    struct salvage s = {.from = sqlite_of(db), .look = look, .err = err};
    struct store_db *to;
    int code = sqlite_open(&to, path, NULL, err);

    if (code != EVD_OK)
        return code;
    s.to = sqlite_of(to);
    look->stage(look->arg, "copying what can be read");
    code = copy_all(&s);
    free(s.doubted);
    sqlite_close(to);
    return code;
}
