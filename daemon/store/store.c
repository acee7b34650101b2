/*
 * The asynchronous half of the store: a bounded queue, the writer thread and the way back. The host
 * opens, starts, polls and closes it, tasks are submitted to it. It knows neither SQL nor which
 * engine.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "store/engine.h"
#include "store/operation.h"

/* One transaction takes at most this much, so that an acknowledgement that is queued behind a large
 * load waits for one such piece, not for all of it. */
#define GROUP_BYTES (8u << 20)
#define GROUP_OPS   1024u
/* While writing fails it is tried so often whether it works again. */
#define PROBE_SECONDS 1
/* While there is nothing to do it is looked so often whether the files are still there. */
#define LOOK_SECONDS 2

/* OPEN -> RUNNING -> STOPPING, or from OPEN to STOPPING where the start of the daemon failed. */
enum store_stage {
    STORE_OPEN,     /* without a thread: operations gather in the queue */
    STORE_RUNNING,  /* store_start: the writer thread has the database */
    STORE_STOPPING, /* store_close: what is queued is still written, nothing is taken any more */
};

/* Somebody waits for a strategy or for distances, in a thread of theirs. */
struct store_read {
    const struct store_place *place; /* NULL: distances are wanted */
    const struct store_span *span;
    void *bytes; /* of the strategy; or where the distances go */
    size_t count;
    struct evd_error error;
    bool done;
    STAILQ_ENTRY(store_read) link;
};
STAILQ_HEAD(store_reads, store_read);

struct store {
    const struct store_engine *engine;
    struct store_db *db; /* the writer thread's while it runs */
    void (*wake)(void *);
    void *wake_arg;
    pthread_t thread;
    struct store_op *backup; /* being made; the writer thread's */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t work;     /* something was queued, or the stage has changed */
    pthread_cond_t read_done;
    enum store_stage stage;
    struct store_reads reads;
    struct store_ops queue, finished;
    struct store_info info;
};

/* Around an open database. */
static void store_init(struct store *store, const struct store_engine *engine, void (*wake)(void *),
                       void *wake_arg)
{
    pthread_condattr_t clock;

    store->engine = engine;
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&store->work, &clock);
    pthread_condattr_destroy(&clock);
    pthread_cond_init(&store->read_done, NULL);
    STAILQ_INIT(&store->reads);
    STAILQ_INIT(&store->queue);
    STAILQ_INIT(&store->finished);
    store->wake = wake;
    store->wake_arg = wake_arg;
    store->info.file_bytes = engine->file_bytes(store->db);
}

int store_open_by(struct store **out, const struct store_engine *engine, const char *place,
                  void (*wake)(void *), void *wake_arg, struct evd_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    int code;

    if (!store)
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    code = engine->open(&store->db, place, err);
    if (code != EVD_OK) {
        free(store);
        return code;
    }
    store_init(store, engine, wake, wake_arg);
    *out = store;
    return EVD_OK;
}

int store_examine(struct store **out, const char *address, const struct store_look *look,
                  bool *readable, struct evd_error *err)
{
    const char *place;
    const struct store_engine *engine = engine_find(address, &place, err);
    struct store *store;
    int code;

    if (!engine)
        return err->code;
    store = calloc(1, sizeof(*store));
    if (!store)
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    code = engine->examine(&store->db, place, look, readable, err);
    if (code != EVD_OK) {
        free(store);
        return code;
    }
    store_init(store, engine, NULL, NULL);
    *out = store;
    return EVD_OK;
}

int store_salvage(struct store *store, const char *path, const struct store_look *look,
                  struct evd_error *err)
{
    assert(store->stage == STORE_OPEN);
    return store->engine->salvage(store->db, path, look, err);
}

int store_open(struct store **out, const char *address, void (*wake)(void *), void *wake_arg,
               struct evd_error *err)
{
    const char *place;
    const struct store_engine *engine = engine_find(address, &place, err);

    return engine ? store_open_by(out, engine, place, wake, wake_arg, err) : err->code;
}

int store_load(struct store *store, const struct store_reader *reader, uint64_t *next_id,
               struct evd_error *err)
{
    assert(store->stage == STORE_OPEN);
    return store->engine->load(store->db, reader, next_id, err);
}

/* The next group off the queue, empty if nothing is queued; lock held. A backup comes alone. */
static void next_group(struct store *store, struct store_ops *group)
{
    size_t bytes = 0, count = 0;
    struct store_op *op;

    STAILQ_INIT(group);
    while ((op = STAILQ_FIRST(&store->queue))) {
        bytes += op->bytes;
        if (count > 0 && (op->kind == STORE_BACKUP || count == GROUP_OPS || bytes > GROUP_BYTES))
            break;
        STAILQ_REMOVE_HEAD(&store->queue, link);
        STAILQ_INSERT_TAIL(group, op, link);
        count++;
        if (op->kind == STORE_BACKUP)
            break;
    }
}

static void hand_back(struct store *store, struct store_ops *group, bool committed)
{
    uint64_t file_bytes = store->engine->file_bytes(store->db), bytes = 0, count = 0;
    struct store_op *op;

    STAILQ_FOREACH(op, group, link) {
        bytes += op->bytes;
        count++;
    }
    pthread_mutex_lock(&store->lock);
    assert(store->info.queued_bytes >= bytes);
    STAILQ_CONCAT(&store->finished, group);
    store->info.queued_bytes -= bytes;
    store->info.operations += count;
    store->info.commits += committed;
    store->info.file_bytes = file_bytes;
    store->info.failing = store->engine->failing(store->db, &store->info.why);
    pthread_mutex_unlock(&store->lock);
    store->wake(store->wake_arg);
}

/* Writing works again, or tidying does not, or the files are gone: the loop is to know. */
static void note_failing(struct store *store)
{
    bool before, changed;

    pthread_mutex_lock(&store->lock);
    before = store->info.failing;
    store->info.failing = store->engine->failing(store->db, &store->info.why);
    changed = store->info.failing != before;
    pthread_mutex_unlock(&store->lock);
    if (changed)
        store->wake(store->wake_arg);
}

/* Lock held. Until it is time to try or to look again. */
static void wait_for_work(struct store *store)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += store->info.failing ? PROBE_SECONDS : LOOK_SECONDS;
    while (STAILQ_EMPTY(&store->queue) && STAILQ_EMPTY(&store->reads) &&
           store->stage == STORE_RUNNING) {
        if (pthread_cond_timedwait(&store->work, &store->lock, &until) == ETIMEDOUT)
            break;
    }
}

/* ---- reading ---- */

static void do_read(struct store *store, struct store_read *read)
{
    if (read->place)
        store->engine->read_strategy(store->db, read->place, &read->bytes, &read->count,
                                     &read->error);
    else
        store->engine->read_distances(store->db, read->span, read->bytes, &read->error);
}

/* Those who wait to read come first: each is a row, and there are no more of them than threads. */
static void serve_reads(struct store *store)
{
    struct store_read *read;

    pthread_mutex_lock(&store->lock);
    while ((read = STAILQ_FIRST(&store->reads))) {
        STAILQ_REMOVE_HEAD(&store->reads, link);
        pthread_mutex_unlock(&store->lock);
        do_read(store, read);
        pthread_mutex_lock(&store->lock);
        read->done = true;
        pthread_cond_broadcast(&store->read_done);
    }
    pthread_mutex_unlock(&store->lock);
}

/* Has the writer thread do it; lock held. */
static void wait_for_read(struct store *store, struct store_read *read)
{
    if (store->stage == STORE_STOPPING) {
        error_set(&read->error, EVD_E_SHUTTING_DOWN, "store", "the daemon is stopping");
        return;
    }
    STAILQ_INSERT_TAIL(&store->reads, read, link);
    pthread_cond_signal(&store->work);
    while (!read->done)
        pthread_cond_wait(&store->read_done, &store->lock);
}

static int read_now(struct store *store, struct store_read *read, struct evd_error *err)
{
    pthread_mutex_lock(&store->lock);
    if (store->stage == STORE_OPEN)
        do_read(store, read);
    else
        wait_for_read(store, read);
    pthread_mutex_unlock(&store->lock);
    if (read->error.code != EVD_OK)
        *err = read->error;
    return read->error.code;
}

int store_read_strategy(struct store *store, const struct store_place *place, void **strategy,
                        size_t *bytes, struct evd_error *err)
{
    struct store_read read = {.place = place};
    int code = read_now(store, &read, err);

    *strategy = read.bytes;
    *bytes = read.count;
    return code;
}

int store_read_distances(struct store *store, const struct store_span *span, void *distances,
                         struct evd_error *err)
{
    struct store_read read = {.span = span, .bytes = distances};

    return read_now(store, &read, err);
}

/* ---- the writer thread ---- */

/* Sleeps until there is something to do. Returns whether the thread is to go on. */
static bool next_work(struct store *store, bool unfinished, struct store_ops *group)
{
    bool stopping;

    pthread_mutex_lock(&store->lock);
    if (!unfinished)
        wait_for_work(store);
    stopping = store->stage == STORE_STOPPING;
    next_group(store, group);
    pthread_mutex_unlock(&store->lock);
    serve_reads(store);
    return !STAILQ_EMPTY(group) || !stopping;
}

/* ---- backup ---- */

static void hand_back_backup(struct store *store, struct store_op *op)
{
    struct store_ops alone = STAILQ_HEAD_INITIALIZER(alone);

    STAILQ_INSERT_TAIL(&alone, op, link);
    hand_back(store, &alone, false);
}

static void backup_begin(struct store *store, struct store_op *op)
{
    if (store->engine->backup_begin(store->db, op->backup.path, &op->error) == EVD_OK)
        store->backup = op;
    else
        hand_back_backup(store, op);
}

/* Returns whether there is more to copy. */
static bool backup_step(struct store *store)
{
    struct store_op *op = store->backup;

    if (!op || store->engine->backup_step(store->db, &op->backup.bytes, &op->error))
        return op != NULL;
    store->backup = NULL;
    hand_back_backup(store, op);
    return false;
}

static void backup_abort(struct store *store)
{
    struct store_op *op = store->backup;

    if (!op)
        return;
    store->engine->backup_abort(store->db);
    error_set(&op->error, EVD_E_SHUTTING_DOWN, "store",
              "the daemon stopped before the backup was whole: there is none");
    hand_back_backup(store, op);
}

static void *writer(void *arg)
{
    struct store *store = arg;
    const struct store_engine *engine = store->engine;
    struct store_ops group;
    struct evd_error why;
    bool unfinished = true;

    while (next_work(store, unfinished, &group)) {
        struct store_op *first = STAILQ_FIRST(&group);

        if (first && first->kind == STORE_BACKUP)
            backup_begin(store, first);
        else if (first)
            hand_back(store, &group, engine->write(store->db, &group));
        else if (engine->failing(store->db, &why))
            engine->probe(store->db);
        unfinished = engine->tidy(store->db);
        note_failing(store);
        unfinished = backup_step(store) || unfinished;
    }
    backup_abort(store);
    return NULL;
}

int store_start(struct store *store, struct evd_error *err)
{
    int rc;

    assert(store->stage == STORE_OPEN);
    store->stage = STORE_RUNNING;
    rc = pthread_create(&store->thread, NULL, writer, store);
    if (rc == 0)
        return EVD_OK;
    store->stage = STORE_OPEN;
    return error_set(err, EVD_E_NO_MEMORY, "store", "cannot start the writer thread: %s",
                     strerror(rc));
}

int store_submit(struct store *store, struct store_op *op, struct evd_error *err)
{
    bool piece = op->kind == STORE_DRAFT_APPEND || op->kind == STORE_ATTACHMENT_APPEND;
    uint64_t most = piece ? STORE_PIECE_BYTES : STORE_QUEUE_BYTES;
    int code = EVD_OK;

    op->bytes = operation_bytes(op);
    op->error = (struct evd_error){0};
    pthread_mutex_lock(&store->lock);
    if (store->stage == STORE_STOPPING) {
        code = EVD_E_SHUTTING_DOWN;
    } else if (store->info.queued_bytes + op->bytes > most) {
        code = EVD_E_BUSY;
    } else {
        assert(op->done);
        STAILQ_INSERT_TAIL(&store->queue, op, link);
        store->info.queued_bytes += op->bytes;
        pthread_cond_signal(&store->work);
    }
    pthread_mutex_unlock(&store->lock);
    if (code == EVD_E_SHUTTING_DOWN)
        return error_set(err, code, "store", "the daemon is stopping: nothing more is written");
    if (code == EVD_E_BUSY)
        return error_set(err, code, "store",
                         "%u MiB wait to be written, which is all that may: try again shortly",
                         (unsigned)(most >> 20));
    return EVD_OK;
}

size_t store_poll(struct store *store)
{
    struct store_ops finished = STAILQ_HEAD_INITIALIZER(finished);
    struct store_op *op;
    size_t count = 0;

    pthread_mutex_lock(&store->lock);
    STAILQ_CONCAT(&finished, &store->finished);
    pthread_mutex_unlock(&store->lock);
    while ((op = STAILQ_FIRST(&finished))) {
        STAILQ_REMOVE_HEAD(&finished, link);
        op->done(op); /* may free it */
        count++;
    }
    return count;
}

/* Without a writer thread what is queued can only be given back. */
static void refuse_queue(struct store *store)
{
    struct store_op *op;

    STAILQ_FOREACH(op, &store->queue, link)
        error_set(&op->error, EVD_E_SHUTTING_DOWN, "store",
                  "the daemon stopped before this was written");
    STAILQ_CONCAT(&store->finished, &store->queue);
}

void store_close(struct store *store)
{
    bool running;

    if (!store)
        return;
    pthread_mutex_lock(&store->lock);
    assert(store->stage != STORE_STOPPING);
    running = store->stage == STORE_RUNNING;
    store->stage = STORE_STOPPING;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    if (running)
        pthread_join(store->thread, NULL);
    else
        refuse_queue(store);
    store_poll(store);
    store->engine->close(store->db);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->read_done);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

void store_info(struct store *store, struct store_info *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->info;
    pthread_mutex_unlock(&store->lock);
}

uint64_t store_memory(const struct store *store)
{
    return store->engine->memory();
}
