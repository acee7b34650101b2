/* Linked into each test with the label `one_thread` (tests/CMakeLists.txt), in place of
 * pthread_create: such tests are not run under ThreadSanitizer, so they must have no thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)arg;
    fprintf(stderr, "a test with the label one_thread starts a thread: take the label from it\n");
    abort();
}
