/*
 * Reads everything back, row by row, into the caller's reader, once, in the thread that opened the
 * database; and the strategies that are asked for later, in whichever thread has it.
 */
#include "store/sqlite/load.h"

#include <endian.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "proto/limits.h"
#include "store/sqlite/error.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"

/* The state of a load, handed from row to row. */
struct loading {
    struct sqlite *sqlite;
    const struct store_reader *reader;
    struct evd_error *err;
    struct store_dataset dataset; /* the one being read */
    uint64_t next;                /* sample or class that the next chunk must begin with */
    void *buffer;                 /* working memory */
    size_t buffer_bytes;
    bool damaged;     /* the dataset is, and not the database */
    bool row_damaged; /* the row at hand has what cannot have been written */
    uint64_t job;     /* whose rows are being read */
    uint64_t max_id;
};

typedef int (*row_handler)(struct loading *load, sqlite3_stmt *row);

/* Calls `handle` for every row of a query with at most one parameter. */
static int each_row(struct loading *load, const char *sql, uint64_t key, row_handler handle)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(load->sqlite->db, sql, -1, &stmt, NULL);
    int code = EVD_OK;

    if (rc != SQLITE_OK)
        return sqlite_error(load->sqlite, rc, load->err);
    if (sqlite3_bind_parameter_count(stmt) == 1)
        sqlite3_bind_int64(stmt, 1, (sqlite3_int64)key);
    while (code == EVD_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        load->row_damaged = false;
        code = handle(load, stmt);
    }
    if (code == EVD_OK && rc != SQLITE_DONE)
        code = sqlite_error(load->sqlite, rc, load->err);
    sqlite3_finalize(stmt);
    return code;
}

static uint64_t u64(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

static uint32_t u32(struct loading *load, sqlite3_stmt *row, int column)
{
    sqlite3_int64 value = sqlite3_column_int64(row, column);

    load->row_damaged |= value < 0 || value > UINT32_MAX;
    return (uint32_t)value;
}

/* Never NULL; see out_of_memory. */
static const char *text(struct loading *load, sqlite3_stmt *row, int column)
{
    const char *value = (const char *)sqlite3_column_text(row, column);

    if (!value)
        return "";
    load->row_damaged |= strlen(value) != (size_t)sqlite3_column_bytes(row, column);
    return value;
}

/* Whether a text or blob of this row could not be read for lack of memory, and looks empty now. */
static bool out_of_memory(const struct loading *load)
{
    return sqlite3_errcode(load->sqlite->db) == SQLITE_NOMEM;
}

static int no_memory(struct loading *load)
{
    return sqlite_error(load->sqlite, SQLITE_NOMEM, load->err);
}

/* The rows are there, and what is in them does not fit. */
static int damaged(struct loading *load)
{
    if (out_of_memory(load))
        return no_memory(load);
    load->damaged = true;
    return error_set(load->err, EVD_E_STORE, load->dataset.name,
                     "pieces of it are missing or do not fit together");
}

/* What the reader says of a piece. */
static int taken(struct loading *load, int code)
{
    load->damaged = code != EVD_OK && code != EVD_E_NO_MEMORY;
    return code;
}

static int give_chunk(struct loading *load, const struct store_chunk *chunk)
{
    return taken(load, load->reader->dataset_chunk(load->reader->arg, chunk, load->err));
}

/* ---- datasets ---- */

static int read_names(struct loading *load, sqlite3_stmt *row)
{
    const char *names = sqlite3_column_blob(row, 1);
    size_t bytes = (size_t)sqlite3_column_bytes(row, 1);
    struct store_chunk chunk = {.dataset = load->dataset.id,
                                .first_class = u32(load, row, 0),
                                .class_names = names,
                                .class_names_bytes = bytes};

    if (!names || load->row_damaged || names[bytes - 1] != '\0' || chunk.first_class != load->next)
        return damaged(load);
    for (size_t i = 0; i < bytes; i++)
        load->next += names[i] == '\0';
    return give_chunk(load, &chunk);
}

static int reserve(struct loading *load, size_t bytes)
{
    void *buffer;

    if (bytes <= load->buffer_bytes)
        return EVD_OK;
    buffer = realloc(load->buffer, bytes);
    if (!buffer)
        return error_set(load->err, EVD_E_NO_MEMORY, "store", "no memory to read dataset \"%s\"",
                         load->dataset.name);
    load->buffer = buffer;
    load->buffer_bytes = bytes;
    return EVD_OK;
}

static void widen(const void *stored, size_t n, uint32_t width, uint32_t *labels)
{
    for (size_t i = 0; i < n; i++) {
        if (width == 1) {
            uint8_t label = ((const uint8_t *)stored)[i];
            labels[i] = label == UINT8_MAX ? EVD_UNLABELLED : label;
        } else if (width == 2) {
            uint16_t label;
            memcpy(&label, (const char *)stored + i * sizeof(label), sizeof(label));
            labels[i] = label == UINT16_MAX ? EVD_UNLABELLED : le16toh(label);
        } else {
            uint32_t label;
            memcpy(&label, (const char *)stored + i * sizeof(label), sizeof(label));
            labels[i] = le32toh(label);
        }
    }
}

static int read_labels(struct loading *load, sqlite3_stmt *row)
{
    uint64_t n = u64(row, 1);
    uint32_t width = u32(load, row, 2);
    const void *stored = sqlite3_column_blob(row, 3);
    struct store_chunk chunk = {.dataset = load->dataset.id, .first_sample = u64(row, 0), .n = n};
    int code;

    if (!stored || (width != 1 && width != 2 && width != 4) ||
        (uint64_t)sqlite3_column_bytes(row, 3) != n * width || chunk.first_sample != load->next)
        return damaged(load);
    code = reserve(load, n * sizeof(*chunk.labels));
    if (code != EVD_OK)
        return code;
    widen(stored, n, width, load->buffer);
    chunk.labels = load->buffer;
    load->next += n;
    return give_chunk(load, &chunk);
}

/* Columns one after the other, each from sample 0 to the last. */
static int read_weights(struct loading *load, sqlite3_stmt *row)
{
    const void *stored = sqlite3_column_blob(row, 3);
    struct store_chunk chunk = {.dataset = load->dataset.id,
                                .column = text(load, row, 0),
                                .first_weight = u64(row, 1),
                                .weights_n = u64(row, 2)};
    size_t bytes = chunk.weights_n * sizeof(*chunk.weights);
    bool next_column = chunk.first_weight == 0 && load->next == load->dataset.samples;
    int code;

    if (!stored || out_of_memory(load) || load->row_damaged ||
        chunk.weights_n > SIZE_MAX / sizeof(*chunk.weights) ||
        (size_t)sqlite3_column_bytes(row, 3) != bytes ||
        (chunk.first_weight != load->next && !next_column))
        return damaged(load);
    code = reserve(load, bytes);
    if (code != EVD_OK)
        return code;
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t bits;
        memcpy(&bits, (const char *)stored + at, sizeof(bits));
        bits = le64toh(bits);
        memcpy((char *)load->buffer + at, &bits, sizeof(bits));
    }
    chunk.weights = load->buffer;
    load->next = chunk.first_weight + chunk.weights_n;
    return give_chunk(load, &chunk);
}

static int read_pieces(struct loading *load)
{
    const struct store_dataset *dataset = &load->dataset;
    int code;

    load->next = 0;
    code = each_row(load,
                    "SELECT first_class, names FROM class_chunk WHERE dataset = ?1"
                    " ORDER BY first_class",
                    dataset->id, read_names);
    if (code == EVD_OK && load->next != dataset->classes)
        code = damaged(load);
    load->next = 0;
    if (code == EVD_OK)
        code = each_row(load,
                        "SELECT first_sample, n, width, labels FROM label_chunk WHERE dataset = ?1"
                        " ORDER BY first_sample",
                        dataset->id, read_labels);
    if (code == EVD_OK && load->next != dataset->samples)
        code = damaged(load);
    if (code == EVD_OK)
        code = each_row(load,
                        "SELECT name, first_sample, n, weights FROM weight_chunk"
                        " WHERE dataset = ?1 ORDER BY name, first_sample",
                        dataset->id, read_weights);
    if (code == EVD_OK && load->next != dataset->samples)
        code = damaged(load);
    return code;
}

static int read_dataset(struct loading *load, sqlite3_stmt *row)
{
    const struct store_reader *reader = load->reader;
    struct evd_error why;
    bool bad;
    int code;

    load->dataset = (struct store_dataset){.id = u64(row, 0),
                                           .name = text(load, row, 1),
                                           .version = u32(load, row, 2),
                                           .created = u64(row, 3),
                                           .samples = u64(row, 4),
                                           .labelled = u64(row, 5),
                                           .classes = u32(load, row, 6),
                                           .checksum = u64(row, 7),
                                           .owned = u32(load, row, 8) != 0};
    bad = load->row_damaged || u32(load, row, 9) == 0;
    load->damaged = false;
    if (out_of_memory(load))
        return no_memory(load);
    code = taken(load, reader->dataset_begin(reader->arg, &load->dataset, load->err));
    if (code == EVD_OK && bad)
        code = damaged(load);
    if (code == EVD_OK)
        code = read_pieces(load);
    if (code == EVD_OK)
        code = taken(load, reader->dataset_end(reader->arg, load->err));
    if (!load->damaged || !reader->dataset_damaged)
        return code;
    why = *load->err;
    return reader->dataset_damaged(reader->arg, &why, load->err);
}

/* ---- jobs ---- */

static int job_damaged(struct loading *load, const char *what)
{
    const struct store_reader *reader = load->reader;
    struct evd_error why;
    int code = error_set(&why, EVD_E_STORE, "store", "%s of it has what cannot be", what);

    if (reader->job_damaged)
        return reader->job_damaged(reader->arg, load->job, &why, load->err);
    *load->err = why;
    return code;
}

static int read_revision(struct loading *load, sqlite3_stmt *row)
{
    struct store_revision revision = {.job = u64(row, 0),
                                      .generation = u32(load, row, 1),
                                      .revision = u32(load, row, 2),
                                      .epoch = u64(row, 3),
                                      .step = u64(row, 4),
                                      .shape_steps = u64(row, 5),
                                      .shape_last = u32(load, row, 6),
                                      .strategy = sqlite3_column_blob(row, 7),
                                      .strategy_bytes = (size_t)sqlite3_column_bytes(row, 7),
                                      .digest = u64(row, 8),
                                      .created = u64(row, 9),
                                      .author = text(load, row, 10)};

    if (out_of_memory(load))
        return no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "a revision");
    return load->reader->revision(load->reader->arg, &revision, load->err);
}

static int read_seek(struct loading *load, sqlite3_stmt *row)
{
    struct store_seek seek = {.job = u64(row, 0),
                              .generation = u32(load, row, 1),
                              .parent = u32(load, row, 2),
                              .keep_revision = u32(load, row, 3),
                              .epoch = u64(row, 4),
                              .step = u64(row, 5),
                              .left_epoch = u64(row, 6),
                              .left_step = u64(row, 7),
                              .mode = text(load, row, 8),
                              .created = u64(row, 9),
                              .author = text(load, row, 10)};

    if (out_of_memory(load))
        return no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "a seek");
    return load->reader->seek(load->reader->arg, &seek, load->err);
}

static int read_world(struct loading *load, sqlite3_stmt *row)
{
    struct store_world world = {.job = u64(row, 0),
                                .generation = u32(load, row, 1),
                                .epoch = u64(row, 2),
                                .step = u64(row, 3),
                                .world_size = u32(load, row, 4),
                                .created = u64(row, 5),
                                .author = text(load, row, 6)};

    if (out_of_memory(load))
        return no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "a number of ranks");
    return load->reader->world(load->reader->arg, &world, load->err);
}

static int read_progress(struct loading *load, sqlite3_stmt *row)
{
    struct store_progress progress = {.rank = u32(load, row, 1),
                                      .generation = u32(load, row, 2),
                                      .epoch = u64(row, 3),
                                      .step = u64(row, 4),
                                      .acked = sqlite3_column_blob(row, 5),
                                      .acked_bytes = (size_t)sqlite3_column_bytes(row, 5)};

    if (out_of_memory(load))
        return no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "progress");
    return load->reader->progress(load->reader->arg, u64(row, 0), &progress, load->err);
}

static int read_job(struct loading *load, sqlite3_stmt *row)
{
    struct store_job job = {.id = u64(row, 0),
                            .name = text(load, row, 1),
                            .dataset = u64(row, 2),
                            .batch_size = u32(load, row, 3),
                            .world_size = u32(load, row, 4),
                            .seed = u64(row, 5),
                            .created = u64(row, 6),
                            .mode = text(load, row, 7),
                            .last_batch = text(load, row, 8),
                            .guarantee = text(load, row, 9),
                            .time_to_run = u32(load, row, 10),
                            .grace = u32(load, row, 11),
                            .replicas = u32(load, row, 12),
                            .mark_epoch = u64(row, 13),
                            .mark_step = u64(row, 14),
                            .attended = u32(load, row, 15),
                            .ephemeral = u32(load, row, 16)};
    bool bad;
    int code;

    if (out_of_memory(load))
        return no_memory(load);
    load->job = job.id;
    bad = load->row_damaged;
    code = load->reader->job(load->reader->arg, &job, load->err);
    if (code == EVD_OK && bad)
        code = job_damaged(load, "the row");
    if (code == EVD_OK && load->reader->seek)
        code = each_row(load,
                        "SELECT job, generation, parent, keep_revision, epoch, step, left_epoch,"
                        " left_step, mode, created, author FROM seek WHERE job = ?1"
                        " ORDER BY generation",
                        job.id, read_seek);
    if (code == EVD_OK)
        code = each_row(load,
                        "SELECT job, generation, revision, epoch, step, shape_steps, shape_last,"
                        " strategy, digest, created, author FROM revision WHERE job = ?1"
                        " ORDER BY generation, revision",
                        job.id, read_revision);
    if (code == EVD_OK && load->reader->world)
        code = each_row(load,
                        "SELECT job, generation, epoch, step, world_size, created, author"
                        " FROM world WHERE job = ?1 ORDER BY generation, epoch, step",
                        job.id, read_world);
    if (code == EVD_OK)
        code = each_row(load,
                        "SELECT job, rank, generation, epoch, step, acked FROM progress"
                        " WHERE job = ?1 ORDER BY rank",
                        job.id, read_progress);
    return code;
}

/* A row that has lost its job was one that a job has lost, and nobody knows which. */
#define STRAY_ROWS                                                                                 \
    "SELECT 1 FROM (SELECT job FROM revision UNION SELECT job FROM seek UNION SELECT job FROM"     \
    " world UNION SELECT job FROM progress) WHERE job NOT IN (SELECT id FROM job)"

static int refuse_stray(struct loading *load, sqlite3_stmt *row)
{
    (void)row;
    return sqlite_error(load->sqlite, SQLITE_CORRUPT, load->err);
}

static int read_max_id(struct loading *load, sqlite3_stmt *row)
{
    load->max_id = u64(row, 0);
    return EVD_OK;
}

int sqlite_load(struct store_db *db, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err)
{
    struct sqlite *sqlite = sqlite_of(db);
    struct loading load = {.sqlite = sqlite, .reader = reader, .err = err};
    int code = each_row(&load,
                        "SELECT id, name, version, created, samples, labelled, classes, checksum,"
                        " owned, state = " DATASET_COMMITTED
                        " FROM dataset WHERE NOT " DATASET_LEFT_BEHIND " ORDER BY id",
                        0, read_dataset);

    free(load.buffer);
    if (code == EVD_OK)
        code = each_row(&load,
                        "SELECT id, name, dataset, batch_size, world_size, seed, created, mode,"
                        " last_batch, guarantee, time_to_run, grace, replicas, mark_epoch,"
                        " mark_step, attended, ephemeral FROM job ORDER BY id",
                        0, read_job);
    if (code == EVD_OK)
        code = each_row(&load, STRAY_ROWS, 0, refuse_stray);
    if (code == EVD_OK)
        code = each_row(&load,
                        "SELECT max(coalesce((SELECT max(id) FROM dataset), 0),"
                        " coalesce((SELECT max(id) FROM job), 0))",
                        0, read_max_id);
    if (code != EVD_OK)
        return code;
    *next_id = load.max_id + 1;
    /* Ids grow, so every draft below was left behind: tidy.c deletes them. */
    sqlite->draft_floor = *next_id;
    return EVD_OK;
}

int sqlite_read_strategy(struct store_db *db, const struct store_place *place, void **strategy,
                         size_t *bytes, struct evd_error *err)
{
    struct sqlite *sqlite = sqlite_of(db);
    sqlite3_stmt *stmt = sqlite->statements[SQL_REVISION_STRATEGY];
    const void *stored;
    int rc, code = EVD_OK;

    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)place->job);
    sqlite3_bind_int64(stmt, 2, place->generation);
    sqlite3_bind_int64(stmt, 3, place->revision);
    rc = sqlite3_step(stmt);
    stored = rc == SQLITE_ROW ? sqlite3_column_blob(stmt, 0) : NULL;
    *bytes = stored ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;
    *strategy = stored ? malloc(*bytes ? *bytes : 1) : NULL;
    if (*strategy)
        memcpy(*strategy, stored, *bytes);
    else if (rc == SQLITE_DONE)
        code = error_set(err, EVD_E_NOT_FOUND, "revision",
                         "revision %" PRIu32 " is not recorded any more: the job was changed or "
                         "dropped meanwhile",
                         place->revision);
    else
        code = sqlite_error(sqlite, rc == SQLITE_ROW ? SQLITE_NOMEM : rc, err);
    sqlite3_reset(stmt);
    return code;
}
