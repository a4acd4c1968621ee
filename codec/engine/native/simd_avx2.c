/* x86-64 with AVX2. */
#include "internal.h"
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#include <immintrin.h>
#define NAME avx2
#define LANES 8
#define VECTOR __m256i
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define DOT(sums, pair, weights) _mm256_add_epi32(sums, _mm256_madd_epi16(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(6, 2) S(4, 2) S(2, 2) S(1, 2)
#define MOST_SUMS (12 * LANES)
static inline __m256i pair_at(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm256_set1_epi32(pair);
}
#define PAIR(p) pair_at(p)
#include "kernel.h"
static int here(void) { return __builtin_cpu_supports("avx2"); }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_avx2 = {"avx2", here, block, avx2_place, avx2_run};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
