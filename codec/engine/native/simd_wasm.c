/* WebAssembly with 128-bit vectors. */
#include "internal.h"
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define NAME wasm
#define LANES 4
#define VECTOR v128_t
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define STORE16(p, v) wasm_v128_store64_lane(p, wasm_i16x8_narrow_i32x4(v, v), 0)
#define ALL(n) wasm_i32x4_splat(n)
#define ADD(a, b) wasm_i32x4_add(a, b)
#define MULTIPLY(a, b) wasm_i32x4_mul(a, b)
#define MIN(a, b) wasm_i32x4_min(a, b)
#define MAX(a, b) wasm_i32x4_max(a, b)
#define NEGATED(v) wasm_i32x4_neg(v)
#define IF_NEGATIVE(v, a, b) wasm_v128_bitselect(a, b, wasm_i32x4_shr(v, 31))
#define SHIFT_LEFT(v, n) wasm_i32x4_shl(v, n)
#define SHIFT(v, n) wasm_i32x4_shr(v, (uint32_t)(n))
#define SHIFT_EACH(v, counts) shifted(v, counts)
#define PAIR(p) wasm_v128_load32_splat(p)
#define DOT(sums, pair, weights) wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(3, 4) S(2, 4) S(1, 4)
#define MOST_SUMS (12 * LANES)
#define MOST_BESIDE 3
/* Whole numbers below 2^24 and powers of two are exact in float. */
static inline v128_t shifted(v128_t v, v128_t counts)
{
    const v128_t power = wasm_i32x4_shl(wasm_i32x4_sub(wasm_i32x4_splat(127), counts), 23);
    return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_floor(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(v), power)));
}
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_wasm = {"wasm", here, block, wasm_place, wasm_run};
#endif
