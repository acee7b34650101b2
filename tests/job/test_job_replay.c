/* Replay gives exactly what the job handed out, for any history and any part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "job/replay.h"

enum { MAX_STEPS = 1000, MAX_REVISIONS = 32, BATCH = 4 };

struct served {
    struct job_position at;
    uint32_t revision;
    uint64_t steps;
};

/* A job with one worker that acknowledges at once, so that the order of delivery is that of steps.
 */
struct fixture {
    struct job *job;
    struct job_stream *stream;
    struct served served[MAX_STEPS];
    uint32_t count;
    uint32_t revision_steps[MAX_REVISIONS];
    struct replay_revision revisions[MAX_REVISIONS];
    struct plan *plans[MAX_REVISIONS];
    uint32_t plans_asked;
    bool storing;
};

static struct plan *plan_new(const struct fixture *f, uint32_t revision)
{
    return fake_plan_new((struct fake_plan){
        .revision = revision, .steps = f->revision_steps[revision], .batch = BATCH, .last = 1});
}

/* Hands the job an event, and carries the update out. */
static struct job_update step(struct fixture *f, const struct job_event *event)
{
    struct job_update update;
    struct evd_error err;

    assert_int_equal(job_step(f->job, event, &update, &err), EVD_OK);
    while (job_next_effect(f->job, &update)) {
        const struct job_delivery *d = &update.effect.deliver;

        f->storing |= update.effect.kind == JOB_STORE_PROGRESS;
        if (update.effect.kind != JOB_DELIVER)
            continue;
        assert_true(f->count < MAX_STEPS);
        f->served[f->count++] =
            (struct served){{d->slice.epoch, d->slice.step}, d->revision, d->slice.shape.steps};
    }
    return update;
}

/* The same, with a store that answers at once. */
static struct job_update event(struct fixture *f, struct job_event e)
{
    struct job_update update = step(f, &e);

    while (f->storing) {
        f->storing = false;
        step(f, &(struct job_event){.kind = JOB_PROGRESS_STORED});
    }
    return update;
}

static void update(struct fixture *f, enum job_when when, struct job_position at, uint32_t steps)
{
    uint32_t revision = job_next_revision(f->job);

    f->revision_steps[revision] = steps;
    event(f, (struct job_event){
                 .kind = JOB_UPDATE,
                 .update = {
                     .plan = plan_new(f, revision), .revision = revision, .when = when, .at = at}});
    event(f, (struct job_event){.kind = JOB_REVISION_STORED});
}

static void serve(struct fixture *f, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        event(f, (struct job_event){.kind = JOB_CREDIT, .credit = {f->stream, 1}});
        event(f,
              (struct job_event){.kind = JOB_ACK,
                                 .ack = {.stream = f->stream, .at = f->served[f->count - 1].at}});
        event(f, (struct job_event){.kind = JOB_CREDIT, .credit = {f->stream, 0}});
    }
}

/* After serve(), one step more is out: the credit of 1 still held when the acknowledgement came. */
static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct job_config config = {.mode = JOB_SHARED, .batch_size = BATCH};
    struct evd_error err;

    f->revision_steps[0] = 5;
    assert_int_equal(job_new(&f->job, &config, plan_new(f, 0), &err), EVD_OK);
    f->stream = event(f, (struct job_event){.kind = JOB_OPEN}).stream;
    *state = f;
    return 0;
}

/* The history as replay/line.c takes it: a copy, with every plan built and placed again. */
static struct replay_history history_copy(struct fixture *f, replay_plan plan)
{
    uint32_t n = job_revisions(f->job);
    struct sampler_error err;

    for (uint32_t i = 0; i < n; i++) {
        struct job_revision_info info = job_revision(f->job, i);

        f->revisions[i] = (struct replay_revision){info.revision, info.at, info.shape};
        f->plans[i] = plan_new(f, info.revision);
        assert_int_equal(plan_place(f->plans[i], info.at.epoch, info.at.step, info.shape, &err), 0);
    }
    return (struct replay_history){
        .revisions = f->revisions, .count = n, .plan = plan, .plan_arg = f, .cancel = NULL};
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < MAX_REVISIONS; i++)
        plan_unref(f->plans[i]);
    job_free(f->job);
    assert_int_equal(fake_plans(), 0);
    test_free(f);
    return 0;
}

static const struct plan *plan_of(void *arg, uint32_t i, struct evd_error *err)
{
    struct fixture *f = arg;

    (void)err;
    f->plans_asked++;
    return f->plans[i];
}

static const struct plan *no_plan(void *arg, uint32_t i, struct evd_error *err)
{
    struct fixture *f = arg;

    if (i < 2)
        return f->plans[i];
    error_set(err, EVD_E_NO_MEMORY, "", "no memory");
    return NULL;
}

/* A long history: changes in mid-epoch, at an epoch's end, several at one step, and one to come. */
static void make_history(struct fixture *f)
{
    serve(f, 2);
    update(f, JOB_NOW, (struct job_position){0}, 7);
    update(f, JOB_NOW, (struct job_position){0}, 3);
    serve(f, 12);
    update(f, JOB_NEXT_EPOCH, (struct job_position){0}, 6);
    serve(f, 20);
    update(f, JOB_AT, (struct job_position){9, 2}, 2);
    serve(f, 30);
    update(f, JOB_AT, (struct job_position){100, 0}, 2);
}

struct walk {
    const struct fixture *f;
    uint32_t i;
    int stop_after; /* steps; 0: never */
};

static int compare(void *arg, const struct replay_step *step, struct evd_error *err)
{
    struct walk *walk = arg;
    const struct served *served = &walk->f->served[walk->i++];

    assert_true(walk->i <= walk->f->count);
    assert_int_equal(step->at.epoch, served->at.epoch);
    assert_int_equal(step->at.step, served->at.step);
    assert_int_equal(step->revision, served->revision);
    assert_int_equal(step->shape.steps, served->steps);
    assert_int_equal(fake_plan_revision(step->plan), served->revision);
    if (walk->stop_after && --walk->stop_after == 0)
        return error_set(err, EVD_E_SHUTTING_DOWN, "", "stopped");
    return EVD_OK;
}

static void test_same_steps(void **state)
{
    struct fixture *f = *state;
    struct evd_error err;
    struct replay_history history;

    make_history(f);
    history = history_copy(f, plan_of);
    for (uint32_t from = 0; from < f->count; from += 3) {
        for (uint32_t to = from; to < f->count; to += 7) {
            struct walk walk = {.f = f, .i = from};

            assert_int_equal(
                replay_steps(&history, f->served[from].at, f->served[to].at, compare, &walk, &err),
                EVD_OK);
            assert_int_equal(walk.i, to);
        }
    }
}

static void test_each_plan_once(void **state)
{
    struct fixture *f = *state;
    struct walk walk = {.f = f};
    struct replay_history history;
    struct evd_error err;

    make_history(f);
    history = history_copy(f, plan_of);
    f->plans_asked = 0;
    assert_int_equal(replay_steps(&history, (struct job_position){0, 0}, job_next(f->job, 0),
                                  compare, &walk, &err),
                     EVD_OK);
    assert_int_equal(walk.i, f->count);
    /* Six revisions: one was replaced before it began, one is to come. */
    assert_int_equal(f->plans_asked, 4);
}

static void test_past_an_epochs_end(void **state)
{
    struct fixture *f = *state;
    struct walk walk = {.f = f, .i = 5};
    struct replay_history history;
    struct evd_error err;

    serve(f, 9);
    history = history_copy(f, plan_of);
    assert_int_equal(replay_steps(&history, (struct job_position){0, 77},
                                  (struct job_position){1, 2}, compare, &walk, &err),
                     EVD_OK);
    assert_int_equal(walk.i, 7);
}

static void test_stops(void **state)
{
    struct fixture *f = *state;
    struct walk walk = {.f = f, .stop_after = 4};
    struct job_position end = {5, 0};
    struct replay_history history;
    struct evd_error err;

    make_history(f);
    history = history_copy(f, plan_of);
    assert_int_equal(replay_steps(&history, (struct job_position){0, 0}, end, compare, &walk, &err),
                     EVD_E_SHUTTING_DOWN);
    assert_int_equal(walk.i, 4);
    history.plan = no_plan;
    walk = (struct walk){.f = f};
    assert_int_equal(replay_steps(&history, (struct job_position){0, 0}, end, compare, &walk, &err),
                     EVD_E_NO_MEMORY);
    assert_true(walk.i > 0);
}

static void test_counts(void **state)
{
    struct fixture *f = *state;
    uint64_t served[MAX_REVISIONS] = {0}, expected[MAX_REVISIONS] = {0}, samples = 0;
    struct replay_totals totals = {0};
    struct replay_history history;
    struct evd_error err;

    make_history(f);
    history = history_copy(f, plan_of);
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t n = f->served[i].at.step + 1 == f->served[i].steps ? 1 : BATCH;

        expected[f->served[i].revision] += n;
        samples += n;
    }
    assert_int_equal(replay_count(&history, (struct job_position){0, 0}, job_next(f->job, 0), BATCH,
                                  MAX_REVISIONS, served, &totals, &err),
                     EVD_OK);
    assert_memory_equal(served, expected, sizeof(served));
    assert_int_equal(totals.steps, f->count);
    assert_int_equal(totals.samples, samples);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_same_steps), TEST(test_each_plan_once),
                                       TEST(test_past_an_epochs_end), TEST(test_stops),
                                       TEST(test_counts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
