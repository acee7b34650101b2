/*
 * evd_neighbours with a recall: what it says of its recall is so, distances and order are those of
 * the exact search, no place is empty that it fills, and the table is the same by every kernel, by
 * any number of threads, and when it is gone on with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/lib/knn.h"
#include "near.h"

/* What a search gave. */
struct table {
    uint32_t *index;
    float *distance;
    evd_neighbours_result result;
};

static size_t places(const struct near *near)
{
    return (size_t)near->options.n * near->options.k;
}

static struct table search(const struct near *near)
{
    struct table t = {malloc(places(near) * sizeof(uint32_t)),
                      malloc(places(near) * sizeof(float)),
                      {{0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
    const int code = evd_neighbours(&near->options, t.index, t.distance, &t.result);

    assert_string_equal(t.result.message, "");
    assert_int_equal(code, EVD_OK);
    return t;
}

static void table_free(struct table *t)
{
    free(t->index);
    free(t->distance);
}

static void assert_same(const struct near *near, const struct table *a, const struct table *b)
{
    assert_memory_equal(a->index, b->index, places(near) * sizeof(uint32_t));
    assert_memory_equal(a->distance, b->distance, places(near) * sizeof(float));
    assert_int_equal(a->result.approximate, b->result.approximate);
    assert_true(a->result.recall == b->result.recall);
    assert_true(a->result.recall_low == b->result.recall_low);
    assert_true(a->result.recall_high == b->result.recall_high);
}

/* Of two rows, squared, in the order of the columns. */
static double squared(const struct near *near, uint32_t a, uint32_t b)
{
    const uint32_t d = near->options.d;
    double sum = 0;

    for (uint32_t u = 0; u < d; u++) {
        const double diff = near->wide[(size_t)a * d + u] - near->wide[(size_t)b * d + u];

        sum += diff * diff;
    }
    return sum;
}

/* Every row is in order, with its distances; it is filled as far as that of near_brute, and nothing
 * is nearer than what that has at its place. Returns the recall. */
static double check_rows(const struct near *near, const struct table *t)
{
    const uint32_t k = near->options.k;
    uint64_t found = 0, exist = 0;

    for (uint32_t row = 0; row < near->options.n; row++) {
        const uint32_t *index = t->index + (size_t)row * k, *exact = near->index + (size_t)row * k;
        double last = -1;

        for (uint32_t i = 0; i < k; i++) {
            double sum;

            assert_int_equal(index[i] == EVD_NO_NEIGHBOUR, exact[i] == EVD_NO_NEIGHBOUR);
            if (exact[i] == EVD_NO_NEIGHBOUR)
                break;
            sum = squared(near, row, index[i]);
            assert_true(sum > last || (sum == last && index[i] > index[i - 1]));
            assert_true(t->distance[(size_t)row * k + i] == (float)sqrt(sum));
            assert_true(sum >= squared(near, row, exact[i]));
            last = sum;
            exist++;
            for (uint32_t j = 0; j < k; j++)
                found += index[i] == exact[j];
        }
    }
    return exist ? (double)found / (double)exist : 1;
}

/* By every kernel, and by 1, 2 and 5 threads. */
static void search_everywhere(struct near *near, const struct table *as)
{
    static const uint32_t threads[] = {5, 2, 1};
    const struct knn_path *paths;
    const unsigned count = knn_paths(&paths);

    for (unsigned i = 0; i < count || i < 3; i++) {
        struct table t;

        knn_use(&paths[i % count]);
        near->options.threads = threads[i % 3];
        t = search(near);
        assert_same(near, as, &t);
        table_free(&t);
    }
    knn_use(NULL);
}

/* By 40 rows each, far apart; rows within a cluster are as gaussian ones. */
static struct near clustered(uint32_t n, uint32_t d, uint32_t k)
{
    struct near near = near_new(GAUSSIAN, n, d, k), centres = near_new(NEAR_40, n, d, k);

    for (size_t i = 0; i < (size_t)n * d; i++)
        near.wide[i] = near.narrow[i] += 8 * centres.narrow[i];
    near_free(&centres);
    return near;
}

/* The recall of all rows is within the interval that was measured on some, and that is above what
 * was asked for. The more is asked for, the more is found. */
static void test_recall(void **state)
{
    static const double asked[] = {0.5, 0.8, 0.9};

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct near near = kind ? clustered(4000, 12, 5) : near_new(GAUSSIAN, 4000, 4, 5);
        double last = 0;

        near_brute(&near);
        for (int i = 0; i < 3; i++) {
            struct table t;
            double recall;

            near.options.recall = asked[i];
            t = search(&near);
            recall = check_rows(&near, &t);
            print_message("%s, %g asked for: %g (%g to %g), in truth %g\n",
                          kind ? "clustered" : "gaussian", asked[i], t.result.recall,
                          t.result.recall_low, t.result.recall_high, recall);
            assert_int_equal(t.result.approximate, 4000);
            assert_int_equal(t.result.samples, 4000);
            assert_true(recall >= t.result.recall_low && recall <= t.result.recall_high);
            assert_true(t.result.recall_low >= asked[i]);
            assert_true(t.result.recall_low < t.result.recall &&
                        t.result.recall <= t.result.recall_high);
            assert_true(recall >= last);
            last = recall;
            table_free(&t);
        }
        assert_true(last < 1 || kind);
        near_free(&near);
    }
}

static void test_same_everywhere(void **state)
{
    (void)state;
    for (int metric = EVD_METRIC_EUCLIDEAN; metric <= EVD_METRIC_COSINE; metric++) {
        struct near near = clustered(2500, 7, 5);
        struct table t;

        near.options.recall = 0.7;
        near.options.metric = metric;
        t = search(&near);
        assert_int_equal(t.result.approximate, 2500);
        search_everywhere(&near, &t);
        near_wide(&near);
        search_everywhere(&near, &t);
        table_free(&t);
        near_free(&near);
    }
}

/* Duplicates, lists without members, all rows equal, one far from all others: whether lists are of
 * use or not. */
static void test_hard_features(void **state)
{
    unsigned approximate = 0;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct near near = near_new((enum kind)kind, 1500, 3, 5);
        struct table t;

        near_brute(&near);
        near.options.recall = 0.3;
        t = search(&near);
        print_message("%s: recall %g (%g to %g), in truth %g; %llu doubtful\n", kind_names[kind],
                      t.result.recall, t.result.recall_low, t.result.recall_high,
                      check_rows(&near, &t), (unsigned long long)t.result.doubtful);
        if (kind == NEAR_4 || kind == NEAR_40 || kind == TWINS) {
            assert_int_equal(t.result.approximate, 1500);
            assert_true(kind == NEAR_4 || t.result.doubtful == 1500);
        }
        if (kind == ZEROS) /* all in one list */
            assert_int_equal(t.result.approximate, 0);
        approximate += t.result.approximate > 0;
        search_everywhere(&near, &t);
        table_free(&t);
        near_free(&near);
    }
    assert_true(approximate >= 8);
}

/* Of several equal rows those of the lowest index count, in a list as among all. */
static void test_twins(void **state)
{
    struct near near = near_new(TWINS, 1500, 3, 5);
    struct table t;

    (void)state;
    near_brute(&near);
    near.options.recall = 0.9;
    t = search(&near);
    assert_int_equal(t.result.approximate, 1500);
    assert_true(check_rows(&near, &t) == 1);
    assert_true(t.result.recall == 1);
    table_free(&t);
    near_free(&near);
}

/* More neighbours than lists of the root of all rows would have members. */
static void test_large_k(void **state)
{
    struct near near = clustered(2000, 3, 60);
    struct table t;

    (void)state;
    near_brute(&near);
    near.options.recall = 0.3;
    t = search(&near);
    assert_int_equal(t.result.approximate, 2000);
    check_rows(&near, &t);
    search_everywhere(&near, &t);
    table_free(&t);
    near_free(&near);
}

/* Large classes are approximate, small ones are not; rows without a label take no part. */
static void test_labels(void **state)
{
    (void)state;
    for (int scope = EVD_SCOPE_ALL; scope <= EVD_SCOPE_OF_CLASS; scope++) {
        struct near near = clustered(4000, 3, 5);
        uint64_t large = 0;
        struct table t;
        double recall;

        near_labels(&near, 6);
        near.narrow[3 * 3] = NAN;
        near.options.scope = scope;
        near.options.of_class = 0;
        near_brute(&near);
        near.options.recall = 0.6;
        t = search(&near);
        recall = check_rows(&near, &t);
        for (uint32_t c = 0; c < 6; c++) {
            uint64_t members = 0;

            for (uint32_t i = 0; i < 4000; i++)
                members += near.labels[i] == c;
            large += members >= knn_approximate_from ? members : 0;
        }
        assert_true(large > 0 && large < t.result.samples);
        assert_int_equal(t.result.approximate, scope == EVD_SCOPE_CLASS ? large : t.result.samples);
        assert_true(recall >= t.result.recall_low && recall <= t.result.recall_high);
        assert_true(t.result.recall_low >= 0.6);
        search_everywhere(&near, &t);
        table_free(&t);
        near_free(&near);
    }
}

/* Where lists are of no use, and where there are too few rows, it is the exact search, and says so.
 */
static void test_exact_after_all(void **state)
{
    struct near near = near_new(GAUSSIAN, 1500, 30, 5);
    const uint32_t from = knn_approximate_from;
    evd_neighbours_result result;
    struct table t;

    (void)state;
    near_brute(&near);
    near.options.recall = 0.95;
    result = near_same(&near);
    assert_int_equal(result.approximate, 0);
    assert_true(result.recall == 1 && result.recall_low == 1 && result.recall_high == 1);
    near_free(&near);

    near = clustered(1500, 3, 5);
    near_brute(&near);
    near.options.recall = 0.5;
    t = search(&near);
    assert_int_equal(t.result.approximate, 1500);
    table_free(&t);
    near.options.recall = 1; /* more than any sample can tell */
    assert_int_equal(near_same(&near).approximate, 0);
    near.options.recall = 0;
    assert_true(near_same(&near).recall == 1);
    near.options.recall = 0.5;
    knn_approximate_from = 1501;
    assert_int_equal(near_same(&near).approximate, 0);
    knn_approximate_from = from;
    near_free(&near);
}

static void test_bad_recall(void **state)
{
    static const double bad[] = {-0.01, 1.01, NAN, INFINITY};
    struct near near = near_new(GAUSSIAN, 30, 3, 5);
    evd_neighbours_result result;

    (void)state;
    for (int i = 0; i < 4; i++) {
        near.options.recall = bad[i];
        assert_int_equal(evd_neighbours(&near.options, near.index, near.distance, &result),
                         EVD_E_USAGE);
        assert_non_null(strstr(result.message, "it is a share, from 0 (exact) to 1"));
    }
    near_free(&near);
}

/* ---- cancelled ---- */

struct watch {
    volatile int cancel;
    int calls, until; /* calls until it is cancelled; 0: never */
    uint64_t done, total;
};

static void progress(void *arg, uint64_t done, uint64_t total)
{
    struct watch *watch = arg;

    assert_true(done >= watch->done && total >= watch->total && done <= total);
    watch->done = done;
    watch->total = total;
    if (++watch->calls == watch->until)
        __atomic_store_n(&watch->cancel, 1, __ATOMIC_RELAXED);
}

/* Cancelled here, and gone on with by another kernel and two threads. False: it was not cancelled,
 * there are so few calls. */
static bool cancel_and_go_on(struct near *near, struct watch *watch, int until,
                             const struct table *as)
{
    const struct knn_path *paths;
    const unsigned count = knn_paths(&paths);
    uint32_t *index = malloc(places(near) * sizeof(uint32_t));
    float *distance = malloc(places(near) * sizeof(float));
    struct table t;
    int code;

    *watch = (struct watch){.until = until};
    near->options.threads = 1;
    knn_use(&paths[(unsigned)until % count]);
    code = evd_neighbours(&near->options, index, distance, NULL);
    free(index);
    free(distance);
    if (code == EVD_OK)
        return false;
    assert_int_equal(code, EVD_CANCELLED);
    *watch = (struct watch){.until = 0};
    near->options.threads = 2;
    knn_use(&paths[(unsigned)(until + 1) % count]);
    t = search(near);
    assert_int_equal(t.result.resumed, 1);
    assert_true(watch->done == watch->total);
    assert_int_not_equal(access(near->options.partial, F_OK), 0);
    assert_same(near, as, &t);
    table_free(&t);
    return true;
}

static void test_cancelled(void **state)
{
    char folder[] = "/tmp/evd-approximate-XXXXXX", file[64];
    struct watch watch;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/partial", folder);
    knn_tick_every = 0;
    for (int i = 0; i < 4; i++) {
        struct near near = i == 3 ? near_new(NEAR_40, 1500, 3, 4) : clustered(1500, 3, 4);
        struct table t;
        int until = 1;

        near_labels(&near, 4);
        near.options.scope = i % 3;
        near.options.recall = 0.5;
        t = search(&near);
        assert_true(t.result.approximate > 0);
        near.options.progress = progress;
        near.options.arg = &watch;
        near.options.cancel = &watch.cancel;
        near.options.partial = file;
        while (cancel_and_go_on(&near, &watch, until, &t))
            until += 1 + until / 8;
        assert_true(until > 100); /* also in the middle of what is done before the first pass */
        knn_use(NULL);
        table_free(&t);
        near_free(&near);
    }
    knn_tick_every = 100000000;
    assert_int_equal(rmdir(folder), 0);
}

/* The file of an exact search, or of one with another recall, is another search's. */
static void test_state_of_another_recall(void **state)
{
    char folder[] = "/tmp/evd-approximate-XXXXXX", file[64];
    struct near near = clustered(1500, 3, 4);
    struct watch watch = {.until = 60};
    evd_neighbours_result result;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/partial", folder);
    knn_tick_every = 0;
    near.options.progress = progress;
    near.options.arg = &watch;
    near.options.cancel = &watch.cancel;
    near.options.partial = file;
    near.options.recall = 0.5;
    assert_int_equal(evd_neighbours(&near.options, near.index, near.distance, NULL), EVD_CANCELLED);
    for (int i = 0; i < 2; i++) {
        watch = (struct watch){.until = 0};
        near.options.recall = i ? 0.6 : 0;
        assert_int_equal(evd_neighbours(&near.options, near.index, near.distance, &result),
                         EVD_E_CONFLICT);
        assert_non_null(strstr(result.message, "recall"));
    }
    knn_tick_every = 100000000;
    unlink(file);
    assert_int_equal(rmdir(folder), 0);
    near_free(&near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),          cmocka_unit_test(test_same_everywhere),
        cmocka_unit_test(test_hard_features),   cmocka_unit_test(test_twins),
        cmocka_unit_test(test_large_k),         cmocka_unit_test(test_labels),
        cmocka_unit_test(test_exact_after_all), cmocka_unit_test(test_bad_recall),
        cmocka_unit_test(test_cancelled),       cmocka_unit_test(test_state_of_another_recall),
    };

    knn_approximate_from = 800;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
