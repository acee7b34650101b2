/*
 * A keyed permutation of [0, n) without memory.
 *
 * Above 16: a Feistel network on ceil(log2 n) bits, at least 6, walked until the value falls below
 * n. Up to 16, where the halves of a network would be too narrow to reach every order: the key read
 * as one of the n! orders. How many rounds, and why: SAMPLING.md.
 */
#ifndef SAMPLER_PERMUTE_H
#define SAMPLER_PERMUTE_H

#include <stdint.h>

#define PERMUTE_ROUNDS   12u /* half-rounds */
#define PERMUTE_MIN_BITS 6u
#define PERMUTE_TINY     16u

#define PERMUTE_WEYL_ADD      0x9E3779B9u
#define PERMUTE_WEYL_MULTIPLY 0xBB67AE85u

/* One half of the value, hashed onto the other; the key changes from round to round. */
#define PERMUTE_HALF_ROUND(to, from, low_key, high_key, shift)                                     \
    do {                                                                                           \
        to ^= ((from ^ low_key) * (high_key | 1u)) >> (shift);                                     \
        low_key += PERMUTE_WEYL_ADD;                                                               \
        high_key += PERMUTE_WEYL_MULTIPLY;                                                         \
    } while (0)

static inline unsigned permute_bits(uint64_t n)
{
    unsigned bits = n > 1 ? 64u - (unsigned)__builtin_clzll(n - 1) : 0;
    return bits < PERMUTE_MIN_BITS ? PERMUTE_MIN_BITS : bits;
}

/* Fisher and Yates on nibbles, as far as x; the key is a fraction of n! read digit by digit. */
static inline uint64_t permute_tiny(uint64_t x, uint64_t n, uint64_t key)
{
    uint64_t order = 0xFEDCBA9876543210u;
    for (uint64_t i = 0; i < n; i++) {
        unsigned __int128 product = (unsigned __int128)key * (n - i);
        unsigned from = 4 * (unsigned)i;
        unsigned with = 4 * (unsigned)(i + (uint64_t)(product >> 64));
        uint64_t swap = ((order >> from) ^ (order >> with)) & 15;
        order ^= swap << from ^ swap << with;
        key = (uint64_t)product;
        if (i == x)
            break;
    }
    return order >> 4 * x & 15;
}

/* The place of x, one value at a time; lanes_permute does many at once. */
static inline uint64_t permute_rounds(uint64_t x, uint64_t n, uint64_t key, unsigned rounds)
{
    if (n <= PERMUTE_TINY)
        return permute_tiny(x, n, key);
    unsigned bits = permute_bits(n);
    unsigned left_bits = bits / 2, right_bits = bits - left_bits;
    do {
        uint32_t left = (uint32_t)(x >> right_bits);
        uint32_t right = (uint32_t)(x & ((1ull << right_bits) - 1));
        uint32_t low_key = (uint32_t)key, high_key = (uint32_t)(key >> 32);
        for (unsigned i = 0; i < rounds; i += 2) {
            PERMUTE_HALF_ROUND(left, right, low_key, high_key, 32 - left_bits);
            PERMUTE_HALF_ROUND(right, left, low_key, high_key, 32 - right_bits);
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
