/*
 * So many draws that a class which comes one time in a hundred too often, or too seldom, shows: for
 * every strategy whose counts are left to chance. (Those of the others are exact, to the last
 * sample: test_plan.c.) That the test would notice is tested too.
 */
#include <stdlib.h>
#include <string.h>
#include "cases.h"

enum { G = 4096, SLICES = 8 };

/* Draws after which 1 % more of the class drawn least is 45 standard deviations squared. */
static uint64_t draws_needed(const double *share)
{
    double least = 1;
    for (uint32_t c = 0; c < CASE_CLASSES; c++)
        least = share[c] > 0 && share[c] < least ? share[c] : least;
    return (uint64_t)(45 / (least * 1e-4));
}

static double chi_square(const double *got, const double *want, uint32_t n, double total)
{
    double chi = 0;
    for (uint32_t i = 0; i < n; i++)
        chi += want[i] > 0
                   ? (got[i] - want[i] * total) * (got[i] - want[i] * total) / (want[i] * total)
                   : 0;
    return chi;
}

static uint32_t classes_with(const double *share)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < CASE_CLASSES; c++)
        n += share[c] > 0;
    return n;
}

/* 1 % more or less of one class, the others as they are to one another. */
static void plant(const double *share, uint32_t class, double bias, double *out)
{
    double sum = 1 + share[class] * bias;
    for (uint32_t c = 0; c < CASE_CLASSES; c++)
        out[c] = share[c] * (c == class ? 1 + bias : 1) / sum;
}

static void check_classes(const char *name, const double *got, const double *share, double total)
{
    double freedom = classes_with(share) - 1, planted[CASE_CLASSES];
    double tail = chi_square_tail(chi_square(got, share, CASE_CLASSES, total), freedom);
    if (tail < 1e-3)
        fail_msg("%s: classes are drawn as they should be with a chance of %g", name, tail);
    for (uint32_t c = 0; c < CASE_CLASSES; c++) {
        for (int sign = -1; sign <= 1 && share[c] > 0 && share[c] < 1; sign += 2) {
            plant(share, c, 0.01 * sign, planted);
            tail = chi_square_tail(chi_square(got, planted, CASE_CLASSES, total), freedom);
            if (tail > 1e-3)
                fail_msg("%s: a bias of 1 %% in class %u was not noticed (%g)", name, c, tail);
        }
    }
}

/* Where in their class the drawn ones stand, in eighths of the largest class. */
static void check_members(const char *name, const double *slice, const struct data *data,
                          uint32_t class)
{
    uint64_t size = data->start[class + 1] - data->start[class];
    double total = 0, want[SLICES];
    for (uint32_t i = 0; i < SLICES; i++) {
        total += slice[i];
        want[i] = 1.0 / SLICES;
    }
    assert_int_equal(size % SLICES, 0);
    double tail = chi_square_tail(chi_square(slice, want, SLICES, total), SLICES - 1);
    if (total > 0 && tail < 1e-3)
        fail_msg("%s: members of class %u: %g", name, class, tail);
}

static void check_case(const struct strategy_case *c, const struct data *data,
                       const uint32_t *ordinal, struct drawn *one)
{
    struct plan *plan = case_plan(c, data, G, LAST_SHORT, 20261125);
    double share[CASE_CLASSES], got[CASE_CLASSES] = {0}, slice[SLICES] = {0};
    uint64_t done = 0, size = data->start[1] - data->start[0];
    uint64_t first = c->traits & VARYING ? 3 : 0; /* of a schedule, one epoch that is on the way */
    plan_expected(plan, first, share);
    uint64_t wanted = draws_needed(share);
    struct epoch_shape shape = {.steps = UINT64_MAX, .last_size = G};
    for (uint64_t step = 0; done < wanted; step++) {
        draw_slice(plan, first, step, shape, 0, 1, one);
        for (uint32_t k = 0; k < one->n; k++) {
            got[one->label[k]]++;
            if (one->label[k] == 0)
                slice[ordinal[one->index[k]] * SLICES / size]++;
        }
        done += one->n;
    }
    check_classes(c->name, got, share, (double)done);
    if (!(c->traits & WEIGHED))
        check_members(c->name, slice, data, 0);
    plan_unref(plan);
}

static void a_bias_of_a_hundredth_shows(void **state)
{
    struct data data;
    struct drawn one;
    (void)state;
    data_init(&data, case_counts, CASE_CLASSES);
    drawn_init(&one, G);
    uint32_t *ordinal = calloc(data.index.samples, sizeof(*ordinal));
    for (uint64_t i = 0; i < data.start[1]; i++)
        ordinal[data.index.member32[i]] = (uint32_t)i;
    for (const struct strategy_case *c = strategy_cases; c->name; c++) {
        if (!(c->traits & (EXACT | BALANCED | WHOLE)))
            check_case(c, &data, ordinal, &one);
    }
    free(ordinal);
    drawn_fini(&one);
    data_fini(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bias_of_a_hundredth_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
