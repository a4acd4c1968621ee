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
#define STORE16(p, v) _mm_storeu_si128((__m128i *)(p), narrowed(v))
#define ALL(n) _mm256_set1_epi32(n)
#define ADD(a, b) _mm256_add_epi32(a, b)
#define MULTIPLY(a, b) _mm256_mullo_epi32(a, b)
#define MIN(a, b) _mm256_min_epi32(a, b)
#define MAX(a, b) _mm256_max_epi32(a, b)
#define NEGATED(v) _mm256_sub_epi32(_mm256_setzero_si256(), v)
#define IF_NEGATIVE(v, a, b) _mm256_blendv_epi8(b, a, _mm256_srai_epi32(v, 31))
#define SHIFT_LEFT(v, n) _mm256_slli_epi32(v, n)
#define SHIFT(v, n) _mm256_sra_epi32(v, _mm_cvtsi32_si128(n))
#define SHIFT_EACH(v, counts) _mm256_srav_epi32(v, counts)
#define DOT(sums, pair, weights) _mm256_add_epi32(sums, _mm256_madd_epi16(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(6, 2) S(4, 2) S(2, 2) S(1, 2)
#define MOST_SUMS (12 * LANES)
#define MOST_BESIDE 6
static inline __m256i pair_at(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm256_set1_epi32(pair);
}
static inline __m128i narrowed(__m256i v)
{ return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packs_epi32(v, v), 8)); }
#define PAIR(p) pair_at(p)
#include "kernel.h"
static int here(void) { return __builtin_cpu_supports("avx2"); }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_avx2 = {"avx2", here, block, avx2_place, avx2_run};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
