/* WebAssembly with 128-bit vectors. */
#include "internal.h"
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define NAME wasm
#define LANES 4
#define VECTOR v128_t
#define LOAD(p) wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)
#define PAIR(p) wasm_v128_load32_splat(p)
#define DOT(sums, pair, weights) wasm_i32x4_add(sums, wasm_i32x4_dot_i16x8(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define SHAPES(S) S(3, 4) S(2, 4) S(1, 4)
#define MOST_SUMS (12 * LANES)
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_wasm = {"wasm", here, block, wasm_place, wasm_run};
#endif
