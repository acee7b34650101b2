/*
 * Numbers with a Beta distribution, from a table of quantiles in whole numbers that is the same on
 * every machine. SAMPLING.md, "Beta distributions", says how it is made. Called by pairs.c.
 */
#ifndef SAMPLER_BETA_H
#define SAMPLER_BETA_H

#include <stdint.h>

#define BETA_CELLS 4096u
#define BETA_ONE   (1u << 24) /* the whole number that stands for 1 */

/* Parameters for which the quantiles are right to the last place. */
#define BETA_LEAST 0.01
#define BETA_MOST  100.0

/* quantile[k] is BETA_ONE times the k/4096 quantile of Beta(a, b), to the nearest whole number; the
 * first and the last are where a straight line has to begin and to end that has the mean of its
 * tail. a and b are from BETA_LEAST to BETA_MOST. */
void beta_quantiles(double a, double b, uint32_t quantile[BETA_CELLS + 1]);

/* A number from 0 to BETA_ONE from 64 random bits: linear between two quantiles. */
static inline uint32_t beta_draw(const uint32_t *quantile, uint64_t number)
{
    uint64_t cell = number >> 52, part = number >> 20 & UINT32_MAX;
    return quantile[cell] + (uint32_t)((quantile[cell + 1] - quantile[cell]) * part >> 32);
}

#endif
