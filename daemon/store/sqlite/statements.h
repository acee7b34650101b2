/*
 * The statements that are run more than once, prepared when the database is opened.
 */
#ifndef STORE_SQLITE_STATEMENTS_H
#define STORE_SQLITE_STATEMENTS_H

#include <stdint.h>
#include "proto/error.h"
#include "store/sqlite/schema.h"

struct sqlite;

/* `held` of forgotten strategies: the text is there, since another one is stored as what differs
 * from it; and, within a transaction, it goes. They are few, and are found without a look at all
 * that are forgotten. */
#define FORGOTTEN_GOES "2"
#define FORGOTTEN_THAT_GO                                                                          \
    "(SELECT generation, revision FROM forgotten INDEXED BY forgotten_held WHERE job = ?1"         \
    " AND held AND held = " FORGOTTEN_GOES ")"

/* SQL(id, text) */
#define SQL_STATEMENTS(SQL)                                                                        \
    SQL(BEGIN, "BEGIN IMMEDIATE")                                                                  \
    SQL(COMMIT, "COMMIT")                                                                          \
    SQL(ROLLBACK, "ROLLBACK")                                                                      \
    SQL(SAVEPOINT, "SAVEPOINT op")                                                                 \
    SQL(RELEASE, "RELEASE op")                                                                     \
    SQL(ROLLBACK_TO, "ROLLBACK TO op")                                                             \
    SQL(DRAFT_CREATE,                                                                              \
        "INSERT INTO dataset(id, name, created, state) VALUES(?1, ?2, ?3, " DATASET_DRAFT ")")     \
    SQL(DRAFT_GROW, "UPDATE dataset SET samples = samples + ?2, classes = classes + ?4"            \
                    " WHERE id = ?1 AND state = " DATASET_DRAFT                                    \
                    " AND (?2 = 0 OR samples = ?3) AND (?4 = 0 OR classes = ?5)")                  \
    SQL(LABELS_ADD, "INSERT INTO label_chunk(dataset, first_sample, n, width, labels)"             \
                    " VALUES(?1, ?2, ?3, ?4, ?5)")                                                 \
    SQL(CLASSES_ADD, "INSERT INTO class_chunk(dataset, first_class, names) VALUES(?1, ?2, ?3)")    \
    SQL(WEIGHTS_END, "SELECT first_sample + n FROM weight_chunk WHERE dataset = ?1 AND name = ?2"  \
                     " ORDER BY first_sample DESC LIMIT 1")                                        \
    SQL(WEIGHTS_ADD, "INSERT INTO weight_chunk(dataset, name, first_sample, n, weights)"           \
                     " VALUES(?1, ?2, ?3, ?4, ?5)")                                                \
    SQL(WEIGHTS_UNEVEN, "SELECT 1 FROM weight_chunk WHERE dataset = ?1 GROUP BY name"              \
                        " HAVING sum(n) <> ?2")                                                    \
    SQL(DRAFT_COMMIT,                                                                              \
        "UPDATE dataset SET state = " DATASET_COMMITTED ", version = ?2,"                          \
        " created = ?3, labelled = ?4, checksum = ?5, owned = ?8"                                  \
        " WHERE id = ?1 AND state = " DATASET_DRAFT " AND samples = ?6 AND classes = ?7")          \
    SQL(DATASET_DROP, "UPDATE dataset SET state = " DATASET_DROPPED                                \
                      " WHERE id = ?1 AND state <> " DATASET_DROPPED                               \
                      " AND NOT EXISTS(SELECT 1 FROM job WHERE dataset = ?1)")                     \
    SQL(DATASET_USED, "SELECT 1 FROM job WHERE dataset = ?1 LIMIT 1")                              \
    SQL(ATTACHMENT_CREATE,                                                                         \
        "INSERT INTO attachment(id, dataset, name, kind, width, scope, metric, facts, state)"      \
        " SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, " DATASET_DRAFT                                   \
        " FROM dataset WHERE id = ?2 AND state = " DATASET_COMMITTED)                              \
    SQL(ATTACHMENT_GROW, "UPDATE attachment SET samples = samples + ?2"                            \
                         " WHERE id = ?1 AND state = " DATASET_DRAFT " AND samples = ?3")          \
    SQL(ROWS_ADD, "INSERT INTO attachment_chunk(attachment, first_sample, n, rows, distances)"     \
                  " VALUES(?1, ?2, ?3, ?4, ?5)")                                                   \
    SQL(ATTACHMENT_COMMIT,                                                                         \
        "UPDATE attachment SET state = " DATASET_COMMITTED ", created = ?2, digest = ?3"           \
        " WHERE id = ?1 AND state = " DATASET_DRAFT " AND samples = ?4")                           \
    SQL(ATTACHMENT_DROP, "UPDATE attachment SET state = " DATASET_DROPPED                          \
                         " WHERE id = ?1 AND state <> " DATASET_DROPPED)                           \
    SQL(ATTACHMENTS_DROP, "UPDATE attachment SET state = " DATASET_DROPPED                         \
                          " WHERE dataset = ?1 AND state <> " DATASET_DROPPED)                     \
    SQL(DISTANCES_READ,                                                                            \
        "SELECT first_sample, n, distances FROM attachment_chunk WHERE attachment = ?1"            \
        " AND first_sample >= (SELECT max(first_sample) FROM attachment_chunk"                     \
        " WHERE attachment = ?1 AND first_sample <= ?2) ORDER BY first_sample")                    \
    SQL(JOB_CREATE,                                                                                \
        "INSERT INTO job(id, name, dataset, batch_size, world_size, seed, created, mode,"          \
        " last_batch, guarantee, time_to_run, grace, replicas, mark_epoch, mark_step, attended,"   \
        " ephemeral, retain_epochs) SELECT ?1, ?2, id, ?4, ?5, ?6, ?7, ?8, ?9,"                    \
        " coalesce(?10, 'at-least-once'), ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18 FROM dataset"     \
        " WHERE id = ?3 AND state = " DATASET_COMMITTED)                                           \
    SQL(JOB_DROP, "DELETE FROM job WHERE id = ?1")                                                 \
    SQL(JOB_MOVE, "UPDATE job SET world_size = ?2, mark_epoch = ?3, mark_step = ?4, attended = ?5" \
                  " WHERE id = ?1")                                                                \
    SQL(REVISION_CANCEL, "DELETE FROM revision WHERE job = ?1 AND generation = ?2"                 \
                         " AND revision > ?3")                                                     \
    SQL(REVISION_KEEP, "UPDATE seek SET keep_revision = min(keep_revision, ?3)"                    \
                       " WHERE job = ?1 AND generation = ?2")                                      \
    SQL(REVISION_ADD, "INSERT INTO revision(job, generation, revision, epoch, step, shape_steps,"  \
                      " shape_last, strategy, digest, created, author)"                            \
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                     \
    SQL(REVISION_READ, "SELECT r.strategy, d.base_generation, d.base_revision FROM revision AS r"  \
                       " LEFT JOIN difference AS d USING(job, generation, revision)"               \
                       " LEFT JOIN forgotten AS f USING(job, generation, revision)"                \
                       " WHERE r.job = ?1 AND r.generation = ?2 AND r.revision = ?3"               \
                       " AND coalesce(f.held, 1)")                                                 \
    SQL(REVISION_NEWEST,                                                                           \
        "SELECT r.generation, r.revision, coalesce(d.place, 0) FROM revision AS r"                 \
        " LEFT JOIN difference AS d USING(job, generation, revision) WHERE r.job = ?1"             \
        " AND NOT EXISTS(SELECT 1 FROM forgotten AS f WHERE f.job = r.job"                         \
        " AND f.generation = r.generation AND f.revision = r.revision)"                            \
        " ORDER BY r.generation DESC, r.revision DESC LIMIT 1")                                    \
    SQL(DIFFERENCE_ADD, "INSERT INTO difference(job, generation, revision, base_generation,"       \
                        " base_revision, place) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                   \
    SQL(FORGET, "INSERT INTO forgotten(job, generation, revision, bytes, hash, kind, held)"        \
                " SELECT ?1, ?2, ?3, ?4, ?5, ?6, 1 WHERE EXISTS(SELECT 1 FROM revision"            \
                " WHERE job = ?1 AND generation = ?2 AND revision = ?3) ON CONFLICT DO NOTHING")   \
    SQL(FORGET_FIND, "UPDATE forgotten AS f INDEXED BY forgotten_held SET held = " FORGOTTEN_GOES  \
                     " WHERE f.job = ?1 AND f.held AND NOT EXISTS(SELECT 1 FROM difference AS d "  \
                     "WHERE d.job = f.job"                                                         \
                     " AND d.base_generation = f.generation AND d.base_revision = f.revision)")    \
    SQL(FORGET_TEXTS, "UPDATE revision SET strategy = x'' WHERE job = ?1 AND (generation,"         \
                      " revision) IN " FORGOTTEN_THAT_GO)                                          \
    SQL(FORGET_DIFFERENCES,                                                                        \
        "DELETE FROM difference WHERE job = ?1 AND (generation, revision) IN " FORGOTTEN_THAT_GO)  \
    SQL(FORGET_END, "UPDATE forgotten INDEXED BY forgotten_held SET held = 0 WHERE job = ?1"       \
                    " AND held AND held = " FORGOTTEN_GOES)                                        \
    SQL(SEEK_ADD, "INSERT INTO seek(job, generation, parent, keep_revision, epoch, step,"          \
                  " left_epoch, left_step, mode, created, author)"                                 \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                         \
    SQL(WORLD_PUT, "INSERT OR REPLACE INTO world(job, generation, epoch, step, world_size,"        \
                   " created, author) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                         \
    SQL(PROGRESS_CLEAR, "DELETE FROM progress WHERE job = ?1")                                     \
    SQL(PROGRESS_ADD, "INSERT INTO progress(job, rank, generation, epoch, step, acked)"            \
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                           \
    SQL(GARBAGE_FIND, "SELECT id FROM dataset WHERE " DATASET_LEFT_BEHIND                          \
                      " AND (state = " DATASET_DROPPED " OR id < ?1) LIMIT 1")                     \
    SQL(GARBAGE_LABELS, "DELETE FROM label_chunk WHERE id IN"                                      \
                        " (SELECT id FROM label_chunk WHERE dataset = ?1 LIMIT ?2)")               \
    SQL(GARBAGE_WEIGHTS, "DELETE FROM weight_chunk WHERE id IN"                                    \
                         " (SELECT id FROM weight_chunk WHERE dataset = ?1 LIMIT ?2)")             \
    SQL(GARBAGE_CLASSES, "DELETE FROM class_chunk WHERE id IN"                                     \
                         " (SELECT id FROM class_chunk WHERE dataset = ?1 LIMIT ?2)")              \
    SQL(GARBAGE_DATASET, "DELETE FROM dataset WHERE id = ?1")                                      \
    SQL(GARBAGE_FIND_ATTACHMENT,                                                                   \
        "SELECT id FROM attachment INDEXED BY attachment_hidden"                                   \
        " WHERE state <> " DATASET_COMMITTED " AND " ATTACHMENT_LEFT_BEHIND                        \
        " AND (state = " DATASET_DROPPED " OR id < ?1) LIMIT 1")                                   \
    SQL(GARBAGE_ROWS, "DELETE FROM attachment_chunk WHERE id IN"                                   \
                      " (SELECT id FROM attachment_chunk WHERE attachment = ?1 LIMIT ?2)")         \
    SQL(GARBAGE_ATTACHMENT, "DELETE FROM attachment WHERE id = ?1")

enum sql_statement {
#define SQL_ENUM(id, text) SQL_##id,
    SQL_STATEMENTS(SQL_ENUM)
#undef SQL_ENUM
        SQL_COUNT
};

/* Prepares all of them; an SQLite result code. */
int sqlite_prepare(struct sqlite *sqlite) MUST_CHECK;
/* Runs a statement to its end with parameters ?1, ?2, ... by `types`: u (uint64_t), n (uint32_t), s
 * (const char *), b (const void *, size_t). SQLITE_DONE, or SQLITE_ROW if there was a row, or an
 * error; *value, if asked for, is the first column of the first row. */
int sqlite_run(struct sqlite *sqlite, enum sql_statement statement, uint64_t *value,
               const char *types, ...);
/* The same where only failure matters. */
int sqlite_do(struct sqlite *sqlite, struct evd_error *err, enum sql_statement statement,
              const char *types, ...) MUST_CHECK;

#endif
