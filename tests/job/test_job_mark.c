/* How far ahead the mark is put: as far as a write takes, so that a slow disk holds back no fast
 * workers, and no further, so that a crash puts few steps in doubt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "job/job.h"

#define EPOCH_STEPS 4000000u

struct run {
    struct job *job;
    struct job_stream *stream;
    uint64_t now;
    uint64_t delivered, writes;
    uint64_t stored_at; /* when the write under way is done; 0: there is none */
    uint32_t write_ms;
    struct job_position last;
};

static void step(struct run *run, struct job_event event)
{
    struct job_update update;
    struct evd_error err;

    event.now = run->now;
    assert_int_equal(job_step(run->job, &event, &update, &err), EVD_OK);
    if (event.kind == JOB_OPEN)
        run->stream = update.stream;
    while (job_next_effect(run->job, &update)) {
        if (update.effect.kind == JOB_DELIVER) {
            const struct plan_slice *slice = &update.effect.deliver.slice;

            run->delivered++;
            run->last = (struct job_position){slice->epoch, slice->step};
        } else if (update.effect.kind == JOB_STORE_PROGRESS) {
            run->writes++;
            run->stored_at = run->now + run->write_ms;
        }
    }
}

static void pass_time(struct run *run, uint64_t now)
{
    run->now = now;
    if (run->stored_at == 0 || run->stored_at > now)
        return;
    run->stored_at = 0;
    step(run, (struct job_event){.kind = JOB_PROGRESS_STORED});
}

static void begin(struct run *run, uint32_t write_ms)
{
    struct job_config config = {.mode = JOB_SHARED, .batch_size = 4};
    struct plan *plan = fake_plan_new((struct fake_plan){0, EPOCH_STEPS, 4, 4, PLAN_OK});
    struct evd_error err;

    *run = (struct run){.now = 1000000, .write_ms = write_ms};
    assert_int_equal(job_new(&run->job, &config, plan, &err), EVD_OK);
    step(run, (struct job_event){.kind = JOB_OPEN, .open = {.window = 8}});
}

/* The worker acknowledges all it has, `rate` times a millisecond, or every `pause` milliseconds. */
static void work(struct run *run, uint32_t ms, uint32_t rate, uint32_t pause)
{
    uint64_t end = run->now + ms;

    while (run->now < end) {
        pass_time(run, run->now + 1);
        for (uint32_t i = 0; i < rate && run->now % pause == 0; i++) {
            struct job_stream_info info;

            job_stream_info(run->stream, &info);
            if (info.held > 0)
                step(run, (struct job_event){
                              .kind = JOB_ACK,
                              .ack = {.stream = run->stream, .at = run->last, .through = true}});
        }
    }
}

static void fast_workers_do_not_wait(void **state)
{
    struct run run;
    uint64_t before, writes;

    (void)state;
    begin(&run, 20);
    work(&run, 500, 100, 1); /* to get going */
    before = run.delivered;
    writes = run.writes;
    work(&run, 2000, 100, 1);
    assert_int_equal(run.delivered - before, 2000 * 100 * 8);
    assert_in_range(run.writes - writes, 5, 40);
    job_check(run.job);
    job_free(run.job);
    assert_int_equal(fake_plans(), 0);
}

static void little_is_in_doubt_of_slow_ones(void **state)
{
    struct run run;

    (void)state;
    begin(&run, 20);
    work(&run, 60000, 1, 1000);
    assert_int_equal(run.delivered, 8 * 61);
    assert_in_range(job_mark(run.job).step - run.last.step, 1, 64);
    job_free(run.job);
    assert_int_equal(fake_plans(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_workers_do_not_wait),
        cmocka_unit_test(little_is_in_doubt_of_slow_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
