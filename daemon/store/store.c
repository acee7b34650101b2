/*
 * The asynchronous half of the store: a bounded queue, the writer thread and the way back. It knows
 * neither SQL nor the engine.
 */
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "store/engine.h"

/* One transaction takes at most this much, so that an acknowledgement that is queued behind a large
 * load waits for one such piece, not for all of it. */
#define GROUP_BYTES (8u << 20)
#define GROUP_OPS   1024u
/* While writing fails it is tried so often whether it works again. */
#define PROBE_SECONDS 1

struct op_list {
    struct store_op *head, **tail;
};

struct store {
    struct engine *engine; /* the writer thread's while it runs */
    void (*wake)(void *);
    void *wake_arg;
    pthread_t thread;
    struct store_op *backup; /* being made; the writer thread's */
    bool started;            /* loop thread only */
    pthread_mutex_t lock;    /* guards what follows */
    pthread_cond_t work;
    struct op_list queue, finished;
    bool stopping;
    struct store_info info;
};

static void list_init(struct op_list *list)
{
    list->head = NULL;
    list->tail = &list->head;
}

static void list_append(struct op_list *list, struct store_op *head, struct store_op **tail)
{
    *list->tail = head;
    list->tail = tail;
}

static size_t job_bytes(const struct store_op *op)
{
    size_t bytes = op->revision.strategy_bytes;

    for (size_t i = 0; i < op->progress_count; i++)
        bytes += sizeof(op->progress[i]) + op->progress[i].acked_bytes;
    return bytes;
}

static size_t op_bytes(const struct store_op *op)
{
    size_t bytes = sizeof(*op);

    switch (op->kind) {
    case STORE_DRAFT_APPEND:
        bytes += op->chunk.n * sizeof(*op->chunk.labels) + op->chunk.class_names_bytes +
                 op->chunk.weights_n * sizeof(*op->chunk.weights);
        break;
    case STORE_JOB_CREATE:
    case STORE_REVISION_ADD:
    case STORE_SEEK_ADD:
    case STORE_PROGRESS_PUT:
        bytes += job_bytes(op);
        break;
    default:
        break;
    }
    return bytes;
}

int store_open_vfs(struct store **out, const char *path, const char *vfs, void (*wake)(void *),
                   void *wake_arg, struct evd_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    pthread_condattr_t clock;
    int code;

    if (!store)
        return error_set(err, EVD_E_NO_MEMORY, "store", "no memory to open the database");
    code = engine_open(&store->engine, path, vfs, err);
    if (code != EVD_OK) {
        free(store);
        return code;
    }
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&store->work, &clock);
    pthread_condattr_destroy(&clock);
    list_init(&store->queue);
    list_init(&store->finished);
    store->wake = wake;
    store->wake_arg = wake_arg;
    store->info.file_bytes = engine_file_bytes(store->engine);
    *out = store;
    return EVD_OK;
}

int store_open(struct store **out, const char *path, void (*wake)(void *), void *wake_arg,
               struct evd_error *err)
{
    return store_open_vfs(out, path, NULL, wake, wake_arg, err);
}

int store_load(struct store *store, const struct store_reader *reader, uint64_t *next_id,
               struct evd_error *err)
{
    return engine_load(store->engine, reader, next_id, err);
}

static bool joins_group(const struct store_op *op, size_t count, size_t bytes)
{
    return op && op->kind != STORE_BACKUP && count < GROUP_OPS && bytes + op->bytes <= GROUP_BYTES;
}

/* The next group off the queue, ended by NULL; lock held. A backup comes alone. */
static struct store_op *take_group(struct store *store)
{
    struct store_op *head = store->queue.head, *last = head;
    size_t bytes, count = 1;

    if (!head)
        return NULL;
    bytes = last->bytes;
    while (last->kind != STORE_BACKUP && joins_group(last->next, count, bytes)) {
        last = last->next;
        bytes += last->bytes;
        count++;
    }
    store->queue.head = last->next;
    if (!last->next)
        store->queue.tail = &store->queue.head;
    last->next = NULL;
    return head;
}

static void hand_back(struct store *store, struct store_op *group, bool committed)
{
    struct store_op *last = group;
    size_t bytes = group->bytes;
    uint64_t count = 1;
    uint64_t file_bytes = engine_file_bytes(store->engine);

    while (last->next) {
        last = last->next;
        bytes += last->bytes;
        count++;
    }
    pthread_mutex_lock(&store->lock);
    list_append(&store->finished, group, &last->next);
    store->info.queued_bytes -= bytes;
    store->info.operations += count;
    store->info.commits += committed;
    store->info.file_bytes = file_bytes;
    store->info.failing = engine_failing(store->engine);
    pthread_mutex_unlock(&store->lock);
    store->wake(store->wake_arg);
}

/* Writing works again, or tidying does not: the loop is to know. */
static void note_failing(struct store *store)
{
    bool changed;

    pthread_mutex_lock(&store->lock);
    changed = store->info.failing != engine_failing(store->engine);
    store->info.failing ^= changed;
    pthread_mutex_unlock(&store->lock);
    if (changed)
        store->wake(store->wake_arg);
}

/* Lock held. While writing fails, only until it is time to try again. */
static void wait_for_work(struct store *store)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PROBE_SECONDS;
    while (!store->queue.head && !store->stopping) {
        if (!store->info.failing)
            pthread_cond_wait(&store->work, &store->lock);
        else if (pthread_cond_timedwait(&store->work, &store->lock, &until) == ETIMEDOUT)
            break;
    }
}

/* Sleeps until there is something to do. Returns whether the thread is to go on. */
static bool next_work(struct store *store, bool unfinished, struct store_op **group)
{
    bool stopping;

    pthread_mutex_lock(&store->lock);
    if (!unfinished)
        wait_for_work(store);
    stopping = store->stopping;
    *group = take_group(store);
    pthread_mutex_unlock(&store->lock);
    return *group || !stopping;
}

/* ---- backup ---- */

static void backup_begin(struct store *store, struct store_op *op)
{
    if (engine_backup_begin(store->engine, op->backup.path, &op->error) == EVD_OK)
        store->backup = op;
    else
        hand_back(store, op, false);
}

/* Returns whether there is more to copy. */
static bool backup_step(struct store *store)
{
    struct store_op *op = store->backup;

    if (!op || engine_backup_step(store->engine, &op->backup.bytes, &op->error))
        return op != NULL;
    store->backup = NULL;
    hand_back(store, op, false);
    return false;
}

static void backup_abort(struct store *store)
{
    struct store_op *op = store->backup;

    if (!op)
        return;
    engine_backup_abort(store->engine);
    error_set(&op->error, EVD_E_SHUTTING_DOWN, "store",
              "the daemon stopped before the backup was whole: there is none");
    hand_back(store, op, false);
}

static void *writer(void *arg)
{
    struct store *store = arg;
    struct store_op *group;
    bool unfinished = true;

    while (next_work(store, unfinished, &group)) {
        if (group && group->kind == STORE_BACKUP)
            backup_begin(store, group);
        else if (group)
            hand_back(store, group, engine_write(store->engine, group));
        else if (engine_failing(store->engine))
            engine_probe(store->engine);
        unfinished = engine_tidy(store->engine);
        note_failing(store);
        unfinished = backup_step(store) || unfinished;
    }
    backup_abort(store);
    return NULL;
}

int store_start(struct store *store, struct evd_error *err)
{
    int rc = pthread_create(&store->thread, NULL, writer, store);

    if (rc != 0)
        return error_set(err, EVD_E_NO_MEMORY, "store", "cannot start the writer thread: %s",
                         strerror(rc));
    store->started = true;
    return EVD_OK;
}

int store_submit(struct store *store, struct store_op *op, struct evd_error *err)
{
    uint64_t most = op->kind == STORE_DRAFT_APPEND ? STORE_PIECE_BYTES : STORE_QUEUE_BYTES;
    int code = EVD_OK;

    op->next = NULL;
    op->bytes = op_bytes(op);
    op->error = (struct evd_error){0};
    pthread_mutex_lock(&store->lock);
    if (store->stopping) {
        code = EVD_E_SHUTTING_DOWN;
    } else if (store->info.queued_bytes + op->bytes > most) {
        code = EVD_E_BUSY;
    } else {
        list_append(&store->queue, op, &op->next);
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
    struct store_op *op;
    size_t count = 0;

    pthread_mutex_lock(&store->lock);
    op = store->finished.head;
    list_init(&store->finished);
    pthread_mutex_unlock(&store->lock);
    while (op) {
        struct store_op *next = op->next; /* `done` may free it */
        op->done(op);
        op = next;
        count++;
    }
    return count;
}

/* Without a writer thread what is queued can only be given back. */
static void refuse_queue(struct store *store)
{
    for (struct store_op *op = store->queue.head; op; op = op->next)
        error_set(&op->error, EVD_E_SHUTTING_DOWN, "store",
                  "the daemon stopped before this was written");
    if (store->queue.head)
        list_append(&store->finished, store->queue.head, store->queue.tail);
    list_init(&store->queue);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    if (store->started)
        pthread_join(store->thread, NULL);
    else
        refuse_queue(store);
    store_poll(store);
    engine_close(store->engine);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

void store_info(struct store *store, struct store_info *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->info;
    pthread_mutex_unlock(&store->lock);
}
