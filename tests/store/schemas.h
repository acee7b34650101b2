/*
 * The schemas of released versions, as text: what files in the field look like. A test makes one of
 * each, with rows in every table, and opens it with today's store. Never edited; each new version
 * adds its own.
 */
#ifndef TESTS_STORE_SCHEMAS_H
#define TESTS_STORE_SCHEMAS_H

#define SCHEMA_1                                                                                   \
    "CREATE TABLE dataset("                                                                        \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  name TEXT NOT NULL,"                                                                        \
    "  version INTEGER NOT NULL DEFAULT 0,"                                                        \
    "  created INTEGER NOT NULL,"                                                                  \
    "  samples INTEGER NOT NULL DEFAULT 0,"                                                        \
    "  labelled INTEGER NOT NULL DEFAULT 0,"                                                       \
    "  classes INTEGER NOT NULL DEFAULT 0,"                                                        \
    "  checksum INTEGER NOT NULL DEFAULT 0,"                                                       \
    "  state INTEGER NOT NULL) STRICT;"                                                            \
    "CREATE UNIQUE INDEX dataset_name ON dataset(name, version)"                                   \
    "  WHERE state = 1;"                                                                           \
    "CREATE TABLE class_chunk("                                                                    \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  dataset INTEGER NOT NULL REFERENCES dataset,"                                               \
    "  first_class INTEGER NOT NULL,"                                                              \
    "  names BLOB NOT NULL,"                                                                       \
    "  UNIQUE(dataset, first_class)) STRICT;"                                                      \
    "CREATE TABLE label_chunk("                                                                    \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  dataset INTEGER NOT NULL REFERENCES dataset,"                                               \
    "  first_sample INTEGER NOT NULL,"                                                             \
    "  n INTEGER NOT NULL,"                                                                        \
    "  width INTEGER NOT NULL,"                                                                    \
    "  labels BLOB NOT NULL,"                                                                      \
    "  UNIQUE(dataset, first_sample)) STRICT;"                                                     \
    "CREATE TABLE weight_chunk("                                                                   \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  dataset INTEGER NOT NULL REFERENCES dataset,"                                               \
    "  name TEXT NOT NULL,"                                                                        \
    "  first_sample INTEGER NOT NULL,"                                                             \
    "  n INTEGER NOT NULL,"                                                                        \
    "  weights BLOB NOT NULL,"                                                                     \
    "  UNIQUE(dataset, name, first_sample)) STRICT;"                                               \
    "CREATE TABLE job("                                                                            \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  name TEXT NOT NULL UNIQUE,"                                                                 \
    "  dataset INTEGER NOT NULL REFERENCES dataset,"                                               \
    "  batch_size INTEGER NOT NULL,"                                                               \
    "  world_size INTEGER NOT NULL,"                                                               \
    "  seed INTEGER NOT NULL,"                                                                     \
    "  created INTEGER NOT NULL,"                                                                  \
    "  mode TEXT NOT NULL,"                                                                        \
    "  last_batch TEXT NOT NULL) STRICT;"                                                          \
    "CREATE INDEX job_dataset ON job(dataset);"                                                    \
    "CREATE TABLE revision("                                                                       \
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"                                     \
    "  generation INTEGER NOT NULL,"                                                               \
    "  revision INTEGER NOT NULL,"                                                                 \
    "  epoch INTEGER NOT NULL,"                                                                    \
    "  step INTEGER NOT NULL,"                                                                     \
    "  shape_steps INTEGER NOT NULL,"                                                              \
    "  shape_last INTEGER NOT NULL,"                                                               \
    "  strategy BLOB NOT NULL,"                                                                    \
    "  digest INTEGER NOT NULL,"                                                                   \
    "  created INTEGER NOT NULL,"                                                                  \
    "  author TEXT NOT NULL,"                                                                      \
    "  PRIMARY KEY(job, generation, revision)) STRICT, WITHOUT ROWID;"                             \
    "CREATE TABLE progress("                                                                       \
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"                                     \
    "  rank INTEGER NOT NULL,"                                                                     \
    "  generation INTEGER NOT NULL,"                                                               \
    "  epoch INTEGER NOT NULL,"                                                                    \
    "  step INTEGER NOT NULL,"                                                                     \
    "  acked BLOB NOT NULL,"                                                                       \
    "  PRIMARY KEY(job, rank)) STRICT, WITHOUT ROWID;"                                             \
    "PRAGMA application_id = 1702257778;"                                                          \
    "PRAGMA user_version = 1;"

/* A dataset of 3 classes and 5 samples with a weight column, one dropped and one half sent, and two
 * jobs with revisions and progress. */
#define SCHEMA_1_ROWS                                                                              \
    "INSERT INTO dataset VALUES(1, 'pets', 1, 2001, 5, 4, 3, -2, 1);"                              \
    "INSERT INTO dataset VALUES(2, 'pets', 2, 2002, 0, 0, 0, 7, 2);"                               \
    "INSERT INTO dataset VALUES(3, 'half', 0, 2003, 1, 0, 0, 0, 0);"                               \
    "INSERT INTO class_chunk VALUES(1, 1, 0, x'63617400646f6700');"                                \
    "INSERT INTO class_chunk VALUES(2, 1, 2, x'65656c00');"                                        \
    "INSERT INTO label_chunk VALUES(1, 1, 0, 3, 1, x'0002ff');"                                    \
    "INSERT INTO label_chunk VALUES(2, 1, 3, 2, 2, x'01000000');"                                  \
    "INSERT INTO label_chunk VALUES(3, 3, 0, 1, 1, x'00');"                                        \
    "INSERT INTO weight_chunk VALUES(1, 1, 'w', 0, 5, zeroblob(40));"                              \
    "INSERT INTO job VALUES(7, 'train', 1, 64, 2, 9223372036854775807, 4000, 'ranked', 'drop');"   \
    "INSERT INTO job VALUES(8, 'other', 1, 32, 0, 5, 4001, 'shared', 'short');"                    \
    "INSERT INTO revision VALUES(7, 0, 0, 0, 0, 100, 32, x'756e69666f726d', -1, 3000, 'tests');"   \
    "INSERT INTO revision VALUES(7, 0, 1, 1, 10, 100, 32, x'756e69666f726d', -3, 3001, 'tests');"  \
    "INSERT INTO revision VALUES(8, 0, 0, 0, 0, 9, 1, x'756e69666f726d', -2, 3000, 'tests');"      \
    "INSERT INTO progress VALUES(7, 0, 0, 2, 40, x'');"                                            \
    "INSERT INTO progress VALUES(7, 1, 0, 2, 41, x'0580');"                                        \
    "INSERT INTO progress VALUES(8, 0, 0, 1, 3, x'01');"

/* What the second has beside the first: leases, generations, elastic world sizes. */
#define SCHEMA_2                                                                                   \
    "ALTER TABLE job ADD COLUMN guarantee TEXT NOT NULL DEFAULT 'at-least-once';"                  \
    "ALTER TABLE job ADD COLUMN time_to_run INTEGER NOT NULL DEFAULT 600000;"                      \
    "ALTER TABLE job ADD COLUMN grace INTEGER NOT NULL DEFAULT 2000;"                              \
    "ALTER TABLE job ADD COLUMN replicas INTEGER NOT NULL DEFAULT 1;"                              \
    "ALTER TABLE job ADD COLUMN mark_epoch INTEGER NOT NULL DEFAULT 0;"                            \
    "ALTER TABLE job ADD COLUMN mark_step INTEGER NOT NULL DEFAULT 0;"                             \
    "ALTER TABLE job ADD COLUMN attended INTEGER NOT NULL DEFAULT 1;"                              \
    "CREATE TABLE seek("                                                                           \
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"                                     \
    "  generation INTEGER NOT NULL,"                                                               \
    "  parent INTEGER NOT NULL,"                                                                   \
    "  keep_revision INTEGER NOT NULL,"                                                            \
    "  epoch INTEGER NOT NULL,"                                                                    \
    "  step INTEGER NOT NULL,"                                                                     \
    "  left_epoch INTEGER NOT NULL,"                                                               \
    "  left_step INTEGER NOT NULL,"                                                                \
    "  mode TEXT NOT NULL,"                                                                        \
    "  created INTEGER NOT NULL,"                                                                  \
    "  author TEXT NOT NULL,"                                                                      \
    "  PRIMARY KEY(job, generation)) STRICT, WITHOUT ROWID;"                                       \
    "CREATE TABLE world("                                                                          \
    "  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,"                                     \
    "  generation INTEGER NOT NULL,"                                                               \
    "  epoch INTEGER NOT NULL,"                                                                    \
    "  step INTEGER NOT NULL,"                                                                     \
    "  world_size INTEGER NOT NULL,"                                                               \
    "  created INTEGER NOT NULL,"                                                                  \
    "  author TEXT NOT NULL,"                                                                      \
    "  PRIMARY KEY(job, generation, epoch, step)) STRICT, WITHOUT ROWID;"                          \
    "PRAGMA user_version = 2;"

/* Job 7 of the first was moved once, and has another number of ranks since. */
#define SCHEMA_2_ROWS                                                                              \
    "INSERT INTO seek VALUES(7, 1, 0, 1, 1, 10, 2, 41, 'replay', 6001, 'tests');"                  \
    "INSERT INTO world VALUES(7, 1, 1, 12, 4, 5004, 'tests');"                                     \
    "UPDATE job SET mark_epoch = 2, mark_step = 48, attended = 0 WHERE id = 7;"

/* Version 3, over version 2: the dataset is owned, and one of its jobs ephemeral. */
#define SCHEMA_3                                                                                   \
    "ALTER TABLE dataset ADD COLUMN owned INTEGER NOT NULL DEFAULT 0;"                             \
    "ALTER TABLE job ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;"                             \
    "PRAGMA user_version = 3;"

#define SCHEMA_3_ROWS                                                                              \
    "UPDATE dataset SET owned = 1;"                                                                \
    "UPDATE job SET ephemeral = 60000 WHERE id = 8;"

/* Version 4, over version 3: strategies as differences, and forgotten ones. */
#define SCHEMA_4                                                                                   \
    "ALTER TABLE job ADD COLUMN retain_epochs INTEGER NOT NULL DEFAULT 0;"                         \
    "CREATE TABLE difference("                                                                     \
    "  job INTEGER NOT NULL,"                                                                      \
    "  generation INTEGER NOT NULL,"                                                               \
    "  revision INTEGER NOT NULL,"                                                                 \
    "  base_generation INTEGER NOT NULL,"                                                          \
    "  base_revision INTEGER NOT NULL,"                                                            \
    "  place INTEGER NOT NULL,"                                                                    \
    "  PRIMARY KEY(job, generation, revision),"                                                    \
    "  FOREIGN KEY(job, generation, revision) REFERENCES revision ON DELETE CASCADE)"              \
    "  STRICT, WITHOUT ROWID;"                                                                     \
    "CREATE INDEX difference_base ON difference(job, base_generation, base_revision);"             \
    "CREATE TABLE forgotten("                                                                      \
    "  job INTEGER NOT NULL,"                                                                      \
    "  generation INTEGER NOT NULL,"                                                               \
    "  revision INTEGER NOT NULL,"                                                                 \
    "  bytes INTEGER NOT NULL,"                                                                    \
    "  hash INTEGER NOT NULL,"                                                                     \
    "  kind TEXT NOT NULL,"                                                                        \
    "  held INTEGER NOT NULL,"                                                                     \
    "  PRIMARY KEY(job, generation, revision),"                                                    \
    "  FOREIGN KEY(job, generation, revision) REFERENCES revision ON DELETE CASCADE)"              \
    "  STRICT, WITHOUT ROWID;"                                                                     \
    "CREATE INDEX forgotten_held ON forgotten(job) WHERE held;"                                    \
    "PRAGMA user_version = 4;"

/* The first strategy of job 7 is forgotten. */
#define SCHEMA_4_ROWS                                                                              \
    "UPDATE job SET retain_epochs = 3 WHERE id = 7;"                                               \
    "UPDATE revision SET strategy = x'' WHERE job = 7 AND revision = 0;"                           \
    "INSERT INTO forgotten VALUES(7, 0, 0, 7, -5, 'uniform', 0);"

#endif
