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
#include "store/sqlite/attachments.h"
#include "store/sqlite/difference.h"
#include "store/sqlite/error.h"
#include "store/sqlite/load_jobs.h"
#include "store/sqlite/schema.h"

/* The rows are there, and what is in them does not fit. */
static int damaged(struct loading *load)
{
    if (rows_out_of_memory(load))
        return rows_no_memory(load);
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
                                .first_class = row_u32(load, row, 0),
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
    uint64_t n = row_u64(row, 1);
    uint32_t width = row_u32(load, row, 2);
    const void *stored = sqlite3_column_blob(row, 3);
    struct store_chunk chunk = {
        .dataset = load->dataset.id, .first_sample = row_u64(row, 0), .n = n};
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
                                .column = row_text(load, row, 0),
                                .first_weight = row_u64(row, 1),
                                .weights_n = row_u64(row, 2)};
    size_t bytes = chunk.weights_n * sizeof(*chunk.weights);
    bool next_column = chunk.first_weight == 0 && load->next == load->dataset.samples;
    int code;

    if (!stored || rows_out_of_memory(load) || load->row_damaged ||
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
    code = rows_each(load,
                     "SELECT first_class, names FROM class_chunk WHERE dataset = ?1"
                     " ORDER BY first_class",
                     dataset->id, read_names);
    if (code == EVD_OK && load->next != dataset->classes)
        code = damaged(load);
    load->next = 0;
    if (code == EVD_OK)
        code = rows_each(load,
                         "SELECT first_sample, n, width, labels FROM label_chunk WHERE dataset = ?1"
                         " ORDER BY first_sample",
                         dataset->id, read_labels);
    if (code == EVD_OK && load->next != dataset->samples)
        code = damaged(load);
    if (code == EVD_OK)
        code = rows_each(load,
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

    load->dataset = (struct store_dataset){.id = row_u64(row, 0),
                                           .name = row_text(load, row, 1),
                                           .version = row_u32(load, row, 2),
                                           .created = row_u64(row, 3),
                                           .samples = row_u64(row, 4),
                                           .labelled = row_u64(row, 5),
                                           .classes = row_u32(load, row, 6),
                                           .checksum = row_u64(row, 7),
                                           .owned = row_u32(load, row, 8) != 0};
    bad = load->row_damaged || row_u32(load, row, 9) == 0;
    load->damaged = false;
    if (rows_out_of_memory(load))
        return rows_no_memory(load);
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

static int read_max_id(struct loading *load, sqlite3_stmt *row)
{
    load->max_id = row_u64(row, 0);
    return EVD_OK;
}

int sqlite_load(struct store_db *db, const struct store_reader *reader, uint64_t *next_id,
                struct evd_error *err)
{
    struct sqlite *sqlite = sqlite_of(db);
    struct loading load = {.sqlite = sqlite, .reader = reader, .err = err};
    int code = rows_each(&load,
                         "SELECT id, name, version, created, samples, labelled, classes, checksum,"
                         " owned, state = " DATASET_COMMITTED
                         " FROM dataset WHERE NOT " DATASET_LEFT_BEHIND " ORDER BY id",
                         0, read_dataset);

    free(load.buffer);
    if (code == EVD_OK)
        code = load_attachments(&load);
    if (code == EVD_OK)
        code = load_jobs(&load);
    if (code == EVD_OK)
        code = rows_each(&load,
                         "SELECT max(coalesce((SELECT max(id) FROM dataset), 0),"
                         " coalesce((SELECT max(id) FROM attachment), 0),"
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
    return difference_read(sqlite_of(db), place, strategy, bytes, err);
}
