/*
 * The store: what must survive a restart. One interface, in front of the engine that the database's
 * address means (engine.h); engines live in folders of their own.
 *
 * Asynchronous: the loop thread submits operations and goes on; one writer thread owns the only
 * database connection, takes what is queued, writes it in one transaction (group commit,
 * synchronous=FULL) and hands every operation back with its result after the commit. `wake` is
 * called from the writer thread when something is to be collected; the loop thread then calls
 * store_poll, which runs the operations' `done` callbacks, in the order of submission (a backup's
 * when it is done).
 *
 * Within one group an operation that fails is rolled back alone (savepoint); a failed commit fails
 * every operation of the group, and the store goes on: while writing fails it tries by itself, each
 * second, whether it works again (a full disk has room, a file system is writable again), and calls
 * `wake` when `failing` changes. After a failed fsync (or damage met while writing) it does not
 * try: nobody knows what is on the disk then, and a second fsync can succeed without having written
 * what the first one lost, so every later operation fails until the daemon is restarted.
 *
 * A group is confirmed only if the database's files are still what is found at their paths: where
 * they were removed, moved or replaced, everything fails until they are back. A writer thread that
 * has nothing to do looks every two seconds.
 *
 * Pieces of a draft, or of an attachment, must follow one another without a gap, or they are
 * refused (EVD_E_CONFLICT). A dropped dataset is gone at the commit; its chunks are deleted in
 * slices between later groups.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "store/records.h"

/* Queued and not yet written; above it: EVD_E_BUSY. Pieces of datasets and attachments leave some
 * of it to all else, so that whoever loads faster than the disk writes keeps nobody from being
 * confirmed. */
#define STORE_QUEUE_BYTES (64u << 20)
#define STORE_PIECE_BYTES (56u << 20)

struct store;
struct store_engine;

/* Opens or creates the database at an address, the path of a file or "sqlite:PATH", and migrates
 * it. Blocking: called before the loop runs. Errors say what to do: unknown kind of database,
 * foreign file, newer schema, corrupt, read-only, locked by another daemon. */
int store_open(struct store **out, const char *address, void (*wake)(void *), void *wake_arg,
               struct evd_error *err) MUST_CHECK;
/* The same by a given engine; `place` is an address without the scheme. */
int store_open_by(struct store **out, const struct store_engine *engine, const char *place,
                  void (*wake)(void *), void *wake_arg, struct evd_error *err) MUST_CHECK;
/* Opens the database at an address to be read only: nothing in its files changes, whatever they
 * are. Refused while a daemon has it. Damage in the file is told; *readable: store_load can be
 * relied on. For store_load, store_salvage and store_close only. */
int store_examine(struct store **out, const char *address, const struct store_look *look,
                  bool *readable, struct evd_error *err) MUST_CHECK;
/* Copies what can be read of an examined database to a new one, at a path where there is nothing.
 * What could not be read is told; whether rows fit together is for the caller to find out, who
 * loads the copy. Where it fails the copy is of no use. */
int store_salvage(struct store *store, const char *path, const struct store_look *look,
                  struct evd_error *err) MUST_CHECK;
/* Tells the reader of everything stored. Once, after opening and before store_start; ids for new
 * datasets and jobs begin at *next_id. */
int store_load(struct store *store, const struct store_reader *reader, uint64_t *next_id,
               struct evd_error *err) MUST_CHECK;

/* The strategy of one revision, as it was recorded: *strategy is the caller's to free. Blocking,
 * for what is drawn again or shown: any thread but the writer's, which reads it between two groups;
 * before store_start, the thread that opened. EVD_E_NOT_FOUND: it is recorded no more. */
int store_read_strategy(struct store *store, const struct store_place *place, void **strategy,
                        size_t *bytes, struct evd_error *err) MUST_CHECK;

/* The distances of some samples of an attachment, as bytes: likewise. EVD_E_STORE: damaged. */
int store_read_distances(struct store *store, const struct store_span *span, void *distances,
                         struct evd_error *err) MUST_CHECK;

/* Starts the writer thread. */
int store_start(struct store *store, struct evd_error *err) MUST_CHECK;
/* Queues an operation; EVD_E_BUSY above the queue's bound (nothing queued then). Loop thread. */
int store_submit(struct store *store, struct store_op *op, struct evd_error *err) MUST_CHECK;
/* Runs `done` of everything finished. Loop thread. Returns how many. */
size_t store_poll(struct store *store);
/* Writes what is queued, stops the thread, runs the remaining callbacks, closes. */
void store_close(struct store *store);

struct store_info {
    uint64_t commits, operations; /* since start */
    uint64_t queued_bytes;
    uint64_t file_bytes;
    bool
        failing; /* nothing can be stored: a write failed, or what follows one, or files are lost */
    struct evd_error why; /* while failing */
};
void store_info(struct store *store, struct store_info *out);
uint64_t store_memory(const struct store *store); /* bytes that the engine holds */

#endif
