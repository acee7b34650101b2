/*
 * How random the keyed permutation is: exhaustively for small n, by statistics for larger ones.
 * With an argument (a number of half-rounds) it prints the figures of SAMPLING.md instead of
 * judging.
 *
 * Every figure is a standard normal deviate if orders are random; the seeds are fixed, so a figure
 * beyond 4 is a change in the algorithm, not bad luck.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fixture.h"
#include "sampler/permute.h"

static unsigned rounds = PERMUTE_ROUNDS;
static double worst;

static void judge(const char *what, uint64_t n, double deviate)
{
    printf("  %-10s n = %-14llu %6.2f\n", what, (unsigned long long)n, deviate);
    if (fabs(deviate) > fabs(worst))
        worst = deviate;
}

static void whole_order(uint64_t *order, uint64_t n, uint64_t key)
{
    for (uint64_t i = 0; i < n; i++)
        order[i] = permute_rounds(i, n, key, rounds);
}

static double chi_deviate(const uint32_t *count, size_t cells, double expected)
{
    double chi = 0, freedom = (double)cells - 1;
    for (size_t i = 0; i < cells; i++)
        chi += (count[i] - expected) * (count[i] - expected) / expected;
    return (cbrt(chi / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom));
}

/* Every one of the n! orders as often as the others. */
static void all_orders(uint64_t n)
{
    static uint32_t count[5040];
    uint64_t orders = 1, random = n, order[8];
    for (uint64_t i = 2; i <= n; i++)
        orders *= i;
    uint64_t trials = orders * 100 < 20000 ? 20000 : orders * 100;
    memset(count, 0, sizeof(count));
    for (uint64_t t = 0; t < trials; t++) {
        uint64_t number = 0;
        whole_order(order, n, test_random(&random));
        for (uint64_t i = 0; i < n; i++) {
            uint64_t below = 0;
            for (uint64_t j = i + 1; j < n; j++)
                below += order[j] < order[i];
            number = number * (n - i) + below;
        }
        count[number]++;
    }
    judge("orders", n, chi_deviate(count, orders, (double)trials / (double)orders));
}

/* Positions, neighbours' distances and inversions over many whole orders. */
static void whole_orders(uint64_t n)
{
    enum { MOST = 100 };
    static uint32_t place[MOST * MOST], distance[MOST];
    uint64_t order[MOST], random = n, trials = 2000;
    double sum = 0, mean = (double)(n * (n - 1)) / 4;
    double spread = sqrt((double)(n * (n - 1) * (2 * n + 5)) / 72);
    memset(place, 0, sizeof(place));
    memset(distance, 0, sizeof(distance));
    for (uint64_t t = 0; t < trials; t++) {
        double inversions = 0;
        whole_order(order, n, test_random(&random));
        for (uint64_t i = 0; i < n; i++) {
            place[i * n + order[i]]++;
            if (i)
                distance[(order[i] + n - order[i - 1]) % n]++;
            for (uint64_t j = i + 1; j < n; j++)
                inversions += order[j] < order[i];
        }
        sum += (inversions - mean) / spread;
    }
    /* Rows and columns of the matrix are fixed, which the degrees of freedom take into account. */
    double expected = (double)trials / (double)n, chi = 0, freedom = (double)((n - 1) * (n - 1));
    for (uint64_t i = 0; i < n * n; i++)
        chi += (place[i] - expected) * (place[i] - expected) / expected;
    judge("positions", n,
          (cbrt(chi / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom)));
    judge("distances", n, chi_deviate(distance + 1, n - 1, (double)trials));
    judge("inversions", n, sum / sqrt((double)trials));
}

/* Where two neighbours go together: each pair of places as often as the others. */
static void pairs(uint64_t n)
{
    static uint32_t count[64 * 64];
    uint64_t random = n, trials = n * n * 100;
    for (uint64_t from = 0; from < n; from += n / 3) {
        memset(count, 0, sizeof(count));
        for (uint64_t t = 0; t < trials; t++) {
            uint64_t key = test_random(&random);
            uint64_t x = permute_rounds(from, n, key, rounds);
            uint64_t y = permute_rounds((from + 1) % n, n, key, rounds);
            count[x * (n - 1) + (y > x ? y - 1 : y)]++;
        }
        judge("pairs", n, chi_deviate(count, n * (n - 1), (double)trials / (double)(n * (n - 1))));
    }
}

/* Long orders in short pieces: steps between neighbours, changes of steps, serial correlation. */
static void pieces(uint64_t n)
{
    enum { KEYS = 200, PIECE = 500, CELLS = 64 };
    uint32_t step[CELLS] = {0}, bend[CELLS] = {0}, low[CELLS] = {0};
    uint64_t random = n, total = 0;
    double correlation = 0;
    for (int k = 0; k < KEYS; k++) {
        uint64_t key = test_random(&random), from = test_random(&random) % (n - PIECE),
                 last[2] = {0};
        for (uint64_t i = 0; i < PIECE; i++) {
            uint64_t x = permute_rounds(from + i, n, key, rounds);
            if (i > 1) {
                uint64_t forth = (x + n - last[0]) % n, back = (last[0] + n - last[1]) % n;
                step[(unsigned)((double)forth / (double)n * CELLS)]++;
                bend[(unsigned)((double)((forth + n - back) % n) / (double)n * CELLS)]++;
                low[(x ^ last[0]) % CELLS]++;
                correlation += ((double)x / (double)n - 0.5) * ((double)last[0] / (double)n - 0.5);
                total++;
            }
            last[1] = last[0];
            last[0] = x;
        }
    }
    judge("steps", n, chi_deviate(step, CELLS, (double)total / CELLS));
    judge("bends", n, chi_deviate(bend, CELLS, (double)total / CELLS));
    judge("low bits", n, chi_deviate(low, CELLS, (double)total / CELLS));
    judge("serial", n, correlation * 12 / sqrt((double)total));
}

static void measure(void)
{
    worst = 0;
    for (uint64_t n = 2; n <= 7; n++)
        all_orders(n);
    for (uint64_t n = 10; n <= 100; n += n < 40 ? 7 : 30)
        whole_orders(n);
    pairs(12);
    pairs(17);
    pairs(23);
    pairs(40);
    pieces(65536);
    pieces(100003);
    pieces(1ull << 24);
    pieces(1ull << 40);
}

static void orders_are_random(void **state)
{
    (void)state;
    measure();
    assert_true(fabs(worst) < 4);
}

/* The instrument sees too few rounds. */
static void few_rounds_are_seen(void **state)
{
    (void)state;
    rounds = 2;
    measure();
    rounds = PERMUTE_ROUNDS;
    assert_true(fabs(worst) > 100);
}

static void every_place_once(void **state)
{
    (void)state;
    static uint8_t seen[5000];
    uint64_t random = 8;
    for (uint64_t n = 1; n <= 5000; n += n < 300 ? 1 : 97) {
        uint64_t key = test_random(&random);
        memset(seen, 0, sizeof(seen));
        for (uint64_t i = 0; i < n; i++) {
            uint64_t x = permute(i, n, key);
            assert_true(x < n);
            assert_int_equal(seen[x]++, 0);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_once),
        cmocka_unit_test(orders_are_random),
        cmocka_unit_test(few_rounds_are_seen),
    };
    if (argc > 1) {
        rounds = (unsigned)strtoul(argv[1], NULL, 10);
        measure();
        printf("worst of %u half-rounds: %.2f\n", rounds, worst);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
