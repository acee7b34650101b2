/* Quantiles of Beta distributions (beta.h), in nothing but sums, products, quotients and roundings
 * of doubles: these are the same on every machine, which logarithms of a C library are not. Called
 * by pairs.c when a plan is built. */
#include "sampler/beta.h"

#include <math.h>
#include <stdbool.h>

#define LN2       0x1.62e42fefa39efp-1
#define ROOT_HALF 0x1.6a09e667f3bcdp-1

/* The logarithm of a normal number above 0, by the series of artanh: m is from ROOT_HALF to twice
 * that, so s^2 is below 0.03 and twelve terms are enough. */
static double logarithm(double x)
{
    int e;
    double m = frexp(x, &e);
    if (m < ROOT_HALF) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), z = s * s, sum = 0;
    for (int i = 23; i >= 1; i -= 2)
        sum = sum * z + 1 / (double)i;
    return 2 * s * sum + e * LN2;
}

/* e^y for y <= 1; 0 where that is of no account any more. */
static double exponential(double y)
{
    if (y < -700)
        return 0;
    double n = floor(y / LN2 + 0.5), r = y - n * LN2, sum = 1;
    for (int i = 16; i >= 1; i--)
        sum = sum * r / i + 1;
    return ldexp(sum, (int)n);
}

struct mass {
    double log;   /* of the integral of t^(a-1) (1-t)^(b-1) from 0 to x */
    double slope; /* its derivative by log x */
};

/* x = e^y, below 1. All terms of the series are above 0, and from some place on each is little more
 * than x times the one before: where x is at most 1/2, some sixty are enough. */
static struct mass mass_below(double a, double b, double y)
{
    double x = exponential(y), sum = 1, term = 1;
    for (double n = 0; term > sum * 0x1p-60; n++) {
        term *= x * (a + b + n) / (a + 1 + n);
        sum += term;
    }
    return (struct mass){
        .log = a * y + b * logarithm(1 - x) + logarithm(sum / a),
        .slope = a / ((1 - x) * sum),
    };
}

/* The y at which the mass has that logarithm, by Newton's method. */
static double solve(double a, double b, double log_mass, double y)
{
    const double most = -LN2; /* x = 1/2 */
    for (int i = 0; i < 60; i++) {
        struct mass mass = mass_below(a, b, y);
        double step = (log_mass - mass.log) / mass.slope;
        y = y + step > most ? most : y + step;
        if (fabs(step) < 0x1p-30)
            break;
    }
    return y;
}

/* The first quantiles, of which the last is not above 1/2: each is sought from the one before on,
 * the first from where x^a / a, which the mass is near 0, comes to it. `part` is the mass of a
 * cell. Of Beta(b, a) they are what the last ones of Beta(a, b) lack to 1. */
static void lower_quantiles(double a, double b, double part, uint32_t cells, bool mirrored,
                            uint32_t quantile[BETA_CELLS + 1])
{
    double y = logarithm(part * a) / a;
    for (uint32_t k = 1; k <= cells; k++) {
        y = solve(a, b, logarithm(k * part), y);
        uint32_t x = (uint32_t)floor(exponential(y) * BETA_ONE + 0.5);
        quantile[mirrored ? BETA_CELLS - k : k] = mirrored ? BETA_ONE - x : x;
    }
}

/* Where the first cell begins, which ends at x: so that the middle of its straight line is the mean
 * of what the distribution has below x. (From 0 on the line would have much where a steep tail has
 * next to nothing.) */
static uint32_t tail(double a, double b, double part, uint32_t quantile)
{
    double x = quantile / (double)BETA_ONE;
    if (quantile == 0)
        return 0;
    double mean = exponential(mass_below(a + 1, b, logarithm(x)).log) / part;
    return mean > x / 2 ? (uint32_t)floor((2 * mean - x) * BETA_ONE + 0.5) : 0;
}

void beta_quantiles(double a, double b, uint32_t quantile[BETA_CELLS + 1])
{
    double below = exponential(mass_below(a, b, -LN2).log);
    double above = exponential(mass_below(b, a, -LN2).log);
    double part = (below + above) / BETA_CELLS;
    uint32_t lower = (uint32_t)floor(below / part);
    if (lower > BETA_CELLS - 1)
        lower = BETA_CELLS - 1;
    lower_quantiles(a, b, part, lower, false, quantile);
    lower_quantiles(b, a, part, BETA_CELLS - 1 - lower, true, quantile);
    quantile[0] = tail(a, b, part, quantile[1]);
    quantile[BETA_CELLS] = BETA_ONE - tail(b, a, part, BETA_ONE - quantile[BETA_CELLS - 1]);
}
