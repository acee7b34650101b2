/* A worker that keeps the lowest step holds the others back after JOB_SPAN steps, and no sooner;
 * all of them are in the progress that is stored, and come back from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "job/job.h"

struct worker {
    struct job_stream *stream;
    struct job_position last;
    uint64_t count;
};

static bool storing; /* progress is being stored */

static void carry_out(struct job *job, struct job_update *update)
{
    while (job_next_effect(job, update)) {
        const struct job_delivery *d = &update->effect.deliver;
        struct worker *worker;

        storing |= update->effect.kind == JOB_STORE_PROGRESS;
        if (update->effect.kind != JOB_DELIVER)
            continue;
        worker = d->owner;
        worker->last = (struct job_position){d->slice.epoch, d->slice.step};
        worker->count++;
    }
}

/* Returns the stream of JOB_OPEN. */
static struct job_stream *step(struct job *job, const struct job_event *event)
{
    struct job_update update;
    struct evd_error err;
    struct job_stream *stream;

    assert_int_equal(job_step(job, event, &update, &err), EVD_OK);
    stream = update.stream;
    carry_out(job, &update);
    while (storing) {
        struct job_event stored = {.kind = JOB_PROGRESS_STORED};

        storing = false;
        assert_int_equal(job_step(job, &stored, &update, &err), EVD_OK);
        carry_out(job, &update);
    }
    return stream;
}

static void open_stream(struct job *job, struct worker *worker, uint32_t rank, uint32_t world)
{
    struct job_event event = {.kind = JOB_OPEN,
                              .open = {.owner = worker, .rank = rank, .world = world, .window = 2}};

    worker->stream = step(job, &event);
}

static void ack(struct job *job, struct worker *worker, uint64_t step_number)
{
    struct job_event event = {.kind = JOB_ACK,
                              .ack = {.stream = worker->stream, .at = {0, step_number}}};

    step(job, &event);
}

static struct job *new_job(enum job_mode mode)
{
    struct job_config config = {.mode = mode, .batch_size = 4};
    struct plan *plan = fake_plan_new((struct fake_plan){0, 10 * JOB_SPAN, 4, 4, PLAN_OK});
    struct evd_error err;
    struct job *job;

    assert_int_equal(job_new(&job, &config, plan, &err), EVD_OK);
    return job;
}

/* All but the first step are acknowledged until nothing more comes. */
static void run(enum job_mode mode, uint32_t span)
{
    uint32_t world = mode == JOB_RANKED ? 2 : 0;
    struct job *job = new_job(mode), *restored = new_job(mode);
    struct worker slow = {0}, other = {0};
    const struct job_progress *rows;
    struct job_state state;
    struct evd_error err;
    uint32_t n;

    open_stream(job, &slow, 0, world);
    for (uint64_t i = 1; i < span; i++)
        ack(job, &slow, i);
    assert_int_equal(slow.count, span);
    job_check(job);

    n = job_progress(job, &rows);
    assert_int_equal(rows[0].acked_bytes, span / 8);
    assert_int_equal(rows[0].acked[0], 0xfe);
    assert_int_equal(rows[0].acked[span / 8 - 1], 0xff);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(job_restore_progress(restored, n, &rows[i], &err), EVD_OK);
    job_restore_end(restored);
    job_check(restored);
    open_stream(restored, &other, 0, world);
    assert_int_equal(other.count, 1); /* step 0; what follows is too far away */
    ack(restored, &other, 0);
    assert_int_equal(other.last.step, span + 1);

    ack(job, &slow, 0);
    assert_int_equal(slow.last.step, span + 1);
    job_state(job, &state);
    assert_int_equal(mode == JOB_SHARED ? state.low.step : job_next(job, 0).step - 2, span);
    job_check(job);
    job_free(job);
    job_free(restored);
    assert_int_equal(fake_plans(), 0);
}

static void test_shared(void **state)
{
    (void)state;
    run(JOB_SHARED, JOB_SPAN);
}

static void test_ranked(void **state)
{
    (void)state;
    run(JOB_RANKED, JOB_RANK_SPAN);
}

/* Progress that cannot be this job's is refused. */
static void test_foreign_progress(void **state)
{
    static const uint8_t bits[JOB_SPAN / 8 + 1] = {[JOB_SPAN / 8] = 1};
    const struct job_progress wrong[] = {
        {.rank = 1},
        {.low = {0, 10 * JOB_SPAN + 1}},
        {.low = {0, 10 * JOB_SPAN}, .acked = bits + JOB_SPAN / 8, .acked_bytes = 1},
        {.acked = bits, .acked_bytes = sizeof(bits)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct job *job = new_job(JOB_SHARED);
        struct evd_error err;

        assert_int_equal(job_restore_progress(job, 1, &wrong[i], &err), EVD_E_STORE);
        job_free(job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared), cmocka_unit_test(test_ranked),
                                       cmocka_unit_test(test_foreign_progress)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
