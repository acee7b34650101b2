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

static bool storing; /* progress is being stored */

static bool sink(void *arg, const struct job_effect *effect)
{
    uint32_t *delivered = arg;

    storing |= effect->kind == JOB_STORE_PROGRESS;
    *delivered += effect->kind == JOB_DELIVER;
    return true;
}

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

/* A step that is refused for want of memory succeeds the second time: only one allocation fails. */
static void step(struct job *job, struct job_event *event)
{
    struct evd_error err;
    struct job_state was = {0}, is = {0};
    int code;

    job_state(job, &was);
    code = job_step(job, event, &err);
    job_check(job);
    if (!code)
        return;
    assert_int_equal(code, EVD_E_NO_MEMORY);
    assert_true(err.message[0] != '\0');
    job_state(job, &is);
    assert_int_equal(is.outstanding, was.outstanding);
    assert_int_equal(is.streams, was.streams);
    assert_int_equal(is.config.world_size, was.config.world_size);
    assert_int_equal(is.updating, was.updating);
    assert_int_equal(job_step(job, event, &err), EVD_OK);
    job_check(job);
}

/* The store answers. */
static void store(struct job *job)
{
    struct job_event stored = {.kind = JOB_PROGRESS_STORED};

    for (; storing; step(job, &stored))
        storing = false;
}

static void update(struct job *job)
{
    uint32_t revision = job_next_revision(job);
    struct job_event event = {.kind = JOB_UPDATE, .plan = plan_new(revision), .revision = revision};
    struct job_event stored = {.kind = JOB_REVISION_STORED};

    step(job, &event);
    step(job, &stored);
}

static struct job *new_job(const struct job_config *config, uint32_t *delivered)
{
    struct plan *plan = plan_new(0);
    struct evd_error err;
    struct job *job;
    int code = job_new(&job, config, plan, sink, delivered, &err);

    if (code) {
        assert_int_equal(code, EVD_E_NO_MEMORY);
        assert_int_equal(job_new(&job, config, plan, sink, delivered, &err), EVD_OK);
    }
    job_check(job);
    return job;
}

/* Returns how many batches were handed out: the same with every failure. */
static uint32_t scenario(enum job_mode mode)
{
    struct job_config config = {.mode = mode, .batch_size = 4};
    struct job_event open = {.kind = JOB_OPEN, .world = mode == JOB_RANKED ? 2 : 0, .window = 2};
    struct job_event event = {.kind = JOB_CREDIT, .window = 64};
    uint32_t delivered = 0;
    struct job *job = new_job(&config, &delivered);

    step(job, &open);
    store(job);
    event.stream = open.stream;
    step(job, &event);
    for (int i = 0; i < 6; i++)
        update(job);
    event.kind = JOB_ACK;
    for (uint64_t i = 0; i < TOKENS; i++) {
        event.at.step = i;
        event.token = i + 1;
        step(job, &event);
    }
    store(job);
    event.kind = JOB_CLOSE;
    step(job, &event);
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
    uint32_t delivered = 0;
    struct job *job = new_job(&config, &delivered);
    struct job_event event = {.kind = JOB_OPEN, .window = 8};

    (void)state;
    step(job, &event);
    store(job);
    event.kind = JOB_ACK;
    countdown = 1;
    for (uint64_t i = 0; i < 100; i++) {
        event.at.step = i;
        step(job, &event);
        store(job);
    }
    assert_int_equal(countdown, 1);
    countdown = 0;
    job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared), cmocka_unit_test(test_ranked),
                                       cmocka_unit_test(test_hot_path)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
