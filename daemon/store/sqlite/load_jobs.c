/* Reads every job and its rows into the caller's reader (load_jobs.h). */
#include "store/sqlite/load_jobs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "store/sqlite/difference.h"
#include "store/sqlite/error.h"

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

/* The strategy of a revision as it was recorded, kept in `load`; empty where it cannot be had. */
static int read_text(struct loading *load, sqlite3_stmt *row, const struct store_place *place)
{
    const struct store_place base = {place->job, row_u32(load, row, 11), row_u32(load, row, 12)};
    const void *stored = sqlite3_column_blob(row, 7);
    size_t bytes = (size_t)sqlite3_column_bytes(row, 7);
    void *before = load->strategy;
    int code = EVD_OK;

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (sqlite3_column_type(row, 11) == SQLITE_NULL) {
        load->strategy = malloc(bytes ? bytes : 1);
        if (!load->strategy)
            code = rows_no_memory(load);
        else if (bytes > 0)
            memcpy(load->strategy, stored, bytes);
        load->strategy_bytes = bytes;
    } else if (memcmp(&base, &load->before, sizeof(base)) == 0) {
        code = difference_apply(before, load->strategy_bytes, stored, bytes, &load->strategy,
                                &load->strategy_bytes, load->err);
    } else {
        code =
            difference_read(load->sqlite, place, &load->strategy, &load->strategy_bytes, load->err);
    }
    free(before);
    load->before = *place;
    return code;
}

static int read_revision(struct loading *load, sqlite3_stmt *row)
{
    struct store_revision revision = {.job = row_u64(row, 0),
                                      .generation = row_u32(load, row, 1),
                                      .revision = row_u32(load, row, 2),
                                      .epoch = row_u64(row, 3),
                                      .step = row_u64(row, 4),
                                      .shape_steps = row_u64(row, 5),
                                      .shape_last = row_u32(load, row, 6),
                                      .stored_bytes = (size_t)sqlite3_column_bytes(row, 7),
                                      .digest = row_u64(row, 8),
                                      .created = row_u64(row, 9),
                                      .author = row_text(load, row, 10)};
    const struct store_place place = {revision.job, revision.generation, revision.revision};
    const struct store_forgotten forgotten = {revision.generation, revision.revision,
                                              row_u64(row, 13), row_u64(row, 14),
                                              row_text(load, row, 15)};
    int code = EVD_OK;

    if (sqlite3_column_type(row, 13) != SQLITE_NULL) {
        revision.forgotten = &forgotten;
        revision.stored_bytes = 0;
    } else {
        code = read_text(load, row, &place);
        revision.strategy = load->strategy;
        revision.strategy_bytes = load->strategy_bytes;
    }
    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (code != EVD_OK)
        return code;
    if (load->row_damaged)
        return job_damaged(load, "a revision");
    return load->reader->revision(load->reader->arg, &revision, load->err);
}

static int read_seek(struct loading *load, sqlite3_stmt *row)
{
    struct store_seek seek = {.job = row_u64(row, 0),
                              .generation = row_u32(load, row, 1),
                              .parent = row_u32(load, row, 2),
                              .keep_revision = row_u32(load, row, 3),
                              .epoch = row_u64(row, 4),
                              .step = row_u64(row, 5),
                              .left_epoch = row_u64(row, 6),
                              .left_step = row_u64(row, 7),
                              .mode = row_text(load, row, 8),
                              .created = row_u64(row, 9),
                              .author = row_text(load, row, 10)};

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "a seek");
    return load->reader->seek(load->reader->arg, &seek, load->err);
}

static int read_world(struct loading *load, sqlite3_stmt *row)
{
    struct store_world world = {.job = row_u64(row, 0),
                                .generation = row_u32(load, row, 1),
                                .epoch = row_u64(row, 2),
                                .step = row_u64(row, 3),
                                .world_size = row_u32(load, row, 4),
                                .created = row_u64(row, 5),
                                .author = row_text(load, row, 6)};

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "a number of ranks");
    return load->reader->world(load->reader->arg, &world, load->err);
}

static int read_progress(struct loading *load, sqlite3_stmt *row)
{
    struct store_progress progress = {.rank = row_u32(load, row, 1),
                                      .generation = row_u32(load, row, 2),
                                      .epoch = row_u64(row, 3),
                                      .step = row_u64(row, 4),
                                      .acked = sqlite3_column_blob(row, 5),
                                      .acked_bytes = (size_t)sqlite3_column_bytes(row, 5)};

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    if (load->row_damaged)
        return job_damaged(load, "progress");
    return load->reader->progress(load->reader->arg, row_u64(row, 0), &progress, load->err);
}

static int read_job(struct loading *load, sqlite3_stmt *row)
{
    struct store_job job = {.id = row_u64(row, 0),
                            .name = row_text(load, row, 1),
                            .dataset = row_u64(row, 2),
                            .batch_size = row_u32(load, row, 3),
                            .world_size = row_u32(load, row, 4),
                            .seed = row_u64(row, 5),
                            .created = row_u64(row, 6),
                            .mode = row_text(load, row, 7),
                            .last_batch = row_text(load, row, 8),
                            .guarantee = row_text(load, row, 9),
                            .time_to_run = row_u32(load, row, 10),
                            .grace = row_u32(load, row, 11),
                            .replicas = row_u32(load, row, 12),
                            .mark_epoch = row_u64(row, 13),
                            .mark_step = row_u64(row, 14),
                            .attended = row_u32(load, row, 15),
                            .ephemeral = row_u32(load, row, 16),
                            .retain_epochs = row_u32(load, row, 17)};
    bool bad;
    int code;

    if (rows_out_of_memory(load))
        return rows_no_memory(load);
    load->job = job.id;
    bad = load->row_damaged;
    code = load->reader->job(load->reader->arg, &job, load->err);
    if (code == EVD_OK && bad)
        code = job_damaged(load, "the row");
    if (code == EVD_OK && load->reader->seek)
        code = rows_each(load,
                         "SELECT job, generation, parent, keep_revision, epoch, step, left_epoch,"
                         " left_step, mode, created, author FROM seek WHERE job = ?1"
                         " ORDER BY generation",
                         job.id, read_seek);
    if (code == EVD_OK)
        code = rows_each(load,
                         "SELECT job, generation, revision, epoch, step, shape_steps, shape_last,"
                         " strategy, digest, created, author, base_generation, base_revision,"
                         " bytes, hash, kind FROM revision"
                         " LEFT JOIN difference USING(job, generation, revision)"
                         " LEFT JOIN forgotten USING(job, generation, revision) WHERE job = ?1"
                         " ORDER BY generation, revision",
                         job.id, read_revision);
    if (code == EVD_OK && load->reader->world)
        code = rows_each(load,
                         "SELECT job, generation, epoch, step, world_size, created, author"
                         " FROM world WHERE job = ?1 ORDER BY generation, epoch, step",
                         job.id, read_world);
    if (code == EVD_OK)
        code = rows_each(load,
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

int load_jobs(struct loading *load)
{
    int code = rows_each(load,
                         "SELECT id, name, dataset, batch_size, world_size, seed, created, mode,"
                         " last_batch, guarantee, time_to_run, grace, replicas, mark_epoch,"
                         " mark_step, attended, ephemeral, retain_epochs FROM job ORDER BY id",
                         0, read_job);

    free(load->strategy);
    return code == EVD_OK ? rows_each(load, STRAY_ROWS, 0, refuse_stray) : code;
}
