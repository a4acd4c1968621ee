/* 64-bit ARM. */
#include "internal.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#define NAME neon
#define LANES 4
#define VECTOR int32x4_t
#define LOAD(p) vld1q_s32((const int32_t *)(const void *)(p))
#define STORE(p, v) vst1q_s32(p, v)
#define STORE16(p, v) vst1_s16(p, vmovn_s32(v))
#define ALL(n) vdupq_n_s32(n)
#define ADD(a, b) vaddq_s32(a, b)
#define MULTIPLY(a, b) vmulq_s32(a, b)
#define MIN(a, b) vminq_s32(a, b)
#define MAX(a, b) vmaxq_s32(a, b)
#define NEGATED(v) vnegq_s32(v)
#define IF_NEGATIVE(v, a, b) vbslq_s32(vcltzq_s32(v), a, b)
#define SHIFT_LEFT(v, n) vshlq_n_s32(v, n)
#define SHIFT(v, n) vshlq_s32(v, vdupq_n_s32(-(n)))
#define SHIFT_EACH(v, counts) vshlq_s32(v, vnegq_s32(counts))
#define PAIR(p) pair_at(p)
#define DOT(sums, pair, weights) dot(sums, pair, weights)
#define PLACE(output, half) \
    ((output) / LANES * 2 * LANES + (half) * LANES + \
     (output) % LANES) /* four weights of one input, then of the other */
#define SHAPES(S) S(6, 4) S(4, 4) S(2, 4) S(1, 4)
#define MOST_SUMS (24 * LANES)
#define MOST_BESIDE 6
static inline int32x4_t pair_at(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return vdupq_n_s32(pair);
}
static inline int32x4_t dot(int32x4_t sums, int32x4_t pair, int32x4_t weights)
{
    const int16x4_t x = vget_low_s16(vreinterpretq_s16_s32(pair));
    const int16x8_t w = vreinterpretq_s16_s32(weights);
    return vmlal_lane_s16(vmlal_lane_s16(sums, vget_low_s16(w), x, 0), vget_high_s16(w), x, 1);
}
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_neon = {"neon", here, block, neon_place, neon_run};
#endif
