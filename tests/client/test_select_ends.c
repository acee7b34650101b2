/*
 * evd_select while it goes on: progress, cancelling, and a machine without memory (the program is
 * linked with --wrap for that).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "client/lib/knn.h"

void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static unsigned countdown; /* allocations until one fails; 0: none fails */

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    if (countdown && --countdown == 0)
        return NULL;
    return __real_aligned_alloc(align, size);
}

#define MANY 900

struct many {
    evd_select_options options;
    float features[MANY * 3];
    uint32_t labels[MANY];
    double probabilities[MANY];
    uint8_t keep[MANY];
    pthread_t thread;
    uint64_t done, total;
    int calls, until; /* until it is cancelled; 0: never */
    volatile int cancel;
};

static void watch(void *arg, uint64_t done, uint64_t total)
{
    struct many *m = arg;

    assert_true(pthread_equal(pthread_self(), m->thread));
    assert_true(done >= m->done && total >= m->total && done <= total);
    m->done = done;
    m->total = total;
    m->calls++;
    if (m->until > 0 && m->calls == m->until)
        m->cancel = 1;
}

/* Three classes that lie in each other. */
static struct many *many_new(int method)
{
    struct many *m = calloc(1, sizeof(*m));
    uint32_t x = 12345;

    for (int i = 0; i < MANY; i++) {
        m->labels[i] = i % 9 == 0 ? 2 : i % 3 == 0;
        for (int u = 0; u < 3; u++) {
            x = x * 1664525 + 1013904223;
            m->features[3 * i + u] = (float)(x >> 8);
        }
        m->probabilities[i] = (x >> 8) / 0x1p24;
    }
    m->options = (evd_select_options)EVD_SELECT_OPTIONS_INIT;
    m->options.features = m->features;
    m->options.labels = m->labels;
    m->options.probabilities = m->probabilities;
    m->options.n = MANY;
    m->options.d = 3;
    m->options.classes = 3;
    m->options.method = method;
    m->options.threads = 2;
    m->options.progress = watch;
    m->options.arg = m;
    m->options.cancel = &m->cancel;
    m->thread = pthread_self();
    return m;
}

static void test_progress(void **state)
{
    const uint64_t every = knn_tick_every;

    (void)state;
    for (int method = 0; method <= EVD_SELECT_INSTANCE_HARDNESS; method++) {
        struct many *m = many_new(method);

        knn_tick_every = 0;
        assert_int_equal(evd_select(&m->options, m->keep, NULL, NULL), EVD_OK);
        knn_tick_every = every;
        assert_true(m->calls > 0);
        assert_int_equal(m->done, m->total);
        free(m);
    }
}

/* How often progress is told if it is cancelled at the call with that number (0: never). */
static int cancelled(int method, int until)
{
    struct many *m = many_new(method);
    const int expected = until ? EVD_CANCELLED : EVD_OK;
    evd_select_result result;
    int calls;

    m->options.threads = 1; /* so that it is told as often each time */
    m->until = until;
    assert_int_equal(evd_select(&m->options, m->keep, NULL, &result), expected);
    assert_string_equal(result.message, "");
    calls = m->calls;
    free(m);
    return calls;
}

/* Before it begins, and at any time but when the last search is over. */
static void test_cancel(void **state)
{
    const uint64_t every = knn_tick_every;

    (void)state;
    knn_tick_every = 0;
    for (int method = 0; method <= EVD_SELECT_INSTANCE_HARDNESS; method++) {
        struct many *m = many_new(method);
        const int calls = cancelled(method, 0);

        m->cancel = 1;
        assert_int_equal(evd_select(&m->options, m->keep, NULL, NULL), EVD_CANCELLED);
        free(m);
        for (int until = 1; until < calls - 1; until += 1 + until / 4)
            cancelled(method, until);
    }
    knn_tick_every = every;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (int method = 0; method <= EVD_SELECT_INSTANCE_HARDNESS; method++) {
        struct many *m = many_new(method);
        uint8_t keep[MANY];
        int code = EVD_E_NO_MEMORY;

        assert_int_equal(evd_select(&m->options, keep, NULL, NULL), EVD_OK);
        for (unsigned n = 1; code != EVD_OK; n++) {
            evd_select_result result;

            assert_true(n < 500);
            m->done = m->total = 0;
            countdown = n;
            code = evd_select(&m->options, m->keep, NULL, &result);
            if (code != EVD_OK) {
                assert_int_equal(countdown, 0);
                assert_int_equal(code, EVD_E_NO_MEMORY);
                assert_non_null(strstr(result.message, "no memory"));
            }
        }
        countdown = 0;
        assert_memory_equal(keep, m->keep, MANY);
        free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
