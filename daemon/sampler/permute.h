/*
 * A keyed permutation of [0, n) without memory: a Feistel network on ceil(log2 n) bits, at least 4,
 * walked until the value falls below n. How many rounds, and why: SAMPLING.md.
 */
#ifndef SAMPLER_PERMUTE_H
#define SAMPLER_PERMUTE_H

#include <stdint.h>

#define PERMUTE_ROUNDS   6u /* in pairs: a left and a right half-round each */
#define PERMUTE_MIN_BITS 4u

#define PERMUTE_WEYL_LEFT  0x9E3779B9u
#define PERMUTE_WEYL_RIGHT 0xBB67AE85u

static inline uint32_t permute_mix(uint32_t half, uint32_t key)
{
    uint32_t h = (half ^ key) * 0x7FEB352Du;
    h ^= h >> 15;
    return h * 0x846CA68Bu;
}

static inline unsigned permute_bits(uint64_t n)
{
    unsigned bits = n > 1 ? 64u - (unsigned)__builtin_clzll(n - 1) : 0;
    return bits < PERMUTE_MIN_BITS ? PERMUTE_MIN_BITS : bits;
}

/* The place of x, for tests and single values; lanes_permute does many at once. */
static inline uint64_t permute_rounds(uint64_t x, uint64_t n, uint64_t key, unsigned rounds)
{
    unsigned bits = permute_bits(n);
    unsigned left_bits = bits / 2, right_bits = bits - left_bits;
    do {
        uint32_t left = (uint32_t)(x >> right_bits);
        uint32_t right = (uint32_t)(x & ((1ull << right_bits) - 1));
        uint32_t left_key = (uint32_t)key, right_key = (uint32_t)(key >> 32);
        for (unsigned i = 0; i < rounds; i++) {
            left ^= permute_mix(right, left_key) >> (32 - left_bits);
            right ^= permute_mix(left, right_key) >> (32 - right_bits);
            left_key += PERMUTE_WEYL_LEFT;
            right_key += PERMUTE_WEYL_RIGHT;
        }
        x = (uint64_t)left << right_bits | right;
    } while (x >= n);
    return x;
}

static inline uint64_t permute(uint64_t x, uint64_t n, uint64_t key)
{
    return permute_rounds(x, n, key, PERMUTE_ROUNDS);
}

#endif
