/*
 * Random sequences of events against the model of model.c: within a generation every step of an
 * epoch is acknowledged exactly once (by each rank), or handed out at most once; a step that comes
 * back is the same batch and says so; a change of strategy begins at one step for everybody; what
 * is restored after a crash contains whatever was confirmed; what the job counts and keeps is what
 * the model counted.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "model.h"

static struct plan *plan_new(struct model *m, uint32_t revision)
{
    return fake_plan_new((struct fake_plan){
        .revision = revision, .steps = m->plan_steps[revision], .batch = BATCH, .last = BATCH});
}

/* ---- changes ---- */

static void do_update(struct model *m)
{
    uint32_t revision = job_next_revision(m->job);
    struct job_event event = {.kind = JOB_UPDATE, .update = {.token = 7, .revision = revision}};

    if (!m->storing && !m->seeking)
        m->plan_steps[revision] = 1 + random_below(m, STEPS);
    event.update.when = (enum job_when)random_below(m, 3);
    event.update.at =
        (struct job_position){m->frontier.epoch + random_below(m, 2), random_below(m, STEPS)};
    event.update.plan = plan_new(m, revision);
    if (model_step(m, &event))
        plan_unref(event.update.plan);
}

/* The length of an epoch in a line of history. */
static struct epoch_shape shape_of(struct model *m, const struct job_revision_info *line,
                                   uint32_t n, uint64_t epoch)
{
    while (line[n - 1].at.epoch > epoch)
        n--;
    if (line[n - 1].at.epoch == epoch)
        return line[n - 1].shape;
    return (struct epoch_shape){m->plan_steps[line[n - 1].revision], 4};
}

/* The line to seek in: the job's own, or cut where the newest strategy then begins. Returns its
 * length, or 0 if there is no such step. */
static uint32_t make_line(struct model *m, struct job_event *event, bool follow,
                          struct job_revision_info *line)
{
    struct job_position at = event->seek.at;
    uint32_t revision = event->seek.revision, n = 0;

    for (; n < job_revisions(m->job); n++)
        line[n] = job_revision(m->job, n);
    if (at.step >= shape_of(m, line, n, at.epoch).steps)
        return 0;
    if (!follow)
        return n;
    while (position_before(at, line[n - 1].at))
        n--;
    m->plan_steps[revision] = 1 + random_below(m, STEPS);
    line[n] = (struct job_revision_info){.revision = revision, .at = at};
    line[n].shape =
        at.step ? shape_of(m, line, n, at.epoch) : (struct epoch_shape){m->plan_steps[revision], 4};
    return n + 1;
}

static void do_seek(struct model *m)
{
    static struct job_revision_info line[EVENTS];
    struct job_event event = {.kind = JOB_SEEK,
                              .seek = {.token = 9, .force = random_below(m, 4) != 0}};
    bool follow = random_below(m, 2), idle = !m->storing && !m->seeking;
    struct sampler_error refused;

    event.seek.at.epoch = random_below(m, m->frontier.epoch + 2);
    event.seek.at.step = random_below(m, 4) ? random_below(m, STEPS) : 0;
    event.seek.revision = job_next_revision(m->job);
    event.seek.generation = m->stored.job.generation;
    event.seek.line = line;
    event.seek.line_count = idle ? make_line(m, &event, follow, line) : 0;
    if (event.seek.line_count == 0)
        return;
    for (uint32_t i = 0; i < event.seek.line_count; i++) {
        bool over =
            i + 1 < event.seek.line_count && !position_before(event.seek.at, line[i + 1].at);

        line[i].plan = over ? NULL : plan_new(m, line[i].revision);
        if (line[i].plan)
            plan_place(line[i].plan, line[i].at.epoch, line[i].at.step, line[i].shape, &refused);
    }
    if (model_step(m, &event) == EVD_OK) {
        m->replaying = !follow;
        return;
    }
    EXPECT(!event.seek.force);
    for (uint32_t i = 0; i < event.seek.line_count; i++)
        plan_unref(line[i].plan);
}

static void do_stored(struct model *m, enum job_event_kind kind)
{
    int code = random_below(m, 4) ? EVD_OK : EVD_E_STORE;
    struct job_event event = {.kind = kind, .progress_stored = {code}}; /* whichever it is */

    if (kind == JOB_PROGRESS_STORED) {
        m->writing = false; /* another write may follow */
        m->failing = code != EVD_OK;
        if (code == EVD_OK)
            model_commit(m);
    }
    if (kind == JOB_SEEK_STORED)
        m->replaying &= code == EVD_OK;
    EXPECT(model_step(m, &event) == EVD_OK);
}

static void do_flush(struct model *m)
{
    struct job_event event = {.kind = JOB_FLUSH};

    m->flush = false;
    EXPECT(model_step(m, &event) == EVD_OK);
}

/* ---- restarts ---- */

/* The daemon stops in order: what it stores last is where it was. */
static void drain(struct model *m)
{
    struct job_event event = {.kind = JOB_DRAIN};
    struct job_state state;

    m->draining = true;
    EXPECT(model_step(m, &event) == EVD_OK);
    while (m->writing) {
        struct job_event stored = {.kind = JOB_PROGRESS_STORED};

        m->writing = m->failing = false;
        model_commit(m);
        EXPECT(model_step(m, &stored) == EVD_OK);
    }
    job_state(m->job, &state);
    EXPECT(m->seeking || position_before(m->frontier, m->floor) ||
           state.next.epoch > m->stored.job.mark.epoch ||
           !position_before(m->frontier, m->stored.job.mark));
}

static void do_restart(struct model *m)
{
    struct job *old = m->job;
    struct job_config config = m->config;
    struct evd_error err;

    if (random_below(m, 3) == 0)
        drain(m);
    else if (m->writing && random_below(m, 2))
        model_commit(m); /* the crash came between the commit and the answer */
    config.world_size = model_ranked(m) ? m->stored.rows : 0;
    for (uint32_t i = 0; i < job_revisions(old); i++) {
        struct job_revision_info info = job_revision(old, i);
        struct plan *plan = plan_new(m, info.revision);

        info.plan = plan;
        if (i == 0)
            EXPECT(job_new(&m->job, &config, plan, &err) == EVD_OK);
        else
            EXPECT(job_restore_revision(m->job, &info, &err) == EVD_OK);
    }
    EXPECT(job_restore_generation(m->job, &m->stored.job, &err) == EVD_OK);
    for (uint32_t r = 0; r < m->stored.rows; r++) {
        m->stored.row[r].acked = m->stored.bits[r];
        EXPECT(job_restore_progress(m->job, m->stored.rows, &m->stored.row[r], &err) == EVD_OK);
    }
    job_restore_end(m->job);
    model_restored(m);
    job_free(old);
    job_check(m->job);
}

/* ---- at random ---- */

static void random_event(struct model *m)
{
    uint64_t what = random_below(m, 100);

    m->now += random_below(m, 6);
    if (what < 78)
        model_worker_event(m, &m->workers[random_below(m, WORKERS)]);
    else if (what < 82)
        do_update(m);
    else if (what < 86 && m->storing)
        do_stored(m, JOB_REVISION_STORED);
    else if (what < 90 && m->seeking)
        do_stored(m, JOB_SEEK_STORED);
    else if (what < 94 && m->writing)
        do_stored(m, JOB_PROGRESS_STORED);
    else if (what < 96 && m->flush)
        do_flush(m);
    else if (what < 98)
        model_tick(m);
    else if (random_below(m, 8) == 0)
        do_seek(m);
    else if (random_below(m, 16) == 0)
        do_restart(m);
}

static struct model total; /* what happened in all runs */

static void begin(struct model *m, enum job_mode mode, enum job_guarantee guarantee)
{
    struct evd_error err;

    m->config = (struct job_config){.mode = mode, .guarantee = guarantee, .batch_size = BATCH};
    m->config.time_to_run = random_below(m, 2) ? 0 : 100 + (uint32_t)random_below(m, 400);
    m->config.grace = random_below(m, 2) ? 0 : 50 + (uint32_t)random_below(m, 100);
    m->config.replicas = mode == JOB_RANKED ? 1 + (uint32_t)random_below(m, 2) : 1;
    m->plan_steps[0] = 1 + random_below(m, STEPS);
    EXPECT(job_new(&m->job, &m->config, plan_new(m, 0), &err) == EVD_OK);
    m->world = mode == JOB_RANKED ? 0 : 1;
    m->stored.rows = m->world;
    m->stored.job.mark = job_mark(m->job);
    m->stored.job.attended = job_attended(m->job);
    m->stored.job.next_revision = 1;
}

static void run(uint64_t seed, enum job_mode mode, enum job_guarantee guarantee)
{
    struct model *m = test_calloc(1, sizeof(*m));

    m->seed = seed;
    m->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    begin(m, mode, guarantee);
    for (m->event = 0; m->event < EVENTS && m->frontier.epoch + 4 < EPOCHS; m->event++) {
        random_event(m);
        model_fresh(m);
    }
    total.epochs += m->epochs;
    total.granted += m->granted;
    total.resent += m->resent;
    total.expired += m->expired;
    total.gone += m->gone;
    total.sought += m->sought;
    total.worlds += m->worlds;
    total.repeated += m->repeated;
    total.alone += m->alone;
    total.excluded += m->excluded;
    job_free(m->job);
    EXPECT(fake_plans() == 0);
    test_free(m);
}

static void run_all(enum job_mode mode, enum job_guarantee guarantee)
{
    bool once = guarantee == JOB_AT_MOST_ONCE;

    total = (struct model){0};
    for (uint64_t seed = 1; seed <= 200; seed++)
        run(seed, mode, guarantee);
    print_message("%" PRIu64 " epochs, %" PRIu64 " steps kept over a restart, %" PRIu64
                  " sent again, %" PRIu64 " expired, %" PRIu64 " workers gone, %" PRIu64
                  " seeks, %" PRIu64 " changes of world, %" PRIu64 " acknowledged twice, %" PRIu64
                  " alone, %" PRIu64 " excluded\n",
                  total.epochs, total.granted, total.resent, total.expired, total.gone,
                  total.sought, total.worlds, total.repeated, total.alone, total.excluded);
    assert_true(total.epochs > 200 && total.expired > 50 && total.sought > 50);
    assert_true(total.repeated > 50);
    assert_true(once || (total.granted > 10 && total.resent > 50 && total.gone > 20));
    assert_true(mode == JOB_SHARED ? total.alone > 50 && total.excluded > 50 : total.worlds > 20);
}

static void test_shared(void **state)
{
    (void)state;
    run_all(JOB_SHARED, JOB_AT_LEAST_ONCE);
}

static void test_ranked(void **state)
{
    (void)state;
    run_all(JOB_RANKED, JOB_AT_LEAST_ONCE);
}

static void test_shared_at_most_once(void **state)
{
    (void)state;
    run_all(JOB_SHARED, JOB_AT_MOST_ONCE);
}

static void test_ranked_at_most_once(void **state)
{
    (void)state;
    run_all(JOB_RANKED, JOB_AT_MOST_ONCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared), cmocka_unit_test(test_ranked),
                                       cmocka_unit_test(test_shared_at_most_once),
                                       cmocka_unit_test(test_ranked_at_most_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
