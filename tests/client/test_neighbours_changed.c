/*
 * evd_neighbours while somebody changes the features: it ends, touches no memory that is not its
 * own (under the sanitizers), and says so. Nothing that it found is taken for neighbours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "client/lib/knn.h"
#include "near.h"

/* What is written to all features before call number `when`, if there are so many. */
static struct {
    struct near *near;
    float value;
    int when, calls;
} change;

static void change_now(void)
{
    const evd_neighbours_options *o = &change.near->options;

    for (size_t i = 0; i < (size_t)o->n * o->d; i++)
        change.near->narrow[i] = change.value;
}

/* Every block of rows that is put into lists, and of those of which the recall is measured. */
void __real_knn_rank(struct knn_batch *batch, uint32_t count);
void __wrap_knn_rank(struct knn_batch *batch, uint32_t count);
void __wrap_knn_rank(struct knn_batch *batch, uint32_t count)
{
    if (++change.calls == change.when) {
        change_now();
        knn_batch_pack(batch, batch->search->queries, batch->count);
    }
    __real_knn_rank(batch, count);
}

static void change_in_the_end(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    if (done == total)
        change_now();
}

static int search(struct near *near)
{
    evd_neighbours_result result;
    const int code = evd_neighbours(&near->options, near->index, near->distance, &result);

    assert_int_equal(code != EVD_OK, strstr(result.message, "changed while") != NULL);
    return code;
}

/* With `near` as it was. Returns the calls that there were. */
static int search_changed(struct near *near, const struct near *as, float value, int when)
{
    int code;

    memcpy(near->narrow, as->narrow,
           (size_t)near->options.n * near->options.d * sizeof(*near->narrow));
    change.value = value;
    change.when = when;
    change.calls = 0;
    code = search(near);
    assert_int_equal(code, change.calls < when ? EVD_OK : EVD_E_CONFLICT);
    return change.calls;
}

static void test_approximate(void **state)
{
    static const float values[] = {NAN, INFINITY, -1e35f, 0};
    struct near near = near_new(CLUSTERS, 2000, 3, 3), as = near_new(CLUSTERS, 2000, 3, 3);

    (void)state;
    knn_approximate_from = 1000;
    near.options.recall = 0.8;
    near.options.threads = 1;
    change.near = &near;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        int when = 1;

        while (search_changed(&near, &as, values[i], when) >= when)
            when += 1 + when / 8;
    }
    near_free(&near);
    near_free(&as);
}

static void test_exact(void **state)
{
    struct near near = near_new(GAUSSIAN, 500, 4, 3);

    (void)state;
    change.near = &near;
    change.value = 1;
    assert_int_equal(search(&near), EVD_OK);
    near.options.progress = change_in_the_end;
    assert_int_equal(search(&near), EVD_E_CONFLICT);
    near_free(&near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_approximate),
        cmocka_unit_test(test_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
