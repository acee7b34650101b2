/*
 * Many draws at once: blocks of up to LANES positions go through one pass after another, each a
 * plain loop that the compiler turns into vector code. Where the processor has wider vectors than
 * the build's baseline, the same loops compiled for them are used; results are the same bit for
 * bit.
 */
#ifndef SAMPLER_LANES_H
#define SAMPLER_LANES_H

#include <stdint.h>
#include "sampler/key.h"

#define LANES       128u
#define LANES_ALIGN 64

/* Working memory of lanes_permute. */
struct lanes_walk {
    _Alignas(LANES_ALIGN) uint32_t left[LANES];
    uint32_t right[LANES];
    uint32_t left_shift[LANES], right_shift[LANES];
    uint32_t low_key[LANES], high_key[LANES];
    uint32_t lane[LANES], walking[LANES];
};

/* key_numbers(key, purpose, a[k], b[k]) for each lane below n. The arrays have room for LANES
 * values; what stands beyond n does not matter, and may be overwritten. */
void lanes_numbers(uint64_t key, enum key_purpose purpose, const uint64_t *a, const uint32_t *b,
                   uint64_t *first, uint64_t *second, uint32_t n);
/* value[k] becomes its place in the permutation of [0, size[k]) under key[k]. size[k] > value[k].
 */
void lanes_permute(uint64_t *value, const uint64_t *size, const uint64_t *key, uint32_t n,
                   struct lanes_walk *walk);

/* The same where all lanes have one permutation. */
void lanes_permute_one(uint64_t *value, uint64_t size, uint64_t key, uint32_t n,
                       struct lanes_walk *walk);

/* Sums of floors: sum[k] += t + carry for each k below n, where
 *
 *     t = floor(length * value / steps), rest = the remainder, value = start - below[k]
 *     j = (t + ahead) * turn mod length, carry = floor((rest + drift * j) / steps), -1, 0 or 1
 *
 * quota.c says what for. All are whole numbers, steps and length at most 2^24, value above 0 and
 * below 2^25: then no product needs more than 50 bits, and a double holds every one exactly. */
#define LANES_MAX_STEPS (1u << 24)
struct lanes_floors {
    double steps, start, length, ahead, turn, drift;
    double per_step, per_length; /* 1 / steps, 1 / length */
};
void lanes_floors(double *sum, const double *below, const struct lanes_floors *floors, uint32_t n);

/* The vector code in use, and for tests all that this processor can run. */
struct lanes_path {
    const char *name;
    void (*numbers)(uint64_t key, uint32_t purpose, const uint64_t *a, const uint32_t *b,
                    uint64_t *first, uint64_t *second, uint32_t n);
    void (*rounds)(struct lanes_walk *walk, uint32_t n);
    void (*floors)(double *sum, const double *below, const struct lanes_floors *floors, uint32_t n);
};
unsigned lanes_paths(const struct lanes_path **out); /* the last one is the fastest */
void lanes_use(const struct lanes_path *path);       /* tests only, before any other thread */

#endif
