/* Every x86-64: SSE2. */
#include "internal.h"
#if defined(__x86_64__)
#include <emmintrin.h>
#define NAME sse2
#define LANES 4
#define VECTOR __m128i
#define LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define STORE16(p, v) _mm_storel_epi64((__m128i *)(p), _mm_packs_epi32(v, v))
#define ALL(n) _mm_set1_epi32(n)
#define ADD(a, b) _mm_add_epi32(a, b)
#define MULTIPLY(a, b) multiplied(a, b)
#define MIN(a, b) chosen(_mm_cmplt_epi32(a, b), a, b)
#define MAX(a, b) chosen(_mm_cmpgt_epi32(a, b), a, b)
#define NEGATED(v) _mm_sub_epi32(_mm_setzero_si128(), v)
#define IF_NEGATIVE(v, a, b) chosen(_mm_srai_epi32(v, 31), a, b)
#define SHIFT_LEFT(v, n) _mm_slli_epi32(v, n)
#define SHIFT(v, n) _mm_sra_epi32(v, _mm_cvtsi32_si128(n))
#define SHIFT_EACH(v, counts) shifted(v, counts)
#define DOT(sums, pair, weights) _mm_add_epi32(sums, _mm_madd_epi16(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(3, 4) S(2, 4) S(1, 4)
#define MOST_SUMS (12 * LANES)
#define MOST_BESIDE 3
static inline __m128i pair_at(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm_set1_epi32(pair);
}
static inline __m128i chosen(__m128i mask, __m128i a, __m128i b)
{ return _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b)); }
static inline __m128i multiplied(__m128i a, __m128i b)
{
    const __m128i even = _mm_mul_epu32(a, b), odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32));
    return _mm_unpacklo_epi32(_mm_shuffle_epi32(even, 8), _mm_shuffle_epi32(odd, 8));
}
/* Whole numbers below 2^24 and powers of two are exact in float; what the conversion cuts off, it cuts towards 0. */
static inline __m128i shifted(__m128i v, __m128i counts)
{
    const __m128i power = _mm_slli_epi32(_mm_sub_epi32(_mm_set1_epi32(127), counts), 23);
    const __m128 x = _mm_mul_ps(_mm_cvtepi32_ps(v), _mm_castsi128_ps(power));
    const __m128i whole = _mm_cvttps_epi32(x);
    return _mm_add_epi32(whole, _mm_castps_si128(_mm_cmpgt_ps(_mm_cvtepi32_ps(whole), x)));
}
#define PAIR(p) pair_at(p)
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_baseline = {"baseline", here, block, sse2_place, sse2_run};
#endif
