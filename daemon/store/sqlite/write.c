/*
 * Writes a group of operations in one transaction, each under a savepoint of its own. Runs in the
 * writer thread.
 */
#include "store/sqlite/write.h"

#include <assert.h>
#include <endian.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "proto/limits.h"
#include "store/sqlite/attachments.h"
#include "store/sqlite/difference.h"
#include "store/sqlite/error.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/tidy.h"
#include "store/sqlite/watch.h"

/* EVD_OK for a statement that ran. */
static int ran(struct sqlite *sqlite, int rc, struct evd_error *err)
{
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? EVD_OK : sqlite_error(sqlite, rc, err);
}

/* EVD_OK for a statement that ran and changed a row; else the given refusal. */
static int changed(struct sqlite *sqlite, int rc, int refusal, const char *message,
                   struct evd_error *err)
{
    int code = ran(sqlite, rc, err);

    if (code == EVD_OK && sqlite3_changes(sqlite->db) == 0)
        return error_set(err, refusal, "store", "%s", message);
    return code;
}

/* ---- datasets ---- */

static const char not_continued[] =
    "this does not continue what is stored of the draft (an earlier piece failed, or it was "
    "dropped): load the dataset again";

static uint8_t narrowest(const uint32_t *labels, size_t n)
{
    uint32_t max = 0;

    for (size_t i = 0; i < n; i++) {
        /* EVD_UNLABELLED becomes 0: it fits any width. */
        uint32_t label = labels[i] == EVD_UNLABELLED ? 0 : labels[i];
        max = label > max ? label : max;
    }
    return max < UINT8_MAX ? 1 : max < UINT16_MAX ? 2 : 4;
}

static void narrow(const uint32_t *labels, size_t n, uint8_t width, void *out)
{
    for (size_t i = 0; i < n; i++) {
        if (width == 1)
            ((uint8_t *)out)[i] = (uint8_t)labels[i];
        else if (width == 2)
            ((uint16_t *)out)[i] = htole16((uint16_t)labels[i]);
        else
            ((uint32_t *)out)[i] = htole32(labels[i]);
    }
}

static int add_labels(struct sqlite *sqlite, const struct store_chunk *chunk, struct evd_error *err)
{
    uint8_t width = narrowest(chunk->labels, chunk->n);
    void *labels = malloc(chunk->n * width);
    int code;

    if (!labels)
        return sqlite_error(sqlite, SQLITE_NOMEM, err);
    narrow(chunk->labels, chunk->n, width, labels);
    code = sqlite_do(sqlite, err, SQL_LABELS_ADD, "uuunb", chunk->dataset, chunk->first_sample,
                     (uint64_t)chunk->n, width, (const void *)labels, chunk->n * width);
    free(labels);
    return code;
}

static int add_weights(struct sqlite *sqlite, const struct store_chunk *chunk,
                       struct evd_error *err)
{
    uint64_t end = 0, *weights;
    int code =
        ran(sqlite, sqlite_run(sqlite, SQL_WEIGHTS_END, &end, "us", chunk->dataset, chunk->column),
            err);

    if (code != EVD_OK)
        return code;
    if (end != chunk->first_weight)
        return error_set(err, EVD_E_CONFLICT, "store", "%s", not_continued);
    weights = malloc(chunk->weights_n * sizeof(*weights));
    if (!weights)
        return sqlite_error(sqlite, SQLITE_NOMEM, err);
    memcpy(weights, chunk->weights, chunk->weights_n * sizeof(*weights));
    for (size_t i = 0; i < chunk->weights_n; i++)
        weights[i] = htole64(weights[i]);
    code = sqlite_do(sqlite, err, SQL_WEIGHTS_ADD, "usuub", chunk->dataset, chunk->column,
                     chunk->first_weight, (uint64_t)chunk->weights_n, (const void *)weights,
                     chunk->weights_n * sizeof(*weights));
    free(weights);
    return code;
}

static uint64_t count_names(const char *names, size_t bytes)
{
    uint64_t count = 0;

    for (size_t i = 0; i < bytes; i++)
        count += names[i] == '\0';
    return count;
}

static int draft_create(struct sqlite *sqlite, const struct store_dataset *dataset,
                        struct evd_error *err)
{
    return sqlite_do(sqlite, err, SQL_DRAFT_CREATE, "usu", dataset->id, dataset->name,
                     dataset->created);
}

static int draft_append(struct sqlite *sqlite, const struct store_chunk *chunk,
                        struct evd_error *err)
{
    int rc =
        sqlite_run(sqlite, SQL_DRAFT_GROW, NULL, "uuuun", chunk->dataset, (uint64_t)chunk->n,
                   chunk->first_sample, count_names(chunk->class_names, chunk->class_names_bytes),
                   chunk->first_class);
    int code = changed(sqlite, rc, EVD_E_CONFLICT, not_continued, err);

    if (code == EVD_OK && chunk->class_names_bytes > 0)
        code = sqlite_do(sqlite, err, SQL_CLASSES_ADD, "unb", chunk->dataset, chunk->first_class,
                         (const void *)chunk->class_names, chunk->class_names_bytes);
    if (code == EVD_OK && chunk->n > 0)
        code = add_labels(sqlite, chunk, err);
    if (code == EVD_OK && chunk->weights_n > 0)
        code = add_weights(sqlite, chunk, err);
    return code;
}

static int draft_commit(struct sqlite *sqlite, const struct store_dataset *dataset,
                        struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_WEIGHTS_UNEVEN, NULL, "uu", dataset->id, dataset->samples);

    if (rc == SQLITE_DONE)
        rc = sqlite_run(sqlite, SQL_DRAFT_COMMIT, NULL, "unuuuunn", dataset->id, dataset->version,
                        dataset->created, dataset->labelled, dataset->checksum, dataset->samples,
                        dataset->classes, (uint32_t)dataset->owned);
    if (rc == SQLITE_ROW || (rc == SQLITE_DONE && sqlite3_changes(sqlite->db) == 0))
        return error_set(err, EVD_E_CONFLICT, "store",
                         "the draft is gone or not all of it was stored: load the dataset again");
    return ran(sqlite, rc, err);
}

static int dataset_drop(struct sqlite *sqlite, uint64_t id, struct evd_error *err)
{
    int rc = sqlite_run(sqlite, SQL_DATASET_USED, NULL, "u", id);

    if (rc == SQLITE_ROW)
        return error_set(err, EVD_E_CONFLICT, "store",
                         "a job uses this dataset version: drop the job first");
    if (rc == SQLITE_DONE)
        rc = sqlite_run(sqlite, SQL_ATTACHMENTS_DROP, NULL, "u", id);
    if (rc == SQLITE_DONE)
        rc = sqlite_run(sqlite, SQL_DATASET_DROP, NULL, "u", id);
    sqlite->garbage = true;
    return changed(sqlite, rc, EVD_E_NOT_FOUND, "this dataset is not in the database", err);
}

/* ---- jobs ---- */

static int job_create(struct sqlite *sqlite, const struct store_job *job,
                      struct store_revision *revision, struct evd_error *err)
{
    int rc = SQLITE_DONE, code;

    if (job->replaces)
        rc = sqlite_run(sqlite, SQL_JOB_DROP, NULL, "u", job->replaces);
    if (rc == SQLITE_DONE)
        rc = sqlite_run(sqlite, SQL_JOB_CREATE, NULL, "usunnuusssnnnuunnn", job->id, job->name,
                        job->dataset, job->batch_size, job->world_size, job->seed, job->created,
                        job->mode, job->last_batch, job->guarantee, job->time_to_run, job->grace,
                        job->replicas, job->mark_epoch, job->mark_step, job->attended,
                        job->ephemeral, job->retain_epochs);
    code = changed(sqlite, rc, EVD_E_NOT_FOUND,
                   "the job's dataset is not in the database (any more)", err);
    return code == EVD_OK ? difference_add(sqlite, revision, err) : code;
}

static int revision_add(struct sqlite *sqlite, struct store_revision *revision,
                        struct evd_error *err)
{
    uint32_t generation = revision->generation, keep = revision->keep_revision;
    int code = sqlite_do(sqlite, err, SQL_REVISION_CANCEL, "unn", revision->job, generation, keep);

    if (code == EVD_OK)
        code = sqlite_do(sqlite, err, SQL_REVISION_KEEP, "unn", revision->job, generation, keep);
    return code == EVD_OK ? difference_add(sqlite, revision, err) : code;
}

static int job_gone(struct sqlite *sqlite, int rc, struct evd_error *err)
{
    return changed(sqlite, rc, EVD_E_NOT_FOUND, "this job is not in the database (any more)", err);
}

static int put_world(struct sqlite *sqlite, const struct store_world *world, struct evd_error *err)
{
    return sqlite_do(sqlite, err, SQL_WORLD_PUT, "unuunus", world->job, world->generation,
                     world->epoch, world->step, world->world_size, world->created, world->author);
}

static int progress_put(struct sqlite *sqlite, const struct store_op *op, struct evd_error *err)
{
    uint64_t job = op->job.id;
    int rc = sqlite_run(sqlite, SQL_JOB_MOVE, NULL, "unuun", job, op->job.world_size,
                        op->job.mark_epoch, op->job.mark_step, op->job.attended);
    int code = job_gone(sqlite, rc, err);

    if (code == EVD_OK && op->world.author)
        code = put_world(sqlite, &op->world, err);
    if (code == EVD_OK)
        code = sqlite_do(sqlite, err, SQL_PROGRESS_CLEAR, "u", job);
    for (size_t i = 0; code == EVD_OK && i < op->progress_count; i++) {
        const struct store_progress *row = &op->progress[i];
        code = sqlite_do(sqlite, err, SQL_PROGRESS_ADD, "unnuub", job, row->rank, row->generation,
                         row->epoch, row->step, (const void *)row->acked, row->acked_bytes);
    }
    return code;
}

static int seek_add(struct sqlite *sqlite, struct store_op *op, struct evd_error *err)
{
    const struct store_seek *seek = &op->seek;
    int code =
        sqlite_do(sqlite, err, SQL_SEEK_ADD, "unnnuuuusus", seek->job, seek->generation,
                  seek->parent, seek->keep_revision, seek->epoch, seek->step, seek->left_epoch,
                  seek->left_step, seek->mode, seek->created, seek->author);

    if (code == EVD_OK && op->revision.author)
        code = difference_add(sqlite, &op->revision, err);
    if (code == EVD_OK && op->left_world.author)
        code = put_world(sqlite, &op->left_world, err);
    return code == EVD_OK ? progress_put(sqlite, op, err) : code;
}

/* Takes the texts from those that no other one differs from. Of a chain of differences that is the
 * last one, then the one before it, and so on. */
static int drop_forgotten(struct sqlite *sqlite, uint64_t job, struct evd_error *err)
{
    static const enum sql_statement steps[] = {SQL_FORGET_TEXTS, SQL_FORGET_DIFFERENCES,
                                               SQL_FORGET_END};
    int code, found = 1;

    while (found > 0) {
        code = sqlite_do(sqlite, err, SQL_FORGET_FIND, "u", job);
        found = sqlite3_changes(sqlite->db);
        for (size_t i = 0; code == EVD_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
            code = sqlite_do(sqlite, err, steps[i], "u", job);
        if (code != EVD_OK)
            return code;
    }
    return EVD_OK;
}

static int forget(struct sqlite *sqlite, const struct store_op *op, struct evd_error *err)
{
    uint64_t job = op->job.id;
    int code = EVD_OK;

    for (size_t i = 0; code == EVD_OK && i < op->forgotten_count; i++) {
        const struct store_forgotten *forgotten = &op->forgotten[i];

        code = sqlite_do(sqlite, err, SQL_FORGET, "unnuus", job, forgotten->generation,
                         forgotten->revision, forgotten->bytes, forgotten->hash, forgotten->kind);
    }
    return code == EVD_OK ? drop_forgotten(sqlite, job, err) : code;
}

/* ---- groups ---- */

static int apply(struct sqlite *sqlite, struct store_op *op)
{
    struct evd_error *err = &op->error;

    switch (op->kind) {
    case STORE_DRAFT_CREATE:
        return draft_create(sqlite, &op->dataset, err);
    case STORE_DRAFT_APPEND:
        return draft_append(sqlite, &op->chunk, err);
    case STORE_DRAFT_COMMIT:
        return draft_commit(sqlite, &op->dataset, err);
    case STORE_DATASET_DROP:
        return dataset_drop(sqlite, op->dataset.id, err);
    case STORE_ATTACHMENT_CREATE:
        return attachment_create(sqlite, &op->attachment, err);
    case STORE_ATTACHMENT_APPEND:
        return attachment_append(sqlite, &op->rows, err);
    case STORE_ATTACHMENT_COMMIT:
        return attachment_commit(sqlite, &op->attachment, err);
    case STORE_ATTACHMENT_DROP:
        return attachment_drop(sqlite, op->attachment.id, err);
    case STORE_JOB_CREATE:
        return job_create(sqlite, &op->job, &op->revision, err);
    case STORE_REVISION_ADD:
        return revision_add(sqlite, &op->revision, err);
    case STORE_JOB_DROP:
        return job_gone(sqlite, sqlite_run(sqlite, SQL_JOB_DROP, NULL, "u", op->job.id), err);
    case STORE_PROGRESS_PUT:
        return progress_put(sqlite, op, err);
    case STORE_SEEK_ADD:
        return seek_add(sqlite, op, err);
    case STORE_FORGET:
        return forget(sqlite, op, err);
    case STORE_BACKUP: /* never in a group */
        break;
    }
    return error_set(err, EVD_E_INTERNAL, "store", "unknown store operation %d", (int)op->kind);
}

/* One operation under a savepoint. Returns SQLITE_DONE unless the transaction itself is lost; the
 * operation's own failure is in its error. */
static int apply_alone(struct sqlite *sqlite, struct store_op *op)
{
    int rc = sqlite_run(sqlite, SQL_SAVEPOINT, NULL, "");

    if (rc != SQLITE_DONE)
        return rc;
    if (apply(sqlite, op) != EVD_OK) {
        /* A full disk or lack of memory can make SQLite give up the whole transaction. */
        if (sqlite3_get_autocommit(sqlite->db))
            return sqlite3_extended_errcode(sqlite->db);
        rc = sqlite_run(sqlite, SQL_ROLLBACK_TO, NULL, "");
    }
    return rc == SQLITE_DONE ? sqlite_run(sqlite, SQL_RELEASE, NULL, "") : rc;
}

static int write_group(struct sqlite *sqlite, struct store_ops *group)
{
    int rc = sqlite_run(sqlite, SQL_BEGIN, NULL, "");
    struct store_op *op;

    assert(!sqlite->broken);
    STAILQ_FOREACH(op, group, link) {
        if (rc == SQLITE_DONE)
            rc = apply_alone(sqlite, op);
    }
    return rc == SQLITE_DONE ? sqlite_run(sqlite, SQL_COMMIT, NULL, "") : rc;
}

/* A group is confirmed where a restart will find it. If the file goes while it is written it may be
 * there or not, as after a failed fsync; if the log does, the file can have it. */
static int write_watched(struct sqlite *sqlite, struct store_ops *group)
{
    int rc;

    if (sqlite->broken)
        return sqlite->lost ? SQLITE_READONLY_DBMOVED : SQLITE_IOERR_FSYNC;
    if (!watch_look(sqlite))
        return SQLITE_READONLY_DBMOVED;
    rc = write_group(sqlite, group);
    if (rc != SQLITE_DONE || watch_look(sqlite))
        return rc;
    if (sqlite->lost == LOST_LOG && sqlite_settle(sqlite) == SQLITE_OK)
        return rc;
    sqlite->broken = true;
    return SQLITE_READONLY_DBMOVED;
}

bool sqlite_write(struct store_db *db, struct store_ops *group)
{
    struct sqlite *sqlite = sqlite_of(db);
    int rc = write_watched(sqlite, group);
    bool committed = rc == SQLITE_DONE;
    struct store_op *op;

    if (!committed && !sqlite3_get_autocommit(sqlite->db))
        sqlite_run(sqlite, SQL_ROLLBACK, NULL, "");
    sqlite->write_failed = !committed;
    STAILQ_FOREACH(op, group, link) {
        if (!committed && op->error.code == EVD_OK)
            sqlite_error(sqlite, rc, &op->error);
        if (op->error.code == EVD_E_STORE) {
            sqlite->write_failed = true;
            sqlite->why = op->error;
        }
    }
    assert(sqlite3_get_autocommit(sqlite->db) || !committed);
    return committed;
}

void sqlite_probe(struct store_db *db)
{
    struct sqlite *sqlite = sqlite_of(db);
    int rc;

    if (sqlite->broken || !watch_look(sqlite))
        return;
    rc = schema_stamp(sqlite);
    if (rc != SQLITE_OK)
        sqlite_error(sqlite, rc, &sqlite->why);
    sqlite->write_failed = rc != SQLITE_OK;
}
