/* What the tests of the store share, see store_fixture.h. */
#define _GNU_SOURCE
#include "store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/limits.h"

static int order;
static pthread_t loop_thread;

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/evd-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/evendraw.db", f->dir);
    assert_int_equal(pipe2(f->wake, O_NONBLOCK | O_CLOEXEC), 0);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    DIR *dir;

    fixture_close(f);
    dir = opendir(f->dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(f->dir);
    close(f->wake[0]);
    close(f->wake[1]);
    free(f);
    return 0;
}

static void on_wake(void *arg)
{
    struct fixture *f = arg;

    assert_false(pthread_equal(pthread_self(), loop_thread));
    (void)!write(f->wake[1], "", 1);
}

/* ---- the picture ---- */

struct painter {
    char *text;
    size_t size, len;
};

static void __attribute__((format(printf, 2, 3))) paint(struct painter *p, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    p->len += (size_t)vsnprintf(p->text + p->len, p->size - p->len, format, ap);
    va_end(ap);
    assert_true(p->len < p->size);
}

static int paint_dataset(void *arg, const struct store_dataset *d, struct evd_error *err)
{
    (void)err;
    paint(arg, "dataset %" PRIu64 " %s v%u at %" PRIu64 ": %" PRIu64 "/%" PRIu64 " in %u, %" PRIx64,
          d->id, d->name, d->version, d->created, d->labelled, d->samples, d->classes, d->checksum);
    if (d->owned)
        paint(arg, " owned");
    return EVD_OK;
}

static int paint_chunk(void *arg, const struct store_chunk *c, struct evd_error *err)
{
    (void)err;
    if (c->class_names_bytes > 0)
        paint(arg, " | %u:", c->first_class);
    for (size_t i = 0; i < c->class_names_bytes; i += strlen(c->class_names + i) + 1)
        paint(arg, " %s", c->class_names + i);
    if (c->n > 0)
        paint(arg, " | %" PRIu64 ":", c->first_sample);
    for (size_t i = 0; i < c->n; i++) {
        if (c->labels[i] == EVD_UNLABELLED)
            paint(arg, " -");
        else
            paint(arg, " %u", c->labels[i]);
    }
    if (c->weights_n > 0)
        paint(arg, " | %s %" PRIu64 ":", c->column, c->first_weight);
    for (size_t i = 0; i < c->weights_n; i++)
        paint(arg, " %g", c->weights[i]);
    return EVD_OK;
}

static int paint_end(void *arg, struct evd_error *err)
{
    (void)err;
    paint(arg, "\n");
    return EVD_OK;
}

static int paint_attachment(void *arg, const struct store_attachment *a, struct evd_error *err)
{
    (void)err;
    paint(arg,
          "attachment %" PRIu64 " %s of %" PRIu64 ": %s %u %s %s +%zu at %" PRIu64 ", %" PRIu64
          " samples, %" PRIx64,
          a->id, a->name, a->dataset, a->kind, a->width, a->scope, a->metric, a->facts_bytes,
          a->created, a->samples, a->digest);
    return EVD_OK;
}

static int paint_rows(void *arg, const struct store_rows *r, struct evd_error *err)
{
    (void)err;
    paint(arg, " | %" PRIu64 "+%" PRIu64 ": %.*s %.*s", r->first_sample, r->n, (int)r->rows_bytes,
          (const char *)r->rows, (int)r->distances_bytes,
          r->distances ? (const char *)r->distances : "");
    return EVD_OK;
}

static int paint_attachment_damaged(void *arg, const struct evd_error *why, struct evd_error *err)
{
    (void)err;
    paint(arg, " damaged: %s\n", why->message);
    return EVD_OK;
}

static int paint_job(void *arg, const struct store_job *j, struct evd_error *err)
{
    (void)err;
    paint(arg, "job %" PRIu64 " %s of %" PRIu64 ": %u/%u %s %s seed %" PRIx64 " at %" PRIu64 ",",
          j->id, j->name, j->dataset, j->batch_size, j->world_size, j->mode, j->last_batch, j->seed,
          j->created);
    paint(arg, " %s %u+%u ms x%u to %" PRIu64 "/%" PRIu64 "%s", j->guarantee, j->time_to_run,
          j->grace, j->replicas, j->mark_epoch, j->mark_step, j->attended ? " attended" : "");
    if (j->ephemeral)
        paint(arg, " ephemeral %u ms", j->ephemeral);
    if (j->retain_epochs)
        paint(arg, " retain %u", j->retain_epochs);
    paint(arg, "\n");
    return EVD_OK;
}

static int paint_seek(void *arg, const struct store_seek *s, struct evd_error *err)
{
    (void)err;
    paint(arg,
          " seek %" PRIu64 " %u<%u.%u from %" PRIu64 "/%" PRIu64 " to %" PRIu64 "/%" PRIu64
          " %s at %" PRIu64 " by %s\n",
          s->job, s->generation, s->parent, s->keep_revision, s->left_epoch, s->left_step, s->epoch,
          s->step, s->mode, s->created, s->author);
    return EVD_OK;
}

static int paint_world(void *arg, const struct store_world *w, struct evd_error *err)
{
    (void)err;
    paint(arg, " world %" PRIu64 " %u %" PRIu64 "/%" PRIu64 " %u at %" PRIu64 " by %s\n", w->job,
          w->generation, w->epoch, w->step, w->world_size, w->created, w->author);
    return EVD_OK;
}

static int paint_revision(void *arg, const struct store_revision *r, struct evd_error *err)
{
    (void)err;
    paint(arg,
          " revision %u.%u from %" PRIu64 "/%" PRIu64 " of %" PRIu64 " (%u) %.*s %" PRIx64
          " by %s\n",
          r->generation, r->revision, r->epoch, r->step, r->shape_steps, r->shape_last,
          r->strategy_bytes < 32 ? (int)r->strategy_bytes : 0, (const char *)r->strategy, r->digest,
          r->author);
    if (r->forgotten)
        paint(arg, "  forgotten: %" PRIu64 " bytes, %" PRIx64 ", %s\n", r->forgotten->bytes,
              r->forgotten->hash, r->forgotten->kind);
    return EVD_OK;
}

static int paint_progress(void *arg, uint64_t job, const struct store_progress *r,
                          struct evd_error *err)
{
    (void)err;
    paint(arg, " progress %" PRIu64 " rank %u: %u.%" PRIu64 "/%" PRIu64 " +%zu", job, r->rank,
          r->generation, r->epoch, r->step, r->acked_bytes);
    for (size_t i = 0; i < r->acked_bytes; i++)
        paint(arg, " %02x", r->acked[i]);
    paint(arg, "\n");
    return EVD_OK;
}

static int ignore_chunk(void *arg, const struct store_chunk *c, struct evd_error *err)
{
    (void)arg;
    (void)c;
    (void)err;
    return EVD_OK;
}

static const char *engine_vfs;

static int open_by_vfs(struct store_db **out, const char *place, struct evd_error *err)
{
    return sqlite_open(out, place, engine_vfs, err);
}

int fixture_open_store(struct store **out, const char *path, const char *vfs, void (*wake)(void *),
                       void *wake_arg, struct evd_error *err)
{
    static struct store_engine engine;

    if (!engine.open) { /* once: writer threads read it */
        engine = sqlite_engine;
        engine.open = open_by_vfs;
    }
    engine_vfs = vfs;
    return store_open_by(out, &engine, path, wake, wake_arg, err);
}

static void open_and_load(struct fixture *f, char *picture, size_t size)
{
    char unseen[65536];
    struct painter painter = {picture ? picture : unseen, picture ? size : sizeof(unseen), 0};
    struct store_reader reader = {.arg = &painter,
                                  .dataset_begin = paint_dataset,
                                  .dataset_chunk = picture ? paint_chunk : ignore_chunk,
                                  .dataset_end = paint_end,
                                  .attachment_begin = paint_attachment,
                                  .attachment_rows = paint_rows,
                                  .attachment_end = paint_end,
                                  .attachment_damaged = paint_attachment_damaged,
                                  .job = paint_job,
                                  .seek = paint_seek,
                                  .revision = paint_revision,
                                  .world = paint_world,
                                  .progress = paint_progress};
    struct evd_error err = {0};

    painter.text[0] = '\0';
    loop_thread = pthread_self();
    order = 0;
    if (fixture_open_store(&f->store, f->path, f->vfs, on_wake, f, &err) != EVD_OK ||
        store_load(f->store, &reader, &f->next_id, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

void fixture_open(struct fixture *f, char *picture, size_t size)
{
    struct evd_error err = {0};

    open_and_load(f, picture, size);
    if (store_start(f->store, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

void fixture_open_unstarted(struct fixture *f)
{
    open_and_load(f, NULL, 0);
}

void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

void fixture_reopen(struct fixture *f, char *picture, size_t size)
{
    fixture_close(f);
    fixture_open(f, picture, size);
}

size_t fixture_wait(struct fixture *f)
{
    struct pollfd fd = {.fd = f->wake[0], .events = POLLIN};
    char bytes[256];

    assert_int_equal(poll(&fd, 1, 30000), 1);
    (void)!read(f->wake[0], bytes, sizeof(bytes));
    return store_poll(f->store);
}

/* ---- operations ---- */

struct noted_op op_draft(uint64_t id, const char *name)
{
    return (struct noted_op){.op = {.kind = STORE_DRAFT_CREATE,
                                    .dataset = {.id = id, .name = name, .created = 1000 + id}}};
}

struct noted_op op_classes(uint64_t id, uint32_t first, const char *names, size_t bytes)
{
    return (struct noted_op){.op = {.kind = STORE_DRAFT_APPEND,
                                    .chunk = {.dataset = id,
                                              .first_class = first,
                                              .class_names = names,
                                              .class_names_bytes = bytes}}};
}

struct noted_op op_labels(uint64_t id, uint64_t first, const uint32_t *labels, size_t n)
{
    return (struct noted_op){
        .op = {.kind = STORE_DRAFT_APPEND,
               .chunk = {.dataset = id, .first_sample = first, .labels = labels, .n = n}}};
}

struct noted_op op_weights(uint64_t id, const char *column, uint64_t first, const double *weights,
                           size_t n)
{
    return (struct noted_op){.op = {.kind = STORE_DRAFT_APPEND,
                                    .chunk = {.dataset = id,
                                              .column = column,
                                              .first_weight = first,
                                              .weights = weights,
                                              .weights_n = n}}};
}

struct noted_op op_commit(uint64_t id, uint32_t version, uint64_t samples, uint32_t classes)
{
    return (struct noted_op){.op = {.kind = STORE_DRAFT_COMMIT,
                                    .dataset = {.id = id,
                                                .version = version,
                                                .created = 2000 + id,
                                                .samples = samples,
                                                .labelled = samples - 1,
                                                .classes = classes,
                                                .checksum = UINT64_MAX - id}}};
}

struct noted_op op_drop(uint64_t id)
{
    return (struct noted_op){.op = {.kind = STORE_DATASET_DROP, .dataset = {.id = id}}};
}

static struct store_revision revision(uint64_t job, uint32_t number, uint32_t keep)
{
    return (struct store_revision){.job = job,
                                   .revision = number,
                                   .keep_revision = keep,
                                   .epoch = 1,
                                   .step = number * 10,
                                   .shape_steps = 100,
                                   .shape_last = 32,
                                   .strategy = "uniform",
                                   .strategy_bytes = 7,
                                   .digest = UINT64_MAX - number,
                                   .created = 3000,
                                   .author = "tests"};
}

struct noted_op op_job(uint64_t id, const char *name, uint64_t dataset)
{
    return (struct noted_op){.op = {.kind = STORE_JOB_CREATE,
                                    .job = {.id = id,
                                            .name = name,
                                            .dataset = dataset,
                                            .batch_size = 64,
                                            .seed = UINT64_MAX >> 1,
                                            .created = 4000,
                                            .mode = "ranked",
                                            .last_batch = "drop",
                                            .guarantee = "at-most-once",
                                            .time_to_run = UINT32_MAX,
                                            .grace = 20,
                                            .replicas = 2},
                                    .revision = revision(id, 0, 0)}};
}

struct noted_op op_revision(uint64_t job, uint32_t number, uint32_t keep)
{
    return (struct noted_op){
        .op = {.kind = STORE_REVISION_ADD, .revision = revision(job, number, keep)}};
}

struct noted_op op_progress(uint64_t job, uint64_t step, size_t ranks)
{
    struct noted_op noted = {.op = {.kind = STORE_PROGRESS_PUT,
                                    .job = {.id = job,
                                            .world_size = (uint32_t)ranks,
                                            .mark_epoch = 2,
                                            .mark_step = step + 8},
                                    .progress_count = ranks}};

    for (uint32_t i = 0; i < ranks; i++)
        noted.progress[i] = (struct store_progress){.rank = i,
                                                    .epoch = 2,
                                                    .step = step + i,
                                                    .acked = (const uint8_t *)"\x05\x80",
                                                    .acked_bytes = i == 0 ? 0 : 2};
    return noted;
}

struct noted_op op_world(uint64_t job, uint64_t step, uint32_t world_size)
{
    struct noted_op noted = op_progress(job, step, 1);

    noted.op.job.world_size = world_size;
    noted.op.world = (struct store_world){.job = job,
                                          .epoch = 2,
                                          .step = step,
                                          .world_size = world_size,
                                          .created = 5000 + world_size,
                                          .author = "tests"};
    return noted;
}

struct noted_op op_seek(uint64_t job, uint32_t generation, uint64_t step)
{
    struct noted_op noted = op_progress(job, step, 1);

    noted.op.kind = STORE_SEEK_ADD;
    noted.progress[0].generation = generation;
    noted.op.seek = (struct store_seek){.job = job,
                                        .generation = generation,
                                        .parent = generation - 1,
                                        .keep_revision = 5,
                                        .epoch = 2,
                                        .step = step,
                                        .left_epoch = 9,
                                        .left_step = UINT64_MAX,
                                        .mode = "replay",
                                        .created = 6000 + generation,
                                        .author = "tests"};
    return noted;
}

static void note(struct store_op *op)
{
    struct noted_op *noted = op->owner;

    assert_true(pthread_equal(pthread_self(), loop_thread));
    noted->done++;
    noted->order = ++order;
}

static void point_to_progress(struct noted_op *op)
{
    if (op->op.kind == STORE_PROGRESS_PUT || op->op.kind == STORE_SEEK_ADD)
        op->op.progress = op->progress;
}

bool write_at_once(struct store_db *db, struct noted_op *ops, size_t n)
{
    struct store_ops group = STAILQ_HEAD_INITIALIZER(group);

    for (size_t i = 0; i < n; i++) {
        point_to_progress(&ops[i]);
        STAILQ_INSERT_TAIL(&group, &ops[i].op, link);
    }
    return sqlite_engine.write(db, &group);
}

void submit(struct fixture *f, struct noted_op *op)
{
    struct evd_error err = {0};

    op->op.done = note;
    op->op.owner = op;
    point_to_progress(op);
    if (store_submit(f->store, &op->op, &err) != EVD_OK)
        fail_msg("%s", err.message);
}

int run(struct fixture *f, struct noted_op op)
{
    submit(f, &op);
    while (!op.done)
        fixture_wait(f);
    assert_int_equal(op.done, 1);
    if (op.op.error.code != EVD_OK)
        assert_true(strlen(op.op.error.message) > 0);
    return op.op.error.code;
}

void make_dataset(struct fixture *f, uint64_t id, const char *name, uint32_t version)
{
    const uint32_t labels[] = {0, 2, EVD_UNLABELLED, 1, 0, 2};

    assert_int_equal(run(f, op_draft(id, name)), EVD_OK);
    assert_int_equal(run(f, op_classes(id, 0, "cat\0dog", 8)), EVD_OK);
    assert_int_equal(run(f, op_classes(id, 2, "eel", 4)), EVD_OK);
    assert_int_equal(run(f, op_labels(id, 0, labels, 4)), EVD_OK);
    assert_int_equal(run(f, op_labels(id, 4, labels + 4, 2)), EVD_OK);
    assert_int_equal(run(f, op_commit(id, version, 6, 3)), EVD_OK);
}
