/* Second samples and their shares: what they are drawn by, that they are a function of the
 * position, and that they leave what the kinds draw as it is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"
#include "sampler/beta.h"

enum { G = 96, EPOCHS = 60 };

static const char *const hows[] = {"mixup", "cutmix", "remix", "balanced-mixup", "none", NULL};

static int setup(void **state)
{
    static struct data data;
    data_init(&data, case_counts, CASE_CLASSES);
    *state = &data;
    return 0;
}

static int teardown(void **state)
{
    data_fini(*state);
    return 0;
}

static struct plan *pairs_plan(const struct data *data, const char *kind, const char *how,
                               double alpha)
{
    struct strategy s;
    strategy_make(&s, kind, data->index.classes);
    if (strcmp(kind, "p-by-k") == 0)
        strategy_set(&s, "k", 32);
    if (how)
        strategy_say(&s, "pairs.how", how);
    if (alpha > 0)
        strategy_set(&s, "pairs.alpha", alpha);
    struct plan *plan = plan_make(data, &s, G, LAST_SHORT, 2026, NULL);
    strategy_fini(&s);
    return plan;
}

static double size_of(const struct data *data, uint32_t c)
{
    return (double)(data->start[c + 1] - data->start[c]);
}

/* ---- with everything else as it is ---- */

static void what_is_drawn_stays(void **state)
{
    const struct data *data = *state;
    struct drawn alone, mixed;
    drawn_init(&alone, G);
    drawn_init(&mixed, G);
    for (size_t i = 0; strategy_kinds[i]; i++) {
        if (strcmp(strategy_kinds[i]->name, "smote") == 0)
            continue; /* has second samples of its own */
        struct plan *plain = pairs_plan(data, strategy_kinds[i]->name, NULL, 0);
        assert_int_equal(plan_columns_known(plain) >> PLAN_MIX_INDEX, 0);
        for (size_t h = 0; hows[h]; h++) {
            struct plan *plan = pairs_plan(data, strategy_kinds[i]->name, hows[h], 0);
            assert_int_equal(plan_columns_known(plan),
                             plan_columns_known(plain) | 15u << PLAN_MIX_INDEX);
            assert_true(plan_digest(plan) != plan_digest(plain));
            for (uint64_t step = 0; step < 5; step++) {
                draw_step(plain, step, step % 3, &alone);
                draw_step(plan, step, step % 3, &mixed);
                assert_int_equal(mixed.n, alone.n);
                assert_memory_equal(mixed.index, alone.index, alone.n * sizeof(*alone.index));
                assert_memory_equal(mixed.label, alone.label, alone.n * sizeof(*alone.label));
                assert_memory_equal(mixed.seed, alone.seed, alone.n * sizeof(*alone.seed));
                assert_memory_equal(mixed.repeat, alone.repeat, alone.n * sizeof(*alone.repeat));
                assert_memory_equal(mixed.probability, alone.probability,
                                    alone.n * sizeof(*alone.probability));
            }
            plan_unref(plan);
        }
        plan_unref(plain);
    }
    drawn_fini(&alone);
    drawn_fini(&mixed);
}

/* Whatever the pairs, a second sample has a label, its own, and is the first one where its share is
 * 0. */
static void second_samples_are_what_they_say(void **state)
{
    const struct data *data = *state;
    struct drawn one;
    drawn_init(&one, G);
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        struct plan *plan = case_plan(c, data, G, LAST_SHORT, 5);
        for (uint64_t step = 0; plan_columns_known(plan) >> PLAN_MIX_INDEX && step < 8; step++) {
            draw_step(plan, step, step % 2, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                assert_int_equal(one.mix_label[k], data->label[one.mix_index[k]]);
                assert_true(one.mix_lambda[k] >= 0 && one.mix_lambda[k] <= 1);
                assert_true(one.mix_label_lambda[k] >= 0 && one.mix_label_lambda[k] <= 1);
                if (one.mix_lambda[k] == 0)
                    assert_true(one.mix_index[k] == one.index[k] && one.mix_label_lambda[k] == 0);
            }
        }
        plan_unref(plan);
    }
    drawn_fini(&one);
}

/* Also whoever asks a plan without pairs is told nothing else. */
static void none_is_nobody(void **state)
{
    struct drawn one;
    drawn_init(&one, G);
    for (int i = 0; i < 2; i++) {
        struct plan *plan = pairs_plan(*state, "weighted", i ? "none" : NULL, 0);
        const struct plan_slice slice = {
            .epoch = 3, .step = 1, .shape = plan_epoch(plan, 3), .world = 1};
        const struct plan_columns columns = {.index = one.index,
                                             .label = one.label,
                                             .mix_index = one.mix_index,
                                             .mix_label = one.mix_label,
                                             .mix_lambda = one.mix_lambda,
                                             .mix_label_lambda = one.mix_label_lambda};
        void *scratch = aligned_alloc(64, (plan_scratch_size(plan) + 63) / 64 * 64);
        assert_non_null(scratch);
        memset(one.mix_index, 0xff, G * sizeof(*one.mix_index));
        memset(one.mix_lambda, 0xff, G * sizeof(*one.mix_lambda));
        one.n = plan_draw(plan, &slice, &columns, scratch);
        for (uint32_t k = 0; k < one.n; k++)
            assert_true(one.mix_index[k] == one.index[k] && one.mix_lambda[k] == 0 &&
                        one.mix_label_lambda[k] == 0 && one.mix_label[k] == one.label[k]);
        free(scratch);
        plan_unref(plan);
    }
    drawn_fini(&one);
}

/* ---- positions ---- */

/* The ranks' slices are the global batch, pair by pair; a pair depends on the epoch, the step and
 * the position, and not on where the plan began. */
static void slices_are_the_batch(void **state)
{
    const struct data *data = *state;
    const char *const kinds[] = {"uniform", "stratified", "weighted"};
    struct drawn whole, part;
    drawn_init(&whole, G);
    drawn_init(&part, G);
    for (size_t i = 0; i < 3; i++) {
        struct plan *plan = pairs_plan(data, kinds[i], "balanced-mixup", 0);
        struct epoch_shape shape = plan_epoch(plan, 1);
        for (uint32_t world = 2; world <= G; world *= 2) {
            double index = 0, lambda = 0;
            uint32_t n = 0;
            draw_step(plan, 1, 2, &whole);
            for (uint32_t k = 0; k < whole.n; k++) {
                index += (double)(whole.index[k] * 1009 + whole.mix_index[k]) * whole.mix_lambda[k];
                lambda += whole.mix_lambda[k];
            }
            for (uint32_t rank = 0; rank < world && G % world == 0; rank++) {
                draw_slice(plan, 1, 2, shape, rank, world, &part);
                n += part.n;
                for (uint32_t k = 0; k < part.n; k++) {
                    index -=
                        (double)(part.index[k] * 1009 + part.mix_index[k]) * part.mix_lambda[k];
                    lambda -= part.mix_lambda[k];
                }
            }
            if (G % world == 0)
                assert_true(n == whole.n && fabs(index) < 1e-6 && fabs(lambda) < 1e-9);
        }
        plan_unref(plan);
    }
    drawn_fini(&whole);
    drawn_fini(&part);
}

static void pairs_are_of_their_position(void **state)
{
    const struct data *data = *state;
    struct plan *whole = pairs_plan(data, "uniform", "mixup", 1);
    struct plan *head = pairs_plan(data, "stratified", "mixup", 1);
    struct sampler_error err;
    struct drawn one, two;
    const struct epoch_shape shape = plan_epoch(whole, 0);
    drawn_init(&one, G);
    drawn_init(&two, G);
    assert_int_equal(plan_place(head, 0, 2, shape, &err), PLAN_OK);
    for (uint64_t step = 2; step < shape.steps; step++) {
        double of_one = 0, of_two = 0;
        draw_slice(whole, 0, step, shape, 0, 1, &one);
        draw_slice(head, 0, step, shape, 0, 1, &two);
        assert_int_equal(one.n, two.n);
        for (uint32_t k = 0; k < one.n; k++) { /* the quota engine's stand in other places */
            of_one += one.mix_lambda[k] * (double)one.mix_index[k];
            of_two += two.mix_lambda[k] * (double)two.mix_index[k];
        }
        assert_float_equal(of_one, of_two, 1e-6);
    }
    drawn_fini(&one);
    drawn_fini(&two);
    plan_unref(whole);
    plan_unref(head);
}

/* Numbers of 32 bits, and datasets without a table of members. */
static void every_form_of_index(void **state)
{
    struct data data;
    struct drawn one;
    uint32_t narrow[G];
    (void)state;
    data_init_grouped(&data, case_counts, CASE_CLASSES);
    drawn_init(&one, G);
    struct plan *plan = pairs_plan(&data, "uniform", "balanced-mixup", 0.9);
    const struct plan_slice slice = {.epoch = 1, .shape = plan_epoch(plan, 1), .world = 1};
    const struct plan_columns columns = {.mix_index32 = narrow};
    void *scratch = aligned_alloc(64, (plan_scratch_size(plan) + 63) / 64 * 64);
    assert_non_null(scratch);
    assert_int_equal(plan_draw(plan, &slice, &columns, scratch), G);
    draw_step(plan, 1, 0, &one);
    for (uint32_t k = 0; k < G; k++) {
        uint32_t c = one.mix_label[k];
        assert_int_equal(narrow[k], one.mix_index[k]);
        assert_true(data.start[c] <= narrow[k] && narrow[k] < data.start[c + 1]);
    }
    free(scratch);
    plan_unref(plan);
    drawn_fini(&one);
    data_fini(&data);
}

/* ---- distributions ---- */

struct sums {
    double n, x, y, xx, yy, xy;
};

static void sums_add(struct sums *sums, double x, double y)
{
    sums->n++;
    sums->x += x;
    sums->y += y;
    sums->xx += x * x;
    sums->yy += y * y;
    sums->xy += x * y;
}

/* In units of its standard deviation where there is none. */
static double correlation(const struct sums *s)
{
    double xx = s->xx - s->x * s->x / s->n, yy = s->yy - s->y * s->y / s->n;
    return (s->xy - s->x * s->y / s->n) / sqrt(xx * yy) * sqrt(s->n);
}

static double chi_square(const double *observed, const double *expected, uint32_t n)
{
    double chi = 0, freedom = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (expected[i] == 0) {
            assert_true(observed[i] == 0);
            continue;
        }
        chi += (observed[i] - expected[i]) * (observed[i] - expected[i]) / expected[i];
        freedom++;
    }
    return chi_square_tail(chi, freedom);
}

/* Second samples by sample and by class, over many epochs; only those with a share. Shares of a
 * class' samples are alike. */
static void check_partners(const struct data *data, const char *kind, const char *how,
                           bool balanced)
{
    struct plan *plan = pairs_plan(data, kind, how, 1);
    double *by_sample = calloc(data->index.samples, sizeof(double));
    double *expected = calloc(data->index.samples, sizeof(double));
    double by_class[CASE_CLASSES] = {0}, share[CASE_CLASSES], n = 0, some = 0;
    struct sums own = {0}, index = {0}, lambda = {0};
    struct drawn one;
    drawn_init(&one, G);
    for (uint32_t c = 0; c < CASE_CLASSES; c++)
        some += size_of(data, c) > 0;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (uint64_t step = 0; step < plan_epoch(plan, epoch).steps; step++) {
            draw_step(plan, epoch, step, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                by_sample[one.mix_index[k]]++;
                by_class[one.mix_label[k]]++;
                sums_add(&own, one.label[k], one.mix_label[k]);
                sums_add(&index, (double)one.index[k], (double)one.mix_index[k]);
                sums_add(&lambda, one.mix_lambda[k], one.mix_label[k]);
                n++;
            }
        }
    }
    for (uint32_t c = 0; c < CASE_CLASSES; c++) {
        double size = size_of(data, c);
        share[c] = n * (!balanced ? size / (double)data->index.labelled : size > 0 ? 1 / some : 0);
    }
    for (uint64_t i = 0; i < data->index.samples; i++) {
        if (data->label[i] != UINT32_MAX)
            expected[i] = share[data->label[i]] / size_of(data, data->label[i]);
    }
    double classes = chi_square(by_class, share, CASE_CLASSES);
    double samples = chi_square(by_sample, expected, (uint32_t)data->index.samples);
    if (classes < 1e-4 || samples < 1e-4)
        fail_msg("%s, %s: as asked for with a chance of %g by class, %g by sample", kind, how,
                 classes, samples);
    if (fabs(correlation(&own)) > 4 || fabs(correlation(&index)) > 4 ||
        fabs(correlation(&lambda)) > 4)
        fail_msg("%s, %s: correlations of %g, %g, %g standard deviations", kind, how,
                 correlation(&own), correlation(&index), correlation(&lambda));
    drawn_fini(&one);
    free(by_sample);
    free(expected);
    plan_unref(plan);
}

static void partners_come_as_they_should(void **state)
{
    check_partners(*state, "uniform", "mixup", false);
    check_partners(*state, "weighted", "mixup",
                   false); /* of the dataset, whatever the kind draws */
    check_partners(*state, "stratified", "cutmix", false);
    check_partners(*state, "uniform", "balanced-mixup", true);
    check_partners(*state, "p-by-k", "balanced-mixup", true);
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Kolmogorov and Smirnov, against x^alpha, which both are: Beta(alpha, 1), and Beta(1, 1). Shares
 * are whole numbers of 2^-24, and so are the quantiles between which they lie. */
static void check_shares(const struct data *data, const char *how, double alpha)
{
    struct plan *plan = pairs_plan(data, "uniform", how, alpha);
    size_t n = 0, room = EPOCHS * (data->index.labelled + G);
    float *shares = calloc(room, sizeof(*shares));
    struct drawn one;
    double distance = 0;
    drawn_init(&one, G);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (uint64_t step = 0; step < plan_epoch(plan, epoch).steps; step++) {
            draw_step(plan, epoch, step, &one);
            assert_true(n + one.n <= room);
            memcpy(shares + n, one.mix_lambda, one.n * sizeof(*shares));
            n += one.n;
        }
    }
    qsort(shares, n, sizeof(*shares), by_size);
    for (size_t i = 0; i < n; i++) {
        double most = pow((double)shares[i] + 1.5 * 0x1p-24, alpha);
        double least = pow(fmax(0, (double)shares[i] - 0.5 * 0x1p-24), alpha);
        double part = (double)(i + 1) / (double)n;
        if (i + 1 == n || shares[i + 1] > shares[i]) /* the last of equals */
            distance = fmax(distance, fmax(part - most, least - part));
    }
    if (distance * sqrt((double)n) > 1.95) /* with a chance of 0.001 */
        fail_msg("%s with alpha %g: shares are %g from their distribution", how, alpha, distance);
    drawn_fini(&one);
    free(shares);
    plan_unref(plan);
}

static void shares_have_their_distribution(void **state)
{
    check_shares(*state, "mixup", 1);
    check_shares(*state, "cutmix", 1);
    check_shares(*state, "balanced-mixup", 0.1);
    check_shares(*state, "balanced-mixup", 0.4);
    check_shares(*state, "balanced-mixup", 1);
    check_shares(*state, "balanced-mixup", 7);
}

/* The quantiles of Beta(a, 1) are powers, and those of Beta(a, a) are as far from 1/2 on either
 * side. */
static void quantiles_are_exact(void **state)
{
    static const double alphas[] = {BETA_LEAST, 0.05, 0.2, 0.5, 1, 2, 13.7, BETA_MOST};
    static uint32_t quantile[BETA_CELLS + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(alphas) / sizeof(*alphas); i++) {
        beta_quantiles(alphas[i], 1, quantile);
        for (uint32_t k = 1; k < BETA_CELLS; k++)
            assert_true(fabs(quantile[k] - pow(k / 4096.0, 1 / alphas[i]) * BETA_ONE) < 0.50001);
        beta_quantiles(alphas[i], alphas[i], quantile);
        for (uint32_t k = 0; k <= BETA_CELLS; k++)
            assert_int_equal(quantile[k] + quantile[BETA_CELLS - k], BETA_ONE);
        assert_int_equal(quantile[BETA_CELLS / 2], BETA_ONE / 2);
    }
    assert_int_equal(beta_draw(quantile, 0), quantile[0]);
    assert_int_equal(beta_draw(quantile, UINT64_MAX), quantile[BETA_CELLS] - 1);
}

/* ---- remix ---- */

static void labels_favour_the_minority(void **state)
{
    const struct data *data = *state;
    const double kappas[] = {1, 3, 7.5}, taus[] = {0, 0.3, 0.5, 1};
    struct drawn one;
    unsigned moved[2] = {0};
    drawn_init(&one, G);
    for (int i = 0; i < 12; i++) {
        double kappa = kappas[i % 3], tau = taus[i / 3];
        struct strategy s;
        strategy_make(&s, "weighted", CASE_CLASSES);
        strategy_say(&s, "pairs.how", "remix");
        strategy_set(&s, "pairs.kappa", kappa);
        strategy_set(&s, "pairs.tau", tau);
        struct plan *plan = plan_make(data, &s, G, LAST_SHORT, 7, NULL);
        for (uint64_t epoch = 0; epoch < 10; epoch++) {
            draw_step(plan, epoch, 0, &one);
            for (uint32_t k = 0; k < one.n; k++) {
                /* As Chou and others have it: lambda is the first sample's. */
                double ni = size_of(data, one.label[k]), nj = size_of(data, one.mix_label[k]);
                double lambda = 1 - (double)one.mix_lambda[k], label = lambda;
                if (ni / nj >= kappa && lambda < tau)
                    label = 0;
                else if (ni / nj <= 1 / kappa && 1 - lambda < tau)
                    label = 1;
                assert_float_equal(1 - (double)one.mix_label_lambda[k], label, 0);
                moved[0] += label == 0 && lambda > 0;
                moved[1] += label == 1 && lambda < 1;
            }
        }
        plan_unref(plan);
        strategy_fini(&s);
    }
    assert_true(moved[0] > 500 && moved[1] > 500);
    drawn_fini(&one);
}

/* Plans that draw differently have another digest. */
static void digests_tell_pairs_apart(void **state)
{
    const struct data *data = *state;
    uint64_t digest[9];
    for (int i = 0; i < 9; i++) {
        struct strategy s;
        strategy_make(&s, "uniform", CASE_CLASSES);
        strategy_say(&s, "pairs.how", hows[i < 5 ? i : 2]);
        if (i == 5)
            strategy_set(&s, "pairs.alpha", 0.3);
        if (i == 6)
            strategy_set(&s, "pairs.kappa", 2);
        if (i == 7)
            strategy_set(&s, "pairs.tau", 0.25);
        if (i == 8)
            strategy_set(&s, "pairs.alpha", 1); /* the default, said */
        struct plan *plan = plan_make(data, &s, G, LAST_SHORT, 2026, NULL);
        digest[i] = plan_digest(plan);
        for (int j = 0; j < i; j++)
            assert_true((digest[i] == digest[j]) == (i == 8 && j == 2));
        plan_unref(plan);
        strategy_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_drawn_stays),
        cmocka_unit_test(second_samples_are_what_they_say),
        cmocka_unit_test(none_is_nobody),
        cmocka_unit_test(slices_are_the_batch),
        cmocka_unit_test(pairs_are_of_their_position),
        cmocka_unit_test(every_form_of_index),
        cmocka_unit_test(partners_come_as_they_should),
        cmocka_unit_test(shares_have_their_distribution),
        cmocka_unit_test(quantiles_are_exact),
        cmocka_unit_test(labels_favour_the_minority),
        cmocka_unit_test(digests_tell_pairs_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
