/* Scores as they are kept and ordered: nothing of them is lost, within bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "feedback/feedback.h"

#define BATCH 65536u

static uint64_t state_of_random = 1;

static uint64_t next_random(void)
{
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return state_of_random >> 11;
}

static void test_keys(void **state)
{
    const double scores[] = {0,   5e-324,          1e-300, (double)0.1f, 0.1, nextafter(0.5, 0),
                             0.5, nextafter(1, 0), 1};

    (void)state;
    for (size_t i = 0; i < sizeof(scores) / sizeof(scores[0]); i++) {
        for (uint32_t label = 0; label < 2; label++) {
            uint64_t key = score_key(scores[i], label);

            assert_true(score_of(key) == scores[i]);
            assert_int_equal(score_label(key), label);
        }
        if (i > 0) /* 0.1f is above 0.1 */
            assert_true((score_key(scores[i - 1], 1) < score_key(scores[i], 0)) ==
                        (scores[i - 1] < scores[i]));
    }
    assert_int_equal(score_key(-0.0, 1), score_key(0.0, 1));
}

static void test_blocks(void **state)
{
    struct scores *scores = scores_new();
    uint64_t *keys = calloc(20000, sizeof(*keys));
    size_t needs = 0;

    (void)state;
    assert_non_null(scores);
    assert_non_null(keys);
    for (uint32_t i = 0; i < 20000; i++) {
        const double score = i / 20000.0;
        const uint32_t label = i % 3 == 0;
        size_t before = scores_memory(scores);

        needs = scores_needs(scores, 1);
        assert_true(scores_add(scores, &score, &label, 1));
        assert_int_equal(scores_memory(scores), before + needs);
    }
    scores_copy(scores, 19999, keys); /* not those that came later */
    assert_int_equal(keys[19999], 0);
    for (uint32_t i = 0; i < 19999; i++)
        assert_int_equal(keys[i], score_key(i / 20000.0, i % 3 == 0));
    assert_int_equal(scores_needs(NULL, 1), sizeof(*scores) + SCORES_FIRST_BLOCK * sizeof(*keys));
    assert_int_equal(scores_needs(scores, SCORES_MOST), SIZE_MAX);
    scores_unref(scores);
    free(keys);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void test_order(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 100, 5000};
    atomic_bool cancel = true;

    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        size_t n = sizes[k];
        uint64_t *keys = calloc(n + 1, sizeof(*keys)), *want = calloc(n + 1, sizeof(*keys)),
                 *scratch = calloc(n + 1, sizeof(*keys));

        for (size_t i = 0; i < n; i++) /* of one digit, of few, of all */
            keys[i] = want[i] =
                score_key(ldexp((double)next_random(), -53 - (int)(k % 4) * 200), (uint32_t)i % 2);
        qsort(want, n, sizeof(*want), by_value);
        assert_true(keys_sort(keys, scratch, n, NULL));
        assert_memory_equal(keys, want, (n + 1) * sizeof(*keys));
        if (n > 1)
            assert_false(keys_sort(keys, scratch, n, &cancel));
        free(keys);
        free(want);
        free(scratch);
    }
}

/* Reports n samples with scores, of a step of their own. */
static void report(struct feedback *feedback, uint64_t epoch, uint64_t step, size_t n, size_t room)
{
    static uint32_t label[BATCH];
    static double score[BATCH];
    const struct confusion_batch batch = {
        .n = n, .label = label, .predicted = label, .score = score};
    const struct feedback_at at = {.epoch = epoch, .step = step};
    struct evd_error err;
    bool counted;

    for (size_t i = 0; i < n; i++) {
        score[i] = ldexp((double)next_random(), -53);
        label[i] = next_random() % 10 == 0;
    }
    assert_int_equal(feedback_report(feedback, 2, at, room, &batch, &counted, &err), EVD_OK);
    assert_true(counted);
}

static uint64_t in_bins(const struct feedback_epoch *row)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 2 * CONFUSION_THRESHOLDS; i++)
        sum += row->confusion.scored[i];
    return sum;
}

/* One more than may be kept: that epoch has its bins, which know all. */
static void test_so_many(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));
    const struct feedback_epoch *row;

    (void)state;
    for (uint64_t step = 0; step < SCORES_MOST / BATCH; step++)
        report(feedback, 0, step, BATCH, SIZE_MAX);
    row = feedback_find(feedback, 0);
    assert_int_equal(row->scores->count, SCORES_MOST);
    assert_false(row->lost);
    report(feedback, 0, SCORES_MOST, 1, SIZE_MAX);
    assert_null(row->scores);
    assert_true(row->lost);
    assert_int_equal(in_bins(row), SCORES_MOST + 1);
    assert_int_equal(feedback_score_bytes(feedback, (struct feedback_at){.epoch = 0}, 1), 0);
    report(feedback, 1, 0, 1, SIZE_MAX);
    assert_int_equal(feedback_find(feedback, 1)->scores->count, 1);
    feedback_free(feedback);
}

/* Without room, from the beginning or later. */
static void test_no_room(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));

    (void)state;
    report(feedback, 0, 0, 10, 0);
    assert_true(feedback_find(feedback, 0)->lost);
    report(feedback, 1, 0, SCORES_FIRST_BLOCK, SIZE_MAX);
    report(feedback, 1, 1, 1,
           feedback_score_bytes(feedback, (struct feedback_at){.epoch = 1}, 1) - 1);
    assert_true(feedback_find(feedback, 1)->lost);
    assert_int_equal(in_bins(feedback_find(feedback, 1)), SCORES_FIRST_BLOCK + 1);
    report(feedback, 2, 0, SCORES_FIRST_BLOCK, SIZE_MAX);
    report(feedback, 2, 1, 1, feedback_score_bytes(feedback, (struct feedback_at){.epoch = 2}, 1));
    assert_false(feedback_find(feedback, 2)->lost);
    report(feedback, 2, 2, 1, 0); /* what has its place needs no more */
    assert_int_equal(feedback_find(feedback, 2)->scores->count, SCORES_FIRST_BLOCK + 2);
    feedback_free(feedback);
}

/* Three times as many as there is room for: the oldest lose theirs, and no epoch goes. */
static void test_oldest_scores_go(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));

    (void)state;
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        for (uint64_t step = 0; step < SCORES_MOST / BATCH; step++) {
            report(feedback, epoch, step, BATCH, SIZE_MAX);
            assert_true(feedback_memory(feedback) <= FEEDBACK_BYTES);
        }
    }
    assert_int_equal(feedback->count, 4);
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        assert_int_equal(feedback_find(feedback, epoch)->lost, epoch < 2);
        assert_int_equal(in_bins(feedback_find(feedback, epoch)), SCORES_MOST);
    }
    feedback_free(feedback);
}

static struct feedback_order *order_of(const struct feedback_epoch *row, bool all, uint64_t reports)
{
    struct feedback_order *order = feedback_order_new(row->scores->count);

    order->all = all;
    order->generation = row->generation;
    order->epoch = row->epoch;
    order->reports = reports;
    return order;
}

/* The order is found as long as it is what would be made, and counts as memory. */
static void test_kept_order(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));
    const struct feedback_epoch *row;
    size_t before;

    (void)state;
    report(feedback, 0, 0, 100, SIZE_MAX);
    row = feedback_find(feedback, 0);
    assert_null(feedback_order_find(feedback, row));
    before = feedback_memory(feedback);
    feedback_order_keep(feedback, order_of(row, false, 0));
    assert_int_equal(feedback_memory(feedback), before + feedback_order_bytes(100));
    report(feedback, 1, 0, 100, SIZE_MAX);
    assert_non_null(feedback_order_find(feedback, row)); /* of another epoch */
    assert_null(feedback_order_find(feedback, NULL));
    assert_null(feedback_order_find(feedback, feedback_find(feedback, 1)));
    report(feedback, 0, 1, 1, SIZE_MAX);
    assert_null(feedback_order_find(feedback, row));
    feedback_order_keep(feedback, order_of(row, true, feedback->reports));
    assert_non_null(feedback_order_find(feedback, NULL));
    assert_null(feedback_order_find(feedback, row));
    report(feedback, 1, 1, 1, SIZE_MAX);
    assert_null(feedback_order_find(feedback, NULL));
    feedback_free(feedback);
}

/* Where it has no room it is not kept, and nothing else goes for it. */
static void test_order_without_room(void **state)
{
    struct feedback *feedback = calloc(1, sizeof(*feedback));

    (void)state;
    for (uint64_t step = 0; step < SCORES_MOST / BATCH; step++) {
        report(feedback, 0, step, BATCH, SIZE_MAX);
        report(feedback, 1, step, BATCH, SIZE_MAX);
    }
    feedback_order_keep(feedback, order_of(feedback_find(feedback, 0), false, 0));
    assert_null(feedback->order);
    assert_false(feedback_find(feedback, 0)->lost);
    feedback_free(feedback);
}

/* What was handed over to be freed. */
struct waste {
    size_t bytes, things;
};

static void waste_take(void *arg, void *what, size_t bytes, void (*dispose)(void *what))
{
    struct waste *waste = arg;

    waste->bytes += bytes;
    waste->things++;
    dispose(what);
}

/* All that goes is handed over to be freed, with the bytes that it was counted with; what somebody
 * reads, when they are done. */
static void test_waste(void **state)
{
    struct waste waste = {0};
    struct feedback *feedback = calloc(1, sizeof(*feedback));
    struct scores *read;
    size_t before;

    (void)state;
    feedback->waste = (struct feedback_waste){waste_take, &waste};
    for (uint64_t epoch = 0; epoch < FEEDBACK_EPOCHS; epoch++)
        report(feedback, epoch, 0, 1000, SIZE_MAX);
    feedback_order_keep(feedback, order_of(feedback_find(feedback, 0), false, 0));
    before = feedback_memory(feedback);
    feedback_order_drop(feedback);
    assert_int_equal(waste.things, 1);
    assert_int_equal(waste.bytes, before - feedback_memory(feedback));
    feedback_order_drop(feedback);
    assert_int_equal(waste.things, 1);
    before = feedback_memory(feedback);
    report(feedback, FEEDBACK_EPOCHS, 0, 1000, SIZE_MAX); /* as much as the first one took */
    assert_int_equal(waste.things, 3);                    /* its scores, and the rest */
    assert_int_equal(waste.bytes, feedback_order_bytes(1000) + before / FEEDBACK_EPOCHS);
    read = scores_ref(feedback_find(feedback, 1)->scores);
    report(feedback, FEEDBACK_EPOCHS + 1, 0, 1000, SIZE_MAX);
    assert_int_equal(waste.things, 4);
    assert_int_equal(read->count, 1000);
    before = waste.bytes;
    feedback_scores_unref(feedback, read);
    assert_int_equal(waste.things, 5);
    assert_true(waste.bytes > before + 1000 * sizeof(uint64_t));
    feedback_free(feedback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_so_many),
        cmocka_unit_test(test_no_room),    cmocka_unit_test(test_oldest_scores_go),
        cmocka_unit_test(test_kept_order), cmocka_unit_test(test_order_without_room),
        cmocka_unit_test(test_waste),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
