/*
 * What is in a file: the schema, its versions and migrations, and the check that a file is ours.
 */
#ifndef STORE_SQLITE_SCHEMA_H
#define STORE_SQLITE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/error.h"

/* States of a dataset's and an attachment's row. A dropped one stays until tidying has deleted its
 * chunks. */
#define DATASET_DRAFT     "0"
#define DATASET_COMMITTED "1"
#define DATASET_DROPPED   "2"
/* What tidying is to delete: what was dropped, and drafts, which have no version. Not a row that is
 * neither, nor one that a job draws from, which somebody will ask for. */
#define DATASET_LEFT_BEHIND                                                                        \
    "((state = " DATASET_DROPPED " OR (state = " DATASET_DRAFT " AND version = 0))"                \
    " AND NOT EXISTS(SELECT 1 FROM job WHERE job.dataset = dataset.id))"

/* The same of attachments, whose states are those of datasets. A draft has no time. */
#define ATTACHMENT_LEFT_BEHIND                                                                     \
    "(state = " DATASET_DROPPED " OR (state = " DATASET_DRAFT " AND created = 0))"

struct sqlite;

/* Ours, of a version we know, or empty? Looks only, so that a foreign file stays as it is. *behind:
 * it is without its log, which says what schema_log_missing does. */
int schema_identify(struct sqlite *sqlite, int64_t *version, bool *behind,
                    struct evd_error *err) MUST_CHECK;
int schema_log_missing(const struct sqlite *sqlite, struct evd_error *err);
/* Reads all of the file, for damage. */
int schema_check(struct sqlite *sqlite, struct evd_error *err) MUST_CHECK;
/* From the version that schema_identify found to ours. */
int schema_migrate(struct sqlite *sqlite, int64_t version, struct evd_error *err) MUST_CHECK;
/* Writes the file's identity and version, in transactions of their own unless there is one: what
 * a migration ends with, and the smallest write there is. An SQLite result code. */
int schema_stamp(struct sqlite *sqlite) MUST_CHECK;
/* Notes in the file itself, past the log, that it is nothing without that. After a stamp, which the
 * log holds then: whoever reads both does not see it. An SQLite result code. */
int schema_mark(struct sqlite *sqlite) MUST_CHECK;

#endif
