/* x86-64 with AVX-512 and its sums of products of int16 (VNNI). */
#include "internal.h"
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#endif
#include <immintrin.h>
#define NAME avx512
#define LANES 16
#define VECTOR __m512i
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define STORE16(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16(v))
#define ALL(n) _mm512_set1_epi32(n)
#define ADD(a, b) _mm512_add_epi32(a, b)
#define MULTIPLY(a, b) _mm512_mullo_epi32(a, b)
#define MIN(a, b) _mm512_min_epi32(a, b)
#define MAX(a, b) _mm512_max_epi32(a, b)
#define NEGATED(v) _mm512_sub_epi32(_mm512_setzero_si512(), v)
#define IF_NEGATIVE(v, a, b) _mm512_mask_blend_epi32(_mm512_movepi32_mask(v), b, a)
#define SHIFT_LEFT(v, n) _mm512_slli_epi32(v, n)
#define SHIFT(v, n) _mm512_sra_epi32(v, _mm_cvtsi32_si128(n))
#define SHIFT_EACH(v, counts) _mm512_srav_epi32(v, counts)
#define DOT(sums, pair, weights) _mm512_dpwssd_epi32(sums, pair, weights)
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(12, 2) S(8, 2) S(4, 2) S(2, 2) S(1, 2) S(8, 3) S(4, 3) S(2, 3) S(1, 3)
#define MOST_SUMS (24 * LANES)
#define MOST_BESIDE 12
static inline __m512i pair_at(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm512_set1_epi32(pair);
}
#define PAIR(p) pair_at(p)
#include "kernel.h"
static int here(void)
{
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
static int block(int outputs) { return outputs % 48 == 0 && outputs % 32 ? 48 : 32; }
const Simd aec_avx512vnni = {"avx512vnni", here, block, avx512_place, avx512_run};
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
