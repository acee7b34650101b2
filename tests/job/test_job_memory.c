/*
 * Every allocation of the job core fails once: the event is refused, nothing has changed, and the
 * same event succeeds when there is memory again. The program is linked with --wrap for malloc,
 * calloc and realloc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake_plan.h"
#include "job/job.h"

enum { TOKENS = 40 };

static unsigned countdown; /* allocations until one fails; 0: none fails */

static bool fails(void)
{
    return countdown && --countdown == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static bool storing;             /* progress is being stored */
static struct job_update update; /* what came of the event before */
static uint32_t delivered;       /* batches, in this scenario */

/* Allocations fail only within the core, not in the test itself. */
static struct plan *plan_new(uint32_t revision)
{
    unsigned saved = countdown;
    struct plan *plan;

    countdown = 0;
    plan = fake_plan_new((struct fake_plan){revision, 100, 4, 4, PLAN_OK});
    countdown = saved;
    assert_non_null(plan);
    return plan;
}

static void carry_out(struct job *job)
{
    while (job_next_effect(job, &update)) {
        storing |= update.effect.kind == JOB_STORE_PROGRESS;
        delivered += update.effect.kind == JOB_DELIVER;
    }
    job_check(job);
}

/* A step that is refused for want of memory succeeds the second time: only one allocation fails. */
static void step(struct job *job, const struct job_event *event)
{
    struct evd_error err;
    struct job_state was = {0}, is = {0};
    int code;

    job_state(job, &was);
    code = job_step(job, event, &update, &err);
    carry_out(job);
    if (!code)
        return;
    assert_int_equal(code, EVD_E_NO_MEMORY);
    assert_true(err.message[0] != '\0');
    job_state(job, &is);
    assert_int_equal(is.outstanding, was.outstanding);
    assert_int_equal(is.streams, was.streams);
    assert_int_equal(is.config.world_size, was.config.world_size);
    assert_int_equal(is.updating, was.updating);
    assert_int_equal(job_step(job, event, &update, &err), EVD_OK);
    carry_out(job);
}

/* The store answers. */
static void store(struct job *job)
{
    struct job_event stored = {.kind = JOB_PROGRESS_STORED};

    for (; storing; step(job, &stored))
        storing = false;
}

static void change(struct job *job)
{
    uint32_t revision = job_next_revision(job);
    struct job_event event = {.kind = JOB_UPDATE,
                              .update = {.plan = plan_new(revision), .revision = revision}};
    struct job_event stored = {.kind = JOB_REVISION_STORED};

    step(job, &event);
    step(job, &stored);
}

static struct job *new_job(const struct job_config *config)
{
    struct plan *plan = plan_new(0);
    struct evd_error err;
    struct job *job;
    int code = job_new(&job, config, plan, &err);

    if (code) {
        assert_int_equal(code, EVD_E_NO_MEMORY);
        assert_int_equal(job_new(&job, config, plan, &err), EVD_OK);
    }
    job_check(job);
    return job;
}

/* Returns how many batches were handed out: the same with every failure. */
static uint32_t scenario(enum job_mode mode)
{
    struct job_config config = {.mode = mode, .batch_size = 4};
    struct job_event open = {.kind = JOB_OPEN,
                             .open = {.world = mode == JOB_RANKED ? 2 : 0, .window = 2}};
    struct job_event credit = {.kind = JOB_CREDIT, .credit = {.window = 64}};
    struct job_event ack = {.kind = JOB_ACK}, close = {.kind = JOB_CLOSE};
    struct job *job;

    delivered = 0;
    job = new_job(&config);
    step(job, &open);
    credit.credit.stream = ack.ack.stream = close.close.stream = update.stream;
    store(job);
    step(job, &credit);
    for (int i = 0; i < 6; i++)
        change(job);
    for (uint64_t i = 0; i < TOKENS; i++) {
        ack.ack.at.step = i;
        ack.ack.token = i + 1;
        step(job, &ack);
    }
    store(job);
    step(job, &close);
    job_free(job);
    assert_int_equal(fake_plans(), 0);
    return delivered;
}

static void fail_each(enum job_mode mode)
{
    uint32_t expected = scenario(mode);
    unsigned n = 1;

    for (;; n++) {
        countdown = n;
        assert_int_equal(scenario(mode), expected);
        if (countdown)
            break; /* fewer than n allocations */
    }
    countdown = 0;
    assert_true(n > 8);
}

static void test_shared(void **state)
{
    (void)state;
    fail_each(JOB_SHARED);
}

static void test_ranked(void **state)
{
    (void)state;
    fail_each(JOB_RANKED);
}

/* Handing out and acknowledging allocate nothing. */
static void test_hot_path(void **state)
{
    struct job_config config = {.mode = JOB_SHARED, .batch_size = 4};
    struct job_event open = {.kind = JOB_OPEN, .open = {.window = 8}};
    struct job_event ack = {.kind = JOB_ACK};
    struct job *job = new_job(&config);

    (void)state;
    step(job, &open);
    ack.ack.stream = update.stream;
    store(job);
    countdown = 1;
    for (uint64_t i = 0; i < 100; i++) {
        ack.ack.at.step = i;
        step(job, &ack);
        store(job);
    }
    assert_int_equal(countdown, 1);
    countdown = 0;
    job_free(job);
}

/* The largest window of a stream takes 4.5 KiB at most. */
static void test_stream(void **state)
{
    struct job_config config = {.mode = JOB_SHARED, .batch_size = 4};
    struct job_event open = {.kind = JOB_OPEN, .open = {.window = EVD_MAX_WINDOW}};
    struct job *job = new_job(&config);
    struct job_stream_info info;

    (void)state;
    step(job, &open);
    job_stream_info(update.stream, &info);
    assert_in_range(info.memory, 4u << 10, 9u << 9);
    job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared), cmocka_unit_test(test_ranked),
                                       cmocka_unit_test(test_hot_path),
                                       cmocka_unit_test(test_stream)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
