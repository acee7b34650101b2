/*
 * Products of packed rows with packed rows, compiled for each vector width that x86 has, and in a
 * form for any processor. Called by the two passes (knn_tiles.c, knn_exact.c) through knn_path.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "client/lib/knn.h"

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* A few values of one row, of which at least one is wanted. */
#define HITS(type, name)                                                                           \
    static void __attribute__((noinline))                                                          \
    hits_##name(const struct knn_tile_##name *t, uint32_t row, uint32_t column, const type *value, \
                uint32_t count)                                                                    \
    {                                                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            if (value[i] >= t->row_least[row])                                                     \
                t->hit(t->arg, row, column + i, value[i]);                                         \
            if (value[i] >= t->column_least[column + i])                                           \
                t->column_hit(t->arg, row, column + i, value[i]);                                  \
        }                                                                                          \
    }
HITS(float, f32)
HITS(double, f64)
#define knn_tile_plain knn_tile_f64
#define hits_plain     hits_f64

/*
 * A kernel keeps 3 vectors for each of `height` rows in registers while it walks down the columns.
 * The halves are taken off first, so that comparing is all that is left to do at the end. splat is
 * a vector of one value, madd(x, y, z) is x * y + z, at_least a number other than 0 where a lane of
 * the first is at least that of the second.
 */
#define TILE(path, attributes, type, name, vector, height, splat, madd, at_least)                  \
    attributes static void tile_##name##_##path(const struct knn_tile_##name *t)                   \
    {                                                                                              \
        enum { LANES = sizeof(vector) / sizeof(type), STEP = 3 * LANES };                          \
        const size_t d = t->d;                                                                     \
        for (uint32_t column = 0; column < t->column_count; column += STEP)                        \
            for (uint32_t row = 0; row < t->row_count; row += height) {                            \
                const type *a = t->rows + row / KNN_PANEL * KNN_PANEL * d + row % KNN_PANEL;       \
                const type *b = t->columns + column / KNN_PANEL * KNN_PANEL * d;                   \
                vector sum[height][3], y[3];                                                       \
                b += column % KNN_PANEL;                                                           \
                UNROLL for (int s = 0; s < 3; s++)                                                 \
                    memcpy(&y[s], t->column_half + column + s * LANES, sizeof(vector));            \
                UNROLL for (int r = 0; r < height; r++)                                            \
                {                                                                                  \
                    const vector half = splat(t->row_half[row + r]);                               \
                    UNROLL for (int s = 0; s < 3; s++) sum[r][s] = -y[s] - half;                   \
                }                                                                                  \
                for (size_t u = 0; u < d * KNN_PANEL; u += KNN_PANEL) {                            \
                    UNROLL for (int s = 0; s < 3; s++)                                             \
                        memcpy(&y[s], b + u + s * LANES, sizeof(vector));                          \
                    UNROLL for (int r = 0; r < height; r++)                                        \
                    {                                                                              \
                        const vector x = splat(a[u + r]);                                          \
                        UNROLL for (int s = 0; s < 3; s++) sum[r][s] = madd(x, y[s], sum[r][s]);   \
                    }                                                                              \
                }                                                                                  \
                UNROLL for (int s = 0; s < 3; s++)                                                 \
                    memcpy(&y[s], t->column_least + column + s * LANES, sizeof(vector));           \
                UNROLL for (int r = 0; r < height; r++)                                            \
                {                                                                                  \
                    const vector least = splat(t->row_least[row + r]);                             \
                    unsigned found = 0;                                                            \
                    UNROLL for (int s = 0; s < 3; s++) found |=                                    \
                        at_least(sum[r][s], least) | at_least(sum[r][s], y[s]);                    \
                    if (__builtin_expect(found, 0)) {                                              \
                        type value[STEP];                                                          \
                        UNROLL for (int s = 0; s < 3; s++)                                         \
                            memcpy(value + s * LANES, &sum[r][s], sizeof(vector));                 \
                        hits_##name(t, row + r, column, value, STEP);                              \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
    }

#if defined(__x86_64__)
#define MADD_128_PS(x, y, z)  _mm_add_ps(_mm_mul_ps(x, y), z)
#define MADD_128_PD(x, y, z)  _mm_add_pd(_mm_mul_pd(x, y), z)
#define MADD_256_PD(x, y, z)  _mm256_add_pd(_mm256_mul_pd(x, y), z)
#define MADD_512_PD(x, y, z)  _mm512_add_pd(_mm512_mul_pd(x, y), z)
#define AT_LEAST_128_PS(a, b) (unsigned)_mm_movemask_ps(_mm_cmpge_ps(a, b))
#define AT_LEAST_128_PD(a, b) (unsigned)_mm_movemask_pd(_mm_cmpge_pd(a, b))
#define AT_LEAST_256_PS(a, b) (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ))
#define AT_LEAST_256_PD(a, b) (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_GE_OQ))
#define AT_LEAST_512_PS(a, b) _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ)
#define AT_LEAST_512_PD(a, b) _mm512_cmp_pd_mask(a, b, _CMP_GE_OQ)
#define TARGET_AVX2           __attribute__((target("avx2,fma")))
#define TARGET_AVX512         __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))

TILE(baseline, , float, f32, __m128, 4, _mm_set1_ps, MADD_128_PS, AT_LEAST_128_PS)
TILE(baseline, , double, f64, __m128d, 4, _mm_set1_pd, MADD_128_PD, AT_LEAST_128_PD)
TILE(avx2, TARGET_AVX2, float, f32, __m256, 4, _mm256_set1_ps, _mm256_fmadd_ps, AT_LEAST_256_PS)
TILE(avx2, TARGET_AVX2, double, f64, __m256d, 4, _mm256_set1_pd, _mm256_fmadd_pd, AT_LEAST_256_PD)
TILE(avx2, TARGET_AVX2, double, plain, __m256d, 4, _mm256_set1_pd, MADD_256_PD, AT_LEAST_256_PD)
TILE(avx512, TARGET_AVX512, double, plain, __m512d, 8, _mm512_set1_pd, MADD_512_PD, AT_LEAST_512_PD)
TILE(avx512, TARGET_AVX512, float, f32, __m512, 8, _mm512_set1_ps, _mm512_fmadd_ps, AT_LEAST_512_PS)
TILE(avx512, TARGET_AVX512, double, f64, __m512d, 8, _mm512_set1_pd, _mm512_fmadd_pd,
     AT_LEAST_512_PD)
#endif

/* What any processor can do, four floats at once; on x86 it is only compared with the others. */
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int64_t i64x2 __attribute__((vector_size(16)));

static inline unsigned at_least_f32(f32x4 a, f32x4 b)
{
    const i32x4 m = (i32x4)(a >= b);
    return (m[0] | m[1] | m[2] | m[3]) != 0;
}

static inline unsigned at_least_f64(f64x2 a, f64x2 b)
{
    const i64x2 m = (i64x2)(a >= b);
    return (m[0] | m[1]) != 0;
}

#define SPLAT_F32(x)      ((f32x4){x, x, x, x})
#define SPLAT_F64(x)      ((f64x2){x, x})
#define MADD_ANY(x, y, z) ((x) * (y) + (z))
TILE(any, , float, f32, f32x4, 4, SPLAT_F32, MADD_ANY, at_least_f32)
TILE(any, , double, f64, f64x2, 4, SPLAT_F64, MADD_ANY, at_least_f64)

static const struct knn_path paths[] = {
    {"any", tile_f32_any, tile_f64_any, tile_f64_any},
#if defined(__x86_64__)
    {"baseline", tile_f32_baseline, tile_f64_baseline, tile_f64_baseline},
    {"avx2", tile_f32_avx2, tile_f64_avx2, tile_plain_avx2},
    {"avx512", tile_f32_avx512, tile_f64_avx512, tile_plain_avx512},
#endif
};

unsigned knn_paths(const struct knn_path **out)
{
    unsigned n = 1;

    *out = paths;
#if defined(__x86_64__)
    n = 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        n = 3;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
            n = 4;
    }
#endif
    return n;
}

static _Atomic(const struct knn_path *) chosen;

const struct knn_path *knn_path(void)
{
    const struct knn_path *path = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (path == NULL)
        path = &paths[knn_paths(&path) - 1];
    return path;
}

void knn_use(const struct knn_path *path)
{
    atomic_store(&chosen, path);
}
