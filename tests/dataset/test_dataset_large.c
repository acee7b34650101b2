/* Memory and time of a dataset of 10^7 samples, as the process sees them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/resource.h>
#include "dataset/dataset.h"

#define SAMPLES UINT64_C(10000000)

static long peak_bytes(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss * 1024;
}

static void memory_per_sample(void **state)
{
    static uint32_t chunk[65536];
    struct dataset_builder *b = dataset_builder_new();
    struct dataset *d;
    struct evd_error err;
    long before = peak_bytes();
    char name[16];

    (void)state;
    for (int c = 0; c < 1000; c++) {
        int len = snprintf(name, sizeof(name), "c%d", c);
        assert_int_equal(dataset_builder_class(b, (struct evd_str){name, (uint32_t)len}, &err),
                         EVD_OK);
    }
    for (uint64_t i = 0; i < SAMPLES;) {
        size_t n = 0;
        for (; n < 65536 && i < SAMPLES; n++, i++)
            chunk[n] = (uint32_t)(i * 2654435761u >> 7) % 1000;
        assert_int_equal(dataset_builder_labels(b, chunk, n, &err), EVD_OK);
    }
    assert_int_equal(dataset_build(b, NULL, &d, &err), EVD_OK);
    double at_rest = (double)dataset_memory(d) / SAMPLES;
    double peak = (double)(peak_bytes() - before) / SAMPLES;
    print_message("%.2f bytes a sample at rest, %.2f at the peak of building\n", at_rest, peak);
    assert_true(at_rest <= 6.1);
    assert_true(peak <= 8.0);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_per_sample)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
