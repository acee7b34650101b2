/* evd_neighbours without memory or threads. Linked with --wrap for what can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/lib/knn.h"
#include "near.h"

void *__real_aligned_alloc(size_t align, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
long __real_sysconf(int name);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg);
long __wrap_sysconf(int name);

static unsigned countdown;          /* allocations until one fails; 0: none fails */
static uint64_t allocated;          /* bytes */
static unsigned threads = 1u << 20; /* that can still be had */
static bool few_pages;

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    if (countdown && --countdown == 0)
        return NULL;
    allocated += size;
    return __real_aligned_alloc(align, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                          void *arg)
{
    if (threads == 0)
        return EAGAIN;
    threads--;
    return __real_pthread_create(thread, attr, run, arg);
}

long __wrap_sysconf(int name)
{
    return few_pages && name == _SC_PHYS_PAGES ? 10 : __real_sysconf(name);
}

static struct near prepare(enum kind kind, int scope)
{
    struct near near = near_new(kind, 900, 5, 4);

    near_labels(&near, 5);
    near.options.scope = scope;
    near.options.metric = EVD_METRIC_COSINE;
    return near;
}

/* Every allocation fails once, also that of a file's name. What is taken is what was said. */
static void no_memory(struct near *near, uint32_t *index, float *distance)
{
    const size_t count = near->options.n * near->options.k;
    evd_neighbours_result result;
    unsigned n = 1;

    for (;; n++) {
        int code;

        countdown = n;
        allocated = 0;
        code = evd_neighbours(&near->options, index, distance, &result);
        if (code == EVD_OK)
            break;
        assert_int_equal(code, EVD_E_NO_MEMORY);
        assert_non_null(strstr(result.message, "no memory for "));
    }
    assert_true(countdown > 0 && n > (near->options.recall > 0 ? 28 : 12));
    countdown = 0;
    assert_memory_equal(index, near->index, count * sizeof(*index));
    assert_memory_equal(distance, near->distance, count * sizeof(*distance));
    assert_in_range(result.memory, allocated - 64 * 48, allocated);
}

static void test_no_memory(void **state)
{
    const size_t count = 900 * 4;
    uint32_t *index = malloc(count * sizeof(*index));
    float *distance = malloc(count * sizeof(*distance));
    char folder[] = "/tmp/evd-neighbours-XXXXXX", file[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/partial", folder);
    for (int i = 0; i < 6; i++) {
        struct near near = prepare(GAUSSIAN, i % 3);

        near.options.recall = i < 3 ? 0 : 1; /* of lists, and then exact after all */
        near_brute(&near);
        near.options.partial = file;
        no_memory(&near, index, distance);
        near_free(&near);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing is left behind */
    free(index);
    free(distance);
}

static void test_too_little_memory(void **state)
{
    struct near near = near_new(GAUSSIAN, 900, 5, 4);
    evd_neighbours_result result;

    (void)state;
    few_pages = true;
    assert_int_equal(evd_neighbours(&near.options, near.index, near.distance, &result),
                     EVD_E_NO_MEMORY);
    few_pages = false;
    assert_non_null(strstr(result.message, "and this machine has 40960"));
    near_free(&near);
}

/* The threads that there are do the work of those that there are not. */
static void test_no_threads(void **state)
{
    struct near near = near_new(WHOLE, 900, 5, 4);

    (void)state;
    near_brute(&near);
    near.options.threads = 6; /* as many as there are units */
    for (unsigned had = 0; had <= 2; had++) {
        threads = had;
        near_same(&near);
        assert_int_equal(threads, 0);
    }
    threads = 1u << 20;
    near_free(&near);
}

/* Threads that would have nothing to do take no memory. */
static void test_more_threads_than_work(void **state)
{
    static const uint32_t rows[] = {10, 385};
    static const uint32_t units[] = {1, 3};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct near near = near_new(GAUSSIAN, rows[i], 300, 5);
        uint64_t memory;

        near_brute(&near);
        near.options.threads = units[i];
        memory = near_same(&near).memory;
        near.options.threads = 1024;
        assert_int_equal(near_same(&near).memory, memory);
        near_free(&near);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_too_little_memory),
        cmocka_unit_test(test_no_threads),
        cmocka_unit_test(test_more_threads_than_work),
    };

    knn_approximate_from = 300;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
