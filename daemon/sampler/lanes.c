/* Numbers and keyed permutations for many draws at once, compiled also for the widest vectors that
 * the processor has (lanes.h). Called by the engines' draw loops. */
#include "sampler/lanes.h"

#include <stdatomic.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "sampler/permute.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

/* Philox4x32-10 as Random123 defines it, with 32-bit values in the 64-bit lanes of a vector: a
 * product then needs no rearranging. `multiply` is the product of the lower halves, whatever stands
 * in the upper ones; compilers do not find that instruction by themselves. */
#define NUMBERS(path, attributes, vector, narrow, multiply)                                        \
    attributes static void numbers_##path(uint64_t key, uint32_t purpose, const uint64_t *a,       \
                                          const uint32_t *b, uint64_t *first, uint64_t *second,    \
                                          uint32_t n)                                              \
    {                                                                                              \
        const vector zero = {0}, m0 = zero + PHILOX_M0, m1 = zero + PHILOX_M1;                     \
        const vector low = zero + UINT32_MAX;                                                      \
        for (uint32_t k = 0; k < n; k += sizeof(vector) / sizeof(*a)) {                            \
            vector c0, c1, c2, c3 = zero + purpose;                                                \
            narrow b32;                                                                            \
            memcpy(&c0, a + k, sizeof(c0));                                                        \
            memcpy(&b32, b + k, sizeof(b32));                                                      \
            c1 = c0 >> 32;                                                                         \
            c2 = __builtin_convertvector(b32, vector);                                             \
            uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);                               \
            for (unsigned round = 0; round < 10; round++) {                                        \
                vector p0 = multiply(c0, m0), p1 = multiply(c2, m1);                               \
                c0 = (p1 >> 32) ^ c1 ^ (zero + k0);                                                \
                c1 = p1;                                                                           \
                c2 = (p0 >> 32) ^ c3 ^ (zero + k1);                                                \
                c3 = p0;                                                                           \
                k0 += PHILOX_W0;                                                                   \
                k1 += PHILOX_W1;                                                                   \
            }                                                                                      \
            c0 = (c0 & low) | c1 << 32;                                                            \
            c2 = (c2 & low) | c3 << 32;                                                            \
            memcpy(first + k, &c0, sizeof(c0));                                                    \
            memcpy(second + k, &c2, sizeof(c2));                                                   \
        }                                                                                          \
    }

/* The compilers vectorise this one well. */
#define ROUNDS(path, attributes)                                                                   \
    attributes static void rounds_##path(struct lanes_walk *w, uint32_t n)                         \
    {                                                                                              \
        for (uint32_t k = 0; k < n; k++) {                                                         \
            uint32_t left = w->left[k], right = w->right[k];                                       \
            uint32_t low_key = w->low_key[k], high_key = w->high_key[k];                           \
            for (unsigned i = 0; i < PERMUTE_ROUNDS; i += 2) {                                     \
                PERMUTE_HALF_ROUND(left, right, low_key, high_key, w->left_shift[k]);              \
                PERMUTE_HALF_ROUND(right, left, low_key, high_key, w->right_shift[k]);             \
            }                                                                                      \
            w->left[k] = left;                                                                     \
            w->right[k] = right;                                                                   \
        }                                                                                          \
    }

/* Quotients are exact without being put right: half of one is added, so that they lie at least
 * 0.5 / 2^24 from a whole number, and they are below 2^26, so what rounding does to them is less.
 */
#define FLOORS(path, attributes, vector, whole, mask)                                              \
    attributes static void floors_##path(double *sum, const double *below,                         \
                                         const struct lanes_floors *f, uint32_t n)                 \
    {                                                                                              \
        const vector zero = {0}, one = zero + 1.0;                                                 \
        for (uint32_t k = 0; k < n; k += sizeof(vector) / sizeof(*sum)) {                          \
            vector value, total;                                                                   \
            memcpy(&value, below + k, sizeof(value));                                              \
            memcpy(&total, sum + k, sizeof(total));                                                \
            value = (f->start - value) * f->length;                                                \
            vector t = (value + 0.5) * f->per_step;                                                \
            t = __builtin_convertvector(__builtin_convertvector(t, whole), vector);                \
            vector rest = value - t * f->steps;                                                    \
            vector j = (t + f->ahead) * f->turn;                                                   \
            vector turns = (j + 0.5) * f->per_length;                                              \
            turns = __builtin_convertvector(__builtin_convertvector(turns, whole), vector);        \
            j -= turns * f->length;                                                                \
            rest += j * f->drift;                                                                  \
            t += (vector)((mask)one & (rest >= zero + f->steps));                                  \
            t -= (vector)((mask)one & (rest < zero));                                              \
            total += t;                                                                            \
            memcpy(sum + k, &total, sizeof(total));                                                \
        }                                                                                          \
    }

typedef double f64x2 __attribute__((vector_size(16)));
typedef int64_t i64x2 __attribute__((vector_size(16)));
typedef int32_t i32x2 __attribute__((vector_size(8)));
typedef uint64_t u64x2 __attribute__((vector_size(16)));
typedef uint32_t u32x2 __attribute__((vector_size(8)));
#if defined(__x86_64__)
#define MULTIPLY_BASELINE(x, y) ((u64x2)_mm_mul_epu32((__m128i)(x), (__m128i)(y)))
#else
#define MULTIPLY_BASELINE(x, y) (((x)&UINT32_MAX) * (y))
#endif

NUMBERS(baseline, , u64x2, u32x2, MULTIPLY_BASELINE)
ROUNDS(baseline, )
FLOORS(baseline, , f64x2, i32x2, i64x2)

#if defined(__x86_64__)
typedef double f64x4 __attribute__((vector_size(32)));
typedef int64_t i64x4 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef uint64_t u64x4 __attribute__((vector_size(32)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
#define TARGET_AVX2           __attribute__((target("avx2")))
#define TARGET_AVX512         __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#define MULTIPLY_AVX2(x, y)   ((u64x4)_mm256_mul_epu32((__m256i)(x), (__m256i)(y)))
#define MULTIPLY_AVX512(x, y) ((u64x8)_mm512_mul_epu32((__m512i)(x), (__m512i)(y)))

NUMBERS(avx2, TARGET_AVX2, u64x4, u32x4, MULTIPLY_AVX2)
ROUNDS(avx2, TARGET_AVX2)
FLOORS(avx2, TARGET_AVX2, f64x4, i32x4, i64x4)
NUMBERS(avx512, TARGET_AVX512, u64x8, u32x8, MULTIPLY_AVX512)
ROUNDS(avx512, TARGET_AVX512)
FLOORS(avx512, TARGET_AVX512, f64x8, i32x8, i64x8)
#endif

static const struct lanes_path paths[] = {
    {"baseline", numbers_baseline, rounds_baseline, floors_baseline},
#if defined(__x86_64__)
    {"avx2", numbers_avx2, rounds_avx2, floors_avx2},
    {"avx512", numbers_avx512, rounds_avx512, floors_avx512},
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

void lanes_floors(double *sum, const double *below, const struct lanes_floors *floors, uint32_t n)
{
    path()->floors(sum, below, floors, n);
}

static void walk_begin(struct lanes_walk *w, uint32_t at, uint64_t value, unsigned bits)
{
    unsigned left_bits = bits / 2, right_bits = bits - left_bits;
    w->left[at] = (uint32_t)(value >> right_bits);
    w->right[at] = (uint32_t)(value & ((1ull << right_bits) - 1));
    w->left_shift[at] = 32 - left_bits;
    w->right_shift[at] = 32 - right_bits;
}

/* Lanes that have arrived drop out; the others close up and walk on. */
static void walk(struct lanes_walk *w, uint32_t n, uint64_t *value, const uint64_t *size,
                 uint64_t same_size)
{
    const struct lanes_path *p = path();
    while (n) {
        p->rounds(w, n);
        uint32_t walking = 0;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t lane = w->lane[k];
            uint64_t x = (uint64_t)w->left[k] << (32 - w->right_shift[k]) | w->right[k];
            value[lane] = x;
            w->walking[walking] = k;
            walking += x >= (size ? size[lane] : same_size);
        }
        n = walking;
        for (uint32_t k = 0; k < n; k++) {
            uint32_t from = w->walking[k];
            w->left[k] = w->left[from];
            w->right[k] = w->right[from];
            w->left_shift[k] = w->left_shift[from];
            w->right_shift[k] = w->right_shift[from];
            w->low_key[k] = w->low_key[from];
            w->high_key[k] = w->high_key[from];
            w->lane[k] = w->lane[from];
        }
    }
}

void lanes_permute(uint64_t *value, const uint64_t *size, const uint64_t *key, uint32_t n,
                   struct lanes_walk *w)
{
    uint32_t walking = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (size[k] <= PERMUTE_TINY) {
            value[k] = permute_tiny(value[k], size[k], key[k]);
            continue;
        }
        walk_begin(w, walking, value[k], permute_bits(size[k]));
        w->low_key[walking] = (uint32_t)key[k];
        w->high_key[walking] = (uint32_t)(key[k] >> 32);
        w->lane[walking++] = k;
    }
    walk(w, walking, value, size, 0);
}

void lanes_permute_one(uint64_t *value, uint64_t size, uint64_t key, uint32_t n,
                       struct lanes_walk *w)
{
    if (size <= PERMUTE_TINY) {
        for (uint32_t k = 0; k < n; k++)
            value[k] = permute_tiny(value[k], size, key);
        return;
    }
    unsigned bits = permute_bits(size);
    for (uint32_t k = 0; k < n; k++) {
        walk_begin(w, k, value[k], bits);
        w->low_key[k] = (uint32_t)key;
        w->high_key[k] = (uint32_t)(key >> 32);
        w->lane[k] = k;
    }
    walk(w, n, value, NULL, size);
}
