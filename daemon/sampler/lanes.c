#include "sampler/lanes.h"

#include <stdatomic.h>
#include "sampler/permute.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

/* Philox4x32-10 with the counters spread over lanes, as Random123 defines it. */
static inline __attribute__((always_inline)) void
numbers_body(uint64_t key, uint32_t purpose, const uint64_t *restrict a, const uint32_t *restrict b,
             uint64_t *restrict first, uint64_t *restrict second, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        /* 64-bit lanes that hold 32-bit values: a product then needs no rearranging. */
        uint64_t c0 = (uint32_t)a[k], c1 = a[k] >> 32, c2 = b[k], c3 = purpose;
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        for (unsigned round = 0; round < 10; round++) {
            uint64_t p0 = (uint64_t)(uint32_t)c0 * PHILOX_M0;
            uint64_t p1 = (uint64_t)(uint32_t)c2 * PHILOX_M1;
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = (uint32_t)p1;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = (uint32_t)p0;
            k0 += PHILOX_W0;
            k1 += PHILOX_W1;
        }
        first[k] = c0 | c1 << 32;
        second[k] = c2 | c3 << 32;
    }
}

static inline __attribute__((always_inline)) void rounds_body(struct lanes_walk *w, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t left = w->left[k], right = w->right[k];
        uint32_t left_key = w->left_key[k], right_key = w->right_key[k];
        for (unsigned i = 0; i < PERMUTE_ROUNDS; i++) {
            left ^= permute_mix(right, left_key) >> w->left_shift[k];
            right ^= permute_mix(left, right_key) >> w->right_shift[k];
            left_key += PERMUTE_WEYL_LEFT;
            right_key += PERMUTE_WEYL_RIGHT;
        }
        w->left[k] = left;
        w->right[k] = right;
    }
}

#define LANES_PATH(name, attributes)                                                               \
    attributes static void numbers_##name(uint64_t key, uint32_t purpose, const uint64_t *a,       \
                                          const uint32_t *b, uint64_t *first, uint64_t *second,    \
                                          uint32_t n)                                              \
    {                                                                                              \
        numbers_body(key, purpose, a, b, first, second, n);                                        \
    }                                                                                              \
    attributes static void rounds_##name(struct lanes_walk *walk, uint32_t n)                      \
    {                                                                                              \
        rounds_body(walk, n);                                                                      \
    }

LANES_PATH(baseline, )
#if defined(__x86_64__)
LANES_PATH(avx2, __attribute__((target("avx2"))))
LANES_PATH(avx512,
           __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512"))))
#endif

static const struct lanes_path paths[] = {
    {"baseline", numbers_baseline, rounds_baseline},
#if defined(__x86_64__)
    {"avx2", numbers_avx2, rounds_avx2},
    {"avx512", numbers_avx512, rounds_avx512},
#endif
};

unsigned lanes_paths(const struct lanes_path **out)
{
    *out = paths;
    unsigned n = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        n = 2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
            n = 3;
    }
#endif
    return n;
}

static _Atomic(const struct lanes_path *) chosen;

static const struct lanes_path *path(void)
{
    const struct lanes_path *p = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!p) {
        unsigned n = lanes_paths(&p);
        p += n - 1;
        atomic_store_explicit(&chosen, p, memory_order_relaxed);
    }
    return p;
}

void lanes_use(const struct lanes_path *p)
{
    atomic_store(&chosen, p);
}

void lanes_numbers(uint64_t key, enum key_purpose purpose, const uint64_t *a, const uint32_t *b,
                   uint64_t *first, uint64_t *second, uint32_t n)
{
    path()->numbers(key, (uint32_t)purpose, a, b, first, second, n);
}

static void walk_copy(struct lanes_walk *w, uint32_t to, uint32_t from)
{
    w->left[to] = w->left[from];
    w->right[to] = w->right[from];
    w->left_shift[to] = w->left_shift[from];
    w->right_shift[to] = w->right_shift[from];
    w->left_key[to] = w->left_key[from];
    w->right_key[to] = w->right_key[from];
    w->lane[to] = w->lane[from];
}

void lanes_permute(uint64_t *value, const uint64_t *size, const uint64_t *key, uint32_t n,
                   struct lanes_walk *w)
{
    for (uint32_t k = 0; k < n; k++) {
        unsigned bits = permute_bits(size[k]);
        unsigned left_bits = bits / 2, right_bits = bits - left_bits;
        w->left[k] = (uint32_t)(value[k] >> right_bits);
        w->right[k] = (uint32_t)(value[k] & ((1ull << right_bits) - 1));
        w->left_shift[k] = 32 - left_bits;
        w->right_shift[k] = 32 - right_bits;
        w->left_key[k] = (uint32_t)key[k];
        w->right_key[k] = (uint32_t)(key[k] >> 32);
        w->lane[k] = k;
    }
    /* Lanes that have arrived drop out; the others close up and walk on. */
    const struct lanes_path *p = path();
    while (n) {
        p->rounds(w, n);
        uint32_t walking = 0;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t lane = w->lane[k];
            uint64_t x = (uint64_t)w->left[k] << (32 - w->right_shift[k]) | w->right[k];
            value[lane] = x;
            walk_copy(w, walking, k);
            walking += x >= size[lane];
        }
        n = walking;
    }
}
