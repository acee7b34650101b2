/* smote: what is added to which class, next to which bases, with which neighbours and shares,
 * against a count of its own; that draws are a function of the position; and what is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

enum { G = 60, EPOCHS = 400, K = 3, M = 9, VARIANTS = 4 };

static const char *const variants[VARIANTS] = {"regular", "borderline-1", "borderline-2", "adasyn"};

static bool is_borderline(const char *variant)
{
    return strncmp(variant, "borderline", 10) == 0;
}

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

static void smote_strategy(struct strategy *s, const char *variant)
{
    strategy_make(s, "smote", CASE_CLASSES);
    strategy_say(s, "variant", variant);
    strategy_set(s, "k", K);
    if (is_borderline(variant))
        strategy_set(s, "m", M);
}

static struct plan *smote_plan(const struct data *data, const char *variant, uint64_t seed)
{
    struct strategy s;
    smote_strategy(&s, variant);
    struct plan *plan = plan_make(data, &s, G, LAST_SHORT, seed, NULL);
    strategy_fini(&s);
    return plan;
}

static void expect(const struct plan_input *in, const char *detail, const char *words)
{
    struct sampler_error err = {.message = ""};
    struct plan *plan;
    assert_int_equal(plan_build(&plan, in, &err), PLAN_REFUSED);
    if (strcmp(err.detail, detail) != 0 || !strstr(err.message, words))
        fail_msg("\"%s\" about %s, not \"%s\" about %s", err.message, err.detail, words, detail);
    assert_true(strlen(err.message) < sizeof(err.message) - 1); /* nothing is cut off */
}

/* How many of a sample's first neighbours of any class are of others. */
static uint32_t others(const struct data *data, uint64_t sample, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t j = 0; j < count; j++)
        n += data->label[data->of_all[sample * TABLE_WIDTH + j]] != data->label[sample];
    return n;
}

/* How many times each sample is a base in an epoch: exactly, or on average. */
static double *expected_bases(const struct data *data, const char *variant)
{
    double *want = calloc(data->index.samples, sizeof(*want)), sum[CASE_CLASSES] = {0};
    assert_non_null(want);
    for (uint64_t i = 0; i < data->index.samples; i++) {
        uint32_t c = data->label[i];
        if (c == UINT32_MAX)
            continue;
        if (strcmp(variant, "regular") == 0)
            want[i] = 1;
        else if (strcmp(variant, "adasyn") == 0)
            want[i] = others(data, i, K);
        else
            want[i] = 2 * others(data, i, M) >= M && others(data, i, M) < M;
        sum[c] += want[i];
    }
    for (uint64_t i = 0; i < data->index.samples; i++) {
        uint32_t c = data->label[i];
        if (c == UINT32_MAX)
            continue;
        want[i] *= (double)(case_counts[0] - case_counts[c]) / sum[c];
        if (strcmp(variant, "adasyn") == 0)
            want[i] = nearbyint(want[i]); /* half to even */
    }
    return want;
}

static uint32_t neighbour_rank(const struct data *data, uint64_t base, uint64_t second)
{
    for (uint32_t j = 0; j < K; j++) {
        if (data->of_class[base * TABLE_WIDTH + j] == second)
            return j;
    }
    fail_msg("%lu is none of the neighbours of %lu", (unsigned long)second, (unsigned long)base);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* The nearest that is of another class. */
static uint64_t nearest_other(const struct data *data, uint64_t sample)
{
    const uint32_t *row = data->of_all + sample * TABLE_WIDTH;
    while (data->label[*row] == data->label[sample])
        row++;
    return *row;
}

struct seen {
    double *bases, ranks[K];
    uint64_t *originals;
    float *shares, *other_shares;
    size_t count, other_count; /* towards the own class, and towards others */
};

static void add_point(const struct data *data, const struct drawn *one, uint32_t k,
                      struct seen *seen)
{
    seen->bases[one->index[k]]++;
    if (one->mix_label[k] == one->label[k]) {
        seen->ranks[neighbour_rank(data, one->index[k], one->mix_index[k])]++;
        seen->shares[seen->count++] = one->mix_lambda[k];
        return;
    }
    assert_int_equal(one->mix_index[k], nearest_other(data, one->index[k]));
    assert_true(one->mix_lambda[k] < 0.5f);
    seen->other_shares[seen->other_count++] = 2 * one->mix_lambda[k];
}

/* One epoch: originals once each, and what was added to the counts. */
static void add_epoch(const struct plan *plan, const struct data *data, uint64_t epoch,
                      struct drawn *one, struct seen *seen)
{
    for (uint64_t step = 0; step < plan_epoch(plan, epoch).steps; step++) {
        draw_step(plan, epoch, step, one);
        for (uint32_t k = 0; k < one->n; k++) {
            assert_int_equal(one->label[k], data->label[one->index[k]]);
            assert_int_equal(one->mix_label[k], data->label[one->mix_index[k]]);
            assert_true(one->mix_label_lambda[k] == 0 && one->mix_lambda[k] < 1);
            if (one->mix_lambda[k] == 0) {
                assert_int_equal(one->mix_index[k], one->index[k]);
                seen->originals[one->index[k]]++;
                continue;
            }
            add_point(data, one, k, seen);
        }
    }
}

static void check_uniform(float *shares, size_t n)
{
    double distance = 0;
    qsort(shares, n, sizeof(*shares), by_size);
    for (size_t i = 0; i < n; i++)
        distance = fmax(distance, fabs((double)(i + 1) / (double)n - (double)shares[i]));
    assert_true(distance * sqrt((double)n) < 1.95);
}

static void check_seen(const char *variant, const struct data *data, const struct seen *seen,
                       const double *want)
{
    double chi = 0, freedom = -5;
    for (uint64_t i = 0; i < data->index.samples; i++) {
        double expected = want[i] * EPOCHS, off = seen->bases[i] - expected;
        if (data->label[i] != UINT32_MAX)
            assert_int_equal(seen->originals[i], EPOCHS);
        if (strcmp(variant, "adasyn") == 0 || expected == 0) {
            if (off != 0)
                fail_msg("%s: %g of %g", variant, seen->bases[i], expected);
            continue;
        }
        chi += off * off / expected;
        freedom++;
    }
    if (freedom > 0 && chi_square_tail(chi, freedom) < 1e-4)
        fail_msg("%s: chi-square of bases is %g with %g degrees of freedom", variant, chi, freedom);
    chi = 0;
    for (uint32_t j = 0; j < K; j++)
        chi += pow(seen->ranks[j] - (double)seen->count / K, 2) / ((double)seen->count / K);
    assert_true(chi_square_tail(chi, K - 1) > 1e-4);
    check_uniform(seen->shares, seen->count);
    double total = (double)(seen->count + seen->other_count);
    if (strcmp(variant, "borderline-2") == 0) {
        check_uniform(seen->other_shares, seen->other_count);
        assert_true(fabs((double)seen->other_count / total - 0.5) * 2 * sqrt(total) < 4);
    } else {
        assert_int_equal(seen->other_count, 0);
    }
}

/* A share is 0 in 1 of 2^24 draws, and then the draw looks like an original: not with this seed. */
static void points_are_as_they_should(void **state)
{
    const struct data *data = *state;
    for (int v = 0; v < VARIANTS; v++) {
        struct plan *plan = smote_plan(data, variants[v], 7);
        double *want = expected_bases(data, variants[v]);
        struct seen seen = {0};
        struct drawn one;
        drawn_init(&one, G);
        seen.bases = calloc(data->index.samples, sizeof(double));
        seen.originals = calloc(data->index.samples, sizeof(uint64_t));
        seen.shares = calloc(EPOCHS * 6 * case_counts[0], sizeof(float));
        seen.other_shares = calloc(EPOCHS * 6 * case_counts[0], sizeof(float));
        for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
            add_epoch(plan, data, epoch, &one, &seen);
        check_seen(variants[v], data, &seen, want);
        assert_int_equal(plan_columns_known(plan), 1u << PLAN_INDEX | 1u << PLAN_LABEL |
                                                       1u << PLAN_AUGMENT_SEED |
                                                       15u << PLAN_MIX_INDEX);
        free(seen.bases);
        free(seen.originals);
        free(seen.shares);
        free(seen.other_shares);
        free(want);
        drawn_fini(&one);
        plan_unref(plan);
    }
}

/* Ranks' slices together are the global batch, whichever step comes first. */
static void slices_are_the_batch(void **state)
{
    const struct data *data = *state;
    struct drawn whole, part;
    drawn_init(&whole, G);
    drawn_init(&part, G);
    for (int v = 0; v < VARIANTS; v++) {
        struct plan *plan = smote_plan(data, variants[v], 3);
        struct epoch_shape shape = plan_epoch(plan, 2);
        for (uint64_t step = shape.steps; step-- > 0;) {
            double all = 0, parts = 0;
            uint32_t n = 0;
            draw_step(plan, 2, step, &whole);
            for (uint32_t k = 0; k < whole.n; k++)
                all += (double)(whole.index[k] * 1009 + whole.mix_index[k]) * whole.mix_lambda[k];
            for (uint32_t rank = 0; rank < 4; rank++) {
                draw_slice(plan, 2, step, shape, rank, 4, &part);
                n += part.n;
                for (uint32_t k = 0; k < part.n; k++)
                    parts +=
                        (double)(part.index[k] * 1009 + part.mix_index[k]) * part.mix_lambda[k];
            }
            assert_true(n == whole.n && fabs(all - parts) < 1e-6);
        }
        plan_unref(plan);
    }
    drawn_fini(&whole);
    drawn_fini(&part);
}

/* regular draws the samples of `oversampled`; nothing to add is nothing added. */
static void bases_are_those_of_oversampled(void **state)
{
    const struct data *data = *state;
    const uint64_t equal[2] = {30, 30};
    struct plan *plan = smote_plan(data, "regular", 5);
    struct data even;
    struct strategy s;
    struct drawn one, two;
    drawn_init(&one, G);
    drawn_init(&two, G);
    strategy_make(&s, "oversampled", CASE_CLASSES);
    struct plan *plain = plan_make(data, &s, G, LAST_SHORT, 5, NULL);
    for (uint64_t step = 0; step < plan_epoch(plan, 1).steps; step++) {
        draw_step(plan, 1, step, &one);
        draw_step(plain, 1, step, &two);
        assert_int_equal(one.n, two.n);
        assert_memory_equal(one.index, two.index, one.n * sizeof(*one.index));
    }
    plan_unref(plan);
    plan_unref(plain);
    data_init(&even, equal, 2);
    for (int v = 0; v < VARIANTS; v++) {
        strategy_make(&s, "smote", 2);
        strategy_say(&s, "variant", variants[v]);
        plan = plan_make(&even, &s, G, LAST_SHORT, 5, NULL);
        draw_step(plan, 0, 0, &one);
        assert_int_equal(one.n, 60);
        for (uint32_t k = 0; k < one.n; k++)
            assert_true(one.mix_lambda[k] == 0 && one.mix_index[k] == one.index[k]);
        plan_unref(plan);
    }
    data_fini(&even);
    drawn_fini(&one);
    drawn_fini(&two);
}

/* Other tables, other plans. */
static void digests_tell_tables_apart(void **state)
{
    struct data *data = *state;
    uint64_t at = (uint64_t)data->member32[data->start[5]] * TABLE_WIDTH;
    uint32_t kept = data->of_class[at];
    uint64_t digest[VARIANTS + 1];
    for (int i = 0; i <= VARIANTS; i++) {
        struct plan *plan;
        if (i == VARIANTS)
            data->of_class[at] = data->of_class[at + 1];
        plan = smote_plan(data, variants[i % VARIANTS], 1);
        digest[i] = plan_digest(plan);
        for (int j = 0; j < i; j++)
            assert_true(digest[i] != digest[j]);
        plan_unref(plan);
    }
    data->of_class[at] = kept;
}

/* What they are for is made of their pairs by whoever has the features. */
static void categorical_variants_draw_as_regular(void **state)
{
    const char *const names[] = {"regular", "smotenc", "smoten"};
    uint64_t digest[3];
    for (int i = 0; i < 3; i++) {
        struct plan *plan = smote_plan(*state, names[i], 1);
        digest[i] = plan_digest(plan);
        plan_unref(plan);
    }
    assert_true(digest[0] == digest[1] && digest[0] == digest[2]);
}

/* Where only a part of the samples is drawn from, neighbours are the nearest of that part. */
static void neighbours_are_drawn_from(void **state)
{
    const struct data *data = *state;
    struct data part = *data;
    struct strategy s;
    struct drawn one;
    uint64_t start[CASE_CLASSES + 1] = {0}, n = 0;
    uint32_t *members = calloc(data->index.labelled, sizeof(*members));
    bool *in = calloc(data->index.samples, sizeof(*in));
    assert_true(members && in);
    for (uint32_t c = 0; c < CASE_CLASSES; c++) {
        for (uint64_t p = data->start[c]; p < data->start[c + 1]; p++) {
            if (p % 7 == 0)
                continue;
            in[data->member32[p]] = true;
            members[n++] = data->member32[p];
        }
        start[c + 1] = n;
    }
    part.index.start = start;
    part.index.member32 = members;
    part.index.labelled = n;
    smote_strategy(&s, "borderline-1");
    strategy_set(&s, "m", 5);
    strategy_say(&s, "sampling_strategy", "not minority"); /* in which nobody is in danger */
    struct plan *plan = plan_make(&part, &s, G, LAST_SHORT, 9, NULL);
    drawn_init(&one, G);
    for (uint64_t step = 0; step < plan_epoch(plan, 0).steps; step++) {
        draw_step(plan, 0, step, &one);
        for (uint32_t k = 0; k < one.n; k++) {
            uint32_t rank = 0;
            const uint32_t *row = data->of_class + one.index[k] * TABLE_WIDTH;
            assert_true(in[one.index[k]] && in[one.mix_index[k]]);
            for (; one.mix_lambda[k] > 0 && *row != one.mix_index[k]; row++)
                rank += in[*row];
            assert_true(rank < K);
        }
    }
    plan_unref(plan);
    smote_strategy(&s, "regular");
    strategy_set(&s, "k", 9);
    struct plan_input input = input_of(&part, &s, G);
    expect(&input, "neighbours", "that are drawn from");
    strategy_fini(&s);
    drawn_fini(&one);
    free(members);
    free(in);
}

/* ---- refusals ---- */

static void expect_variant(const struct data *data, const char *variant, const char *words)
{
    struct strategy s;
    strategy_make(&s, "smote", CASE_CLASSES);
    strategy_say(&s, "variant", variant);
    struct plan_input in = input_of(data, &s, G);
    expect(&in, "variant", words);
}

static void refusals(void **state)
{
    const struct data *data = *state;
    struct strategy s;
    expect_variant(data, "svm", "support vectors");
    expect_variant(data, "borderline", "give one of");
    smote_strategy(&s, "borderline-1");
    struct plan_input in = input_of(data, &s, G);
    in.tables[0].by_class = false;
    expect(&in, "neighbours", "--within-class");
    in = input_of(data, &s, G);
    in.tables[1].by_class = true;
    expect(&in, "all_neighbours", "--all");
    in = input_of(data, &s, G);
    in.tables[1].rows = NULL;
    expect(&in, "all_neighbours", "missing");
    in = input_of(data, &s, G);
    strategy_set(&s, "m", 11);
    expect(&in, "m", "--k 11");
    strategy_set(&s, "k", 11);
    expect(&in, "k", "--k 11");
    strategy_set(&s, "k", 0);
    expect(&in, "k", "whole number");
    smote_strategy(&s, "regular");
    strategy_set(&s, "k", 7); /* of 7 samples */
    expect(&in, "k",
           "(\"Expected n_neighbors <= n_samples,  but n_samples = 7, n_neighbors = 8\")");
    strategy_set(&s, "k", 6);
    struct plan *plan = plan_make(data, &s, G, LAST_SHORT, 1, NULL);
    plan_unref(plan);
    strategy_set(&s, "m", 5);
    expect(&in, "m", "only used with");
    smote_strategy(&s, "regular");
    strategy_say(&s, "pairs.how", "mixup");
    expect(&in, "pairs", "of its own");
}

/* All neighbours of the own class: nobody is in danger, and adasyn has nothing to divide by. Few
 * and far: no part comes to one. Rows that end early. */
static void tables_that_do_not_do(void **state)
{
    const struct data *data = *state;
    struct strategy s;
    size_t room = data->index.samples * TABLE_WIDTH;
    uint32_t *rows = malloc(room * sizeof(*rows));
    assert_non_null(rows);
    memcpy(rows, data->of_class, room * sizeof(*rows));
    smote_strategy(&s, "adasyn");
    struct plan_input in = input_of(data, &s, G);
    in.tables[1].rows = rows;
    expect(&in, "variant", "\"Not any neigbours belong to the majority class");
    smote_strategy(&s, "borderline-1");
    strategy_set(&s, "m", 5);
    expect(&in, "variant", "in danger");
    in.tables[1].rows = data->of_all;
    in.tables[0].rows = rows;
    uint64_t sample = data->member32[data->start[1]];
    rows[sample * TABLE_WIDTH + K - 1] = UINT32_MAX;
    expect(&in, "neighbours", "has only 2 neighbours that are drawn from, and k is 3");
    in.tables[0].rows = data->of_class;
    in.tables[1].rows = rows;
    expect(&in, "all_neighbours", "fewer than m = 5");
    smote_strategy(&s, "adasyn");
    double counts[CASE_CLASSES] = {NAN, (double)case_counts[1] + 1, NAN, NAN, NAN, NAN};
    strategy_map(&s, "sampling_strategy", counts);
    in = input_of(data, &s, G);
    expect(&in, "variant", "No samples will be generated");
    strategy_fini(&s);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_as_they_should),
        cmocka_unit_test(slices_are_the_batch),
        cmocka_unit_test(bases_are_those_of_oversampled),
        cmocka_unit_test(digests_tell_tables_apart),
        cmocka_unit_test(categorical_variants_draw_as_regular),
        cmocka_unit_test(neighbours_are_drawn_from),
        cmocka_unit_test(refusals),
        cmocka_unit_test(tables_that_do_not_do),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
