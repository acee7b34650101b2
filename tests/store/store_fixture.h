/*
 * What the store's tests share: a database in a folder of its own, operations that note their
 * outcome, and a picture of what store_load gives back, as text.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "store/engine.h"
#include "store/sqlite/open.h"
#include "store/store.h"

struct fixture {
    char dir[64];
    char path[96];
    const char *vfs; /* SQLite's, see sqlite_open; NULL: the system's */
    struct store *store;
    uint64_t next_id;
    int wake[2]; /* a pipe, written by the writer thread */
};

/* For cmocka_unit_test_setup_teardown. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* store_open of a file through a VFS of SQLite's. */
int fixture_open_store(struct store **out, const char *path, const char *vfs, void (*wake)(void *),
                       void *wake_arg, struct evd_error *err);
/* Opens, loads into `picture` (or nowhere) and starts. */
void fixture_open(struct fixture *f, char *picture, size_t size);
/* Without the writer thread, so that operations can gather to one group. */
void fixture_open_unstarted(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f, char *picture, size_t size);
/* Sleeps until the writer thread wakes the loop, then polls. */
size_t fixture_wait(struct fixture *f);

/* An operation with everything it points to. `done` and `order` are set by its callback. */
struct noted_op {
    struct store_op op;
    struct store_progress progress[4];
    int done;  /* times `done` was called */
    int order; /* when, among all since fixture_open */
};

struct noted_op op_draft(uint64_t id, const char *name);
struct noted_op op_classes(uint64_t id, uint32_t first, const char *names, size_t bytes);
struct noted_op op_labels(uint64_t id, uint64_t first, const uint32_t *labels, size_t n);
struct noted_op op_weights(uint64_t id, const char *column, uint64_t first, const double *weights,
                           size_t n);
struct noted_op op_commit(uint64_t id, uint32_t version, uint64_t samples, uint32_t classes);
struct noted_op op_drop(uint64_t id);
/* Two neighbours of each sample of that dataset. */
struct noted_op op_attachment(uint64_t id, const char *name, uint64_t dataset);
/* Rows of 8 bytes each, and distances likewise. */
struct noted_op op_rows(uint64_t id, uint64_t first, const void *rows, const void *distances,
                        size_t n);
struct noted_op op_attachment_commit(uint64_t id, uint64_t samples);
struct noted_op op_attachment_drop(uint64_t id);
struct noted_op op_job(uint64_t id, const char *name, uint64_t dataset);
struct noted_op op_revision(uint64_t job, uint32_t revision, uint32_t keep);
struct noted_op op_progress(uint64_t job, uint64_t step, size_t ranks);
/* Progress of one rank, with a world size from that step on. */
struct noted_op op_world(uint64_t job, uint64_t step, uint32_t world_size);
/* To that step of epoch 2, keeping revisions up to 5 of the generation before. */
struct noted_op op_seek(uint64_t job, uint32_t generation, uint64_t step);
struct noted_op op_job_drop(uint64_t id);
struct noted_op op_backup(const char *path);

/* Writes n operations in one transaction, without a store. */
bool write_at_once(struct store_db *db, struct noted_op *ops, size_t n);
/* Submits; the op must stay where it is until done. */
void submit(struct fixture *f, struct noted_op *op);
/* Submits, waits for the outcome and returns its code. */
int run(struct fixture *f, struct noted_op op);
/* A committed dataset of three classes and six labels, one of them missing. */
void make_dataset(struct fixture *f, uint64_t id, const char *name, uint32_t version);

#endif
